"""Margin and time at work: funding, warnings, liquidation, auto-deleveraging."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from core.model.market import Side
from emulator.clock import MS
from emulator.market.derivatives.account import MarginAccount
from emulator.market.derivatives.desk import Desk
from emulator.market.derivatives.orders import (
    Category,
    Ending,
    Moved,
    Order,
    OrderReport,
    Status,
    Ticket,
    Warned,
    What,
)
from emulator.market.derivatives.position import Position
from emulator.market.derivatives.product import PPM, Product
from emulator.market.derivatives.waiting import Waiting
from emulator.market.listings import E8
from emulator.market.perps import FUNDING_MS, Future

_NEAR_PERCENT: Final = 125
"""Warned when equity is less than this much of the maintenance margin."""
ForcedHook = Callable[[Product, Order], None]


class Guard:
    """Settles funding and closes what its margin no longer carries."""

    def __init__(self, desk: Desk, waiting: Waiting, futures: dict[str, Future]) -> None:
        self._desk = desk
        self._waiting = waiting
        self._futures = futures
        self._paid = {name: future.last_funding_ms for name, future in futures.items()}
        self.forced_words: Callable[[Product, Category], dict[str, object]] = lambda _, __: {}
        """What the venue calls an order that closes a position by force."""
        self.client_id: Callable[[Category], str] = lambda _: ""

    def future(self, product: Product) -> Future | None:
        """Return what a product has beyond a book, None for spot and options."""
        return self._futures.get(product.symbol)

    def look(self) -> bool:
        """Pay funding that is due, and liquidate who has too little; True when it acted."""
        acted = False
        for symbol, future in self._futures.items():
            paid = future.last_funding_ms if future.perpetual else 0
            known = self._paid.get(symbol, paid)
            if paid > known:
                for slot in range(known + FUNDING_MS, paid + 1, FUNDING_MS):
                    self.pay(self._desk.products[symbol], future.funding_at(slot).rate)
            self._paid[symbol] = paid
        for account in self._desk.accounts.values():
            for settle in {each.product.settle for each in account.open_positions()}:
                acted |= self._check(account, settle)
            for settle, cash in list(account.cash.items()):
                if cash < 0:
                    # Closed at less than its mark: what is missing nobody can be made to pay.
                    self._make_good(account, settle)
        return acted

    def idle(self) -> None:
        """Pass over funding that nobody has to pay."""
        for symbol, future in self._futures.items():
            self._paid[symbol] = future.last_funding_ms

    def pay(self, product: Product, rate: float) -> None:
        """Let longs pay shorts at a rate, or the other way round when it is negative."""
        mark = product.mark_e8()
        for account in self._desk.accounts.values():
            for position in account.open_positions(product.settle):
                if position.product is not product:
                    continue
                worth = product.worth_e8(mark, abs(position.lots))
                paid = worth * round(rate * E8) // E8 * (1 if position.lots > 0 else -1)
                account.remember()
                self._move(account, position, -paid, "funding")
                position.funding_e8 -= paid
                self._desk.books.crowd[product.settle] += paid

    def liquidate(self, account: MarginAccount, settle: str) -> None:
        """Close all positions of a settle asset at the market, whatever they are worth."""
        desk = self._desk
        desk.cancel_all(account, lambda o: o.product.settle == settle, Ending.LIQUIDATION)
        for conditional in list(account.armed.values()):
            if conditional.product.settle == settle:
                self._waiting.disarm(account, conditional, Ending.LIQUIDATION)
        for position in sorted(
            account.open_positions(settle),
            key=lambda each: -each.product.worth_e8(each.product.mark_e8(), abs(each.lots)),
        ):
            self._force(account, position)
        self._make_good(account, settle)

    def deleverage(self, product: Product) -> bool:
        """Close own positions against somebody's gain, at the mark price; False without any."""
        found = False
        for account in self._desk.accounts.values():
            for position in account.open_positions(product.settle):
                if position.product is product:
                    self._off_book(account, position, Category.ADL)
                    found = True
        return found

    def _check(self, account: MarginAccount, settle: str) -> bool:
        needed = account.maintenance_e8(settle)
        equity = account.equity_e8(settle)
        if needed and equity < needed:
            account.warned.discard(settle)
            self.liquidate(account, settle)
            return True
        if needed and equity * 100 < needed * _NEAR_PERCENT:
            if settle not in account.warned:
                account.warned.add(settle)
                near = tuple(account.open_positions(settle))
                account.tell(Warned(ts_ms=self._desk.now_ms, settle=settle, positions=near))
        else:
            account.warned.discard(settle)
        return False

    def _force(self, account: MarginAccount, position: Position) -> None:
        product, desk = position.product, self._desk
        side = Side.SELL if position.lots > 0 else Side.BUY
        ticket = Ticket(
            client_id=self.client_id(Category.LIQUIDATION),
            side=side,
            market=True,
            lots=abs(position.lots),
            leg=position.leg,
            close=True,
            category=Category.LIQUIDATION,
            words=self.forced_words(product, Category.LIQUIDATION),
        )
        order = desk.enter(account, product, ticket)
        future = self._futures.get(product.symbol)
        if future is not None and order.filled:
            future.forced_out(
                order.engine_id, side, order.price_ticks, order.average_ticks, order.filled
            )
        charged = order.worth_e8 * product.terms.liquidation_ppm // PPM
        if charged:
            account.cash[product.settle] -= charged
            desk.books.insurance[product.settle] += charged
            desk.books.note(account, "insurance", product.settle, -charged, product)
        if position.lots:
            # The book could not take all of it.
            self._off_book(account, position, Category.ADL)

    def _off_book(self, account: MarginAccount, position: Position, category: Category) -> None:
        """Close a position against the crowd at its mark price, without the book."""
        product, desk = position.product, self._desk
        shard = product.shard
        price = max(1, round(product.mark_e8() / product.tick_e8))
        side = Side.SELL if position.lots > 0 else Side.BUY
        lots = abs(position.lots)
        ts_ms = shard.stamp(desk.market.now_ns) // MS
        order = Order(
            id=desk.next_number(),
            product=product,
            ticket=Ticket(
                client_id=self.client_id(category),
                side=side,
                market=True,
                lots=lots,
                leg=position.leg,
                close=True,
                category=category,
                words=self.forced_words(product, category),
            ),
            price_ticks=0,
            lots=lots,
            created_ms=ts_ms,
            updated_ms=ts_ms,
            fee_asset=product.settle,
        )
        account.add(order)
        account.open.pop(order.id)
        account.tell(OrderReport(what=What.NEW, order=order, ts_ms=ts_ms))
        shard.trade_id += 1
        order.filled, order.notional, order.status = lots, lots * price, Status.FILLED
        fill = desk.books.fill(account, order, price, lots, shard.trade_id, maker=False, crowd=True)
        account.tell(OrderReport(what=What.TRADE, order=order, ts_ms=ts_ms, fill=fill))

    def _make_good(self, account: MarginAccount, settle: str) -> None:
        """Let the insurance fund pay what is missing once nothing is held any more."""
        missing = -account.cash.get(settle, 0)
        if missing <= 0 or account.open_positions(settle):
            return
        held = (each for each in account.positions.values() if each.product.settle == settle)
        position = next(held, None)
        if position is None:
            return
        self._desk.books.insurance[settle] -= missing
        account.remember()
        self._move(account, position, missing, "insurance")

    def _move(
        self,
        account: MarginAccount,
        position: Position,
        amount_e8: int,
        why: str,
    ) -> None:
        settle = position.product.settle
        account.cash[settle] = account.cash.get(settle, 0) + amount_e8
        account.updated_ms = self._desk.now_ms
        self._desk.books.note(
            account,
            why,
            settle,
            amount_e8,
            position.product,
            position_lots=position.lots,
        )
        account.tell(
            Moved(
                why=why,
                ts_ms=self._desk.now_ms,
                assets={settle: amount_e8},
                positions=(position,),
            )
        )
