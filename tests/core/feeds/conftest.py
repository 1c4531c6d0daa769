"""What tests of feeds share: a venue of our own on loopback, and independent parsers' words.

The venue has a protocol of its own, spoken through the shared plumbing of feeds.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
import pytest
from aiohttp import WSMsgType, web

from core.engine.clock import SystemClock
from core.feeds.decoder import FeedDecoder
from core.feeds.dialect import Answer, Dialect, Heartbeat, LineLimits, Poll
from core.model.errors import DataError, TemporaryError
from core.model.ids import InstrumentId, VenueName, instrument_id
from core.model.instruments import Instrument
from core.model.market import (
    Bar,
    BookDelta,
    BookSnapshot,
    CheckedDelta,
    ClockSample,
    DayTicker,
    Liquidation,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    OptionGreeks,
    Quote,
    Timeframe,
    Trade,
    VenueBar,
)
from core.model.ports import DEFAULT_TRAITS, BookTraits, FrameKind, Verdict
from core.wire.http import HttpSession

Event = TypeVar("Event")

TOY = VenueName("toy")


class ToyVenue:
    """Numbers every message of a symbol, on all its sockets alike, as venues do."""

    def __init__(self) -> None:
        self.url = ""
        self.symbols = ["AAA", "BBB", "CCC"]
        self.sequence = dict.fromkeys(self.symbols, 0)
        self.sockets: dict[web.WebSocketResponse, set[str]] = {}
        self.heard: list[str] = []
        self.images = 0
        self.opened = 0
        self.failures: list[int] = []
        self.refusals = 0
        """Handshakes answered 503 from now on."""
        self.most_at_once = 0
        self.deaf = 0
        """Subscriptions it does not hear from now on."""

    async def stream(self, request: web.Request) -> web.StreamResponse:
        if self.refusals:
            self.refusals -= 1
            return web.Response(status=503)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.opened += 1
        self.sockets[socket] = set()
        self.most_at_once = max(self.most_at_once, len(self.sockets))
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self.hear(socket, message.data)
        finally:
            self.sockets.pop(socket, None)
        return socket

    async def hear(self, socket: web.WebSocketResponse, text: str) -> None:
        self.heard.append(text)
        word, _, rest = text.partition(" ")
        names = rest.split(",") if rest else []
        if word == "login":
            await socket.send_str('{"welcome":true}')
        elif word == "join" and self.deaf:
            self.deaf -= 1
        elif word == "join":
            await socket.send_str(json.dumps({"joined": names}))
            self.sockets[socket].update(names)
            for name in names:
                await socket.send_str(json.dumps({"image": name, "n": self.sequence[name]}))
        elif word == "leave":
            self.sockets[socket].difference_update(names)

    async def speak(self, symbol: str, *, lose: bool = False) -> None:
        """Send a trade with a book change to everyone who joined."""
        self.sequence[symbol] += 1
        text = json.dumps({"trade": symbol, "n": self.sequence[symbol]})
        if not lose:
            for socket, names in list(self.sockets.items()):
                if symbol in names:
                    await socket.send_str(text)

    async def say(self, socket: web.WebSocketResponse, text: str) -> None:
        await socket.send_str(text)

    async def rest(self, request: web.Request) -> web.Response:
        if self.failures:
            status = self.failures.pop(0)
            return web.Response(status=status, text="<html>no</html>")
        match request.path:
            case "/list":
                return web.json_response(self.symbols)
            case "/image":
                self.images += 1
                name = request.query["symbol"]
                return web.json_response({"image": name, "n": self.sequence[name]})
            case "/time":
                return web.json_response({"now": 5_000_000_000})
            case _:
                return web.json_response({"interest": request.query["symbol"], "size": "12.5"})


class ToyRule:
    def splice(self, snapshot_id: int, delta: BookDelta) -> Verdict:
        return self.follow(snapshot_id, delta)

    def follow(self, last_id: int, delta: BookDelta) -> Verdict:
        if delta.last_id <= last_id:
            return Verdict.OLD
        return Verdict.APPLY if delta.first_id == last_id + 1 else Verdict.GAP

    def traits(self, instrument: Instrument) -> BookTraits:
        return DEFAULT_TRAITS


class ToyDecoder(FeedDecoder):
    def message(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        said = msgspec.json.decode(data)
        if not isinstance(said, dict):
            raise DataError("a message must be an object")
        if "image" in said:
            return self._image(said, ts_recv_ns, reset=True)
        if "trade" not in said:
            return ()
        known = self.of(said["trade"])
        n = said["n"]
        levels = np.array([[100, n]], np.int64)
        return (
            BookDelta(known.id, 0, ts_recv_ns, n, n, -1, levels, levels[:0]),
            Trade(known.id, n * 10**9, ts_recv_ns, 101, 1, False, n),
        )

    def _image(self, said: dict[str, Any], ts: int, *, reset: bool) -> Sequence[MarketEvent]:
        name, n = self.of(said["image"]).id, said["n"]
        bids, asks = np.array([[100, 1]], np.int64), np.array([[102, 1]], np.int64)
        return (BookSnapshot(name, 0, ts, n, bids, asks, reset=reset),)

    def answer(self, ts_recv_ns: int, url: str, data: bytes) -> Sequence[MarketEvent]:
        said = msgspec.json.decode(data)
        if "image" in said:
            return self._image(said, ts_recv_ns, reset=False)
        if "now" in said:
            asked_ns = int(url.rpartition("asked_ns=")[2])
            trip = ts_recv_ns - asked_ns
            return (ClockSample(venue=TOY, ts_recv_ns=ts_recv_ns, offset_ns=1, round_trip_ns=trip),)
        if "interest" in said:
            name = self.of(said["interest"]).id
            size = Decimal(said["size"])
            return (
                OpenInterest(instrument_id=name, ts_event_ns=0, ts_recv_ns=ts_recv_ns, size=size),
            )
        return ()

    def sent(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        word, _, rest = data.decode().partition(" ")
        pairs = [(name, "book") for name in rest.split(",")]
        pairs += [] if word.startswith("book") else [(name, "trades") for name in rest.split(",")]
        if word == "join":
            return self.carry(conn, ts_recv_ns, pairs)
        return self.release(conn, ts_recv_ns, pairs) if word == "leave" else ()

    def label(
        self, kind: FrameKind, url: str, data: bytes, events: Sequence[MarketEvent]
    ) -> Sequence[str]:
        return (kind,)


class ToyDialect(Dialect):
    polls: Sequence[Poll] = (Poll("interest", 0.05),)
    waits_for_opening = True
    heartbeat = Heartbeat(0.02, "beat")

    def __init__(self, url: str, *, images_by_rest: bool = True, limits: LineLimits) -> None:
        self.venue = TOY
        self.decoder = ToyDecoder(TOY, ToyRule())
        self.limits = limits
        self.images_by_rest = images_by_rest
        self._url = url
        self._http = HttpSession(url, clock=SystemClock(), timeout_s=2.0)

    async def address(self, route: str) -> str:
        return self._url.replace("http", "ws") + "/stream?token=secret"

    def opening(self, route: str) -> Sequence[str]:
        return ("login secret-key",)

    def opened(self, frame: bytes) -> bool:
        return b"welcome" in frame

    def redacted(self, message: str) -> str:
        return "login ***" if message.startswith("login") else message

    def reply(self, frame: bytes) -> str | None:
        return "answer" if frame.startswith(b'{"question"') else None

    def retires(self, frame: bytes) -> bool:
        return frame.startswith(b'{"closing"')

    def subscribe(self, route: str, instruments: Sequence[Instrument]) -> Sequence[str]:
        return ("join " + ",".join(item.venue_symbol for item in instruments),)

    def unsubscribe(self, route: str, instruments: Sequence[Instrument]) -> Sequence[str]:
        return ("leave " + ",".join(item.venue_symbol for item in instruments),)

    def rejoin(self, route: str, instrument: Instrument) -> Sequence[str]:
        return (f"bookleave {instrument.venue_symbol}", f"join {instrument.venue_symbol}")

    async def _get(self, path: str, symbol: str = "") -> Answer:
        reply = await self._http.get(path, params=[("symbol", symbol)] if symbol else ())
        if reply.status >= 500:
            raise TemporaryError(f"{path}: {reply.status}")
        if reply.status != 200:
            raise DataError(f"{path}: {reply.status}")
        return Answer(reply.url, reply.body)

    async def listing(self) -> Sequence[Instrument]:
        names = msgspec.json.decode((await self._get("/list")).body, type=list[str])
        return [
            Instrument(
                id=instrument_id(f"{name}-USD", TOY), venue=TOY, venue_symbol=name, base=name,
                quote="USD", price_tick=Decimal("0.01"), size_lot=Decimal("0.1"),
            )
            for name in names
        ]  # fmt: skip

    async def image(self, instrument: Instrument) -> Answer | None:
        return await self._get("/image", instrument.venue_symbol)

    async def poll(self, name: str, instrument: Instrument) -> Answer | None:
        return await self._get(f"/{name}", instrument.venue_symbol)

    async def server_time(self) -> Answer | None:
        return await self._get("/time")

    async def history(
        self, instrument: Instrument, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> list[Bar]:
        return []

    async def close(self) -> None:
        await self._http.close()


@pytest.fixture
def toy_limits() -> LineLimits:
    return LineLimits(instruments=2, batch=2, pace_s=0.0, connections=2)


@pytest.fixture
def toy_dialect() -> type[ToyDialect]:
    return ToyDialect


@pytest.fixture
async def toy() -> AsyncIterator[ToyVenue]:
    venue = ToyVenue()
    async with _served(venue):
        yield venue


@asynccontextmanager
async def _served(venue: ToyVenue) -> AsyncIterator[None]:
    app = web.Application()
    app.router.add_get("/stream", venue.stream)
    app.router.add_get("/{name}", venue.rest)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    venue.url = f"http://127.0.0.1:{port}"
    try:
        yield
    finally:
        for socket in list(venue.sockets):
            await socket.close()
        await asyncio.wait_for(runner.cleanup(), 5)


@pytest.fixture
def names() -> list[InstrumentId]:
    return [InstrumentId(f"{name}-USD.toy") for name in ("AAA", "BBB", "CCC")]


class Fixture(msgspec.Struct):
    """One line of a file of fixtures."""

    name: str
    """File and line, counted from 0: ``messages_nautilus#3``."""
    msg: bytes
    expected: Any = None


@pytest.fixture(scope="session")
def named_fixtures(recorded: Path) -> Callable[[str], Iterator[Fixture]]:
    """Reads a file of fixtures with names by which a test can say why one is not read."""

    class Line(msgspec.Struct):
        msg: msgspec.Raw
        expected: Any = None

    def read(file: str) -> Iterator[Fixture]:
        for number, text in enumerate((recorded / file).read_bytes().splitlines()):
            line = msgspec.json.decode(text, type=Line)
            yield Fixture(f"{Path(file).stem}#{number}", bytes(line.msg), line.expected)

    return read


@pytest.fixture
def decode(decoder: FeedDecoder) -> Callable[..., Sequence[MarketEvent]]:
    """Decodes one message of the venue's decoder."""

    def run(message: object, conn: int = 1, kind: Any = "recv") -> Sequence[MarketEvent]:
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        return decoder.decode(kind, conn, 7, "", data)

    return run


@pytest.fixture
def any_symbol(decoder: FeedDecoder) -> Callable[[str], Instrument]:
    """Makes instruments whose steps hold whatever a fixture says."""

    def unlisted(symbol: str) -> Instrument:
        return Instrument(
            id=instrument_id(symbol, decoder.venue), venue=decoder.venue, venue_symbol=symbol,
            base="", quote="", price_tick=Decimal("1e-10"), size_lot=Decimal("1e-9"),
        )  # fmt: skip

    return unlisted


@pytest.fixture(scope="session")
def plays() -> dict[tuple[type[FeedDecoder], str], Any]:
    """Captures already played."""
    return {}


@pytest.fixture
def play(
    decoder: FeedDecoder, replayed: Any, plays: dict[Any, Any], any_symbol: Any
) -> Callable[..., Any]:
    """Plays a capture through a new decoder of the venue, once where nothing is asked of it."""

    def run(name: str, unlisted: Callable[[str], Instrument] | None = None) -> Any:
        key = (type(decoder), name)
        if unlisted is None and key in plays:
            return plays[key]
        made = type(decoder)()
        made.unlisted = unlisted or any_symbol
        played = replayed(f"{name}.jsonl.zst", made)
        return played if unlisted else plays.setdefault(key, played)

    return run


@pytest.fixture(scope="session")
def agree() -> Callable[..., list[str]]:
    """Compares events with what an independent parser made of the same frame."""
    return disagreements


def disagreements(
    expected: Any, events: Sequence[MarketEvent], instruments: dict[str, Instrument]
) -> list[str]:
    by_id = {item.id: item for item in instruments.values()}
    out: list[str] = []
    for item in _pairs(expected):
        if isinstance(item, dict):
            out += _tardis(item, events, by_id)
            continue
        name, value = item
        if name == "candlestick_msg.period":
            value = PERIODS.get(value, value)
        found = _evaluate(name, _facts(events, by_id))
        if found is not None and value is not None and found != _exact(value):
            out.append(f"{name}: {found} instead of {value}")
    return out


CCXT_NAMES = {
    "bid": "bbo_msg.bid_price", "ask": "bbo_msg.ask_price", "price": "trade.price",
    "side": "trade.side", "timestamp": "trade.timestamp",
}  # fmt: skip
"""What ccxt calls the values of tickers and trades, as crypto-msg-parser names them."""


PERIODS = {"1week": "1w"}
"""Lengths of bars as venues call them, where that is another word than ours."""


def _pairs(expected: Any) -> Sequence[Any]:
    if isinstance(expected, dict):
        return [[name, expected[key]] for key, name in CCXT_NAMES.items() if key in expected]
    if expected and isinstance(expected[0], int):
        # A candle as ccxt gives it, with the close after the low.
        keys = ("open", "high", "low", "close", "volume")
        values = zip(keys, expected[1:], strict=True)
        return [["candlestick_msg.begin_time", expected[0] // 1000],
                *([f"candlestick_msg.{key}", value] for key, value in values)]  # fmt: skip
    return expected or ()


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
            names = {"mark_iv": "markIV", "bid_iv": "bestBidIV", "ask_iv": "bestAskIV",
                     "underlying": "underlyingPrice"}  # fmt: skip
            names |= {name: name for name in ("delta", "gamma", "vega", "theta")}
            values = {told: Decimal(str(getattr(event, name))) for name, told in names.items()}
            return {"type": "option_summary", **values}
    return {"type": type(event).__name__}


def _tardis(item: dict[str, Any], events: Sequence[Any], by_id: dict[Any, Instrument]) -> list[str]:
    made = [{key: value for key, value in _values(event, by_id).items() if value is not None}
            for event in events]  # fmt: skip
    wanted = {key: value for key, value in item.items() if value is not None}
    if not str(wanted.get("id", "")).isdigit():
        # Ids that are no numbers are kept as something else.
        wanted.pop("id", None)
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


def _facts(events: Sequence[Any], by_id: dict[Any, Instrument]) -> dict[str, Any]:
    """Events under the names that crypto-msg-parser uses; sizes of contracts are not base sizes."""
    facts: dict[str, Any] = {}
    for event in events:
        of = by_id[event.instrument_id]
        ms = getattr(event, "ts_event_ns", 0) // 1_000_000
        if ms:
            facts["timestamp"] = Decimal(ms)
        size = "quantity_contract" if of.venue_symbol.count("-") > 1 else "quantity_base"
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
                    "symbol": of.venue_symbol, "period": event.timeframe,
                    "begin_time": Decimal(event.ts_open_ns // 10**9),
                    "open": of.price(event.open_ticks), "high": of.price(event.high_ticks),
                    "low": of.price(event.low_ticks), "close": of.price(event.close_ticks),
                }  # fmt: skip
                if size == "quantity_base":
                    facts["candlestick_msg"]["volume"] = of.size(event.volume_lots)
            case MarkPrice() if event.funding_rate is not None:
                facts["funding_rates"] = [
                    {"funding_rate": event.funding_rate,
                     "funding_time": Decimal(event.next_funding_ns // 1_000_000)}
                ]  # fmt: skip
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


@pytest.fixture
def survives(
    mangle: Callable[[bytes], Iterator[tuple[str, bytes]]],
) -> Callable[[FeedDecoder, bytes], None]:
    """Mangles a good frame in every way; what comes of it is sane, and never an exception."""

    def check(decoder: FeedDecoder, good: bytes) -> None:
        for words, data in mangle(good):
            for event in decoder.decode("recv", 1, 77, "", data):
                if isinstance(event, BookSnapshot | BookDelta | CheckedDelta):
                    for side in (event.bids, event.asks):
                        assert side.dtype == np.int64, words
                        assert (side >= 0).all(), words
                elif isinstance(event, Trade):
                    assert event.price_ticks > 0, words
                    assert event.size_lots > 0, words
                else:
                    for field in event.__struct_fields__:
                        value = getattr(event, field)
                        assert not isinstance(value, Decimal) or value.is_finite(), words

    return check
