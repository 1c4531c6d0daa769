"""Finds holes in a series of times, and takes away what is known to be empty."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from core.model.stores import Gap
from store.blocks import Table

Span = tuple[int, int]
"""[start_ns, end_ns)"""


def holes(times: Table, step_ns: int, start_ns: int, end_ns: int) -> list[Span]:
    """Return the missing stretches of the grid in [start_ns, end_ns); `times` strictly ascend."""
    first = -(-start_ns // step_ns) * step_ns
    stop = -(-end_ns // step_ns) * step_ns
    if first >= stop:
        return []
    edges = np.concatenate(([first - step_ns], times, [stop]))
    at = np.flatnonzero(np.diff(edges) > step_ns)
    return list(zip((edges[at] + step_ns).tolist(), edges[at + 1].tolist(), strict=True))


def joined(spans: Iterable[Span]) -> list[Span]:
    """Join spans that touch or overlap, oldest first."""
    out: list[Span] = []
    for start, end in sorted(spans):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((start, end))
    return out


def gaps_of(found: list[Span], empty: Iterable[Span], step_ns: int) -> list[Gap]:
    """Turn holes into gaps, less every bar whose whole period lies in an empty span."""
    known = [
        (-(-start // step_ns) * step_ns, end // step_ns * step_ns) for start, end in joined(empty)
    ]
    known = [(start, end) for start, end in known if start < end]
    out: list[Gap] = []
    at = 0
    for start, end in found:
        while at < len(known) and known[at][1] <= start:
            at += 1
        here = at
        while here < len(known) and known[here][0] < end:
            if known[here][0] > start:
                out.append(_gap(start, known[here][0], step_ns))
            start = max(start, known[here][1])
            here += 1
        if start < end:
            out.append(_gap(start, end, step_ns))
    return out


def _gap(start: int, end: int, step_ns: int) -> Gap:
    return Gap(start, end, (end - start) // step_ns)
