"""What the account was, is and is exposed to: its curve, and profit by name and day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from textual.binding import BindingType

from core.model.errors import ClxError
from core.model.inspection import PortfolioView
from tui.begun import begin
from tui.draw import numbers
from tui.draw.curve import draw_curve
from tui.draw.runs import Row
from tui.draw.sums import DAYS, EXPOSURE, INSTRUMENTS, PROPOSERS
from tui.keys import KEYS, ScreenName, bindings
from tui.screens.paged import Page, PagedScreen
from tui.widgets.rows import RowsWidget

_ASK_S: Final = 5.0
_SPANS: Final = ((0, "all"), (1, "1 h"), (24, "1 d"), (168, "7 d"), (720, "30 d"))


class PortfolioScreen(PagedScreen):
    """The equity curve above, one of four lists below."""

    NAME: ClassVar[ScreenName] = "portfolio"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(KEYS, "portfolio")]
    PAGES: ClassVar[Sequence[Page]] = (
        Page("exposure", EXPOSURE),
        Page("instruments", INSTRUMENTS),
        Page("strategies", PROPOSERS),
        Page("days", DAYS),
    )

    def __init__(self) -> None:
        super().__init__()
        self.found: PortfolioView | None = None
        self._span = 0
        self._due = 0.0
        self._problem = ""

    def heights(self, width: int, height: int) -> tuple[int, int]:
        """Give the curve the upper half."""
        return max(6, (height - 3) // 2), 0

    def before_draw(self, now: float) -> None:
        """Ask now and then."""
        if self.clx.link.state == "up" and now >= self._due:
            self._due = now + _ASK_S
            begin(self, self._ask, group="ask", exclusive=True)

    async def _ask(self) -> None:
        from core.model.commands import GetPortfolio

        points = max(50, min(1000, self.size.width * 2))
        try:
            found = await self.clx.link.request(
                GetPortfolio(points=points, hours=_SPANS[self._span][0])
            )
        except ClxError as error:
            self._problem = str(error)
            self.draw_all()
            return
        self._problem = ""
        if isinstance(found, PortfolioView):
            self.found = found
            self.draw_all()

    def empty_words(self) -> str:
        """Return why there is nothing yet."""
        return self._problem or ("asking the engine…" if self.found is None else "")

    def all_items(self, page: str) -> Sequence[Any]:
        """Return a page's lines."""
        found = self.found
        if found is None:
            return ()
        return {
            "exposure": found.exposure,
            "instruments": found.by_instrument,
            "strategies": found.by_strategy,
            "days": found.by_day,
        }[page]

    def title_words(self) -> list[str]:
        """Return the sums."""
        found = self.found
        if found is None:
            return []
        return [
            f"ever {numbers.signed(found.total_pnl)}",
            f"gross {found.gross:,.0f}",
            f"net {numbers.signed(found.net, 0)}",
        ]

    def tab_words(self) -> str:
        """Return what the curve shows."""
        asset = self.found.asset if self.found is not None else ""
        return f"equity {self.replica.equity:,.2f} {asset}   curve {_SPANS[self._span][1]}".rstrip()

    def draw_above(self, width: int, height: int) -> list[Row]:
        """Draw the curve."""
        points = self.found.points if self.found is not None else ()
        return draw_curve(
            [(point.ts_ns, float(point.equity)) for point in points],
            width,
            height,
            self.query_one("#above", RowsWidget).look.glyphs,
            "the curve begins when the engine has run for some seconds",
            self.found.gaps if self.found is not None else (),
        )

    def action_span(self, by: int) -> None:
        """Show a longer or shorter stretch of the curve."""
        self._span = (self._span + by) % len(_SPANS)
        self._due = 0.0
        self.draw_all()
