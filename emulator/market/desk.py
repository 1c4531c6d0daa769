"""Accounts and their orders: balances with holds, fees, fills and private reports.

The desk takes orders on behalf of accounts, checks funds, lets conditional ones wait for their
price, and turns the engine's events into order states and balance changes. Amounts are integers
of 1e-8 units.
"""

from __future__ import annotations

from typing import Final

import msgspec

from core.model.errors import InvariantError
from core.model.market import Side
from core.venues.matching import Accepted, Canceled, Expired, MatchEvent, Reason, Traded
from emulator.clock import MS
from emulator.market.accounts import (
    Account,
    Amendment,
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
from emulator.market.waiting import Waiting

_BUY: Final = Side.BUY
FEE_BPS: Final = 10
_BIPS: Final = 10_000


class Desk:
    """Takes orders of accounts to the market."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.accounts: dict[int, Account] = {}
        self._execution_id = 80_000_000_000
        self._waiting = {shard: Waiting(shard) for shard in market.shards.values()}
        self._settling = False
        for shard in market.shards.values():
            shard.private = self._on_event
        market.after_acts.append(self.act)

    def open_account(self, funds: dict[str, int] | None = None) -> Account:
        """Open an account with the usual funds, or the ones given (whole units)."""
        account = Account(len(self.accounts) + 1, funds)
        self.accounts[account.owner] = account
        return account

    def check(self, account: Account, shard: Shard, ticket: Ticket) -> int:
        """Return what the order would hold, in 1e-8 units of the asset it pays with.

        Raises:
            Refused: Too little money, the client id is in use, or it would trade or trigger at
                once though it must not.
        """
        if any(order.ticket.client_id == ticket.client_id for order in account.open.values()):
            raise Refused(Refusal.DUPLICATE)
        held = self._cost(shard, ticket)
        if held > account.free[pays_with(shard, ticket.side)]:
            raise Refused(Refusal.NO_FUNDS)
        self.check_price(shard, ticket)
        return held

    def check_price(self, shard: Shard, ticket: Ticket) -> None:
        """Refuse what would trade or trigger at once though it must not.

        Raises:
            Refused: It would.
        """
        engine, side = shard.engine, ticket.side
        if ticket.kind is Kind.LIMIT_MAKER:
            best = engine.best_ask() if side is _BUY else engine.best_bid()
            if best is not None and (ticket.price_ticks - best) * side.sign >= 0:
                raise Refused(Refusal.WOULD_TAKE)
        elif ticket.kind.conditional and ticket.stop_ticks:
            # A stop lies on the far side of the market, a take-profit on the near one.
            away = side.sign if ticket.kind.stops else -side.sign
            if (ticket.stop_ticks - shard.last_ticks) * away <= 0:
                raise Refused(Refusal.WOULD_TRIGGER)

    def place(self, account: Account, shard: Shard, ticket: Ticket, now_ns: int) -> DeskOrder:
        """Check, hold and match an order; reports reach the account's sinks before it returns.

        Raises:
            Refused: Nothing happened.
        """
        self.settle(shard)
        held = self.check(account, shard, ticket)
        ts_ns = shard.stamp(now_ns)
        order = self._enter(account, shard, ticket, ts_ns)
        self._hold(account, order, held)
        self._start(account, order, ts_ns)
        self.settle(shard)
        return order

    def cancel(self, account: Account, order: DeskOrder, cancel_id: str, now_ns: int) -> None:
        """Cancel an order that rests or waits, and what hangs together with it.

        Raises:
            Refused: It rests no longer.
        """
        if not order.status.open:
            raise Refused(Refusal.UNKNOWN_ORDER)
        ts_ns = order.shard.stamp(now_ns)
        for each in self._all_of(order):
            if each.status.open:
                each.cancel_id = cancel_id
                self._take_out(account, each, Status.CANCELED, ts_ns)

    def expire(self, account: Account, order: DeskOrder, now_ns: int) -> None:
        """End an order that rests or waits as the venue itself does, if it still does."""
        ts_ns = order.shard.stamp(now_ns)
        for each in self._all_of(order):
            if each.status.open:
                self._take_out(account, each, Status.EXPIRED, ts_ns)

    def amend(
        self, account: Account, order: DeskOrder, lots: int, client_id: str, now_ns: int
    ) -> Amendment:
        """Make an order smaller where it stands; `lots` is its new whole size.

        Raises:
            Refused: It rests no longer, or would not become smaller, or less than is filled.
        """
        if not order.status.open:
            raise Refused(Refusal.UNKNOWN_ORDER)
        if lots > order.lots:
            raise Refused(Refusal.NOT_SMALLER)
        if lots == order.lots or lots <= order.filled:
            raise Refused(Refusal.NO_CHANGE)
        ts_ns = order.shard.stamp(now_ns)
        paired = self._paired(order)
        for each in paired:
            name = client_id if each is order else each.ticket.client_id
            self._shrink(account, each, lots, name, ts_ns)
        self._rehold(account, paired)
        for each in paired:
            self._tell(account, each, What.REPLACED)
        return order.amendments[-1]

    def act(self, now_ns: int) -> None:
        """Carry out what the market's newest trades let go."""
        for shard, waiting in self._waiting.items():
            if waiting.eager:
                shard.stamp(now_ns)
                self.settle(shard)

    def settle(self, shard: Shard) -> None:
        """Carry out what trades let go, and what that lets go in turn."""
        if self._settling:
            return
        self._settling = True
        waiting = self._waiting[shard]
        try:
            while (freed := waiting.next()) is not None:
                self._free(freed.account, freed.order, shard.last_ns)
        finally:
            self._settling = False

    def next_execution_id(self) -> int:
        """Return an execution id nobody has."""
        self._execution_id += 1
        return self._execution_id

    def _free(self, account: Account, order: DeskOrder, ts_ns: int) -> None:
        """Send a conditional order whose price came to the book."""
        self._before_working(account, order)
        if not order.ticket.kind.priced and order.ticket.side is _BUY:
            # What the book asks now may be more than was held for the price it waited for.
            swept = order.shard.engine.sweep(_BUY, None, order.lots)
            cost = sum(price * size for price, size in swept) * order.shard.listing.notional_e8
            more = max(0, cost - order.held_e8)
            if more > account.free[pays_with(order.shard, _BUY)]:
                order.reason = "INSUFFICIENT_BALANCES"
                self._take_out(account, order, Status.EXPIRED, ts_ns)
                return
            self._hold(account, order, more)
        self._work(account, order, ts_ns)

    def _enter(self, account: Account, shard: Shard, ticket: Ticket, ts_ns: int) -> DeskOrder:
        order = DeskOrder(
            id=shard.next_order_id(),
            shard=shard,
            ticket=ticket,
            created_ms=ts_ns // MS,
            updated_ms=ts_ns // MS,
            held_e8=0,
            lots=_affordable(shard, ticket) if ticket.budget else ticket.lots,
            hold_ticks=ticket.price_ticks or expected(shard, ticket),
        )
        account.add(order)
        return order

    def _start(self, account: Account, order: DeskOrder, ts_ns: int) -> None:
        if order.ticket.kind.conditional:
            self._waiting[order.shard].arm(account, order)
            order.status = Status.NEW
            self._tell(account, order, What.NEW)
        else:
            self._work(account, order, ts_ns)

    def _work(self, account: Account, order: DeskOrder, ts_ns: int) -> None:
        engine, ticket = order.shard.engine, order.ticket
        order.status = Status.NEW
        order.working_ms = ts_ns // MS
        if ticket.kind.priced:
            events = engine.limit(
                order.id,
                account.owner,
                ticket.side,
                ticket.price_ticks,
                order.lots,
                ticket.tif,
                peak=ticket.peak,
            )
        else:
            events = engine.market(order.id, account.owner, ticket.side, order.lots)
        order.shard.apply(events, ts_ns)

    def _take_out(self, account: Account, order: DeskOrder, ending: Status, ts_ns: int) -> None:
        order.ending = ending
        if order.shard.engine.order(order.id) is not None:
            order.shard.apply(order.shard.engine.cancel(order.id), ts_ns)
            return
        self._waiting[order.shard].disarm(order)
        order.status = ending
        self._end(account, order, _ENDS[ending])

    def _shrink(
        self, account: Account, order: DeskOrder, lots: int, client_id: str, ts_ns: int
    ) -> None:
        by, old_id = order.lots - lots, order.ticket.client_id
        if order.shard.engine.order(order.id) is not None:
            order.shard.apply(order.shard.engine.reduce(order.id, by), ts_ns)
        amendment = Amendment(
            execution_id=self.next_execution_id(),
            old_id=old_id,
            new_id=client_id,
            old_lots=order.lots,
            new_lots=lots,
            ts_ms=ts_ns // MS,
        )
        order.amendments = [*order.amendments, amendment]
        order.lots = lots
        order.ticket = msgspec.structs.replace(order.ticket, lots=lots)
        account.rename(order, client_id)

    def _rehold(self, account: Account, paired: list[DeskOrder]) -> None:
        """Give back what orders that hold together no longer need."""
        need = max(order.need_e8 for order in paired)
        for order in paired:
            self._hold(account, order, -max(0, order.held_e8 - need))

    def _cost(self, shard: Shard, ticket: Ticket) -> int:
        listing, engine = shard.listing, shard.engine
        if ticket.kind is not Kind.MARKET:
            if ticket.side is _BUY:
                price = ticket.price_ticks or expected(shard, ticket)
                return price * ticket.lots * listing.notional_e8
            return ticket.lots * listing.lot_e8
        lots = _affordable(shard, ticket) if ticket.budget else ticket.lots
        if lots == 0:
            raise Refused(Refusal.NO_LIQUIDITY)
        if ticket.side is _BUY:
            swept = engine.sweep(_BUY, None, lots)
            return sum(price * size for price, size in swept) * listing.notional_e8
        return lots * listing.lot_e8

    def _hold(self, account: Account, order: DeskOrder, amount_e8: int) -> None:
        pays = pays_with(order.shard, order.ticket.side)
        account.free[pays] -= amount_e8
        account.locked[pays] += amount_e8
        order.held_e8 += amount_e8

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
            order.status = order.ending
            self._end(account, order, _ENDS[order.ending])
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
        self._before_working(account, order)
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
        fee_e8 = got_e8 * FEE_BPS // 10_000
        pays = pays_with(shard, side)
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
        if done:
            self._release(account, order)
        self._tell(account, order, What.TRADE, fill)
        if done:
            self._after_end(account, order)

    def _end(self, account: Account, order: DeskOrder, what: What) -> None:
        self._release(account, order)
        self._tell(account, order, what)
        self._after_end(account, order)

    def _release(self, account: Account, order: DeskOrder) -> None:
        self._hold(account, order, -order.held_e8)
        account.open.pop((order.symbol, order.id), None)

    def _all_of(self, order: DeskOrder) -> list[DeskOrder]:
        """Return the orders that end together with one."""
        return [order]

    def _paired(self, order: DeskOrder) -> list[DeskOrder]:
        """Return the orders that hold together with one, and change their size with it."""
        return [order]

    def _before_working(self, account: Account, order: DeskOrder) -> None:
        """Do what must be done before an order goes to the book or trades."""

    def _after_end(self, account: Account, order: DeskOrder) -> None:
        """Do what follows from an order's end."""

    def _tell(
        self,
        account: Account,
        order: DeskOrder,
        what: What,
        fill: Fill | None = None,
    ) -> None:
        order.updated_ms = account.updated_ms = order.shard.last_ns // MS
        change = order.amendments[-1] if what is What.REPLACED else None
        account.tell(
            Report(
                what=what,
                order=order,
                execution_id=change.execution_id if change else self.next_execution_id(),
                ts_ms=order.updated_ms,
                fill=fill,
                old_id=change.old_id if change else "",
            )
        )
        account.moved()
        listing = order.shard.listing
        account.tell(
            BalancesMoved(
                ts_ms=order.shard.last_ns // MS,
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


_ENDS: Final = {Status.CANCELED: What.CANCELED, Status.EXPIRED: What.EXPIRED}


def pays_with(shard: Shard, side: Side) -> str:
    """Return the asset an order pays with."""
    return shard.listing.quote if side is _BUY else shard.listing.base


def expected(shard: Shard, ticket: Ticket) -> int:
    """Return the price a conditional market order's money is held at; 0 for any other order."""
    if not ticket.kind.conditional:
        return 0
    start = ticket.stop_ticks or shard.last_ticks
    back = start * ticket.trail_bips // _BIPS
    return start + back * ticket.side.sign


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
