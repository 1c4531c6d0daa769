"""Messages between widgets, screens and the app."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from textual.message import Message

from core.model.ids import InstrumentId
from tui.grammar import Line

Level: TypeAlias = Literal["info", "warning", "error"]


@dataclass
class Noticed(Message):
    """Something a person should see; errors stay until read."""

    text: str
    level: Level = "info"


@dataclass
class LineEntered(Message):
    """A line was typed and understood."""

    line: Line


@dataclass
class InstrumentChosen(Message):
    """A person wants to look at an instrument."""

    instrument: InstrumentId
