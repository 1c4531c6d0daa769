from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.engine.market import MarketState
from core.feeds.bybit.decoder import BybitDecoder
from core.model.ids import VenueName, instrument_id
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import (
    BookDelta,
    BookSnapshot,
    DayTicker,
    FeedStatus,
    FeedStatusChanged,
    FrameRejected,
    Liquidation,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    OptionGreeks,
    Quote,
    Trade,
)
from core.wire.tape_reader import TapeReader

BYBIT = VenueName("bybit")


def make(
    symbol: str,
    tick: str = "0.1",
    lot: str = "0.001",
    kind: InstrumentKind = InstrumentKind.PERPETUAL,
) -> Instrument:
    name = f"{symbol}-PERP" if kind is InstrumentKind.PERPETUAL else symbol
    return Instrument(
        id=instrument_id(name, BYBIT),
        venue=BYBIT,
        venue_symbol=symbol,
        base=symbol[:3],
        quote=symbol[3:],
        kind=kind,
        price_tick=Decimal(tick),
        size_lot=Decimal(lot),
    )


def unlisted(symbol: str) -> Instrument:
    """What a replay takes for a symbol no listing named; fixtures have up to eight decimals."""
    return make(symbol, "0.00000001", "0.00000001")


@pytest.fixture
def linear() -> Instrument:
    return make("BTCUSDT")


@pytest.fixture
def spot() -> Instrument:
    return make("BTCUSDT", "0.01", "0.000001", InstrumentKind.SPOT)


@pytest.fixture
def option() -> Instrument:
    return make("BTC-28JUN24-60000-P", "5", "0.01", InstrumentKind.OPTION)


@pytest.fixture
def decoder(linear: Instrument, spot: Instrument, option: Instrument) -> BybitDecoder:
    return BybitDecoder(instruments=[linear, spot, option])


@pytest.fixture
def decode(decoder: BybitDecoder) -> Callable[..., Sequence[MarketEvent]]:
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
        self.decoder = BybitDecoder()
        self.decoder.unlisted = make_unlisted
        self.market = MarketState((), {BYBIT: self.decoder.rule}, eager=True)
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
    for item in expected or ():
        out += _tardis(item, events, by_id)
    return out


def _exact(value: Any) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return Decimal(str(value)) if number else value


def _levels(levels: Any, item: Instrument) -> list[tuple[Decimal, Decimal]]:
    return [(item.price(ticks), item.size(lots)) for ticks, lots in levels.tolist()]


def _values(event: Any, by_id: dict[Any, Instrument]) -> dict[str, Any]:
    of = by_id[event.instrument_id]
    match event:
        case Trade():
            return {"type": "trade", "price": of.price(event.price_ticks),
                    "amount": of.size(event.size_lots),
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
        case OpenInterest():
            return {"type": "derivative_ticker", "openInterest": event.size}
        case MarkPrice():
            return {"type": "derivative_ticker", "markPrice": event.mark,
                    "indexPrice": event.index, "fundingRate": event.funding_rate}  # fmt: skip
        case DayTicker():
            return {"type": "derivative_ticker", "lastPrice": event.last}
        case Liquidation():
            return {"type": "liquidation", "price": of.price(event.price_ticks),
                    "amount": of.size(event.size_lots), "side": event.side.value}  # fmt: skip
        case OptionGreeks():
            return {"type": "option_summary", "markIV": Decimal(str(event.mark_iv)),
                    "bestBidIV": Decimal(str(event.bid_iv)),
                    "bestAskIV": Decimal(str(event.ask_iv)),
                    "delta": Decimal(str(event.delta)), "gamma": Decimal(str(event.gamma)),
                    "vega": Decimal(str(event.vega)), "theta": Decimal(str(event.theta)),
                    "underlyingPrice": Decimal(str(event.underlying))}  # fmt: skip
    return {"type": type(event).__name__}


def _tardis(item: dict[str, Any], events: Sequence[Any], by_id: dict[Any, Instrument]) -> list[str]:
    made = [{key: value for key, value in _values(event, by_id).items() if value is not None}
            for event in events]  # fmt: skip
    wanted = {key: value for key, value in item.items() if value is not None}
    for key in ("bids", "asks"):
        if key in wanted:
            wanted[key] = [(_exact(row["price"]), _exact(row["amount"])) for row in wanted[key]]
    same_kind = [facts for facts in made if facts["type"] == item["type"]]
    if not same_kind:
        return [] if item["type"] == "derivative_ticker" else [f"no event for {item}"]
    right = [
        all(_exact(wanted.get(key, value)) == value for key, value in facts.items())
        for facts in same_kind
    ]
    # A ticker becomes several events, and all of them must be right.
    good = all(right) if item["type"] == "derivative_ticker" else any(right)
    return [] if good else [f"{same_kind} instead of {wanted}"]
