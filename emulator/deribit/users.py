"""Deribit's channels of an account.

::

    user.orders.{instrument}.{interval}     user.orders.{kind}.{currency}.{interval}
    user.trades.{instrument}.{interval}     user.trades.{kind}.{currency}.{interval}
    user.changes.{instrument}.{interval}    user.changes.{kind}.{currency}.{interval}
    user.portfolio.{currency}
"""

from __future__ import annotations

from typing import Any, Final

from emulator.deribit.instruments import currency, kind_of
from emulator.deribit.private_wire import conditional, order, portfolio, position, trade
from emulator.deribit.venue import INTERVALS, RAW_MS, Deribit
from emulator.market.derivatives.account import MarginAccount
from emulator.market.derivatives.orders import (
    ConditionalReport,
    Moved,
    OrderReport,
    PrivateMessage,
    Warned,
    What,
)
from emulator.market.derivatives.product import Product
from emulator.wire.outlet import Outlet
from emulator.wire.venue import Json

_KINDS: Final = ("future", "option", "spot", "future_combo", "option_combo", "combo", "any")
_WHAT: Final = ("orders", "trades", "changes")


def known(venue: Deribit, channel: str) -> bool:
    """Return whether there is such a channel of an account."""
    head, _, tail = channel.partition(".")
    what, *rest = tail.split(".")
    if head != "user":
        return False
    if what == "portfolio":
        return len(rest) == 1
    if what not in _WHAT or not rest or rest[-1] not in INTERVALS:
        return False
    return (len(rest) == 2 and venue.find(rest[0]) is not None) or (
        len(rest) == 3 and rest[0] in _KINDS
    )


class Users:
    """What one account is told."""

    def __init__(self, venue: Deribit, account: MarginAccount) -> None:
        self._venue = venue
        self._account = account
        self._outlet = Outlet(venue.faults, venue.now_ms)
        self._outlet.sinks[self] = self._send
        self._pending: dict[str, tuple[str, list[Json]]] = {}
        account.sinks.append(self._on_message)

    def beat(self) -> None:
        """Send what the slower intervals have gathered, and fresh listeners their portfolio."""
        beat = self._venue.beat
        for channel, (symbol, gathered) in list(self._pending.items()):
            if beat.due(INTERVALS[channel.rpartition(".")[2]]):
                del self._pending[channel]
                self._venue.tell(channel, _merged(channel, gathered), "private", symbol)
        for asset in (*self._account.cash, "any"):
            topic = f"user.portfolio.{asset.lower()}"
            if self._venue.topics.wanted(topic) and self._venue.topics.fresh(topic):
                for each in self._account.cash if asset == "any" else (asset,):
                    self._venue.tell(
                        topic,
                        portfolio(self._account, each, self._venue.dollars(each)),
                        "private",
                        "",
                    )

    def _on_message(self, message: PrivateMessage) -> None:
        if not self._venue.topics.starting("user."):
            return
        if isinstance(message, OrderReport):
            self._order(message)
        elif isinstance(message, ConditionalReport):
            waits = message.conditional
            writer = self._venue.writers[waits.product.symbol]
            self._tell(waits.product, {"orders": [conditional(waits, writer)]})
        elif isinstance(message, Moved):
            self._portfolio(list(message.assets))
        elif isinstance(message, Warned):
            self._portfolio([message.settle])

    def _order(self, report: OrderReport) -> None:
        product = report.order.product
        writer, account = self._venue.writers[product.symbol], self._account
        told: Json = {"orders": [order(report.order, writer)]}
        if report.what is What.TRADE and report.fill is not None:
            held = account.position(product, report.order.ticket.leg)
            told["trades"] = [trade(report.fill, writer)]
            told["positions"] = [position(held, account, writer)]
        self._tell(product, told)

    def _tell(self, product: Product, told: Json) -> None:
        listing = product.shard.listing
        message = {
            "symbol": product.symbol,
            "kind": kind_of(listing),
            "currency": currency(listing),
            "orders": [],
            "trades": [],
            "positions": [],
            **told,
        }
        self._outlet.tell(message, symbol=product.symbol)

    def _portfolio(self, assets: list[str]) -> None:
        for asset in assets:
            row = portfolio(self._account, asset, self._venue.dollars(asset))
            self._outlet.tell({"portfolio": row, "asset": asset}, report=False)

    def _send(self, message: Json) -> None:
        venue = self._venue
        if "portfolio" in message:
            for of in (message["asset"].lower(), "any"):
                topic = f"user.portfolio.{of}"
                if venue.topics.wanted(topic):
                    venue.tell(topic, message["portfolio"], "private", "")
            return
        symbol, kind, of = message["symbol"], message["kind"], message["currency"]
        places = [symbol, *(f"{k}.{c}" for k in (kind, "any") for c in (of, "any"))]
        for what in _WHAT:
            if what != "changes" and not message[what]:
                continue
            for place in places:
                for interval, every in INTERVALS.items():
                    channel = f"user.{what}.{place}.{interval}"
                    if not venue.topics.wanted(channel):
                        continue
                    if every > RAW_MS:
                        gathered = self._pending.setdefault(channel, (symbol, []))[1]
                        gathered.append(message)
                    else:
                        venue.tell(channel, _merged(channel, [message]), "private", symbol)


def _merged(channel: str, messages: list[Json]) -> Any:
    """Write messages as a channel has them; of an order told twice the last state is told."""
    _, what, *rest = channel.split(".")
    if what == "trades":
        return [row for message in messages for row in message["trades"]]
    orders = {row["order_id"]: row for message in messages for row in message["orders"]}
    if what == "orders":
        rows = list(orders.values())
        return rows[-1] if rest[-1] == "raw" and len(rows) == 1 else rows
    held = {row["instrument_name"]: row for message in messages for row in message["positions"]}
    return {
        "instrument_name": messages[-1]["symbol"],
        "trades": [row for message in messages for row in message["trades"]],
        "orders": list(orders.values()),
        "positions": list(held.values()),
    }
