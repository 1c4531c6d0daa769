"""Which times' trades are all there: told by the venue that was asked, or by ids in a row."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.market import Trade
from core.model.stores import DAY_NS, Finding, TradeColumns, TradeHole, Written
from store.listings import Listing, Listings
from store.marketfile import MarketFile
from store.stretches import Span, joined
from store.trades import SqliteTrades

_TOUCHING: Final = (
    "SELECT start_ns, end_ns FROM trade_spans WHERE listing = ? AND end_ns >= ? AND start_ns <= ? "
    "ORDER BY start_ns"
)
_AROUND_NS: Final = 5_000_000_000
"""How far the times of one trade may lie apart in a venue's stream and in its history."""


class SqliteTradeSpans:
    """Implements `core.model.stores.PastTradeStore`."""

    def __init__(self, file: MarketFile, listings: Listings, trades: SqliteTrades) -> None:
        self._file = file
        self._listings = listings
        self._trades = trades

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
        """Store all trades of [start_ns, end_ns) and remember that they are all, in one write.

        Raises:
            DataError: One is no trade.
            StoreError: They could not be written, or a block they belong to is damaged.
        """
        with self._file.transaction() as connection:
            listing = self._listings.make(connection, instrument.id, None)
            if replace:
                self._trades.drop(connection, listing, start_ns, end_ns)
            elif consecutive and trades:
                trades = self._unknown(instrument.id, trades)
            written = self._trades.put_trades(instrument, trades)
            cover(connection, listing, start_ns, end_ns)
        return written

    def missing(
        self, instrument_id: InstrumentId, start_ns: int, end_ns: int, *, consecutive: bool = False
    ) -> list[Span]:
        """Return the parts of [start_ns, end_ns) whose trades may not all be there, oldest first.

        Raises:
            StoreError: The file cannot be read.
        """
        listing = self._listings.find(instrument_id)
        if listing is None:
            return [(start_ns, end_ns)] if start_ns < end_ns else []
        known = self._covered(listing, start_ns, end_ns)
        if consecutive:
            known += self._proven(instrument_id, start_ns, end_ns)
        return list(_less((start_ns, end_ns), joined(known)))

    def holes(self, instrument_id: InstrumentId, start_ns: int, end_ns: int) -> list[TradeHole]:
        """Return where ids that should follow one another do not, less what the venue has not.

        Raises:
            StoreError: The file cannot be read.
        """
        listing = self._listings.find(instrument_id)
        if listing is None:
            return []
        known = joined(self._covered(listing, start_ns, end_ns))
        found: list[TradeHole] = []
        last = (0, 0)
        for ids, times in self._numbered(instrument_id, start_ns, end_ns):
            numbers = np.concatenate(([last[0]], ids)) if last[0] else ids
            stamps = np.concatenate(([last[1]], times)) if last[0] else times
            for at in np.flatnonzero(np.diff(numbers) > 1).tolist():
                hole = TradeHole(
                    int(numbers[at]) + 1, int(numbers[at + 1]) - 1,
                    int(stamps[at]), int(stamps[at + 1]) + 1,
                )  # fmt: skip
                if not any(a <= hole.start_ns and hole.end_ns <= b for a, b in known):
                    found.append(hole)
            last = int(ids[-1]), int(times[-1])
        return found

    def _covered(self, listing: Listing, start_ns: int, end_ns: int) -> list[Span]:
        rows = self._file.read(_TOUCHING, (listing.id, start_ns, end_ns))
        return [(start, end) for start, end in rows]

    def _proven(self, instrument_id: InstrumentId, start_ns: int, end_ns: int) -> list[Span]:
        """Return the stretches whose stored ids leave none out, ends excluded but for their own."""
        spans: list[Span] = []
        before: tuple[int, int] | None = None
        for ids, times in self._numbered(instrument_id, start_ns, end_ns):
            cuts = np.flatnonzero(np.diff(ids) != 1) + 1
            for part in np.split(np.arange(len(ids)), cuts):
                own = times[part]
                start = int(own.min())
                if part[0] == 0 and before is not None and int(ids[0]) == before[0] + 1:
                    start = min(start, before[1])
                spans.append((start, int(own.max())))
            before = int(ids[-1]), int(times[-1])
        return spans

    def _numbered(
        self, instrument_id: InstrumentId, start_ns: int, end_ns: int
    ) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
        """Yield ids in order and their times, day by day; damaged blocks are left out."""
        first, last = self._trades.oldest(instrument_id), self._trades.newest(instrument_id)
        if first is None or last is None:
            return
        start_ns, end_ns = max(start_ns, first), min(end_ns, last + 1)
        damaged: list[Finding] = []
        for day_ns in range(start_ns // DAY_NS * DAY_NS, end_ns, DAY_NS):
            low, high = max(day_ns, start_ns), min(day_ns + DAY_NS, end_ns)
            ids, times = _ids(self._trades.trades(instrument_id, low, high, damaged=damaged))
            if len(ids):
                yield ids, times

    def _unknown(self, instrument_id: InstrumentId, trades: Sequence[Trade]) -> list[Trade]:
        """Return the trades whose ids are not stored around their time."""
        start_ns, end_ns = trades[0].ts_event_ns, trades[-1].ts_event_ns
        there = self._trades.trades(instrument_id, start_ns - _AROUND_NS, end_ns + _AROUND_NS)
        known = set(_ids(there)[0].tolist())
        return [trade for trade in trades if trade.trade_id not in known]


def cover(connection: sqlite3.Connection, listing: Listing, start_ns: int, end_ns: int) -> None:
    """Remember within a transaction that a time's trades are all there."""
    if start_ns >= end_ns:
        return
    touching = connection.execute(_TOUCHING, (listing.id, start_ns, end_ns)).fetchall()
    _drop(connection, listing, touching)
    ((start, end),) = joined([*touching, (start_ns, end_ns)])
    connection.execute("INSERT INTO trade_spans VALUES (?, ?, ?)", (listing.id, start, end))


def uncover(connection: sqlite3.Connection, listing: Listing, start_ns: int, end_ns: int) -> None:
    """Forget within a transaction that a time's trades are all there."""
    touching = connection.execute(_TOUCHING, (listing.id, start_ns, end_ns)).fetchall()
    _drop(connection, listing, touching)
    rest = [part for span in touching for part in _less(span, [(start_ns, end_ns)])]
    connection.executemany(
        "INSERT INTO trade_spans VALUES (?, ?, ?)", [(listing.id, a, b) for a, b in rest]
    )


def _drop(connection: sqlite3.Connection, listing: Listing, spans: Iterable[Span]) -> None:
    connection.executemany(
        "DELETE FROM trade_spans WHERE listing = ? AND start_ns = ?",
        [(listing.id, start) for start, _ in spans],
    )


def _less(span: Span, known: Iterable[Span]) -> Iterator[Span]:
    """Yield what is left of a span without others, which are apart and in order."""
    start, stop = span
    for low, high in known:
        if low > start:
            yield start, min(low, stop)
        start = max(start, high)
        if start >= stop:
            return
    if start < stop:
        yield start, stop


def _ids(trades: TradeColumns) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return ids in order and their times: of single trades, of joined ones where there are none.

    Where the venue's stream gives single trades, joined ones of a file are numbered otherwise.
    """
    single = trades.first_trade_id == 0
    wanted = (trades.trade_id > 0) & (single if single.any() else ~single)
    ids, times = trades.trade_id[wanted], trades.ts_event_ns[wanted]
    order = np.argsort(ids, kind="stable")
    return ids[order], times[order]
