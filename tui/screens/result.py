"""Show what a command answered, as a table of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import ClassVar, Final

import msgspec
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import ScrollableContainer
from textual.types import CSSPathType

from tui.screens.sheet import Sheet
from tui.widgets.fields import Words

_LONGEST: Final = 40
_NEWEST: Final = 200
_SHORTEST_MOMENT: Final = 17
"""Nanoseconds of fewer digits are spans, not moments of this century."""


class ResultScreen(Sheet[None]):
    """A page of text that scrolls both ways."""

    CSS_PATH: ClassVar[CSSPathType | None] = "../dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "dismiss", "close", show=False),
        Binding("j,down", "scroll(0,1)", "down", show=False),
        Binding("k,up", "scroll(0,-1)", "up", show=False),
        Binding("h,left", "scroll(-8,0)", "left", show=False),
        Binding("l,right", "scroll(8,0)", "right", show=False),
        Binding("y", "copy", "copy", show=False),
    ]

    def __init__(self, title: str, result: object) -> None:
        super().__init__()
        self.heading = title
        self.lines = tabulate(result)

    def compose(self) -> ComposeResult:
        """The title and the table."""
        with ScrollableContainer(id="result", classes="sheet"):
            text = Text(f"{self.heading}   esc closes, y copies\n\n", no_wrap=True)
            text.append("\n".join(self.lines))
            yield Words(text, field_id="result-text")

    def action_scroll(self, x: int, y: int) -> None:
        """Scroll by cells."""
        self.query_one("#result").scroll_relative(x=x, y=y, animate=False)

    def action_copy(self) -> None:
        """Copy the table to the clipboard of the terminal."""
        self.app.copy_to_clipboard("\n".join(self.lines))


def tabulate(result: object) -> list[str]:
    """Return a result as aligned lines: a table of structs, or one field on a line."""
    plain = msgspec.to_builtins(result, builtin_types=(Decimal,))
    if isinstance(plain, Mapping):
        flat = {_title(name): _said(name, text) for name, text in _flat(plain).items() if text}
        width = max((len(name) for name in flat), default=0)
        return [f"{name:<{width}}  {value}" for name, value in flat.items()]
    if not isinstance(plain, list | tuple):
        return [str(plain)]
    if not plain:
        return ["nothing to show"]
    rows = [_flat(row) if isinstance(row, Mapping) else {"value": str(row)} for row in plain]
    return _table(rows[-_NEWEST:])


def _table(rows: Sequence[Mapping[str, str]]) -> list[str]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    names = [name for name in names if any(row.get(name) for row in rows)]
    widths = {
        name: min(_LONGEST, max(len(name), *(len(row.get(name, "")) for row in rows)))
        for name in names
    }
    head = "  ".join(f"{name:<{widths[name]}}" for name in names)
    return [
        head,
        *(
            "  ".join(f"{row.get(name, '')[:_LONGEST]:<{widths[name]}}" for name in names)
            for row in rows
        ),
    ]


def _flat(row: Mapping[str, object], before: str = "") -> dict[str, str]:
    out: dict[str, str] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            out.update(_flat(value, f"{before}{name}."))
        elif isinstance(value, list):
            out[before + name] = f"{len(value)}: " + " ".join(str(item) for item in value[:8])
        else:
            out[before + name] = "" if value is None else str(value)
    return out


def _title(name: str) -> str:
    """Return a field's name as people read it: ``intent.order_id`` is ``order id``."""
    return name.removeprefix("intent.").removesuffix("_ns").replace("_", " ").replace(".", " ")


def _said(name: str, text: str) -> str:
    """Return a field's value as people read it: moments as UTC, yes and no."""
    if name.endswith("_ns") and text.isdigit() and len(text) > _SHORTEST_MOMENT:
        seconds, rest = divmod(int(text), 1_000_000_000)
        moment = datetime.fromtimestamp(seconds, UTC)
        return f"{moment:%Y-%m-%d %H:%M:%S}.{rest // 1_000_000:03d} UTC"
    return {"True": "yes", "False": "no"}.get(text, text)
