"""Fetches what lacks in the store before the bars that are built live, of every length kept.

The engine asks for the bars it shows; others would stay with the hole of an outage, or of the time
the engine did not run, until somebody looks at them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from core.model.errors import ClxError, DataError, StoreError, TemporaryError
from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.market import Timeframe
from core.model.ports import Clock
from core.model.stores import BarStore

LOOK_EVERY_S: Final = 20.0
REST_NS: Final = 15 * 60 * 1_000_000_000
"""Between two questions for one series: where few trade, most minutes have no bar."""
AGAIN_NS: Final = 60 * 1_000_000_000
"""Until a series is asked for again whose venue or disk was away; twice as long after each time, up
to `REST_NS`."""
BACK_BARS: Final = 5000
"""Bars before the newest among which holes are filled; older ones are left to `clx data repair`."""

Series: TypeAlias = tuple[InstrumentId, Timeframe]
Fill: TypeAlias = Callable[[Instrument, Timeframe, int, int], Awaitable[None]]


class Mender:
    """Sees from the bars that are written where some lack, and has those fetched, one by one.

    Args:
        bars: Says what is kept; called in threads.
        fill: Fetches what lacks between two times and keeps it.
        instrument: Returns an instrument's steps.
        clock: Says when a series was asked for last.
        told: Hears in words what cannot be mended.
    """

    def __init__(
        self,
        bars: BarStore,
        fill: Fill,
        *,
        instrument: Callable[[InstrumentId], Instrument],
        clock: Clock,
        told: Callable[[str], None],
    ) -> None:
        self._bars = bars
        self._fill = fill
        self._instrument = instrument
        self._clock = clock
        self._told = told
        self._newest: dict[Series, int] = {}
        self._due: set[Series] = set()
        self._rests_until: dict[Series, int] = {}
        self._away: dict[Series, int] = {}
        """How long the next wait of a series is whose venue or disk was away."""

    def written(self, name: InstrumentId, timeframe: Timeframe, opens: Sequence[int]) -> None:
        """Take the open times of bars that were kept, oldest first, and see what lacks."""
        series = (name, timeframe)
        before = self._newest.get(series)
        for opened in opens:
            if before is None or opened > before + timeframe.ns:
                self._due.add(series)
            before = opened if before is None else max(before, opened)
        if before is not None:
            self._newest[series] = before

    async def run(self) -> None:
        """Mend until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self.mend()

    async def mend(self) -> None:
        """Fill the holes seen so far; what a venue does not give now is asked for again later."""
        now_ns = self._clock.now_ns()
        failed: list[tuple[Series, int, ClxError]] = []
        for series in sorted(self._due):
            if now_ns < self._rests_until.get(series, now_ns):
                continue
            self._due.discard(series)
            try:
                await self._mend(series, now_ns)
                self._away.pop(series, None)
            except (TemporaryError, DataError, StoreError) as error:
                wait_ns = self._away.get(series, AGAIN_NS)
                self._away[series] = min(2 * wait_ns, REST_NS)
                self._rests_until[series] = now_ns + wait_ns
                self._due.add(series)
                failed.append((series, wait_ns, error))
            except ClxError as error:
                self._told(
                    f"a hole in bars of {series[0]} {series[1]} stays: {error}; once that is "
                    f"mended, `clx data repair {series[0]}` fills it"
                )
        if failed:
            (name, timeframe), wait_ns, why = failed[0]
            more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
            self._told(
                f"holes in stored bars stay for now: of {name} {timeframe}{more}, asked again in "
                f"{wait_ns // 60_000_000_000} min: {why}"
            )

    async def _mend(self, series: Series, now_ns: int) -> None:
        name, timeframe = series
        end_ns = self._newest[series]
        oldest = await asyncio.to_thread(self._bars.oldest, name, timeframe)
        if oldest is None:
            return
        start_ns = max(oldest, end_ns - BACK_BARS * timeframe.ns)
        if await asyncio.to_thread(self._bars.gaps, name, timeframe, start_ns, end_ns):
            self._rests_until[series] = now_ns + REST_NS
            await self._fill(self._instrument(name), timeframe, start_ns, end_ns)
