"""Back off: how long to wait before the next attempt."""

from __future__ import annotations

import random

from core.model.errors import ConfigError


class Backoff:
    """Grow a delay by doubling, jittered so that many clients do not return in step."""

    def __init__(
        self,
        rng: random.Random,
        *,
        first_s: float = 0.5,
        max_s: float = 30.0,
        factor: float = 2.0,
    ) -> None:
        """Delays lie between half of and all of first_s * factor**n, never above max_s.

        Raises:
            ConfigError: The delays are not ordered as 0 < first_s <= max_s, or factor < 1.
        """
        if not 0 < first_s <= max_s or factor < 1:
            raise ConfigError(
                "backoff needs 0 < first_s <= max_s and factor >= 1, "
                f"was first_s={first_s} max_s={max_s} factor={factor}"
            )
        self._rng = rng
        self._first_s = first_s
        self._max_s = max_s
        self._factor = factor
        self._ceiling_s = first_s
        self.attempts = 0

    def next_s(self) -> float:
        """Return the delay before the next attempt, in seconds."""
        delay_s = self._ceiling_s * self._rng.uniform(0.5, 1.0)
        self._ceiling_s = min(self._ceiling_s * self._factor, self._max_s)
        self.attempts += 1
        return delay_s

    def reset(self) -> None:
        """Start over: the last attempt held."""
        self._ceiling_s = self._first_s
        self.attempts = 0
