"""Small fields for dialogs: a choice and a button that only Enter presses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.events import Click
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Static


class Choice(Widget, can_focus=True):
    """One of a few words, changed with the arrow keys or space; Enter moves on."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "step(-1)", "previous", show=False),
        Binding("right,space", "step(1)", "next", show=False),
        Binding("enter", "done", "next field", show=False),
    ]

    value: reactive[str] = reactive("")

    @dataclass
    class Changed(Message):
        """The choice is now another."""

        choice: Choice

        @property
        def control(self) -> Choice:
            """The widget, for selectors."""
            return self.choice

    @dataclass
    class Done(Message):
        """Enter was pressed: go on to the next field."""

        choice: Choice

    def __init__(self, options: Sequence[str], value: str, *, field_id: str) -> None:
        super().__init__(id=field_id)
        self.options = tuple(options)
        self.set_reactive(Choice.value, value if value in self.options else self.options[0])

    def render(self) -> Text:
        """Draw all options, the chosen one in brackets."""
        parts: list[tuple[str, str]] = []
        for option in self.options:
            chosen = option == self.value
            parts.append((f"[{option}]" if chosen else f" {option} ", "bold" if chosen else "dim"))
        return Text.assemble(*parts, no_wrap=True)

    def action_step(self, by: int) -> None:
        """Choose the next or previous option."""
        at = self.options.index(self.value)
        self.value = self.options[(at + by) % len(self.options)]

    def action_done(self) -> None:
        """Go on to the next field."""
        self.post_message(self.Done(self))

    def watch_value(self) -> None:
        """Tell the dialog."""
        if self.is_mounted:
            self.post_message(self.Changed(self))


class Words(Static):
    """Words taken as they are: brackets in an engine's message are no markup."""

    def __init__(
        self, words: str | Text = "", *, field_id: str | None = None, classes: str = ""
    ) -> None:
        super().__init__(words, id=field_id, classes=classes, markup=False)


class PressButton(Widget, can_focus=True):
    """A button on one line; Enter or a click presses it, space does not."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "press", "press", show=False)]

    label: reactive[str] = reactive("")

    @dataclass
    class Pressed(Message):
        """The button was pressed."""

        button: PressButton

        @property
        def control(self) -> PressButton:
            """The widget, for selectors."""
            return self.button

    def __init__(self, label: str, *, field_id: str) -> None:
        super().__init__(id=field_id)
        self.set_reactive(PressButton.label, label)

    def render(self) -> Text:
        """Draw the label in brackets."""
        return Text(f"[ {self.label} ]", no_wrap=True, justify="center")

    def action_press(self) -> None:
        """Press, unless disabled."""
        if not self.disabled:
            self.post_message(self.Pressed(self))

    def on_click(self, event: Click) -> None:
        """Press with the mouse."""
        event.stop()
        self.action_press()
