"""What tests of feeds share: captures and fixtures replayed, live desks, venues on loopback."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import pytest

from core.model import market
from core.model.ids import InstrumentId, instrument_id
from core.model.instruments import Instrument
from core.model.market import FeedStatus, FeedStatusChanged, FrameRejected, MarketEvent
from core.model.ports import FrameKind
from core.wire.tape_reader import TapeReader

if TYPE_CHECKING:
    from aiohttp import web

    from core.feeds.decoder import FeedDecoder
    from core.feeds.dialect import Dialect
    from core.feeds.stream import StreamFeed

    Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

Event = TypeVar("Event")


@pytest.fixture(scope="session")
def recorded() -> Path:
    root = Path(__file__).parents[2]
    folder = Path(os.environ.get("CLX_RECORDED_DATA", root.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no recorded data at {folder}: set CLX_RECORDED_DATA")
    return folder


@pytest.fixture(scope="session")
def fixtures(recorded: Path) -> Callable[[str], list[tuple[dict[str, Any], bytes]]]:
    """Reads a file of fixtures as (line, the frame's own bytes)."""

    def read(name: str) -> list[tuple[dict[str, Any], bytes]]:
        lines = (recorded / name).read_bytes().splitlines()
        return [(json.loads(line), line[line.index(b'"msg":') + 6 : -1]) for line in lines]

    return read


class Replayed:
    """A capture's way through a decoder and the market."""

    def __init__(self, path: Path, decoder: FeedDecoder) -> None:
        from core.engine.market import MarketState

        self.decoder = decoder
        self.labels: Counter[str] = Counter()
        self.events: list[MarketEvent] = []
        self.rejected: list[tuple[int, FrameRejected]] = []
        self.lost: list[tuple[int, str, str]] = []
        """(line, instrument, reason) whenever trust was lost."""
        self.facts: list[FeedStatusChanged] = []
        """The same in the engine's words."""
        self.market = MarketState(
            decoder.instruments.values(), {decoder.venue: decoder.rule}, eager=True
        )
        for frame in TapeReader(path).frames():
            known = len(decoder.instruments)
            events = decoder.decode(frame.kind, frame.conn, frame.ts_ns, frame.url, frame.data)
            self.labels.update(decoder.label(frame.kind, frame.url, frame.data, events))
            if len(decoder.instruments) != known:
                self.market.add_instruments(decoder.instruments.values())
            for event in events:
                self.events.append(event)
                if isinstance(event, FrameRejected):
                    self.rejected.append((frame.line, event))
                for out in self.market.apply(event):
                    if isinstance(out, FeedStatusChanged) and out.status is FeedStatus.STALE:
                        self.lost.append((frame.line, out.instrument_id, out.reason))
                        self.facts.append(out)

    def gate(self, symbol: str) -> Any:
        return self.market._markets[self.decoder.instruments[symbol].id].gate

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if type(event) is kind]

    def book(self, symbol: str, depth: int = 5) -> dict[str, Any]:
        """Return the best levels a side as decimals, and how many there are."""
        instrument = self.decoder.instruments[symbol]
        book = self.market.book(instrument.id)
        bids, asks = book.top(depth)
        every_bid, every_ask = book.top(1 << 17)
        return {
            "bids": [(instrument.price(p), instrument.size(s)) for p, s in bids.tolist()],
            "asks": [(instrument.price(p), instrument.size(s)) for p, s in asks.tolist()],
            "n_bids": len(every_bid),
            "n_asks": len(every_ask),
            "last_id": book.last_id,
        }


@pytest.fixture(scope="session")
def replayed(recorded: Path) -> Callable[[str, FeedDecoder], Replayed]:
    """Runs a capture through a decoder; symbols no listing names get eight decimals.

    Unless the decoder comes with another idea of them.
    """

    def run(name: str, decoder: FeedDecoder) -> Replayed:
        if decoder.unlisted is None:
            decoder.unlisted = eighths(decoder)
        return Replayed(recorded / name, decoder)

    return run


def eighths(decoder: FeedDecoder) -> Callable[[str], Instrument]:
    """Return what supplies instruments of eight decimals."""

    def unlisted(symbol: str) -> Instrument:
        return Instrument(
            id=instrument_id(symbol, decoder.venue), venue=decoder.venue, venue_symbol=symbol,
            base="", quote="", price_tick=Decimal("1e-8"), size_lot=Decimal("1e-8"),
        )  # fmt: skip

    return unlisted


@pytest.fixture(scope="session")
def with_eighths() -> Callable[[FeedDecoder], FeedDecoder]:
    """Has a decoder take any symbol, in eight decimals."""

    def fit(decoder: FeedDecoder) -> FeedDecoder:
        decoder.unlisted = eighths(decoder)
        return decoder

    return fit


@pytest.fixture(scope="session")
def expected(recorded: Path) -> Callable[[str], Any]:
    """Reads what an independent replay of a capture gave."""
    return lambda name: json.loads((recorded / name).read_text())


def mangled(frame: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield a frame cut, flipped and filled with what does not belong there."""
    for cut in range(0, len(frame), max(1, len(frame) // 60)):
        yield f"cut at {cut}", frame[:cut]
    for at in range(0, len(frame), max(1, len(frame) // 90)):
        for bit in (0x01, 0x10, 0x80):
            yield f"bit {bit} at {at}", frame[:at] + bytes([frame[at] ^ bit]) + frame[at + 1 :]
    tree = json.loads(frame)
    for path, _ in _leaves(tree, ()):
        for value in (None, "", "NaN", -1, 1e400, "1e999", 10**40, [], {}, True, "0x10", 1e-300):
            yield f"{path} = {value!r}"[:90], _with(tree, path, value)


def _leaves(tree: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    items = (
        tree.items() if isinstance(tree, dict)
        else enumerate(tree) if isinstance(tree, list) else ()
    )  # fmt: skip
    for key, value in items:
        yield (*path, key), value
        yield from _leaves(value, (*path, key))


def _with(tree: Any, path: tuple[Any, ...], value: Any) -> bytes:
    whole = json.loads(json.dumps(tree))
    at = whole
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return json.dumps(whole).encode()


@pytest.fixture(scope="session")
def mangle() -> Callable[[bytes], Iterator[tuple[str, bytes]]]:
    """Gives every mangled form of a frame, with words for it."""
    return mangled


@pytest.fixture
async def hosted() -> AsyncIterator[Callable[[web.Application], Awaitable[str]]]:
    """Runs a venue's app on loopback and returns ``host:port``."""
    from aiohttp import web

    runners: list[web.AppRunner] = []

    async def start(app: web.Application) -> str:
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"127.0.0.1:{runner.addresses[0][1]}"

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
def serve(
    hosted: Callable[[web.Application], Awaitable[str]],
) -> Callable[[dict[str, Handler]], Awaitable[str]]:
    """Serves GET handlers by path on loopback and returns the base URL."""
    from aiohttp import web

    async def start(handlers: dict[str, Handler]) -> str:
        app = web.Application()
        for path, handler in handlers.items():
            app.router.add_get(path, handler)
        return f"http://{await hosted(app)}"

    return start


class Stated:
    """Compares events with what tardis.dev's mappers made of the same message."""

    def __init__(self, events: Sequence[MarketEvent], decoder: FeedDecoder) -> None:
        self.left = list(events)
        self.by_id = {item.id: item for item in decoder.instruments.values()}

    def take(self, *kinds: type[Any]) -> Any:
        found = next(event for event in self.left if isinstance(event, kinds))
        self.left.remove(found)
        return found

    def agree(self, stated: dict[str, Any]) -> None:
        getattr(self, f"_{stated['type']}")(stated)

    def _trade(self, stated: dict[str, Any]) -> None:
        trade = self.take(market.Trade)
        item = self.by_id[trade.instrument_id]
        assert item.price(trade.price_ticks) == Decimal(str(stated["price"]))
        assert item.size(trade.size_lots) == Decimal(str(stated["amount"]))
        assert ("sell" if trade.buyer_is_maker else "buy") == stated["side"]
        self._time(trade, stated)

    def _liquidation(self, stated: dict[str, Any]) -> None:
        forced = self.take(market.Liquidation)
        item = self.by_id[forced.instrument_id]
        assert item.price(forced.price_ticks) == Decimal(str(stated["price"]))
        assert forced.side == stated["side"]

    def _book_change(self, stated: dict[str, Any]) -> None:
        book = self.take(market.BookSnapshot, market.BookDelta)
        item = self.by_id[book.instrument_id]
        assert isinstance(book, market.BookSnapshot) == stated["isSnapshot"]
        for side in ("bids", "asks"):
            found = [(item.price(p), item.size(s)) for p, s in getattr(book, side).tolist()]
            wanted = [
                (Decimal(str(row["price"])), Decimal(str(row["amount"]))) for row in stated[side]
            ]
            assert found == wanted
        if book.ts_event_ns:
            self._time(book, stated)

    def _book_ticker(self, stated: dict[str, Any]) -> None:
        quote = self.take(market.Quote)
        item = self.by_id[quote.instrument_id]
        for side in ("bid", "ask"):
            price = item.price(getattr(quote, f"{side}_ticks"))
            assert price == Decimal(str(stated[f"{side}Price"] or 0))
            size = item.size(getattr(quote, f"{side}_lots"))
            assert size == Decimal(str(stated[f"{side}Amount"] or 0))
        self._time(quote, stated)

    def _derivative_ticker(self, stated: dict[str, Any]) -> None:
        mark, day = self.take(market.MarkPrice), self.take(market.DayTicker)
        interest = self.take(market.OpenInterest)
        pairs = [
            (mark.mark, "markPrice"), (mark.index, "indexPrice"), (day.last, "lastPrice"),
            (mark.funding_rate, "fundingRate"), (interest.size, "openInterest"),
        ]  # fmt: skip
        for found, name in pairs:
            wanted = stated[name]
            assert found == (None if wanted is None else Decimal(str(wanted))), name

    def _option_summary(self, stated: dict[str, Any]) -> None:
        greeks, mark = self.take(market.OptionGreeks), self.take(market.MarkPrice)
        assert mark.mark == Decimal(str(stated["markPrice"]))
        for name in ("delta", "gamma", "vega", "theta", "rho"):
            assert getattr(greeks, name) == stated[name]
        assert greeks.underlying == stated["underlyingPrice"]
        for found, name in [
            (greeks.mark_iv, "markIV"), (greeks.bid_iv, "bestBidIV"), (greeks.ask_iv, "bestAskIV"),
        ]:  # fmt: skip
            wanted = stated[name]
            assert (found != found) if wanted is None else found == pytest.approx(wanted / 100)
        assert self.take(market.OpenInterest).size == Decimal(str(stated["openInterest"]))

    @staticmethod
    def _time(event: Any, stated: dict[str, Any]) -> None:
        when = datetime.fromisoformat(stated["timestamp"])
        micros = (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        assert event.ts_event_ns // 1000 == micros


@pytest.fixture(scope="session")
def stated() -> type[Stated]:
    return Stated


class Desk:
    """A live feed whose frames go through its decoder into a market, as in the engine."""

    def __init__(self, dialect: Any) -> None:
        from core.engine.clock import SystemClock
        from core.engine.market import MarketState
        from core.feeds.stream import StreamFeed

        self.feed = StreamFeed(dialect, clock=SystemClock(), rng=random.Random(1), overlap_s=0.3)
        self.market = MarketState((), {self.feed.venue: self.feed.decoder.rule})
        self.events: list[Any] = []
        self.lost: list[tuple[str, str]] = []
        """(instrument, reason) whenever trust was lost."""
        self.came = asyncio.Event()

    def sink(self, kind: Any, conn: int, ts: int, url: str, data: bytes, /) -> None:
        from core.engine.market import ResyncNeeded

        for event in self.feed.decoder.decode(kind, conn, ts, url, data):
            self.events.append(event)
            for out in self.market.apply(event):
                if isinstance(out, ResyncNeeded):
                    self.feed.request_snapshot(out.instrument_id)
                elif isinstance(out, FeedStatusChanged) and out.status is FeedStatus.STALE:
                    self.lost.append((out.instrument_id, out.reason))
        self.came.set()

    async def until(self, ready: Callable[[], bool], within_s: float = 15.0) -> None:
        async with asyncio.timeout(within_s):
            while not ready():
                self.came.clear()
                await self.came.wait()

    def live(self, *names: Any) -> bool:
        return all(self.market.status(name) is FeedStatus.LIVE for name in names)

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if type(event) is kind]

    def trades(self, name: Any) -> list[int]:
        return [trade.trade_id for trade in self.market.trades(name)]

    def book(self, name: Any) -> tuple[list[tuple[Decimal, Decimal]], ...]:
        item = self.market.instrument(name)
        return tuple(
            [(item.price(price), item.size(size)) for price, size in side.tolist()]
            for side in self.market.book(name).top(1 << 17)
        )


@pytest.fixture
async def desk_of() -> AsyncIterator[Callable[[Any], Awaitable[Desk]]]:
    """Runs the feed of a dialect until the test ends."""
    tasks: list[asyncio.Task[None]] = []

    async def start(dialect: Any) -> Desk:
        desk = Desk(dialect)
        desk.market.add_instruments(await desk.feed.instruments())
        tasks.append(asyncio.create_task(desk.feed.run(desk.sink)))
        return desk

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def emulated() -> AsyncIterator[Callable[[str], Awaitable[Any]]]:
    """Runs the emulator with one venue until the test ends."""
    from emulator.app import Emulator

    started: list[Emulator] = []

    async def start(name: str) -> Emulator:
        made = Emulator(
            seed=3, api_key="k", api_secret="s", control_token="t", history_days=2, venues=(name,)
        )
        started.append(made)
        await made.start()
        return made

    yield start
    for made in started:
        await made.stop()


class Kept:
    """A sink that decodes, keeps everything, and can be waited at."""

    def __init__(self, feed: StreamFeed) -> None:
        self.feed = feed
        self.frames: list[tuple[FrameKind, int, str, bytes]] = []
        self.events: asyncio.Queue[MarketEvent] = asyncio.Queue()
        self._came = asyncio.Event()

    def __call__(
        self, kind: FrameKind, conn: int, ts_recv_ns: int, url: str, data: bytes, /
    ) -> None:
        self.frames.append((kind, conn, url, data))
        self._came.set()
        for event in self.feed.decoder.decode(kind, conn, ts_recv_ns, url, data):
            self.events.put_nowait(event)

    async def next(self, kind: type[Event]) -> Event:
        """Return the next event of a kind; those before it are gone."""
        async with asyncio.timeout(20):
            while not isinstance(event := await self.events.get(), kind):
                pass
            return event

    async def frame(self, part: bytes) -> bytes:
        """Return the first received frame that holds some text."""
        async with asyncio.timeout(20):
            while True:
                for kind, _, _, data in self.frames:
                    if kind == "recv" and part in data:
                        return data
                self._came.clear()
                await self._came.wait()


@pytest.fixture
def follow() -> Callable[..., AbstractAsyncContextManager[Kept]]:
    """Runs the feed of a dialect over some instruments within a block."""

    @asynccontextmanager
    async def run(dialect: Dialect, *names: str) -> AsyncIterator[Kept]:
        from core.engine.clock import SystemClock
        from core.feeds.stream import StreamFeed

        feed = StreamFeed(dialect, clock=SystemClock(), rng=random.Random(1))
        feed.subscribe([InstrumentId(name) for name in names])
        kept = Kept(feed)
        task = asyncio.create_task(feed.run(kept))
        try:
            yield kept
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    return run


@pytest.fixture
def same_in_the_end() -> Callable[..., Awaitable[None]]:
    """Stops an emulated venue's crowd, and waits until every book of a desk is the venue's own."""

    async def wait(venue: Any, desk: Any, symbols: dict[str, str], levels: int = 100_000) -> None:
        exchange = venue.venues[desk.feed.venue]
        exchange.market.flow = False

        def truth(symbol: str) -> tuple[list[tuple[Decimal, Decimal]], ...]:
            told = exchange.oracle(exchange.market.shards[symbol], levels)
            return tuple(
                [(Decimal(str(row[0])), Decimal(str(row[1]))) for row in told[side]]
                for side in ("bids", "asks")
            )

        await desk.until(
            lambda: (
                desk.live(*symbols)
                and all(desk.book(name) == truth(symbol) for name, symbol in symbols.items())
            )
        )

    return wait
