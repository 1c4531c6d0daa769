from __future__ import annotations

from decimal import Decimal

import pytest

from core.feeds.kucoin.decoder import KucoinDecoder
from core.model.ids import VenueName, instrument_id
from core.model.instruments import Instrument

KUCOIN = VenueName("kucoin")


def make(symbol: str, tick: str = "0.1", lot: str = "0.00000001") -> Instrument:
    base, _, quote = symbol.partition("-")
    return Instrument(
        id=instrument_id(symbol, KUCOIN),
        venue=KUCOIN,
        venue_symbol=symbol,
        base=base,
        quote=quote,
        price_tick=Decimal(tick),
        size_lot=Decimal(lot),
    )


@pytest.fixture
def spot() -> Instrument:
    return make("BTC-USDT")


@pytest.fixture
def decoder(spot: Instrument) -> KucoinDecoder:
    return KucoinDecoder(instruments=[spot])
