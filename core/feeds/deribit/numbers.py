"""Deribit writes prices and amounts as JSON numbers; this turns them into whole steps, exactly."""

from __future__ import annotations

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
