"""What a ticket offers, apart from its screen."""

from decimal import Decimal

import msgspec
import pytest

from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from tui.preview import LIVES, lives_of

COIN = Instrument(
    id=InstrumentId("BTC-USDT.binance"),
    venue=VenueName("binance"),
    venue_symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    price_tick=Decimal("0.01"),
    size_lot=Decimal("0.001"),
)


@pytest.mark.parametrize("kind", [InstrumentKind.SPOT, InstrumentKind.PERPETUAL])
def test_extended_hours_are_offered_for_shares_alone(kind):
    assert lives_of(msgspec.structs.replace(COIN, kind=InstrumentKind.STOCK), "gtc") == LIVES
    offered = lives_of(msgspec.structs.replace(COIN, kind=kind), "gtc")
    assert offered == tuple(word for word in LIVES if word != "day ext")


def test_what_was_typed_is_not_dropped():
    assert "day ext" in lives_of(COIN, "day ext")
