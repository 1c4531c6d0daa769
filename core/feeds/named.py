"""What a frame that cannot be read seems to be about: its channel and its instrument.

Told of frames that were refused, in which nothing may be believed: a guess for whoever looks, by
names every venue puts near the beginning.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, TypeVar

_LOOK: Final = 600
"""Bytes of a frame that are looked at."""

_CHANNEL: Final = re.compile(rb'"(?:stream|channel|topic|T)"\s*:\s*"([^"\\]{1,60})"')
_QUOTED: Final = re.compile(rb'"([A-Za-z0-9_./@:,-]{2,60})"')
_JOINTS: Final = re.compile(r"[.:@,]")

Found = TypeVar("Found")


def channel_of(data: bytes, symbol: str = "") -> str:
    """Return the channel a frame names, without the symbol, or nothing.

    ::

        {"stream":"btcusdt@depth@100ms", ...     depth@100ms
        {"params":{"channel":"book.BTC-PERPETUAL.100ms", ...     book.100ms
    """
    found = _CHANNEL.search(data[:_LOOK])
    if found is None:
        return ""
    name = found.group(1).decode(errors="replace")
    for text in (symbol, symbol.lower()):
        for joint in ".@:":
            if text:
                name = name.replace(f"{text}{joint}", "").replace(f"{joint}{text}", "")
    return name


def known_in(data: bytes, known: Mapping[str, Found]) -> tuple[str, Found] | None:
    """Return the one symbol of those known that a frame names; None where none or several."""
    found: dict[str, Found] = {}
    for text in _QUOTED.findall(data[:_LOOK]):
        whole = text.decode()
        for name in (whole, *_JOINTS.split(whole)):
            for symbol in (name, name.upper()):
                if symbol in known:
                    found[symbol] = known[symbol]
    return next(iter(found.items())) if len(found) == 1 else None
