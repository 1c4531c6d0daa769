"""Kraken's checksum: CRC32 over the texts of the ten best levels a side.

https://docs.kraken.com/exchange/guides/websockets/book-checksum-v2: asks from low to high, then
bids from high to low; of each level the price and the size as the wire spells them, without the
point and without the zeros before the first digit::

    {"price":45285.2,"qty":0.00100000}  ->  "452852" "100000"

The wire always spells the same number of decimals, so those texts are the values counted in units
of the last decimal: whole numbers, which need no text to be kept.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final, TypeAlias

import numba
import numpy as np
import numpy.typing as npt

from core.engine.compiled import entry
from core.model.instruments import Instrument
from core.model.market import BookCheck, BookDelta, BookSnapshot, Levels
from core.model.ports import BookTop

Scale: TypeAlias = npt.NDArray[np.int64]

DEPTH: Final = 10
"""Levels a side that the checksum covers, whatever depth is subscribed."""

_LIMIT: Final = 10**17


def _table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ 0xEDB88320 if value & 1 else value >> 1
        table.append(value)
    return table


_TABLE: Final = np.array(_table(), np.uint32)


@numba.njit(cache=True)
def crc_of(asks: Levels, bids: Levels, scale: Scale) -> int:
    """Return the checksum of levels, best first; -1 where a value is finer than the wire's text.

    `scale` is what a tick counts for in the price's last decimal, as numerator and denominator,
    then the same of a lot.
    """
    crc = 0xFFFFFFFF
    digits = np.empty(20, np.uint8)
    for side in range(2):
        levels = bids if side else asks
        for row in range(levels.shape[0]):
            for column in range(2):
                value = levels[row, column] * scale[2 * column]
                unit = scale[2 * column + 1]
                if value % unit or levels[row, column] > _LIMIT:
                    return -1
                value //= unit
                n = 0
                while value > 0:
                    digits[n] = 48 + value % 10
                    value //= 10
                    n += 1
                for at in range(n - 1, -1, -1):
                    crc = crc >> 8 ^ int(_TABLE[(crc ^ digits[at]) & 255])
    return crc ^ 0xFFFFFFFF


@cache
def _kernel() -> Callable[[Levels, Levels, Scale], int]:
    side = np.empty((1, 2), np.int64)
    compiled: Callable[[Levels, Levels, Scale], int] = entry(
        crc_of, side, side, np.ones(4, np.int64)
    )
    return compiled


class KrakenChecker:
    """Compares one book with the venue's checksums.

    The decimals come from the texts of the last image; an instrument's listing stands in for them
    while an image was empty.
    """

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument
        self._scale = _scale_of(instrument, instrument.price_decimals, instrument.size_decimals)
        self._crc = _kernel()

    def on_snapshot(self, image: BookSnapshot) -> None:
        """Learn from an image how many decimals the wire spells."""
        check = image.check
        levels = (*check.bids, *check.asks) if check is not None else ()
        if levels:
            price_places = max(_places(price) for price, _ in levels)
            size_places = max(_places(size) for _, size in levels)
            self._scale = _scale_of(self._instrument, price_places, size_places)

    def on_delta(self, delta: BookDelta) -> None:
        """Take note of nothing: the book itself holds all the checksum needs."""

    def verify(self, book: BookTop, check: BookCheck) -> bool | None:
        """Return whether the ten best levels a side are what the venue says."""
        bids, asks = book.top(DEPTH)
        return self._crc(asks, bids, self._scale) == check.checksum


def _places(text: str) -> int:
    """Return the decimals of a number as spelt; an exponent tells nothing of them."""
    return len(text.partition(".")[2]) if "e" not in text.lower() else 0


def _scale_of(instrument: Instrument, price_places: int, size_places: int) -> Scale:
    """Return tick and lot in units of the wire's last decimals; see `crc_of`."""
    price = instrument.price_tick.scaleb(price_places).as_integer_ratio()
    size = instrument.size_lot.scaleb(size_places).as_integer_ratio()
    return np.array([*price, *size], np.int64)
