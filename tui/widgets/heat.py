"""The heatmap on the screen: old columns, new ones and the axis, so that a second costs little."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from core.model.instruments import Instrument
from tui.draw.chart.candles import draw_message
from tui.draw.heatmap import (
    EVERY_S,
    NEW,
    Column,
    HeatView,
    draw_cells,
    draw_heat_axis,
    draw_heat_head,
    draw_heat_times,
    full_size,
    heat_price,
    loud_size,
    make_column,
)
from tui.heat import HeatTape, Moment
from tui.widgets.rows import RowsWidget

GROUPS: Final = (1, 2, 4, 10, 20, 40)
"""Buckets of the profile that a row holds."""
_MARGIN: Final = 0.18
"""The middle may come this near to an edge, as a share of the rows, before the rows move."""


class _Drawn(Struct, frozen=True):
    """What the old columns were drawn for."""

    view: HeatView
    block: int
    width: int


class HeatWidget(Vertical):
    """Draws the recorded minutes of a book."""

    def __init__(self) -> None:
        super().__init__(id="heat")
        self.head = RowsWidget(id="heat-head")
        self.old = RowsWidget(id="heat-old")
        self.new = RowsWidget(id="heat-new")
        self.axis = RowsWidget(id="heat-axis")
        self.times = RowsWidget(id="heat-times")
        self.group_at = 1
        self.every_at = 0
        self._view: HeatView | None = None
        self._drawn: _Drawn | None = None
        self._columns: dict[int, Column] = {}
        self._axis_width = 0

    def compose(self) -> ComposeResult:
        """Head above, the columns and their axis, times below."""
        yield self.head
        with Horizontal(id="heat-body"):
            yield self.old
            yield self.new
            yield self.axis
        yield self.times

    def zoom(self, by: int) -> None:
        """Have a row stand for less, or for more."""
        self.group_at = max(0, min(len(GROUPS) - 1, self.group_at - by))

    def step_every(self, by: int) -> int:
        """Have a column stand for more or fewer seconds; return how many now."""
        self.every_at = max(0, min(len(EVERY_S) - 1, self.every_at + by))
        return EVERY_S[self.every_at]

    def forget(self) -> None:
        """Draw everything anew at the next draw."""
        self._drawn = None
        self._view = None
        self._columns.clear()

    def show_message(self, words: str) -> None:
        """Say why there is no picture."""
        self.forget()
        self.new.styles.width = self.axis.styles.width = 0
        width, height = self.size
        self.old.show(draw_message(width, max(0, height - 2), (words,)))
        self.head.show([])
        self.times.show([])

    def show_tape(self, tape: HeatTape, item: Instrument, last_ticks: int) -> None:
        """Draw what was recorded; only what changed is painted."""
        moments = tape.moments
        width, rows = self.size.width, self.size.height - 2
        if not moments or width < 40 or rows < 6:
            return
        view = self._fitted(list(moments), item, rows)
        newest = moments[-1].second // view.every_s
        block = newest // NEW * NEW
        axis = max(9, len(heat_price(view, last_ticks)) + 4)
        if axis != self._axis_width or self.new.styles.width is None:
            self._axis_width = axis
        self.new.styles.width, self.axis.styles.width = NEW, axis
        room = width - NEW - axis
        glyphs = self.head.look.glyphs
        drawn = _Drawn(view, block, room)
        if drawn != self._drawn:
            if self._drawn is None or self._drawn.view != view:
                self._columns.clear()
            self._drawn = drawn
            self._fill(view, list(moments), block)
            known = [self._columns.get(block - room + at) for at in range(room)]
            self.old.show(draw_cells(view, known, room, glyphs))
            self.head.show([draw_heat_head(view, width, glyphs)])
            self.times.show([draw_heat_times(view, block - room, room + NEW, glyphs)])
        recent: dict[int, list[Moment]] = {}
        for moment in reversed(moments):
            number = moment.second // view.every_s
            if number < block:
                break
            recent.setdefault(number, []).insert(0, moment)
        fresh = [make_column(view, recent.get(block + at, ())) for at in range(NEW)]
        self.new.show(draw_cells(view, fresh, NEW, glyphs))
        rises = len(moments) < 2 or moments[-1].mid_ticks >= moments[-2].mid_ticks
        self.axis.show(draw_heat_axis(view, last_ticks, rises, axis, glyphs))

    def _fill(self, view: HeatView, moments: Sequence[Moment], block: int) -> None:
        """Make the columns before `block` that are not known yet, and forget those long gone."""
        grouped: dict[int, list[Moment]] = {}
        for moment in moments:
            number = moment.second // view.every_s
            if number < block and number not in self._columns:
                grouped.setdefault(number, []).append(moment)
        for number, of in grouped.items():
            column = make_column(view, of)
            if column is not None:
                self._columns[number] = column
        oldest = moments[0].second // view.every_s
        for number in [number for number in self._columns if number < oldest]:
            del self._columns[number]

    def _fitted(self, moments: Sequence[Moment], item: Instrument, rows: int) -> HeatView:
        """Return the view in force: the one before while the market stays within it."""
        newest = moments[-1]
        ticks = newest.step_ticks * GROUPS[self.group_at]
        every = EVERY_S[self.every_at]
        view = self._view
        same = (
            view is not None
            and view.instrument.id == item.id
            and (view.row_ticks, view.rows, view.every_s) == (ticks, rows, every)
        )
        if view is None or not same:
            top = int(newest.mid_ticks // ticks) + rows // 2
            view = HeatView(item, ticks, top, rows, every, 1.0, 1.0)
            view = self._weighed(view, moments, 0.0)
        row = view.row_of(newest.mid_ticks)
        edge = rows * _MARGIN
        if not edge <= row <= rows - 1 - edge:
            view = replace(view, top_row=int(newest.mid_ticks // ticks) + rows // 2)
        block = newest.second // every // NEW * NEW
        moved = self._drawn is not None and block != self._drawn.block
        if moved or len(moments) in (2, 5):
            view = self._weighed(view, moments, view.full_lots)
        self._view = view
        return view

    @staticmethod
    def _weighed(view: HeatView, moments: Sequence[Moment], before: float) -> HeatView:
        full = full_size(view, moments, before)
        loud = loud_size(moments)
        if before and view.loud_lots * 0.5 <= loud <= view.loud_lots * 2:
            loud = view.loud_lots
        return replace(view, full_lots=full, loud_lots=loud)
