"""A feed of any exchange ccxt.pro streams; its frames are ccxt's parsed structures as JSON.

::

    subscribe ──► wanted ──► for each instrument: watch_trades, watch_order_book, watch_ticker
                                   │ structure ──► JSON frame ──► sink
                                   └ error ──► frame that says so ──► back-off ──► watch again

ccxt keeps its own connections, reconnects them and hides both; what is known of them is the errors
it raises. It runs on the engine's loop: for one exchange beside others, not for speed.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Collection
from typing import Any, Final

import msgspec

from core.feeds.ccxt_pro import frames
from core.feeds.ccxt_pro.decoder import CcxtDecoder
from core.feeds.ccxt_pro.history import OhlcvHistory
from core.feeds.ccxt_pro.symbols import Listing, Market, make_instruments, trimmed
from core.model.errors import ConfigError, DataError, TemporaryError, did_you_mean
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import Bar, Timeframe
from core.model.ports import Clock, FrameSink, ResyncReason
from core.model.settings import FeedSettings
from core.wire import ccxt_loader as loader
from core.wire.backoff import Backoff
from core.wire.budget import Budgets
from core.wire.ccxt_connects import ConnectCounter
from core.wire.ccxt_loader import moved

MOST_LEVELS: Final = 200
"""Levels a side put into a frame: a whole book of thousands at each change is more than is read."""

_CLOCK_EVERY_S: Final = 30.0
_TIMEOUT_MS: Final = 15_000
_WATCH_S: Final = 300.0
"""A watch that gives nothing for this long is begun anew: ccxt may have lost it silently."""


class CcxtFeed:
    """One exchange through ccxt.pro.

    Args:
        settings: Hosts, environment and keys; `plan` names the types of market wanted where ccxt
            asks each of another host, such as ``spot`` or ``spot,linear``.
        clock: Stamps what is received.
        rng: Jitters the back-off.
        venue: The name events carry.
        exchange: ccxt's name of the exchange.
    """

    def __init__(
        self,
        settings: FeedSettings,
        *,
        clock: Clock,
        rng: random.Random,
        venue: VenueName,
        exchange: str,
    ) -> None:
        """Import nothing yet.

        Raises:
            ConfigError: ccxt is not installed or does not know the exchange.
        """
        known = loader.exchanges()
        if exchange not in known:
            raise ConfigError(
                f"feeds.{venue}: ccxt.pro knows no exchange {exchange!r}"
                f"{did_you_mean(exchange, known)}"
            )
        self.venue = venue
        self.decoder = CcxtDecoder(venue, exchange=exchange)
        self._settings = settings
        self._clock = clock
        self._rng = rng
        self._exchange = exchange
        self._client: Any = None
        self._errors: Any = None
        self._listed: dict[InstrumentId, Instrument] = {}
        self._markets: dict[InstrumentId, Market] = {}
        self._wanted: dict[InstrumentId, None] = {}
        self._changed = asyncio.Event()
        self._tasks: dict[InstrumentId, list[asyncio.Task[None]]] = {}
        self._sink: FrameSink | None = None
        self._history = OhlcvHistory(self._ohlcv, clock)
        self._connects = ConnectCounter(exchange, clock)

    def share(self, budgets: Budgets) -> None:
        """Count attempts to connect together with other programs of the same home."""
        self._connects.share(budgets)

    async def close(self) -> None:
        """Release ccxt's connections; the feed is of no use afterwards."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def instruments(self) -> list[Instrument]:
        """Fetch what the exchange lists.

        Raises:
            TemporaryError: The exchange is away.
            DataError: It refused, or ccxt could not read its answer.
            ConfigError: It has no such environment.
        """
        client = await self._opened()
        # Reloaded each time: ccxt keeps the first listing for ever.
        found = await self._asked("markets", client.load_markets(True))
        kept = [
            market
            for market in (trimmed(item, client.precisionMode) for item in found.values())
            if market is not None
        ]
        listed = make_instruments(kept, self.venue)
        by_symbol = {market.symbol: market for market in kept}
        self._listed = {item.id: item for item in listed}
        self._markets = {item.id: by_symbol[item.venue_symbol] for item in listed}
        self.decoder.add_instruments(listed)
        self._changed.set()
        return listed

    async def history(
        self, instrument_id: InstrumentId, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> list[Bar]:
        """Fetch closed bars; see `core.feeds.ccxt_pro.history.OhlcvHistory.bars`."""
        client = await self._opened()
        if not client.has.get("fetchOHLCV"):
            raise ConfigError(f"{self.venue}: ccxt cannot fetch bars of {self._exchange}")
        lengths = list(client.timeframes or {})
        item = self._of(instrument_id)
        return await self._history.bars(item, timeframe, start_ns, end_ns, lengths)

    def subscribe(self, instrument_ids: Collection[InstrumentId]) -> None:
        """Want these instruments' trades, ticker and book; effective at once or on connect.

        Raises:
            ConfigError: The exchange, whose listing is known, does not list one of them.
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
        """Give the book anew, as ccxt has it now: each of its books is a whole one."""
        item = self._listed.get(instrument_id)
        if item is None or self._client is None or self._sink is None:
            return
        book = (self._client.orderbooks or {}).get(item.venue_symbol)
        if book is not None and instrument_id in self._wanted:
            self._put(frames.book_frame(item.venue_symbol, book, self._depth()))

    def resubscribe(self, instrument_id: InstrumentId, reason: ResyncReason, heard: int) -> None:
        """Change nothing: ccxt subscribes by itself whenever it is asked for the next message."""

    async def run(self, sink: FrameSink) -> None:
        """Watch what is wanted until cancelled."""
        self._sink = sink
        self._changed.set()
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._learn_listing()
                sink("connect", 0, self._clock.now_ns(), f"ccxt:{self._exchange}", b"")
                tasks.create_task(self._read_clock(sink))
                while True:
                    await self._changed.wait()
                    self._changed.clear()
                    await self._follow(sink, tasks)
        finally:
            self._tasks.clear()
            self._sink = None
            await self.close()

    # -- following ---------------------------------------------------------------------------

    async def _learn_listing(self) -> None:
        backoff = Backoff(self._rng)
        while not self._listed:
            try:
                await self.instruments()
            except (TemporaryError, DataError):
                # The caller of `instruments` is told; here it is only waited for.
                await asyncio.sleep(backoff.next_s())

    async def _follow(self, sink: FrameSink, tasks: asyncio.TaskGroup) -> None:
        """Begin and end watches until they are what is wanted."""
        for name in [name for name in self._tasks if name not in self._wanted]:
            watches = self._tasks.pop(name)
            for task in watches:
                task.cancel()
            await asyncio.gather(*watches, return_exceptions=True)
            await self._unwatch(self._listed[name].venue_symbol)
            self._say(sink, "unwatch", self._listed[name])
        fresh = [name for name in self._wanted if name in self._listed and name not in self._tasks]
        for name in fresh:
            item = self._listed[name]
            self._tell_listing(sink, name)
            self._say(sink, "watch", item)
            self._tasks[name] = [
                tasks.create_task(self._watch(channel, item.venue_symbol))
                for channel in self._channels()
            ]

    def _channels(self) -> list[str]:
        """Return what the exchange streams; quotes and statistics come in its ticker."""
        has = self._client.has
        names = {"book": "watchOrderBook", "trades": "watchTrades", "ticker": "watchTicker"}
        return [channel for channel, name in names.items() if has.get(name)]

    async def _watch(self, channel: str, symbol: str) -> None:
        """Put a channel of a symbol on the tape until cancelled.

        A library of a hundred exchanges can fail in any way: whatever it raises is told, and the
        watch is begun anew.
        """
        backoff = Backoff(self._rng)
        while True:
            try:
                async with asyncio.timeout(_WATCH_S):
                    frame = await self._next(channel, symbol)
            except Exception as error:
                self._put(frames.failed_frame(symbol, channel, _words(error)))
                await asyncio.sleep(backoff.next_s())
                continue
            backoff.reset()
            self._put(frame)

    async def _next(self, channel: str, symbol: str) -> bytes:
        client = self._client
        match channel:
            case "book":
                book = await client.watch_order_book(symbol)
                return frames.book_frame(symbol, book, self._depth())
            case "trades":
                return frames.trades_frame(symbol, await client.watch_trades(symbol))
        return frames.ticker_frame(symbol, await client.watch_ticker(symbol))

    async def _unwatch(self, symbol: str) -> None:
        """Tell ccxt where it can be told; elsewhere the messages go on and are not read."""
        has = self._client.has
        for name, call in (
            ("unWatchOrderBook", "un_watch_order_book"),
            ("unWatchTrades", "un_watch_trades"),
            ("unWatchTicker", "un_watch_ticker"),
        ):
            if has.get(name):
                try:
                    async with asyncio.timeout(_TIMEOUT_MS / 1000):
                        await getattr(self._client, call)(symbol)
                except Exception as error:
                    self._put(frames.failed_frame(symbol, "unwatch", _words(error)))

    def _depth(self) -> int:
        return min(self._settings.snapshot_levels, MOST_LEVELS)

    def _put(self, data: bytes) -> None:
        if self._sink is not None:
            self._sink("recv", 0, self._clock.now_ns(), "", data)

    def _say(self, sink: FrameSink, action: str, item: Instrument) -> None:
        request = {"action": action, "symbols": [item.venue_symbol]}
        sink("send", 0, self._clock.now_ns(), "", msgspec.json.encode(request))

    def _tell_listing(self, sink: FrameSink, name: InstrumentId) -> None:
        """Put the markets ahead of an instrument's frames, so that a tape knows its steps.

        All of its pair: which of them has the plain name is told by those before it.
        """
        mine = self._markets[name]
        pair = [
            market for market in self._markets.values()
            if (market.base, market.quote) == (mine.base, mine.quote)
        ]  # fmt: skip
        body = msgspec.json.encode(Listing(self._exchange, pair))
        sink("http", 0, self._clock.now_ns(), f"ccxt:{self._exchange}/markets", body)

    async def _read_clock(self, sink: FrameSink) -> None:
        backoff = Backoff(self._rng)
        while self._client.has.get("fetchTime"):
            asked_ns = self._clock.now_ns()
            try:
                there_ms = await self._asked("time", self._client.fetch_time())
            except (TemporaryError, DataError):
                await asyncio.sleep(backoff.next_s())
                continue
            backoff.reset()
            url = f"ccxt:{self._exchange}/time#asked_ns={asked_ns}"
            sink("http", 0, self._clock.now_ns(), url, msgspec.json.encode({"ms": there_ms}))
            await asyncio.sleep(_CLOCK_EVERY_S)

    # -- ccxt --------------------------------------------------------------------------------

    async def _opened(self) -> Any:
        """Return ccxt's object of the exchange, importing it at first."""
        if self._client is None:
            made = await asyncio.to_thread(loader.load, self._exchange)
            self._errors = loader.errors()
            if self._client is None:
                self._client = self._point(made(self._options()))
        return self._client

    def _options(self) -> dict[str, Any]:
        settings = self._settings
        keys = {
            "apiKey": settings.api_key.get_secret_value(),
            "secret": settings.api_secret.get_secret_value(),
            "password": settings.passphrase.get_secret_value(),
        }
        # Neither is market data, and some exchanges ask for keys to tell them.
        options: dict[str, Any] = {"fetchCurrencies": False, "fetchMargins": False}
        types = [name.strip() for name in settings.plan.split(",") if name.strip()]
        if types:
            options |= {"defaultType": types[0], "fetchMarkets": {"types": types}}
        return {
            "enableRateLimit": True,
            "newUpdates": True,
            "timeout": _TIMEOUT_MS,
            "options": options,
            **{name: value for name, value in keys.items() if value},
        }

    def _point(self, client: Any) -> Any:
        """Choose the environment and the hosts.

        Raises:
            ConfigError: The exchange has no such environment.
        """
        settings = self._settings
        try:
            if settings.environment == "testnet":
                client.set_sandbox_mode(True)
            elif settings.environment == "demo":
                client.enable_demo_trading(True)
        except (self._errors.NotSupported, AttributeError, KeyError):
            raise ConfigError(
                f"feeds.{self.venue}.environment must be live: ccxt knows no "
                f"{settings.environment} of {self._exchange}"
            ) from None
        bases = {"http": settings.rest_url, "ws": settings.stream_url}
        client.urls["api"] = moved(client.urls["api"], bases)
        self._connects.watch(client)
        return client

    async def _asked(self, what: str, question: Awaitable[Any]) -> Any:
        """Await a question to ccxt and give its errors ours.

        Raises:
            TemporaryError: The exchange is away or asks for patience.
            DataError: A definite no, or something ccxt could not read.
        """
        where = f"{what} of {self.venue}"
        try:
            return await question
        except self._errors.NetworkError as error:
            raise TemporaryError(f"{where}: {_words(error)}") from None
        except self._errors.AuthenticationError as error:
            raise DataError(f"{where}: {_words(error)}; check the keys of the feed") from None
        except (
            self._errors.BaseError,
            ArithmeticError,
            LookupError,
            TypeError,
            ValueError,
        ) as error:
            raise DataError(f"{where}: {_words(error)}") from None

    async def _ohlcv(self, symbol: str, length: str, since_ms: int, limit: int) -> Any:
        question = self._client.fetch_ohlcv(symbol, length, since_ms, limit)
        return await self._asked(f"bars of {symbol}", question)

    def _of(self, instrument_id: InstrumentId) -> Instrument:
        item = self._listed.get(instrument_id)
        if item is None:
            near = did_you_mean(instrument_id, self._listed)
            raise ConfigError(f"{self.venue} does not list {instrument_id!r}{near}")
        return item


def _words(error: BaseException) -> str:
    """Return an error in a few words on one line; ccxt's may hold whole pages."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:160]}" if text else type(error).__name__
