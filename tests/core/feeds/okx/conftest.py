from __future__ import annotations

from decimal import Decimal

import pytest

from core.feeds.okx.decoder import OkxDecoder
from core.model.ids import VenueName, instrument_id
from core.model.instruments import Instrument, InstrumentKind

OKX = VenueName("okx")


def make(
    symbol: str,
    tick: str = "0.1",
    lot: str = "0.00000001",
    kind: InstrumentKind = InstrumentKind.SPOT,
) -> Instrument:
    base, quote = symbol.split("-")[:2]
    name = f"{base}-{quote}-PERP" if kind is InstrumentKind.PERPETUAL else symbol
    return Instrument(
        id=instrument_id(name, OKX),
        venue=OKX,
        venue_symbol=symbol,
        base=base,
        quote=quote,
        kind=kind,
        price_tick=Decimal(tick),
        size_lot=Decimal(lot),
    )


@pytest.fixture
def spot() -> Instrument:
    return make("BTC-USDT")


@pytest.fixture
def swap() -> Instrument:
    return make("BTC-USDT-SWAP", "0.1", "0.01", InstrumentKind.PERPETUAL)


@pytest.fixture
def decoder(spot: Instrument, swap: Instrument) -> OkxDecoder:
    return OkxDecoder(instruments=[spot, swap])
