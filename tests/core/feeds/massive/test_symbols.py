from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from core.feeds.massive.symbols import parse_tickers, read_page, split_results
from core.model.errors import DataError
from core.model.ids import VenueName
from core.model.instruments import InstrumentKind

MASSIVE = VenueName("massive")


def test_stock_prints_in_fractions_of_a_cent_and_of_a_share(listed):
    apple = listed["AAPL"]
    assert (apple.id, apple.kind) == ("AAPL-USD.massive", InstrumentKind.STOCK)
    assert (apple.price_tick, apple.size_lot) == (Decimal("0.0001"), Decimal("0.000001"))
    assert (apple.trading, listed["MSFT"].trading) == (True, False)


def test_a_coin_is_known_by_its_ticker_and_by_the_name_of_the_stream(listed):
    coin = listed["X:BTCUSD"]
    assert (coin.id, coin.aliases) == ("BTC-USD.massive", ("BTC-USD",))


def test_a_fund_named_like_a_coin_yields_its_name(listed):
    assert listed["BTC"].id == "BTC-USD-STOCK.massive"


def test_what_is_neither_stock_nor_coin_is_not_listed(listed):
    assert len(listed) == 4


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html>", "malformed"),
        (b'{"status":"NOT_AUTHORIZED","message":"You are not entitled"}', "not entitled"),
        (b'{"status":"ERROR","error":"Unknown API Key"}', "Unknown API Key"),
        (b'{"status":"OK","results":{}}', "Expected `array`"),
    ],
)
def test_a_page_that_is_none_says_what_is_wrong(body, words):
    with pytest.raises(DataError, match=words):
        split_results([body], "tickers")


def test_a_coin_without_names_of_its_parts_is_refused():
    with pytest.raises(DataError, match="base_currency_symbol"):
        parse_tickers([msgspec.Raw(b'{"ticker":"X:AB","market":"crypto"}')], MASSIVE)


def test_delayed_data_is_data():
    assert read_page(b'{"status":"DELAYED"}', "bars").next_url is None
