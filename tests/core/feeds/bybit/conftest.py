from __future__ import annotations

from decimal import Decimal

import pytest

from core.feeds.bybit.decoder import BybitDecoder
from core.model.ids import VenueName, instrument_id
from core.model.instruments import Instrument, InstrumentKind

BYBIT = VenueName("bybit")


def make(
    symbol: str,
    tick: str = "0.1",
    lot: str = "0.001",
    kind: InstrumentKind = InstrumentKind.PERPETUAL,
) -> Instrument:
    name = f"{symbol}-PERP" if kind is InstrumentKind.PERPETUAL else symbol
    return Instrument(
        id=instrument_id(name, BYBIT),
        venue=BYBIT,
        venue_symbol=symbol,
        base=symbol[:3],
        quote=symbol[3:],
        kind=kind,
        price_tick=Decimal(tick),
        size_lot=Decimal(lot),
    )


@pytest.fixture
def linear() -> Instrument:
    return make("BTCUSDT")


@pytest.fixture
def spot() -> Instrument:
    return make("BTCUSDT", "0.01", "0.000001", InstrumentKind.SPOT)


@pytest.fixture
def option() -> Instrument:
    return make("BTC-28JUN24-60000-P", "5", "0.01", InstrumentKind.OPTION)


@pytest.fixture
def decoder(linear: Instrument, spot: Instrument, option: Instrument) -> BybitDecoder:
    return BybitDecoder(instruments=[linear, spot, option])
