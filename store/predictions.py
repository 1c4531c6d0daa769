"""Predictions on disk, so that models can be judged by what they said, not by what they meant."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from core.model.errors import StoreError
from core.model.ids import InstrumentId, ModelId
from core.model.signals import Prediction
from store.sqlite import open_database

APPLICATION_ID: Final = 0x636C7870  # "clxp"
MIGRATIONS: Final = (
    "CREATE TABLE predictions (model TEXT NOT NULL, instrument TEXT NOT NULL, "
    "ts_bar_ns INTEGER NOT NULL, version TEXT NOT NULL, data BLOB NOT NULL, "
    "PRIMARY KEY (model, instrument, ts_bar_ns, version)) WITHOUT ROWID",
)
_PUT: Final = "INSERT OR REPLACE INTO predictions VALUES (?, ?, ?, ?, ?)"
_RECENT: Final = (
    "SELECT data FROM predictions WHERE model = ? AND instrument = ? "
    "ORDER BY ts_bar_ns DESC, version DESC LIMIT ?"
)
_PRUNE: Final = (
    "DELETE FROM predictions WHERE model = ?1 AND instrument = ?2 AND ts_bar_ns < "
    "(SELECT ts_bar_ns FROM predictions WHERE model = ?1 AND instrument = ?2 "
    "ORDER BY ts_bar_ns DESC LIMIT 1 OFFSET ?3)"
)
_PENDING_MAX: Final = 10_000
"""Predictions held while the disk refuses them; beyond it the oldest are dropped."""


class SqlitePredictions:
    """Implements `core.model.ports.PredictionStore`; commits in batches, keeps the newest.

    A crash may lose the last batch: predictions can be made again from bars, so they are not
    worth a disk sync each.
    """

    def __init__(self, path: Path, *, batch: int = 32, keep: int = 20_000) -> None:
        """Open or create the file; `keep` predictions per model and instrument are retained.

        Raises:
            StoreError: The file is damaged, not ours, or from a newer clx.
        """
        self.path = path
        self._batch = batch
        self._keep = keep
        self._pending: list[Prediction] = []
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(Prediction)
        self._connection = open_database(
            path,
            application_id=APPLICATION_ID,
            migrations=MIGRATIONS,
            synchronous="NORMAL",
            exclusive=False,
        )

    def put(self, predictions: Sequence[Prediction]) -> None:
        """Store predictions; one of the same model, version, instrument and bar replaces it.

        Raises:
            StoreError: A full batch could not be written; it is kept and tried again.
        """
        self._pending.extend(predictions)
        if len(self._pending) >= self._batch:
            self.flush()

    def recent(
        self, model_id: ModelId, instrument_id: InstrumentId, limit: int
    ) -> list[Prediction]:
        """Return the newest predictions, oldest first, also those a full disk does not take.

        Raises:
            StoreError: The file cannot be read, or holds something that is no prediction.
        """
        with contextlib.suppress(StoreError):  # who puts the next one is told
            self.flush()
        try:
            rows = self._connection.execute(_RECENT, (model_id, instrument_id, limit)).fetchall()
            kept = [self._decoder.decode(row[0]) for row in reversed(rows)]
        except (sqlite3.Error, msgspec.DecodeError, msgspec.ValidationError) as error:
            raise StoreError(
                f"predictions {self.path} cannot be read for {model_id} {instrument_id}: {error}; "
                "the file can be deleted, models then start their record anew"
            ) from error
        of = (model_id, instrument_id)
        waiting = [item for item in self._pending if (item.model_id, item.instrument_id) == of]
        if not waiting:
            return kept
        newest = {(item.ts_bar_ns, item.version): item for item in (*kept, *waiting)}
        return [newest[key] for key in sorted(newest)][-limit:]

    def flush(self) -> None:
        """Commit what is pending and drop what is older than is kept.

        Raises:
            StoreError: It could not be written; it is kept and tried again.
        """
        if not self._pending:
            return
        del self._pending[: max(0, len(self._pending) - _PENDING_MAX)]
        rows = [
            (item.model_id, item.instrument_id, item.ts_bar_ns, item.version, self._encode(item))
            for item in self._pending
        ]
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(_PUT, rows)
            for model, instrument in sorted({(row[0], row[1]) for row in rows}):
                self._connection.execute(_PRUNE, (model, instrument, self._keep - 1))
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise StoreError(
                f"predictions {self.path}: {len(rows)} could not be written: {error}; "
                "free disk space, they are kept in memory meanwhile"
            ) from error
        self._pending.clear()

    def close(self) -> None:
        """Commit what is pending and release the file.

        Raises:
            StoreError: The last batch could not be written.
        """
        try:
            self.flush()
        finally:
            self._connection.close()

    def _encode(self, prediction: Prediction) -> bytes:
        return self._encoder.encode(prediction)
