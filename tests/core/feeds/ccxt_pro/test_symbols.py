from __future__ import annotations

from decimal import Decimal

import pytest

from core.feeds.ccxt_pro.symbols import Market, make_instruments, trimmed
from core.model.errors import DataError
from core.model.ids import VenueName
from core.model.instruments import InstrumentKind

VENUE = VenueName("ccxt:x")
TICK_SIZE, DECIMAL_PLACES, SIGNIFICANT = 4, 2, 3
SPOT = {"symbol": "BTC/USDT", "id": "BTCUSDT", "base": "BTC", "quote": "USDT", "type": "spot",
        "active": True, "precision": {"price": 0.01, "amount": 1e-05}, "settle": None,
        "limits": {"amount": {"min": 0.0001}, "cost": {"min": 5}}, "info": {}}  # fmt: skip


def made(*markets, mode=TICK_SIZE):
    kept = [trimmed(market, mode) for market in markets]
    return make_instruments([market for market in kept if market is not None], VENUE)


def test_spot_has_the_steps_and_limits_of_the_unified_market():
    (item,) = made(SPOT)
    assert (item.id, item.venue_symbol, item.kind) == (
        "BTC-USDT.ccxt:x", "BTC/USDT", InstrumentKind.SPOT,
    )  # fmt: skip
    assert (item.price_tick, item.size_lot) == (Decimal("0.01"), Decimal("0.00001"))
    assert (item.min_size, item.min_notional) == (Decimal("0.0001"), Decimal(5))


def test_steps_of_other_modes_of_precision():
    (places,) = made(SPOT | {"precision": {"price": 2, "amount": 5}}, mode=DECIMAL_PLACES)
    assert (places.price_tick, places.size_lot) == (Decimal("0.01"), Decimal("0.00001"))
    (digits,) = made(SPOT | {"precision": {"price": 5, "amount": None}}, mode=SIGNIFICANT)
    assert (digits.price_tick, digits.size_lot) == (Decimal("1E-8"), Decimal("1E-8"))


def test_derivatives_are_named_by_what_they_are():
    swap = SPOT | {"symbol": "BTC/USD:BTC", "quote": "USD", "type": "swap", "settle": "BTC",
                   "inverse": True, "contractSize": 10.0}  # fmt: skip
    expiry = 1_656_057_600_000  # 2022-06-24T08:00Z
    future = swap | {"symbol": "f", "type": "future", "expiry": expiry}
    option = future | {"symbol": "o", "type": "option", "strike": 15000.0, "optionType": "call"}
    perpetual, dated, call = made(swap, future, option)
    assert [item.symbol for item in (perpetual, dated, call)] == [
        "BTC-USD-PERP", "BTC-USD-20220624", "BTC-USD-20220624-15000-C",
    ]  # fmt: skip
    assert (perpetual.inverse, perpetual.contract_size, perpetual.settle) == (True, 10, "BTC")
    assert (call.strike, call.option_right, call.expiry_ns) == (15000, "call", expiry * 10**6)


def test_two_perpetuals_of_one_pair_are_told_apart_by_what_they_settle_in():
    one = SPOT | {"symbol": "BTC/USD:BTC", "quote": "USD", "type": "swap", "settle": "BTC"}
    other = one | {"symbol": "BTC/USD:USDC", "settle": "USDC"}
    assert [item.symbol for item in made(one, other)] == ["BTC-USD-PERP", "BTC-USD-PERP-USDC"]


def test_what_is_neither_spot_nor_a_derivative_is_left_out():
    assert made(SPOT | {"type": "index"}, SPOT | {"base": None}) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"precision": {"price": -1, "amount": 1}}, "above 0"),
        ({"precision": {"price": float("nan"), "amount": 1}}, "expected a number"),
        ({"precision": {"price": "x", "amount": 1}}, "expected a number"),
        ({"type": "future"}, "expires"),
    ],
)
def test_a_market_that_cannot_be_is_refused(change, words):
    with pytest.raises(DataError, match=words):
        made(SPOT | change)


def test_a_market_of_the_tape_reads_the_same():
    market = trimmed(SPOT, TICK_SIZE)
    assert isinstance(market, Market)
    assert make_instruments([market], VENUE) == made(SPOT)
