"""What the scanner reads of Bybit's frames; `frames` has samples of them."""

from __future__ import annotations

from typing import Final

from core.feeds.forms import (
    IDENT,
    PRICE,
    SIDE,
    SIZE,
    SYMBOL,
    TEXT,
    TIME,
    TRUTH,
    VALUE,
    WHOLE,
    WORD,
    Form,
    Part,
)

BEST_BOOK, BOOK, TICKER, CANDLE, TRADES = range(5)

STATED: Final = (
    "lastPrice", "prevPrice24h", "highPrice24h", "lowPrice24h", "volume24h", "turnover24h",
    "markPrice", "indexPrice", "fundingRate", "openInterest", "openInterestValue",
)  # fmt: skip
LAST, OPENED, HIGH, LOW, VOLUME, TURNOVER, MARK, INDEX, RATE, INTEREST, WORTH = range(len(STATED))
"""What a ticker tells of a derivative and no other topic does, or does later."""

FORMS: Final = (
    Form(
        (b'{"topic":"orderbook.1.',),
        (
            Part("s", SYMBOL), Part("b", SIDE), Part("a", SIDE),
            Part("type", WORD, words=("delta", "snapshot")), Part("ts", TIME),
            Part("cts", TIME, 0), Part("seq", WHOLE, 0),
        ),
    ),
    Form(
        (b'{"topic":"orderbook.',),
        (
            Part("s", SYMBOL), Part("b", SIDE), Part("a", SIDE),
            Part("type", WORD, words=("delta", "snapshot")), Part("ts", TIME),
            Part("cts", TIME, 0), Part("u", WHOLE), Part("seq", WHOLE, 0), Part("topic", TEXT),
        ),
    ),
    Form(
        (b'{"topic":"tickers.',),
        (
            Part("symbol", SYMBOL), Part("type", WORD, words=("delta",)), Part("ts", TIME),
            Part("nextFundingTime", TIME, -1), *(Part(name, VALUE, 0) for name in STATED),
        ),
    ),
    Form(
        (b'{"topic":"kline.',),
        (
            Part("topic", SYMBOL), Part("interval", TEXT), Part("start", TIME),
            Part("open", PRICE), Part("high", PRICE), Part("low", PRICE), Part("close", PRICE),
            Part("volume", SIZE), Part("confirm", TRUTH),
        ),
        behind=".",
    ),
    Form(
        (b'{"topic":"publicTrade.',),
        (
            Part("topic", SYMBOL), Part("s", SYMBOL), Part("T", TIME), Part("p", PRICE),
            Part("v", SIZE), Part("S", WORD, words=("Buy", "Sell")), Part("i", IDENT),
        ),
        behind=".",
        rows=True,
    ),
)  # fmt: skip
