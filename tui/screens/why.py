"""The whole life of one order: intent, checks, bytes, answers, fills and times."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.events import Resize
from textual.types import CSSPathType

from core.model.ids import ClientOrderId
from core.model.inspection import OrderLife
from tui.begun import begin
from tui.draw.life import draw_life
from tui.draw.runs import row_text
from tui.screens.sheet import Sheet
from tui.widgets.fields import Words
from tui.widgets.rows import RowsWidget

if TYPE_CHECKING:
    from tui.desk import Desk

_KEYS = "j k scroll   b all   r ask again   y copy   esc close"


class WhyScreen(Sheet[None]):
    """Asks once when it opens; what happens later is there when it is asked again."""

    CSS_PATH: ClassVar[CSSPathType | None] = "../dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "dismiss", "close", show=False),
        Binding("j,down", "scroll(1)", "down", show=False),
        Binding("k,up", "scroll(-1)", "up", show=False),
        Binding("pagedown,space,ctrl+d", "scroll(15)", "page down", show=False),
        Binding("pageup,ctrl+u", "scroll(-15)", "page up", show=False),
        Binding("b", "bytes", "bytes", show=False),
        Binding("r", "again", "ask again", show=False),
        Binding("y", "copy", "copy", show=False),
    ]

    def __init__(self, desk: Desk, order_id: str) -> None:
        super().__init__()
        self.desk = desk
        self.order_id = order_id
        self.life: OrderLife | None = None
        self.whole = False

    def compose(self) -> ComposeResult:
        """The title, the life and the keys."""
        with VerticalScroll(id="why", classes="sheet page"):
            yield Words(f"WHY {self.order_id}\n{_KEYS}", field_id="why-title")
            yield RowsWidget(id="why-rows")

    def on_mount(self) -> None:
        """Ask."""
        self.action_again()

    def action_again(self) -> None:
        """Ask the engine for the life as it is now."""
        begin(self, self._ask, group="ask", exclusive=True)

    async def _ask(self) -> None:
        from core.model.commands import GetOrderLife

        command = GetOrderLife(client_order_id=ClientOrderId(self.order_id))
        reply = await self.desk.ask(command)
        if isinstance(reply.result, OrderLife):
            self.life = reply.result
            self._draw()
        else:
            self.query_one("#why-title", Words).update(f"✗ {reply.text}   esc closes")

    def _draw(self) -> None:
        rows = self.query_one("#why-rows", RowsWidget)
        width = rows.size.width
        if self.life is None or not width:
            return
        drawn = draw_life(self.life, width, rows.look.glyphs, whole=self.whole)
        rows.styles.height = len(drawn)
        rows.show(drawn)

    def on_resize(self, event: Resize) -> None:
        """Wrap anew."""
        self.call_after_refresh(self._draw)

    def action_bytes(self) -> None:
        """Show bytes whole, or a line of each."""
        self.whole = not self.whole
        self._draw()

    def action_scroll(self, lines: int) -> None:
        """Scroll by lines."""
        self.query_one("#why", VerticalScroll).scroll_relative(y=lines, animate=False)

    def action_copy(self) -> None:
        """Copy the whole life to the clipboard of the terminal."""
        if self.life is not None:
            glyphs = self.query_one("#why-rows", RowsWidget).look.glyphs
            drawn = draw_life(self.life, 160, glyphs, whole=True)
            self.app.copy_to_clipboard("\n".join(row_text(row).rstrip() for row in drawn))
