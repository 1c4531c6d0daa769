"""Private events of an account, formatted once and handed to every subscription."""

from __future__ import annotations

from emulator.binance.private_wire import account_position, execution_report, list_status
from emulator.binance.venue import Venue
from emulator.market.accounts import Account, BalancesMoved, ListChanged, Report, Told, What
from emulator.wire.outlet import Outlet


class UserStream(Outlet):
    """Turns the desk's reports into the venue's events."""

    def __init__(self, venue: Venue, account: Account) -> None:
        super().__init__(venue.faults, venue.now_ms)
        self._venue = venue
        self._owner = account.owner
        account.sinks.append(self._on_message)

    def _on_message(self, message: Told) -> None:
        venue, now_ms = self._venue, self._venue.now_ms()
        if isinstance(message, Report):
            order, fill = message.order, message.fill
            if message.what is What.TRADE and fill is not None and order.filled == fill.lots:
                venue.limiter.forgive_order(self._owner)
            if self.sinks:
                event = execution_report(message, venue.writers[order.symbol], now_ms)
                self.tell(event, symbol=order.symbol)
        elif isinstance(message, ListChanged):
            symbol = message.orders.shard.listing.symbol
            self.tell(list_status(message, now_ms), symbol=symbol)
        elif isinstance(message, BalancesMoved):
            self.tell(account_position(message, now_ms), report=False)
