"""Market data on disk: bars, trades and their quality, in one SQLite file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from store.bars import SqliteBars
from store.listings import Listings
from store.marketfile import MarketFile
from store.quality import SqliteQuality
from store.retention import Retention
from store.trades import SqliteTrades
from store.tradespans import SqliteTradeSpans
from store.upkeep import Upkeep


class MarketStore:
    """The parts of the store on one file; a context manager that closes it.

    Synchronous and thread-safe: call it in a thread. Another process may have it open as well.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the file.

        Raises:
            StoreError: It is damaged, not ours, or from a newer clx.
        """
        self._file = MarketFile(path)
        self.path = path
        self.listings = Listings(self._file)
        self.bars = SqliteBars(self._file, self.listings)
        self.trades = SqliteTrades(self._file, self.listings)
        self.past = SqliteTradeSpans(self._file, self.listings, self.trades)
        self.quality = SqliteQuality(self._file, self.listings)
        self.upkeep = Upkeep(self._file, self.listings, self.bars, self.trades)
        self.retention = Retention(self._file, self.listings, self.bars, self.trades, self.upkeep)

    @contextlib.contextmanager
    def batch(self) -> Iterator[None]:
        """Make all writes of this thread inside one transaction: one commit, all or none.

        Other writers wait meanwhile, readers do not and see none of it until the end.

        Raises:
            StoreError: It could not be written; nothing of it is on disk.
        """
        with self._file.transaction():
            yield

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    def __enter__(self) -> MarketStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
