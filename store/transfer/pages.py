"""Reads a series for exporters, a page at a time, so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator

from core.model.errors import ConfigError
from core.model.ids import InstrumentId
from core.model.market import Timeframe
from core.model.stores import BarColumns, Finding, Progress, TradeColumns
from store.bars import MAX_NS
from store.market import MarketStore
from store.transfer.figures import iso

_BARS: int = 50_000
_TRADES_NS: int = 3_600_000_000_000


class Series:
    """One stored series, or a part of it in time."""

    def __init__(
        self,
        store: MarketStore,
        instrument_id: InstrumentId,
        timeframe: Timeframe | None,
        start_ns: int = 0,
        end_ns: int = MAX_NS,
        progress: Progress | None = None,
        damaged: list[Finding] | None = None,
    ) -> None:
        """Find it; a timeframe of None means trades; `damaged` takes note of blocks left out.

        Raises:
            ConfigError: Nothing of it is stored, or the time ends before it begins.
        """
        if start_ns >= end_ns:
            raise ConfigError(
                f"the time to write must end after it begins, was {iso(start_ns)} to {iso(end_ns)}"
            )
        self.instrument_id = instrument_id
        self.timeframe = timeframe
        self._store = store
        self._progress = progress
        self._damaged = damaged
        info = next(
            (item for item in store.upkeep.series(instrument_id) if item.timeframe is timeframe),
            None,
        )
        what = timeframe.value if timeframe else "trades"
        if info is None or info.first_ns >= end_ns or info.last_ns < start_ns:
            there = "nothing" if info is None else "nothing of that time"
            raise ConfigError(
                f"{there} is stored of {instrument_id} {what}; `clx data list` says what is"
            )
        self.rows = info.rows
        self._start = max(start_ns, info.first_ns)
        self._end = min(end_ns, info.last_ns + 1)

    def bars(self) -> Iterator[BarColumns]:
        """Yield its bars, oldest first, no page empty.

        Raises:
            StoreError: A block is damaged and `damaged` was not given.
        """
        assert self.timeframe is not None
        step = self.timeframe.ns * _BARS
        done = 0
        for low in range(self._start // step * step, self._end, step):
            page = self._store.bars.bars(
                self.instrument_id,
                self.timeframe,
                max(low, self._start),
                min(low + step, self._end),
                damaged=self._damaged,
            )
            if len(page):
                yield page
            done += len(page)
            self._tell(done)

    def trades(self) -> Iterator[TradeColumns]:
        """Yield its trades by time, no page empty.

        Raises:
            StoreError: A block is damaged and `damaged` was not given.
        """
        done = 0
        for low in range(self._start // _TRADES_NS * _TRADES_NS, self._end, _TRADES_NS):
            page = self._store.trades.trades(
                self.instrument_id,
                max(low, self._start),
                min(low + _TRADES_NS, self._end),
                damaged=self._damaged,
            )
            if len(page):
                yield page
                done += len(page)
                self._tell(done)

    def _tell(self, done: int) -> None:
        if self._progress is not None:
            self._progress(done, self.rows)
