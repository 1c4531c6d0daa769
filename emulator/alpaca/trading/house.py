"""Everything behind the trading API: assets, desk, accounts by host and key, and their outlets."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from emulator.alpaca.hours import NEW_YORK, is_open, session
from emulator.alpaca.trading import wire
from emulator.alpaca.trading.account import FUNDS, Account, Update
from emulator.alpaca.trading.assets import Assets, Instrument
from emulator.alpaca.trading.desk import Desk
from emulator.alpaca.trading.oracle import tell_account
from emulator.alpaca.trading.orders import Order
from emulator.market.truth import AccountTruth
from emulator.wire.outlet import Outlet

if TYPE_CHECKING:
    from emulator.alpaca.venue import Alpaca

HOSTS: Final = ("paper", "live")
_FIRST_HOUR: Final = 4
_LAST_HOUR: Final = 20


class House:
    """What the endpoints of both hosts trade on."""

    def __init__(self, venue: Alpaca) -> None:
        self.venue = venue
        self.assets = Assets(venue.market, venue.seed)
        self.desk = Desk(venue.market, self.assets, venue.seed, self._closed)
        self.outlets: dict[int, Outlet] = {}
        """Where an account's updates go out, by its number."""
        self._accounts: dict[tuple[str, str], Account] = {}

    def open(self, api_key: str, cash: Decimal = FUNDS) -> dict[str, Account]:
        """Open a key's accounts, one at each host."""
        opened = {}
        for host in HOSTS:
            account = self.desk.open_account(host, cash)
            self._accounts[(host, api_key)] = opened[host] = account
            outlet = Outlet(self.venue.faults, self.venue.now_ms)
            self.outlets[account.owner] = outlet

            def tell(update: Update, outlet: Outlet = outlet) -> None:
                if outlet.sinks:
                    symbol = update.order.instrument.symbol
                    outlet.tell(wire.update(update), symbol=symbol)

            account.sinks.append(tell)
        return opened

    def account(self, host: str, api_key: str) -> Account | None:
        """Return a key's account at a host."""
        return self._accounts.get((host, api_key))

    def rename(self, old: str, new: str) -> None:
        """Call an instrument by another name from now on."""
        self.assets.rename(old, new)
        for account in self.desk.accounts.values():
            if old in account.positions:
                account.positions[new] = account.positions.pop(old)

    def truth(self) -> list[AccountTruth]:
        """Return what the oracle tells of the accounts."""
        return [tell_account(account) for account in self.desk.accounts.values()]

    def _closed(self, instrument: Instrument, order: Order) -> bool:
        """Return whether an order must wait for the market to open."""
        now_ms = self.desk.now_ms
        if instrument.kind == "crypto" or not self.venue.keeps_hours or is_open(now_ms):
            return False
        at = dt.datetime.fromtimestamp(now_ms / 1_000, NEW_YORK)
        extended = session(at.date()) is not None and _FIRST_HOUR <= at.hour < _LAST_HOUR
        return not (order.extended and extended)
