"""What the scanner reads of OKX's frames; `frames` has samples of them."""

from __future__ import annotations

from typing import Final

from core.feeds.forms import (
    PRICE,
    SIDE,
    SIGNED,
    SIZE,
    SYMBOL,
    TEXT,
    TIME,
    VALUE,
    WHOLE,
    WORD,
    Form,
    Part,
)

BOOKS: Final = ("books", "books-l2-tbt", "books50-l2-tbt", "books5")
"""Book channels, deepest first; the last sends images only."""

BOOK, TRADE, BEST, TICKER = range(4)
FORMS: Final = (
    Form(
        (b'{"arg":{"channel":"books',),
        (
            Part("instId", SYMBOL), Part("asks", SIDE), Part("bids", SIDE), Part("ts", TIME),
            Part("seqId", WHOLE, 0), Part("prevSeqId", SIGNED, -1), Part("checksum", SIGNED, 0),
            Part("action", WORD, words=("update", "snapshot")),
            Part("channel", WORD, words=BOOKS[:3]),
        ),
        plain=True,
    ),
    Form(
        (b'{"arg":{"channel":"trades',),
        (
            Part("instId", SYMBOL), Part("ts", TIME), Part("tradeId", WHOLE), Part("px", PRICE),
            Part("sz", SIZE), Part("side", WORD, words=("buy", "sell")),
            Part("channel", WORD, words=("trades", "trades-all")), Part("count", WHOLE, 1),
        ),
    ),
    Form(
        (b'{"arg":{"channel":"bbo',),
        (
            Part("instId", SYMBOL), Part("asks", SIDE), Part("bids", SIDE), Part("ts", TIME),
            Part("seqId", WHOLE, 0), Part("channel", WORD, words=("bbo-tbt",)),
        ),
    ),
    Form(
        (b'{"arg":{"channel":"ticker',),
        (
            Part("instId", SYMBOL), Part("instType", TEXT), Part("ts", TIME),
            Part("bidPx", PRICE), Part("bidSz", SIZE), Part("askPx", PRICE), Part("askSz", SIZE),
            Part("channel", WORD, words=("tickers",)),
            *(
                Part(name, VALUE)
                for name in ("last", "open24h", "high24h", "low24h", "vol24h", "volCcy24h")
            ),
        ),
    ),
)  # fmt: skip
