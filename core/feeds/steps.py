"""Exact conversion of the venue's decimal texts into whole ticks and lots."""

from __future__ import annotations

import re
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Final

from core.model.errors import DataError
from core.model.instruments import decimals_of

_NUMBER: Final = re.compile(r"[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,2})?\Z", re.ASCII)
_EXACT: Final = Context(prec=200, traps=[Inexact, InvalidOperation])
_MEMO: Final = 8192
_LARGEST: Final = (1 << 63) - 1


class OffStep(DataError):
    """A value is finer than the listing's step, such as an order older than the step.

    Attributes:
        symbol: The venue's symbol.
        what: ``price`` or ``size``.
        decimals: Decimal places the value needs.
    """

    def __init__(self, message: str, symbol: str, what: str, decimals: int) -> None:
        super().__init__(message)
        self.symbol = symbol
        self.what = what
        self.decimals = decimals

    def note(self, off_step: dict[str, tuple[int, int]]) -> None:
        """Raise the symbol's needed (price, size) decimals to hold this value."""
        price, size = off_step.get(self.symbol, (0, 0))
        if self.what == "price":
            price = max(price, self.decimals)
        else:
            size = max(size, self.decimals)
        off_step[self.symbol] = (price, size)


class Steps(dict[str, int]):
    """Text to whole steps: ``steps["61837.64000000"]`` is 6183764 with a step of 0.01.

    A dict that fills itself, because near the touch the same few thousand texts come again and
    again, and a lookup is five times quicker than a conversion. It starts over when it is full.
    """

    __slots__ = ("_eighths", "_kind", "_step", "_symbol", "_what", "rounded", "rounding")

    def __init__(self, step: Decimal, what: str, symbol: str) -> None:
        """Take the step, and for messages what the values are and of which symbol."""
        super().__init__()
        self._step = step
        self._symbol = symbol
        self._kind = what
        self._what = f"{symbol} {what}"
        eighths = step.scaleb(8)
        self._eighths = int(eighths) if eighths == eighths.to_integral_value() else 0
        self.rounding = False
        """Whether what is finer than a step becomes the nearest, at least 1; or an `OffStep`."""
        self.rounded = 0
        """Texts that did, each counted once while it is remembered."""

    def nearest(self, text: str) -> int:
        """Return a size in whole steps, at least 1 unless it is 0: what rests never vanishes.

        For live books whose oldest orders are finer than the present step.

        Raises:
            DataError: It is no plain number, or beyond 64 bits.
        """
        try:
            return self[text]
        except OffStep:
            return self._round(text)

    def __missing__(self, text: str) -> int:
        try:
            count = self._count(text)
        except OffStep:
            if not self.rounding:
                raise
            self.rounded += 1
            count = self._round(text)
        if len(self) >= _MEMO:
            self.clear()
        self[text] = count
        return count

    def _count(self, text: str) -> int:
        """Return `text` in steps.

        Raises:
            DataError: It is no plain number.
            OffStep: It is not a whole number of steps.
        """
        whole, _, fraction = text.partition(".")
        # Binance writes eight decimals nearly always; nine digits before them fit any price.
        if len(fraction) == 8 and 0 < len(whole) < 10 and self._eighths:
            digits = whole + fraction
            if digits.isdigit() and digits.isascii():
                count, rest = divmod(int(digits), self._eighths)
                if not rest:
                    return count
        if not _NUMBER.match(text):
            raise DataError(f"{self._what} must be a decimal number, was {text[:40]!r}")
        whole_steps, left = _EXACT.divmod(Decimal(text), self._step)
        if left:
            raise OffStep(
                f"{self._what} must be a whole number of steps of {self._step}, was {text!r}",
                self._symbol,
                self._kind,
                decimals_of(Decimal(text)),
            )
        return self._fitting(int(whole_steps), text)

    def _round(self, text: str) -> int:
        count = int((Decimal(text) / self._step).to_integral_value())
        return self._fitting(max(1, count), text)

    def _fitting(self, count: int, text: str) -> int:
        if count > _LARGEST:
            raise DataError(
                f"{self._what} is beyond 64 bits in steps of {self._step}, was {text!r}"
            )
        return count
