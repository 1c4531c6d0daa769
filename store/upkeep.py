"""Looks after what is stored: what is there, whether it is sound, renames, repair."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from core.model.errors import ConfigError, StoreError
from core.model.ids import InstrumentId, split_instrument_id
from core.model.market import Timeframe
from core.model.stores import DAY_NS, Finding, Progress, SeriesInfo
from store import barmerge, trademerge
from store.bars import MAX_NS, SqliteBars
from store.bars import write_block as write_bars
from store.blocks import Table
from store.listings import Listing, Listings
from store.marketfile import MarketFile
from store.quality import readable
from store.reading import Block, BlockReader, Damage, findings_of
from store.trades import SqliteTrades
from store.trades import write_block as write_trades
from store.tradespans import uncover

_BATCH: Final = 64
"""Blocks checked at a time: bounds memory, and lets writers in between."""


class Upkeep:
    """Everything that is done to the file as a whole."""

    def __init__(
        self, file: MarketFile, listings: Listings, bars: SqliteBars, trades: SqliteTrades
    ) -> None:
        self._file = file
        self._listings = listings
        self._bars = bars
        self._trades = trades

    def series(self, instrument_id: InstrumentId | None = None) -> list[SeriesInfo]:
        """Return what is stored: bars by instrument and length, then trades.

        Raises:
            StoreError: The file cannot be read.
        """
        out: list[SeriesInfo] = []
        for listing in self._wanted(instrument_id):
            bars = self._file.read(
                "SELECT timeframe, min(first_ns), max(last_ns), sum(rows), count(*), sum(bytes) "
                "FROM bar_blocks INDEXED BY bar_block_facts WHERE listing = ? GROUP BY timeframe",
                (listing.id,),
            )
            trades = self._file.read(
                "SELECT '', min(first_ns), max(last_ns), sum(rows), count(*), sum(bytes) "
                "FROM trade_blocks INDEXED BY trade_block_facts WHERE listing = ? "
                "HAVING count(*) > 0",
                (listing.id,),
            )
            found = [_info(listing, row) for row in (*bars, *trades)]
            out += sorted(found, key=lambda info: info.timeframe.ns if info.timeframe else MAX_NS)
        return out

    def bytes_on_disk(self) -> int:
        """Return the size of the file and its write-ahead log."""
        paths = (self._file.path, self._file.path.with_name(self._file.path.name + "-wal"))
        return sum(path.stat().st_size for path in paths if path.exists())

    def verify(
        self,
        instrument_id: InstrumentId | None = None,
        timeframe: Timeframe | None = None,
        progress: Progress | None = None,
    ) -> list[Finding]:
        """Read every block and row, and return what is wrong with them.

        Checked are checksums, sizes against the index, order, duplicates, and that each row can
        be a bar or a trade at all; without a timeframe also records of data quality, and without an
        instrument the file's own tables and indexes.

        Raises:
            StoreError: The file cannot be read at all.
        """
        findings = self._file_findings() if instrument_id is None else []
        for series, listing, blocks, bad in self._sweep(instrument_id, timeframe, progress):
            findings += findings_of(listing, series.timeframe, bad)
            for block, table in blocks:
                problem = _problem(table, series.timeframe, block)
                if problem:
                    damage = Damage(block.id, block.first_ns, block.last_ns + 1, problem)
                    findings += findings_of(listing, series.timeframe, [damage])
        return findings + (self._broken_records(instrument_id) if timeframe is None else [])

    def repair(
        self,
        instrument_id: InstrumentId | None = None,
        timeframe: Timeframe | None = None,
        progress: Progress | None = None,
    ) -> list[Finding]:
        """Drop unreadable blocks and impossible rows; return what was dropped.

        What was dropped is a gap afterwards, so it can be fetched again; `dropped` says which times
        were, until `fetched` says that they are here. Without an instrument the file's indexes are
        made anew if they are wrong.

        Raises:
            StoreError: The file cannot be read or written.
        """
        findings = self._file_findings() if instrument_id is None else []
        wrong_file = bool(findings)
        for series, listing, blocks, bad in self._sweep(instrument_id, timeframe, progress):
            findings += findings_of(listing, series.timeframe, bad)
            with self._file.transaction() as connection:
                for damage in bad:
                    _drop(connection, series.timeframe, damage.id)
                    _remember(connection, listing, series.timeframe, damage)
                    if series.timeframe is None:
                        uncover(connection, listing, damage.start_ns, damage.end_ns)
                for block, table in blocks:
                    problem = _problem(table, series.timeframe, block)
                    if problem:
                        damage = Damage(block.id, block.first_ns, block.last_ns + 1, problem)
                        findings += findings_of(listing, series.timeframe, [damage])
                        _rewrite(connection, listing, series.timeframe, block, table)
                        _remember(connection, listing, series.timeframe, damage)
                        if series.timeframe is None:
                            uncover(connection, listing, block.first_ns, block.last_ns + 1)
        if timeframe is None:
            findings += self._drop_records(instrument_id)
        if wrong_file:
            with self._file.transaction() as connection:
                connection.execute("REINDEX")
        return findings

    def dropped(self, instrument_id: InstrumentId | None = None) -> list[Finding]:
        """Return the times of bars and trades that `repair` dropped and nobody fetched since.

        Raises:
            StoreError: The file cannot be read.
        """
        return [
            Finding(
                instrument_id=listing.instrument_id,
                epoch=listing.epoch,
                timeframe=Timeframe(name) if name else None,
                start_ns=start_ns,
                end_ns=end_ns,
                problem="it was dropped and is not here again",
            )
            for listing in self._wanted(instrument_id)
            for name, start_ns, end_ns in self._file.read(
                "SELECT timeframe, start_ns, end_ns FROM dropped WHERE listing = ? "
                "ORDER BY timeframe, start_ns",
                (listing.id,),
            )
        ]

    def fetched(self, finding: Finding) -> None:
        """Take note that what was dropped is here again, or that its venue has it no more.

        Raises:
            StoreError: It could not be written.
        """
        name = finding.timeframe.value if finding.timeframe else ""
        listing = self._listings.find(finding.instrument_id, finding.epoch)
        if listing is not None:
            with self._file.transaction() as connection:
                connection.execute(
                    "DELETE FROM dropped WHERE listing = ? AND timeframe = ? AND start_ns = ?",
                    (listing.id, name, finding.start_ns),
                )

    def rename(self, old: InstrumentId, new: InstrumentId) -> None:
        """Say that an instrument has a new name and is the same thing, one for one.

        Its whole history is found under both names from now on. What was already stored under
        the new name is joined to it.

        Raises:
            ConfigError: Nothing is stored under the old name, or the venues differ.
            StoreError: Something stored is damaged, or it could not be written.
        """
        if split_instrument_id(old)[1] != split_instrument_id(new)[1]:
            raise ConfigError(f"{old} cannot become {new}: a rename stays on its venue")
        with self._file.transaction():
            known, other = self._listings.find(old), self._listings.find(new)
            if known is None:
                raise ConfigError(f"nothing is stored under {old}, so there is nothing to rename")
            if other is not None and other.id == known.id:
                return
            if other is None:
                self._listings.add_name(known, new)
                return
            self._move(other, known)
            self._listings.join(other, known)

    def _move(self, gone: Listing, into: Listing) -> None:
        with self._file.transaction() as connection:
            for timeframe in Timeframe:
                bars = self._bars.bars(gone.instrument_id, timeframe, 0, MAX_NS, epoch=gone.epoch)
                if len(bars):
                    table = barmerge.table_with_sources(bars)
                    self._bars.put_table(into, timeframe, table, bars.price_tick, bars.size_lot)
            self._move_trades(gone, into)
            connection.execute("DELETE FROM bar_blocks WHERE listing = ?", (gone.id,))
            connection.execute("DELETE FROM trade_blocks WHERE listing = ?", (gone.id,))
            connection.execute(
                "UPDATE empties SET listing = ? WHERE listing = ?", (into.id, gone.id)
            )
            connection.execute("DELETE FROM trade_spans WHERE listing = ?", (gone.id,))
            connection.execute(
                "UPDATE OR IGNORE dropped SET listing = ? WHERE listing = ?", (into.id, gone.id)
            )
            connection.execute("DELETE FROM dropped WHERE listing = ?", (gone.id,))
            connection.execute(
                "UPDATE OR IGNORE quality SET listing = ? WHERE listing = ?", (into.id, gone.id)
            )
            connection.execute("DELETE FROM quality WHERE listing = ?", (gone.id,))

    def _move_trades(self, gone: Listing, into: Listing) -> None:
        first = self._trades.oldest(gone.instrument_id, epoch=gone.epoch)
        last = self._trades.newest(gone.instrument_id, epoch=gone.epoch)
        if first is None or last is None:
            return
        for day_ns in range(first // DAY_NS * DAY_NS, last + 1, DAY_NS):
            trades = self._trades.trades(
                gone.instrument_id, day_ns, day_ns + DAY_NS, epoch=gone.epoch
            )
            if len(trades):
                table = trademerge.table_of(trades)
                self._trades.put_table(into, table, trades.price_tick, trades.size_lot)

    def _wanted(self, instrument_id: InstrumentId | None) -> list[Listing]:
        if instrument_id is None:
            return self._listings.all()
        found = self._listings.find(instrument_id)
        return [] if found is None else [found]

    def _sweep(
        self,
        instrument_id: InstrumentId | None,
        timeframe: Timeframe | None,
        progress: Progress | None,
    ) -> Iterator[tuple[SeriesInfo, Listing, list[tuple[Block, Table]], list[Damage]]]:
        """Yield the blocks of each series in batches, those that can be read and those not."""
        series = [
            (info, listing)
            for listing in self._wanted(instrument_id)
            for info in self.series(listing.instrument_id)
            if info.epoch == listing.epoch and timeframe in (None, info.timeframe)
        ]
        done, total = 0, sum(info.blocks for info, _ in series)
        for info, listing in series:
            reader = BlockReader(self._file, "bar_blocks" if info.timeframe else "trade_blocks")
            name = info.timeframe.value if info.timeframe else ""
            where = "listing = ? AND timeframe = ?" if name else "listing = ?"
            keys: tuple[object, ...] = (listing.id, name) if name else (listing.id,)
            for part in self._ids(info, where, keys):
                marks = ",".join("?" * len(part))
                blocks = reader.fetch(f"{where} AND id IN ({marks})", (*keys, *part))
                yield info, listing, reader.check_all(listing, name, blocks), blocks.bad
                done += len(part)
                if progress is not None:
                    progress(done, total)

    def _ids(self, info: SeriesInfo, where: str, keys: tuple[object, ...]) -> Iterator[list[int]]:
        table = "bar_blocks" if info.timeframe else "trade_blocks"
        index = "bar_block_facts" if info.timeframe else "trade_block_facts"
        rows = self._file.read(
            f"SELECT id FROM {table} INDEXED BY {index} WHERE {where} ORDER BY start_ns",  # noqa: S608  names are ours
            keys,
        )
        for low in range(0, len(rows), _BATCH):
            yield [row[0] for row in rows[low : low + _BATCH]]

    def _file_findings(self) -> list[Finding]:
        try:
            rows = self._file.read_raw("PRAGMA integrity_check(20)")
        except sqlite3.DatabaseError as error:
            rows = [(str(error),)]
        return [
            Finding(
                instrument_id=InstrumentId(""),
                epoch=0,
                timeframe=None,
                start_ns=0,
                end_ns=0,
                problem=str(row[0]),
            )
            for row in rows
            if row[0] != "ok"
        ]

    def _broken_records(self, instrument_id: InstrumentId | None) -> list[Finding]:
        return [
            Finding(
                instrument_id=listing.instrument_id,
                epoch=listing.epoch,
                timeframe=None,
                start_ns=day_ns,
                end_ns=day_ns + DAY_NS,
                problem="record cannot be read",
                quality=True,
            )
            for listing in self._wanted(instrument_id)
            for day_ns, record in self._file.read(
                "SELECT day_ns, record FROM quality WHERE listing = ?", (listing.id,)
            )
            if not readable(record)
        ]

    def _drop_records(self, instrument_id: InstrumentId | None) -> list[Finding]:
        broken = self._broken_records(instrument_id)
        if not broken:
            return broken
        with self._file.transaction() as connection:
            for finding in broken:
                listing = self._listings.find(finding.instrument_id, finding.epoch)
                assert listing is not None
                connection.execute(
                    "DELETE FROM quality WHERE listing = ? AND day_ns = ?",
                    (listing.id, finding.start_ns),
                )
        return broken


def _info(listing: Listing, row: tuple[str, int, int, int, int, int]) -> SeriesInfo:
    name, first, last, rows, blocks, size = row
    return SeriesInfo(
        instrument_id=listing.instrument_id,
        epoch=listing.epoch,
        timeframe=Timeframe(name) if name else None,
        first_ns=first,
        last_ns=last,
        rows=rows,
        blocks=blocks,
        bytes=size,
    )


def _problem(table: Table, timeframe: Timeframe | None, block: Block) -> str:
    bad = _bad_rows(table, timeframe)
    count = int(bad.sum())
    if count:
        return f"{count} of its {table.shape[1]} rows cannot be, the first is row {bad.argmax()}"
    if (int(table[0, 0]), int(table[0, -1])) != (block.first_ns, block.last_ns):
        return "its times are not those of its index"
    return ""


def _bad_rows(table: Table, timeframe: Timeframe | None) -> npt.NDArray[np.bool_]:
    times = table[0]
    later = np.concatenate(([False], times[1:] < times[:-1]))
    result: npt.NDArray[np.bool_]
    if timeframe is None:
        result = later | (table[trademerge.SIZE] <= 0)
        return result
    again = np.concatenate(([False], times[1:] == times[:-1]))
    result = later | again | (times % timeframe.ns != 0) | barmerge.insane(table)
    return result


def _drop(connection: sqlite3.Connection, timeframe: Timeframe | None, number: int) -> None:
    table = "bar_blocks" if timeframe else "trade_blocks"
    try:
        connection.execute(f"DELETE FROM {table} WHERE id = ?", (number,))  # noqa: S608  names are ours
    except sqlite3.DatabaseError as error:
        raise StoreError(
            f"block {number} of {table} cannot even be dropped: {error}; export what is readable "
            "(`clx data export`), move the file aside and import it again"
        ) from error


def _remember(
    connection: sqlite3.Connection,
    listing: Listing,
    timeframe: Timeframe | None,
    damage: Damage,
) -> None:
    """Note which times were dropped: at the ends of a series they would be no gap in it."""
    length_ns = timeframe.ns - 1 if timeframe else 0
    connection.execute(
        "INSERT OR REPLACE INTO dropped VALUES (?, ?, ?, ?)",
        (
            listing.id,
            timeframe.value if timeframe else "",
            damage.start_ns,
            damage.end_ns + length_ns,
        ),
    )


def _rewrite(
    connection: sqlite3.Connection,
    listing: Listing,
    timeframe: Timeframe | None,
    block: Block,
    table: Table,
) -> None:
    """Write a block anew without its impossible rows."""
    kept = table[:, ~_bad_rows(table, timeframe)]
    _drop(connection, timeframe, block.id)
    if not kept.shape[1]:
        return
    if timeframe:
        write_bars(connection, listing, timeframe, block.start_ns, kept, block.tick, block.lot)
    else:
        write_trades(connection, listing, block.start_ns, kept, block.tick, block.lot)
