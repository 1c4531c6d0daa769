"""The order line people type, the same on the command line and in the terminal.

::

    buy|b|sell|s  SIZE  INSTRUMENT  [@PRICE]  [post] [reduce] [gtc|ioc|fok]

A missing price means a market order; any word that is not understood is an error, never a default.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Final

import msgspec

from core.model.errors import ConfigError, did_you_mean
from core.model.market import Side
from core.model.orders import OrderType, TimeInForce

SHAPE: Final = "buy|sell SIZE INSTRUMENT [@PRICE] [post] [reduce] [gtc|ioc|fok]"

_SIDES: Final = {"b": Side.BUY, "buy": Side.BUY, "s": Side.SELL, "sell": Side.SELL}
_FLAGS: Final = ("post", "reduce", *(item.value for item in TimeInForce))


class OrderLine(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed order line; the instrument is as typed, in capitals."""

    side: Side
    size: Decimal
    instrument: str
    price: Decimal | None
    post_only: bool = False
    reduce_only: bool = False
    time_in_force: TimeInForce = TimeInForce.GTC

    @property
    def type(self) -> OrderType:
        """Limit with a price, market without."""
        return OrderType.MARKET if self.price is None else OrderType.LIMIT


def parse_order(line: str) -> OrderLine:
    """Parse an order line.

    Raises:
        ConfigError: A word is missing or not understood; names the word and what was expected.
    """
    words = line.split()
    if len(words) < 3:
        raise ConfigError(f"an order needs side, size and instrument ({SHAPE}), was {line!r}")
    side = _SIDES.get(words[0].lower())
    if side is None:
        raise ConfigError(f"side must be buy or sell, was {words[0]!r}")
    price: Decimal | None = None
    flags: set[str] = set()
    for word in words[3:]:
        if word.startswith("@"):
            if price is not None:
                raise ConfigError(f"a second price {word!r}; an order has one")
            price = parse_number(word[1:], "price")
        elif word.lower() in _FLAGS:
            flags.add(word.lower())
        else:
            raise ConfigError(f"cannot read {word!r} in an order{did_you_mean(word, _FLAGS)}")
    lifetimes = [item for item in TimeInForce if item.value in flags]
    if len(lifetimes) > 1:
        raise ConfigError("an order has one of gtc, ioc, fok")
    if "post" in flags and price is None:
        raise ConfigError("post needs a price: @PRICE")
    return OrderLine(
        side=side,
        size=parse_number(words[1], "size"),
        instrument=words[2].upper() if "." not in words[2] else words[2],
        price=price,
        post_only="post" in flags,
        reduce_only="reduce" in flags,
        time_in_force=lifetimes[0] if lifetimes else TimeInForce.GTC,
    )


def parse_number(text: str, what: str) -> Decimal:
    """Parse a positive decimal; thousands commas are allowed.

    Raises:
        ConfigError: It is not a positive finite number.
    """
    try:
        value = Decimal(text.replace(",", ""))
    except InvalidOperation:
        raise ConfigError(f"{what} must be a number, was {text!r}") from None
    if not value.is_finite() or value <= 0:
        raise ConfigError(f"{what} must be > 0, was {text!r}")
    return value
