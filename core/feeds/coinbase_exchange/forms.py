"""What the scanner reads of Coinbase Exchange's messages; `frames` has samples of them."""

from __future__ import annotations

from typing import Final

from core.feeds.forms import CHANGES, PRICE, SIZE, STAMP, SYMBOL, WHOLE, WORD, Form, Part

UPDATE, MATCH = range(2)
FORMS: Final = (
    Form(
        (b'{"type":"l2update",',),
        (Part("product_id", SYMBOL), Part("changes", CHANGES), Part("time", STAMP)),
    ),
    Form(
        (b'{"type":"match",',),
        (
            Part("product_id", SYMBOL), Part("time", STAMP), Part("trade_id", WHOLE),
            Part("price", PRICE), Part("size", SIZE), Part("side", WORD, words=("buy", "sell")),
        ),
    ),
)  # fmt: skip
