"""When New York trades: holidays by rule, half days, sessions."""

from __future__ import annotations

import datetime as dt
from typing import Final
from zoneinfo import ZoneInfo

NEW_YORK: Final = ZoneInfo("America/New_York")
_OPEN: Final = dt.time(9, 30)
_CLOSE: Final = dt.time(16, 0)
_HALF: Final = dt.time(13, 0)


def _nth(year: int, month: int, weekday: int, nth: int) -> dt.date:
    """Return a month's nth weekday; -1 is the last."""
    if nth > 0:
        first = dt.date(year, month, 1)
        return first + dt.timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))
    last = dt.date(year + month // 12, month % 12 + 1, 1) - dt.timedelta(days=1)
    return last - dt.timedelta(days=(last.weekday() - weekday) % 7)


def easter(year: int) -> dt.date:
    """Return Easter Sunday (the anonymous Gregorian computus)."""
    a, b, c = year % 19, year // 100, year % 100
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    rest = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 22 * rest) // 451
    month, day = divmod(h + rest - 7 * m + 114, 31)
    return dt.date(year, month, day + 1)


def _observed(day: dt.date) -> dt.date:
    """Move a holiday from Saturday to Friday, from Sunday to Monday."""
    return day + dt.timedelta(days={5: -1, 6: 1}.get(day.weekday(), 0))


def holidays(year: int) -> set[dt.date]:
    """Return the days of a year on which NYSE stays closed."""
    new_year = dt.date(year, 1, 1)
    days = {
        _nth(year, 1, 0, 3),
        _nth(year, 2, 0, 3),
        easter(year) - dt.timedelta(days=2),
        _nth(year, 5, 0, -1),
        _observed(dt.date(year, 6, 19)),
        _observed(dt.date(year, 7, 4)),
        _nth(year, 9, 0, 1),
        _nth(year, 11, 3, 4),
        _observed(dt.date(year, 12, 25)),
    }
    # A New Year's Day on a Saturday is not made up for in the old year.
    if new_year.weekday() != 5:
        days.add(_observed(new_year))
    return days


def session(day: dt.date) -> tuple[dt.datetime, dt.datetime] | None:
    """Return a day's opening and close, None when there is no trading."""
    if day.weekday() >= 5 or day in holidays(day.year):
        return None
    half = day == _nth(day.year, 11, 3, 4) + dt.timedelta(days=1) or (day.month, day.day) in (
        (12, 24),
        (7, 3),
    )
    close = _HALF if half else _CLOSE
    return tuple(dt.datetime.combine(day, at, NEW_YORK) for at in (_OPEN, close))  # type: ignore[return-value]  # two of them


def is_open(ms: int) -> bool:
    """Return whether New York trades at a time."""
    at = dt.datetime.fromtimestamp(ms / 1_000, NEW_YORK)
    hours = session(at.date())
    return hours is not None and hours[0] <= at < hours[1]


def turns(ms: int) -> tuple[dt.datetime, dt.datetime]:
    """Return the next opening and the next close after a time."""
    at = dt.datetime.fromtimestamp(ms / 1_000, NEW_YORK)
    opening = closing = None
    day = at.date()
    while opening is None or closing is None:
        hours = session(day)
        if hours is not None:
            opening = opening or (hours[0] if hours[0] > at else None)
            closing = closing or (hours[1] if hours[1] > at else None)
        day += dt.timedelta(days=1)
    return opening, closing
