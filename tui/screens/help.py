"""Help, made from the key map in force and the command table; it cannot drift."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.types import CSSPathType

from tui.keys import Key, show
from tui.screens.sheet import Sheet
from tui.widgets.fields import Words

_GRAMMAR = (
    ("b 0.5 BTC-USDT @64250 post", "buy ticket, ready to send; s sells"),
    ("s 0.5 market", "sell ticket for the instrument on screen"),
    ("b r1% @64250 sl 63000 tp 67000", "a bracket; size also $1000, 10%"),
    ("s 0.5 stop 63000 · trail 2%", "waits for a price; tp, by mark, gtd, show"),
    ("why a91f", "the whole life of an order"),
    ("BTC-USDT 5m", "what the chart shows"),
    ("ind ema(20) rsi(14)", "indicators of the chosen chart"),
    ("RECORDS PORTFOLIO LIMITS MARKETS", "screens; also QUALITY, TRADE"),
    ("POS ORD FILLS BAL DOM TAPE WL LOG", "panes"),
    ("kill flatten · arm seconds=60", "any command below, with its fields"),
)


_WIDTH: Final = 70
"""Cells of a line on a terminal of 80, beside border and scroll bar."""


class HelpScreen(Sheet[None]):
    """All keys, the command line, all commands."""

    CSS_PATH: ClassVar[CSSPathType | None] = "../dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark", "dismiss", "close", show=False),
        Binding("j,down", "scroll(1)", "down", show=False),
        Binding("k,up", "scroll(-1)", "up", show=False),
        Binding("pagedown,space", "scroll(15)", "page down", show=False),
        Binding("pageup", "scroll(-15)", "page up", show=False),
    ]

    def __init__(self, keys: Sequence[Key]) -> None:
        super().__init__()
        self.keys = keys

    def compose(self) -> ComposeResult:
        """One long page."""
        with VerticalScroll(id="help", classes="sheet"):
            yield Words(help_text(self.keys), field_id="help-text")

    def action_scroll(self, lines: int) -> None:
        """Scroll by lines."""
        self.query_one("#help", VerticalScroll).scroll_relative(y=lines, animate=False)


def help_text(keys: Sequence[Key]) -> Text:
    """Return the help page."""
    from core.model.commands import COMMANDS

    text = Text(no_wrap=False)
    text.append("KEYS", "bold")
    text.append("   esc closes, j k scroll\n")
    for group in dict.fromkeys(key.group for key in keys):
        text.append(f"\n {group}\n", "bold")
        for key in keys:
            if key.group == group:
                names = " ".join(show(name) for name in key.keys.split(","))
                _put(text, f"  {names:<18} {key.title}", key.id)
    text.append("\n COMMAND LINE, after :\n", "bold")
    for example, words in _GRAMMAR:
        text.append(f"  {example:<34} {words}\n")
    text.append("\n COMMANDS, in the palette and after :\n", "bold")
    for name, command in COMMANDS.items():
        _put(text, f"  {name:<18} {command.help}", command.tier.value)
    text.append("\n The engine goes on when this screen is closed; clx attaches again.\n")
    return text


def _put(text: Text, words: str, tail: str) -> None:
    """Add a line with its tail at the right; a long one is cut at words, never its tail."""
    first, *rest = textwrap.wrap(
        words,
        _WIDTH - len(tail) - 2,
        subsequent_indent=" " * 21,
        drop_whitespace=False,
        break_on_hyphens=False,
    )
    text.append(first.rstrip())
    text.append(f"{tail:>{_WIDTH - len(first.rstrip())}}\n", "dim")
    for line in rest:
        text.append(f"{line.rstrip()}\n")
