"""Where importers put their rows: checked one by one, stored in pages, told in a report."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from core.model.errors import DataError
from core.model.ids import InstrumentId, split_instrument_id
from core.model.instruments import Instrument
from core.model.market import Levels, Timeframe
from core.model.stores import (
    BarColumns,
    BarSource,
    BarStore,
    TradeColumns,
    TradeStore,
    Written,
    bar_columns,
    trade_columns,
)
from store.barmerge import insane
from store.transfer.figures import Figure, OffStep, bad, figure, in_steps, iso, texts

PAGE: Final = 20_000
_NAMES: Final = ("open", "high", "low", "close", "volume")


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an import did."""

    path: str
    instrument: Instrument
    """The one given, or one with the steps found in the file."""
    timeframe: Timeframe | None
    """None: trades."""
    rows: int
    written: Written
    first_ns: int | None
    last_ns: int | None
    rounded: int = 0
    """Figures of binary floats rounded to 10 decimals."""


class _Sink:
    """What both kinds of rows have in common."""

    def __init__(
        self, path: Path, target: Instrument | InstrumentId, read: Callable[[str], Figure]
    ) -> None:
        self.path = path
        self._id = target.id if isinstance(target, Instrument) else target
        self._given = target if isinstance(target, Instrument) else None
        if self._given is None:
            split_instrument_id(self._id)
        self._read = read
        self._rows = 0
        self._rounded = 0
        self._written = Written()
        self._first: int | None = None
        self._last = -1
        self._tick = Decimal(1)
        self._lot = Decimal(1)

    def so_far(self) -> str:
        """Say what is stored already."""
        if not self._rows:
            return "nothing is stored"
        return (
            f"the first {self._rows} rows are stored; correct the file and import it again, they "
            "are kept"
        )

    def figure(self, line: int, column: str, text: str) -> Figure:
        """Read one number.

        Raises:
            DataError: It is none; names file, line, column and value.
        """
        try:
            found = self._read(text)
        except ValueError as error:
            raise bad(self.path, line, column, text, str(error)) from None
        return found

    def _counts(
        self, figures: Sequence[Figure], lines: Sequence[int], column: str, step: Decimal | None
    ) -> tuple[Levels, Decimal]:
        try:
            return in_steps(figures, step)
        except OffStep as error:
            digits, places = figures[error.index]
            value = format(Decimal(digits).scaleb(-places), "f")
            why = (
                f"must be a whole number of {self._id}'s steps of {step}; leave the instrument's "
                "steps out to take them from the file"
            )
            raise bad(self.path, lines[error.index], column, value, why) from None
        except OverflowError:
            raise DataError(
                f"{self.path}:{lines[0]}: a {column} from this line on has too many digits to be "
                "kept exactly (64 bits)"
            ) from None

    def _stand_in(self, tick: Decimal, lot: Decimal) -> Instrument:
        """Return the instrument, or one as far as the file tells."""
        if self._given is not None:
            return self._given
        symbol, venue = split_instrument_id(self._id)
        base, _, quote = symbol.partition("-")
        return Instrument(
            id=self._id,
            venue=venue,
            venue_symbol=symbol.replace("-", ""),
            base=base,
            quote=quote,
            price_tick=tick,
            size_lot=lot,
        )

    def _report(self, timeframe: Timeframe | None) -> ImportReport:
        if not self._rows:
            raise DataError(f"{self.path}: holds no rows")
        return ImportReport(
            path=str(self.path),
            instrument=self._stand_in(self._tick, self._lot),
            timeframe=timeframe,
            rows=self._rows,
            written=self._written,
            first_ns=self._first,
            last_ns=self._last,
            rounded=self._rounded,
        )


class BarSink(_Sink):
    """Takes bars in order of time."""

    def __init__(
        self,
        path: Path,
        store: BarStore,
        target: Instrument | InstrumentId,
        timeframe: Timeframe | None,
        source: BarSource,
        read: Callable[[str], Figure] = figure,
    ) -> None:
        """Take where rows come from and go to; without a timeframe it is found in the rows."""
        super().__init__(path, target, read)
        self._store = store
        self._timeframe = timeframe
        self._source = source
        self._lines: list[int] = []
        self._times: list[int] = []
        self._figures: tuple[list[Figure], ...] = ([], [], [], [], [])
        self._trades: list[int] = []
        self._ranks: list[int] = []

    def add(
        self,
        line: int,
        ts_ns: int,
        cells: Sequence[str],
        trades: int = 0,
        rank: int | None = None,
        shown: object = None,
    ) -> None:
        """Take one bar: its open time, and open, high, low, close and volume as text.

        `rank` lowers the source's where the file says its bar is worth less; `shown` is the time as
        the file writes it.

        Raises:
            DataError: It is no bar, or not after the one before.
        """
        if ts_ns <= self._last:
            why = "is the same as" if ts_ns == self._last else "is before"
            raise bad(
                self.path, line, "time", iso(ts_ns) if shown is None else shown,
                f"{why} the row before's; rows must be in order, each once",
            )  # fmt: skip
        read = self._read
        for name, text, column in zip(_NAMES, cells, self._figures, strict=True):
            try:
                found = read(text)
            except ValueError as error:
                raise bad(self.path, line, name, text, str(error)) from None
            if found[0] < 0 or (found[0] == 0 and name != "volume"):
                why = "must not be negative" if name == "volume" else "must be above zero"
                raise bad(self.path, line, name, text, why)
            column.append(found)
        self._first = ts_ns if self._first is None else self._first
        self._last = ts_ns
        self._lines.append(line)
        self._times.append(ts_ns)
        self._trades.append(trades)
        self._ranks.append(min(rank or self._source.rank, self._source.rank))
        if len(self._times) >= PAGE:
            self._flush()

    def finish(self) -> ImportReport:
        """Store what is left and say what was done.

        Raises:
            DataError: The last rows are no bars, or there were none.
        """
        if self._times:
            self._flush()
        return self._report(self._timeframe)

    def _flush(self) -> None:
        timeframe = self._timeframe or self._find_timeframe()
        self._timeframe = timeframe
        given = self._given
        prices = list(itertools.chain(*self._figures[:4]))
        lines = self._lines * 4
        counts, tick = self._counts(prices, lines, "price", given.price_tick if given else None)
        volumes, lot = self._counts(
            self._figures[4], self._lines, "volume", given.size_lot if given else None
        )
        size = len(self._times)
        table = np.zeros((9, size), np.int64)
        table[0] = self._times
        table[1:5] = counts.reshape(4, size)
        table[5] = volumes
        table[6] = self._trades
        self._check(table, timeframe, tick)
        columns = bar_columns(table, tick, lot)
        target = self._stand_in(tick, lot)
        for rank in sorted(set(self._ranks)):
            rows = np.array(self._ranks) == rank
            self._written += self._store.put_bars(
                target, timeframe, _rows(columns, rows), BarSource.of_rank(rank)
            )
        self._rows += size
        self._tick, self._lot = min(self._tick, tick), min(self._lot, lot)
        self._lines, self._times, self._trades, self._ranks = [], [], [], []
        self._figures = ([], [], [], [], [])

    def _check(self, table: Levels, timeframe: Timeframe, tick: Decimal) -> None:
        off = table[0] % timeframe.ns != 0
        if off.any():
            at = int(off.argmax())
            why = f"must be a multiple of {timeframe.value}"
            raise bad(self.path, self._lines[at], "time", iso(self._times[at]), why)
        wrong = insane(table)
        if wrong.any():
            at = int(wrong.argmax())
            shown = " ".join(texts(table[1:5, at], tick))
            why = "does not keep low <= open, close <= high"
            raise bad(self.path, self._lines[at], "bar (open high low close)", shown, why)

    def _find_timeframe(self) -> Timeframe:
        steps = Counter(b - a for a, b in itertools.pairwise(self._times))
        known = ", ".join(item.value for item in Timeframe)
        if not steps:
            raise DataError(f"{self.path}: one bar does not tell its length; say which of {known}")
        usual = steps.most_common(1)[0][0]
        for timeframe in Timeframe:
            if timeframe.ns == usual:
                return timeframe
        raise DataError(
            f"{self.path}: bars are mostly {usual / 1e9:g} s apart; known lengths are {known}"
        )


class TradeSink(_Sink):
    """Takes trades in the order of the file."""

    def __init__(
        self,
        path: Path,
        store: TradeStore,
        target: Instrument | InstrumentId,
        *,
        by_id: bool,
        read: Callable[[str], Figure] = figure,
    ) -> None:
        """Take where rows come from and go to; with `by_id` their ids must ascend."""
        super().__init__(path, target, read)
        self._store = store
        self._by_id = by_id
        self._last_id = -1
        self._lines: list[int] = []
        self._cells: list[tuple[int, int, int, int, int]] = []
        self._prices: list[Figure] = []
        self._sizes: list[Figure] = []

    def add(
        self,
        line: int,
        ts_event_ns: int,
        price: str,
        size: str,
        *,
        buyer_is_maker: bool,
        trade_id: int = 0,
        first_trade_id: int = 0,
        ts_recv_ns: int = 0,
    ) -> None:
        """Take one trade.

        Raises:
            DataError: It is no trade, or its id is not after the one before.
        """
        if self._by_id and trade_id <= self._last_id:
            why = "is the same as" if trade_id == self._last_id else "is before"
            raise bad(
                self.path, line, "trade id", trade_id,
                f"{why} the row before's; rows must be in order, each once",
            )  # fmt: skip
        self._last_id = trade_id
        # Trades of one time stay in one page: without ids only their number tells them apart.
        if len(self._cells) >= PAGE and ts_event_ns != self._cells[-1][0]:
            self._flush()
        for name, text, column in (("price", price, self._prices), ("size", size, self._sizes)):
            found = self.figure(line, name, text)
            if found[0] <= 0:
                raise bad(self.path, line, name, text, "must be above zero")
            column.append(found)
        self._lines.append(line)
        self._cells.append((ts_event_ns, ts_recv_ns, buyer_is_maker, trade_id, first_trade_id))

    def finish(self) -> ImportReport:
        """Store what is left and say what was done.

        Raises:
            DataError: There were no rows.
        """
        if self._cells:
            self._flush()
        return self._report(None)

    def _flush(self) -> None:
        given = self._given
        prices, tick = self._counts(
            self._prices, self._lines, "price", given.price_tick if given else None
        )
        sizes, lot = self._counts(
            self._sizes, self._lines, "size", given.size_lot if given else None
        )
        cells = np.array(self._cells, np.int64).T
        table = np.stack((cells[0], cells[1], prices, sizes, cells[2], cells[3], cells[4]))
        columns = trade_columns(table, tick, lot)
        self._refuse_other_kind(columns)
        self._written += self._store.put_trades(self._stand_in(tick, lot), columns)
        low, high = int(cells[0].min()), int(cells[0].max())
        self._first = low if self._first is None else min(self._first, low)
        self._last = max(self._last, high)
        self._rows += len(columns)
        self._tick, self._lot = min(self._tick, tick), min(self._lot, lot)
        self._lines, self._cells, self._prices, self._sizes = [], [], [], []

    def _refuse_other_kind(self, columns: TradeColumns) -> None:
        """Keep aggregated trades and single ones of one time apart: together they count double."""
        times = columns.ts_event_ns
        there = self._store.trades(self._id, int(times.min()), int(times.max()) + 1)
        if not len(there):
            return
        stored, ours = bool(there.first_trade_id.any()), bool(columns.first_trade_id.any())
        if stored != ours:
            kinds = ("single", "aggregated")
            raise DataError(
                f"{self.path}:{self._lines[0]}: holds {kinds[ours]} trades of {self._id}, but "
                f"{kinds[stored]} ones of that time are stored already; both together would count "
                "every trade twice"
            )


def _rows(columns: BarColumns, rows: Levels) -> BarColumns:
    table = np.stack([getattr(columns, name)[rows] for name in BarColumns.__struct_fields__[:9]])
    return bar_columns(table, columns.price_tick, columns.size_lot)
