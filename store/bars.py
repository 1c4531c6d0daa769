"""Closed bars on disk: columnar blocks in SQLite.

========== ============ ===========
timeframe  a block is   rows at most
========== ============ ===========
1s         an hour      3,600
5s, 1m     a UTC day    17,280
5m, 15m    32 days      9,216
1h, 4h, 1d 512 days     12,288
========== ============ ===========

Long timeframes have long blocks so that ten years of them stay a handful of reads; short ones
have short blocks so that adding the newest bars rewrites little.
"""

from __future__ import annotations

import itertools
import sqlite3
from decimal import Decimal
from typing import Final

import numpy as np

from core.model.errors import ConfigError
from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.market import Timeframe
from core.model.stores import (
    DAY_NS,
    BarArrays,
    BarColumns,
    BarSource,
    EmptyKind,
    Finding,
    Gap,
    Stretch,
    Written,
    bar_columns,
)
from store.barmerge import SOURCE, TS, WIDTH, check_rows, merge, table_of
from store.blocks import Table, encode
from store.listings import Listing, Listings, check_start
from store.marketfile import MarketFile
from store.reading import (
    Block,
    BlockReader,
    Blocks,
    common_steps,
    damage_error,
    findings_of,
    restep,
    seal,
    step_text,
)
from store.stretches import gaps_of, holes

MAX_NS: Final = (1 << 63) - 1
_RANGE: Final = "listing = ? AND timeframe = ? AND start_ns >= ? AND start_ns < ?"
_ROWS: Final = (
    "SELECT id, start_ns, first_ns, last_ns, rows, tick, lot, crc, data FROM bar_blocks "
    "WHERE listing = ? AND timeframe = ? AND start_ns >= ? AND start_ns < ? ORDER BY start_ns"
)
_ROW: Final = (
    "SELECT id, start_ns, first_ns, last_ns, rows, tick, lot, crc, data FROM bar_blocks "
    "WHERE listing = ? AND timeframe = ? AND start_ns = ?"
)
_ENDS: Final = (
    "SELECT min(first_ns), max(last_ns) FROM bar_blocks INDEXED BY bar_block_facts "
    "WHERE listing = ? AND timeframe = ?"
)


def block_ns(timeframe: Timeframe) -> int:
    """Return how much time one block of a timeframe stands for."""
    if timeframe.ns < 5_000_000_000:
        return 3_600_000_000_000
    if timeframe.ns < 300_000_000_000:
        return DAY_NS
    return 32 * DAY_NS if timeframe.ns < 3_600_000_000_000 else 512 * DAY_NS


class SqliteBars:
    """Implements `core.model.stores.BarStore`."""

    def __init__(self, file: MarketFile, listings: Listings) -> None:
        self._file = file
        self._listings = listings
        self._reader = BlockReader(file, "bar_blocks")

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

        Raises:
            ConfigError: The epoch was never opened.
            DataError: A row is no bar, or belongs to an earlier listing.
            StoreError: It could not be written, or a block it belongs to is damaged.
        """
        table = table_of(columns, source)
        check_rows(table, timeframe, str(instrument.id))
        own = columns if isinstance(columns, BarColumns) else None
        tick = own.price_tick if own else instrument.price_tick
        lot = own.size_lot if own else instrument.size_lot
        written = Written()
        if not table.shape[1]:
            return written
        with self._file.transaction() as connection:
            listing = self._listings.make(connection, instrument.id, epoch)
            check_start(listing, int(table[TS, 0]))
            for start_ns, part in _split(table, block_ns(timeframe)):
                written += self._put_block(
                    connection, listing, timeframe, start_ns, part, step_text(tick), step_text(lot)
                )
        return written

    def put_table(
        self, listing: Listing, timeframe: Timeframe, table: Table, tick: Decimal, lot: Decimal
    ) -> Written:
        """Merge a checked table that carries its own sources; for data moved within the store."""
        written = Written()
        with self._file.transaction() as connection:
            for start_ns, part in _split(table, block_ns(timeframe)):
                written += self._put_block(
                    connection, listing, timeframe, start_ns, part, step_text(tick), step_text(lot)
                )
        return written

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

        Raises:
            StoreError: A block is damaged and `damaged` was not given to take note of it.
        """
        table, tick, lot = self._read(instrument_id, timeframe, start_ns, end_ns, epoch, damaged)
        return bar_columns(table, tick, lot)

    def oldest(
        self, instrument_id: InstrumentId, timeframe: Timeframe, *, epoch: int | None = None
    ) -> int | None:
        """Return the open time of the oldest bar, None when there is none."""
        return self._end(0, instrument_id, timeframe, epoch)

    def newest(
        self, instrument_id: InstrumentId, timeframe: Timeframe, *, epoch: int | None = None
    ) -> int | None:
        """Return the open time of the newest bar, None when there is none."""
        return self._end(1, instrument_id, timeframe, epoch)

    def gaps(
        self,
        instrument_id: InstrumentId,
        timeframe: Timeframe,
        start_ns: int,
        end_ns: int,
        *,
        epoch: int | None = None,
        damaged: list[Finding] | None = None,
    ) -> list[Gap]:
        """Return the holes between two times, less what is known to be empty at the venue.

        A bar of source `partial` counts as missing. Every block's checksum is checked and its times
        are read; a damaged block counts as a hole when `damaged` is given to take note of it.

        Raises:
            StoreError: A block is damaged and `damaged` was not given.
        """
        table, _, _ = self._read(instrument_id, timeframe, start_ns, end_ns, epoch, damaged)
        whole = table[TS, table[SOURCE] > BarSource.PARTIAL.rank]
        found = holes(whole, timeframe.ns, start_ns, end_ns)
        known = [
            (stretch.start_ns, stretch.end_ns)
            for stretch in self.empties(instrument_id, start_ns, end_ns, epoch=epoch)
            if stretch.timeframe in (None, timeframe)
        ]
        return gaps_of(found, known, timeframe.ns)

    def mark_empty(
        self, instrument_id: InstrumentId, stretch: Stretch, *, epoch: int | None = None
    ) -> None:
        """Remember that the venue has nothing there; stretches that touch become one.

        Raises:
            ConfigError: It ends before it starts.
            StoreError: It could not be written.
        """
        start, end = stretch.start_ns, stretch.end_ns
        if end <= start:
            raise ConfigError(f"an empty stretch must end after it starts, was {start} to {end}")
        like = (stretch.kind.value, _name(stretch.timeframe), stretch.note)
        with self._file.transaction() as connection:
            listing = self._listings.make(connection, instrument_id, epoch)
            touching = (
                "listing = ? AND kind = ? AND timeframe = ? AND note = ? "
                "AND end_ns >= ? AND start_ns <= ?"
            )
            keys = (listing.id, *like, start, end)
            low, high = connection.execute(
                f"SELECT min(start_ns), max(end_ns) FROM empties WHERE {touching}",  # noqa: S608  the text is ours
                keys,
            ).fetchone()
            if low is not None:
                start, end = min(start, low), max(end, high)
            connection.execute(
                f"DELETE FROM empties WHERE {touching}",  # noqa: S608  the text is ours
                keys,
            )
            connection.execute(
                "INSERT INTO empties (listing, start_ns, end_ns, kind, timeframe, note) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (listing.id, start, end, *like),
            )

    def empties(
        self,
        instrument_id: InstrumentId,
        start_ns: int = 0,
        end_ns: int = MAX_NS,
        *,
        epoch: int | None = None,
    ) -> list[Stretch]:
        """Return the remembered stretches that touch [start_ns, end_ns), oldest first."""
        listing = self._listings.find(instrument_id, epoch)
        if listing is None:
            return []
        rows = self._file.read(
            "SELECT start_ns, end_ns, kind, timeframe, note FROM empties "
            "WHERE listing = ? AND end_ns > ? AND start_ns < ? ORDER BY start_ns, end_ns, id",
            (listing.id, start_ns, end_ns),
        )
        return [
            Stretch(
                start_ns=start,
                end_ns=end,
                kind=EmptyKind(kind),
                timeframe=Timeframe(name) if name else None,
                note=note,
            )
            for start, end, kind, name, note in rows
        ]

    def block(
        self,
        connection: sqlite3.Connection,
        listing: Listing,
        timeframe: Timeframe,
        start_ns: int,
    ) -> tuple[Block, Table] | None:
        """Return one whole block within a transaction, None when there is none.

        Raises:
            StoreError: It is damaged.
        """
        row = connection.execute(
            _ROW,
            (listing.id, timeframe.value, start_ns),
        ).fetchone()
        if row is None:
            return None
        blocks = Blocks([Block(*row)], [])
        found = self._reader.check_all(listing, timeframe.value, blocks)
        if not found:
            raise damage_error(self._file, findings_of(listing, timeframe, blocks.bad)[0])
        return found[0]

    def table(
        self, listing: Listing, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> tuple[Table, Decimal, Decimal]:
        """Return rows, tick and lot of a listing, as the transaction under way sees them.

        Raises:
            StoreError: A block is damaged.
        """
        with self._file.transaction() as connection:
            span = block_ns(timeframe)
            rows = connection.execute(
                _ROWS,
                (listing.id, timeframe.value, start_ns // span * span, end_ns),
            ).fetchall()
        blocks = Blocks([Block(*row) for row in rows], [])
        table, tick, lot = self._reader.table(listing, timeframe.value, blocks, WIDTH)
        if blocks.bad:
            raise damage_error(self._file, findings_of(listing, timeframe, blocks.bad)[0])
        low, high = np.searchsorted(table[TS], (start_ns, end_ns)).tolist()
        return table[:, low:high], tick, lot

    def _end(
        self, which: int, instrument_id: InstrumentId, timeframe: Timeframe, epoch: int | None
    ) -> int | None:
        listing = self._listings.find(instrument_id, epoch)
        if listing is None:
            return None
        rows = self._file.read(_ENDS, (listing.id, timeframe.value))
        found: int | None = rows[0][which]
        return found

    def _read(
        self,
        instrument_id: InstrumentId,
        timeframe: Timeframe,
        start_ns: int,
        end_ns: int,
        epoch: int | None,
        damaged: list[Finding] | None,
    ) -> tuple[Table, Decimal, Decimal]:
        listing = self._listings.find(instrument_id, epoch)
        if listing is None or end_ns <= start_ns:
            return np.empty((WIDTH, 0), np.int64), Decimal(1), Decimal(1)
        span = block_ns(timeframe)
        blocks = self._reader.fetch(
            _RANGE, (listing.id, timeframe.value, start_ns // span * span, end_ns)
        )
        table, tick, lot = self._reader.table(listing, timeframe.value, blocks, WIDTH)
        findings = findings_of(listing, timeframe, blocks.bad)
        if findings and damaged is None:
            raise damage_error(self._file, findings[0])
        if damaged is not None:
            damaged.extend(findings)
        low, high = np.searchsorted(table[TS], (start_ns, end_ns)).tolist()
        return table[:, low:high], tick, lot

    def _put_block(
        self,
        connection: sqlite3.Connection,
        listing: Listing,
        timeframe: Timeframe,
        start_ns: int,
        rows: Table,
        tick: str,
        lot: str,
    ) -> Written:
        old = self.block(connection, listing, timeframe, start_ns)
        if old is None:
            written, changed, merged = Written(new=rows.shape[1]), True, rows
        else:
            block, table = old
            fine_tick, fine_lot = common_steps([(block.tick, block.lot), (tick, lot)])
            restep("bar_blocks", table, block.tick, block.lot, fine_tick, fine_lot)
            rows = rows.copy()
            restep("bar_blocks", rows, tick, lot, fine_tick, fine_lot)
            tick, lot = step_text(fine_tick), step_text(fine_lot)
            merged, written, changed = merge(table, rows)
        if changed:
            write_block(connection, listing, timeframe, start_ns, merged, tick, lot)
        return written


def write_block(
    connection: sqlite3.Connection,
    listing: Listing,
    timeframe: Timeframe,
    start_ns: int,
    table: Table,
    tick: str,
    lot: str,
) -> None:
    """Write one block, in place of the one there may be, within a transaction."""
    data = encode(table)
    crc = seal("bar_blocks", listing, timeframe.value, start_ns, tick, lot, data)
    connection.execute(
        "INSERT OR REPLACE INTO bar_blocks (listing, timeframe, start_ns, first_ns, last_ns, "
        "rows, bytes, tick, lot, crc, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            listing.id, timeframe.value, start_ns, int(table[TS, 0]), int(table[TS, -1]),
            table.shape[1], len(data), tick, lot, crc, data,
        ),
    )  # fmt: skip


def _split(table: Table, span: int) -> list[tuple[int, Table]]:
    starts = table[TS] // span * span
    cuts = np.flatnonzero(np.diff(starts)) + 1
    bounds = [0, *cuts.tolist(), table.shape[1]]
    return [(int(starts[low]), table[:, low:high]) for low, high in itertools.pairwise(bounds)]


def _name(timeframe: Timeframe | None) -> str:
    return timeframe.value if timeframe else ""
