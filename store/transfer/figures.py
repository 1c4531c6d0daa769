"""Numbers and times as text: exactly in, exactly out."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

import numpy as np
import numpy.typing as npt

from core.model.errors import DataError
from core.model.instruments import decimals_of

MAX_PLACES: Final = 18
FLOAT_PLACES: Final = 10
"""Decimals a file of binary floats is trusted with: finer is the noise of a float."""

_PLAIN: Final = re.compile(r"-?[0-9]+(?:\.[0-9]*)?", re.ASCII)
_SCIENTIFIC: Final = re.compile(
    r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?", re.ASCII
)
_ISO: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)?)?"
    r" ?(Z|UTC|[+-][0-9]{2}:?[0-9]{2})?",
    re.ASCII,
)
_UNITS: Final = ((10**11, 10**9), (10**14, 10**6), (10**17, 10**3), (9 * 10**18, 1))
"""Epoch times below the first number are in units of the second, in ns: s, ms, us, ns."""

Figure = tuple[int, int]
"""Digits and places: 1.50 is (15, 1)."""


def figure(text: str) -> Figure:
    """Read a number, without trailing zeros after the point.

    Raises:
        ValueError: It is none, or has more than 18 decimals.
    """
    whole, _, places = text.partition(".")
    digits = whole + places
    # Nearly every number of a file is plain digits; this is three times as fast as a pattern.
    if not (whole and digits.isdigit() and digits.isascii()):
        whole, places = _parts(text.strip())
    places = places.rstrip("0")
    if len(places) > MAX_PLACES:
        raise ValueError(f"must have at most {MAX_PLACES} decimals")
    return int(whole + places), len(places)


def _parts(text: str) -> tuple[str, str]:
    if not _PLAIN.fullmatch(text):
        if not _SCIENTIFIC.fullmatch(text):
            raise ValueError("must be a number")
        text = format(Decimal(text), "f")
    whole, _, places = text.partition(".")
    return whole, places


class FloatFigures:
    """Reads numbers that were binary floats, rounded to 10 decimals."""

    def __init__(self) -> None:
        self.rounded = 0
        """How many had more."""

    def __call__(self, text: str) -> Figure:
        """Read one.

        Raises:
            ValueError: It is no finite number.
        """
        whole, _, places = text.partition(".")
        if len(places) <= FLOAT_PLACES and (whole + places).isdecimal():
            return figure(text)
        text = text.strip()
        if not _SCIENTIFIC.fullmatch(text):
            raise ValueError("must be a finite number")
        value = Decimal(text)
        exponent = value.as_tuple().exponent
        if isinstance(exponent, int) and exponent < -FLOAT_PLACES:
            self.rounded += 1
            value = value.quantize(Decimal(1).scaleb(-FLOAT_PLACES), ROUND_HALF_EVEN)
            text = format(value, "f")
        return figure(text)


def in_steps(
    figures: Sequence[Figure], step: Decimal | None
) -> tuple[npt.NDArray[np.int64], Decimal]:
    """Return figures as counts of a step, and the step.

    Without one it is the coarsest power of ten, at most 1, in which all of them are whole.

    Raises:
        OffStep: One is not a whole number of steps; names its index.
        OverflowError: One does not fit 64 bits.
    """
    places = max((figure[1] for figure in figures), default=0)
    exponent = places if step is None else decimals_of(step)
    if places > exponent:
        # Without trailing zeros, a figure of more places than the step has is off it.
        raise OffStep(next(n for n, figure in enumerate(figures) if figure[1] > exponent))
    scales = [10 ** (exponent - n) for n in range(places + 1)]
    counts = np.array([digits * scales[n] for digits, n in figures], np.int64)
    if step is None:
        return counts, Decimal(1).scaleb(-places)
    unit = int(step.scaleb(exponent))
    rest = counts % unit
    if rest.any():
        raise OffStep(int(rest.nonzero()[0][0]))
    return counts // unit, step


class OffStep(ValueError):
    """A figure is no whole number of steps; `index` says which."""

    def __init__(self, index: int) -> None:
        super().__init__(f"figure {index} is off its step")
        self.index = index


def texts(values: npt.NDArray[np.int64], step: Decimal) -> list[str]:
    """Write counts of a step as plain decimals, each with the step's places."""
    places = decimals_of(step)
    unit = int(step.scaleb(places))
    if not places:
        return [str(count * unit) for count in values.tolist()]
    scale = 10**places
    out = []
    for count in values.tolist():
        count *= unit
        sign, count = ("-", -count) if count < 0 else ("", count)
        out.append(f"{sign}{count // scale}.{count % scale:0{places}d}")
    return out


def time_ns(text: str) -> int:
    """Read a time: ISO 8601 (UTC unless it says otherwise), or epoch s, ms, us or ns by its size.

    Raises:
        ValueError: It is neither.
    """
    text = text.strip()
    if text.isascii() and text.isdigit():
        value = int(text)
        for limit, unit in _UNITS:
            if value < limit:
                return value * unit
    found = _ISO.fullmatch(text)
    if not found:
        raise ValueError("must be an ISO or epoch time")
    day, hour, minute, second, places, zone = found.groups()
    moment = dt.datetime.fromisoformat(
        f"{day}T{hour or '00'}:{minute or '00'}:{second or '00'}"
    ).replace(tzinfo=dt.UTC)
    seconds = (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(seconds=1)
    if zone and zone not in ("Z", "UTC"):
        digits = zone[1:].replace(":", "")
        ahead = int(digits[:2]) * 3600 + int(digits[2:]) * 60
        seconds -= ahead if zone[0] == "+" else -ahead
    return seconds * 1_000_000_000 + int((places or "").ljust(9, "0"))


def iso(ts_ns: int) -> str:
    """Write a time as ``2024-01-01T00:00:00Z``, with nine decimals where there are any."""
    seconds, rest = divmod(ts_ns, 1_000_000_000)
    moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{rest:09d}Z" if rest else f"{text}Z"


def bad(path: object, line: int, column: str, value: object, why: str) -> DataError:
    """Say which value of a file is wrong and why."""
    shown = repr(value)
    return DataError(f"{path}:{line}: {column} {why}, was {shown[:60]}")
