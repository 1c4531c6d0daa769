"""What tests of importers and exporters share."""

import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from core.model.instruments import Instrument, InstrumentKind
from core.model.stores import BarColumns, BarSource
from store.market import MarketStore

START_NS = 1_704_067_200_000_000_000


@pytest.fixture
def recorded() -> Path:
    """Folder of recorded market data."""
    root = Path(__file__).parents[3]
    folder = Path(os.environ.get("CLX_RECORDED_DATA", root.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no recorded data at {folder}: set CLX_RECORDED_DATA")
    return folder


@pytest.fixture
def stock() -> Instrument:
    return Instrument(
        id="AAPL-USD.alpaca",
        venue="alpaca",
        venue_symbol="AAPL",
        base="AAPL",
        quote="USD",
        kind=InstrumentKind.STOCK,
        price_tick=Decimal("0.0001"),
        size_lot=Decimal(1),
    )


Figures = list[tuple[int, Decimal, Decimal, Decimal, Decimal, Decimal, int]]


@pytest.fixture
def figures() -> Callable[[BarColumns], Figures]:
    """Turn columns into rows of exact figures, whatever their steps."""

    def rows(bars: BarColumns) -> Figures:
        return [
            (
                ts, o * bars.price_tick, h * bars.price_tick, low * bars.price_tick,
                c * bars.price_tick, v * bars.size_lot, n,
            )
            for ts, o, h, low, c, v, n in zip(
                *(getattr(bars, name).tolist() for name in BarColumns.__struct_fields__[:7]),
                strict=True,
            )
        ]  # fmt: skip

    return rows


@pytest.fixture
def fill(market: MarketStore, instrument: Instrument) -> Callable[..., BarColumns]:
    """Store columns as bars of the instrument and return them as they are stored."""

    def put(
        columns: BarColumns, timeframe: object, source: BarSource = BarSource.VENUE
    ) -> BarColumns:
        market.bars.put_bars(instrument, timeframe, columns, source)  # type: ignore[arg-type]
        return market.bars.bars(instrument.id, timeframe, 0, 1 << 62)  # type: ignore[arg-type]

    return put
