"""What the scanner reads of KuCoin's frames; `frames` has samples of them."""

from __future__ import annotations

from typing import Final

from core.feeds.forms import PRICE, SIDE, SIZE, SYMBOL, TIME, WHOLE, Form, Part

BOOK, TICKER = range(2)
FORMS: Final = (
    Form(
        (
            b'{"topic":"/market/level2:', b'{"type":"message","topic":"/market/level2:',
            b'{"data":{"sequenceStart":',
        ),
        (
            Part("symbol", SYMBOL), Part("bids", SIDE), Part("asks", SIDE),
            Part("sequenceStart", WHOLE), Part("sequenceEnd", WHOLE), Part("time", TIME, 0),
        ),
        drop_zero=True,
    ),
    Form(
        (
            b'{"topic":"/market/ticker:', b'{"type":"message","topic":"/market/ticker:',
            b'{"data":{"sequence":',
        ),
        (
            Part("topic", SYMBOL, words=("/market/ticker",)), Part("time", TIME),
            Part("bestBid", PRICE), Part("bestBidSize", SIZE),
            Part("bestAsk", PRICE), Part("bestAskSize", SIZE), Part("sequence", WHOLE),
        ),
        behind=":",
    ),
)  # fmt: skip
