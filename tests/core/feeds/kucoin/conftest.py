from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.engine.market import MarketState
from core.feeds.kucoin.decoder import KucoinDecoder
from core.model.ids import VenueName, instrument_id
from core.model.instruments import Instrument
from core.model.market import (
    BookDelta,
    BookSnapshot,
    FeedStatus,
    FeedStatusChanged,
    FrameRejected,
    MarketEvent,
    Quote,
    Trade,
    VenueBar,
)
from core.wire.tape_reader import TapeReader

KUCOIN = VenueName("kucoin")


def make(symbol: str, tick: str = "0.1", lot: str = "0.00000001") -> Instrument:
    base, _, quote = symbol.partition("-")
    return Instrument(
        id=instrument_id(symbol, KUCOIN),
        venue=KUCOIN,
        venue_symbol=symbol,
        base=base,
        quote=quote,
        price_tick=Decimal(tick),
        size_lot=Decimal(lot),
    )


def unlisted(symbol: str) -> Instrument:
    """What a replay takes for a symbol no listing named; fixtures have up to twelve decimals."""
    return make(symbol, "0.0000000001", "0.000000001")


@pytest.fixture
def spot() -> Instrument:
    return make("BTC-USDT")


@pytest.fixture
def decoder(spot: Instrument) -> KucoinDecoder:
    return KucoinDecoder(instruments=[spot])


@pytest.fixture
def decode(decoder: KucoinDecoder) -> Callable[..., Sequence[MarketEvent]]:
    def run(message: object, conn: int = 1, kind: Any = "recv") -> Sequence[MarketEvent]:
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        return decoder.decode(kind, conn, 7, "", data)

    return run


@pytest.fixture(scope="session")
def recorded() -> Path:
    root = Path(__file__).parents[4]
    folder = Path(os.environ.get("CLX_RECORDED_DATA", root.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no recorded data at {folder}: set CLX_RECORDED_DATA")
    return folder


class Played:
    """A capture played through the decoder into a market."""

    def __init__(self, path: Path, make_unlisted: Callable[[str], Instrument]) -> None:
        self.decoder = KucoinDecoder()
        self.decoder.unlisted = make_unlisted
        self.market = MarketState((), {KUCOIN: self.decoder.rule}, eager=True)
        self.labels: Counter[str] = Counter()
        self.rejected: list[tuple[int, FrameRejected]] = []
        self.lost: list[tuple[int, FeedStatusChanged]] = []
        for frame in TapeReader(path).frames():
            kind: Any = frame.kind
            events = self.decoder.decode(kind, frame.conn, frame.ts_ns, frame.url, frame.data)
            self.labels.update(self.decoder.label(kind, frame.url, frame.data, events))
            self.market.add_instruments(self.decoder.instruments.values())
            for event in events:
                if isinstance(event, FrameRejected):
                    self.rejected.append((frame.line, event))
                    continue
                for output in self.market.apply(event):
                    if isinstance(output, FeedStatusChanged) and output.status is FeedStatus.STALE:
                        self.lost.append((frame.line, output))

    def gate(self, symbol: str) -> Any:
        return self.market._markets[self.decoder.instruments[symbol].id].gate

    def side(self, symbol: str, side: int, depth: int = 5) -> list[list[Decimal]]:
        item = self.decoder.instruments[symbol]
        levels = self.market.book(item.id).top(depth)[side].tolist()
        return [[item.price(ticks), item.size(lots)] for ticks, lots in levels]


@pytest.fixture
def play(recorded: Path) -> Callable[..., Played]:
    def run(name: str, make_unlisted: Callable[[str], Instrument] = unlisted) -> Played:
        return Played(recorded / f"{name}.jsonl.zst", make_unlisted)

    return run


@pytest.fixture
def any_symbol() -> Callable[[str], Instrument]:
    return unlisted


class Fixture(msgspec.Struct):
    """One line of a fixture file."""

    name: str
    msg: bytes
    url: str = ""
    expected: Any = None


@pytest.fixture
def fixtures(recorded: Path) -> Callable[[str], Iterator[Fixture]]:
    class Line(msgspec.Struct):
        msg: msgspec.Raw
        url: str | None = None
        expected: Any = None

    def read(file: str) -> Iterator[Fixture]:
        for number, text in enumerate((recorded / file).read_bytes().splitlines()):
            line = msgspec.json.decode(text, type=Line)
            yield Fixture(
                f"{Path(file).stem}#{number}", bytes(line.msg), line.url or "", line.expected
            )

    return read


@pytest.fixture
def agree() -> Callable[..., list[str]]:
    """Compare events with what an independent parser made of the same frame."""
    return disagreements


def disagreements(
    expected: Any, events: Sequence[MarketEvent], instruments: dict[str, Instrument]
) -> list[str]:
    by_id = {item.id: item for item in instruments.values()}
    out: list[str] = []
    if isinstance(expected, dict):
        # ccxt's own names of what a trade says.
        expected = [[f"trade.{key}", expected[key]] for key in ("price", "side", "timestamp")]
    elif expected and isinstance(expected[0], int):
        # A candle as ccxt gives it, with the close after the low.
        keys = ("open", "high", "low", "close", "volume")
        expected = [["candlestick_msg.begin_time", expected[0] // 1000],
                    *([f"candlestick_msg.{key}", value]
                      for key, value in zip(keys, expected[1:], strict=True))]  # fmt: skip
    for item in expected or ():
        if isinstance(item, dict):
            out += _tardis(item, events, by_id)
            continue
        name, value = item
        facts = _facts(events, by_id)
        found = _evaluate(name, facts)
        if found is not None and value is not None and found != _exact(value):
            out.append(f"{name}: {found} instead of {value}")
    return out


def _exact(value: Any) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return Decimal(str(value)) if number else value


def _levels(levels: Any, item: Instrument) -> list[tuple[Decimal, Decimal]]:
    return [(item.price(ticks), item.size(lots)) for ticks, lots in levels.tolist()]


def _tardis(item: dict[str, Any], events: Sequence[Any], by_id: dict[Any, Instrument]) -> list[str]:
    def values(event: Any) -> dict[str, Any]:
        of = by_id[event.instrument_id]
        match event:
            case Trade():
                return {"type": "trade", "price": of.price(event.price_ticks),
                        "amount": of.size(event.size_lots), "id": str(event.trade_id),
                        "side": "sell" if event.buyer_is_maker else "buy"}  # fmt: skip
            case Quote():
                return {"type": "book_ticker", "askPrice": of.price(event.ask_ticks),
                        "askAmount": of.size(event.ask_lots),
                        "bidPrice": of.price(event.bid_ticks),
                        "bidAmount": of.size(event.bid_lots)}  # fmt: skip
            case BookDelta() | BookSnapshot():
                image = isinstance(event, BookSnapshot)
                return {"type": "book_change", "isSnapshot": image,
                        "bids": _levels(event.bids, of),
                        "asks": _levels(event.asks, of)}  # fmt: skip
        return {"type": type(event).__name__}

    made = [{key: value for key, value in values(event).items() if value is not None}
            for event in events]  # fmt: skip
    wanted = {key: value for key, value in item.items() if value is not None}
    for key in ("bids", "asks"):
        if key in wanted:
            wanted[key] = [(_exact(row["price"]), _exact(row["amount"])) for row in wanted[key]]
    same_kind = [facts for facts in made if facts["type"] == item["type"]]
    if not same_kind:
        return [] if item["type"] == "derivative_ticker" else [f"no event for {item}"]
    for facts in same_kind:
        if all(_exact(wanted.get(key, value)) == value for key, value in facts.items()):
            return []
    return [f"{same_kind} instead of {wanted}"]


def _facts(events: Sequence[Any], by_id: dict[Any, Instrument]) -> dict[str, Any]:
    """Events under the names that crypto-msg-parser uses; sizes of contracts are not base sizes."""
    facts: dict[str, Any] = {}
    for event in events:
        of = by_id[event.instrument_id]
        ms = getattr(event, "ts_event_ns", 0) // 1_000_000
        if ms:
            facts["timestamp"] = Decimal(ms)
        size = "quantity_base"
        match event:
            case Trade():
                row = {"price": of.price(event.price_ticks), size: of.size(event.size_lots),
                       "side": "sell" if event.buyer_is_maker else "buy",
                       "timestamp": Decimal(ms)}  # fmt: skip
                facts.setdefault("trades", []).append(row)
                facts.setdefault("trade", row)
            case BookDelta() | BookSnapshot():
                facts["orderbook"] = {
                    "seq_id": Decimal(event.last_id),
                    "timestamp": Decimal(ms),
                    "bids": [{"price": p, size: s} for p, s in _levels(event.bids, of)],
                    "asks": [{"price": p, size: s} for p, s in _levels(event.asks, of)],
                }
            case Quote():
                facts["bbo_msg"] = {
                    "symbol": of.venue_symbol, "timestamp": Decimal(ms),
                    "ask_price": of.price(event.ask_ticks), f"ask_{size}": of.size(event.ask_lots),
                    "bid_price": of.price(event.bid_ticks), f"bid_{size}": of.size(event.bid_lots),
                }  # fmt: skip
            case VenueBar():
                facts["arr"] = [event]
                facts["candlestick_msg"] = {
                    "symbol": of.venue_symbol,
                    "begin_time": Decimal(event.ts_open_ns // 10**9),
                    "open": of.price(event.open_ticks), "high": of.price(event.high_ticks),
                    "low": of.price(event.low_ticks), "close": of.price(event.close_ticks),
                }  # fmt: skip
                facts["candlestick_msg"]["volume"] = of.size(event.volume_lots)
    return facts


def _evaluate(expression: str, facts: dict[str, Any]) -> Any:
    value: Any = facts
    for part in re.findall(r"\w+\(?|\d+", expression):
        if part == "len(":
            return Decimal(len(value))
        if isinstance(value, list):
            value = value[int(part)] if part.isdigit() and int(part) < len(value) else None
        elif isinstance(value, dict):
            value = value.get(part)
        if value is None:
            return None
    return value
