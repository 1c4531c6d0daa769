"""Order lists: orders of which one cancels another (OCO) or lets others go (OTO).

::

    OCO    one ──trades, or its price comes──► the other expires
    OTO    working ──filled──► pending goes to the book
    OTOCO  working ──filled──► two pending ones, which are an OCO from then on

Two orders of an OCO are never filled both, so they hold the dearer one's money alone.
"""

from __future__ import annotations

from typing import Final

import msgspec

from emulator.clock import MS
from emulator.market.accounts import (
    Account,
    DeskOrder,
    ListChanged,
    OrderList,
    Refusal,
    Refused,
    Status,
    Ticket,
    What,
)
from emulator.market.desk import Desk, expected, pays_with
from emulator.market.market import Market
from emulator.market.shard import Shard

_REASONS: Final = {
    Refusal.NO_FUNDS: "INSUFFICIENT_BALANCES",
    Refusal.WOULD_TAKE: "WOULD_MATCH_IMMEDIATELY",
    Refusal.WOULD_TRIGGER: "STOP_PRICE_WOULD_TRIGGER_IMMEDIATELY",
    Refusal.NO_LIQUIDITY: "NO_LIQUIDITY",
}


class ListTicket(msgspec.Struct, frozen=True, kw_only=True):
    """A list as asked for."""

    client_id: str
    working: Ticket | None = None
    """Its fill lets the others go."""
    above: Ticket | None = None
    """Of an OCO, the one whose price lies above the market."""
    below: Ticket | None = None
    """Of an OCO, the one below; of an OTO, the one that waits."""

    @property
    def others(self) -> list[Ticket]:
        """What is not the working order; conditional ones first, as the venue lists them."""
        tickets = [ticket for ticket in (self.above, self.below) if ticket is not None]
        return sorted(tickets, key=lambda ticket: not ticket.kind.conditional)

    @property
    def tickets(self) -> list[Ticket]:
        """All orders asked for."""
        return [*([self.working] if self.working else []), *self.others]


class ListDesk(Desk):
    """A desk that takes order lists too."""

    def __init__(self, market: Market) -> None:
        super().__init__(market)
        self._list_id = market.started_ns // MS

    def place_list(
        self, account: Account, shard: Shard, asked: ListTicket, now_ns: int
    ) -> OrderList:
        """Check, hold and place a list.

        Raises:
            Refused: Nothing happened.
        """
        self.settle(shard)
        held = self._check_list(account, shard, asked)
        ts_ns = shard.stamp(now_ns)
        self._list_id += 1
        made = OrderList(
            id=self._list_id, client_id=asked.client_id, shard=shard, created_ms=ts_ns // MS
        )
        account.lists[made.id] = made
        if asked.working is not None:
            made.working = self._enter(account, shard, asked.working, ts_ns)
        made.others = [self._enter(account, shard, ticket, ts_ns) for ticket in asked.others]
        for order in made.orders:
            order.group = made
            if order is not made.working and made.working is not None:
                order.status = Status.PENDING_NEW
        self._tell_list(account, made, "EXEC_STARTED")
        if made.working is None:
            self._hold(account, _dearer(made.others), held)
            for order in made.others:
                self._start(account, order, ts_ns)
        else:
            self._hold(account, made.working, held)
            for order in made.others:
                self._tell(account, order, What.NEW)
            self._start(account, made.working, ts_ns)
        self.settle(shard)
        return made

    def tell_renamed(self, account: Account, order: DeskOrder) -> None:
        """Tell that the client id of a list's order changed."""
        if order.group is not None:
            self._tell_list(account, order.group, "UPDATED")

    def _check_list(self, account: Account, shard: Shard, asked: ListTicket) -> int:
        """Return what the list holds at once."""
        ids = [ticket.client_id for ticket in asked.tickets]
        same = [each for each in account.lists.values() if each.client_id == asked.client_id]
        if len(set(ids)) != len(ids) or any(not each.done for each in same):
            raise Refused(Refusal.DUPLICATE)
        if asked.working is not None:
            for ticket in asked.others:
                if any(o.ticket.client_id == ticket.client_id for o in account.open.values()):
                    raise Refused(Refusal.DUPLICATE)
            return self.check(account, shard, asked.working)
        self._check_order(shard, asked)
        return max(self.check(account, shard, ticket) for ticket in asked.others)

    def _check_order(self, shard: Shard, asked: ListTicket) -> None:
        """Refuse an OCO that does not have the market between its prices."""
        last = shard.last_ticks
        for ticket, sign in ((asked.above, 1), (asked.below, -1)):
            if ticket is None:
                continue
            at = ticket.stop_ticks if ticket.kind.conditional else ticket.price_ticks
            if at and (at - last) * sign <= 0:
                raise Refused(Refusal.BAD_PRICES)

    def _free(self, account: Account, order: DeskOrder, ts_ns: int) -> None:
        group = order.group
        if order.status is not Status.PENDING_NEW or group is None:
            super()._free(account, order, ts_ns)
            return
        waiting = [each for each in group.others if each.status is Status.PENDING_NEW]
        reason = self._why_not(account, waiting)
        if reason is not None:
            for each in waiting:
                each.reason = _REASONS[reason]
                self._take_out(account, each, Status.EXPIRED, ts_ns)
            return
        for each in waiting:
            # The market has moved since it was asked for.
            each.hold_ticks = each.ticket.price_ticks or expected(each.shard, each.ticket)
        if waiting:
            self._hold(account, _dearer(waiting), self._need(waiting))
        for each in waiting:
            if each.status is Status.PENDING_NEW:
                self._start(account, each, ts_ns)

    def _need(self, orders: list[DeskOrder]) -> int:
        return max(self._cost(order.shard, order.ticket) for order in orders)

    def _why_not(self, account: Account, orders: list[DeskOrder]) -> Refusal | None:
        """Return why orders that waited cannot go to the book."""
        try:
            for order in orders:
                self.check_price(order.shard, order.ticket)
            if orders and self._need(orders) > account.free[_pays(orders[0])]:
                return Refusal.NO_FUNDS
        except Refused as refused:
            return refused.reason
        return None

    def _all_of(self, order: DeskOrder) -> list[DeskOrder]:
        return order.group.orders if order.group is not None else [order]

    def _paired(self, order: DeskOrder) -> list[DeskOrder]:
        group = order.group
        if group is None or order is group.working:
            return [order]
        others = [each for each in group.others if each is not order and each.status.open]
        return [*others, order]

    def _before_working(self, account: Account, order: DeskOrder) -> None:
        """Let the other order of an OCO expire: this one trades."""
        for other in self._paired(order):
            if other is order:
                continue
            order.held_e8 += other.held_e8
            other.held_e8 = 0
            self._hold(account, order, -max(0, order.held_e8 - order.need_e8))
            self._take_out(account, other, Status.EXPIRED, order.shard.last_ns)

    def _after_end(self, account: Account, order: DeskOrder) -> None:
        group = order.group
        if group is None or group.done:
            return
        if order is group.working:
            pending = [each for each in group.others if each.status is Status.PENDING_NEW]
            if order.status is Status.FILLED:
                if pending:
                    self._waiting[order.shard].free(account, pending[0])
            elif order.status is not Status.CANCELED:
                for each in pending:
                    self._take_out(account, each, Status.EXPIRED, order.shard.last_ns)
        if not any(each.status.open for each in group.orders):
            group.done = True
            self._tell_list(account, group, "ALL_DONE")

    def _tell_list(self, account: Account, group: OrderList, what: str) -> None:
        account.tell(ListChanged(orders=group, what=what, ts_ms=group.shard.last_ns // MS))


def _pays(order: DeskOrder) -> str:
    return pays_with(order.shard, order.ticket.side)


def _dearer(orders: list[DeskOrder]) -> DeskOrder:
    """Return the order that needs the most; it holds for all."""
    return max(orders, key=lambda order: order.need_e8)
