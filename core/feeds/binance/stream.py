"""The live feed: streams over as many connections as needed, images and listing over REST.

::

    subscribe ──► wanted ──► line 0 ── websocket ── frames ──► sink
                        └──► line 1 ...
    request_snapshot ──► queue ──► REST depth ── http frame ──► sink
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from core.feeds.binance.history import KlineHistory
from core.feeds.binance.lines import Line
from core.feeds.binance.parse import BINANCE, BinanceDecoder
from core.feeds.binance.symbols import parse_exchange_info
from core.model.errors import (
    ConfigError,
    DataError,
    OutcomeUnknown,
    RateLimited,
    TemporaryError,
    did_you_mean,
)
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import Bar, Timeframe
from core.model.ports import Clock, FrameSink
from core.model.settings import FeedSettings
from core.wire.backoff import Backoff
from core.wire.http import HttpSession
from core.wire.limits import WeightLimiter

WEIGHT_LIMIT: Final = 6000
"""Request weight per minute and address."""

HOSTS: Final = {
    "live": ("https://api.binance.com", "wss://stream.binance.com:9443"),
    "demo": ("https://demo-api.binance.com", "wss://demo-stream.binance.com"),
    "testnet": ("https://testnet.binance.vision", "wss://stream.testnet.binance.vision"),
}
"""REST and stream host of each environment."""

_TIMEOUT_S: Final = 10.0
_LISTING_WEIGHT: Final = 20
_DEPTH_WEIGHT: Final = {100: 5, 500: 25, 1000: 50, 5000: 250}
_FETCHERS: Final = 2
_IMAGE_EVERY_NS: Final = 500_000_000
"""An instrument's image is fetched at most this often, whatever the gate asks."""


class BinanceFeed:
    """Binance spot market data: trades, best quotes and book of every wanted instrument.

    Args:
        settings: Hosts, depth interval and size of a book image.
        clock: Stamps what is received.
        rng: Jitters the back-off; nothing else is left to chance.
        venue: The name events carry.
    """

    def __init__(
        self,
        settings: FeedSettings,
        *,
        clock: Clock,
        rng: random.Random,
        venue: VenueName = BINANCE,
    ) -> None:
        self.venue = venue
        self.decoder = BinanceDecoder(venue)
        rest_url, stream_url = HOSTS[settings.environment]
        settings = settings.model_copy(
            update={
                "rest_url": settings.rest_url or rest_url,
                "stream_url": settings.stream_url or stream_url,
            }
        )
        self._settings = settings
        self._clock = clock
        self._rng = rng
        self._http = HttpSession(
            settings.rest_url,
            clock=clock,
            timeout_s=_TIMEOUT_S,
            # Orders go to the same host and count there too: leave them a share.
            limiter=WeightLimiter(clock=clock, capacity=WEIGHT_LIMIT, reserve=WEIGHT_LIMIT // 4),
        )
        self._history = KlineHistory(self._http, clock)
        self._listed: dict[InstrumentId, Instrument] = {}
        self._entries: dict[str, msgspec.Raw] = {}
        self._wanted: dict[InstrumentId, None] = {}
        self._lines: list[Line] = []
        self._changed = asyncio.Event()
        # Each instrument waits at most once, so the listing bounds the queue.
        self._images: asyncio.Queue[InstrumentId] = asyncio.Queue()
        self._queued: set[InstrumentId] = set()
        self._fetched_ns: dict[InstrumentId, int] = {}

    async def close(self) -> None:
        """Release the HTTP connections; the feed is of no use afterwards."""
        await self._http.close()

    async def instruments(self) -> list[Instrument]:
        """Fetch what the venue lists.

        Raises:
            TemporaryError: The venue is away.
            DataError: Its answer is not what it documents.
        """
        body, _ = await self._get("/api/v3/exchangeInfo", (), _LISTING_WEIGHT)
        # A real listing is some 15 MB: half a second that the loop must not stand still.
        listed, entries = await asyncio.to_thread(_read_listing, body, self.venue)
        self._listed = {item.id: item for item in listed}
        self._entries = entries
        self.decoder.add_instruments(listed)
        return listed

    async def history(
        self, instrument_id: InstrumentId, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> list[Bar]:
        """Fetch closed bars with start_ns <= open time < end_ns, oldest first.

        Raises:
            TemporaryError: The venue is away.
            DataError: Its answer is not what it documents.
            ConfigError: The instrument is not listed.
        """
        return await self._history.bars(self._of(instrument_id), timeframe, start_ns, end_ns)

    def subscribe(self, instrument_ids: Collection[InstrumentId]) -> None:
        """Want these instruments' trades, quotes and book; effective at once or on connect.

        Raises:
            ConfigError: The venue, whose listing is known, does not list one of them.
        """
        if self._listed:
            for name in instrument_ids:
                self._of(name)
        self._wanted.update(dict.fromkeys(instrument_ids))
        self._changed.set()

    def unsubscribe(self, instrument_ids: Collection[InstrumentId]) -> None:
        """Want them no longer."""
        for name in instrument_ids:
            self._wanted.pop(name, None)
        self._changed.set()

    def request_snapshot(self, instrument_id: InstrumentId) -> None:
        """Fetch a fresh book image; it arrives at the sink as an `http` frame."""
        if instrument_id not in self._queued:
            self._queued.add(instrument_id)
            self._images.put_nowait(instrument_id)

    async def run(self, sink: FrameSink) -> None:
        """Connect, resubscribe and reconnect with jittered back-off until cancelled."""
        self._lines.clear()
        self._changed.set()
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(_FETCHERS):
                    tasks.create_task(self._fetch_images(sink))
                await self._learn_listing()
                while True:
                    await self._changed.wait()
                    self._changed.clear()
                    self._assign(sink, tasks)
        finally:
            await self._http.close()

    async def _learn_listing(self) -> None:
        backoff = Backoff(self._rng)
        while not self._listed:
            try:
                await self.instruments()
            except (TemporaryError, DataError):
                # The caller of `instruments` is told; here it is only waited for.
                await asyncio.sleep(backoff.next_s())

    def _assign(self, sink: FrameSink, tasks: asyncio.TaskGroup) -> None:
        """Give each wanted instrument a line, opening lines as they fill."""
        for line in self._lines:
            for name in [name for name in line.wanted if name not in self._wanted]:
                line.drop(name)
        carried = {name for line in self._lines for name in line.wanted}
        for name in self._wanted:
            item = self._listed.get(name)
            if name in carried or item is None:
                continue
            line = next((line for line in self._lines if line.has_room), None) or self._open(
                sink, tasks
            )
            line.want(name, item.venue_symbol)

    def _open(self, sink: FrameSink, tasks: asyncio.TaskGroup) -> Line:
        line = Line(
            len(self._lines),
            f"{self._settings.stream_url.rstrip('/')}/stream",
            depth_ms=self._settings.depth_ms,
            listing=self._listing,
            clock=self._clock,
            backoff=Backoff(self._rng),
            sink=sink,
        )
        self._lines.append(line)
        tasks.create_task(line.run())
        return line

    def _listing(self, symbols: Collection[str]) -> tuple[str, bytes]:
        """Return exchangeInfo of some symbols only, so that a tape knows its own steps."""
        entries = [self._entries[symbol] for symbol in symbols if symbol in self._entries]
        names = msgspec.json.encode(list(symbols)).decode()
        return (
            f"{self._settings.rest_url}/api/v3/exchangeInfo?symbols={names}",
            msgspec.json.encode({"symbols": entries}),
        )

    async def _fetch_images(self, sink: FrameSink) -> None:
        backoff = Backoff(self._rng)
        while True:
            name = await self._images.get()
            since_ns = self._clock.monotonic_ns() - self._fetched_ns.get(name, -_IMAGE_EVERY_NS)
            await asyncio.sleep(max(0.0, (_IMAGE_EVERY_NS - since_ns) / 1e9))
            self._queued.discard(name)
            item = self._listed.get(name)
            if item is None or name not in self._wanted:
                continue
            levels = min(_DEPTH_WEIGHT, key=lambda n: abs(n - self._settings.snapshot_levels))
            try:
                body, url = await self._get(
                    "/api/v3/depth",
                    (("symbol", item.venue_symbol), ("limit", str(levels))),
                    _DEPTH_WEIGHT[levels],
                )
            except TemporaryError:
                self.request_snapshot(name)
                await asyncio.sleep(backoff.next_s())
                continue
            except DataError:
                # A definite no; the gate asks again in its own time and says so meanwhile.
                continue
            backoff.reset()
            self._fetched_ns[name] = self._clock.monotonic_ns()
            sink("http", 0, self._clock.now_ns(), url, body)

    async def _get(
        self, path: str, params: Sequence[tuple[str, str]], weight: int
    ) -> tuple[bytes, str]:
        """Return body and URL of a good answer."""
        try:
            reply = await self._http.request("GET", path, params=params, weight=weight)
        except (OutcomeUnknown, RateLimited) as error:
            # Asking again is always safe for a question.
            raise TemporaryError(str(error)) from None
        if reply.status in (418, 429) or reply.status >= 500:
            raise TemporaryError(f"{reply.url}: the venue answered {reply.status}")
        if reply.status != 200:
            raise DataError(f"{reply.url}: {reply.status} {reply.body[:200]!r}")
        return reply.body, reply.url

    def _of(self, instrument_id: InstrumentId) -> Instrument:
        item = self._listed.get(instrument_id)
        if item is None:
            near = did_you_mean(instrument_id, self._listed)
            raise ConfigError(f"{self.venue} does not list {instrument_id!r}{near}")
        return item


class _Listing(msgspec.Struct):
    symbols: list[msgspec.Raw]


class _Entry(msgspec.Struct):
    symbol: str


def _read_listing(body: bytes, venue: VenueName) -> tuple[list[Instrument], dict[str, msgspec.Raw]]:
    listed = parse_exchange_info(body, venue)
    raws = msgspec.json.decode(body, type=_Listing).symbols
    entries = {msgspec.json.decode(raw, type=_Entry).symbol: raw.copy() for raw in raws}
    return listed, entries
