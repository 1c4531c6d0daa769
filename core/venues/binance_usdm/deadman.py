"""The venue's dead-man switch: a countdown per symbol, wound up as long as we live.

::

    first open order of a symbol ─► armed ──every third of its time──► armed again
    last one ended ───────────────► disarmed      we die ─► the venue cancels what rests

It cancels every order of the symbol, also those of others on the same account, but no conditional
order that still waits: stops stay.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from core.model.errors import DataError, OutcomeUnknown, RateLimited, TemporaryError
from core.model.facts import DeadManSet, VenueEvent
from core.model.ids import ClientOrderId, VenueName
from core.model.orders import (
    OrderCanceled,
    OrderExpired,
    OrderRejected,
)
from core.model.ports import Clock, VenueSink
from core.venues.binance.rest import BinanceRest

_log = logging.getLogger(__name__)

_PATH: Final = "/fapi/v1/countdownCancelAll"
_WEIGHT: Final = 10
_RENEWALS: Final = 3
"""Times it is renewed within the time it runs."""
_RETRY_S: Final = 5.0
_ENDS: Final = (OrderRejected, OrderCanceled, OrderExpired)


class DeadMan:
    """Keeps the switch wound up for every symbol with open orders of ours."""

    def __init__(
        self,
        venue: VenueName,
        rest: BinanceRest,
        *,
        seconds: float,
        clock: Clock,
        sink: VenueSink,
    ) -> None:
        """`seconds` is how long the venue waits for us; 0: the switch is not used."""
        self._venue = venue
        self._rest = rest
        self._seconds = seconds
        self._clock = clock
        self._sink = sink
        self._open: dict[ClientOrderId, str] = {}
        self._armed: set[str] = set()
        self._changed = asyncio.Event()
        self._told = ""

    def opened(self, order_id: ClientOrderId, symbol: str) -> None:
        """Note an order that may rest."""
        if self._seconds and order_id not in self._open:
            self._open[order_id] = symbol
            self._changed.set()

    def take(self, event: VenueEvent) -> None:
        """Take what is told of orders: the end of one may be the end of its symbol's switch."""
        if isinstance(event, _ENDS) and self._open.pop(event.client_order_id, None) is not None:
            self._changed.set()

    async def run(self) -> None:
        """Arm, renew and disarm until cancelled; what is armed then fires in its time."""
        if not self._seconds:
            return
        while True:
            self._changed.clear()
            wanted = set(self._open.values())
            problems = [await self._set(symbol, self._seconds) for symbol in sorted(wanted)]
            problems += [await self._set(symbol, 0) for symbol in sorted(self._armed - wanted)]
            problem = next((text for text in problems if text), "")
            self._tell(problem)
            await self._pause(wanted, failed=bool(problem))

    async def _pause(self, wanted: set[str], *, failed: bool) -> None:
        """Wait until it is time to renew or to try again, or there are other symbols."""
        limit_s = self._seconds / _RENEWALS if wanted or failed else None
        if limit_s is not None and failed:
            limit_s = min(limit_s, _RETRY_S)
        try:
            async with asyncio.timeout(limit_s):
                while set(self._open.values()) == wanted:
                    await self._changed.wait()
                    self._changed.clear()
        except TimeoutError:
            return

    async def _set(self, symbol: str, seconds: float) -> str:
        """Wind up one symbol's switch, or take it off; return what went wrong, if anything."""
        params = [("symbol", symbol), ("countdownTime", str(int(seconds * 1000)))]
        try:
            reply = await self._rest.send("POST", _PATH, params, weight=_WEIGHT)
        except (TemporaryError, RateLimited, OutcomeUnknown, DataError) as error:
            _log.warning("%s: dead-man switch of %s: %s", self._venue, symbol, error)
            return f"{symbol}: {error}"
        if reply.status != 200:
            text = f"{symbol}: status {reply.status}, {reply.body[:120].decode(errors='replace')}"
            _log.warning("%s: dead-man switch of %s", self._venue, text)
            return text
        (self._armed.add if seconds else self._armed.discard)(symbol)
        return ""

    def _tell(self, problem: str) -> None:
        state = ""
        if self._armed:
            symbols = ", ".join(sorted(self._armed))
            state = f"cancels {symbols} {self._seconds:g} s after our last word"
        if problem:
            state = f"{state}; not set: {problem}" if state else f"not set: {problem}"
        if state != self._told:
            self._told = state
            self._sink(DeadManSet(venue=self._venue, state=state, ts_ns=self._clock.now_ns()))


def watched(sink: VenueSink, *watchers: Callable[[VenueEvent], None]) -> VenueSink:
    """Return a sink that lets others take an event before the engine does."""

    def tell(event: VenueEvent) -> None:
        for watcher in watchers:
            watcher(event)
        sink(event)

    return tell
