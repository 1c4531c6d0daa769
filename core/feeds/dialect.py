"""What a venue tells `core.feeds.stream.StreamFeed` of itself: addresses, words and limits.

A venue's dialect says what to send; the feed decides when, over how many connections, and what
happens when one fails. A dialect holds no connection of its own but the HTTP session it is given.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol
from urllib.parse import urlsplit

import msgspec

from core.feeds.acks import Acks
from core.feeds.decoder import FeedDecoder
from core.model.errors import ConfigError
from core.model.funding import FundingPaid
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.market import Bar, Timeframe
from core.model.stores import PastTrades, TradeHole
from core.model.tiers import MarginTiers
from core.wire.budget import Budgets
from core.wire.http import HttpSession


class LineLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a venue allows of websocket connections."""

    instruments: int
    """Instruments one connection may carry."""
    batch: int
    """Instruments named in one request."""
    pace_s: float
    """Time between two messages of ours on one connection."""
    attempts: int = 300
    attempts_window_s: float = 300.0
    """Connections opened from one address within a window, at most."""
    connections: int = 64
    """Connections held at once, at most; instruments beyond that room are refused."""
    max_age_s: float = 23 * 3600.0
    """Age at which a connection is replaced, before the venue cuts it."""
    renew_s: float = 10.0
    """Time between two occasions of leaving and joining what does not speak."""
    silence_s: float = 60.0
    """A connection that sends nothing for this long is dropped; heartbeats count."""


class Heartbeat(msgspec.Struct, frozen=True):
    """A message of ours that keeps a connection alive."""

    every_s: float
    message: str


class Answer(msgspec.Struct, frozen=True):
    """A REST answer on its way to the decoder."""

    url: str
    """With what was asked; never with a key or signature."""
    body: bytes


class Poll(msgspec.Struct, frozen=True):
    """Something the venue has no stream for, asked again and again of each wanted instrument."""

    name: str
    every_s: float
    at_once: bool = False
    """Ask of an instrument as soon as it is wanted, not when its turn comes."""


class Dialect(ABC):
    """One venue's way to speak; everything that can fail raises the errors of `core.model`."""

    venue: VenueName
    decoder: FeedDecoder
    limits: LineLimits
    heartbeat: Heartbeat | None = None
    polls: Sequence[Poll] = ()
    streams: bool = True
    """False: the venue has no websocket; `polls` are all there is."""
    acks: Acks | None = None
    """How the venue confirms subscriptions; None: it does not."""
    images_by_rest: bool = True
    """False: a fresh book image comes by leaving and joining its channel."""
    missed_page: int = 1000
    """Trades that `missed` asks for at once."""
    joins_trades: bool = False
    """The stream joins fills that `trades` tells one by one, so the two cannot be mixed."""

    # -- connections -------------------------------------------------------------------------

    _stream_url: str = ""

    @property
    def stream_host(self) -> str:
        """Where streams connect to; whoever connects there counts attempts together."""
        return urlsplit(self._stream_url).netloc or self.venue

    def routes(self, instrument: Instrument) -> Sequence[str]:
        """Return which kinds of connection the instrument's channels need; each has its own URL."""
        return ("",)

    @abstractmethod
    async def address(self, route: str) -> str:
        """Return the websocket URL of a route, asking for a token first where one is needed.

        Raises:
            TemporaryError: It cannot be had now.
            AuthError: The venue refused the keys.
        """

    def headers(self, route: str) -> Mapping[str, str]:
        """Return what a route's handshake must say beside the usual."""
        return {}

    def packed(self, route: str, message: str) -> str | bytes:
        """Return a message of ours as it goes over a route; bytes go as a binary frame."""
        return message

    def opening(self, route: str) -> Sequence[str]:
        """Return what to send first on a new connection: log in, ask for heartbeats."""
        return ()

    def redacted(self, message: str) -> str:
        """Return a message of ours as it may be taped: without keys or signatures."""
        return message

    def opened(self, frame: bytes) -> bool:
        """Return whether the venue lets us subscribe now; asked of each frame until true.

        The default needs no word of the venue. Override together with `waits_for_opening`.
        """
        return True

    waits_for_opening: bool = False
    """Whether to hold subscriptions back until `opened` is true of a frame."""

    def reply(self, frame: bytes) -> str | None:
        """Return what must be sent back for a frame, None for nearly all of them.

        Called with every frame: decide by a few bytes.
        """
        return None

    def retires(self, frame: bytes) -> bool:
        """Return whether the venue announces that it will close this connection soon.

        Called with every frame: decide by a few bytes. The line then opens the next connection
        first and leaves this one once that one carries everything.
        """
        return False

    @abstractmethod
    def subscribe(self, route: str, instruments: Sequence[Instrument]) -> Sequence[str]:
        """Return the messages that join every channel wanted of some instruments."""

    @abstractmethod
    def unsubscribe(self, route: str, instruments: Sequence[Instrument]) -> Sequence[str]:
        """Return the messages that leave all those channels."""

    def rejoin(self, route: str, instrument: Instrument) -> Sequence[str]:
        """Return the messages that leave and join the book's channel, for a fresh image.

        Only asked where `images_by_rest` is false; empty where the route carries no book.
        """
        return ()

    # -- REST --------------------------------------------------------------------------------

    def share(self, budgets: Budgets) -> None:
        """Keep the venue's request budget together with the other programs of the same home."""
        return

    @abstractmethod
    async def listing(self) -> Sequence[Instrument]:
        """Fetch what the venue lists, and teach it to the decoder.

        Raises:
            TemporaryError: The venue is away.
            DataError: Its answer is not what it documents.
        """

    async def look_up(self, symbol: str) -> Sequence[Instrument]:
        """Fetch what is listed under one of our symbols beside `listing`, and teach the decoder.

        Raises:
            TemporaryError: The venue is away.
            DataError: Its answer is not what it documents.
        """
        return ()

    async def chain(self, underlying: str) -> Sequence[Instrument]:
        """Fetch the options on a share that `listing` leaves out, and teach the decoder.

        Raises:
            TemporaryError: The venue is away.
            DataError: Its answer is not what it documents.
        """
        return ()

    def listing_of(self, instruments: Sequence[Instrument]) -> Answer | None:
        """Return the venue's own words on some instruments, as a listing the decoder can read.

        It is put on the tape ahead of their frames, so that a tape knows its own steps.
        """
        return None

    async def image(self, instrument: Instrument) -> Answer | None:
        """Fetch a book image; None where `images_by_rest` is false.

        Raises:
            TemporaryError: The venue is away or asks for patience.
            DataError: A definite no.
        """
        return None

    async def poll(self, name: str, instrument: Instrument) -> Answer | None:
        """Ask once for one of `polls`; None: nothing to ask of this instrument.

        Raises:
            TemporaryError: The venue is away or asks for patience.
            DataError: A definite no.
        """
        return None

    async def server_time(self) -> Answer | None:
        """Ask for the venue's time; the decoder makes a `ClockSample` of the answer.

        The feed adds ``#asked_ns=...`` to the URL: our time when the question left.

        Raises:
            TemporaryError: The venue is away.
        """
        return None

    @abstractmethod
    async def history(
        self, instrument: Instrument, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> list[Bar]:
        """Fetch closed bars with start_ns <= open time < end_ns, oldest first, all pages.

        Periods the venue states to be without a trade give no bar.

        Raises:
            TemporaryError: The venue is away.
            DataError: Its answer is not what it documents.
            ConfigError: The venue has no bars of this length, and none they could be joined from.
        """

    async def trades(self, instrument: Instrument, start_ns: int, end_ns: int) -> PastTrades:
        """Fetch the trades with start_ns <= event time < end_ns, all pages, as far as they go back.

        They carry the ids of the stream's, unless `joins_trades`.

        Raises:
            TemporaryError: The venue is away.
            DataError: Its answer is not what it documents.
            ConfigError: The venue tells no trades of the past.
        """
        raise ConfigError(f"{self.venue} tells no trades of the past; take its bars")

    async def missed(self, instrument: Instrument, hole: TradeHole) -> Answer | None:
        """Ask for trades that never came, at most `missed_page`, in words the decoder reads.

        None: the venue cannot be asked for them, or they come by themselves.

        Raises:
            TemporaryError: The venue is away or asks for patience.
            DataError: A definite no.
        """
        return None

    async def funding(
        self, instrument: Instrument, start_ns: int, end_ns: int
    ) -> Sequence[FundingPaid]:
        """Fetch the funding settled with start_ns <= time < end_ns, oldest first.

        Raises:
            TemporaryError: The venue is away.
            DataError: Its answer is not what it documents.
            ConfigError: The venue tells no funding of the past.
        """
        raise ConfigError(f"{self.venue} tells no funding of the past")

    async def tiers(self, instruments: Collection[Instrument]) -> Sequence[MarginTiers]:
        """Fetch the margin tiers of some contracts; what it has none of is left out.

        Raises:
            TemporaryError: The venue is away or asks for patience.
            DataError: Its answer is not what it documents.
            ConfigError: The venue tells none to whoever has no account.
        """
        raise ConfigError(f"{self.venue} tells no margin tiers without an account")

    @abstractmethod
    async def close(self) -> None:
        """Release the HTTP session."""


class PastBars(Protocol):
    """Pages through the bars of the past."""

    async def bars(
        self, instrument: Instrument, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> list[Bar]:
        """Return closed bars with start_ns <= open time < end_ns, oldest first; see `Dialect`."""
        ...


class TellsTrades(Protocol):
    """Pages through the trades of the past."""

    async def trades(self, instrument: Instrument, start_ns: int, end_ns: int) -> PastTrades:
        """Return the trades with start_ns <= event time < end_ns; see `Dialect`."""
        ...


class RestDialect(Dialect):
    """A dialect with one HTTP session, over which its history pages; each sets what is below."""

    _http: HttpSession
    _history: PastBars
    _past: TellsTrades | None = None

    def share(self, budgets: Budgets) -> None:
        """Keep the venue's request budget together with the other programs of the same home."""
        self._http.share(budgets)

    async def history(
        self, instrument: Instrument, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> list[Bar]:
        """Fetch closed bars with start_ns <= open time < end_ns, oldest first, all pages.

        Raises:
            TemporaryError: The venue is away.
            DataError: Its answer is not what it documents.
            ConfigError: The venue has no bars of this length, and none they could be joined from.
        """
        return await self._history.bars(instrument, timeframe, start_ns, end_ns)

    async def trades(self, instrument: Instrument, start_ns: int, end_ns: int) -> PastTrades:
        """Fetch the trades with start_ns <= event time < end_ns, all pages, as far as they go back.

        Raises:
            TemporaryError: The venue is away.
            DataError: Its answer is not what it documents.
            ConfigError: The venue tells no trades of the past.
        """
        if self._past is None:
            return await super().trades(instrument, start_ns, end_ns)
        return await self._past.trades(instrument, start_ns, end_ns)

    async def close(self) -> None:
        """Release the HTTP session."""
        await self._http.close()
