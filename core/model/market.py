"""Market events: what a feed makes of the wire, in integer ticks and lots.

Every event carries ``ts_event_ns`` (the venue's time, 0 where it gives none) and ``ts_recv_ns``
(ours). They are hot: frozen structs, untracked by the garbage collector, no Decimal.
"""

from __future__ import annotations

from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from core.model.ids import InstrumentId, VenueName

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Levels: TypeAlias = npt.NDArray[np.int64]
    """Book levels: shape (n, 2) int64, column 0 price ticks, column 1 size lots (0 removes)."""
else:
    # Faces import this module before their first paint; numpy would cost them 40 ms.
    Levels = Any


class Side(StrEnum):
    """Direction of an order, or of the taker of a trade."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for buy, -1 for sell."""
        return 1 if self is _BUY else -1

    @property
    def opposite(self) -> Side:
        """The other side."""
        return _SELL if self is _BUY else _BUY


_BUY = Side.BUY
_SELL = Side.SELL


class Timeframe(StrEnum):
    """Bar lengths, aligned to the UTC epoch."""

    S1 = "1s"
    S5 = "5s"
    M1 = "1m"
    M5 = "5m"
    M15 = "15m"
    H1 = "1h"
    H4 = "4h"
    D1 = "1d"

    @property
    def ns(self) -> int:
        """Length in nanoseconds."""
        return _TIMEFRAME_S[self] * 1_000_000_000


_TIMEFRAME_S: Final[dict[str, int]] = {
    "1s": 1,
    "5s": 5,
    "1m": 60,
    "5m": 300,
    "15m": 900,
    "1h": 3600,
    "4h": 14400,
    "1d": 86400,
}


class Trade(msgspec.Struct, frozen=True, gc=False):
    """A public trade."""

    instrument_id: InstrumentId
    ts_event_ns: int
    ts_recv_ns: int
    price_ticks: int
    size_lots: int
    buyer_is_maker: bool
    """True: the taker sold."""
    trade_id: int
    first_trade_id: int = 0
    """First raw trade id of an aggregate, else 0."""


class Quote(msgspec.Struct, frozen=True, gc=False):
    """Best bid and ask."""

    instrument_id: InstrumentId
    ts_event_ns: int
    ts_recv_ns: int
    bid_ticks: int
    bid_lots: int
    ask_ticks: int
    ask_lots: int
    update_id: int


class BookSnapshot(msgspec.Struct, frozen=True, gc=False):
    """A full or top-n image of the book."""

    instrument_id: InstrumentId
    ts_event_ns: int
    ts_recv_ns: int
    last_id: int
    bids: Levels
    asks: Levels
    reset: bool = False
    """It came in the stream itself and replaces whatever is known, whatever its id."""
    check: BookCheck | None = None


class BookCheck(msgspec.Struct, frozen=True, gc=False):
    """What the venue says of a book after a message; a checker compares it."""

    checksum: int
    bids: tuple[tuple[str, str], ...] = ()
    """The message's (price, size) as the wire spelt them, for checksums over that text."""
    asks: tuple[tuple[str, str], ...] = ()


class BookDelta(msgspec.Struct, frozen=True, gc=False):
    """Changed levels, absolute sizes, with the venue's sequence numbers."""

    instrument_id: InstrumentId
    ts_event_ns: int
    ts_recv_ns: int
    first_id: int
    last_id: int
    prev_id: int
    """The previous delta's last id where the venue sends it (`pu`), else -1."""
    bids: Levels
    asks: Levels


class CheckedDelta(BookDelta, frozen=True, gc=False):
    """Changed levels with the checksum of the book after them."""

    check: BookCheck | None = None


class Bar(msgspec.Struct, frozen=True, gc=False):
    """OHLCV of one closed period; integer ticks and lots."""

    instrument_id: InstrumentId
    timeframe: Timeframe
    ts_open_ns: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    volume_lots: int
    trades: int
    ts_recv_ns: int = 0
    revision: int = 0
    """0 the first closed form; +1 for each late trade or repair."""


class FormingBar(msgspec.Struct, frozen=True, gc=False):
    """The bar still being built; never given to a strategy or model as closed."""

    instrument_id: InstrumentId
    timeframe: Timeframe
    ts_open_ns: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    volume_lots: int
    trades: int


class ActivityBar(msgspec.Struct, frozen=True, kw_only=True):
    """OHLCV of so many trades, so much volume or so much money, as its rule says."""

    instrument_id: InstrumentId
    rule: str
    """``tick:100``, ``volume:5`` (base units) or ``dollar:1000000`` (quote units)."""
    ts_open_ns: int
    """Time of its first trade."""
    ts_close_ns: int
    """Time of its last trade, the one that filled it."""
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    volume_lots: int
    trades: int
    whole: bool = True
    """False: trades are missing in it."""


class VenueBar(msgspec.Struct, frozen=True, gc=False):
    """A candle as the venue's own kline stream states it (a check on ours, never mixed in)."""

    instrument_id: InstrumentId
    timeframe: str
    ts_open_ns: int
    ts_recv_ns: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    volume_lots: int
    closed: bool


class MarkPrice(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A derivative's reference prices; finer than ticks, so `Decimal`. None: not stated."""

    instrument_id: InstrumentId
    ts_event_ns: int
    ts_recv_ns: int
    mark: Decimal | None = None
    index: Decimal | None = None
    """Price of the underlying index; of an `InstrumentKind.INDEX` its own value."""
    funding_rate: Decimal | None = None
    """Rate of the coming funding, a fraction of notional; positive: longs pay."""
    next_funding_ns: int = 0


class OpenInterest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Contracts outstanding, in the venue's unit of size; `value` in the quote or settle asset."""

    instrument_id: InstrumentId
    ts_event_ns: int
    ts_recv_ns: int
    size: Decimal
    value: Decimal | None = None


class Liquidation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A forced order. Where `lossy`, the venue leaves some out: never add them up to a total."""

    instrument_id: InstrumentId
    ts_event_ns: int
    ts_recv_ns: int
    side: Side
    """Of the forced order: a liquidated long sells."""
    price_ticks: int
    size_lots: int
    lossy: bool


class DayTicker(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The venue's own rolling statistics, normally of 24 hours. None: not stated."""

    instrument_id: InstrumentId
    ts_event_ns: int
    ts_recv_ns: int
    last: Decimal | None = None
    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    volume: Decimal | None = None
    """In base units or contracts."""
    quote_volume: Decimal | None = None


class OptionGreeks(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An option as the venue values it; volatilities are fractions (0.55), nan: not stated."""

    instrument_id: InstrumentId
    ts_event_ns: int
    ts_recv_ns: int
    mark_iv: float
    bid_iv: float
    ask_iv: float
    delta: float
    gamma: float
    vega: float
    theta: float
    rho: float
    underlying: float


class TradeCanceled(msgspec.Struct, frozen=True, kw_only=True):
    """A public trade that the venue took back, or replaced by `corrected`."""

    instrument_id: InstrumentId
    ts_event_ns: int
    ts_recv_ns: int
    trade_id: int
    corrected: Trade | None = None


class TradesAbsent(msgspec.Struct, frozen=True, kw_only=True):
    """The venue was asked for trades by their ids, and has none of these."""

    instrument_id: InstrumentId
    ts_recv_ns: int
    first_id: int
    last_id: int


class ClockSample(msgspec.Struct, frozen=True, kw_only=True):
    """The venue's clock beside ours, from one question and answer."""

    venue: VenueName
    ts_recv_ns: int
    offset_ns: int
    """The venue's time minus ours, at the middle of the round trip."""
    round_trip_ns: int


class SequenceBroken(msgspec.Struct, frozen=True, kw_only=True):
    """A decoder found messages of a connection missing: what it carried is not to be trusted."""

    venue: VenueName
    ts_recv_ns: int
    instrument_ids: tuple[InstrumentId, ...]
    reason: str
    expected_id: int = 0
    received_id: int = 0


class FeedStatus(IntEnum):
    """Trust in an instrument's data."""

    UNSUBSCRIBED = 0
    SYNCING = 1
    LIVE = 2
    STALE = 3


class FeedStatusChanged(msgspec.Struct, frozen=True, kw_only=True):
    """An instrument's data was found good or bad; `reason` says why in words."""

    instrument_id: InstrumentId
    ts_recv_ns: int
    status: FeedStatus
    reason: str
    expected_id: int = 0
    received_id: int = 0


class FeedConnected(msgspec.Struct, frozen=True, kw_only=True):
    """A feed's connection opened; every book on it starts anew."""

    venue: VenueName
    ts_recv_ns: int
    conn: int
    instrument_ids: tuple[InstrumentId, ...] | None = None
    """What this connection carries so far; None: unknown, so all of the venue's."""


class FeedDisconnected(msgspec.Struct, frozen=True, kw_only=True):
    """A feed's connection was lost."""

    venue: VenueName
    ts_recv_ns: int
    conn: int
    reason: str
    instrument_ids: tuple[InstrumentId, ...] | None = None
    """What this connection carried; None: unknown, so all of the venue's."""


class FrameRejected(msgspec.Struct, frozen=True, kw_only=True):
    """A frame that is not what the venue documents; it was kept on the tape and skipped."""

    venue: VenueName
    ts_recv_ns: int
    reason: str
    sample: str
    """The first 120 characters of the frame."""
    channel: str = ""
    """Where it can be told: the channel and instrument concerned, and what to do."""
    instrument_id: InstrumentId | None = None


class FeedNotice(msgspec.Struct, frozen=True, kw_only=True):
    """What a feed has to say of itself: what is wrong, what it does about it, what you can do."""

    venue: VenueName
    ts_recv_ns: int
    kind: str
    """``connection``, ``subscription``, ``unheard``, ``listing``, ``image`` or ``clock``."""
    text: str
    instrument_id: InstrumentId | None = None


MarketEvent: TypeAlias = (
    Trade
    | Quote
    | BookSnapshot
    | BookDelta
    | Bar
    | VenueBar
    | FeedStatusChanged
    | FeedConnected
    | FeedDisconnected
    | FrameRejected
    | FeedNotice
    | MarkPrice
    | OpenInterest
    | Liquidation
    | DayTicker
    | OptionGreeks
    | TradeCanceled
    | TradesAbsent
    | ClockSample
    | SequenceBroken
)
