"""The depth chart on the screen: keeps its span and its upper edge calm."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from core.model.instruments import Instrument
from core.model.market import Side
from core.model.views import BookProfile
from tui.draw.chart.candles import draw_message
from tui.draw.depth import SPANS, DepthView, draw_depth, fitting_span, top_of
from tui.widgets.rows import RowsWidget

_CALM: Final = 0.45
"""The upper edge is kept while the hills reach at least this share of it."""


class DepthWidget(RowsWidget):
    """Draws the depth of the book."""

    def __init__(self) -> None:
        super().__init__(id="depth")
        self.span: float | None = None
        """As chosen; None fits the known book."""
        self._shown = 0.0
        self._top = 0
        self._of: object = None

    @property
    def shown_span(self) -> float:
        """The span last drawn."""
        return self.span or self._shown or SPANS[2]

    def zoom(self, by: int) -> None:
        """Show less of the book around the middle, or more."""
        at = min(range(len(SPANS)), key=lambda at: abs(SPANS[at] - self.shown_span))
        self.span = SPANS[max(0, min(len(SPANS) - 1, at - by))]

    def show_message(self, words: str) -> None:
        """Say why there is no picture."""
        self.show(draw_message(*self.size, (words,)))

    def show_profile(
        self,
        profile: BookProfile,
        item: Instrument,
        own: Mapping[int, tuple[Side, Decimal]],
    ) -> None:
        """Draw a profile."""
        width, height = self.size
        if not width or not height:
            return
        if self._of != item.id:
            self._of, self._top, self._shown, self.span = item.id, 0, 0.0, None
        fitting = fitting_span(profile)
        if not self._shown or fitting < self._shown * 0.6 or fitting > self._shown * 1.6:
            self._shown = fitting
        span = self.span or self._shown
        top = top_of(profile, span, width)
        if not self._top or top > self._top or top < self._top * _CALM:
            self._top = top
        view = DepthView(item, profile, span, self._top, own)
        self.show(draw_depth(view, width, height, self.look.glyphs))
