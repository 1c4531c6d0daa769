"""A small form for any command of the table, made from its fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, get_args, get_origin

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.types import CSSPathType
from textual.widget import Widget
from textual.widgets import Input, Static

from core.model.errors import ConfigError
from tui.screens.sheet import Sheet
from tui.widgets.fields import Choice, PressButton, Words

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from core.model.commands import Command

HIDDEN: Final[frozenset[tuple[str, str]]] = frozenset({("close_position", "client_order_id")})
"""Fields a person never writes: ids made by the screen."""


class CommandForm(Sheet["Command | None"]):
    """Asks for a command's fields; answers with the parsed command."""

    CSS_PATH: ClassVar[CSSPathType | None] = "../dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "close", show=False),
        Binding("down", "app.focus_next", "next field", show=False),
        Binding("up", "app.focus_previous", "previous field", show=False),
    ]

    def __init__(self, kind: type[Command], prefill: Mapping[str, str]) -> None:
        super().__init__()
        self.kind = kind
        self.prefill = prefill
        self.asked = False
        """True when a dangerous command waits for its second press."""

    def compose(self) -> ComposeResult:
        """One field on a line, the help above, Run below."""
        with VerticalScroll(id="form", classes="sheet", can_focus=False):
            yield Words(f"{self.kind.title}   {self.kind.tier.value}", field_id="form-title")
            yield Words(self.kind.help, field_id="form-help")
            for name in fields_of(self.kind):
                info = self.kind.model_fields[name]
                note = info.description or ("" if info.is_required() else "optional")
                yield Horizontal(
                    Words(name.replace("_", " "), classes="name wide"),
                    self._control(name, info),
                    Words(note, classes="note"),
                    classes="field",
                )
            yield Words(field_id="form-error")
            yield PressButton("Run", field_id="run")
            yield Words("enter next field   ←→ choose   esc close", classes="keys")

    def on_mount(self) -> None:
        """Start at the first empty field, else at Run."""
        empty = [item for item in self.query(Input) if not item.value]
        (empty[0] if empty else self.query_one("#run")).focus()

    def _control(self, name: str, info: FieldInfo) -> Widget:
        given = self.prefill.get(name)
        options = choices(info.annotation)
        default = "" if info.is_required() else _plain(info.default)
        if options:
            return Choice(options, given or default, field_id=f"field-{name}")
        return Input(
            given if given is not None else default,
            id=f"field-{name}",
            compact=True,
            select_on_focus=True,
        )

    @on(Input.Submitted)
    @on(Choice.Done)
    def _next(self) -> None:
        self.focus_next("Input, Choice, PressButton")

    @on(Input.Changed)
    @on(Choice.Changed)
    def _changed(self) -> None:
        self.asked = False
        self._say("")

    @on(PressButton.Pressed)
    def _run(self) -> None:
        from core.model.commands import Tier, parse_command

        try:
            command = parse_command(self.kind.name, self._args())
        except ConfigError as error:
            self._say(f"✗ {error}")
            return
        if self.kind.tier is Tier.DANGEROUS and not self.asked:
            self.asked = True
            self._say(f"press Enter again: {self.kind.title.lower()}")
            return
        self.dismiss(command)

    def _args(self) -> dict[str, Any]:
        args: dict[str, Any] = {}
        for name in self.kind.model_fields:
            if (self.kind.name, name) in HIDDEN:
                args[name] = self.prefill[name]
                continue
            control = self.query_one(f"#field-{name}")
            assert isinstance(control, Input | Choice)
            words = control.value.strip()
            if words:
                many = get_origin(self.kind.model_fields[name].annotation) is tuple
                args[name] = words.replace(",", " ").split() if many else words
        return args

    def _say(self, words: str) -> None:
        self.query_one("#form-error", Static).update(words)


def fields_of(kind: type[Command]) -> list[str]:
    """Return the names of the fields a person fills in."""
    return [name for name in kind.model_fields if (kind.name, name) not in HIDDEN]


def choices(annotation: Any) -> tuple[str, ...]:
    """Return the words a field allows, empty when it is free text."""
    if annotation is bool:
        return ("no", "yes")
    if get_origin(annotation) is Literal:
        return tuple(str(item) for item in get_args(annotation))
    values = getattr(annotation, "__members__", None)
    return tuple(str(item.value) for item in values.values()) if values else ()


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == ():
        return ""
    return str(value)
