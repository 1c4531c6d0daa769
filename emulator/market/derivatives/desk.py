"""Takes orders of margin accounts to the market, and books what becomes of them.

::

    place ─► checks ─► engine ─► events ─► fills ─► positions, money ─► reports
                                                          │
    look (after every operation, and after the crowd has acted) ◄┘
      times that are over ─► prices to triggers ─► reduce-only orders ─► funding ─► margin
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from core.model.errors import InvariantError
from core.model.market import Side
from core.model.orders import TimeInForce
from core.venues.matching import Accepted, Canceled, Expired, MatchEvent, Reason, Traded
from emulator.clock import MS
from emulator.market.derivatives.account import MarginAccount
from emulator.market.derivatives.books import Books
from emulator.market.derivatives.orders import (
    Conditional,
    Ending,
    Order,
    OrderReport,
    PostOnly,
    Refusal,
    Refused,
    SelfTrade,
    Status,
    Ticket,
    What,
)
from emulator.market.derivatives.product import Product
from emulator.market.market import Market
from emulator.market.shard import Shard

_BUY: Final = Side.BUY
_ENDINGS: Final = {
    Reason.TIME_IN_FORCE: Ending.TIME_IN_FORCE,
    Reason.NO_LIQUIDITY: Ending.NO_LIQUIDITY,
    Reason.SELF_TRADE: Ending.SELF_TRADE,
    Reason.WOULD_TAKE: Ending.POST_ONLY,
}


class Desk:
    """Orders of margin accounts at one venue."""

    def __init__(self, market: Market, products: dict[str, Product]) -> None:
        self.market = market
        self.products = products
        self.accounts: dict[int, MarginAccount] = {}
        self.unique_client_ids = True
        """No two open orders of an account have one client id."""
        self.books = Books(self.next_number)
        self.after: list[Callable[[], None]] = []
        """Called after each operation, once its reports are told."""
        self._at: dict[tuple[int, int], tuple[MarginAccount, Order]] = {}
        # Above any id the shards hand out, and never given again by a later run.
        self._number = market.started_ns // MS * 1_000
        for product in products.values():
            product.shard.private = self._on_event

    def open_account(self, funds: dict[str, int]) -> MarginAccount:
        """Open an account with funds, in whole units."""
        account = MarginAccount(len(self.accounts) + 1, funds)
        account.updated_ms = self.now_ms
        self.accounts[account.owner] = account
        return account

    def next_number(self) -> int:
        """Return a number nobody has: ids of orders, conditional orders and entries."""
        self._number += 1
        return self._number

    @property
    def now_ms(self) -> int:
        """The market's time."""
        return self.market.now_ns // MS

    def check(self, account: MarginAccount, product: Product, ticket: Ticket) -> Ticket:
        """Return the ticket as it would enter the book.

        Raises:
            Refused: Duplicate id, nothing to reduce, too little money, post-only would take.
        """
        if ticket.client_id and self.unique_client_ids and account.uses(ticket.client_id):
            raise Refused(Refusal.DUPLICATE)
        lots, price_ticks = ticket.lots, ticket.price_ticks
        if ticket.only_closes:
            closable = account.position(product, ticket.leg).closable(ticket.side.sign)
            if not closable:
                raise Refused(Refusal.NO_POSITION if ticket.close else Refusal.REDUCE_ONLY)
            lots = closable if ticket.close else lots
        if ticket.budget:
            lots = _affordable(product.shard, ticket)
        if ticket.market and not product.shard.engine.sweep(ticket.side, None, max(1, lots)):
            raise Refused(Refusal.NO_LIQUIDITY)
        if lots <= 0:
            raise Refused(Refusal.NO_LIQUIDITY)
        if ticket.post_only is not PostOnly.NO and _crosses(product, ticket.side, price_ticks):
            if ticket.post_only is PostOnly.REFUSE:
                raise Refused(Refusal.WOULD_TAKE)
            if ticket.post_only is PostOnly.REPRICE:
                price_ticks = _resting_price(product, ticket.side)
        made = _replaced(ticket, lots, price_ticks)
        self._check_money(account, product, made)
        return made

    def place(self, account: MarginAccount, product: Product, ticket: Ticket) -> Order:
        """Check and match an order; reports reach the account's sinks before it returns.

        Raises:
            Refused: Nothing happened.
        """
        return self.enter(account, product, self.check(account, product, ticket))

    def enter(
        self,
        account: MarginAccount,
        product: Product,
        ticket: Ticket,
        parent: Conditional | None = None,
    ) -> Order:
        """Match an order without any check."""
        ts_ms = product.shard.stamp(self.market.now_ns) // MS
        order = Order(
            id=self.next_number(),
            product=product,
            ticket=ticket,
            price_ticks=ticket.price_ticks,
            lots=ticket.lots,
            created_ms=ts_ms,
            updated_ms=ts_ms,
            fee_asset=product.settle,
            parent=parent,
        )
        if parent is not None:
            parent.child = order
        account.add(order)
        if product.spot:
            self._hold(account, order)
        would_take = _crosses(product, ticket.side, ticket.price_ticks)
        if ticket.post_only is PostOnly.CANCEL and would_take:
            self._tell(account, order, What.NEW)
            self._end(account, order, Status.CANCELED, Ending.POST_ONLY, What.CANCELED)
        else:
            self._match(account, order, order.lots)
        self.settle()
        return order

    def cancel(
        self,
        account: MarginAccount,
        order: Order,
        ending: Ending = Ending.USER,
        *,
        cancel_id: str = "",
        status: Status = Status.CANCELED,
    ) -> None:
        """Cancel a resting order.

        Raises:
            Refused: It rests no longer.
        """
        if not order.status.open:
            raise Refused(Refusal.NOT_OPEN)
        order.cancel_id = cancel_id
        shard = order.product.shard
        order.ending = ending
        ts_ns = shard.stamp(self.market.now_ns)
        order.moving = True
        shard.apply(shard.engine.cancel(order.engine_id), ts_ns)
        order.moving = False
        what = What.CANCELED if status is Status.CANCELED else What.EXPIRED
        self._end(account, order, status, ending, what)
        self.settle()

    def cancel_all(
        self,
        account: MarginAccount,
        wanted: Callable[[Order], bool] = lambda _: True,
        ending: Ending = Ending.USER,
    ) -> list[Order]:
        """Cancel all resting orders that are wanted, oldest first."""
        ended = []
        for order in list(account.open.values()):
            if wanted(order) and order.status.open:
                self.cancel(account, order, ending)
                ended.append(order)
        return ended

    def amend(
        self,
        account: MarginAccount,
        order: Order,
        *,
        price_ticks: int | None = None,
        lots: int | None = None,
        keeps_place: bool = True,
        ticket: Ticket | None = None,
    ) -> None:
        """Change price or size; smaller at the same price it keeps its place where it may.

        A size that is filled already ends it. `ticket` replaces what else was asked for.

        Raises:
            Refused: It rests no longer, nothing changes, too little money, or it would take.
        """
        product, asked = order.product, ticket or order.ticket
        price, size = self._amended(account, order, asked, price_ticks, lots, ticket is not None)
        if size <= order.filled:
            self.cancel(account, order)
            return
        shard = product.shard
        ts_ns = shard.stamp(self.market.now_ns)
        order.amends += 1
        smaller, moved = order.lots - size, price != order.price_ticks
        resting = shard.engine.order(order.engine_id)
        if product.spot:
            self._release(account, order)
        order.ticket = asked
        order.price_ticks, order.lots, order.updated_ms = price, size, ts_ns // MS
        if product.spot:
            self._hold(account, order)
        if not moved and smaller >= 0 and keeps_place:
            over = resting.lots + resting.hidden - order.left if resting is not None else 0
            if over > 0:
                shard.apply(shard.engine.reduce(order.engine_id, over), ts_ns)
            self._tell(account, order, What.AMENDED)
        else:
            order.moving = True
            shard.apply(shard.engine.cancel(order.engine_id), ts_ns)
            self._tell(account, order, What.AMENDED)
            if asked.post_only is PostOnly.CANCEL and _crosses(product, asked.side, price):
                order.moving = False
                self._end(account, order, Status.CANCELED, Ending.POST_ONLY, What.CANCELED)
            else:
                self._match(account, order, order.left)
        self.settle()

    def _amended(
        self,
        account: MarginAccount,
        order: Order,
        asked: Ticket,
        price_ticks: int | None,
        lots: int | None,
        otherwise: bool,
    ) -> tuple[int, int]:
        """Check an amend; the price and size it leads to."""
        if not order.status.open:
            raise Refused(Refusal.NOT_OPEN)
        price = order.price_ticks if price_ticks is None else price_ticks
        size = order.lots if lots is None else lots
        if (price, size) == (order.price_ticks, order.lots) and not otherwise:
            raise Refused(Refusal.NO_CHANGE)
        product = order.product
        if asked.post_only is not PostOnly.NO and _crosses(product, asked.side, price):
            if asked.post_only is PostOnly.REPRICE:
                price = _resting_price(product, asked.side)
            elif asked.post_only is PostOnly.REFUSE:
                raise Refused(Refusal.WOULD_TAKE)
        if size > order.lots or (price != order.price_ticks and size > order.filled):
            changed = _replaced(asked, size - order.filled, price)
            del account.open[order.id]
            try:
                self._check_money(account, product, changed, unheld_e8=order.held_e8)
            finally:
                account.open[order.id] = order
        return price, size

    def settle(self) -> None:
        """Let everything that follows from an operation happen."""
        for call in self.after:
            call()

    def _check_money(
        self, account: MarginAccount, product: Product, ticket: Ticket, unheld_e8: int = 0
    ) -> None:
        if product.spot:
            needed, asset = self._cost(product, ticket)
            if needed > account.free_e8(asset) + unheld_e8:
                raise Refused(Refusal.NO_FUNDS)
            return
        if ticket.only_closes:
            return
        settle = product.settle
        price = ticket.price_ticks or _touch(product, ticket.side)
        before = account.initial_e8(settle)
        after = account.initial_e8(settle, (product, ticket, ticket.lots, price))
        worth = product.worth_e8(price * product.tick_e8, ticket.lots)
        needed = after + product.fee_e8(worth, ticket.lots, maker=False)
        if after > before and account.equity_e8(settle) - account.held.get(settle, 0) < needed:
            raise Refused(Refusal.NO_FUNDS)

    def _cost(self, product: Product, ticket: Ticket) -> tuple[int, str]:
        """Return what a spot order binds, and of which asset."""
        listing = product.shard.listing
        if ticket.side is not _BUY:
            return product.amount_e8(ticket.lots), listing.base
        if ticket.market:
            swept = product.shard.engine.sweep(_BUY, None, ticket.lots)
            cost = sum(product.worth_e8(price * product.tick_e8, size) for price, size in swept)
            return cost, listing.quote
        return product.worth_e8(ticket.price_ticks * product.tick_e8, ticket.lots), listing.quote

    def _hold(self, account: MarginAccount, order: Order) -> None:
        left = _replaced(order.ticket, order.left, order.price_ticks)
        order.held_e8, asset = self._cost(order.product, left)
        account.held[asset] = account.held.get(asset, 0) + order.held_e8

    def _release(self, account: MarginAccount, order: Order) -> None:
        listing = order.product.shard.listing
        asset = listing.quote if order.ticket.side is _BUY else listing.base
        account.held[asset] = account.held.get(asset, 0) - order.held_e8
        order.held_e8 = 0

    def _match(self, account: MarginAccount, order: Order, lots: int) -> None:
        """Let an order meet the book, after its own orders that stand in its way are gone."""
        ticket, product = order.ticket, order.product
        shard = product.shard
        ts_ns = shard.stamp(self.market.now_ns)
        if ticket.only_closes:
            closable = account.position(product, ticket.leg).closable(ticket.side.sign)
            lots = min(lots, closable) or lots
        met = False
        if ticket.self_trade is not SelfTrade.TAKER:
            met = self._clear_own(account, order, lots)
        order.engine_id = shard.next_order_id()
        self._at[(id(shard), order.engine_id)] = (account, order)
        if met and ticket.self_trade is SelfTrade.BOTH:
            if not order.moving:
                self._tell(account, order, What.NEW)
            order.moving = False
            self._end(account, order, Status.EXPIRED, Ending.SELF_TRADE, What.EXPIRED)
            return
        engine = shard.engine
        if ticket.market:
            events = engine.market(order.engine_id, account.owner, ticket.side, lots)
        else:
            tif = TimeInForce.GTC if ticket.tif is TimeInForce.GTD else ticket.tif
            events = engine.limit(
                order.engine_id,
                account.owner,
                ticket.side,
                order.price_ticks,
                lots,
                tif,
                peak=min(ticket.peak, lots),
            )
        shard.apply(events, ts_ns)
        order.moving = False
        if order.status.open and engine.order(order.engine_id) is None:
            # A reduce-only order that was cut to the position is done with it.
            self._end(account, order, Status.EXPIRED, Ending.REDUCE_ONLY, What.EXPIRED)

    def _clear_own(self, account: MarginAccount, order: Order, lots: int) -> bool:
        """End own resting orders that an order would meet; True when there were any."""
        shard, side = order.product.shard, order.ticket.side
        limit = None if order.ticket.market else order.price_ticks
        any_met = False
        while True:
            got = shard.engine.sweep(side, limit, lots, account.owner)
            if sum(size for _, size in got) >= lots:
                return any_met
            mine = [
                each
                for each in account.open.values()
                if each is not order
                and each.product is order.product
                and each.ticket.side is side.opposite
                and (limit is None or (limit - each.price_ticks) * side.sign >= 0)
                and shard.engine.order(each.engine_id) is not None
            ]
            if not mine:
                return any_met
            any_met = True
            first = min(mine, key=lambda each: (each.price_ticks * side.sign, each.engine_id))
            first.moving = True
            shard.apply(shard.engine.cancel(first.engine_id), shard.last_ns)
            first.moving = False
            self._end(account, first, Status.EXPIRED, Ending.SELF_TRADE, What.EXPIRED)

    def _on_event(self, shard: Shard, event: MatchEvent, trade_id: int) -> None:
        if isinstance(event, Traded):
            for owner, engine_id, other, maker in (
                (event.taker_owner, event.taker_id, event.maker_owner, False),
                (event.maker_owner, event.maker_id, event.taker_owner, True),
            ):
                if owner in self.accounts:
                    account, order = self._whose(shard, engine_id)
                    self._fill(
                        account,
                        order,
                        event,
                        trade_id,
                        maker=maker,
                        crowd=other not in self.accounts,
                    )
        elif isinstance(event, Accepted):
            account, order = self._whose(shard, event.order_id)
            if not order.moving:
                self._tell(account, order, What.NEW)
        elif isinstance(event, Expired):
            account, order = self._whose(shard, event.order_id)
            ending = _ENDINGS[event.reason]
            self._end(account, order, Status.EXPIRED, ending, What.EXPIRED)
        elif isinstance(event, Canceled):
            account, order = self._whose(shard, event.order_id)
            if not order.moving:
                self._end(account, order, Status.CANCELED, Ending.VENUE, What.CANCELED)

    def _fill(
        self,
        account: MarginAccount,
        order: Order,
        event: Traded,
        trade_id: int,
        *,
        maker: bool,
        crowd: bool,
    ) -> None:
        price, lots, product = event.price_ticks, event.lots, order.product
        if product.spot:
            self._unhold(account, order, price, lots)
        order.filled += lots
        order.notional += price * lots
        done = order.filled >= order.lots
        order.status = Status.FILLED if done else Status.PARTIALLY_FILLED
        if done:
            self._close(account, order)
        fill = self.books.fill(account, order, price, lots, trade_id, maker=maker, crowd=crowd)
        order.updated_ms = fill.ts_ms
        account.tell(OrderReport(what=What.TRADE, order=order, ts_ms=fill.ts_ms, fill=fill))

    def _unhold(self, account: MarginAccount, order: Order, price: int, lots: int) -> None:
        listing, buys = order.product.shard.listing, order.ticket.side is _BUY
        if buys:
            limit_e8 = (order.price_ticks or price) * order.product.tick_e8
            part = order.product.worth_e8(limit_e8, lots)
        else:
            part = order.product.amount_e8(lots)
        part = min(part, order.held_e8)
        order.held_e8 -= part
        account.held[listing.quote if buys else listing.base] -= part

    def _end(
        self,
        account: MarginAccount,
        order: Order,
        status: Status,
        ending: Ending,
        what: What,
    ) -> None:
        order.status, order.ending = status, ending
        self._close(account, order)
        self._tell(account, order, what)

    def _close(self, account: MarginAccount, order: Order) -> None:
        if order.product.spot:
            self._release(account, order)
        account.open.pop(order.id, None)

    def _tell(self, account: MarginAccount, order: Order, what: What) -> None:
        order.updated_ms = account.updated_ms = order.product.shard.last_ns // MS
        account.tell(OrderReport(what=what, order=order, ts_ms=order.updated_ms))

    def _whose(self, shard: Shard, engine_id: int) -> tuple[MarginAccount, Order]:
        found = self._at.get((id(shard), engine_id))
        if found is None:
            symbol = shard.listing.symbol
            raise InvariantError(f"{symbol} order {engine_id} is of no account of this desk")
        return found


def _replaced(ticket: Ticket, lots: int, price_ticks: int) -> Ticket:
    if (lots, price_ticks) == (ticket.lots, ticket.price_ticks):
        return ticket
    return msgspec.structs.replace(ticket, lots=lots, price_ticks=price_ticks)


def _crosses(product: Product, side: Side, price_ticks: int) -> bool:
    if price_ticks <= 0:
        return False
    engine = product.shard.engine
    best = engine.best_ask() if side is _BUY else engine.best_bid()
    return best is not None and (price_ticks - best) * side.sign >= 0


def _resting_price(product: Product, side: Side) -> int:
    """Return the best price that does not take."""
    shard = product.shard
    best = shard.engine.best_ask() if side is _BUY else shard.engine.best_bid()
    assert best is not None
    return max(1, best - side.sign * shard.tick_at(best))


def _touch(product: Product, side: Side) -> int:
    engine = product.shard.engine
    best = engine.best_ask() if side is _BUY else engine.best_bid()
    return best or product.last_ticks()


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
