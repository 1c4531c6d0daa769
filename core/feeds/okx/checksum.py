"""The checksum of OKX books: a CRC32 over the text of the best levels."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Final
from zlib import crc32

import numba
import numpy as np
import numpy.typing as npt

from core.engine.compiled import entry
from core.feeds.levels import _scale
from core.model.instruments import Instrument
from core.model.market import BookCheck, BookDelta, BookSnapshot, CheckedDelta, Levels
from core.model.ports import BookTop

CHECKED_LEVELS: Final = 25
"""Levels a side that the checksum covers."""

_COLON: Final = 58
_POINT: Final = 46
_TEN: Final = np.uint64(10)
_ROOM: Final = 2 * CHECKED_LEVELS * 2 * 42
"""Bytes that the text can take: of each number 40 digits, a point and a colon."""


@numba.njit(cache=True)
def _number(out: npt.NDArray[np.uint8], at: int, value: int, places: int) -> int:
    """Write a number without zeros at its end, and return the place after it.

    15 with two places is ``0.15``.
    """
    # Unsigned division by a constant is a multiplication, and that is most of the work.
    left = np.uint64(value)
    tenth = left // _TEN
    while places > 0 and left == tenth * _TEN:
        left = tenth
        tenth = left // _TEN
        places -= 1
    start = at
    digits = 0
    while left or digits <= places:
        if digits == places and places:
            out[at] = _POINT
            at += 1
        tenth = left // _TEN
        out[at] = 48 + np.int64(left - tenth * _TEN)
        at += 1
        digits += 1
        left = tenth
    # They came last digit first.
    low, high = start, at - 1
    while low < high:
        out[low], out[high] = out[high], out[low]
        low += 1
        high -= 1
    return at


@numba.njit(cache=True)
def _write(
    bids: Levels, asks: Levels, plan: npt.NDArray[np.int64], out: npt.NDArray[np.uint8]
) -> int:
    """Write the text of best levels, and return its length.

    `plan`: places and unit of price, then of size.
    """
    at = 0
    for index in range(max(bids.shape[0], asks.shape[0])):
        for side in range(2):
            levels = asks if side else bids
            if index >= levels.shape[0]:
                continue
            if at:
                out[at] = _COLON
                at += 1
            at = _number(out, at, levels[index, 0] * plan[1], plan[0])
            out[at] = _COLON
            at = _number(out, at + 1, levels[index, 1] * plan[3], plan[2])
    return at


@cache
def _kernel() -> Callable[..., int]:
    grid, row = np.zeros((1, 2), np.int64), np.zeros(1, np.int64)
    compiled: Callable[..., int] = entry(_write, grid, grid, row, np.zeros(1, np.uint8))
    return compiled


class OkxChecker:
    """Compares a book with the venue's CRC32 over the text of its best levels.

    ::

        bid1:size1:ask1:size1:bid2:size2:ask2:size2:...        signed 32 bits

    The text is the wire's own; where a side ends the other goes on alone. A check that comes
    without texts says that all of them were the plain decimals of the levels, which nearly all are;
    of the others the text is kept. The venue stopped sending checksums in 2026 and writes 0
    instead, so 0 says nothing.
    """

    __slots__ = ("_odd", "_plan", "_steps", "_text", "_whole", "_write")

    def __init__(self, instrument: Instrument) -> None:
        self._write = _kernel()
        self._text = np.zeros(_ROOM, np.uint8)
        self._steps = instrument.price_tick, instrument.size_lot
        self._plan = np.array([part for step in self._steps for part in _scale(step)], np.int64)
        self._odd: tuple[dict[int, str], dict[int, str]] = {}, {}
        """Of bids and asks the texts of levels that are not their plain decimals, by ticks."""
        self._whole = False

    def on_snapshot(self, image: BookSnapshot) -> None:
        """Note an image that was loaded."""
        for side in self._odd:
            side.clear()
        self._whole = image.check is not None
        if image.check is not None:
            self._note(0, image.bids, image.check.bids)
            self._note(1, image.asks, image.check.asks)

    def on_delta(self, delta: BookDelta) -> None:
        """Note an update that was applied; one without a check ends the comparing."""
        check = delta.check if isinstance(delta, CheckedDelta) else None
        if check is None:
            self._whole = self._whole and not len(delta.bids) and not len(delta.asks)
            return
        if check.bids or self._odd[0]:
            self._note(0, delta.bids, check.bids)
        if check.asks or self._odd[1]:
            self._note(1, delta.asks, check.asks)

    def verify(self, book: BookTop, check: BookCheck) -> bool | None:
        """Return whether the book is what the venue says; None: it says nothing this time."""
        if not self._whole or not check.checksum:
            return None
        bids, asks = book.top(CHECKED_LEVELS)
        if self._odd[0] or self._odd[1]:
            return self._spelt(bids, asks) == check.checksum & 0xFFFFFFFF
        size = self._write(bids, asks, self._plan, self._text)
        return crc32(self._text.data[:size]) == check.checksum & 0xFFFFFFFF

    def _note(self, side: int, levels: Levels, texts: tuple[tuple[str, str], ...]) -> None:
        odd = self._odd[side]
        for index, (ticks, lots) in enumerate(levels.tolist()):
            odd.pop(ticks, None)
            if texts and lots:
                text = ":".join(texts[index])
                if text != self._plain(ticks, lots):
                    odd[ticks] = text

    def _spelt(self, bids: Levels, asks: Levels) -> int:
        sides = [
            [odd.get(ticks) or self._plain(ticks, lots) for ticks, lots in levels.tolist()]
            for odd, levels in zip(self._odd, (bids, asks), strict=True)
        ]
        out: list[str] = []
        for index in range(max(map(len, sides))):
            out += [side[index] for side in sides if index < len(side)]
        return crc32(":".join(out).encode())

    def _plain(self, ticks: int, lots: int) -> str:
        tick, lot = self._steps
        return f"{_text(ticks * tick)}:{_text(lots * lot)}"


def _text(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
