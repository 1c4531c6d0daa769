"""Which parts of the main screen are seen at a size, and how large they are; nothing is drawn."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from tui.grammar import PaneName

WIDE: Final = 100
"""From here on ladder and list are seen together."""
TALL: Final = 30
SMALLEST: Final = (60, 16)
_WITH_TAPE: Final = 115
_WITH_LONG_TAPE: Final = 140
_WITH_WATCHLIST: Final = 150
_LADDER: Final = 40
_LONG_TAPE: Final = 27
_SHORT_TAPE: Final = 13
"""Sizes only."""
_BESIDE: Final = 32
"""The one pane beside a narrow chart."""
_WATCHLIST: Final = 66
_MINDS: Final = 3


class Arrangement(Struct, frozen=True):
    """Columns or rows of each part; 0 is not shown."""

    side: int
    """Columns right of the chart, for ladder and tape together."""
    tape: int
    ladder: bool
    minds: int
    bottom: int
    watch: int
    too_small: bool


def arrange(width: int, height: int, pane: PaneName) -> Arrangement:
    """Return the arrangement for a size and the chosen pane."""
    wide, tall = width >= WIDE, height >= TALL
    booked = pane in {"ladder", "tape"}
    tape = 0
    if wide and width >= _WITH_TAPE:
        tape = _LONG_TAPE if width >= _WITH_LONG_TAPE else _SHORT_TAPE
    side = _LADDER + tape if wide else _BESIDE if booked else 0
    alone = pane == "tape" and not tape
    rows = 9 if tall and wide else 7 if wide else 0 if booked else 8
    return Arrangement(
        side=side,
        tape=side if alone else tape,
        ladder=not alone,
        minds=_MINDS if wide and tall else 0,
        bottom=rows,
        watch=_WATCHLIST if width >= _WITH_WATCHLIST else 0,
        too_small=width < SMALLEST[0] or height < SMALLEST[1],
    )
