"""Which data belongs to which instrument: listings, their names, and their renames.

Data hangs on a *listing*, never on a ticker. A listing has an instrument id and an epoch: 0 the
first thing traded under that id, 1 the next, when a venue uses a name again for something else.
A rename (MATIC becomes POL) gives a listing one more name, so the history stays whole under both.
"""

from __future__ import annotations

import sqlite3

import msgspec

from core.model.errors import ConfigError, DataError
from core.model.ids import InstrumentId, split_instrument_id
from core.model.stores import day_text
from store.marketfile import MarketFile


class Listing(msgspec.Struct, frozen=True):
    """One thing that is or was traded."""

    id: int
    instrument_id: InstrumentId
    """Its present name."""
    epoch: int
    start_ns: int
    """Data before this belongs to an earlier listing; 0 for the first."""


class Listings:
    """Finds listings by name."""

    def __init__(self, file: MarketFile) -> None:
        self._file = file

    def find(self, instrument_id: InstrumentId, epoch: int | None = None) -> Listing | None:
        """Return the listing of a name, the present one unless told; None when unknown."""
        rows = self._file.read(*_query(instrument_id, epoch))
        return Listing(*rows[0]) if rows else None

    def all(self) -> list[Listing]:
        """Return every listing, by name."""
        rows = self._file.read(
            "SELECT id, instrument_id, epoch, start_ns FROM listings ORDER BY instrument_id, epoch"
        )
        return [Listing(*row) for row in rows]

    def names(self, listing: Listing) -> list[InstrumentId]:
        """Return every name a listing has had, by spelling."""
        rows = self._file.read(
            "SELECT instrument_id FROM names WHERE listing = ? ORDER BY instrument_id",
            (listing.id,),
        )
        return [InstrumentId(row[0]) for row in rows]

    def make(
        self, connection: sqlite3.Connection, instrument_id: InstrumentId, epoch: int | None
    ) -> Listing:
        """Return the listing to write to, within a transaction; the first one is made.

        Raises:
            ConfigError: The epoch was never opened with `relist`.
        """
        row = connection.execute(*_query(instrument_id, epoch)).fetchone()
        if row:
            return Listing(*row)
        if epoch:
            raise ConfigError(
                f"{instrument_id} has no listing {epoch}; open one with the day it began first"
            )
        return _insert(connection, instrument_id, 0, 0)

    def relist(self, instrument_id: InstrumentId, start_ns: int) -> int:
        """Open a new listing under a name used before; return its epoch.

        From now on the name means the new one; the old data stays under the epoch before.

        Raises:
            ConfigError: The name has a listing that began later.
        """
        with self._file.transaction() as connection:
            row = connection.execute(*_query(instrument_id, None)).fetchone()
            before = Listing(*row) if row else _insert(connection, instrument_id, 0, 0)
            if start_ns <= before.start_ns:
                raise ConfigError(
                    f"{instrument_id} was listed anew on {day_text(before.start_ns)} already; "
                    f"a later listing cannot begin on {day_text(start_ns)}"
                )
            epoch = connection.execute(
                "SELECT max(epoch) FROM names WHERE instrument_id = ?", (instrument_id,)
            ).fetchone()[0]
            _insert(connection, instrument_id, epoch + 1, start_ns)
        return int(epoch) + 1

    def add_name(self, old: Listing, new: InstrumentId) -> None:
        """Give a listing a further name, its present one from now on."""
        with self._file.transaction() as connection:
            taken = connection.execute(
                "SELECT max(epoch) FROM names WHERE instrument_id = ?", (new,)
            ).fetchone()[0]
            epoch = 0 if taken is None else taken + 1
            connection.execute("INSERT INTO names VALUES (?, ?, ?)", (new, epoch, old.id))
            connection.execute(
                "UPDATE listings SET instrument_id = ?, epoch = ? WHERE id = ?",
                (new, epoch, old.id),
            )

    def join(self, gone: Listing, into: Listing) -> None:
        """Let every name of one listing mean another, whose present name becomes the one's."""
        with self._file.transaction() as connection:
            connection.execute("UPDATE names SET listing = ? WHERE listing = ?", (into.id, gone.id))
            connection.execute(
                "UPDATE listings SET instrument_id = ?, epoch = ? WHERE id = ?",
                (gone.instrument_id, gone.epoch, into.id),
            )
            connection.execute("DELETE FROM listings WHERE id = ?", (gone.id,))


def check_start(listing: Listing, first_ns: int) -> None:
    """Refuse data older than its listing.

    Raises:
        DataError: It belongs to what was traded under the name before.
    """
    if first_ns < listing.start_ns:
        raise DataError(
            f"{listing.instrument_id} was listed anew on {day_text(listing.start_ns)}; data of "
            f"{day_text(first_ns)} belongs to epoch {listing.epoch - 1}, store it under that"
        )


def _query(instrument_id: InstrumentId, epoch: int | None) -> tuple[str, tuple[object, ...]]:
    sql = (
        "SELECT listings.id, listings.instrument_id, listings.epoch, listings.start_ns "
        "FROM names JOIN listings ON listings.id = names.listing WHERE names.instrument_id = ?"
    )
    if epoch is None:
        return f"{sql} ORDER BY names.epoch DESC LIMIT 1", (instrument_id,)
    return f"{sql} AND names.epoch = ?", (instrument_id, epoch)


def _insert(
    connection: sqlite3.Connection, instrument_id: InstrumentId, epoch: int, start_ns: int
) -> Listing:
    _, venue = split_instrument_id(instrument_id)
    number = connection.execute(
        "INSERT INTO listings (venue, instrument_id, epoch, start_ns) VALUES (?, ?, ?, ?)",
        (venue, instrument_id, epoch, start_ns),
    ).lastrowid
    connection.execute("INSERT INTO names VALUES (?, ?, ?)", (instrument_id, epoch, number))
    assert number is not None
    return Listing(number, instrument_id, epoch, start_ns)
