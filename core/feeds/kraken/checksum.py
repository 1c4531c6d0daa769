"""Kraken's checksum: CRC32 over the texts of the ten best levels a side.

https://docs.kraken.com/exchange/guides/websockets/book-checksum-v2: asks from low to high, then
bids from high to low; of each level the price and the size as the wire spells them, without the
point and without the zeros before the first digit::

    {"price":45285.2,"qty":0.00100000}  ->  "452852" "100000"

The wire always spells the same number of decimals, so those texts are the values counted in units
of the last decimal: whole numbers, which need no text to be kept.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import numba
import numpy as np

from core.model.instruments import Instrument
from core.model.market import BookCheck, BookDelta, BookSnapshot, Levels
from core.model.ports import BookTop

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
def _add(crc: int, value: int) -> int:
    """Return the checksum continued by a number's decimal digits; 0 has none."""
    digits = np.empty(20, np.uint8)
    n = 0
    while value > 0:
        digits[n] = 48 + value % 10
        value //= 10
        n += 1
    for at in range(n - 1, -1, -1):
        crc = crc >> 8 ^ int(_TABLE[(crc ^ digits[at]) & 255])
    return crc


@numba.njit(cache=True)
def crc_of(asks: Levels, bids: Levels, price: tuple[int, int], size: tuple[int, int]) -> int:
    """Return the checksum of levels, best first; -1 where a value is finer than the wire's text.

    `price` and `size` are fractions: what a tick and a lot count for in the wire's last decimal.
    """
    crc = 0xFFFFFFFF
    for levels in (asks, bids):
        for row in range(levels.shape[0]):
            ticks, lots = levels[row, 0] * price[0], levels[row, 1] * size[0]
            if ticks % price[1] or lots % size[1] or ticks > _LIMIT * price[1]:
                return -1
            crc = _add(crc, ticks // price[1])
            crc = _add(crc, lots // size[1])
    return crc ^ 0xFFFFFFFF


class KrakenChecker:
    """Compares one book with the venue's checksums.

    The decimals come from the texts of the last image; an instrument's listing stands in for them
    while an image was empty.
    """

    def __init__(self, instrument: Instrument) -> None:
        self._price = _fraction(instrument.price_tick, instrument.price_decimals)
        self._size = _fraction(instrument.size_lot, instrument.size_decimals)
        self._instrument = instrument

    def on_snapshot(self, image: BookSnapshot) -> None:
        """Learn from an image how many decimals the wire spells."""
        check = image.check
        levels = (*check.bids, *check.asks) if check is not None else ()
        if levels:
            places = max(_places(price) for price, _ in levels)
            self._price = _fraction(self._instrument.price_tick, places)
            places = max(_places(size) for _, size in levels)
            self._size = _fraction(self._instrument.size_lot, places)

    def on_delta(self, delta: BookDelta) -> None:
        """Take note of nothing: the book itself holds all the checksum needs."""

    def verify(self, book: BookTop, check: BookCheck) -> bool | None:
        """Return whether the ten best levels a side are what the venue says."""
        bids, asks = book.top(DEPTH)
        return int(crc_of(asks, bids, self._price, self._size)) == check.checksum


def _places(text: str) -> int:
    """Return the decimals of a number as spelt; an exponent tells nothing of them."""
    return len(text.partition(".")[2]) if "e" not in text.lower() else 0


def _fraction(step: Decimal, places: int) -> tuple[int, int]:
    """Return a step in units of the last of `places` decimals, as numerator and denominator."""
    return step.scaleb(places).as_integer_ratio()
