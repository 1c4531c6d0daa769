"""A venue's trading on margin, put together: desk, waiting orders, margin, and what time brings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from emulator.market.derivatives.account import MarginAccount
from emulator.market.derivatives.desk import Desk
from emulator.market.derivatives.guard import Guard
from emulator.market.derivatives.orders import Conditional, Ending, Order, Status, Wait
from emulator.market.derivatives.product import Product
from emulator.market.derivatives.waiting import Waiting
from emulator.market.market import Market
from emulator.market.perps import Future
from emulator.market.races import fill_first
from emulator.market.shard import Shard

_ROUNDS: Final = 1_000
"""Orders that fire orders that fire orders end some time; this is when it is called a bug."""


class House:
    """What a venue's endpoints call."""

    def __init__(
        self, market: Market, products: dict[str, Product], futures: dict[str, Future]
    ) -> None:
        self.market = market
        self.desk = Desk(market, products)
        self.waiting = Waiting(self.desk)
        self.guard = Guard(self.desk, self.waiting, futures)
        self.on_dead_man: list[Callable[[MarginAccount, str], None]] = []
        """Told of a switch that fires: (account, scope), after the cancels."""
        self.dead_man_covers: Callable[[Order, str], bool] = lambda order, scope: (
            scope
            in (
                "",
                order.product.symbol,
            )
        )
        self._looking = False
        self.desk.after.append(self.look)
        market.after_acts.append(lambda _: self.look())

    @property
    def products(self) -> dict[str, Product]:
        """The instruments by symbol."""
        return self.desk.products

    def look(self) -> None:
        """Let time and prices do their work, until nothing follows from anything any more."""
        if self._looking:
            return
        if not self._busy():
            self.guard.idle()
            return
        self._looking = True
        try:
            self._times()
            for _ in range(_ROUNDS):
                acted = self.waiting.hear()
                acted |= self._trim()
                self.waiting.look(self.desk.now_ms)
                acted |= self.guard.look()
                if not acted:
                    return
            raise RuntimeError(f"the desk did not come to rest in {_ROUNDS} rounds")
        finally:
            self._looking = False

    def race(self, orders: list[Order]) -> None:
        """Let the crowd fill the first of some orders that it can, just before its cancel comes."""
        for order in orders:
            shard = order.product.shard
            if order.status.open and fill_first(self.market, shard, order.engine_id):
                return

    def expire(self, account: MarginAccount, placed: object) -> None:
        """End a resting or waiting order as the venue itself does."""
        if isinstance(placed, (Order, Conditional)):
            told = {"owner": account.owner, "symbol": placed.product.symbol, "id": placed.id}
            self.market.note("expire", told)
        if isinstance(placed, Order) and placed.status.open:
            self.desk.cancel(account, placed, Ending.VENUE, status=Status.EXPIRED)
        elif isinstance(placed, Conditional) and placed.state is Wait.ARMED:
            self.waiting.disarm(account, placed, Ending.VENUE, Wait.EXPIRED)

    def expire_again(self, owner: int, order_id: int) -> None:
        """End an order again as it was ended before."""
        account = self.desk.accounts[owner]
        found = account.orders.get(order_id) or account.conditionals.get(order_id)
        self.expire(account, found)

    def strike(self, kind: str, shard: Shard | None, value: float) -> bool:
        """Do what a fault says to accounts and what they hold; False for other faults."""
        product = self.desk.products.get(shard.listing.symbol) if shard is not None else None
        future = self.guard.future(product) if product is not None else None
        match kind:
            case "liquidate_accounts":
                for account in self.desk.accounts.values():
                    for settle in {each.product.settle for each in account.open_positions()}:
                        self.guard.liquidate(account, settle)
            case "adl" if product is not None:
                self.guard.deleverage(product)
            case "settle_funding" if product is not None and future is not None:
                self.guard.pay(product, value)
            case "pin_mark" if future is not None:
                future.pinned = value
            case "fire_dead_man":
                self.fire_dead_men()
            case _:
                return False
        self.look()
        return True

    def rename(self, old: str, new: str) -> None:
        """Call an instrument by another name from now on."""
        self.desk.products[new] = self.desk.products.pop(old)
        self.waiting.rename(old, new)
        for account in self.desk.accounts.values():
            for key in [key for key in account.positions if key[0] == old]:
                account.positions[(new, key[1])] = account.positions.pop(key)
            if old in account.leverage:
                account.leverage[new] = account.leverage.pop(old)
            if old in account.dead_man:
                account.dead_man[new] = account.dead_man.pop(old)

    def fire_dead_men(self) -> None:
        """Let every armed dead-man switch fire now."""
        for account in self.desk.accounts.values():
            for scope in list(account.dead_man):
                account.dead_man[scope] = 0
        self._times()

    def _busy(self) -> bool:
        return any(
            account.open or account.armed or account.dead_man or account.open_positions()
            for account in self.desk.accounts.values()
        ) or bool(self.waiting.running)

    def _times(self) -> None:
        now_ms = self.desk.now_ms
        for account in self.desk.accounts.values():
            for scope, at_ms in list(account.dead_man.items()):
                if now_ms >= at_ms:
                    del account.dead_man[scope]
                    self.desk.cancel_all(account, self._covered(scope), Ending.DEAD_MAN)
                    for call in self.on_dead_man:
                        call(account, scope)
            for order in list(account.open.values()):
                expires_ms = order.ticket.expires_ms
                if order.status.open and expires_ms and now_ms >= expires_ms:
                    self.desk.cancel(account, order, Ending.OVER, status=Status.EXPIRED)

    def _covered(self, scope: str) -> Callable[[Order], bool]:
        return lambda order: self.dead_man_covers(order, scope)

    def _trim(self) -> bool:
        """Cut reduce-only orders to what there is to reduce."""
        acted = False
        for account in self.desk.accounts.values():
            for order in list(account.open.values()):
                ticket, product = order.ticket, order.product
                if product.spot or not ticket.only_closes or not order.status.open:
                    continue
                closable = account.position(product, ticket.leg).closable(ticket.side.sign)
                resting = product.shard.engine.order(order.engine_id)
                if not closable or resting is None:
                    self.desk.cancel(account, order, Ending.REDUCE_ONLY, status=Status.EXPIRED)
                    acted = True
                    continue
                over = resting.lots + resting.hidden - closable
                if over > 0:
                    events = product.shard.engine.reduce(order.engine_id, over)
                    product.shard.apply(events, product.shard.stamp(self.market.now_ns))
        return acted
