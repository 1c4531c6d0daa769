"""Prices and sizes as text: exact, from whole ticks and lots."""

from __future__ import annotations

from typing import Final

from emulator.market.listings import Listing

_TRIMMED: Final = "0"
_MOST_DIGITS: Final = 20


def digits(text: str) -> bool:
    """Return whether a text is a whole number in plain digits, short enough to be one."""
    return text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS


def fixed(units: int, decimals: int) -> str:
    """Write units of ``10**-decimals`` with all decimals: 6165, 2 gives ``61.65``."""
    if decimals <= 0:
        return str(units)
    sign, units = ("-", -units) if units < 0 else ("", units)
    scale = 10**decimals
    return f"{sign}{units // scale}.{units % scale:0{decimals}d}"


def short(units: int, decimals: int) -> str:
    """Write units of ``10**-decimals`` without trailing zeros: 6150, 2 gives ``61.5``."""
    text = fixed(units, decimals)
    return text.rstrip(_TRIMMED).rstrip(".") if "." in text else text


class Scale:
    """Writes one instrument's prices, sizes and values."""

    def __init__(self, listing: Listing) -> None:
        self._tick = listing.tick_step
        self._lot = listing.lot_step
        self.price_decimals = listing.price_decimals
        self.size_decimals = listing.size_decimals
        self.contract = listing.contract
        self.inverse = listing.inverse

    def price(self, ticks: int) -> str:
        """Write a price with all its decimals."""
        return fixed(ticks * self._tick, self.price_decimals)

    def size(self, lots: int) -> str:
        """Write a size with all its decimals."""
        return fixed(lots * self._lot, self.size_decimals)

    def short_price(self, ticks: int) -> str:
        """Write a price without trailing zeros."""
        return short(ticks * self._tick, self.price_decimals)

    def short_size(self, lots: int) -> str:
        """Write a size without trailing zeros."""
        return short(lots * self._lot, self.size_decimals)

    def price_number(self, ticks: int) -> float:
        """Return a price as a JSON number."""
        return ticks * self._tick / 10.0**self.price_decimals

    def size_number(self, lots: int) -> float:
        """Return a size as a JSON number."""
        return lots * self._lot / 10.0**self.size_decimals

    def worth(self, notional: int) -> str:
        """Write ticks times lots as a value, exactly."""
        return short(notional * self._tick * self._lot, self.price_decimals + self.size_decimals)

    def worth_number(self, notional: int) -> float:
        """Return ticks times lots as a JSON number."""
        return (
            notional * self._tick * self._lot / 10.0 ** (self.price_decimals + self.size_decimals)
        )

    def levels(self, levels: list[tuple[int, int]]) -> list[list[str]]:
        """Write book levels with all decimals."""
        return [[self.price(ticks), self.size(lots)] for ticks, lots in levels]

    def short_levels(self, levels: list[tuple[int, int]]) -> list[list[str]]:
        """Write book levels without trailing zeros."""
        return [[self.short_price(ticks), self.short_size(lots)] for ticks, lots in levels]

    def round_price(self, price: float) -> str:
        """Write a price that is on no tick, such as a mark price, with two decimals more."""
        return f"{price:.{self.price_decimals + 2}f}"
