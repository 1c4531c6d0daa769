"""What every dialog shares: it is laid out for the size of the terminal from its first paint on."""

from __future__ import annotations

from typing import TypeVar

from textual import on
from textual.events import ScreenResume
from textual.screen import ModalScreen

T = TypeVar("T")


class Sheet(ModalScreen[T]):
    """A dialog above a full screen.

    The framework gives a screen the classes of its size once it is laid out: a narrow terminal
    would see the wide sheet first.
    """

    def __init__(self) -> None:
        super().__init__()
        width, height = self.app.size
        across = self._get_breakpoint_classes(width, self.app.HORIZONTAL_BREAKPOINTS or [])
        down = self._get_breakpoint_classes(height, self.app.VERTICAL_BREAKPOINTS or [])
        self.add_class(*across, *down)
        self._styled = self.app.theme

    @on(ScreenResume)
    def _resumed(self, event: ScreenResume) -> None:
        # Its fields were styled as they came; only another theme makes them look different since.
        # The dialog itself came before the rules of dialogs were read.
        event.refresh_styles = self._styled != self.app.theme
        self._styled = self.app.theme
        self.app.stylesheet.apply(self)
