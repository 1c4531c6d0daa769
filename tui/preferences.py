"""The defaults of [tui], in force until the settings are read after the first paint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.model.settings import TuiSettings


@dataclass(frozen=True)
class Preferences:
    """What a person prefers of the terminal."""

    theme: str = "clx-dark"
    fps: float = 10.0
    flash: bool = True
    glyphs: str = "auto"
    indicators: tuple[str, ...] = ("ema(20)", "ema(50)", "bb(20,2)", "rsi(14)")
    timeframe: str = "1m"
    bell: tuple[str, ...] = ("alerts", "fills")
    keys: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: TuiSettings) -> Preferences:
        """Return the preferences of a settings table."""
        return cls(**{item.name: getattr(settings, item.name) for item in fields(cls)})
