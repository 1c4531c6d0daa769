"""Accounts and their orders: balances with holds, fees, fills and private reports.

The desk takes orders on behalf of accounts, checks funds, and turns the engine's events into
order states and balance changes. Amounts are integers of 1e-8 units.
"""

from __future__ import annotations

from typing import Final

from core.model.errors import InvariantError
from core.model.market import Side
from core.venues.matching import Accepted, Canceled, Expired, MatchEvent, Reason, Traded
from emulator.clock import MS
from emulator.market.accounts import (
    Account,
    BalancesMoved,
    DeskOrder,
    Fill,
    Kind,
    Refusal,
    Refused,
    Report,
    Status,
    Ticket,
    What,
)
from emulator.market.market import Market
from emulator.market.shard import Shard

_BUY: Final = Side.BUY
_FEE_BPS: Final = 10


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
