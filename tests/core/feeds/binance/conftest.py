from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import pytest

from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument


def instrument(symbol: str, tick: str = "0.01", lot: str = "0.00001") -> Instrument:
    return Instrument(
        id=InstrumentId(f"{symbol}.binance"),
        venue=VenueName("binance"),
        venue_symbol=symbol,
        base=symbol[:3],
        quote=symbol[3:],
        price_tick=Decimal(tick),
        size_lot=Decimal(lot),
    )


@pytest.fixture
def btc() -> Instrument:
    return instrument("BTCUSDT")


@pytest.fixture
def nkn() -> Instrument:
    return instrument("NKNUSDT", "0.0001", "1")


@pytest.fixture(scope="session")
def recorded() -> Path:
    root = Path(__file__).parents[4]
    folder = Path(os.environ.get("CLX_RECORDED_DATA", root.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no recorded data at {folder}: set CLX_RECORDED_DATA")
    return folder
