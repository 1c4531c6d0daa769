"""When the terminal's bell rings: for what a person who looks elsewhere should hear of."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from link.replica import Replica

PAUSE_S: Final = 1.0
"""A burst of fills is one ring."""


class Bell:
    """Rings for new warnings, errors and fills; never for what was there when the link came up."""

    def __init__(self) -> None:
        self._heard: dict[str, int] | None = None
        self._quiet_until_s = 0.0

    def due(self, replica: Replica, wanted: Collection[str], now_s: float) -> bool:
        """Return whether to ring now; `wanted` holds ``alerts``, ``fills``, both or neither."""
        if replica.status is None:
            return False
        news = {
            "alerts": max((a.ts_ns for a in replica.alerts if a.level != "info"), default=0),
            "fills": replica.fills[-1].ts_ns if replica.fills else 0,
        }
        before, self._heard = self._heard, news
        if before is None or not any(news[name] > before[name] for name in wanted):
            return False
        if now_s < self._quiet_until_s:
            return False
        self._quiet_until_s = now_s + PAUSE_S
        return True
