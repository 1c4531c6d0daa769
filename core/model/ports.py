"""The seams: what the engine needs of the rooms above it, as protocols.

Concrete classes are chosen in `clx.compose` alone. Everything handed to a sink arrives on the
engine's own loop; sinks never block.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from enum import Enum, IntEnum, StrEnum
from typing import Final, Literal, Protocol, TypeAlias, runtime_checkable

import msgspec

from core.model.abilities import VenueAbilities
from core.model.accounts import Balance, VenuePosition
from core.model.facts import CashMoved, JournalRecord, VenueEvent
from core.model.funding import FundingPaid
from core.model.ids import InstrumentId, ModelId, VenueName
from core.model.instruments import Instrument
from core.model.market import (
    Bar,
    BookCheck,
    BookDelta,
    BookSnapshot,
    CheckedDelta,
    Levels,
    MarketEvent,
    Side,
    Timeframe,
)
from core.model.orders import AmendSubmitted, Order, OrderFilled, OrderIntent, VenueOrder
from core.model.signals import (
    ModelInfo,
    Prediction,
    StrategyInfo,
    StrategyInput,
    StrategyOutput,
)
from core.model.stores import PastTrades, TradeHole
from core.model.views import ReferenceView


class Clock(Protocol):
    """The one source of time; only `core.engine.clock` implements it."""

    def now_ns(self) -> int:
        """Return UTC nanoseconds since the epoch."""
        ...

    def monotonic_ns(self) -> int:
        """Return nanoseconds of a clock that never steps."""
        ...


FrameKind: TypeAlias = Literal["recv", "send", "http", "connect", "disconnect", "notice", "cut"]
"""What a raw frame is; `http` is the body of a REST answer, its URL beside it, `notice` what the
feed itself has to say (`core.feeds.notices`), `cut` heads a piece of a tape (`core.feeds.tape`)."""


class ResyncReason(StrEnum):
    """Why an instrument's data is asked for anew."""

    IMAGE = "image"
    """A book image is wanted: to begin with, or after a gap, a crossed book, a wrong checksum."""
    UNHEARD = "never heard"
    """Nothing came since it was subscribed to."""
    SILENT = "silent"
    """It spoke once, and no longer does while its connection is up."""


class FrameSink(Protocol):
    """Takes a raw frame: it is taped, decoded and applied, in this order."""

    def __call__(
        self, kind: FrameKind, conn: int, ts_recv_ns: int, url: str, data: bytes, /
    ) -> None:
        """Take one frame; `url` is empty for stream messages, `data` for connects."""
        ...


class Verdict(IntEnum):
    """What a sequence rule says of a book delta."""

    OLD = 0
    """Already contained; ignore it."""
    APPLY = 1
    GAP = 2
    """Something is missing: drop the book and ask for a snapshot."""


class BookTop(Protocol):
    """The part of a book a checker reads."""

    place: int
    """Where its figures lie, for kernels that read it with `core.engine.book.side_of`."""

    def top(self, depth: int) -> tuple[Levels, Levels]:
        """Return the best `depth` levels a side as (n, 2) ticks and lots, best first."""
        ...


class BookChecker(Protocol):
    """Compares one instrument's book with the venue's checksums; one object per book."""

    def on_snapshot(self, image: BookSnapshot) -> None:
        """Note an image that was loaded."""
        ...

    def on_delta(self, delta: BookDelta) -> None:
        """Note a delta that was applied."""
        ...

    def verify(self, book: BookTop, check: BookCheck) -> bool | None:
        """Return whether the book is what the venue says; None: it says nothing this time."""
        ...


@runtime_checkable
class QuickChecker(BookChecker, Protocol):
    """One that can apply a delta and compare in a single step."""

    place: int
    """Where its memory lies, for the kernel of its venue."""

    def step(self) -> Callable[[int, CheckedDelta], int]:
        """Return what takes a delta to a gate's desk, see `core.engine.steady`.

        It applies and compares; 0 means that all must be done in the other way.
        """
        ...


class Link(Enum):
    """How the deltas of a book follow each other, where that alone is enough to apply one."""

    NONE = "none"
    """Only the rule knows."""
    STEP = "step"
    """The last id is one more than the last one's."""
    NEXT = "next"
    """The first id is one more than the last one's last."""
    PREVIOUS = "previous"
    """It names the last one's last id."""
    RISING = "rising"
    """Its last id is not below the last one's."""
    PREVIOUS_IF_ANY = "previous if any"
    """It names the last one's last id, or nothing is numbered."""


class BookTraits(msgspec.Struct, frozen=True):
    """What a venue's data of one instrument is like, as far as trust in it depends on it."""

    has_book: bool = True
    """False: trades and quotes are all there is, and trust comes with the first of them."""
    depth: int = 0
    """Levels a side the book is cut to after each message, as the venue demands; 0: never."""
    checker: BookChecker | None = None
    ordered_trades: bool = True
    """Trade ids only rise; False: ids are hashes or may come in any order."""
    consecutive_trades: bool = False
    """Trade ids leave no number out, so a hole is a lost trade."""
    chained_trades: bool = False
    """The same of joined trades, each of which has all ids from its first to its own."""
    unchecked: bool = False
    """Nothing proves the sequence; shown beside everything that comes of it."""
    link: Link = Link.NONE
    """What the rule says of a delta that follows: kernels need not ask it then."""
    stated_takers: bool = True
    """The venue says who took each trade; False: `Trade.buyer_is_maker` is an estimate."""


DEFAULT_TRAITS: Final = BookTraits()


class SequenceRule(Protocol):
    """A venue's exact rule for the continuity of its book deltas."""

    def splice(self, snapshot_id: int, delta: BookDelta) -> Verdict:
        """Judge the first delta after a snapshot that was fetched, not one of the stream."""
        ...

    def follow(self, last_id: int, delta: BookDelta) -> Verdict:
        """Judge a delta after an applied one whose last id was `last_id`."""
        ...

    def traits(self, instrument: Instrument) -> BookTraits:
        """Return what the instrument's data is like; a checker is made anew each time."""
        ...


class Decoder(Protocol):
    """Turns a venue's frames into market events; pure, so a tape decodes the same way twice."""

    @property
    def venue(self) -> VenueName:
        """The venue its events carry."""
        ...

    @property
    def rule(self) -> SequenceRule:
        """The venue's rule for the continuity of its book."""
        ...

    def decode(
        self, kind: FrameKind, conn: int, ts_recv_ns: int, url: str, data: bytes
    ) -> Sequence[MarketEvent]:
        """Return the frame's events in order; a frame it cannot read gives `FrameRejected`."""
        ...

    def add_instruments(self, instruments: Collection[Instrument]) -> None:
        """Teach it tick and lot sizes; a symbol it does not know is a `FrameRejected`."""
        ...


class TapeDecoder(Decoder, Protocol):
    """A decoder that also reads captures whose listing was not recorded, and names frames."""

    instruments: dict[str, Instrument]
    """By the venue's symbol."""
    off_step: dict[str, tuple[int, int]]
    """Venue symbols that sent values finer than their steps, and so lost a frame: the decimal
    places that the price and the size would need, 0 where the steps did."""
    finer: dict[str, tuple[int, int]]
    """Decimal places of price and size to count a symbol in, whatever a listing says: what
    `off_step` of an earlier reading of the same tape found; 0 leaves a step as it is."""
    unlisted: Callable[[str], Instrument | None] | None
    """Asked for a symbol that no listing named; None: such symbols are rejected."""

    def label(
        self, kind: FrameKind, url: str, data: bytes, events: Sequence[MarketEvent]
    ) -> Sequence[str]:
        """Return the venue's own names of what a frame held, such as ``books:update``."""
        ...


class Feed(Protocol):
    """A live source of one venue's market data."""

    @property
    def venue(self) -> VenueName:
        """The venue its events carry."""
        ...

    @property
    def decoder(self) -> Decoder:
        """What reads its frames."""
        ...

    async def instruments(self) -> list[Instrument]:
        """Fetch what the venue lists.

        Raises:
            TemporaryError: The venue is away.
            DataError: Its answer is not what it documents.
        """
        ...

    async def run(self, sink: FrameSink) -> None:
        """Connect, resubscribe and reconnect with jittered back-off until cancelled."""
        ...

    def subscribe(self, instrument_ids: Collection[InstrumentId]) -> None:
        """Want these instruments' trades, quotes and book; effective at once or on connect."""
        ...

    def unsubscribe(self, instrument_ids: Collection[InstrumentId]) -> None:
        """Want them no longer."""
        ...

    def request_snapshot(self, instrument_id: InstrumentId) -> None:
        """Fetch a fresh book image; it arrives at the sink as an `http` frame."""
        ...

    def resubscribe(self, instrument_id: InstrumentId, reason: ResyncReason, heard: int) -> None:
        """Leave and join what does not speak, in its own time.

        Asked again and again as long as it does not; `heard` counts the messages that ever came.
        """
        ...

    async def history(
        self, instrument_id: InstrumentId, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> list[Bar]:
        """Fetch closed bars with start_ns <= open time < end_ns, oldest first, paging as needed.

        Raises:
            TemporaryError: The venue is away.
        """
        ...

    async def close(self) -> None:
        """Release its connections; it is of no use afterwards."""
        ...


@runtime_checkable
class TellsTrades(Protocol):
    """A feed that tells single trades of the past, and fetches those that never came."""

    @property
    def joins_trades(self) -> bool:
        """Whether its stream joins trades that `trades` tells one by one."""
        ...

    async def trades(self, instrument_id: InstrumentId, start_ns: int, end_ns: int) -> PastTrades:
        """Fetch trades with start_ns <= event time < end_ns, as far back as the venue remembers.

        Raises:
            TemporaryError: The venue is away.
            ConfigError: It tells no trades of the past.
        """
        ...

    def request_trades(self, instrument_id: InstrumentId, hole: TradeHole) -> None:
        """Have trades that never came arrive at the sink as `http` frames, if the venue can."""
        ...


@runtime_checkable
class TellsFunding(Protocol):
    """A feed that tells funding of the past."""

    async def funding(
        self, instrument_id: InstrumentId, start_ns: int, end_ns: int
    ) -> list[FundingPaid]:
        """Fetch the funding settled with start_ns <= time < end_ns, oldest first.

        Raises:
            TemporaryError: The venue is away.
            ConfigError: The venue tells no funding of the past.
        """
        ...


@runtime_checkable
class LooksUp(Protocol):
    """A feed that lists more than anybody wants at once, and so tells of it by name."""

    async def look_up(self, instrument_id: InstrumentId) -> list[Instrument]:
        """Fetch what the venue lists by a name that its listing lacks; empty: nothing.

        Raises:
            TemporaryError: The venue is away.
        """
        ...

    async def chain(self, underlying: str) -> list[Instrument]:
        """Fetch the options on a share, given its ticker; empty: none.

        Raises:
            TemporaryError: The venue is away.
        """
        ...


VenueSink: TypeAlias = Callable[[VenueEvent], None]


class Venue(Protocol):
    """A place orders go to."""

    name: VenueName

    async def run(self, sink: VenueSink) -> None:
        """Keep the private stream up, reconnecting with back-off, until cancelled."""
        ...

    def submit(self, intent: OrderIntent) -> None:
        """Start sending a journaled intent; returns at once.

        Exactly one of OrderAccepted, OrderRejected, OrderUnknown (or a fill that implies
        acceptance) follows at the sink, also when the network fails.
        """
        ...

    def abilities(self, instrument: Instrument) -> VenueAbilities:
        """Return what the venue does itself with orders of an instrument."""
        ...

    def submit_group(self, intents: Sequence[OrderIntent]) -> None:
        """Start sending a journaled group whole, of a link the venue's abilities name.

        For each order an outcome follows at the sink, as for `submit`.
        """
        ...

    def cancel(self, order: Order) -> None:
        """Start cancelling; OrderCanceled, CancelRejected or nothing (then ask) follows."""
        ...

    def amend(self, order: Order, change: AmendSubmitted) -> None:
        """Start a change the venue's abilities allow.

        OrderAmended, AmendRejected or nothing (then ask) follows.
        """
        ...

    async def find_order(self, order: Order) -> VenueOrder | None:
        """Ask by client order id; None is the venue's definite "no such order".

        Raises:
            TemporaryError: The venue did not answer; nothing is known.
        """
        ...

    async def open_orders(self) -> list[VenueOrder]:
        """Return every open order of the account, ours or not.

        Raises:
            TemporaryError: The venue did not answer.
        """
        ...

    async def fills(self, instrument_id: InstrumentId, since_ns: int) -> list[OrderFilled]:
        """Return executions since a time, oldest first, all pages.

        Raises:
            TemporaryError: The venue did not answer.
        """
        ...

    async def balances(self) -> list[Balance]:
        """Return what the account holds.

        Raises:
            TemporaryError: The venue did not answer.
        """
        ...

    async def positions(self) -> list[VenuePosition]:
        """Return the open positions of contracts; a venue of holdings has none.

        Raises:
            TemporaryError: The venue did not answer.
        """
        ...

    async def cash_flows(self, since_ns: int) -> list[CashMoved]:
        """Return what moved without a fill since a time, oldest first, all pages.

        Raises:
            TemporaryError: The venue did not answer.
        """
        ...


class Marks(Protocol):
    """Where the trading core reads the market; pulled, so quotes cost it nothing."""

    def top(self, instrument_id: InstrumentId) -> tuple[int, int] | None:
        """Return best bid and ask in ticks, the last known while stale, None if never known."""
        ...

    def trusted(self, instrument_id: InstrumentId) -> bool:
        """Return whether the instrument's data is live and in sequence."""
        ...

    def last(self, instrument_id: InstrumentId) -> int | None:
        """Return the ticks of the newest trade, None if none is known."""
        ...

    def reference(self, instrument_id: InstrumentId) -> ReferenceView | None:
        """Return mark and index price, funding and the like, None where nothing was said."""
        ...


@runtime_checkable
class MarketDetail(Protocol):
    """What some limits ask of the market beyond its marks."""

    def shown_lots(
        self, instrument_id: InstrumentId, side: Side, to_ticks: int, enough: int
    ) -> int | None:
        """Return the lots a side of the book shows up to a price, None where no book is kept.

        It counts from the best level and may stop at `enough`.
        """
        ...

    def closes(self, instrument_id: InstrumentId) -> tuple[Sequence[int], Sequence[int]]:
        """Return open times and closes in ticks of the newest closed bars, oldest first."""
        ...

    def clock_offset_ns(self, venue: VenueName) -> int:
        """Return the venue's time minus ours, 0 where it is not known."""
        ...


class Journal(Protocol):
    """The durable record the trading core is a projection of."""

    def append(self, records: Sequence[JournalRecord]) -> int:
        """Commit records to disk, all or none, and return the last one's sequence number.

        Raises:
            StoreError: They are not on disk.
        """
        ...

    def read(self, after: int = 0) -> Iterator[tuple[int, JournalRecord]]:
        """Yield (sequence, record) in order.

        Raises:
            StoreError: A record cannot be read; names the sequence number.
        """
        ...

    def find(
        self, words: str, after: int, rows: int
    ) -> tuple[int, list[tuple[int, JournalRecord]]]:
        """Look for records that have these words among the `rows` after a sequence number.

        Returns the last number looked at, 0 where there are no more, and the records in order.

        Raises:
            StoreError: A record cannot be read; names the sequence number.
        """
        ...

    def close(self) -> None:
        """Release the file."""
        ...


class PredictionStore(Protocol):
    """Keeps predictions so that they can be judged later."""

    def put(self, predictions: Sequence[Prediction]) -> None:
        """Store predictions; one of the same model, version, instrument and bar replaces it."""
        ...

    def recent(
        self, model_id: ModelId, instrument_id: InstrumentId, limit: int
    ) -> list[Prediction]:
        """Return the newest predictions, oldest first."""
        ...


class Tape(Protocol):
    """Keeps raw frames for replay."""

    dropped: int
    """Frames lost because the disk could not follow."""

    def write(
        self, venue: VenueName, kind: FrameKind, conn: int, ts_recv_ns: int, url: str, data: bytes
    ) -> None:
        """Buffer a frame; never blocks on disk, drops with a count when its bound is hit."""
        ...


class StrategyRunner(Protocol):
    """One strategy, run somewhere that may die without us."""

    info: StrategyInfo

    async def run(self, sink: Callable[[StrategyOutput], None]) -> None:
        """Run until cancelled or failed; a failure arrives at the sink as StrategyFailed."""
        ...

    def send(self, message: StrategyInput) -> None:
        """Queue an input; never blocks. Old book inputs give way, bars and fills never do."""
        ...


class Predictor(Protocol):
    """A model that turns closed bars into predictions, in well under a millisecond."""

    info: ModelInfo

    def on_bar(
        self, bar: Bar, ohlcv: tuple[float, float, float, float, float], ts_ns: int
    ) -> Prediction | None:
        """Take the next closed bar (open, high, low, close, volume in quote and base units).

        Returns None while warming up, and for other timeframes than the model's.
        """
        ...
