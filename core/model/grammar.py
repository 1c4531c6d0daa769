"""The order line people type, the same in the shell and in the terminal.

::

    b|buy|s|sell  SIZE  [INSTRUMENT]  [@PRICE | market]  [post] [reduce] [gtc|ioc|fok]

Nothing is guessed: a word that cannot be read is an error naming it, never a default.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from core.model.errors import ConfigError, did_you_mean
from core.model.ids import InstrumentId
from core.model.market import Side
from core.model.orders import OrderType, TimeInForce

SIDES: Final = {"b": Side.BUY, "buy": Side.BUY, "s": Side.SELL, "sell": Side.SELL}
WORDS: Final = ("market", "limit", "gtc", "ioc", "fok", "post", "reduce")
_NUMBER: Final = re.compile(r"^(\d+(\.\d*)?|\.\d+)$")


class OrderLine(msgspec.Struct, frozen=True, kw_only=True):
    """An order as typed."""

    side: Side
    size: Decimal
    instrument: InstrumentId
    price: Decimal | None = None
    """None: a market order when `market`, else still to be said."""
    market: bool = False
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    reduce_only: bool = False

    @property
    def type(self) -> OrderType:
        """Limit with a price, market without."""
        return OrderType.MARKET if self.price is None else OrderType.LIMIT


def parse_order(
    words: Sequence[str],
    resolve: Callable[[str], InstrumentId | None],
    *,
    focus: InstrumentId | None = None,
    known: Collection[InstrumentId] = (),
) -> OrderLine:
    """Parse an order line's words.

    Args:
        words: The line split at blanks, the side first.
        resolve: Returns the instrument a word names, None when it names none.
        focus: The instrument meant when none is named.
        known: Instruments whose symbols are suggested for a word that cannot be read.

    Raises:
        ConfigError: A word is missing or not understood; names the word and what was expected.
    """
    side = SIDES.get(words[0].lower()) if words else None
    if side is None:
        raise ConfigError(f"side must be buy or sell, was {words[0] if words else ''!r}")
    if len(words) < 2:
        raise ConfigError(f"{side.value} what? such as: {side.value} 0.5 BTC-USDT @64250 post gtc")
    size = parse_number(words[1], "size")
    instrument, price = focus, None
    seen: dict[str, str] = {}
    for word in words[2:]:
        low = word.lower()
        kind = _kind(low)
        if kind == "instrument":
            instrument = resolve(word)
            if instrument is None:
                raise ConfigError(_unreadable(word, known))
        elif word.startswith("@"):
            price = parse_number(word[1:], "price")
        if kind in seen:
            raise ConfigError(f"{word!r}: {kind} is given twice")
        seen[kind] = low
    market = seen.get("price") == "market" or seen.get("price") == "mkt"
    if instrument is None:
        raise ConfigError("no instrument; name one, such as BTC-USDT")
    if "post" in seen and market:
        raise ConfigError("a market order cannot be post-only; drop 'post' or give a price")
    return OrderLine(
        side=side,
        size=size,
        instrument=instrument,
        price=price,
        market=market,
        time_in_force=TimeInForce(seen.get("time in force", "gtc")),
        post_only="post" in seen,
        reduce_only="reduce" in seen,
    )


def parse_number(text: str, what: str) -> Decimal:
    """Read a positive plain decimal number such as 64250.5.

    Raises:
        ConfigError: It is anything else; commas are refused, for they mean different things.
    """
    word = text.strip()
    if not word:
        raise ConfigError(f"{what} is empty; write a number such as 64250.5")
    if not _NUMBER.match(word):
        hint = "; write it without commas" if "," in word else ""
        raise ConfigError(f"{what} must be a number such as 64250.5, was {word!r}{hint}")
    value = Decimal(word)
    if value <= 0:
        raise ConfigError(f"{what} must be above 0, was {word!r}")
    return value


def _kind(word: str) -> str:
    if word.startswith("@") or word in {"market", "mkt"}:
        return "price"
    if word in {"gtc", "ioc", "fok"}:
        return "time in force"
    if word in {"post", "reduce"}:
        return word
    return "type" if word == "limit" else "instrument"


def _unreadable(word: str, known: Collection[InstrumentId]) -> str:
    if _NUMBER.match(word):
        return f"{word!r}: write a price as @{word}"
    choices = [*WORDS, *(name.rpartition(".")[0] for name in known)]
    return f"{word!r} is no instrument, price or order word{did_you_mean(word, choices)}"
