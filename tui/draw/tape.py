"""The tape: public trades, newest on top; the sign says who took."""

from __future__ import annotations

from collections.abc import Sequence

from core.model.instruments import Instrument
from core.model.views import TapeRow
from tui.draw import numbers
from tui.draw.glyphs import Glyphs
from tui.draw.runs import Grid, Row


def draw_tape(
    trades: Sequence[TapeRow],
    skipped: int,
    instrument: Instrument,
    width: int,
    height: int,
    glyphs: Glyphs,
) -> list[Row]:
    """Draw the newest trades; columns are dropped from the left when `width` is small."""
    grid = Grid(width, height)
    if not height:
        return grid.rows()
    grid.put(1, 0, "tape" if not skipped or width < 18 else f"tape, {skipped:,} more", "muted")
    shown = trades[: -(height - 1) - 1 : -1] if height > 1 else ()
    price_ticks = shown[0].price_ticks if shown else 1
    decimals = numbers.size_decimals(instrument, max(1, price_ticks))
    for y, trade in enumerate(shown, 1):
        sold = trade.buyer_is_maker
        role = "down" if sold else "up"
        size = numbers.size(instrument, trade.size_lots, decimals)
        price = numbers.price(instrument, trade.price_ticks)
        when = numbers.clock(trade.ts_event_ns)
        x = width - 1
        grid.put_right(x, y, size, "text")
        x -= max(9, len(size)) + 1
        if x >= len(price) + 3:
            grid.put_right(x, y, price, role)
            x -= len(price) + 1
        if x >= len(when) + 3:
            grid.put(3, y, when, "muted")
        grid.put(1, y, glyphs.down if sold else glyphs.up, role)
    return grid.rows()
