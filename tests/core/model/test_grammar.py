from decimal import Decimal

import pytest

from core.model.errors import ConfigError
from core.model.grammar import OrderLine, parse_order
from core.model.ids import InstrumentId
from core.model.market import Side
from core.model.orders import OrderType, TimeInForce

BTC = InstrumentId("BTC-USDT.binance")


def resolve(word: str) -> InstrumentId | None:
    return BTC if word.upper() in {"BTC-USDT", BTC.upper()} else None


def order(line: str, focus: InstrumentId | None = None) -> OrderLine:
    return parse_order(line.split(), resolve, focus=focus, known=[BTC])


def test_a_full_line_is_understood() -> None:
    line = order("b 0.5 btc-usdt @64250 post gtc")
    assert (line.side, line.size, line.instrument) == (Side.BUY, Decimal("0.5"), BTC)
    assert (line.price, line.post_only) == (Decimal(64250), True)
    assert (line.type, line.time_in_force) == (OrderType.LIMIT, TimeInForce.GTC)


def test_words_may_come_in_any_order() -> None:
    assert order("sell 2 fok @7 BTC-USDT reduce") == order("s 2 BTC-USDT reduce @7 fok")


def test_the_instrument_in_focus_is_meant_when_none_is_named() -> None:
    assert order("s 2 market", focus=BTC).instrument == BTC


def test_a_line_without_price_is_a_market_order() -> None:
    assert order("sell 2 BTC-USDT.binance ioc").type is OrderType.MARKET


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "side must be buy or sell"),
        ("hold 1 BTC-USDT", "'hold'"),
        ("buy", "buy what"),
        ("buy 0.5", "no instrument"),
        ("buy one BTC-USDT", "size must be a number such as 64250.5, was 'one'"),
        ("buy -1 BTC-USDT", "size must be a number"),
        ("buy 0 BTC-USDT", "size must be above 0"),
        ("buy nan BTC-USDT", "size must be a number"),
        ("buy 1 BTC-USDT @", "price is empty"),
        ("buy 1 BTC-USDT @64,250", "without commas"),
        ("buy 1 BTC-USDT 64250", "write a price as @64250"),
        ("buy 1 BTC-USDT @1 @2", "price is given twice"),
        ("buy 1 BTC-USDT @1 market", "price is given twice"),
        ("buy 1 BTC-USDT @1 pots", "did you mean 'post'"),
        ("buy 1 BTC-UST @1", "did you mean 'BTC-USDT'"),
        ("buy 1 BTC-USDT ioc fok", "time in force is given twice"),
        ("buy 1 BTC-USDT market post", "cannot be post-only"),
    ],
)
def test_what_is_not_understood_is_an_error_and_never_a_default(line: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        order(line)
