from __future__ import annotations

from decimal import Decimal

import pytest

from core.feeds.binance.symbols import parse_exchange_info
from core.model.errors import DataError
from core.model.ids import VenueName
from core.model.instruments import PriceBand

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


@pytest.mark.parametrize(
    ("rule", "band"),
    [
        (
            b'{"filterType":"PERCENT_PRICE_BY_SIDE","bidMultiplierUp":"5","bidMultiplierDown":"0.2",'
            b'"askMultiplierUp":"4","askMultiplierDown":"0.25","avgPriceMins":5}',
            ("0.2", "5", "0.25", "4"),
        ),
        (
            b'{"filterType":"PERCENT_PRICE","multiplierUp":"1.3000","multiplierDown":"0.7000",'
            b'"avgPriceMins":5}',
            ("0.7", "1.3", "0.7", "1.3"),
        ),
    ],
)
def test_how_far_a_price_may_be_and_how_large_an_order_at_market(
    rule: bytes, band: tuple[str, ...]
) -> None:
    more = b'{"filterType":"MARKET_LOT_SIZE","minQty":"0","maxQty":"121.50000000"},%s' % rule
    body = BODY.replace(b'{"filterType":"NEW_ONE"}', more) % (b"TRADING", b"0.00000100")
    (item,) = parse_exchange_info(body, VENUE)
    low, high, least, most = map(Decimal, band)
    assert item.price_band == PriceBand(buy_low=low, buy_high=high, sell_low=least, sell_high=most)
    assert item.max_market_size == Decimal("121.5")
