"""Keeps what the engine makes and learns of market data: closed bars and quality, off its loop."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Final

import msgspec

from core.model.errors import StoreError
from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.market import Bar, Timeframe, Trade
from core.model.stores import (
    DAY_NS,
    BarSource,
    BarStore,
    QualityCounts,
    QualityStore,
    TradeStore,
    columns_of_bars,
)
from core.model.views import QualityView

BARS_EVERY_S: Final = 5.0
QUALITY_EVERY_S: Final = 60.0
MAX_TRADES: Final = 500_000
"""Trades held while the disk cannot be written."""

MAX_WAITING: Final = 20_000
"""Bars held while the disk cannot be written; beyond it the newest are dropped with a word."""

_COUNTS: Final = {
    "gaps": "gaps",
    "resyncs": "resyncs",
    "frames": "frames",
    "trades": "trades",
    "rejected": "rejected",
    "checksums_ok": "checksum_ok",
    "checksums_bad": "checksum_bad",
    "late_trades": "late_trades",
    "trade_id_holes": "trade_holes",
    "trades_refilled": "trades_refilled",
    "duplicate_trades": "duplicates",
    "off_band": "off_band",
    "crossed": "crossed",
    "outages": "outages",
    "resubscribed": "resubscribed",
    "live_s": "live_s",
    "stale_s": "stale_s",
}
"""Field of `QualityCounts` to field of `QualityView`."""


class Keeper:
    """Collects on the engine's loop, writes in threads.

    Args:
        bars: Keeps closed bars built of trades.
        quality: Keeps quality records.
        instrument: Returns an instrument's steps.
        told: Hears in words what could not be kept.
        timeframes: Lengths of bars that are kept.
        trades: Keeps every trade; None keeps none.
        written: Told of bars that are kept now: whose, how long, and their open times in order.
    """

    def __init__(
        self,
        bars: BarStore,
        quality: QualityStore,
        *,
        instrument: Callable[[InstrumentId], Instrument],
        told: Callable[[str], None],
        timeframes: Iterable[Timeframe],
        trades: TradeStore | None = None,
        written: Callable[[InstrumentId, Timeframe, Sequence[int]], None] | None = None,
    ) -> None:
        self._bars = bars
        self._written_bars = written
        self._quality = quality
        self._instrument = instrument
        self._told = told
        self._timeframes = frozenset(timeframes)
        self._waiting: dict[tuple[InstrumentId, Timeframe], dict[int, Bar]] = defaultdict(dict)
        self._count = 0
        self._trades = trades
        self._refused = False
        """The disk took not all of what was last written."""
        self._trades_waiting: dict[InstrumentId, list[Trade]] = defaultdict(list)
        self._trade_count = 0
        self._written: dict[tuple[InstrumentId, str], QualityView] = {}
        self._before: dict[tuple[InstrumentId, str], QualityCounts] = {}
        """What the records had of a day before we first added to them."""
        self._records = asyncio.Lock()

    def take(self, bar: Bar) -> None:
        """Take a closed or revised bar; never blocks."""
        if bar.timeframe not in self._timeframes:
            return
        if self._count >= MAX_WAITING:
            self._told("closed bars are not kept: the disk does not take them; see earlier alerts")
            return
        mine = self._waiting[bar.instrument_id, bar.timeframe]
        self._count += bar.ts_open_ns not in mine
        mine[bar.ts_open_ns] = bar

    def on_trade(self, trade: Trade) -> None:
        """Take a public trade; one that comes twice is kept once. Never blocks."""
        if self._trade_count >= MAX_TRADES:
            self._told("trades are not kept: the disk does not take them; see earlier alerts")
            return
        self._trade_count += 1
        self._trades_waiting[trade.instrument_id].append(trade)

    async def run(self, views: Callable[[], Iterable[QualityView]]) -> None:
        """Write what was taken until cancelled, and once more then.

        `views` returns today's quality records, those of days just ended first.
        """
        passed_s = 0.0
        try:
            while True:
                await asyncio.sleep(BARS_EVERY_S)
                await self.write()
                passed_s += BARS_EVERY_S
                if passed_s >= QUALITY_EVERY_S:
                    passed_s = 0.0
                    await self.write_quality(views())
        finally:
            await self.write()
            await self.write_quality(views())

    async def write(self) -> None:
        """Write the bars and trades taken so far; what fails waits, and it is told in one word."""
        failed = [*await self.write_bars(), *await self.write_trades()]
        if failed:
            what, why = failed[0]
            more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
            waiting = self._count + self._trade_count
            self._told(f"not all can be kept for now: {what}{more}, {waiting:,} rows wait: {why}")
        elif self._refused:
            self._told("what waited is on disk, and all is kept again")
        self._refused = bool(failed)

    async def write_bars(self) -> list[tuple[str, StoreError]]:
        """Write the bars taken so far; return what failed and why, which waits."""
        failed: list[tuple[str, StoreError]] = []
        waiting, self._waiting = self._waiting, defaultdict(dict)
        self._count = 0
        for (name, timeframe), found in waiting.items():
            bars = [found[at] for at in sorted(found)]
            instrument = self._instrument(name)
            columns = columns_of_bars(instrument, bars)
            try:
                await asyncio.to_thread(
                    self._bars.put_bars, instrument, timeframe, columns, BarSource.TRADES
                )
            except StoreError as error:
                failed.append((f"bars of {name} {timeframe}", error))
                for bar in bars:
                    newer = self._waiting[name, timeframe]
                    self._count += bar.ts_open_ns not in newer
                    newer.setdefault(bar.ts_open_ns, bar)
                continue
            if self._written_bars is not None:
                self._written_bars(name, timeframe, sorted(found))
        return failed

    async def write_trades(self) -> list[tuple[str, StoreError]]:
        """Write the trades taken so far; return what failed and why, which waits."""
        failed: list[tuple[str, StoreError]] = []
        if self._trades is None:
            return failed
        waiting, self._trades_waiting = self._trades_waiting, defaultdict(list)
        self._trade_count = 0
        for name, found in waiting.items():
            try:
                await asyncio.to_thread(self._trades.put_trades, self._instrument(name), found)
            except StoreError as error:
                failed.append((f"trades of {name}", error))
                self._trades_waiting[name][:0] = found
                self._trade_count += len(found)
        return failed

    async def write_quality(self, views: Iterable[QualityView]) -> None:
        """Add what happened since the last time to the records."""
        failed: list[tuple[InstrumentId, StoreError]] = []
        async with self._records:
            for view in views:
                try:
                    await self._add(view)
                except StoreError as error:
                    failed.append((view.instrument_id, error))
        if failed:
            name, why = failed[0]
            more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
            self._told(f"data quality is not kept for now: of {name}{more}: {why}")

    async def _add(self, view: QualityView) -> None:
        """Add to a record.

        Raises:
            StoreError: It cannot be read or written; the next time has it all.
        """
        key = (view.instrument_id, view.day)
        counts = _since(view, self._written.get(key))
        if counts is None:
            return
        await self._look_before(key)
        await asyncio.to_thread(self._quality.add, view.instrument_id, _day_ns(key), counts)
        for kept in (self._written, self._before):
            for old in [old for old in kept if old[0] == key[0] and old[1] < key[1]]:
                del kept[old]
        self._written[key] = view

    async def whole(self, views: Iterable[QualityView]) -> list[QualityView]:
        """Return records of today together with what was counted before this engine ran.

        Where that cannot be read it is told, and left out.
        """
        out: list[QualityView] = []
        async with self._records:
            for view in views:
                key = (view.instrument_id, view.day)
                try:
                    await self._look_before(key)
                except StoreError as error:
                    self._told(f"data quality of {key[0]} before now cannot be read: {error}")
                    self._before[key] = QualityCounts()
                counts = self._before[key]
                sums = {
                    field: getattr(view, field) + getattr(counts, name)
                    for name, field in _COUNTS.items()
                }
                out.append(msgspec.structs.replace(view, **sums))
        return out

    async def _look_before(self, key: tuple[InstrumentId, str]) -> None:
        """Read what there is of a day, before anything is added to it."""
        if key not in self._before:
            start_ns = _day_ns(key)
            found = await asyncio.to_thread(self._quality.days, key[0], start_ns, start_ns + 1)
            self._before[key] = found[0].counts if found else QualityCounts()


def _day_ns(key: tuple[InstrumentId, str]) -> int:
    return (date.fromisoformat(key[1]) - date(1970, 1, 1)).days * DAY_NS


def _since(view: QualityView, before: QualityView | None) -> QualityCounts | None:
    """Return what was counted since, None when nothing was."""
    found = {
        name: getattr(view, field) - (getattr(before, field) if before is not None else 0)
        for name, field in _COUNTS.items()
    }
    if not any(found.values()):
        return None
    offset_ns = int(view.clock_offset_ms * 1e6)
    return QualityCounts(**found, clock_offsets_ns=(offset_ns,) if offset_ns else ())
