from decimal import Decimal

import pytest

from core.model.errors import ConfigError
from core.model.grammar import parse_order
from core.model.market import Side
from core.model.orders import OrderType, TimeInForce


def test_a_full_line_is_understood() -> None:
    line = parse_order("b 0.5 btc-usdt @64,250 post gtc")
    assert (line.side, line.size, line.instrument) == (Side.BUY, Decimal("0.5"), "BTC-USDT")
    assert (line.price, line.post_only) == (Decimal(64250), True)
    assert (line.type, line.time_in_force) == (OrderType.LIMIT, TimeInForce.GTC)


def test_a_line_without_price_is_a_market_order() -> None:
    assert parse_order("sell 2 ETH-USDT.binance ioc").type is OrderType.MARKET


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("buy 0.5", "needs side, size and instrument"),
        ("hold 1 BTC-USDT", "'hold'"),
        ("buy one BTC-USDT", "size must be a number, was 'one'"),
        ("buy -1 BTC-USDT", "size must be > 0"),
        ("buy nan BTC-USDT", "size must be > 0"),
        ("buy 1 BTC-USDT @", "price must be a number"),
        ("buy 1 BTC-USDT @1 @2", "second price"),
        ("buy 1 BTC-USDT @1 pots", "did you mean 'post'"),
        ("buy 1 BTC-USDT ioc fok", "one of gtc, ioc, fok"),
        ("buy 1 BTC-USDT post", "post needs a price"),
        ("", "needs side"),
    ],
)
def test_what_is_not_understood_is_an_error_and_never_a_default(line: str, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        parse_order(line)
