from __future__ import annotations

from decimal import Decimal

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
