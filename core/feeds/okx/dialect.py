"""How OKX is spoken to: addresses, channels, limits and REST."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final
from urllib.parse import quote

import msgspec

from core.feeds.answers import ask, decoded
from core.feeds.dialect import Answer, Heartbeat, LineLimits, RestDialect
from core.feeds.hosts import hosts, planless
from core.feeds.okx.acks import OkxAcks
from core.feeds.okx.decoder import OKX, OkxDecoder
from core.feeds.okx.funding import PAGE as FUNDING_PAGE
from core.feeds.okx.funding import read_funding
from core.feeds.okx.history import CandleHistory
from core.feeds.okx.refusals import refuse
from core.feeds.okx.symbols import INDEX_KEY
from core.feeds.okx.tiers import questions, read_tiers
from core.feeds.okx.trades import PAGE, TradeHistory
from core.model.errors import DataError
from core.model.funding import FundingPaid
from core.model.ids import VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.ports import Clock
from core.model.settings import FeedSettings
from core.model.stores import TradeHole
from core.model.tiers import MarginTiers
from core.wire.http import HttpSession
from core.wire.limits import WeightLimiter

HOSTS: Final = {
    "live": ("https://www.okx.com", "wss://ws.okx.com:8443"),
    "demo": ("https://www.okx.com", "wss://wspap.okx.com:8443"),
}
"""REST and stream host of each environment; accounts of some regions have hosts of their own."""

PUBLIC: Final = "public"
BUSINESS: Final = "business"
"""The two sockets; the second has candles."""

_KINDS: Final = {
    InstrumentKind.SPOT: "SPOT",
    InstrumentKind.PERPETUAL: "SWAP",
    InstrumentKind.FUTURE: "FUTURES",
    InstrumentKind.OPTION: "OPTION",
}
_EVERY: Final = ("bbo-tbt", "trades", "tickers")
_DERIVED: Final = ("mark-price", "open-interest")
_TIMEOUT_S: Final = 10.0
_PING_S: Final = 20.0

# Of a public endpoint 20 requests in 2 s are allowed, of some 10: a common budget within them.
_BUDGET: Final = 9
_BUDGET_S: Final = 2.0

_MS: Final = 1_000_000


class _Listing(msgspec.Struct):
    code: str
    msg: str = ""
    data: list[msgspec.Raw] = []


class _Entry(msgspec.Struct):
    instId: str
    uly: str = ""


class _Underlyings(msgspec.Struct):
    code: str
    msg: str = ""
    data: list[list[str]] = []


class OkxDialect(RestDialect):
    """OKX as the feed speaks to it.

    Args:
        settings: Hosts, environment and plan.
        clock: For the request budget.
        venue: The name events carry.

    Raises:
        ConfigError: The venue has no such environment or plan.
    """

    limits = LineLimits(
        instruments=120,
        # Some 12 channels of 60 bytes each: well within the 64 KiB the venue takes at once.
        batch=40,
        # 480 requests an hour and connection; two pay for a fresh book image.
        pace_s=0.5,
        # 3 a second by the venue's clock, to which ours is not tied.
        attempts=3,
        attempts_window_s=1.5,
        # Two requests each time, of the 480.
        renew_s=30.0,
        silence_s=30.0,
    )
    heartbeat = Heartbeat(_PING_S, "ping")
    images_by_rest = False
    joins_trades = True
    missed_page = PAGE - 1

    def __init__(self, settings: FeedSettings, *, clock: Clock, venue: VenueName = OKX) -> None:
        self.venue = venue
        self.decoder: OkxDecoder = OkxDecoder(venue)
        self.acks = OkxAcks()
        planless(settings, venue)
        rest_url, self._stream_url = hosts(settings, HOSTS, venue)
        self._headers: Mapping[str, str] = (
            {"x-simulated-trading": "1"} if settings.environment == "demo" else {}
        )
        self._http = HttpSession(
            rest_url,
            clock=clock,
            timeout_s=_TIMEOUT_S,
            limiter=WeightLimiter(clock=clock, capacity=_BUDGET, window_s=_BUDGET_S),
        )
        self._history = CandleHistory(self._http, clock, self._headers)
        self._past = self._trades = TradeHistory(self._http, self._headers)
        self._entries: dict[str, msgspec.Raw] = {}

    # -- connections -------------------------------------------------------------------------

    def routes(self, instrument: Instrument) -> Sequence[str]:
        """Return which sockets the instrument's channels are on."""
        return (PUBLIC,) if instrument.kind is InstrumentKind.INDEX else (PUBLIC, BUSINESS)

    async def address(self, route: str) -> str:
        """Return the websocket URL of a route."""
        return f"{self._stream_url}/ws/v5/{route}"

    def retires(self, frame: bytes) -> bool:
        """Return whether the venue says it will close the connection, 30 to 60 s ahead.

        ::

            {"event":"notice","code":"64008","msg":"The connection will soon be closed for a
             service upgrade. Please reconnect.","connId":"a4d3ae55"}
        """
        return frame.startswith(b'{"event":"notice"') and b'"64008"' in frame

    def subscribe(self, route: str, instruments: Sequence[Instrument]) -> Sequence[str]:
        """Return the messages that join every channel wanted of some instruments."""
        return self._request("subscribe", self._channels(route, instruments, shared=True))

    def unsubscribe(self, route: str, instruments: Sequence[Instrument]) -> Sequence[str]:
        """Return the messages that leave those channels; what others may share is kept."""
        return self._request("unsubscribe", self._channels(route, instruments, shared=False))

    def rejoin(self, route: str, instrument: Instrument) -> Sequence[str]:
        """Return the messages that leave and join the book's channel, for a fresh image."""
        if route != PUBLIC or instrument.kind is InstrumentKind.INDEX:
            return ()
        args = [{"channel": "books", "instId": instrument.venue_symbol}]
        return (*self._request("unsubscribe", args), *self._request("subscribe", args))

    def _channels(
        self, route: str, instruments: Sequence[Instrument], *, shared: bool
    ) -> list[dict[str, str]]:
        out: dict[tuple[str, ...], dict[str, str]] = {}

        def add(channel: str, **of: str) -> None:
            out.setdefault((channel, *of.values()), {"channel": channel, **of})

        for item in instruments:
            symbol, kind = item.venue_symbol, item.kind
            if kind is InstrumentKind.INDEX:
                add("index-tickers", instId=symbol.removeprefix(INDEX_KEY))
                continue
            if route == BUSINESS:
                add("candle1m", instId=symbol)
                continue
            for channel in ("books", *_EVERY):
                add(channel, instId=symbol)
            if kind is InstrumentKind.SPOT:
                continue
            for channel in _DERIVED:
                add(channel, instId=symbol)
            if kind is InstrumentKind.PERPETUAL:
                add("funding-rate", instId=symbol)
            if not shared:
                continue
            index = self.decoder.index_of.get(symbol, f"{item.base}-{item.quote}")
            add("index-tickers", instId=index)
            if kind is InstrumentKind.OPTION:
                add("opt-summary", instFamily=index)
            else:
                add("liquidation-orders", instType=_KINDS[kind])
        return list(out.values())

    @staticmethod
    def _request(op: str, args: Sequence[Mapping[str, str]]) -> Sequence[str]:
        if not args:
            return ()
        return (msgspec.json.encode({"op": op, "args": list(args)}).decode(),)

    # -- REST --------------------------------------------------------------------------------

    async def listing(self) -> Sequence[Instrument]:
        """Fetch what the venue lists: spot, perpetuals, futures, options, and their indices.

        Raises:
            TemporaryError: The venue is away.
            DataError: Its answer is not what it documents.
        """
        out: dict[str, Instrument] = {}
        queries = [[("instType", kind)] for kind in ("SPOT", "SWAP", "FUTURES")]
        queries += [
            [("instType", "OPTION"), ("uly", name)] for name in await self._underlyings("OPTION")
        ]
        for query in queries:
            body = await self._ask("/api/v5/public/instruments", query, "instruments")
            for item in self.decoder.learn(body):
                out[item.venue_symbol] = item
            for raw in msgspec.json.decode(body, type=_Listing).data:
                self._entries[msgspec.json.decode(raw, type=_Entry).instId] = raw.copy()
        return list(out.values())

    async def _underlyings(self, kind: str) -> list[str]:
        """Return what there are contracts on: nothing on hosts of regions without them."""
        query = (("instType", kind),)
        try:
            body = await self._ask("/api/v5/public/underlying", query, "underlyings")
        except DataError:
            return []
        answer = decoded(body, _Underlyings, f"underlyings of {self.venue}")
        return [name for row in answer.data for name in row]

    def listing_of(self, instruments: Sequence[Instrument]) -> Answer | None:
        """Return the venue's own words on some instruments, as a listing the decoder can read."""
        raws: list[msgspec.Raw] = []
        for item in instruments:
            symbol = item.venue_symbol
            if item.kind is InstrumentKind.INDEX:
                # An index is listed by what hangs on it alone.
                index = symbol.removeprefix(INDEX_KEY)
                hanging = self.decoder.index_of.items()
                symbol = next((name for name, other in hanging if other == index), "")
            if symbol in self._entries:
                raws.append(self._entries[symbol])
        if not raws:
            return None
        names = quote(",".join(item.venue_symbol for item in instruments))
        return Answer(
            f"{self._http.base_url}/api/v5/public/instruments?instIds={names}",
            msgspec.json.encode(_Listing("0", "", raws)),
        )

    async def server_time(self) -> Answer | None:
        """Ask for the venue's time.

        Raises:
            TemporaryError: The venue is away.
        """
        path = "/api/v5/public/time"
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
            ("instId", instrument.venue_symbol), ("before", str(start_ns // _MS - 1)),
            ("after", str(end_ns // _MS)), ("limit", str(FUNDING_PAGE)),
        )  # fmt: skip
        what = f"funding of {instrument.id}"
        body = await self._ask("/api/v5/public/funding-rate-history", params, what)
        return read_funding(body, what)

    async def missed(self, instrument: Instrument, hole: TradeHole) -> Answer | None:
        """Ask for trades that never came, by their ids, one by one as the history has them.

        Raises:
            TemporaryError: The venue is away, asks for patience or does not know them yet.
            DataError: Its answer is not what it documents.
        """
        return await self._trades.missed(instrument, hole)

    async def tiers(self, instruments: Collection[Instrument]) -> Sequence[MarginTiers]:
        """Fetch the position tiers of some perpetuals and futures, under cross margin.

        Raises:
            TemporaryError: The venue is away or asks for patience.
            DataError: Its answer is not what it documents.
        """
        out: list[MarginTiers] = []
        for kind, families, mine in questions(instruments):
            params = (("instType", kind), ("tdMode", "cross"), ("instFamily", ",".join(families)))
            body = await self._ask("/api/v5/public/position-tiers", params, "position tiers")
            out += read_tiers(body, mine, f"position tiers of {self.venue}")
        return out

    async def _ask(self, path: str, params: Sequence[tuple[str, str]], what: str) -> bytes:
        what = f"{what} of {self.venue}"
        reply = await ask(
            self._http,
            path,
            what=what,
            params=params,
            headers=self._headers,
            remedies={403: "the address may be refused; set rest_url to your region's host"},
        )
        answer = decoded(reply.body, _Listing, what)
        refuse(answer.code, answer.msg, what)
        return reply.body


make_dialect: Final = OkxDialect
"""How `core.feeds.registry` makes the dialect of a table of settings."""
