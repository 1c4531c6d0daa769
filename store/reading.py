"""Reads stored blocks back, checked, in one pair of steps, around what is damaged."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from math import gcd
from typing import Final, Literal

import msgspec
import numpy as np

from core.model.errors import DataError, StoreError
from core.model.market import Timeframe
from core.model.stores import Finding
from store.blocks import Table, checksum, decode, decode_into, rows_of
from store.listings import Listing
from store.marketfile import MarketFile

BlockTable = Literal["bar_blocks", "trade_blocks"]

_COLUMNS: Final = "id, start_ns, first_ns, last_ns, rows, tick, lot, crc, data"
_FACTS: Final = {"bar_blocks": "bar_block_facts", "trade_blocks": "trade_block_facts"}
_MAX: Final = (1 << 63) - 1

PRICES: Final = {"bar_blocks": slice(1, 5), "trade_blocks": slice(2, 3)}
SIZES: Final = {"bar_blocks": slice(5, 6), "trade_blocks": slice(3, 4)}
"""Which columns are in ticks and which in lots."""


class Block(msgspec.Struct, frozen=True):
    """One row of a block table."""

    id: int
    start_ns: int
    first_ns: int
    last_ns: int
    rows: int
    tick: str
    lot: str
    crc: int
    data: bytes


class Damage(msgspec.Struct, frozen=True):
    """A block that cannot be read."""

    id: int
    start_ns: int
    end_ns: int
    """Of its rows, as the index has it: from the first to just after the last."""
    problem: str


class Blocks(msgspec.Struct):
    """What a range of a series was found to hold."""

    good: list[Block]
    bad: list[Damage]


class BlockReader:
    """Reads the blocks of one table."""

    def __init__(self, file: MarketFile, table: BlockTable) -> None:
        self._file = file
        self._table: BlockTable = table

    def fetch(self, where: str, parameters: Sequence[object]) -> Blocks:
        """Fetch blocks, oldest first; rows on damaged pages of the file are found one by one.

        Raises:
            StoreError: The file cannot be read at all.
        """
        order = "ORDER BY start_ns, first_ns, id"
        query = f"SELECT {_COLUMNS} FROM {self._table} WHERE {where} {order}"  # noqa: S608  names are ours
        try:
            rows = self._file.read_raw(query, parameters)
            return Blocks([Block(*row) for row in rows], [])
        except sqlite3.DatabaseError:
            pass
        facts = _FACTS[self._table]
        keys = self._file.read(
            f"SELECT id, first_ns, last_ns FROM {self._table} "  # noqa: S608  names are ours
            f"INDEXED BY {facts} WHERE {where} {order}",
            parameters,
        )
        found = Blocks([], [])
        for number, first_ns, last_ns in keys:
            one = f"SELECT {_COLUMNS} FROM {self._table} WHERE id = ?"  # noqa: S608  names are ours
            try:
                rows = self._file.read_raw(one, (number,))
                found.good.append(Block(*rows[0]))
            except (sqlite3.DatabaseError, IndexError, TypeError) as error:
                found.bad.append(Damage(number, first_ns, last_ns + 1, f"unreadable ({error})"))
        return found

    def table(
        self, listing: Listing, timeframe: str, blocks: Blocks, width: int
    ) -> tuple[Table, Decimal, Decimal]:
        """Join the blocks' first `width` columns; what fails its check moves to `blocks.bad`."""
        good = [block for block in blocks.good if self._passes(listing, timeframe, block, blocks)]
        whole = np.empty((width, sum(block.rows for block in good)), np.int64)
        parts: list[tuple[Block, Table]] = []
        at = 0
        for block in good:
            part = whole[:, at : at + block.rows]
            try:
                decode_into(block.data, part)
            except DataError as error:
                blocks.bad.append(_damage(block, error))
                continue
            parts.append((block, part))
            at += block.rows
        tick, lot = common_steps([(block.tick, block.lot) for block, _ in parts])
        for block, part in parts:
            restep(self._table, part, block.tick, block.lot, tick, lot)
        return whole[:, :at], tick, lot

    def check_all(
        self, listing: Listing, timeframe: str, blocks: Blocks
    ) -> list[tuple[Block, Table]]:
        """Decode each block in full; what fails its check moves to `blocks.bad`."""
        out: list[tuple[Block, Table]] = []
        for block in blocks.good:
            if not self._passes(listing, timeframe, block, blocks):
                continue
            try:
                out.append((block, decode(block.data)))
            except DataError as error:
                blocks.bad.append(_damage(block, error))
        return out

    def _passes(self, listing: Listing, timeframe: str, block: Block, blocks: Blocks) -> bool:
        try:
            check(self._table, listing, timeframe, block)
        except DataError as error:
            blocks.bad.append(_damage(block, error))
            return False
        return True


def check(table: BlockTable, listing: Listing, timeframe: str, block: Block) -> None:
    """Check that a block is the one that was written here.

    Raises:
        DataError: It is not.
    """
    if not isinstance(block.data, bytes):
        raise DataError("its data is no block")
    key = (table, listing.id, timeframe, block.start_ns, block.tick, block.lot)
    if checksum(key, block.data) != block.crc:
        raise DataError("its checksum does not match")
    if rows_of(block.data) != block.rows:
        raise DataError(f"it holds {rows_of(block.data)} rows, its index says {block.rows}")


def seal(
    table: BlockTable,
    listing: Listing,
    timeframe: str,
    start_ns: int,
    tick: str,
    lot: str,
    data: bytes,
) -> int:
    """Return the checksum to keep beside a block."""
    return checksum((table, listing.id, timeframe, start_ns, tick, lot), data)


def common_steps(steps: Sequence[tuple[str, str]]) -> tuple[Decimal, Decimal]:
    """Return the coarsest tick and lot in which prices and sizes of all these steps are whole."""
    ticks = list(dict.fromkeys(tick for tick, _ in steps)) or ["1"]
    lots = list(dict.fromkeys(lot for _, lot in steps)) or ["1"]
    return _common(ticks), _common(lots)


def restep(
    table: BlockTable, part: Table, old_tick: str, old_lot: str, tick: Decimal, lot: Decimal
) -> None:
    """Multiply a part's prices and sizes, in place, into finer steps.

    Raises:
        StoreError: A figure does not fit any more.
    """
    for columns, old, new in (
        (PRICES[table], old_tick, tick),
        (SIZES[table], old_lot, lot),
    ):
        if Decimal(old) == new or not part[columns].size:
            continue
        factor = Fraction(old) / Fraction(new)
        values = part[columns]
        largest = max(int(values.max()), -int(values.min()))
        if not largest:
            continue
        if factor.denominator != 1 or largest * factor.numerator > _MAX:
            raise StoreError(f"steps of {old} do not fit steps of {new}: {largest} is too large")
        values *= factor.numerator


def step_text(step: Decimal) -> str:
    """Write a step the one way it is kept: ``0.01``, never ``0.010`` or ``1E-2``."""
    return format(step.normalize(), "f")


def damage_error(file: MarketFile, finding: Finding) -> StoreError:
    """Say which block is damaged and what to do about it."""
    length = f" -t {finding.timeframe.value}" if finding.timeframe else ""
    return StoreError(
        f"{file.path}: {finding}; the rest stays readable, "
        f"`clx data repair {finding.instrument_id}{length}` drops this block and fetches it anew"
    )


def findings_of(
    listing: Listing, timeframe: Timeframe | None, bad: Sequence[Damage]
) -> list[Finding]:
    """Turn damage into findings."""
    return [
        Finding(
            instrument_id=listing.instrument_id,
            epoch=listing.epoch,
            timeframe=timeframe,
            start_ns=damage.start_ns,
            end_ns=damage.end_ns,
            problem=f"block cannot be trusted: {damage.problem}",
        )
        for damage in bad
    ]


def _damage(block: Block, error: DataError) -> Damage:
    return Damage(block.id, block.first_ns, block.last_ns + 1, str(error))


def _common(steps: Sequence[str]) -> Decimal:
    found = Fraction(steps[0])
    for text in steps[1:]:
        other = Fraction(text)
        found = Fraction(
            gcd(found.numerator * other.denominator, other.numerator * found.denominator),
            found.denominator * other.denominator,
        )
    return Decimal(found.numerator) / Decimal(found.denominator)
