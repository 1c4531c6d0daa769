from __future__ import annotations

from decimal import Decimal

import pytest

from core.feeds.binance.symbols import parse_exchange_info
from core.model.errors import DataError
from core.model.ids import VenueName

VENUE = VenueName("binance")
BODY = b"""{"timezone":"UTC","symbols":[{"symbol":"ETHBTC","status":"%s","baseAsset":"ETH",
 "quoteAsset":"BTC","quotePrecision":8,"baseAssetPrecision":8,"isSpotTradingAllowed":true,"filters":[
 {"filterType":"PRICE_FILTER","minPrice":"0.00000100","maxPrice":"922327.00000000","tickSize":"%s"},
 {"filterType":"LOT_SIZE","minQty":"0.00010000","maxQty":"100000.00000000","stepSize":"10.00000000"},
 {"filterType":"NOTIONAL","minNotional":"0.00010000"},{"filterType":"NEW_ONE"}]}]}"""


def test_listing_becomes_an_instrument_with_plain_steps() -> None:
    (item,) = parse_exchange_info(BODY % (b"TRADING", b"0.00000100"), VENUE)
    assert item.id == "ETH-BTC.binance"
    assert (item.venue_symbol, item.base, item.quote) == ("ETHBTC", "ETH", "BTC")
    assert (str(item.price_tick), str(item.size_lot)) == ("0.000001", "10")
    assert (item.min_size, item.max_size) == (Decimal("0.0001"), Decimal(100_000))
    assert (item.min_notional, item.min_price) == (Decimal("0.0001"), Decimal("0.000001"))
    assert item.trading


def test_halted_symbol_is_listed_but_not_trading() -> None:
    (item,) = parse_exchange_info(BODY % (b"BREAK", b"0.00000100"), VENUE)
    assert not item.trading


def test_switched_off_tick_filter_falls_back_to_the_quote_precision() -> None:
    (item,) = parse_exchange_info(BODY % (b"TRADING", b"0.00000000"), VENUE)
    assert item.price_tick == Decimal("0.00000001")


@pytest.mark.parametrize("tick", [b"-1", b"abc", b"NaN"])
def test_impossible_tick_is_an_error_that_names_it(tick: bytes) -> None:
    with pytest.raises(
        DataError, match=r"binance ETHBTC: tickSize must be .* was '" + tick.decode()
    ):
        parse_exchange_info(BODY % (b"TRADING", tick), VENUE)


def test_body_that_is_no_listing_is_an_error() -> None:
    with pytest.raises(DataError, match="exchangeInfo of binance"):
        parse_exchange_info(b'{"symbols":[{}]}', VENUE)
