"""A venue with a past that can be told to fail, and a store on disk."""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from core.engine.clock import SimClock
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import Bar, Timeframe
from store.market import MarketStore

MINUTE = Timeframe.M1.ns
DAY = Timeframe.D1.ns
NOW = 20_000 * DAY


class Past:
    """A venue's bars: one a minute but for its outages, from its listing on."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.listed_ns = 0
        self.outages: list[tuple[int, int]] = []
        self.asked: list[tuple[int, int]] = []
        self.failures: list[Exception] = []
        self.after: int | None = None
        """Calls answered before it stays away for good."""

    async def history(
        self, instrument: Instrument, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> list[Bar]:
        if self.failures:
            raise self.failures.pop(0)
        self.asked.append((start_ns, end_ns))
        return [self.bar(at, timeframe) for at in self.opens(start_ns, end_ns, timeframe.ns)]

    def opens(self, start_ns: int, end_ns: int, step_ns: int) -> Iterator[int]:
        for at in range(start_ns, end_ns, step_ns):
            away = any(start <= at < end for start, end in self.outages)
            if at >= self.listed_ns and not away:
                yield at

    def bar(self, at: int, timeframe: Timeframe = Timeframe.M1) -> Bar:
        price = 1000 + at // timeframe.ns % 97
        return Bar(self.instrument.id, timeframe, at, price, price + 2, price - 2, price + 1, 5, 3)


class Quick(random.Random):
    """No jitter, no waiting."""

    def uniform(self, a: float, b: float) -> float:
        return 0.0


@pytest.fixture
def instrument() -> Instrument:
    return Instrument(
        id=InstrumentId("BTC-USDT.x"), venue=VenueName("x"), venue_symbol="BTCUSDT", base="BTC",
        quote="USDT", price_tick=Decimal("0.01"), size_lot=Decimal("0.001"),
    )  # fmt: skip


@pytest.fixture
def past(instrument: Instrument) -> Past:
    return Past(instrument)


@pytest.fixture
def market(tmp_path: Path) -> Iterator[MarketStore]:
    with MarketStore(tmp_path / "market.sqlite") as store:
        yield store


@pytest.fixture
def clock() -> SimClock:
    return SimClock(NOW)


@pytest.fixture
def quick() -> random.Random:
    return Quick()
