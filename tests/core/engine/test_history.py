from __future__ import annotations

import asyncio
import random
from decimal import Decimal
from typing import Any

from core.engine.clock import SimClock
from core.engine.history import HistoryLoader
from core.model.errors import DataError, TemporaryError
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import Bar, Timeframe

A = InstrumentId("A-USDT.x")
X = VenueName("x")
SERIES = (A, Timeframe.M1)
LISTED = Instrument(
    id=A, venue=X, venue_symbol="AUSDT", base="A", quote="USDT", price_tick=Decimal("0.01"),
    size_lot=Decimal("0.01"),
)  # fmt: skip
BAR = Bar(A, Timeframe.M1, 0, 1, 1, 1, 1, 1, 1)


class Shelf:
    """A feed's history that answers what it was prepared to."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.calls: list[Any] = []

    async def history(self, *call: Any) -> Any:
        self.calls.append(call)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Quick(random.Random):
    """No jitter, no waiting."""

    def uniform(self, a: float, b: float) -> float:
        return 0.0


async def fetch(shelf: Shelf, *requests: tuple[int, int]) -> tuple[list[Any], list[str]]:
    arrived: list[Any] = []
    told: list[str] = []
    done = asyncio.Event()

    def arrive(series: Any, bars: Any) -> None:
        arrived.append((series, list(bars)))
        done.set()

    loader = HistoryLoader(
        {X: shelf},  # type: ignore[dict-item]  # the one method used
        lambda name: LISTED,
        clock=SimClock(10**18),
        rng=Quick(),
        arrived=arrive,
        told=lambda name, why: told.append(why),
    )
    for start, end in requests:
        loader.request(SERIES, start, end)
    task = asyncio.create_task(loader.run())
    await done.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return arrived, told


async def test_ranges_of_one_series_are_fetched_as_one() -> None:
    shelf = Shelf([BAR])
    arrived, _ = await fetch(shelf, (100, 200), (50, 150), (180, 300))
    assert shelf.calls == [(A, Timeframe.M1, 50, 300)]
    assert arrived == [(SERIES, [BAR])]


async def test_venue_away_is_asked_again() -> None:
    shelf = Shelf(TemporaryError("away"), TemporaryError("away"), [BAR])
    arrived, told = await fetch(shelf, (1, 2))
    assert len(shelf.calls) == 3
    assert arrived == [(SERIES, [BAR])]
    assert told == ["A-USDT.x 1m: away; trying again"] * 2


async def test_what_cannot_be_had_arrives_empty_and_is_told() -> None:
    arrived, told = await fetch(Shelf(DataError("no such candles")), (1, 2))
    assert arrived == [(SERIES, [])]
    assert told == ["A-USDT.x 1m: no such candles"]
