"""What every command is, and how much harm it can do."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar

import msgspec
from pydantic import BaseModel, ConfigDict


class Tier(StrEnum):
    """How much harm a command can do."""

    READ = "read"
    MUTATE = "mutate"
    TRADE = "trade"
    DANGEROUS = "dangerous"


class Command(BaseModel):
    """Base of all commands; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: ClassVar[str]
    """Stable snake_case name, the key of the table."""
    title: ClassVar[str]
    """A few words, for the palette."""
    help: ClassVar[str]
    """One sentence, for help and docs."""
    tier: ClassVar[Tier]
    result: ClassVar[Any]
    """The type the engine answers with, for msgspec."""


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """A command without a richer answer was carried out."""

    text: str = "done"
