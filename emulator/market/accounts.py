"""What an account has and asks for: tickets, orders, fills, balances and private messages.

Amounts are integers of 1e-8 units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Final

import msgspec

from core.model.market import Side
from core.model.orders import TimeInForce
from emulator.market.listings import E8
from emulator.market.shard import Shard

_FUNDS: Final = {
    "USDT": 100_000,
    "BTC": 2,
    "ETH": 20,
    "SOL": 200,
    "BNB": 50,
    "XRP": 20_000,
    "DOGE": 100_000,
}
"""What a new account holds, in whole units."""


class Kind(StrEnum):
    """Order types."""

    LIMIT = "limit"
    LIMIT_MAKER = "limit_maker"
    MARKET = "market"


class Status(StrEnum):
    """Order states."""

    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    EXPIRED_IN_MATCH = "expired_in_match"

    @property
    def open(self) -> bool:
        """True while it rests."""
        return self in (Status.NEW, Status.PARTIALLY_FILLED)


class Refusal(StrEnum):
    """Why an order or a cancel was refused."""

    NO_FUNDS = "no_funds"
    DUPLICATE = "duplicate"
    WOULD_TAKE = "would_take"
    UNKNOWN_ORDER = "unknown_order"
    NO_LIQUIDITY = "no_liquidity"


class Refused(Exception):
    """The desk said no; nothing changed."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """An order as asked for."""

    client_id: str
    side: Side
    kind: Kind
    tif: TimeInForce = TimeInForce.GTC
    price_ticks: int = 0
    lots: int = 0
    budget: int = 0
    """For a market order sized in quote: ticks times lots."""


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """One execution of one order."""

    trade_id: int
    symbol: str
    order_id: int
    side: Side
    price_ticks: int
    lots: int
    fee_e8: int
    fee_asset: str
    maker: bool
    ts_ms: int


class DeskOrder(msgspec.Struct, kw_only=True):
    """An order as it stands."""

    id: int
    shard: Shard
    ticket: Ticket
    created_ms: int
    updated_ms: int
    held_e8: int
    status: Status = Status.NEW
    lots: int
    """Ordered size; for a market order sized in quote, what the book gives for it."""
    filled: int = 0
    notional: int = 0
    fills: list[Fill] = []
    cancel_id: str = ""
    """The client id of the cancel that ended it."""

    @property
    def symbol(self) -> str:
        """The venue's symbol."""
        return self.shard.listing.symbol


class What(StrEnum):
    """What a report tells."""

    NEW = "new"
    TRADE = "trade"
    CANCELED = "canceled"
    EXPIRED = "expired"


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Something happened to an order; read `order` at once, it goes on changing."""

    what: What
    order: DeskOrder
    execution_id: int
    ts_ms: int
    fill: Fill | None = None


class BalancesMoved(msgspec.Struct, frozen=True, kw_only=True):
    """Balances changed; asset to (free, locked)."""

    ts_ms: int
    assets: dict[str, tuple[int, int]]


PrivateSink = Callable[[Report | BalancesMoved], None]


class Account:
    """One account's money, orders and fills."""

    def __init__(self, owner: int, funds: dict[str, int] | None = None) -> None:
        self.owner = owner
        """Its number in the matching engine; never the crowd's."""
        self.free = {asset: units * E8 for asset, units in (funds or _FUNDS).items()}
        self.locked = dict.fromkeys(self.free, 0)
        self.updated_ms = 0
        self.orders: dict[tuple[str, int], DeskOrder] = {}
        """Every order ever, by (symbol, id), oldest first."""
        self.open: dict[tuple[str, int], DeskOrder] = {}
        """The resting ones."""
        self._newest: dict[tuple[str, str], DeskOrder] = {}
        self.fills: list[Fill] = []
        self.sinks: list[PrivateSink] = []

    def open_orders(self, symbol: str | None = None) -> list[DeskOrder]:
        """Return resting orders, oldest first."""
        return [order for order in self.open.values() if symbol in (None, order.symbol)]

    def add(self, order: DeskOrder) -> None:
        """Take a new order into the books."""
        self.orders[(order.symbol, order.id)] = order
        self.open[(order.symbol, order.id)] = order
        self._newest[(order.symbol, order.ticket.client_id)] = order

    def find(self, symbol: str, order_id: int | None, client_id: str | None) -> DeskOrder | None:
        """Return an order by id, or the newest one with a client id."""
        if order_id is not None:
            order = self.orders.get((symbol, order_id))
            named = order is not None and client_id in (None, order.ticket.client_id)
            return order if named else None
        return self._newest.get((symbol, client_id or ""))

    def balances(self, assets: Iterator[str] | tuple[str, ...]) -> dict[str, tuple[int, int]]:
        """Return (free, locked) of assets."""
        return {asset: (self.free[asset], self.locked[asset]) for asset in assets}

    def tell(self, message: Report | BalancesMoved) -> None:
        """Hand a message to everyone who listens to this account."""
        for sink in tuple(self.sinks):
            sink(message)
