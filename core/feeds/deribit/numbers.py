"""Deribit writes prices and amounts as JSON numbers; this turns them into exact values."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from core.feeds.steps import Steps
from core.model.errors import DataError

_DIGITS: Final = 15
"""Significant digits of which any two different decimals are different doubles."""

_MEMO: Final = 8192


class NumberSteps(dict[float, int]):
    """Number to whole steps: ``steps[61837.5]`` is 123675 with a step of 0.5.

    A double of at most 15 significant digits stands for one decimal only, so going by way of its
    shortest text is exact. It fills itself as `Steps` does, and starts over when full.
    """

    __slots__ = ("_steps",)

    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self._steps = steps

    def __missing__(self, value: float) -> int:
        text = repr(value)
        digits = text.partition("e")[0].replace(".", "").strip("0")
        if len(digits) > _DIGITS:
            raise DataError(f"number must have at most {_DIGITS} digits to be exact, was {text}")
        count = self._steps[text]
        if len(self) >= _MEMO:
            self.clear()
        self[value] = count
        return count


_HUGE: Final = 1e18


def decimal_of(value: float) -> Decimal:
    """Return a number as the venue wrote it: the shortest text of a double is that text.

    Raises:
        DataError: It is endless or absurd.
    """
    if not abs(value) < _HUGE:
        raise DataError(f"number must be finite and of this world, was {value}")
    return Decimal(repr(value))


def refuse_endless(*values: Decimal | None) -> None:
    """Refuse what is a number in name only.

    Raises:
        DataError: A value is infinite or none.
    """
    for value in values:
        if value is not None and not value.is_finite():
            raise DataError(f"number must be finite, was {value}")


def nearest_lots(amount: float, lot: Decimal) -> int:
    """Return a candle's volume in the nearest whole lots.

    Raises:
        DataError: It is below 0 or absurd.
    """
    if not 0 <= amount < 1e15:
        raise DataError(f"volume must be 0 or more, was {amount}")
    return int((Decimal(repr(amount)) / lot).to_integral_value())
