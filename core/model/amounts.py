"""How much, as people say it: a quantity, a sum, a part of the equity, or what may be lost.

::

    0.5      half a unit of the base, or of contracts
    $1000    as much as costs 1000 of the quote; 1000$ spares a shell its quoting
    10%      as much as costs a tenth of the equity
    r1%      as much as loses a hundredth of the equity at the stop, fees not counted
"""

from __future__ import annotations

import re
from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec

from core.model.errors import ConfigError

_NUMBER: Final = re.compile(r"^(\d+(\.\d*)?|\.\d+)$")
_AMOUNT: Final = re.compile(r"^(?P<before>r|\$)?(?P<number>[\d.]+)(?P<after>%|\$)?$")
_WHOLE: Final = Decimal(100)


class Unit(StrEnum):
    """What an amount counts."""

    QUANTITY = "quantity"
    NOTIONAL = "notional"
    EQUITY = "equity"
    RISK = "risk"


_SIGNS: Final = {
    Unit.QUANTITY: ("", ""),
    Unit.NOTIONAL: ("$", ""),
    Unit.EQUITY: ("", "%"),
    Unit.RISK: ("r", "%"),
}
_UNITS: Final = {signs: unit for unit, signs in _SIGNS.items()} | {("", "$"): Unit.NOTIONAL}


class Amount(msgspec.Struct, frozen=True, kw_only=True):
    """A size as said; only the engine knows what a part of the equity comes to."""

    value: Decimal
    unit: Unit = Unit.QUANTITY

    @property
    def text(self) -> str:
        """How it is written; `parse_amount` reads the same from it."""
        before, after = _SIGNS[self.unit]
        return f"{before}{self.value:f}{after}"


def parse_amount(text: str, what: str = "size") -> Amount:
    """Read an amount such as 0.5, $1000, 10% or r1%.

    Raises:
        ConfigError: It is anything else, not above 0, or more than 100 %.
    """
    word = text.strip()
    found = _AMOUNT.match(word.lower())
    unit = None
    if found is not None:
        unit = _UNITS.get((found["before"] or "", found["after"] or ""))
    if found is None or unit is None:
        if not {"$", "%"} & set(word):
            parse_number(word, what)
        raise ConfigError(f"{what} must be such as 0.5, $1000, 10% or r1%, was {word!r}")
    value = parse_number(found["number"], what)
    if unit in (Unit.EQUITY, Unit.RISK) and value > _WHOLE:
        raise ConfigError(f"{what} must be at most 100% of the equity, was {word!r}")
    return Amount(value=value, unit=unit)


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
