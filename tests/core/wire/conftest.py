from __future__ import annotations

import pytest


class ManualClock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.wall_ns = 1_700_000_000_000_000_000
        self.mono_ns = 5_000_000_000

    def now_ns(self) -> int:
        return self.wall_ns

    def monotonic_ns(self) -> int:
        return self.mono_ns

    def advance(self, seconds: float) -> None:
        self.wall_ns += int(seconds * 1e9)
        self.mono_ns += int(seconds * 1e9)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()
