"""Inputs and strategy files for the strategy tests."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from core.model.ids import ClientOrderId, InstrumentId
from core.model.market import Bar, Side, Timeframe
from core.model.settings import StrategySettings
from core.model.signals import BarInput, BookInput, FillInput

BTC = InstrumentId("BTC-USDT.binance")
MINUTE_NS = 60_000_000_000

MakeBar = Callable[..., BarInput]
Write = Callable[[str], str]


@pytest.fixture
def bar() -> MakeBar:
    """Make a closed bar: ``bar(3, {"rsi(14)": 25.0})``."""

    def make(
        place: int,
        indicators: dict[str, float] | None = None,
        *,
        close: float = 100.0,
        warmup: bool = False,
        instrument: str = BTC,
        timeframe: Timeframe = Timeframe.M1,
    ) -> BarInput:
        whole = Bar(InstrumentId(instrument), timeframe, place * timeframe.ns, 1, 1, 1, 1, 1, 1)
        return BarInput(
            seq=place,
            bar=whole,
            open=close,
            high=close,
            low=close,
            close=close,
            volume=1.0,
            indicators=indicators or {},
            warmup=warmup,
        )

    return make


@pytest.fixture
def book() -> Callable[[int, float], BookInput]:
    def make(seq: int, bid: float) -> BookInput:
        return BookInput(
            seq=seq,
            instrument_id=BTC,
            ts_event_ns=seq * 1_000_000,
            bids=[(bid, 1.0)],
            asks=[(bid + 1, 1.0)],
        )

    return make


@pytest.fixture
def fill() -> Callable[[int, float], FillInput]:
    def make(seq: int, position: float) -> FillInput:
        return FillInput(
            seq=seq,
            instrument_id=BTC,
            client_order_id=ClientOrderId("clxs-1"),
            side=Side.BUY,
            price=100.0,
            size=1.0,
            position=position,
            ts_event_ns=seq * 1_000_000,
        )

    return make


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a user's strategy file and return its path."""

    def make(body: str, name: str = "mine.py") -> str:
        path = tmp_path / name
        path.write_text(textwrap.dedent(body))
        return str(path)

    return make


@pytest.fixture
def settings() -> Callable[..., StrategySettings]:
    """Make settings: ``settings("rsi", parameters={...})``."""

    def make(kind: str, **more: object) -> StrategySettings:
        return StrategySettings.model_validate({"kind": kind, **more})

    return make
