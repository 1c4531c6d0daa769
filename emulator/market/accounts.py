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
    STOP_LOSS = "stop_loss"
    STOP_LOSS_LIMIT = "stop_loss_limit"
    TAKE_PROFIT = "take_profit"
    TAKE_PROFIT_LIMIT = "take_profit_limit"

    @property
    def conditional(self) -> bool:
        """Whether it waits for a price before it goes to the book."""
        return self.stops or self in (Kind.TAKE_PROFIT, Kind.TAKE_PROFIT_LIMIT)

    @property
    def stops(self) -> bool:
        """Whether the price it waits for is worse than the market's."""
        return self in (Kind.STOP_LOSS, Kind.STOP_LOSS_LIMIT)

    @property
    def priced(self) -> bool:
        """Whether it has a limit price, and so may rest in the book."""
        return self not in (Kind.MARKET, Kind.STOP_LOSS, Kind.TAKE_PROFIT)


class Status(StrEnum):
    """Order states."""

    PENDING_NEW = "pending_new"
    """Of a list, and waiting for another of its orders to be filled."""
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    EXPIRED_IN_MATCH = "expired_in_match"

    @property
    def open(self) -> bool:
        """True while it rests or waits."""
        return self in (Status.PENDING_NEW, Status.NEW, Status.PARTIALLY_FILLED)


class Refusal(StrEnum):
    """Why an order or a cancel was refused."""

    NO_FUNDS = "no_funds"
    DUPLICATE = "duplicate"
    WOULD_TAKE = "would_take"
    UNKNOWN_ORDER = "unknown_order"
    NO_LIQUIDITY = "no_liquidity"
    WOULD_TRIGGER = "would_trigger"
    BAD_PRICES = "bad_prices"
    """The prices of a list's orders are not in order."""
    NOT_SMALLER = "not_smaller"
    NO_CHANGE = "no_change"


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
    stop_ticks: int = 0
    """What a conditional order waits for; a trailing one becomes active there."""
    trail_bips: int = 0
    """How far a trailing order's price must come back, in hundredths of a percent."""
    peak: int = 0
    """What an iceberg shows at a time, in lots; 0 shows all."""
    strategy_id: int | None = None
    strategy_type: int | None = None


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


class Amendment(msgspec.Struct, frozen=True, kw_only=True):
    """One change of an order that rests."""

    execution_id: int
    old_id: str
    new_id: str
    old_lots: int
    new_lots: int
    ts_ms: int


class DeskOrder(msgspec.Struct, kw_only=True, eq=False):
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
    group: OrderList | None = None
    """The list it is of."""
    hold_ticks: int = 0
    """The price a buyer's money is held at."""
    working_ms: int = -1
    """Since when it is in the book; -1: it never was."""
    trailing_ms: int = -1
    """Since when it follows the price."""
    ending: Status = Status.CANCELED
    """How it ends if it is taken out of the book."""
    reason: str = "NONE"
    """Why the venue ended it."""
    amendments: list[Amendment] = []
    hidden_until_ms: int = 0
    """A fault: queries do not find it before this time."""

    @property
    def symbol(self) -> str:
        """The venue's symbol."""
        return self.shard.listing.symbol

    @property
    def left(self) -> int:
        """Lots not filled yet."""
        return self.lots - self.filled

    @property
    def need_e8(self) -> int:
        """What it must hold for what is not filled yet, of the asset it pays with."""
        listing = self.shard.listing
        if self.ticket.side is Side.SELL:
            return self.left * listing.lot_e8
        return self.hold_ticks * self.left * listing.notional_e8


class OrderList(msgspec.Struct, kw_only=True, eq=False):
    """Orders that hang together."""

    id: int
    client_id: str
    shard: Shard
    created_ms: int
    working: DeskOrder | None = None
    """The one whose fill lets the others go."""
    others: list[DeskOrder] = []
    """Two of which one alone trades, or one that waits for the working order."""
    done: bool = False

    @property
    def orders(self) -> list[DeskOrder]:
        """All of them, the working one first."""
        return [*([self.working] if self.working else []), *self.others]

    @property
    def contingency(self) -> str:
        """``OCO`` or ``OTO``."""
        return "OTO" if self.working else "OCO"


class What(StrEnum):
    """What a report tells."""

    NEW = "new"
    TRADE = "trade"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REPLACED = "replaced"
    """It was made smaller where it stands."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Something happened to an order; read `order` at once, it goes on changing."""

    what: What
    order: DeskOrder
    execution_id: int
    ts_ms: int
    fill: Fill | None = None
    old_id: str = ""
    """The client id it had before a change."""


class ListChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A list was taken (``EXEC_STARTED``), its ids changed (``UPDATED``), or it is ``ALL_DONE``."""

    orders: OrderList
    what: str
    ts_ms: int


class BalancesMoved(msgspec.Struct, frozen=True, kw_only=True):
    """Balances changed; asset to (free, locked)."""

    ts_ms: int
    assets: dict[str, tuple[int, int]]


Told = Report | BalancesMoved | ListChanged
PrivateSink = Callable[[Told], None]


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
        self.lists: dict[int, OrderList] = {}
        """Every list ever, by id, oldest first."""
        self._newest: dict[tuple[str, str], DeskOrder] = {}
        self.fills: list[Fill] = []
        self.sinks: list[PrivateSink] = []
        self._now = self.before = self._snapshot()
        """Balances as they are, and as they were before the last change."""

    @property
    def newest(self) -> DeskOrder | None:
        """The order placed last."""
        return next(reversed(self.orders.values()), None)

    def open_orders(self, symbol: str | None = None) -> list[DeskOrder]:
        """Return resting orders, oldest first."""
        return [order for order in self.open.values() if symbol in (None, order.symbol)]

    def add(self, order: DeskOrder) -> None:
        """Take a new order into the books."""
        self.orders[(order.symbol, order.id)] = order
        self.open[(order.symbol, order.id)] = order
        self._newest[(order.symbol, order.ticket.client_id)] = order

    def rename(self, order: DeskOrder, client_id: str) -> None:
        """Call an order by another client id from now on."""
        key = (order.symbol, order.ticket.client_id)
        if self._newest.get(key) is order:
            del self._newest[key]
        order.ticket = msgspec.structs.replace(order.ticket, client_id=client_id)
        self._newest[(order.symbol, client_id)] = order

    def relist(self, old: str, new: str, old_base: str, new_base: str) -> None:
        """Call a symbol and its asset by other names from now on."""
        for table in (self.orders, self.open):
            kept = {
                (new if symbol == old else symbol, key): o for (symbol, key), o in table.items()
            }
            table.clear()
            table.update(kept)
        for symbol, name in [key for key in self._newest if key[0] == old]:
            self._newest[(new, name)] = self._newest.pop((symbol, name))
        for fills in (self.fills, *(order.fills for order in self.orders.values())):
            fills[:] = [
                msgspec.structs.replace(fill, symbol=new) if fill.symbol == old else fill
                for fill in fills
            ]
        if old_base != new_base and old_base in self.free:
            for money in (self.free, self.locked):
                money[new_base] = money.get(new_base, 0) + money.pop(old_base)
            self.moved()

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

    def moved(self) -> None:
        """Remember what the balances were before they changed."""
        now = self._snapshot()
        if now != self._now:
            self.before, self._now = self._now, now

    def _snapshot(self) -> dict[str, tuple[int, int]]:
        return self.balances(tuple(self.free))

    def tell(self, message: Told) -> None:
        """Hand a message to everyone who listens to this account."""
        for sink in tuple(self.sinks):
            sink(message)
