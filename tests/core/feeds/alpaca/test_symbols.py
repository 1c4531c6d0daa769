from __future__ import annotations

import json
from decimal import Decimal

import pytest

from core.feeds.alpaca.symbols import parse_assets
from core.model.errors import DataError
from core.model.ids import VenueName
from core.model.instruments import InstrumentKind

ALPACA = VenueName("alpaca")


def test_stock_prints_in_fractions_of_a_cent_and_of_a_share(listed):
    apple = listed["AAPL"]
    assert (apple.id, apple.kind) == ("AAPL-USD.alpaca", InstrumentKind.STOCK)
    assert (apple.price_tick, apple.size_lot) == (Decimal("0.0001"), Decimal("0.000001"))
    assert apple.trading


def test_pair_states_its_smallest_order_and_prints_finer_than_its_increments(listed):
    coin = listed["BTC/USD"]
    assert (coin.id, coin.kind) == ("BTC-USD.alpaca", InstrumentKind.SPOT)
    assert (coin.price_tick, coin.min_size) == (Decimal("1E-9"), Decimal("0.000026"))
    assert coin.aliases == ("BTCUSD",)


def test_a_fund_named_like_a_coin_yields_its_name(listed):
    assert listed["BTC"].id == "BTC-USD-STOCK.alpaca"


def test_a_ticker_with_a_point_and_a_halted_one(listed):
    assert listed["BRK.B"].id == "BRK.B-USD.alpaca"
    assert not listed["BRK.B"].trading


def test_options_are_not_listed(listed):
    assert len(listed) == 4


def test_a_pair_spelt_without_a_stroke_is_understood():
    asset = {"class": "crypto", "symbol": "ETHUSDT", "status": "active", "tradable": True}
    ((coin, _),) = parse_assets([json.dumps([asset]).encode()], ALPACA)
    assert (coin.id, coin.venue_symbol) == ("ETH-USDT.alpaca", "ETH/USDT")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html>", "assets of alpaca"),
        (b'{"code":40010001}', "assets of alpaca"),
        (b'[{"class":"crypto","symbol":"WHAT"}]', "BASE/QUOTE"),
        (b'[{"class":"crypto","symbol":"A/B","price_increment":"NaN"}]', "0 or more"),
        (b'[{"class":"crypto","symbol":"A/B","min_order_size":"x"}]', "must be a decimal"),
    ],
)
def test_a_listing_that_is_none_says_what_is_wrong(body, words):
    with pytest.raises(DataError, match=words):
        parse_assets([body], ALPACA)
