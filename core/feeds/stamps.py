"""Times as providers write them, to nanoseconds UTC, exactly."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from core.model.errors import DataError

_SECOND: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\Z", re.ASCII)
_ZONE: Final = re.compile(r"([+-])(\d\d):(\d\d)\Z", re.ASCII)
_NS: Final = 1_000_000_000
_PLACES: Final[tuple[int, ...]] = tuple(int(10 ** (9 - places)) for places in range(10))
"""What the last of so many decimals counts in nanoseconds."""
_LATEST_S: Final = 9_000_000_000
"""Seconds since the epoch that still fit 64 bits as nanoseconds."""


class Stamps:
    """RFC 3339 texts to nanoseconds: ``2024-03-12T10:27:48.858228144Z``, one to nine decimals.

    Remembers the last whole second: messages of a stream share theirs with their neighbours.
    """

    __slots__ = ("_base_ns", "_second")

    def __init__(self) -> None:
        self._second = ""
        self._base_ns = 0

    def ns(self, text: str) -> int:
        """Return the time.

        Raises:
            DataError: It is no RFC 3339 time.
        """
        second = text[:19]
        if second != self._second:
            self._base_ns = _second_ns(second, text)
            self._second = second
        places = text[20:-1]
        if places.isdigit() and len(places) < 10 and text[19] == "." and text[-1] == "Z":
            if places.isascii():
                return self._base_ns + int(places) * _PLACES[len(places)]
        elif text[19:] == "Z":
            return self._base_ns
        return self._zoned(text)

    def _zoned(self, text: str) -> int:
        zone = _ZONE.search(text)
        if zone is None:
            raise _bad(text)
        places = text[19 : zone.start()]
        if places and not re.fullmatch(r"\.[0-9]{1,9}", places):
            raise _bad(text)
        fraction_ns = int(places[1:].ljust(9, "0")) if places else 0
        ahead_s = int(zone[2]) * 3600 + int(zone[3]) * 60
        return self._base_ns + fraction_ns - (ahead_s if zone[1] == "+" else -ahead_s) * _NS


def rfc3339(ts_ns: int) -> str:
    """Return a time as ``2024-03-12T10:27:48.858228144Z``, decimals only where there are any."""
    seconds, rest = divmod(ts_ns, _NS)
    text = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).strftime(
        "%Y-%m-%dT%H:%M:%S"
    )
    return f"{text}.{rest:09d}Z" if rest else f"{text}Z"


def whole_ns(count: int, unit_ns: int, what: str) -> int:
    """Return a provider's count of seconds, milliseconds... as nanoseconds.

    Raises:
        DataError: It is no time of this age: the unit is another one, or it is nonsense.
    """
    if not 0 <= count * unit_ns < _LATEST_S * _NS:
        raise DataError(f"{what} must be a time after 1970 in units of {unit_ns} ns, was {count}")
    return count * unit_ns


def _second_ns(second: str, text: str) -> int:
    if not _SECOND.match(second):
        raise _bad(text)
    try:
        moment = datetime.fromisoformat(second).replace(tzinfo=UTC)
    except ValueError:
        raise _bad(text) from None
    seconds = int(moment.timestamp())
    if not 0 <= seconds < _LATEST_S:
        raise _bad(text)
    return seconds * _NS


def _bad(text: str) -> DataError:
    return DataError(f"time must be RFC 3339 such as 2024-03-12T10:27:48.858Z, was {text[:40]!r}")
