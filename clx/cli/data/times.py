"""Times as people give and read them: UTC days and minutes, and lengths of bars."""

from __future__ import annotations

import datetime as dt

from core.model.errors import ConfigError
from core.model.market import Timeframe

DAY_NS = 86_400 * 10**9


def parse_time(text: str, name: str) -> int:
    """Return ``2024-08-08`` or ``2024-08-08T23:55`` as UTC nanoseconds.

    Raises:
        ConfigError: It is neither.
    """
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"{name} must be a UTC time such as 2024-08-08 or 2024-08-08T23:55, was {text!r}"
        ) from None
    if found.tzinfo is None:
        found = found.replace(tzinfo=dt.UTC)
    return int(found.timestamp()) * 10**9


def timeframe(text: str) -> Timeframe:
    """Return the length of bars ``--timeframe`` names.

    Raises:
        ConfigError: It names none.
    """
    try:
        return Timeframe(text)
    except ValueError:
        known = ", ".join(item.value for item in Timeframe)
        raise ConfigError(f"--timeframe must be one of {known}, was {text!r}") from None


def show_time(ts_ns: int) -> str:
    """Return a time, ``2024-08-08 23:55``, with its second where it has one."""
    moment = dt.datetime.fromtimestamp(ts_ns // 10**9, dt.UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S" if moment.second else "%Y-%m-%d %H:%M")


def show_length(ns: int) -> str:
    """Return a length of time in its two largest units, such as ``3 h 20 m``."""
    seconds = ns // 10**9
    parts = []
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def show_bytes(count: int) -> str:
    """Return a size such as ``3.2 MB``."""
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"
