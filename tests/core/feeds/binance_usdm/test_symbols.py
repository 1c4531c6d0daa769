from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from core.feeds.binance_usdm.decoder import BINANCE_USDM
from core.feeds.binance_usdm.symbols import parse_exchange_info
from core.model.errors import DataError
from core.model.instruments import Instrument, InstrumentKind, PriceBand


def listed(**changes: Any) -> Instrument:
    entry = {
        "symbol": "BTCUSDT", "pair": "BTCUSDT", "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000, "onboardDate": 1569398400000, "status": "TRADING",
        "baseAsset": "BTC", "quoteAsset": "USDT", "marginAsset": "USDT",
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "556.80", "maxPrice": "4529764",
             "tickSize": "0.10"},
            {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
            {"filterType": "MIN_NOTIONAL", "notional": "100"},
        ],
    }  # fmt: skip
    body = json.dumps({"symbols": [entry | changes]}).encode()
    (item,) = parse_exchange_info(body, BINANCE_USDM)
    return item


def test_perpetual_is_listed_with_its_steps_and_limits() -> None:
    item = listed()
    assert (item.id, item.kind) == ("BTC-USDT-PERP.binance_usdm", InstrumentKind.PERPETUAL)
    assert (item.price_tick, item.size_lot) == (Decimal("0.1"), Decimal("0.001"))
    assert (item.min_notional, item.max_size) == (Decimal(100), Decimal(1000))
    assert (item.settle, item.contract_size, item.inverse) == ("USDT", 1, False)
    assert item.expiry_ns == 0
    assert datetime.fromtimestamp(item.listed_ns / 1e9, UTC).year == 2019
    assert item.trading


def test_bounds_of_prices_and_of_orders_at_market_are_kept() -> None:
    rules = [
        {"filterType": "MARKET_LOT_SIZE", "minQty": "0.001", "maxQty": "120", "stepSize": "0.001"},
        {"filterType": "PERCENT_PRICE", "multiplierUp": "1.0500", "multiplierDown": "0.9500"},
    ]
    item = listed(filters=rules)
    assert item.max_market_size == 120
    assert item.price_band == PriceBand(buy_high=Decimal("1.05"), sell_low=Decimal("0.95"))
    assert listed().price_band is None


def test_dated_contract_is_named_by_its_delivery() -> None:
    item = listed(
        symbol="BTCUSDT_210625", contractType="CURRENT_QUARTER", deliveryDate=1624608000000
    )
    assert (item.id, item.kind) == ("BTC-USDT-20210625.binance_usdm", InstrumentKind.FUTURE)
    assert item.expiry_ns == 1_624_608_000_000_000_000


@pytest.mark.parametrize("status", ["PENDING_TRADING", "SETTLING", "CLOSE", "BREAK"])
def test_contract_that_does_not_trade_is_listed_so(status: str) -> None:
    assert not listed(status=status).trading


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"symbol": "BTCUSDT_210625", "deliveryDate": 0}, "deliveryDate must be a time"),
        ({"symbol": "BTCUSDT_NEXT", "deliveryDate": 1624608000000}, "PAIR_YYMMDD"),
        ({"onboardDate": -5}, "onboardDate must be a time"),
        ({"filters": [{"filterType": "LOT_SIZE", "stepSize": "x"}]}, "stepSize must be a decimal"),
    ],
)
def test_listing_that_makes_no_sense_is_refused_in_words(
    changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        listed(**changes)
