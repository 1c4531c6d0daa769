"""Private messages on their way to the account's owner: lost, doubled, late or out of order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from emulator.faults import Faults
from emulator.wire.venue import Json

_LONGEST_HELD_S: Final = 1.0
"""A message that changes places with the next one is not kept back for longer."""

Sink = Callable[[Json], None]


class Outlet:
    """Hands messages to every sink; armed faults of `faults.PRIVATE_FAULTS` strike here."""

    def __init__(self, faults: Faults, now_ms: Callable[[], int]) -> None:
        self.sinks: dict[object, Sink] = {}
        """Who gets the messages, by whatever names it."""
        self._faults = faults
        self._now_ms = now_ms
        self._held: tuple[Json, int] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def tell(self, message: Json, *, symbol: str = "", report: bool = True) -> None:
        """Send a message; `report` says that it is about an order, and so may come twice."""
        if not self.sinks:
            return
        times = 1
        if self._faults.armed:
            if self._struck("suppress_reports", symbol):
                return
            if report and self._struck("duplicate_report", symbol):
                times = 2
            if self._held is None and self._struck("reorder_reports", symbol):
                self._hold(message, times)
                return
            late = self._faults.take(("delay_reports_ms",), self._now_ms(), symbol=symbol)
            if late is not None:
                loop = asyncio.get_running_loop()
                loop.call_later(late.value / 1_000, self._send, message, times)
                return
        self._send(message, times)
        self._let_go()

    def _struck(self, kind: str, symbol: str) -> bool:
        return self._faults.take((kind,), self._now_ms(), symbol=symbol) is not None

    def _hold(self, message: Json, times: int) -> None:
        self._held = (message, times)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(_LONGEST_HELD_S, self._let_go)

    def _let_go(self) -> None:
        if self._held is None:
            return
        held, self._held = self._held, None
        if self._timer is not None:
            self._timer.cancel()
        self._send(*held)

    def _send(self, message: Json, times: int) -> None:
        for sink in tuple(self.sinks.values()):
            for _ in range(times):
                sink(message)
