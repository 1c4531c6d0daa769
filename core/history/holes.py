"""Why a venue's answer leaves bars out: nobody traded, the venue was away, or it has no such data.

A venue gives no bar where nobody traded, and none while it was down; only the habit of the
instrument tells the two apart. In a market that trades in nearly every period a stretch of several
periods without any is an outage of the venue; in one that often skips periods it is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from core.model.stores import EmptyKind

DENSE: Final = 0.97
"""Part of the periods around a hole that hold a bar, in a market that always trades."""

AROUND: Final = 240
"""Periods looked at on either side of a hole."""

OUTAGE_BARS: Final = 3
"""Shorter holes are never called an outage: nobody may have traded for a moment."""


class Hole(msgspec.Struct, frozen=True):
    """A stretch without bars in an answer of the venue: [start_ns, end_ns)."""

    start_ns: int
    end_ns: int
    kind: EmptyKind


def holes_in(
    opens_ns: Sequence[int], start_ns: int, end_ns: int, step_ns: int, *, first: bool = False
) -> list[Hole]:
    """Return the holes of an answer, each with its likely reason.

    Args:
        opens_ns: Open times the venue gave, ascending, all within the range.
        start_ns: Where the question began; a multiple of `step_ns`.
        end_ns: Where it ended, likewise.
        step_ns: Length of a bar.
        first: Whether nothing older is known, so that what is missing before the first bar was
            never offered.
    """
    if not opens_ns:
        kind = EmptyKind.NOT_OFFERED if first else EmptyKind.OUTAGE
        periods = (end_ns - start_ns) // step_ns
        if not first and periods < OUTAGE_BARS:
            kind = EmptyKind.NO_TRADE
        return [Hole(start_ns, end_ns, kind)] if periods else []
    found: list[Hole] = []
    edges = [start_ns - step_ns, *opens_ns, end_ns]
    for index in range(1, len(edges)):
        hole_start, hole_end = edges[index - 1] + step_ns, edges[index]
        if hole_start >= hole_end:
            continue
        if first and index == 1:
            found.append(Hole(hole_start, hole_end, EmptyKind.NOT_OFFERED))
            continue
        outage = (hole_end - hole_start) // step_ns >= OUTAGE_BARS and (
            _density(opens_ns, index - 1, step_ns) >= DENSE
        )
        kind = EmptyKind.OUTAGE if outage else EmptyKind.NO_TRADE
        found.append(Hole(hole_start, hole_end, kind))
    return found


def _density(opens_ns: Sequence[int], at: int, step_ns: int) -> float:
    """Return the part of the periods near a hole that hold a bar; `at`: the first bar after it."""
    sides = [opens_ns[max(0, at - AROUND) : at], opens_ns[at : at + AROUND]]
    bars = sum(len(side) for side in sides)
    periods = sum((side[-1] - side[0]) // step_ns + 1 for side in sides if side)
    return bars / periods if periods else 0.0
