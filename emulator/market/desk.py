"""Accounts and their orders: balances with holds, fees, fills and private reports.

The desk takes orders on behalf of accounts, checks funds, and turns the engine's events into
order states and balance changes. Amounts are integers of 1e-8 units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Final

import msgspec

from core.model.errors import InvariantError
from core.model.market import Side
from core.model.orders import TimeInForce
from core.venues.matching import Accepted, Canceled, Expired, MatchEvent, Reason, Traded
from emulator.clock import MS
from emulator.market.listings import E8
from emulator.market.market import Market
from emulator.market.shard import Shard

_BUY: Final = Side.BUY
_FEE_BPS: Final = 10
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


class Desk:
    """Takes orders of accounts to the market."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.accounts: dict[int, Account] = {}
        self._execution_id = 80_000_000_000
        for shard in market.shards.values():
            shard.private = self._on_event

    def open_account(self, funds: dict[str, int] | None = None) -> Account:
        """Open an account with the usual funds, or the ones given (whole units)."""
        account = Account(len(self.accounts) + 1, funds)
        self.accounts[account.owner] = account
        return account

    def check(self, account: Account, shard: Shard, ticket: Ticket) -> int:
        """Return what the order would hold, in 1e-8 units of the asset it pays with.

        Raises:
            Refused: Too little money, the client id is in use, or post-only would take.
        """
        if any(order.ticket.client_id == ticket.client_id for order in account.open.values()):
            raise Refused(Refusal.DUPLICATE)
        held = self._cost(shard, ticket)
        if held > account.free[_pays_with(shard, ticket.side)]:
            raise Refused(Refusal.NO_FUNDS)
        if ticket.kind is Kind.LIMIT_MAKER:
            engine = shard.engine
            best = engine.best_ask() if ticket.side is _BUY else engine.best_bid()
            if best is not None and (ticket.price_ticks - best) * ticket.side.sign >= 0:
                raise Refused(Refusal.WOULD_TAKE)
        return held

    def place(self, account: Account, shard: Shard, ticket: Ticket, now_ns: int) -> DeskOrder:
        """Check, hold and match an order; reports reach the account's sinks before it returns.

        Raises:
            Refused: Nothing happened.
        """
        held = self.check(account, shard, ticket)
        lots = _affordable(shard, ticket) if ticket.budget else ticket.lots
        ts_ns = shard.stamp(now_ns)
        order = DeskOrder(
            id=shard.next_order_id(),
            shard=shard,
            ticket=ticket,
            created_ms=ts_ns // MS,
            updated_ms=ts_ns // MS,
            held_e8=held,
            lots=lots,
        )
        account.add(order)
        asset = _pays_with(shard, ticket.side)
        account.free[asset] -= held
        account.locked[asset] += held
        shard.apply(self._match(account, order), ts_ns)
        return order

    def cancel(self, account: Account, order: DeskOrder, cancel_id: str, now_ns: int) -> None:
        """Cancel a resting order.

        Raises:
            Refused: It rests no longer.
        """
        if not order.status.open:
            raise Refused(Refusal.UNKNOWN_ORDER)
        order.cancel_id = cancel_id
        ts_ns = order.shard.stamp(now_ns)
        order.shard.apply(order.shard.engine.cancel(order.id), ts_ns)

    def next_execution_id(self) -> int:
        """Return an execution id nobody has."""
        self._execution_id += 1
        return self._execution_id

    def _match(self, account: Account, order: DeskOrder) -> list[MatchEvent]:
        engine, ticket = order.shard.engine, order.ticket
        if ticket.kind is not Kind.MARKET:
            return engine.limit(
                order.id, account.owner, ticket.side, ticket.price_ticks, ticket.lots, ticket.tif
            )
        return engine.market(order.id, account.owner, ticket.side, order.lots)

    def _cost(self, shard: Shard, ticket: Ticket) -> int:
        listing, engine = shard.listing, shard.engine
        if ticket.kind is not Kind.MARKET:
            if ticket.side is _BUY:
                return ticket.price_ticks * ticket.lots * listing.notional_e8
            return ticket.lots * listing.lot_e8
        lots = _affordable(shard, ticket) if ticket.budget else ticket.lots
        if lots == 0:
            raise Refused(Refusal.NO_LIQUIDITY)
        if ticket.side is _BUY:
            swept = engine.sweep(_BUY, None, lots)
            return sum(price * size for price, size in swept) * listing.notional_e8
        return lots * listing.lot_e8

    def _on_event(self, shard: Shard, event: MatchEvent, trade_id: int) -> None:
        if isinstance(event, Traded):
            for owner, order_id, maker in (
                (event.taker_owner, event.taker_id, False),
                (event.maker_owner, event.maker_id, True),
            ):
                if owner in self.accounts:
                    self._fill(owner, shard, order_id, event, trade_id, maker=maker)
        elif isinstance(event, Accepted):
            account, order = self._whose(event.owner, shard, event.order_id)
            self._tell(account, order, What.NEW)
        elif isinstance(event, Canceled):
            account, order = self._whose(event.owner, shard, event.order_id)
            order.status = Status.CANCELED
            self._end(account, order, What.CANCELED)
        elif isinstance(event, Expired):
            account, order = self._whose(event.owner, shard, event.order_id)
            self_trade = event.reason is Reason.SELF_TRADE
            order.status = Status.EXPIRED_IN_MATCH if self_trade else Status.EXPIRED
            self._end(account, order, What.EXPIRED)

    def _fill(
        self,
        owner: int,
        shard: Shard,
        order_id: int,
        event: Traded,
        trade_id: int,
        *,
        maker: bool,
    ) -> None:
        account, order = self._whose(owner, shard, order_id)
        listing, side = shard.listing, order.ticket.side
        base_e8 = event.lots * listing.lot_e8
        quote_e8 = event.price_ticks * event.lots * listing.notional_e8
        if side is _BUY:
            limit = order.ticket.price_ticks or event.price_ticks
            paid_e8, got_e8, got = quote_e8, base_e8, listing.base
            unheld_e8 = limit * event.lots * listing.notional_e8
        else:
            paid_e8, got_e8, got = base_e8, quote_e8, listing.quote
            unheld_e8 = base_e8
        fee_e8 = got_e8 * _FEE_BPS // 10_000
        pays = _pays_with(shard, side)
        account.locked[pays] -= unheld_e8
        account.free[pays] += unheld_e8 - paid_e8
        account.free[got] += got_e8 - fee_e8
        order.held_e8 -= unheld_e8
        order.filled += event.lots
        order.notional += event.price_ticks * event.lots
        done = order.filled == order.lots
        order.status = Status.FILLED if done else Status.PARTIALLY_FILLED
        fill = Fill(
            trade_id=trade_id,
            symbol=order.symbol,
            order_id=order_id,
            side=side,
            price_ticks=event.price_ticks,
            lots=event.lots,
            fee_e8=fee_e8,
            fee_asset=got,
            maker=maker,
            ts_ms=shard.last_ns // MS,
        )
        order.fills.append(fill)
        account.fills.append(fill)
        if order.status is Status.FILLED:
            self._release(account, order)
        self._tell(account, order, What.TRADE, fill)

    def _end(self, account: Account, order: DeskOrder, what: What) -> None:
        self._release(account, order)
        self._tell(account, order, what)

    def _release(self, account: Account, order: DeskOrder) -> None:
        pays = _pays_with(order.shard, order.ticket.side)
        account.locked[pays] -= order.held_e8
        account.free[pays] += order.held_e8
        order.held_e8 = 0
        account.open.pop((order.symbol, order.id), None)

    def _tell(
        self, account: Account, order: DeskOrder, what: What, fill: Fill | None = None
    ) -> None:
        order.updated_ms = account.updated_ms = order.shard.last_ns // MS
        account.tell(
            Report(
                what=what,
                order=order,
                execution_id=self.next_execution_id(),
                ts_ms=order.updated_ms,
                fill=fill,
            )
        )
        self._tell_balances(account, order.shard)

    def _tell_balances(self, account: Account, shard: Shard) -> None:
        listing = shard.listing
        account.tell(
            BalancesMoved(
                ts_ms=shard.last_ns // MS,
                assets=account.balances((listing.base, listing.quote)),
            )
        )

    def _whose(self, owner: int, shard: Shard, order_id: int) -> tuple[Account, DeskOrder]:
        account = self.accounts.get(owner)
        order = account.orders.get((shard.listing.symbol, order_id)) if account else None
        if account is None or order is None:
            raise InvariantError(
                f"{shard.listing.symbol} order {order_id} of owner {owner} is in no account"
            )
        return account, order


def _affordable(shard: Shard, ticket: Ticket) -> int:
    """Return how many lots the book gives for a budget in quote."""
    left, lots = ticket.budget, 0
    for price, size in shard.engine.depth(ticket.side.opposite, 100_000):
        take = min(size, left // price)
        lots += take
        left -= take * price
        if take < size:
            break
    return lots


def _pays_with(shard: Shard, side: Side) -> str:
    return shard.listing.quote if side is _BUY else shard.listing.base
