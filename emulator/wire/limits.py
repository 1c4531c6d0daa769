"""Request counting: so many in so much time, per address and kind."""

from __future__ import annotations

from collections import deque
from typing import Final

from emulator.clock import monotonic_ns

_MS: Final = 1_000_000


class Windows:
    """Sliding windows by key; in real time, as clients live in it whatever the market's speed."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], deque[int]] = {}

    def count(self, address: str, kind: str, allowed: int, per_ms: int) -> bool:
        """Count one; False when it is one too many (it is not counted then)."""
        now = monotonic_ns()
        seen = self._seen.setdefault((address, kind), deque())
        while seen and seen[0] <= now - per_ms * _MS:
            seen.popleft()
        if len(seen) >= allowed:
            return False
        seen.append(now)
        return True

    def forget(self, address: str, kind: str) -> None:
        """Forget a key that is of no use any more."""
        self._seen.pop((address, kind), None)

    def left(self, address: str, kind: str, allowed: int, per_ms: int) -> tuple[int, int]:
        """Return how many are left, and in how many ms the oldest one is forgotten."""
        seen = self._seen.get((address, kind), deque())
        oldest = seen[0] if seen else monotonic_ns()
        return max(0, allowed - len(seen)), max(0, per_ms - (monotonic_ns() - oldest) // _MS)


class Bucket:
    """Credits that come back with time, by key."""

    def __init__(self, size: float, per_second: float) -> None:
        self._size = size
        self._rate = per_second / 1e9
        self._level: dict[str, tuple[float, int]] = {}

    def spend(self, address: str, cost: float) -> bool:
        """Take credits; False when there are not enough."""
        now = monotonic_ns()
        level, at = self._level.get(address, (self._size, now))
        level = min(self._size, level + (now - at) * self._rate)
        enough = level >= cost
        self._level[address] = (level - cost if enough else level, now)
        return enough

    def forget(self, address: str) -> None:
        """Forget a key that is of no use any more."""
        self._level.pop(address, None)
