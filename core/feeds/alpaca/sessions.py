"""When US stocks trade: Alpaca's clock and calendar."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from core.feeds.alpaca.frames import Clock
from core.feeds.answers import decoded
from core.feeds.stamps import Stamps
from core.model.errors import DataError

_NEW_YORK: Final = "America/New_York"


class MarketClock(msgspec.Struct, frozen=True, kw_only=True):
    """The market now, as the provider sees it; times UTC."""

    ts_ns: int
    is_open: bool
    next_open_ns: int
    next_close_ns: int


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One trading day; times UTC."""

    day: str
    """``2024-11-29``, of New York."""
    open_ns: int
    close_ns: int
    """Early on the days before some holidays."""
    first_ns: int
    """Begin of trading before the opening."""
    last_ns: int
    """End of trading after the close."""


class _Day(msgspec.Struct):
    date: str
    open: str
    close: str
    session_open: str = "0400"
    session_close: str = "2000"


def parse_clock(body: bytes) -> MarketClock:
    """Return the clock; a sample is at `core.feeds.alpaca.frames.Clock`.

    Raises:
        DataError: It is not that.
    """
    clock = decoded(body, Clock, "market clock")
    stamps = Stamps()
    return MarketClock(
        ts_ns=stamps.ns(clock.timestamp),
        is_open=clock.is_open,
        next_open_ns=stamps.ns(clock.next_open),
        next_close_ns=stamps.ns(clock.next_close),
    )


def parse_calendar(body: bytes) -> list[Session]:
    """Return the trading days.

    ::

        [{"date":"2024-11-29","open":"09:30","close":"13:00","session_open":"0400",
          "session_close":"1700","settlement_date":"2024-12-02"}]

    Raises:
        DataError: It is not that.
    """
    days = decoded(body, list[_Day], "market calendar")
    zone = ZoneInfo(_NEW_YORK)
    return [
        Session(
            day=day.date,
            open_ns=_moment(day.date, day.open, zone),
            close_ns=_moment(day.date, day.close, zone),
            first_ns=_moment(day.date, day.session_open, zone),
            last_ns=_moment(day.date, day.session_close, zone),
        )
        for day in days
    ]


def _moment(day: str, minute: str, zone: ZoneInfo) -> int:
    """Return UTC nanoseconds of a local ``09:30`` or ``0400``."""
    digits = minute.replace(":", "")
    try:
        local = datetime.strptime(f"{day} {digits}", "%Y-%m-%d %H%M").replace(tzinfo=zone)
    except ValueError:
        raise DataError(
            f"market calendar: expected a day and HH:MM, was {day[:20]!r} {minute[:20]!r}"
        ) from None
    return int(local.timestamp()) * 1_000_000_000
