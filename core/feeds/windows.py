"""Paging through bars in ranges that cannot hold more than an answer does.

Venues do not say which rows of a longer range they leave out; of a range that fits there are none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from core.model.market import Bar

Page: TypeAlias = Callable[[int, int], Awaitable[dict[int, Bar]]]
"""Asks for the bars with start <= open time < end (ns) and gives them by open time; rows without
volume count as well, so that an answer without any means that there are none."""


async def windowed(page: Page, start_ns: int, end_ns: int, length_ns: int, rows: int) -> list[Bar]:
    """Return the bars with start_ns <= open time < end_ns that have a volume, oldest first.

    Args:
        page: Asks the venue.
        start_ns: Aligned to the bars.
        end_ns: Aligned to the bars.
        length_ns: A bar's length.
        rows: Most bars of an answer.
    """
    found: dict[int, Bar] = {}
    while end_ns > start_ns:
        from_ns = max(start_ns, end_ns - rows * length_ns)
        some = await page(from_ns, end_ns)
        found.update(some)
        end_ns = from_ns
        if some or end_ns <= start_ns:
            continue
        # Before a listing there is nothing for years: one question tells.
        older = await page(start_ns, end_ns)
        if not older:
            break
        if len(older) < rows:
            found.update(older)
            break
        end_ns = max(older) + length_ns
    return [bar for _, bar in sorted(found.items()) if bar.volume_lots]


async def stretched(
    page: Callable[[int, int], Awaitable[list[Bar]]], start_ns: int, end_ns: int, span_ns: int
) -> list[Bar]:
    """Return the bars with start_ns <= open time < end_ns, asked for stretch by stretch.

    For venues that leave out periods without a trade, so that an empty stretch means nothing for
    those beside it.

    Args:
        page: Asks the venue for one stretch and gives its bars, oldest first.
        start_ns: Aligned to the bars.
        end_ns: Aligned to the bars.
        span_ns: What an answer has room for.
    """
    found: list[Bar] = []
    while start_ns < end_ns:
        stop_ns = min(end_ns, start_ns + span_ns)
        found += await page(start_ns, stop_ns)
        start_ns = stop_ns
    return found
