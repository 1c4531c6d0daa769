"""The defaults of [tui], in force until the settings are read after the first paint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct, field

if TYPE_CHECKING:
    from core.model.settings import TuiSettings


class Preferences(Struct, frozen=True):
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
        return cls(**{name: getattr(settings, name) for name in cls.__struct_fields__})
