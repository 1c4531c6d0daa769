"""Private events of the account, formatted once and handed to every subscription."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from emulator.binance.private_wire import account_position, execution_report
from emulator.binance.venue import Venue
from emulator.binance.wire import Json
from emulator.market.accounts import BalancesMoved, Report

EventSink = Callable[[Json], None]


class UserStream:
    """Turns the desk's reports into the venue's events; faults lose or double them here."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self.sinks: dict[object, EventSink] = {}
        """Who gets the events, by subscription."""
        venue.account.sinks.append(self._on_message)

    def _on_message(self, message: Report | BalancesMoved) -> None:
        if not self.sinks:
            return
        venue, now_ms = self._venue, self._venue.now_ms()
        if venue.faults.take(("suppress_reports",), now_ms):
            return
        times = 1
        if isinstance(message, Report):
            event = execution_report(message, venue.writers[message.order.symbol], now_ms)
            symbol = message.order.symbol
            if venue.faults.take(("duplicate_report",), now_ms, symbol=symbol):
                times = 2
        else:
            event = account_position(message, now_ms)
        late = venue.faults.take(("delay_reports_ms",), now_ms)
        if late is not None:
            asyncio.get_running_loop().call_later(late.value / 1_000, self._send, event, times)
        else:
            self._send(event, times)

    def _send(self, event: Json, times: int) -> None:
        for sink in tuple(self.sinks.values()):
            for _ in range(times):
                sink(event)
