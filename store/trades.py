"""Trades on disk: columnar blocks in SQLite, at most a UTC day and 16,384 rows each.

The newest block of a day is filled up before the next begins, so adding the newest trades
rewrites one small block; a full block is rewritten only by trades that fall into its time.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import numpy as np

from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.market import Trade
from core.model.stores import DAY_NS, Finding, TradeColumns, Written, trade_columns
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
from store.trademerge import (
    ID,
    SECOND_NS,
    TS,
    WIDTH,
    check_owner,
    check_rows,
    first_of_each,
    in_order,
    numbered,
    table_of,
)

BLOCK_ROWS: Final = 16_384
_ONE: Final = (
    "SELECT id, start_ns, first_ns, last_ns, rows, tick, lot, crc, data FROM trade_blocks "
    "WHERE id = ?"
)
_ENDS: Final = (
    "SELECT min(first_ns), max(last_ns) FROM trade_blocks INDEXED BY trade_block_facts "
    "WHERE listing = ?"
)
_OVERLAP: Final = "listing = ? AND last_ns >= ? AND first_ns < ?"


class SqliteTrades:
    """Implements `core.model.stores.TradeStore`."""

    def __init__(self, file: MarketFile, listings: Listings) -> None:
        self._file = file
        self._listings = listings
        self._reader = BlockReader(file, "trade_blocks")

    def put_trades(
        self,
        instrument: Instrument,
        trades: Sequence[Trade] | TradeColumns,
        *,
        epoch: int | None = None,
    ) -> Written:
        """Store trades in any order, all or none; those there already are kept, not doubled.

        Trades are in the instrument's steps, `TradeColumns` in their own.

        Raises:
            ConfigError: The epoch was never opened.
            DataError: One is no trade, or belongs to another instrument or an earlier listing.
            StoreError: They could not be written, or a block they belong to is damaged.
        """
        own = trades if isinstance(trades, TradeColumns) else None
        if not isinstance(trades, TradeColumns):
            check_owner(trades, instrument.id)
        table = table_of(trades)
        check_rows(table, f"{instrument.id} trades")
        tick = own.price_tick if own else instrument.price_tick
        lot = own.size_lot if own else instrument.size_lot
        if not table.shape[1]:
            return Written()
        table = in_order(table)
        with self._file.transaction() as connection:
            listing = self._listings.make(connection, instrument.id, epoch)
            check_start(listing, int(table[TS, 0]))
            return self.put_table(listing, table, tick, lot)

    def put_table(self, listing: Listing, table: Table, tick: Decimal, lot: Decimal) -> Written:
        """Merge a checked table in order of time; for data moved within the store."""
        written = Written()
        with self._file.transaction() as connection:
            for day_ns, part in _days(table):
                written += self._put_day(connection, listing, day_ns, part, tick, lot)
        return written

    def drop(
        self, connection: sqlite3.Connection, listing: Listing, start_ns: int, end_ns: int
    ) -> None:
        """Remove the trades of [start_ns, end_ns) within a transaction.

        Raises:
            StoreError: A block of them is damaged, or they could not be removed.
        """
        blocks = self._reader.fetch(_OVERLAP, (listing.id, start_ns, end_ns))
        found = self._reader.check_all(listing, "", blocks)
        if blocks.bad:
            raise damage_error(self._file, findings_of(listing, None, blocks.bad)[0])
        for block, table in found:
            connection.execute("DELETE FROM trade_blocks WHERE id = ?", (block.id,))
            kept = table[:, (table[TS] < start_ns) | (table[TS] >= end_ns)]
            if kept.shape[1]:
                write_block(connection, listing, block.start_ns, kept, block.tick, block.lot)

    def trades(
        self,
        instrument_id: InstrumentId,
        start_ns: int,
        end_ns: int,
        *,
        epoch: int | None = None,
        damaged: list[Finding] | None = None,
    ) -> TradeColumns:
        """Return trades with start_ns <= event time < end_ns.

        Raises:
            StoreError: A block is damaged and `damaged` was not given to take note of it.
        """
        listing = self._listings.find(instrument_id, epoch)
        if listing is None or end_ns <= start_ns:
            return trade_columns(np.empty((WIDTH, 0), np.int64), Decimal(1), Decimal(1))
        blocks = self._reader.fetch(_OVERLAP, (listing.id, start_ns, end_ns))
        table, tick, lot = self._reader.table(listing, "", blocks, WIDTH)
        findings = findings_of(listing, None, blocks.bad)
        if findings and damaged is None:
            raise damage_error(self._file, findings[0])
        if damaged is not None:
            damaged.extend(findings)
        low, high = np.searchsorted(table[TS], (start_ns, end_ns)).tolist()
        return trade_columns(table[:, low:high], tick, lot)

    def oldest(self, instrument_id: InstrumentId, *, epoch: int | None = None) -> int | None:
        """Return the event time of the oldest trade, None when there is none."""
        return self._end(0, instrument_id, epoch)

    def newest(self, instrument_id: InstrumentId, *, epoch: int | None = None) -> int | None:
        """Return the event time of the newest trade, None when there is none."""
        return self._end(1, instrument_id, epoch)

    def _end(self, which: int, instrument_id: InstrumentId, epoch: int | None) -> int | None:
        listing = self._listings.find(instrument_id, epoch)
        if listing is None:
            return None
        rows = self._file.read(_ENDS, (listing.id,))
        found: int | None = rows[0][which]
        return found

    def _put_day(
        self,
        connection: sqlite3.Connection,
        listing: Listing,
        day_ns: int,
        new: Table,
        tick: Decimal,
        lot: Decimal,
    ) -> Written:
        old = self._touched(connection, listing, day_ns, new)
        steps = [(block.tick, block.lot) for block, _ in old]
        mine = (step_text(tick), step_text(lot))
        fine_tick, fine_lot = common_steps([*steps, mine])
        new = new.copy()
        restep("trade_blocks", new, *mine, fine_tick, fine_lot)
        for block, table in old:
            restep("trade_blocks", table, block.tick, block.lot, fine_tick, fine_lot)
        before = sum(table.shape[1] for _, table in old)
        marked = numbered(new)
        if before:
            # Stored rows come first: of two that are the same trade, the first is kept.
            there = np.concatenate([table for _, table in old], axis=1)
            marked = np.concatenate((numbered(there), marked), axis=1)
        keep = first_of_each(marked)
        added = int(keep.sum()) - before
        written = Written(new=added, kept=new.shape[1] - added)
        if not added:
            return written
        merged = in_order(marked[:, keep])
        merged[ID] = np.maximum(merged[ID], 0)
        connection.executemany(
            "DELETE FROM trade_blocks WHERE id = ?", [(block.id,) for block, _ in old]
        )
        texts = step_text(fine_tick), step_text(fine_lot)
        for low in range(0, merged.shape[1], BLOCK_ROWS):
            write_block(connection, listing, day_ns, merged[:, low : low + BLOCK_ROWS], *texts)
        return written

    def _touched(
        self, connection: sqlite3.Connection, listing: Listing, day_ns: int, new: Table
    ) -> list[tuple[Block, Table]]:
        """Return the day's blocks the new trades fall between, and the one before if it has room.

        They follow one another, so that what is written in their place stays in order.
        """
        low = int(new[TS, 0]) // SECOND_NS * SECOND_NS
        high = (int(new[TS, -1]) // SECOND_NS + 1) * SECOND_NS
        facts = connection.execute(
            "SELECT id, first_ns, last_ns, rows FROM trade_blocks WHERE listing = ? "
            "AND start_ns = ? AND last_ns >= ? AND first_ns < ? ORDER BY first_ns, id",
            (listing.id, day_ns, day_ns, high),
        ).fetchall()
        first = next((n for n, fact in enumerate(facts) if fact[2] >= low), len(facts))
        if first and facts[first - 1][3] < BLOCK_ROWS:
            first -= 1
        found = [Block(*connection.execute(_ONE, (fact[0],)).fetchone()) for fact in facts[first:]]
        blocks = Blocks(found, [])
        out = self._reader.check_all(listing, "", blocks)
        if blocks.bad:
            raise damage_error(self._file, findings_of(listing, None, blocks.bad)[0])
        return out


def write_block(
    connection: sqlite3.Connection, listing: Listing, day_ns: int, table: Table, tick: str, lot: str
) -> None:
    """Write one block within a transaction."""
    data = encode(table)
    crc = seal("trade_blocks", listing, "", day_ns, tick, lot, data)
    connection.execute(
        "INSERT INTO trade_blocks (listing, start_ns, first_ns, last_ns, rows, bytes, tick, lot, "
        "crc, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            listing.id, day_ns, int(table[TS, 0]), int(table[TS, -1]), table.shape[1], len(data),
            tick, lot, crc, data,
        ),
    )  # fmt: skip


def _days(table: Table) -> list[tuple[int, Table]]:
    starts = table[TS] // DAY_NS * DAY_NS
    cuts = np.flatnonzero(np.diff(starts)) + 1
    bounds = [0, *cuts.tolist(), table.shape[1]]
    return [(int(starts[low]), table[:, low:high]) for low, high in itertools.pairwise(bounds)]
