"""How Bybit is spoken to: sockets, topics, limits and REST."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from typing import Final
from urllib.parse import unquote

import msgspec

from core.feeds.answers import ask
from core.feeds.bybit.acks import BybitAcks
from core.feeds.bybit.decoder import BYBIT, BybitDecoder, trade_number
from core.feeds.bybit.funding import PAGE as FUNDING_PAGE
from core.feeds.bybit.funding import read_funding
from core.feeds.bybit.history import KlineHistory, category
from core.feeds.bybit.refusals import check
from core.feeds.bybit.symbols import parse_listing
from core.feeds.bybit.tiers import read_tiers
from core.feeds.bybit.trades import TradeHistory
from core.feeds.dialect import Answer, Heartbeat, LineLimits, RestDialect
from core.feeds.hosts import hosts, planless
from core.model.funding import FundingPaid
from core.model.ids import VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.ports import Clock
from core.model.settings import FeedSettings
from core.model.tiers import MarginTiers
from core.wire.http import HttpSession
from core.wire.limits import WeightLimiter
from core.wire.signing import encode_query

HOSTS: Final = {
    "live": ("https://api.bybit.com", "wss://stream.bybit.com"),
    # The demo accounts trade on the live market's data.
    "demo": ("https://api-demo.bybit.com", "wss://stream.bybit.com"),
    "testnet": ("https://api-testnet.bybit.com", "wss://stream-testnet.bybit.com"),
}
"""REST and stream host of each environment."""

CATEGORIES: Final = ("spot", "linear", "inverse", "option")
"""The venue's markets; each has a socket of its own."""

OPTION_COINS: Final = ("BTC", "ETH", "SOL")
"""Coins with options; the venue lists those of one coin at a time."""

DEPTHS: Final = {20: 50, 100: 200, 200: 1000}
"""Time between updates in ms, and the levels a book of that pace has."""

_OPTION_DEPTH: Final = 100
_TIMEOUT_S: Final = 10.0
_BUDGET: Final = 600
_BUDGET_S: Final = 5.0
_PAGE: Final = 1000
_ARGS_SPOT: Final = 10
_ARGS: Final = 50
"""Topics of a request: spot refuses more than ten."""

_MS: Final = 1_000_000


class _List(msgspec.Struct):
    rows: list[msgspec.Raw] = msgspec.field(name="list", default_factory=list)
    category: str = ""


class _Page(msgspec.Struct):
    retCode: int
    retMsg: str = ""
    result: _List | None = None


class _Entry(msgspec.Struct):
    symbol: str


class BybitDialect(RestDialect):
    """Bybit as the feed speaks to it.

    Args:
        settings: Hosts, environment and pace of the book.
        clock: For the request budget.
        venue: The name events carry.

    Raises:
        ConfigError: The venue has no such environment or plan.
    """

    limits = LineLimits(
        # All topics of a connection may have 21000 characters; an option's have 170.
        instruments=100,
        batch=25,
        pace_s=0.1,
        # 500 in five minutes by the venue's clock, to which ours is not tied.
        attempts=500,
        attempts_window_s=310.0,
        connections=1000,
        silence_s=40.0,
    )
    heartbeat = Heartbeat(20.0, '{"op":"ping"}')
    images_by_rest = False

    def __init__(self, settings: FeedSettings, *, clock: Clock, venue: VenueName = BYBIT) -> None:
        self.venue = venue
        self.decoder: BybitDecoder = BybitDecoder(venue)
        self._numbers = itertools.count(1)
        # Ten topics a request are allowed on any of its sockets.
        self.acks = BybitAcks(lambda topics: self._requests("subscribe", "spot", topics))
        planless(settings, venue)
        rest_url, self._stream_url = hosts(settings, HOSTS, venue)
        self._depth = DEPTHS[min(DEPTHS, key=lambda pace: abs(pace - settings.depth_ms))]
        self._http = HttpSession(
            rest_url,
            clock=clock,
            timeout_s=_TIMEOUT_S,
            limiter=WeightLimiter(
                clock=clock, capacity=_BUDGET, window_s=_BUDGET_S, reserve=_BUDGET // 4
            ),
        )
        self._history = KlineHistory(self._http, clock)
        self._past = TradeHistory(self._http, trade_number)
        self._entries: dict[str, msgspec.Raw] = {}

    # -- connections -------------------------------------------------------------------------

    def routes(self, instrument: Instrument) -> Sequence[str]:
        """Return the socket of the instrument's market."""
        return (category(instrument),)

    async def address(self, route: str) -> str:
        """Return the websocket URL of a route."""
        return f"{self._stream_url}/v5/public/{route}"

    def subscribe(self, route: str, instruments: Sequence[Instrument]) -> Sequence[str]:
        """Return the messages that join every topic wanted of some instruments."""
        topics = [topic for item in instruments for topic in self._topics(item)]
        # Trades of options come by coin.
        coins = dict.fromkeys(item.base for item in instruments if _is_option(item))
        topics += [f"publicTrade.{coin}" for coin in coins]
        return self._requests("subscribe", route, topics)

    def unsubscribe(self, route: str, instruments: Sequence[Instrument]) -> Sequence[str]:
        """Return the messages that leave those topics; trades of a coin's options are kept."""
        topics = [topic for item in instruments for topic in self._topics(item)]
        return self._requests("unsubscribe", route, topics)

    def rejoin(self, route: str, instrument: Instrument) -> Sequence[str]:
        """Return the messages that leave and join the book's topic, for a fresh image."""
        topics = [self._book(instrument)]
        return (
            *self._requests("unsubscribe", route, topics),
            *self._requests("subscribe", route, topics),
        )

    def _book(self, item: Instrument) -> str:
        depth = _OPTION_DEPTH if _is_option(item) else self._depth
        return f"orderbook.{depth}.{item.venue_symbol}"

    def _topics(self, item: Instrument) -> list[str]:
        symbol = item.venue_symbol
        out = [self._book(item), f"tickers.{symbol}"]
        if _is_option(item):
            return out
        out += [f"orderbook.1.{symbol}", f"publicTrade.{symbol}", f"kline.1.{symbol}"]
        if item.kind is not InstrumentKind.SPOT:
            out.append(f"allLiquidation.{symbol}")
        return out

    def _requests(self, op: str, route: str, topics: Sequence[str]) -> Sequence[str]:
        most = _ARGS_SPOT if route == "spot" else _ARGS
        return [
            msgspec.json.encode(
                {
                    "req_id": str(next(self._numbers)),
                    "op": op,
                    "args": list(topics[at : at + most]),
                }
            ).decode()
            for at in range(0, len(topics), most)
        ]

    # -- REST --------------------------------------------------------------------------------

    async def listing(self) -> Sequence[Instrument]:
        """Fetch what the venue lists, page by page of each market.

        Raises:
            TemporaryError: The venue is away.
            DataError: Its answer is not what it documents.
        """
        out: list[Instrument] = []
        for name in CATEGORIES:
            for coin in OPTION_COINS if name == "option" else ("",):
                out += await self._pages(name, coin)
        self.decoder.add_instruments(out)
        return out

    async def _pages(self, name: str, coin: str) -> list[Instrument]:
        out: list[Instrument] = []
        cursor = ""
        seen = set()
        while cursor not in seen:
            seen.add(cursor)
            params = [("category", name)]
            if name != "spot":
                params.append(("limit", str(_PAGE)))
            if coin:
                params.append(("baseCoin", coin))
            if cursor:
                params.append(("cursor", cursor))
            body = await self._ask("/v5/market/instruments-info", params, f"{name} instruments")
            page = parse_listing(body, self.venue)
            result = msgspec.json.decode(body, type=_Page).result
            for raw, item in zip(result.rows if result else (), page.instruments, strict=True):
                self._entries[self.decoder.key_of(item)] = raw.copy()
            out += page.instruments
            # The venue writes it percent-encoded already, and so it will be once more.
            cursor = unquote(page.cursor)
            if not cursor:
                break
        return out

    def listing_of(self, instruments: Sequence[Instrument]) -> Answer | None:
        """Return the venue's own words on some instruments, as a listing the decoder can read."""
        keys = [self.decoder.key_of(item) for item in instruments]
        raws = [self._entries[key] for key in keys if key in self._entries]
        if not raws:
            return None
        query = encode_query(
            [("category", category(instruments[0])), ("symbols", ",".join(keys))]
        )  # fmt: skip
        return Answer(
            f"{self._http.base_url}/v5/market/instruments-info?{query}",
            msgspec.json.encode(_Page(0, "OK", _List(raws, category(instruments[0])))),
        )

    async def server_time(self) -> Answer | None:
        """Ask for the venue's time.

        Raises:
            TemporaryError: The venue is away.
        """
        path = "/v5/market/time"
        return Answer(f"{self._http.base_url}{path}", await self._ask(path, (), "time"))

    async def funding(
        self, instrument: Instrument, start_ns: int, end_ns: int
    ) -> Sequence[FundingPaid]:
        """Fetch the funding settled with start_ns <= time < end_ns, oldest first.

        Raises:
            TemporaryError: The venue is away or asks for patience.
            DataError: Its answer is not what it documents.
        """
        params = (
            ("category", category(instrument)), ("symbol", instrument.venue_symbol),
            ("startTime", str(start_ns // _MS)), ("endTime", str((end_ns - 1) // _MS)),
            ("limit", str(FUNDING_PAGE)),
        )  # fmt: skip
        what = f"funding of {instrument.id}"
        return read_funding(await self._ask("/v5/market/funding/history", params, what), what)

    async def tiers(self, instruments: Collection[Instrument]) -> Sequence[MarginTiers]:
        """Fetch the risk limits of some perpetuals and futures, one by one.

        Raises:
            TemporaryError: The venue is away or asks for patience.
            DataError: Its answer is not what it documents.
        """
        out: list[MarginTiers] = []
        for item in instruments:
            if not item.derivative or _is_option(item):
                continue
            params = (("category", category(item)), ("symbol", item.venue_symbol))
            what = f"risk limits of {item.id}"
            body = await self._ask("/v5/market/risk-limit", params, what)
            found = read_tiers(body, item, what)
            out += [found] if found is not None else []
        return out

    async def _ask(self, path: str, params: Sequence[tuple[str, str]], what: str) -> bytes:
        what = f"{what} of {self.venue}"
        reply = await ask(
            self._http,
            path,
            what=what,
            params=params,
            remedies={403: "the address asked too often: wait ten minutes, or use another"},
        )
        check(reply.body, what)
        return reply.body


def _is_option(item: Instrument) -> bool:
    return item.kind is InstrumentKind.OPTION


make_dialect: Final = BybitDialect
"""How `core.feeds.registry` makes the dialect of a table of settings."""
