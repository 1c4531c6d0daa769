"""Kept market data: what the store takes and gives, as records and protocols.

Every method is synchronous and may wait for a disk: call it in a thread, never on the engine's
loop. All are safe to call from several threads at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Final, Protocol

import msgspec

from core.model.errors import DataError
from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.market import Bar, Levels, Timeframe, Trade

DAY_NS: Final = 86_400_000_000_000

Progress = Callable[[int, int], None]
"""Called with (done, total) now and then; total is 0 while unknown."""


class BarSource(StrEnum):
    """Where a stored bar comes from; the store never replaces one by a lower rank.

    ===== ======= ==========================================================================
    rank  source  meaning
    ===== ======= ==========================================================================
    5     venue   the venue's own final candle
    4     trades  built here from every trade of the period
    3     import  read from a file of the user's
    2     derived made here of shorter stored bars that were all there
    1     partial built here from trades of which some are missing
    ===== ======= ==========================================================================
    """

    VENUE = "venue"
    TRADES = "trades"
    IMPORT = "import"
    DERIVED = "derived"
    PARTIAL = "partial"

    @property
    def rank(self) -> int:
        """Trust in it: 5 the most, 1 the least."""
        return _RANKS[self.value]

    @classmethod
    def of_rank(cls, rank: int) -> BarSource:
        """Return the source of a rank, as the `source` column holds it."""
        return next(source for source in cls if source.rank == rank)


_RANKS: Final[dict[str, int]] = {"venue": 5, "trades": 4, "import": 3, "derived": 2, "partial": 1}


class BarArrays(Protocol):
    """Closed bars as int64 arrays of equal length, oldest first, in ticks and lots."""

    @property
    def ts_open_ns(self) -> Levels:
        """Open times."""
        ...

    @property
    def open(self) -> Levels:
        """First prices."""
        ...

    @property
    def high(self) -> Levels:
        """Highest prices."""
        ...

    @property
    def low(self) -> Levels:
        """Lowest prices."""
        ...

    @property
    def close(self) -> Levels:
        """Last prices."""
        ...

    @property
    def volume(self) -> Levels:
        """Sizes traded."""
        ...

    @property
    def trades(self) -> Levels:
        """How many trades; 0 where unknown."""
        ...


class BarColumns(msgspec.Struct, frozen=True, kw_only=True):
    """Closed bars as int64 arrays of shape (n,), oldest first, each open time once.

    A block written before an instrument's steps changed keeps its meaning: the columns of one
    read are all in `price_tick` and `size_lot`, the coarsest steps in which every row is whole.
    """

    ts_open_ns: Levels
    open: Levels
    high: Levels
    low: Levels
    close: Levels
    volume: Levels
    trades: Levels
    source: Levels
    """Rank of the row's `BarSource`."""
    revision: Levels
    """0 as first stored; +1 for each time its figures changed."""
    price_tick: Decimal
    size_lot: Decimal

    def __len__(self) -> int:
        return len(self.ts_open_ns)


class TradeColumns(msgspec.Struct, frozen=True, kw_only=True):
    """Trades as int64 arrays of shape (n,), by event time, ties in order of arrival."""

    ts_event_ns: Levels
    ts_recv_ns: Levels
    """0 where only the venue's time is known."""
    price: Levels
    size: Levels
    buyer_is_maker: Levels
    """1: the taker sold."""
    trade_id: Levels
    """0 where the venue gives none."""
    first_trade_id: Levels
    price_tick: Decimal
    size_lot: Decimal

    def __len__(self) -> int:
        return len(self.ts_event_ns)


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What a write did, in rows."""

    new: int = 0
    replaced: int = 0
    """Their figures changed."""
    kept: int = 0
    """The same was there already, or something better."""

    def __add__(self, other: Written) -> Written:
        return Written(
            new=self.new + other.new,
            replaced=self.replaced + other.replaced,
            kept=self.kept + other.kept,
        )


class Gap(msgspec.Struct, frozen=True):
    """Bars that are missing and not known to be missing at the venue: [start_ns, end_ns)."""

    start_ns: int
    end_ns: int
    bars: int


class EmptyKind(StrEnum):
    """Why nothing is there."""

    OUTAGE = "outage"
    """The venue was away."""
    NO_TRADE = "no-trade"
    """The venue was there, nobody traded."""
    NOT_OFFERED = "not-offered"
    """The venue does not give data of that time: before listing, or beyond its history."""


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """A time of which the venue has nothing, so it is not asked again: [start_ns, end_ns)."""

    start_ns: int
    end_ns: int
    kind: EmptyKind
    timeframe: Timeframe | None = None
    """None: holds for every timeframe."""
    note: str = ""


class SeriesInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One series that is stored."""

    instrument_id: InstrumentId
    epoch: int
    timeframe: Timeframe | None
    """None: trades."""
    first_ns: int
    last_ns: int
    """Open time of the newest bar, or time of the newest trade."""
    rows: int
    blocks: int
    bytes: int


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something wrong in what is stored."""

    instrument_id: InstrumentId
    """Empty: the file itself is wrong, not a block of it."""
    epoch: int
    timeframe: Timeframe | None
    """None: trades."""
    start_ns: int
    end_ns: int
    """From the first row of the block to just after the last: it cannot be trusted."""
    problem: str
    quality: bool = False
    """It is a day's quality record, neither bars nor trades."""

    def __str__(self) -> str:
        if not self.instrument_id:
            return f"the file: {self.problem}"
        what = self.timeframe.value if self.timeframe else "trades"
        if self.quality:
            what = "quality"
        return f"{self.instrument_id} {what} {day_text(self.start_ns)}: {self.problem}"


class BarStore(Protocol):
    """Keeps closed bars; `epoch` None means the instrument's present listing."""

    def put_bars(
        self,
        instrument: Instrument,
        timeframe: Timeframe,
        columns: BarArrays,
        source: BarSource,
        *,
        epoch: int | None = None,
    ) -> Written:
        """Store closed bars, all or none; a better-sourced row there already is kept.

        The columns are in the instrument's steps, or in their own if they are `BarColumns`.

        Raises:
            DataError: A row is no bar: out of order, off the grid, low above high...
            StoreError: It could not be written, or a block it belongs to is damaged.
        """
        ...

    def bars(
        self,
        instrument_id: InstrumentId,
        timeframe: Timeframe,
        start_ns: int,
        end_ns: int,
        *,
        epoch: int | None = None,
        damaged: list[Finding] | None = None,
    ) -> BarColumns:
        """Return bars with start_ns <= open time < end_ns; empty where there are none.

        `damaged`, where given, takes note of what could not be read; the rest is then returned.

        Raises:
            StoreError: A block is damaged and `damaged` was not given.
        """
        ...

    def oldest(self, instrument_id: InstrumentId, timeframe: Timeframe) -> int | None:
        """Return the open time of the oldest bar, None when there is none."""
        ...

    def newest(self, instrument_id: InstrumentId, timeframe: Timeframe) -> int | None:
        """Return the open time of the newest bar, None when there is none."""
        ...

    def gaps(
        self, instrument_id: InstrumentId, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> list[Gap]:
        """Return the holes between two times, less what is known to be empty at the venue."""
        ...

    def mark_empty(self, instrument_id: InstrumentId, stretch: Stretch) -> None:
        """Remember that the venue has nothing there."""
        ...

    def empties(
        self, instrument_id: InstrumentId, start_ns: int = 0, end_ns: int = (1 << 63) - 1
    ) -> list[Stretch]:
        """Return the remembered stretches that touch [start_ns, end_ns), oldest first."""
        ...


class TradeStore(Protocol):
    """Keeps trades, each once however often it is put."""

    def put_trades(self, instrument: Instrument, trades: Sequence[Trade] | TradeColumns) -> Written:
        """Store trades in any order, all or none.

        Raises:
            DataError: One is no trade.
            StoreError: They could not be written, or a block they belong to is damaged.
        """
        ...

    def trades(
        self,
        instrument_id: InstrumentId,
        start_ns: int,
        end_ns: int,
        *,
        damaged: list[Finding] | None = None,
    ) -> TradeColumns:
        """Return trades with start_ns <= event time < end_ns.

        Raises:
            StoreError: A block is damaged and `damaged` was not given.
        """
        ...

    def newest(self, instrument_id: InstrumentId) -> int | None:
        """Return the event time of the newest trade, None when there is none."""
        ...


class TradeHole(msgspec.Struct, frozen=True):
    """Trades that are missing between two that are there: their ids, and between which times."""

    first_id: int
    last_id: int
    start_ns: int
    end_ns: int

    @property
    def trades(self) -> int:
        """How many are missing."""
        return self.last_id - self.first_id + 1


class PastTrades(msgspec.Struct, frozen=True):
    """Trades of the past, and from when on none of them is left out."""

    trades: list[Trade]
    """Oldest first, all within the time asked for."""
    since_ns: int
    """Where the venue's memory begins, if that is later than what was asked for."""


class PastTradeStore(Protocol):
    """Keeps trades by the span, so that what is missing is asked of it and not remembered."""

    def keep(
        self,
        instrument: Instrument,
        trades: Sequence[Trade],
        start_ns: int,
        end_ns: int,
        *,
        consecutive: bool = False,
        replace: bool = False,
    ) -> Written:
        """Store all trades of [start_ns, end_ns), oldest first, and remember that they are all.

        Args:
            instrument: Whose they are.
            trades: With start_ns <= event time < end_ns.
            start_ns: Where their time begins.
            end_ns: Where it ends.
            consecutive: Ids leave none out, so one that is stored is the same trade.
            replace: They are numbered otherwise than the stream's, in whose stead they are kept.

        Raises:
            DataError: One is no trade.
            StoreError: They could not be written; nothing of it is on disk.
        """
        ...

    def missing(
        self, instrument_id: InstrumentId, start_ns: int, end_ns: int, *, consecutive: bool = False
    ) -> list[tuple[int, int]]:
        """Return the spans [from, to) in which trades may be missing, oldest first.

        With `consecutive`, ids that follow one another prove a span whole.

        Raises:
            StoreError: It cannot be read.
        """
        ...

    def holes(self, instrument_id: InstrumentId, start_ns: int, end_ns: int) -> list[TradeHole]:
        """Return where consecutive ids leave some out that the venue was not asked for yet.

        Raises:
            StoreError: It cannot be read.
        """
        ...


class QualityCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to one instrument's data since the last time it was counted."""

    gaps: int = 0
    resyncs: int = 0
    stale_s: float = 0.0
    live_s: float = 0.0
    frames: int = 0
    trades: int = 0
    rejected: int = 0
    checksums_ok: int = 0
    checksums_bad: int = 0
    late_trades: int = 0
    trade_id_holes: int = 0
    trades_refilled: int = 0
    duplicate_trades: int = 0
    off_band: int = 0
    crossed: int = 0
    outages: int = 0
    resubscribed: int = 0
    outage_s: float = 0.0
    clock_offsets_ns: tuple[int, ...] = ()
    """Samples of the venue's clock less ours."""


class QualityDay(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument's data quality on one UTC day."""

    instrument_id: InstrumentId
    day_ns: int
    counts: QualityCounts
    """Sums; `clock_offsets_ns` is empty here, see below."""
    clock_samples: int
    clock_min_ns: int | None
    clock_median_ns: int | None
    """Within 5 % of the true median; None without samples."""
    clock_max_ns: int | None


class QualityStore(Protocol):
    """Keeps a record of data quality per instrument and UTC day."""

    def add(self, instrument_id: InstrumentId, ts_ns: int, counts: QualityCounts) -> None:
        """Add counts to the record of the day that holds `ts_ns`.

        Raises:
            StoreError: It could not be written.
        """
        ...

    def days(
        self,
        instrument_id: InstrumentId | None = None,
        start_ns: int = 0,
        end_ns: int = (1 << 63) - 1,
    ) -> list[QualityDay]:
        """Return the records of days that touch [start_ns, end_ns), by instrument, oldest first."""
        ...


def columns_of_bars(instrument: Instrument, bars: Iterable[Bar]) -> BarColumns:
    """Turn bars in an instrument's present steps into columns; `source` is 0 until stored."""
    import numpy as np

    rows = [
        (
            bar.ts_open_ns, bar.open_ticks, bar.high_ticks, bar.low_ticks, bar.close_ticks,
            bar.volume_lots, bar.trades, 0, bar.revision,
        )
        for bar in bars
    ]  # fmt: skip
    table = np.array(rows, np.int64).reshape(-1, 9).T
    table = np.ascontiguousarray(table)
    return bar_columns(table, instrument.price_tick, instrument.size_lot)


def bar_columns(table: Levels, price_tick: Decimal, size_lot: Decimal) -> BarColumns:
    """Wrap a table of shape (9, n) in the order of `BarColumns`."""
    return BarColumns(
        ts_open_ns=table[0],
        open=table[1],
        high=table[2],
        low=table[3],
        close=table[4],
        volume=table[5],
        trades=table[6],
        source=table[7],
        revision=table[8],
        price_tick=price_tick,
        size_lot=size_lot,
    )


def trade_columns(table: Levels, price_tick: Decimal, size_lot: Decimal) -> TradeColumns:
    """Wrap a table of shape (7, n) in the order of `TradeColumns`."""
    return TradeColumns(
        ts_event_ns=table[0],
        ts_recv_ns=table[1],
        price=table[2],
        size=table[3],
        buyer_is_maker=table[4],
        trade_id=table[5],
        first_trade_id=table[6],
        price_tick=price_tick,
        size_lot=size_lot,
    )


def bars_of_columns(
    instrument: Instrument, timeframe: Timeframe, columns: BarColumns, *, nearest: bool = False
) -> list[Bar]:
    """Turn stored columns into bars in the instrument's present steps.

    With `nearest`, old figures between today's coarser steps are rounded: fit to be drawn and to
    feed indicators, not to be stored again.

    Raises:
        DataError: A stored price or size is not a whole number of its present steps.
    """
    what = str(instrument.id)
    moved = in_steps(columns, instrument.price_tick, instrument.size_lot, what, nearest=nearest)
    fields = (
        moved.ts_open_ns, moved.open, moved.high, moved.low, moved.close, moved.volume,
        moved.trades, moved.revision,
    )  # fmt: skip
    return [
        Bar(instrument.id, timeframe, ts, o, h, low, c, volume, trades, 0, revision)
        for ts, o, h, low, c, volume, trades, revision in zip(
            *(field.tolist() for field in fields), strict=True
        )
    ]


def in_steps(
    columns: BarColumns,
    price_tick: Decimal,
    size_lot: Decimal,
    what: str = "bars",
    *,
    nearest: bool = False,
) -> BarColumns:
    """Express columns in other steps, exactly, or with `nearest` rounded half up.

    Raises:
        DataError: A price or size is not a whole number of them, or does not fit 64 bits.
    """
    if columns.price_tick == price_tick and columns.size_lot == size_lot:
        return columns
    prices = [
        _restep(values, columns.price_tick, price_tick, f"{what}: a price", nearest)
        for values in (columns.open, columns.high, columns.low, columns.close)
    ]
    volume = _restep(columns.volume, columns.size_lot, size_lot, f"{what}: a volume", nearest)
    return msgspec.structs.replace(
        columns,
        open=prices[0],
        high=prices[1],
        low=prices[2],
        close=prices[3],
        volume=volume,
        price_tick=price_tick,
        size_lot=size_lot,
    )


def _restep(values: Levels, old: Decimal, new: Decimal, what: str, nearest: bool) -> Levels:
    top, bottom = (Fraction(old) / Fraction(new)).as_integer_ratio()
    limit = ((1 << 62) - bottom) // max(top, 1)
    if len(values) and max(int(values.max()), -int(values.min())) > limit:
        raise DataError(f"{what} of steps of {old} does not fit steps of {new}")
    scaled = values * top
    if nearest:
        rounded: Levels = (2 * scaled + bottom) // (2 * bottom)
        return rounded
    if bottom != 1 and len(values) and bool((scaled % bottom).any()):
        at = int((scaled % bottom).nonzero()[0][0])
        raise DataError(f"{what} of {int(values[at]) * old} is no whole number of steps of {new}")
    return scaled // bottom


def day_text(ts_ns: int) -> str:
    """Return the UTC day of a time, ``2024-08-08``."""
    import datetime as dt

    return (dt.date(1970, 1, 1) + dt.timedelta(days=ts_ns // DAY_NS)).isoformat()
