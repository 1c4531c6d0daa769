"""How often the screen is repainted: as asked, or slower when the terminal cannot follow."""

from __future__ import annotations

from typing import Final

SLOWEST_FPS: Final = 1.0
_LATE: Final = 2.0
"""A tick this many intervals after the last one means that the loop was held up."""
_PATIENCE: Final = 3
"""Late ticks in a row before the rate is halved."""
_RECOVERY_S: Final = 8.0
"""Time without a late tick before the rate is doubled again."""


class Pace:
    """Judges ticks by their distance in time.

    Textual's writer blocks the event loop while a terminal does not read, so a slow terminal shows
    as late ticks; repainting less often is the only cure.
    """

    def __init__(self, fps: float) -> None:
        self.wanted = fps
        self.fps = fps
        self._last_s: float | None = None
        self._late = 0
        self._good_since_s = 0.0

    @property
    def slow(self) -> bool:
        """True while the rate is below what was asked for."""
        return self.fps < self.wanted

    def tick(self, now_s: float) -> bool:
        """Note a tick of the timer; returns True when the rate changed."""
        last, self._last_s = self._last_s, now_s
        if last is None:
            self._good_since_s = now_s
            return False
        if now_s - last > _LATE / self.fps + 0.05:
            self._late += 1
            self._good_since_s = now_s
            if self._late >= _PATIENCE and self.fps > SLOWEST_FPS:
                return self._change(max(SLOWEST_FPS, self.fps / 2), now_s)
            return False
        if now_s - last <= 1.5 / self.fps:
            self._late = 0
        if self.slow and now_s - self._good_since_s >= _RECOVERY_S:
            return self._change(min(self.wanted, self.fps * 2), now_s)
        return False

    def forget(self) -> None:
        """Start anew after a pause, which is no sign of a slow terminal."""
        self._last_s = None
        self._late = 0

    def _change(self, fps: float, now_s: float) -> bool:
        self.fps = fps
        self._late = 0
        self._good_since_s = now_s
        return True
