"""Count the sockets ccxt opens with those of everything else that connects to the same host."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from core.model.ports import Clock
from core.wire.budget import Budgets
from core.wire.limits import CONNECTS, CONNECTS_S, AttemptLimiter

_ALLOWED: Final = {"okx": (3, 1.5), "okxus": (3, 1.5), "myokx": (3, 1.5)}
"""Attempts, and in how many seconds, where the exchange tells a figure of its own."""
_MARK: Final = "_clx_counted"


class ConnectCounter:
    """Lets an exchange's object open each socket once there is room for another attempt."""

    def __init__(self, exchange: str, clock: Clock) -> None:
        self._exchange = exchange
        self._clock = clock
        self._budgets: Budgets | None = None
        self._hosts: dict[str, AttemptLimiter] = {}

    def share(self, budgets: Budgets) -> None:
        """Count together with all programs of the home."""
        self._budgets = budgets
        for host, attempts in self._hosts.items():
            attempts.share(budgets, host)

    def watch(self, ccxt: Any) -> None:
        """Have every socket of an exchange's object counted, also when it connects again."""
        made = ccxt.client

        def client(url: str) -> Any:
            line = made(url)
            if not hasattr(line, _MARK):
                setattr(line, _MARK, True)
                self._count(line)
            return line

        ccxt.client = client

    def _count(self, line: Any) -> None:
        attempts, begin = self.attempts(urlsplit(str(line.url)).netloc), line.open

        async def opened(session: Any, backoff_delay: float = 0) -> None:
            await attempts.wait()
            await begin(session, backoff_delay)

        line.open = opened

    def attempts(self, host: str) -> AttemptLimiter:
        """Return the count of a host."""
        found = self._hosts.get(host)
        if found is None:
            most, window_s = _ALLOWED.get(self._exchange, (CONNECTS, CONNECTS_S))
            found = AttemptLimiter(clock=self._clock, attempts=most, window_s=window_s)
            self._hosts[host] = found
            if self._budgets is not None:
                found.share(self._budgets, host)
        return found
