"""Numbers as text: fixed decimals, thousands groups, ages, percentages; nothing is computed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from core.model.instruments import Instrument
from core.model.views import QuoteLine

NOTHING = "-"


def price(instrument: Instrument, ticks: int) -> str:
    """Return a price in ticks as ``64,218.50``, always with the tick's decimals."""
    return f"{ticks * instrument.price_tick:,.{instrument.price_decimals}f}"


def glance(instrument: Instrument, value: Decimal) -> str:
    """Return a price for a list: the tick's decimals, but none that make it longer than 8 digits.

    Some venues quote coins of 87,000 in billionths; such a price would push all else aside.
    """
    decimals = instrument.price_decimals
    if value >= 1:
        decimals = min(decimals, max(2, 7 - value.adjusted()))
    return f"{value:,.{decimals}f}"


def size_decimals(instrument: Instrument, ticks: int) -> int:
    """Return how many decimals of a size are worth a column at a price of `ticks`.

    The last decimal shown is worth between 1 and 10 units of the quote currency.
    """
    value = float(ticks * instrument.price_tick)
    wanted = math.floor(math.log10(value)) if value >= 1 else 0
    return min(instrument.size_decimals, wanted)


def size(instrument: Instrument, lots: int, decimals: int) -> str:
    """Return a size in lots with `decimals` decimals."""
    return f"{lots * instrument.size_lot:,.{decimals}f}"


def amount(value: Decimal | None, decimals: int | None = None) -> str:
    """Return an amount with thousands groups; without `decimals`, exactly as many as it has."""
    if value is None:
        return NOTHING
    return f"{value:,f}" if decimals is None else f"{value:,.{decimals}f}"


def trimmed(value: Decimal, least: int = 3) -> str:
    """Return an amount with at least `least` decimals, without zeros beyond; a whole one as is."""
    text = f"{value:,f}"
    whole, point, rest = text.partition(".")
    if not point:
        return text
    return whole + point + (rest[:least] + rest[least:].rstrip("0")).ljust(least, "0")


def aligned(texts: Sequence[str]) -> list[str]:
    """Return numbers with blanks after them so that their points line up; words stay."""
    tails = [_decimals(text) for text in texts]
    most = max((tail for tail in tails if tail is not None), default=0)
    return [
        text if tail is None else text + " " * (most - tail)
        for text, tail in zip(texts, tails, strict=True)
    ]


def _decimals(text: str) -> int | None:
    """Return the cells a number takes from its point on, None for words."""
    whole, point, rest = text.partition(".")
    if not whole.strip("+-").replace(",", "").isdigit() or not (rest.isdigit() or not point):
        return None
    return len(point) + len(rest)


def signed(value: Decimal, decimals: int = 2) -> str:
    """Return an amount that always carries its sign; zero has none."""
    text = f"{value:+,.{decimals}f}"
    return text[1:] if not text.strip("+-0,.") else text


def percent(fraction: float, decimals: int = 2) -> str:
    """Return a fraction as ``+1.24 %``."""
    if not math.isfinite(fraction):
        return NOTHING
    return f"{fraction * 100:+,.{decimals}f} %"


def fraction(value: float, decimals: int = 2) -> str:
    """Return a probability or score without its leading zero's noise: ``0.57``, ``-`` for NaN."""
    return f"{value:.{decimals}f}" if math.isfinite(value) else NOTHING


def change(last_ticks: int, open_ticks: int) -> float:
    """Return the relative change between two prices, NaN where one is not known."""
    known = open_ticks > 0 and last_ticks > 0
    return (last_ticks - open_ticks) / open_ticks if known else math.nan


def short(value: float) -> str:
    """Return a quantity in at most six characters: ``812``, ``1,204``, ``35.1K``, ``2.04M``."""
    if not math.isfinite(value):
        return NOTHING
    size_of = abs(value)
    if size_of < 100:
        return f"{value:.1f}" if size_of >= 10 else f"{value:.2f}"
    if size_of < 9_999.5:
        return f"{value:,.0f}"
    for unit, name in ((1e3, "K"), (1e6, "M"), (1e9, "B"), (1e12, "T")):
        scaled = value / unit
        if abs(scaled) < 999.5:
            digits = 2 if abs(scaled) < 9.995 else 1 if abs(scaled) < 99.95 else 0
            return f"{scaled:.{digits}f}{name}"
    return f"{value:.0e}"


def turnover(instrument: Instrument, line: QuoteLine) -> str:
    """Return what was traded in 24 hours with its currency: ``1.16B USDT``; ``-`` for nothing."""
    worth = line.turnover_24h
    return f"{short(worth)} {instrument.quote}" if worth > 0 else NOTHING


def age(ms: float) -> str:
    """Return an age as ``38 ms``, ``1.2 s``, ``14 s``, ``3 min``, ``2 h`` or ``5 d``."""
    if ms < 0:
        return "0 ms"
    if ms < 1_000:
        return f"{ms:.0f} ms"
    seconds = ms / 1_000
    if seconds < 10:
        return f"{math.floor(seconds * 10) / 10:.1f} s"
    for limit, unit, name in ((120, 1, "s"), (7_200, 60, "min"), (172_800, 3_600, "h")):
        if seconds < limit:
            return f"{seconds // unit:.0f} {name}"
    return f"{seconds // 86_400:.0f} d"


def clock(ts_ns: int) -> str:
    """Return the UTC time of day as ``14:02:11``, or ``-`` for no time."""
    if ts_ns <= 0:
        return NOTHING
    return datetime.fromtimestamp(ts_ns // 1_000_000_000, UTC).strftime("%H:%M:%S")


def moment(ts_ns: int) -> str:
    """Return date and time as ``07 Aug 14:02``."""
    if ts_ns <= 0:
        return NOTHING
    return datetime.fromtimestamp(ts_ns // 1_000_000_000, UTC).strftime("%d %b %H:%M")


def countdown(ns: int) -> str:
    """Return what is left of a span as ``4:59``; never negative."""
    seconds = max(0, -(-ns // 1_000_000_000))
    return f"{seconds // 60}:{seconds % 60:02d}"


def bar(used: float, width: int, eighths: str) -> str:
    """Return a fraction as a horizontal bar of `width` cells, full above 1."""
    if width <= 0:
        return ""
    part = min(1.0, max(0.0, used)) if math.isfinite(used) else 0.0
    steps = len(eighths) - 1
    units = round(part * width * steps)
    if part > 0:
        units = max(units, 1)
    full, rest = divmod(units, steps)
    text = eighths[-1] * full + (eighths[rest] if rest else "")
    return text.ljust(width)[:width]


def sparkline(values: list[float], width: int, columns: str) -> str:
    """Return the newest `width` values as columns between their own extremes."""
    shown = [value for value in values[-width:] if math.isfinite(value)] if width > 0 else []
    if not shown:
        return " " * max(0, width)
    low, high = min(shown), max(shown)
    top = len(columns) - 1
    if high <= low:
        return (columns[max(1, top // 2)] * len(shown)).rjust(width)
    scale = (top - 1) / (high - low)
    return "".join(columns[1 + round((value - low) * scale)] for value in shown).rjust(width)
