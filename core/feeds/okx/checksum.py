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


def _table() -> npt.NDArray[np.int64]:
    table = np.arange(256, dtype=np.int64)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ 0xEDB88320, table >> 1)
    return table


@numba.njit(cache=True, forceinline=True)
def _byte(crc: int, byte: int, table: npt.NDArray[np.int64]) -> int:
    return int(table[(crc ^ byte) & 0xFF]) ^ (crc >> 8)


@numba.njit(cache=True)
def _number(crc: int, value: int, places: int, table: npt.NDArray[np.int64]) -> int:
    """Add a number as it is written without zeros at its end: 15 with two places is ``0.15``."""
    while places > 0 and value % 10 == 0:
        value //= 10
        places -= 1
    power = 1
    digits = 1
    while value // power >= 10:
        power *= 10
        digits += 1
    while digits <= places:
        power *= 10
        digits += 1
    while digits > 0:
        if digits == places:
            crc = _byte(crc, _POINT, table)
        crc = _byte(crc, 48 + value // power % 10, table)
        power //= 10
        digits -= 1
    return crc


@numba.njit(cache=True)
def _crc(
    bids: Levels, asks: Levels, plan: npt.NDArray[np.int64], table: npt.NDArray[np.int64]
) -> int:
    """Return the checksum of best levels; `plan`: places and unit of price, then of size."""
    crc = 0xFFFFFFFF
    for index in range(max(bids.shape[0], asks.shape[0])):
        for side in range(2):
            levels = asks if side else bids
            if index >= levels.shape[0]:
                continue
            if index or (side and bids.shape[0]):
                crc = _byte(crc, _COLON, table)
            crc = _number(crc, levels[index, 0] * plan[1], plan[0], table)
            crc = _byte(crc, _COLON, table)
            crc = _number(crc, levels[index, 1] * plan[3], plan[2], table)
    return crc ^ 0xFFFFFFFF


@cache
def _kernel() -> tuple[Callable[..., int], npt.NDArray[np.int64]]:
    grid, row = np.zeros((1, 2), np.int64), np.zeros(1, np.int64)
    compiled: Callable[..., int] = entry(_crc, grid, grid, row, row)
    return compiled, _table()


class OkxChecker:
    """Compares a book with the venue's CRC32 over the text of its best levels.

    ::

        bid1:size1:ask1:size1:bid2:size2:ask2:size2:...        signed 32 bits

    The text is the wire's own; where a side ends the other goes on alone. A check that comes
    without texts says that all of them were the plain decimals of the levels, which nearly all are;
    of the others the text is kept. The venue stopped sending checksums in 2026 and writes 0
    instead, so 0 says nothing.
    """

    __slots__ = ("_crc", "_odd", "_plan", "_steps", "_table", "_whole")

    def __init__(self, instrument: Instrument) -> None:
        self._crc, self._table = _kernel()
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
        return self._crc(bids, asks, self._plan, self._table) == check.checksum & 0xFFFFFFFF

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
