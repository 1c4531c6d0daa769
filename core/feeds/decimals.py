"""Values finer than ticks, such as rates and mark prices: a venue's text to an exact Decimal."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from core.model.errors import DataError

_NUMBER: Final = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,2})?\Z", re.ASCII)
_MEMO: Final = 4096


class Decimals(dict[str, Decimal | None]):
    """Text to value: ``decimals["0.0001"]``; an empty text is None, for venues write so "unsaid".

    A dict that fills itself, for most statistics stay the same from message to message. It starts
    over when it is full.
    """

    __slots__ = ("_what",)

    def __init__(self, what: str) -> None:
        """Take what the values are, for messages."""
        super().__init__()
        self._what = what

    def __missing__(self, text: str) -> Decimal | None:
        if not text:
            return None
        if not _NUMBER.match(text):
            raise DataError(f"{self._what} must be a decimal number, was {text[:40]!r}")
        value = Decimal(text)
        if len(self) >= _MEMO:
            self.clear()
        self[text] = value
        return value

    def stated(self, text: str, name: str) -> Decimal:
        """Return a value that must be there.

        Raises:
            DataError: It is empty or no plain number.
        """
        value = self[text]
        if value is None:
            raise DataError(f"{self._what} {name} must be a decimal number, was empty")
        return value


def fraction(text: str) -> float:
    """Return a number a model may use, nan where the venue states none.

    Raises:
        DataError: It is neither empty nor a plain number.
    """
    if not text:
        return float("nan")
    if not _NUMBER.match(text):
        raise DataError(f"value must be a decimal number, was {text[:40]!r}")
    return float(text)
