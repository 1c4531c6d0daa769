"""How far a venue's clock is from ours, from questions whose answers take their time.

::

    we ask ────────────────── it reads its clock ────────────────── we have the answer
       └───────────────── somewhere within, we know not where ──────────────┘
"""

from __future__ import annotations

from typing import Final

_MS: Final = 1_000_000


class ClockOffset:
    """A venue's time minus ours, as the best of its answers says."""

    def __init__(self) -> None:
        self.ms = 0
        """The middle of what the answer allows."""
        self._slack_ms = 0
        """How far from that the truth may be."""
        self._doubted = True

    def take(self, asked_ns: int, there_ms: int, answered_ns: int) -> None:
        """Take an answer, unless one that took less time says no other than it."""
        ms = there_ms - (asked_ns + answered_ns) // (2 * _MS)
        slack_ms = max(0, answered_ns - asked_ns) // (2 * _MS)
        vaguer = slack_ms > self._slack_ms and not self._doubted
        if vaguer and abs(ms - self.ms) <= slack_ms:
            return
        self.ms, self._slack_ms, self._doubted = ms, slack_ms, False

    def doubt(self) -> None:
        """Believe the next answer whatever it says: the venue refused a time told by this one."""
        self._doubted = True

    @property
    def surely_ms(self) -> int:
        """The least that the clocks are apart, negative where the venue's is behind."""
        least = max(0, abs(self.ms) - self._slack_ms)
        return least if self.ms > 0 else -least
