"""Keeps the store to what is wanted: old bars become longer ones, old trades become bars, then go.

What is dropped is always whole UTC days, and only what is older than the policy says.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Final

import msgspec
import numpy as np

from core.model.ids import InstrumentId
from core.model.market import Timeframe
from core.model.settings import StoreSettings
from core.model.stores import DAY_NS, BarSource, Progress, SeriesInfo, Written, day_text
from store import barmerge, trademerge
from store.aggregate import bars_of_trades, longer_bars
from store.bars import SqliteBars, block_ns
from store.bars import write_block as write_bars
from store.blocks import Table
from store.listings import Listing, Listings
from store.marketfile import MarketFile
from store.stretches import joined
from store.trades import SqliteTrades
from store.tradespans import uncover
from store.upkeep import Upkeep

_FROM_TRADES: Final = Timeframe.M1
_OLDEST: Final = (
    "SELECT min(start_ns) FROM bar_blocks WHERE listing = ? AND timeframe = ? AND first_ns < ?"
)
_OLD_BARS: Final = (
    "SELECT coalesce(sum(rows), 0) FROM bar_blocks "
    "WHERE listing = ? AND timeframe = ? AND start_ns < ?"
)
_DAY_ROWS: Final = (
    "SELECT coalesce(sum(rows), 0) FROM trade_blocks WHERE listing = ? AND start_ns = ?"
)
_DROP_DAY: Final = "DELETE FROM trade_blocks WHERE listing = ? AND start_ns = ?"
_OLD_TRADES: Final = (
    "SELECT coalesce(sum(rows), 0) FROM trade_blocks WHERE listing = ? AND first_ns < ?"
)


class Dropped(msgspec.Struct, frozen=True, kw_only=True):
    """What retention takes, or would take, from one series."""

    instrument_id: InstrumentId
    epoch: int
    timeframe: Timeframe | None
    """None: trades."""
    before_ns: int
    rows: int
    derived: Written = Written()
    """Longer bars made of them first, over all lengths."""

    def __str__(self) -> str:
        what = self.timeframe.value if self.timeframe else "trades"
        return f"{self.instrument_id} {what} before {day_text(self.before_ns)}: {self.rows} rows"


class Retention:
    """Applies a policy to the store."""

    def __init__(
        self,
        file: MarketFile,
        listings: Listings,
        bars: SqliteBars,
        trades: SqliteTrades,
        upkeep: Upkeep,
    ) -> None:
        self._file = file
        self._listings = listings
        self._bars = bars
        self._trades = trades
        self._upkeep = upkeep

    def plan(self, policy: StoreSettings, now_ns: int) -> list[Dropped]:
        """Return what `apply` would drop, without touching anything.

        Raises:
            StoreError: The file cannot be read, or a block due in part is damaged.
        """
        out = []
        for series, before_ns in self._due(policy, now_ns):
            listing = self._listings.find(series.instrument_id, series.epoch)
            assert listing is not None
            if series.timeframe:
                rows = self._old_bars(listing, series.timeframe, before_ns)
            else:
                rows = int(self._file.read(_OLD_TRADES, (listing.id, before_ns))[0][0])
            out.append(_dropped(series, before_ns, rows, Written()))
        return out

    def _old_bars(self, listing: Listing, timeframe: Timeframe, before_ns: int) -> int:
        """Return how many bars are older: blocks that are so whole, and a part of the next."""
        low = before_ns // block_ns(timeframe) * block_ns(timeframe)
        whole = self._file.read(_OLD_BARS, (listing.id, timeframe.value, low))
        part = self._bars.table(listing, timeframe, low, before_ns)[0] if low < before_ns else None
        return int(whole[0][0]) + (part.shape[1] if part is not None else 0)

    def apply(
        self, policy: StoreSettings, now_ns: int, progress: Progress | None = None
    ) -> list[Dropped]:
        """Downsample what is due, drop it, and give the room back to the disk.

        Each day is one transaction: interrupted, it goes on where it stopped.

        Raises:
            StoreError: The file cannot be read or written, or a block due is damaged.
        """
        out: list[Dropped] = []
        # Shortest first, looked for anew: what trades and seconds leave may be due as minutes.
        for timeframe in (None, *Timeframe):
            due = list(self._due(policy, now_ns))
            for series, before_ns in due:
                if series.timeframe is not timeframe:
                    continue
                listing = self._listings.find(series.instrument_id, series.epoch)
                assert listing is not None
                if timeframe:
                    done = self._age_bars(listing, timeframe, before_ns, policy.downsample)
                else:
                    done = self._age_trades(listing, series.first_ns, before_ns, policy.downsample)
                out.append(_dropped(series, before_ns, *done))
                if progress is not None:
                    progress(len(out), max(len(out), len(due)))
        if policy.quality_days:
            with self._file.transaction() as connection:
                connection.execute(
                    "DELETE FROM quality WHERE day_ns < ?", (_cut(now_ns, policy.quality_days),)
                )
        self._file.reclaim()
        return out

    def _due(self, policy: StoreSettings, now_ns: int) -> Iterator[tuple[SeriesInfo, int]]:
        for series in self._upkeep.series():
            days = (
                policy.bars_days.get(series.timeframe, 0)
                if series.timeframe
                else policy.trades_days
            )
            before_ns = _cut(now_ns, days)
            if days and series.first_ns < before_ns:
                yield series, before_ns

    def _age_bars(
        self, listing: Listing, timeframe: Timeframe, before_ns: int, downsample: bool
    ) -> tuple[int, Written]:
        rows, written = 0, Written()
        longer = [item for item in Timeframe if item.ns > timeframe.ns] if downsample else []
        span = max(block_ns(timeframe), DAY_NS)
        while True:
            found = self._file.read(_OLDEST, (listing.id, timeframe.value, before_ns))
            if found[0][0] is None:
                return rows, written
            low = int(found[0][0]) // span * span
            high = min(low + span, before_ns)
            with self._file.transaction() as connection:
                # A long bar lies within a day, so its short ones are still all there.
                for target in longer:
                    written += self._derive(listing, timeframe, target, low, high)
                rows += self._drop_bars(connection, listing, timeframe, low, high)

    def _drop_bars(
        self,
        connection: sqlite3.Connection,
        listing: Listing,
        timeframe: Timeframe,
        low_ns: int,
        high_ns: int,
    ) -> int:
        rows = 0
        for start_ns in range(low_ns, high_ns, block_ns(timeframe)):
            old = self._bars.block(connection, listing, timeframe, start_ns)
            if old is None:
                continue
            block, table = old
            cut = int(np.searchsorted(table[barmerge.TS], high_ns))
            connection.execute("DELETE FROM bar_blocks WHERE id = ?", (block.id,))
            if cut < table.shape[1]:
                kept = table[:, cut:]
                write_bars(connection, listing, timeframe, start_ns, kept, block.tick, block.lot)
            rows += cut
        return rows

    def _derive(
        self, listing: Listing, short: Timeframe, long: Timeframe, low_ns: int, high_ns: int
    ) -> Written:
        source, tick, lot = self._bars.table(listing, short, low_ns, high_ns)
        empty = joined(
            (stretch.start_ns, stretch.end_ns)
            for stretch in self._bars.empties(
                listing.instrument_id, low_ns, high_ns, epoch=listing.epoch
            )
            if stretch.timeframe in (None, short)
        )
        made = longer_bars(source, short, long, empty)
        made = self._absent(listing, long, made)
        return self._bars.put_table(listing, long, made, tick, lot) if made.shape[1] else Written()

    def _absent(self, listing: Listing, timeframe: Timeframe, made: Table) -> Table:
        """Return the bars of which none, or only a partial one, is stored."""
        if not made.shape[1]:
            return made
        times = made[barmerge.TS]
        there, _, _ = self._bars.table(
            listing, timeframe, int(times[0]), int(times[-1]) + timeframe.ns
        )
        partial = BarSource.PARTIAL.rank
        whole = there[barmerge.TS, there[barmerge.SOURCE] > partial]
        held = there[barmerge.TS, there[barmerge.SOURCE] == partial]
        wanted = ~np.isin(times, whole)
        wanted &= (made[barmerge.SOURCE] > partial) | ~np.isin(times, held)
        return made[:, wanted]

    def _age_trades(
        self, listing: Listing, first_ns: int, before_ns: int, downsample: bool
    ) -> tuple[int, Written]:
        rows, written = 0, Written()
        days = range(first_ns // DAY_NS * DAY_NS, before_ns, DAY_NS)
        # All bars first: a day's first minute needs the last trade of the day before.
        for day_ns in days if downsample else ():
            written += self._bars_of_day(listing, day_ns)
        for day_ns in days:
            key = (listing.id, day_ns)
            with self._file.transaction() as connection:
                rows += connection.execute(_DAY_ROWS, key).fetchone()[0]
                connection.execute(_DROP_DAY, key)
                uncover(connection, listing, day_ns, day_ns + DAY_NS)
        return rows, written

    def _bars_of_day(self, listing: Listing, day_ns: int) -> Written:
        # A minute of the neighbours shows whether the first and last minute are whole.
        margin = _FROM_TRADES.ns
        trades = self._trades.trades(
            listing.instrument_id, day_ns - margin, day_ns + DAY_NS + margin, epoch=listing.epoch
        )
        if not len(trades):
            return Written()
        made = bars_of_trades(trademerge.table_of(trades), _FROM_TRADES)
        low, high = np.searchsorted(made[barmerge.TS], (day_ns, day_ns + DAY_NS)).tolist()
        made = self._absent(listing, _FROM_TRADES, made[:, low:high])
        if not made.shape[1]:
            return Written()
        return self._bars.put_table(listing, _FROM_TRADES, made, trades.price_tick, trades.size_lot)


def _cut(now_ns: int, days: int) -> int:
    return max(0, now_ns // DAY_NS - days) * DAY_NS


def _dropped(series: SeriesInfo, before_ns: int, rows: int, derived: Written) -> Dropped:
    return Dropped(
        instrument_id=series.instrument_id,
        epoch=series.epoch,
        timeframe=series.timeframe,
        before_ns=before_ns,
        rows=rows,
        derived=derived,
    )
