"""OKX private channels: who listens to what, and what is sent when something happens.

::

    private   orders, account, positions, balance_and_position, fills, liquidation-warning
    business  orders-algo, algo-advance
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from emulator.market.derivatives.account import MarginAccount
from emulator.market.derivatives.orders import (
    ConditionalReport,
    Moved,
    Order,
    OrderReport,
    PrivateMessage,
    Warned,
    What,
)
from emulator.okx.private_wire import algo, fill_push, kind, order_push
from emulator.okx.venue import Okx
from emulator.okx.wallet_wire import balance, detail, position
from emulator.wire.connection import Connection
from emulator.wire.outlet import Outlet
from emulator.wire.venue import Json

CHANNELS: Final[dict[str, tuple[str, ...]]] = {
    "private": (
        "orders", "account", "positions", "balance_and_position", "fills", "liquidation-warning",
    ),
    "business": ("orders-algo", "algo-advance"),
}  # fmt: skip
"""Which path serves which private channel."""
_TYPED: Final = ("orders", "positions", "orders-algo", "algo-advance", "liquidation-warning")
_TYPES: Final = ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION", "ANY")
_EVERY_MS: Final = 5_000
"""Between pushes of account and positions while nothing happens."""


def served(path: str, arg: object) -> bool | None:
    """Return whether a path serves a private channel; None for a public one's name."""
    channel = str(arg.get("channel", "")) if isinstance(arg, dict) else ""
    if not any(channel in names for names in CHANNELS.values()):
        return None
    typed = channel not in _TYPED or (isinstance(arg, dict) and arg.get("instType") in _TYPES)
    return typed and channel in CHANNELS.get(path, ())


class Users:
    """The private channels of one account."""

    def __init__(self, venue: Okx, account: MarginAccount) -> None:
        self._venue = venue
        self._account = account
        self._subscribed: dict[Connection, list[Json]] = {}
        self._outlet = Outlet(venue.faults, venue.now_ms)
        self._outlet.sinks[self] = self._send
        self._amending: dict[int, str] = {}
        account.sinks.append(self._on_message)

    def subscribe(self, connection: Connection, arg: Json) -> None:
        """Add a subscription, and send its snapshot where it has one."""
        args = self._subscribed.setdefault(connection, [])
        if arg not in args:
            args.append(arg)
        # A name of no topic: it shows that the connection listens to something.
        self._venue.topics.subscribe(connection, _topic(arg))
        now_ms = self._venue.sent_ms()
        match arg["channel"]:
            case "account":
                self._push(connection, arg, [self._balance(now_ms, arg)], first=True)
            case "positions":
                rows = [
                    position(row, self._account, now_ms)
                    for row in self._account.open_positions()
                    if _fits(arg, kind(row.product), row.product.symbol)
                ]
                self._push(connection, arg, rows, first=True)
            case "balance_and_position":
                self._push(connection, arg, [self._both("snapshot", None)], first=True)

    def unsubscribe(self, connection: Connection, arg: Json) -> None:
        """Remove a subscription."""
        args = self._subscribed.get(connection, [])
        if arg in args:
            args.remove(arg)
        self._venue.topics.unsubscribe(connection, _topic(arg))

    def leave(self, connection: Connection) -> None:
        """Forget a connection."""
        self._subscribed.pop(connection, None)

    def log_out(self) -> None:
        """Drop everybody who is logged in, as when a key is no longer valid."""
        for connection in list(self._subscribed):
            connection.close(4001, b"Login failed")

    def amending(self, order: Order, request: str) -> None:
        """Remember the id of a request that changes an order, for what is told of it."""
        self._amending[order.id] = request

    def amended(self, order: Order) -> None:
        """Forget it."""
        self._amending.pop(order.id, None)

    def beat(self) -> None:
        """Send account and positions now and then, as their values change with the mark."""
        if not self._subscribed or not self._venue.beat.due(_EVERY_MS):
            return
        rows = self._account.open_positions()
        if rows:
            now_ms = self._venue.sent_ms()
            for row in rows:
                self._tell("positions", row.product, position(row, self._account, now_ms))

    def _on_message(self, message: PrivateMessage) -> None:
        if not self._subscribed:
            return
        if isinstance(message, OrderReport):
            self._order(message)
        elif isinstance(message, ConditionalReport):
            self._algo(message)
        elif isinstance(message, Moved):
            self._moved(message)
        else:
            self._warn(message)

    def _order(self, report: OrderReport) -> None:
        order, venue = report.order, self._venue
        product = order.product
        amended = self._amending.get(order.id) if report.what is What.AMENDED else None
        row = order_push(
            order,
            report.fill,
            venue.scales[product.symbol],
            self._account.leverage_of(product),
            amended,
        )
        self._tell("orders", product, row, report=True)

    def _algo(self, report: ConditionalReport) -> None:
        waits, venue = report.conditional, self._venue
        product = waits.product
        trails = waits.words["ordType"] == "move_order_stop"
        row = algo(waits, venue.scales[product.symbol], self._account.leverage_of(product))
        row |= {"amendResult": "0" if report.amended else "", "notionalUsd": "", "reqId": ""}
        self._tell("algo-advance" if trails else "orders-algo", product, row, report=True)

    def _moved(self, moved: Moved) -> None:
        venue, account, now_ms = self._venue, self._account, self._venue.sent_ms()
        why = {"order": "filled", "funding": "funding_fee"}.get(moved.why, moved.why)
        if moved.fill is not None:
            product = moved.fill.product
            self._tell("fills", product, fill_push(moved.fill, venue.scales[product.symbol]))
        prices = venue.dollars()
        changed = {
            **balance(account, prices, now_ms),
            "details": [detail(account, name, prices.get(name, 0.0)) for name in moved.assets],
        }
        self._outlet.tell({"channel": "account", "data": changed}, report=False)
        for row in moved.positions:
            self._tell("positions", row.product, position(row, account, now_ms))
        both = {"channel": "balance_and_position", "data": self._both(why, moved)}
        self._outlet.tell(both, report=False)

    def _warn(self, warned: Warned) -> None:
        now_ms = self._venue.sent_ms()
        for row in warned.positions:
            told = position(row, self._account, now_ms)
            self._tell("liquidation-warning", row.product, told)

    def _both(self, why: str, moved: Moved | None) -> Json:
        """Write balances and positions as ``balance_and_position`` has them."""
        account, now = self._account, str(self._venue.sent_ms())
        assets = list(moved.assets) if moved is not None else list(account.cash)
        rows = moved.positions if moved is not None else account.open_positions()
        fields = ("posId", "tradeId", "instId", "instType", "mgnMode", "posSide", "pos", "ccy",
                  "posCcy", "avgPx", "uTime", "nonSettleAvgPx", "settledPnl")  # fmt: skip
        told = [position(row, account, self._venue.sent_ms()) for row in rows]
        fill = moved.fill if moved is not None else None
        trades = []
        if fill is not None:
            trades = [{"instId": fill.product.symbol, "tradeId": str(fill.trade_id)}]
        return {
            "balData": [
                {
                    "cashBal": detail(account, name, 0.0)["cashBal"],
                    "ccy": name,
                    "uTime": str(account.updated_ms or now),
                }
                for name in assets
            ],
            "eventType": why,
            "pTime": now,
            "posData": [{name: row[name] for name in fields} for row in told],
            "trades": trades,
        }

    def _balance(self, now_ms: int, arg: Json) -> Json:
        told = balance(self._account, self._venue.dollars(), now_ms)
        if arg.get("ccy"):
            told["details"] = [row for row in told["details"] if row["ccy"] == arg["ccy"]]
        return told

    def _tell(self, channel: str, product: Any, row: Json, *, report: bool = False) -> None:
        message = {
            "channel": channel,
            "instType": kind(product),
            "instId": product.symbol,
            "data": row,
        }
        self._outlet.tell(message, symbol=product.symbol, report=report)

    def _send(self, message: Json) -> None:
        of, name = message.get("instType", ""), message.get("instId", "")
        for connection, args in list(self._subscribed.items()):
            for arg in args:
                if arg["channel"] == message["channel"] and _fits(arg, of, name):
                    self._push(connection, arg, [message["data"]], first=False)

    def _push(self, connection: Connection, arg: Json, data: list[Json], *, first: bool) -> None:
        told: Json = {"arg": {**arg, "uid": self._venue.uid}}
        if arg["channel"] in ("account", "positions"):
            told["eventType"] = "snapshot" if first else "event_update"
            told |= {"curPage": 1, "lastPage": True}
        connection.send(orjson.dumps({**told, "data": data}))


def _topic(arg: Json) -> str:
    return "private " + ":".join(str(value) for value in arg.values())


def _fits(arg: Json, of: str, name: str) -> bool:
    """Return whether a subscription wants what is of a type and an instrument (empty: of none)."""
    if not of:
        return True
    if arg.get("instId"):
        return bool(arg["instId"] == name)
    return arg.get("instType", "ANY") in ("ANY", of)
