"""How clx speaks with Deribit: JSON-RPC 2.0 over one websocket, REST for listing and history.

https://docs.deribit.com. Everything here is public: channels that are not aggregated (`raw`) would
need keys, and the answer to a log-in carries tokens that must not lie on a tape.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from itertools import count
from typing import Final

import msgspec

from core.feeds.deribit.acks import DeribitAcks
from core.feeds.deribit.answers import call
from core.feeds.deribit.decoder import DERIBIT, DeribitDecoder
from core.feeds.deribit.funding import read_funding
from core.feeds.deribit.history import ChartHistory
from core.feeds.deribit.symbols import parse_instruments, parse_names
from core.feeds.deribit.tiers import margin_of
from core.feeds.dialect import Answer, LineLimits, Poll, RestDialect
from core.feeds.hosts import hosts, planless
from core.model.funding import FundingPaid
from core.model.ids import VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.ports import Clock
from core.model.settings import FeedSettings
from core.model.stores import PastTrades
from core.model.tiers import MarginTiers
from core.wire.http import HttpSession
from core.wire.limits import WeightLimiter

HOSTS: Final = {
    "live": ("https://www.deribit.com", "wss://www.deribit.com"),
    "testnet": ("https://test.deribit.com", "wss://test.deribit.com"),
}
"""REST and stream host of each environment."""

LIMITS: Final = LineLimits(
    # Four channels an instrument; a subscribe call takes about 500.
    instruments=120,
    batch=100,
    # A subscribe call costs 3,000 credits, of which 10,000 come back a second.
    pace_s=0.35,
    # 32 from one address; other programs may share it.
    connections=16,
    silence_s=40.0,
)

_PATH: Final = "/ws/api/v2"
_REST_PATH: Final = "/api/v2"
_HEARTBEAT_S: Final = 15
_CREDITS_PER_S: Final = 10_000
_TIMEOUT_S: Final = 20.0
_TEST_REQUEST: Final = b'"test_request"'
_SHORT: Final = 200
"""Heartbeats are shorter than this, and little else is."""

_MS: Final = 1_000_000


class DeribitDialect(RestDialect):
    """Deribit's way to speak."""

    limits = LIMITS
    images_by_rest = False
    polls = (Poll("missed trades", 5.0),)

    _history: ChartHistory

    def __init__(self, settings: FeedSettings, *, clock: Clock, venue: VenueName = DERIBIT) -> None:
        planless(settings, venue)
        rest_url, stream_url = hosts(settings, HOSTS, venue)
        self.venue = venue
        self._deribit = DeribitDecoder(venue)
        self.decoder = self._deribit
        self.acks = DeribitAcks(self._request)
        rest_url = rest_url.removesuffix(_REST_PATH)
        self._rest_url = rest_url
        self._stream_url = stream_url.removesuffix(_PATH) + _PATH
        self._interval = "agg2" if settings.depth_ms >= 1000 else "100ms"
        self._ids = count(1)
        self._entries: dict[str, msgspec.Raw] = {}
        self._http = HttpSession(
            rest_url,
            clock=clock,
            timeout_s=_TIMEOUT_S,
            limiter=WeightLimiter(
                clock=clock, capacity=_CREDITS_PER_S, window_s=1.0, reserve=_CREDITS_PER_S // 5
            ),
        )
        self._history = ChartHistory(self._http, clock)

    async def address(self, route: str) -> str:
        """Return the websocket URL."""
        return self._stream_url

    def opening(self, route: str) -> Sequence[str]:
        """Ask for heartbeats: without them a half-open connection looks like a quiet one."""
        return (self._request("set_heartbeat", {"interval": _HEARTBEAT_S}),)

    def reply(self, frame: bytes) -> str | None:
        """Answer the venue's test requests; it closes the connection otherwise."""
        if len(frame) < _SHORT and _TEST_REQUEST in frame:
            return self._request("test", {})
        return None

    def subscribe(self, route: str, instruments: Sequence[Instrument]) -> Sequence[str]:
        """Return the message that joins every channel of some instruments."""
        return (self._request("subscribe", {"channels": self._channels(instruments)}),)

    def unsubscribe(self, route: str, instruments: Sequence[Instrument]) -> Sequence[str]:
        """Return the message that leaves all those channels."""
        return (self._request("unsubscribe", {"channels": self._channels(instruments)}),)

    def rejoin(self, route: str, instrument: Instrument) -> Sequence[str]:
        """Return the messages that leave and join the book: its first message is an image.

        The other channels are joined once more: nothing comes of it where they are, and it mends
        a subscription that the venue took in part.
        """
        if instrument.kind is InstrumentKind.INDEX:
            return ()
        book = {"channels": [f"book.{instrument.venue_symbol}.{self._interval}"]}
        every = {"channels": self._channels([instrument])}
        return (self._request("unsubscribe", book), self._request("subscribe", every))

    async def listing(self) -> Sequence[Instrument]:
        """Fetch instruments of every currency and kind, and the indices.

        Raises:
            TemporaryError: The venue is away.
            DataError: Its answer is not what it documents.
        """
        what = f"listing of {self.venue}"
        params = (("currency", "any"), ("expired", "false"))
        # It has a pool of credits of its own, one request a second.
        reply = await call(self._http, "get_instruments", params, what)
        names = await call(self._http, "get_index_price_names", (), f"indices of {self.venue}")
        # Thousands of options take a tenth of a second that the loop must not stand still.
        listed, self._entries = await asyncio.to_thread(_read, reply.body, self.venue)
        listed = [*listed, *parse_names(names.body, self.venue)]
        self.decoder.add_instruments(listed)
        return listed

    def listing_of(self, instruments: Sequence[Instrument]) -> Answer | None:
        """Return get_instruments of some instruments only."""
        entries = [
            self._entries[item.venue_symbol]
            for item in instruments
            if item.venue_symbol in self._entries
        ]
        if not entries:
            return None
        return Answer(
            f"{self._rest_url}/api/v2/public/get_instruments?currency=any",
            msgspec.json.encode({"jsonrpc": "2.0", "result": entries}),
        )

    async def poll(self, name: str, instrument: Instrument) -> Answer | None:
        """Ask for the trades whose numbers were left out; None where none was.

        Raises:
            TemporaryError: The venue is away or asks for patience.
            DataError: A definite no.
        """
        missing = self._deribit.lacks(instrument.venue_symbol)
        if missing is None:
            return None
        params = (
            ("instrument_name", instrument.venue_symbol),
            ("start_seq", str(missing[0])),
            ("end_seq", str(missing[1])),
            ("count", "1000"),
        )
        what = f"missed trades of {instrument.id}"
        reply = await call(self._http, "get_last_trades_by_instrument", params, what)
        return Answer(reply.url, reply.body)

    async def server_time(self) -> Answer | None:
        """Ask for the venue's time.

        Raises:
            TemporaryError: The venue is away.
        """
        reply = await call(self._http, "get_time", (), f"time of {self.venue}")
        return Answer(reply.url, reply.body)

    async def trades(self, instrument: Instrument, start_ns: int, end_ns: int) -> PastTrades:
        """Fetch the trades with start_ns <= time < end_ns, oldest first, all pages.

        Raises:
            TemporaryError: The venue is away.
            DataError: Its answer is not what it documents.
        """
        return PastTrades(await self._history.trades(instrument, start_ns, end_ns), start_ns)

    async def funding(
        self, instrument: Instrument, start_ns: int, end_ns: int
    ) -> Sequence[FundingPaid]:
        """Fetch the funding settled with start_ns <= time < end_ns, oldest first.

        Raises:
            TemporaryError: The venue is away or asks for patience.
            DataError: Its answer is not what it documents.
        """
        params = (
            ("instrument_name", instrument.venue_symbol), ("start_timestamp", str(start_ns // _MS)),
            ("end_timestamp", str((end_ns - 1) // _MS)),
        )  # fmt: skip
        what = f"funding of {instrument.id}"
        reply = await call(self._http, "get_funding_rate_history", params, what)
        return read_funding(reply.body, what)

    async def tiers(self, instruments: Collection[Instrument]) -> Sequence[MarginTiers]:
        """Return the margin of some perpetuals and futures by the venue's formula; asks nobody.

        Raises:
            DataError: A leverage listed makes no sense.
        """
        found = (margin_of(item) for item in instruments)
        return [table for table in found if table is not None]

    def _request(self, method: str, params: Mapping[str, object]) -> str:
        return msgspec.json.encode(
            {
                "jsonrpc": "2.0",
                "id": next(self._ids),
                "method": f"public/{method}",
                "params": params,
            }
        ).decode()

    def _channels(self, instruments: Sequence[Instrument]) -> list[str]:
        channels: list[str] = []
        for item in instruments:
            symbol = item.venue_symbol
            if item.kind is InstrumentKind.INDEX:
                channels.append(symbol)
                continue
            channels += (
                f"book.{symbol}.{self._interval}",
                f"trades.{symbol}.100ms",
                f"ticker.{symbol}.100ms",
                f"quote.{symbol}",
            )
        return channels


class _Entry(msgspec.Struct):
    instrument_name: str


class _Listing(msgspec.Struct):
    result: list[msgspec.Raw]


def _read(body: bytes, venue: VenueName) -> tuple[list[Instrument], dict[str, msgspec.Raw]]:
    listed = parse_instruments(body, venue).instruments
    raws = msgspec.json.decode(body, type=_Listing).result
    return listed, {
        msgspec.json.decode(raw, type=_Entry).instrument_name: raw.copy() for raw in raws
    }


make_dialect: Final = DeribitDialect
"""How `core.feeds.registry` makes the dialect of a table of settings."""
