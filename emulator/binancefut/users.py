"""Listen keys of USD-M, and what accounts are told over them.

::

    POST listenKey ─► key, 60 min ──PUT──► 60 min more
                        │ over, or DELETE
                        ▼
                  {"e":"listenKeyExpired"}, then silence
"""

from __future__ import annotations

import secrets
from typing import Final, Protocol

from emulator.binancefut.private_wire import (
    account_update,
    algo_update,
    margin_call,
    order_update,
    trade_lite,
)
from emulator.faults import Faults
from emulator.market.derivatives.account import MarginAccount
from emulator.market.derivatives.orders import (
    ConditionalReport,
    Moved,
    OrderReport,
    PrivateMessage,
)
from emulator.wire.numbers import Scale
from emulator.wire.outlet import Outlet
from emulator.wire.topics import Topics
from emulator.wire.venue import Json

_LIFE_MS: Final = 3_600_000


class Told(Protocol):
    """What it needs of the venue."""

    faults: Faults
    topics: Topics
    scales: dict[str, Scale]

    def now_ms(self) -> int:
        """Return the venue's time."""
        ...


class Users:
    """The user data streams of one account."""

    def __init__(self, venue: Told, account: MarginAccount) -> None:
        self._venue = venue
        self._account = account
        self._keys: dict[str, int] = {}
        self._outlet = Outlet(venue.faults, venue.now_ms)
        self._outlet.sinks[self] = self._send
        account.sinks.append(self._on_message)

    def serves(self, name: str) -> bool:
        """Return whether a stream's name is a listen key."""
        return name in self._keys

    def open(self) -> str:
        """Return the listen key, made when there is none, good for an hour from now."""
        key = next(iter(self._keys), None) or secrets.token_hex(32)
        self._keys[key] = self._venue.now_ms() + _LIFE_MS
        return key

    def renew(self) -> str | None:
        """Let the listen key live an hour from now; None when there is none."""
        return self.open() if self._keys else None

    def close(self) -> None:
        """Forget the listen key."""
        self._keys.clear()

    def expire(self, *, all_of_them: bool = False) -> None:
        """Tell of listen keys whose hour is over."""
        now_ms = self._venue.now_ms()
        for key, until in list(self._keys.items()):
            if all_of_them or now_ms >= until:
                del self._keys[key]
                event = {"e": "listenKeyExpired", "E": now_ms, "listenKey": key}
                self._venue.topics.publish(key, event, channel="private")

    def leverage_changed(self, symbol: str, leverage: int) -> None:
        """Tell of a new leverage."""
        now_ms = self._venue.now_ms()
        self._outlet.tell(
            {
                "e": "ACCOUNT_CONFIG_UPDATE",
                "E": now_ms,
                "T": now_ms,
                "ac": {"s": symbol, "l": leverage},
            },
            report=False,
        )

    def _on_message(self, message: PrivateMessage) -> None:
        if not self._keys:
            return
        venue, account, now_ms = self._venue, self._account, self._venue.now_ms()
        if isinstance(message, OrderReport):
            symbol = message.order.product.symbol
            scale = venue.scales[symbol]
            self._outlet.tell(order_update(message, scale, account, now_ms), symbol=symbol)
        elif isinstance(message, ConditionalReport):
            symbol = message.conditional.product.symbol
            self._outlet.tell(algo_update(message, venue.scales[symbol], now_ms), symbol=symbol)
        elif isinstance(message, Moved):
            if message.fill is not None:
                symbol = message.fill.product.symbol
                lite = trade_lite(message.fill, venue.scales[symbol], now_ms)
                self._outlet.tell(lite, symbol=symbol, report=False)
            self._outlet.tell(account_update(message, account, now_ms), report=False)
        else:
            self._outlet.tell(margin_call(message, account, now_ms), report=False)

    def _send(self, event: Json) -> None:
        for key in self._keys:
            self._venue.topics.publish(key, event, channel="private")
