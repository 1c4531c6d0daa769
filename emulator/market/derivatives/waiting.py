"""Conditional orders of margin accounts: armed, fired by prices, and followed to their end."""

from __future__ import annotations

from typing import Final

from emulator.market.derivatives.account import MarginAccount
from emulator.market.derivatives.desk import Desk
from emulator.market.derivatives.orders import (
    Branch,
    Conditional,
    ConditionalReport,
    Ending,
    Refusal,
    Refused,
    Wait,
)
from emulator.market.derivatives.product import Product
from emulator.market.listings import E8
from emulator.market.triggers import Triggers, Watched

_LAST: Final = Watched.LAST


class Waiting:
    """The conditional orders of one venue."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._triggers = {name: Triggers() for name in desk.products}
        self._heard = {name: each.shard.trade_id for name, each in desk.products.items()}
        self._owners: dict[int, tuple[MarginAccount, Conditional, Branch]] = {}
        self.running: list[tuple[MarginAccount, Conditional]] = []
        """Those that fired and whose orders have not ended."""

    def of(self, product: Product) -> Triggers:
        """Return a product's triggers, told of all that was traded."""
        symbol = product.symbol
        triggers = self._triggers[symbol]
        if not len(triggers):
            triggers.move(_LAST, product.last_ticks() * product.tick_e8)
            triggers.move(Watched.MARK, product.mark_e8())
            triggers.move(Watched.INDEX, self.index_e8(product))
            self._heard[symbol] = product.shard.trade_id
        return triggers

    def rename(self, old: str, new: str) -> None:
        """Call an instrument by another name from now on."""
        self._triggers[new] = self._triggers.pop(old)
        self._heard[new] = self._heard.pop(old)

    def index_e8(self, product: Product) -> int:
        """Return the price of the asset a product follows."""
        market, symbol = self._desk.market, product.symbol
        view = market.views.get(symbol)
        return round(view.index * E8) if view is not None else product.mark_e8()

    def arm(self, account: MarginAccount, conditional: Conditional, *, refuse_met: bool) -> None:
        """Let a conditional order wait.

        Raises:
            Refused: Its price is there already (where that is refused), or its id is in use.
        """
        triggers = self.of(conditional.product)
        if any(
            conditional.client_id and each.client_id == conditional.client_id
            for each in account.armed.values()
        ):
            raise Refused(Refusal.DUPLICATE)
        for branch in conditional.branches:
            seen = triggers.seen(branch.trigger.watches)
            if refuse_met and not branch.trigger.trailing and branch.trigger.met(seen):
                raise Refused(Refusal.WOULD_TRIGGER)
        account.wait(conditional)
        for branch in conditional.branches:
            branch.trigger.id = self._desk.next_number()
            self._owners[branch.trigger.id] = (account, conditional, branch)
            triggers.arm(branch.trigger)
        self._tell(account, conditional, fresh=True)

    def disarm(
        self,
        account: MarginAccount,
        conditional: Conditional,
        ending: Ending = Ending.USER,
        state: Wait = Wait.CANCELED,
    ) -> None:
        """Take a conditional order out.

        Raises:
            Refused: It waits no longer.
        """
        if conditional.state is not Wait.ARMED:
            raise Refused(Refusal.NOT_OPEN)
        self._forget(account, conditional)
        conditional.state, conditional.ending = state, ending
        self._tell(account, conditional)

    def rearm(self, account: MarginAccount, conditional: Conditional, prices: list[int]) -> None:
        """Move the trigger prices, one for each branch (0 leaves it), and tell of it.

        Raises:
            Refused: It waits no longer.
        """
        if conditional.state is not Wait.ARMED:
            raise Refused(Refusal.NOT_OPEN)
        for branch, price in zip(conditional.branches, prices, strict=True):
            if price:
                branch.trigger.price = price
        account.tell(
            ConditionalReport(
                conditional=conditional,
                ts_ms=self._stamp(conditional),
                told=Wait.ARMED,
                amended=True,
            )
        )

    def hear(self) -> bool:
        """Tell the triggers what was traded and the marks, and carry out what fires."""
        any_fired = False
        if self._owners:
            for symbol, product in list(self._desk.products.items()):
                triggers = self._triggers.get(symbol)
                if triggers is None or not len(triggers):
                    continue
                heard, shard = self._heard[symbol], product.shard
                self._heard[symbol] = shard.trade_id
                fired = [
                    trigger
                    for row in shard.trades_since(heard)
                    for trigger in triggers.move(_LAST, row.price_ticks * product.tick_e8)
                ]
                fired += triggers.move(Watched.MARK, product.mark_e8())
                fired += triggers.move(Watched.INDEX, self.index_e8(product))
                for trigger in fired:
                    # One that fired just before may have taken this one out.
                    if trigger.id in self._owners:
                        any_fired = True
                        self._fire(*self._owners[trigger.id])
        return self._follow() or any_fired

    def look(self, now_ms: int) -> None:
        """End those whose time is over or whose position is gone."""
        for account in self._desk.accounts.values():
            for conditional in list(account.armed.values()):
                if conditional.expires_ms and now_ms >= conditional.expires_ms:
                    self.disarm(account, conditional, Ending.OVER, Wait.EXPIRED)
                elif conditional.dies_with_position:
                    ticket, product = conditional.ticket, conditional.product
                    if not account.position(product, ticket.leg).closable(ticket.side.sign):
                        self.disarm(account, conditional, Ending.REDUCE_ONLY, Wait.CANCELED)

    def _fire(self, account: MarginAccount, conditional: Conditional, branch: Branch) -> None:
        self._forget(account, conditional)
        conditional.fired = branch
        conditional.state = Wait.TRIGGERED
        conditional.triggered_ms = self._stamp(conditional)
        desk = self._desk
        try:
            ticket = desk.check(account, conditional.product, branch.ticket)
        except Refused as refused:
            conditional.failure = refused.reason
            gone = refused.reason in (Refusal.NO_POSITION, Refusal.REDUCE_ONLY)
            conditional.state = Wait.EXPIRED if gone else Wait.REJECTED
            self._tell(account, conditional)
            return
        self._tell(account, conditional)
        conditional.child = desk.enter(account, conditional.product, ticket, conditional)
        self.running.append((account, conditional))

    def _follow(self) -> bool:
        """Finish those whose order has ended."""
        ended = [each for each in self.running if _over(each[1])]
        self.running = [each for each in self.running if not _over(each[1])]
        for account, conditional in ended:
            conditional.state = Wait.FINISHED
            self._tell(account, conditional)
        return bool(ended)

    def _forget(self, account: MarginAccount, conditional: Conditional) -> None:
        account.armed.pop(conditional.id, None)
        triggers = self._triggers[conditional.product.symbol]
        for branch in conditional.branches:
            triggers.disarm(branch.trigger.id)
            self._owners.pop(branch.trigger.id, None)

    def _stamp(self, conditional: Conditional) -> int:
        conditional.updated_ms = self._desk.now_ms
        return conditional.updated_ms

    def _tell(
        self, account: MarginAccount, conditional: Conditional, *, fresh: bool = False
    ) -> None:
        account.tell(
            ConditionalReport(
                conditional=conditional,
                ts_ms=self._stamp(conditional),
                told=conditional.state,
                fresh=fresh,
            )
        )


def _over(conditional: Conditional) -> bool:
    return conditional.child is None or not conditional.child.status.open
