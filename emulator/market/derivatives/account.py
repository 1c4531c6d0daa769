"""One margin account: money, positions, orders, and how much of the money is bound."""

from __future__ import annotations

import copy
from collections import deque

from core.model.market import Side
from emulator.market.derivatives.orders import (
    Conditional,
    Entry,
    Fill,
    Order,
    PrivateMessage,
    PrivateSink,
    Ticket,
)
from emulator.market.derivatives.position import Leg, Position
from emulator.market.derivatives.product import Product
from emulator.market.listings import E8

_ENTRIES_KEPT = 200_000
_FAR = 100
"""Prices so many times the mark are not looked at."""


class MarginAccount:
    """Cross margin in each settle asset; spot holdings beside it."""

    def __init__(self, owner: int, funds: dict[str, int]) -> None:
        self.owner = owner
        """Its number in the matching engines; never the crowd's."""
        self.cash: dict[str, int] = {asset: units * E8 for asset, units in funds.items()}
        self.held: dict[str, int] = dict.fromkeys(self.cash, 0)
        """Bound by spot orders."""
        self.hedge = False
        """Long and short are held apart."""
        self.leverage: dict[str, int] = {}
        self.positions: dict[tuple[str, Leg], Position] = {}
        self.orders: dict[int, Order] = {}
        """Every order ever, oldest first."""
        self.open: dict[int, Order] = {}
        """The resting ones."""
        self.conditionals: dict[int, Conditional] = {}
        """Every one ever, oldest first."""
        self.armed: dict[int, Conditional] = {}
        self.fills: list[Fill] = []
        self.entries: deque[Entry] = deque(maxlen=_ENTRIES_KEPT)
        self.dead_man: dict[str, int] = {}
        """When all orders of a scope are cancelled, in ms, by the scope."""
        self.sinks: list[PrivateSink] = []
        self.warned: set[str] = set()
        self.updated_ms = 0
        self.newest: Order | Conditional | None = None
        """What was taken last."""
        self._newest: dict[str, Order] = {}
        self._newest_conditional: dict[str, Conditional] = {}
        self._before: tuple[dict[str, int], dict[tuple[str, Leg], Position]] | None = None

    def tell(self, message: PrivateMessage) -> None:
        """Hand a message to everyone who listens to this account."""
        for sink in tuple(self.sinks):
            sink(message)

    def remember(self) -> None:
        """Keep what there is now, before it changes."""
        held = {key: copy.copy(position) for key, position in self.positions.items()}
        self._before = (dict(self.cash), held)

    def stale(self) -> MarginAccount:
        """Return the account as it was before the last change of money or positions."""
        twin = copy.copy(self)
        if self._before is not None:
            twin.cash, twin.positions = self._before
        return twin

    def add(self, order: Order) -> None:
        """Take a new order into the books."""
        self.orders[order.id] = self.open[order.id] = order
        if order.parent is None:
            self.newest = order
        if order.ticket.client_id:
            self._newest[order.ticket.client_id] = order

    def wait(self, conditional: Conditional) -> None:
        """Take a new conditional order into the books."""
        self.newest = conditional
        self.conditionals[conditional.id] = self.armed[conditional.id] = conditional
        if conditional.client_id:
            self._newest_conditional[conditional.client_id] = conditional

    def find(self, order_id: int | None, client_id: str | None) -> Order | None:
        """Return an order by id, or the newest one with a client id."""
        if order_id is not None:
            return self.orders.get(order_id)
        return self._newest.get(client_id or "")

    def find_conditional(self, wanted: int | None, client_id: str | None) -> Conditional | None:
        """Return a conditional order by id, or the newest one with a client id."""
        if wanted is not None:
            return self.conditionals.get(wanted)
        return self._newest_conditional.get(client_id or "")

    def uses(self, client_id: str) -> bool:
        """Return whether an open order has a client id."""
        order = self._newest.get(client_id)
        return order is not None and order.status.open

    def open_orders(self, symbol: str | None = None, now_ms: int = 1 << 62) -> list[Order]:
        """Return resting orders that queries see, oldest first."""
        return [
            order
            for order in self.open.values()
            if symbol in (None, order.product.symbol) and order.hidden_until_ms <= now_ms
        ]

    def position(self, product: Product, leg: Leg) -> Position:
        """Return a position, made when first asked for."""
        key = (product.symbol, leg)
        found = self.positions.get(key)
        if found is None:
            found = self.positions[key] = Position(product=product, leg=leg)
        return found

    def holds(self, product: Product, leg: Leg) -> int:
        """Return the signed lots held."""
        found = self.positions.get((product.symbol, leg))
        return found.lots if found is not None else 0

    def open_positions(self, settle: str | None = None) -> list[Position]:
        """Return positions that are not flat."""
        return [
            position
            for position in self.positions.values()
            if position.lots and settle in (None, position.product.settle)
        ]

    def leverage_of(self, product: Product) -> int:
        """Return the leverage in use."""
        return self.leverage.get(product.symbol, product.terms.usual_leverage)

    def unrealized_e8(self, settle: str) -> int:
        """Return the profit of open positions; options count with all they are worth."""
        return sum(
            position.worth_e8(position.product.mark_e8())
            if position.product.option
            else position.unrealized_e8(position.product.mark_e8())
            for position in self.open_positions(settle)
        )

    def equity_e8(self, settle: str) -> int:
        """Return what the account would have, with everything closed at its mark."""
        return self.cash.get(settle, 0) + self.unrealized_e8(settle)

    def maintenance_e8(self, settle: str) -> int:
        """Return the equity below which positions are closed by force."""
        return sum(
            position.product.maintenance_e8(position.lots, position.product.mark_e8())
            for position in self.open_positions(settle)
        )

    def position_margin_e8(self, position: Position) -> int:
        """Return the initial margin of a position alone."""
        product = position.product
        return product.initial_e8(position.lots, product.mark_e8(), self.leverage_of(product))

    def liquidation_e8(self, position: Position) -> int:
        """Return the mark price at which it would be liquidated, all else staying as it is.

        0 where no price below a hundred times the mark does.
        """
        product, lots, mark = position.product, position.lots, position.product.mark_e8()
        if not lots or product.option:
            return 0
        settle = product.settle
        spare = self.equity_e8(settle) - self.maintenance_e8(settle)
        spare -= position.worth_e8(mark) - product.maintenance_e8(lots, mark)

        def stands(price: int) -> bool:
            worth = position.worth_e8(price) - product.maintenance_e8(lots, price)
            return spare + worth >= 0

        good, bad = mark, 1 if lots > 0 else mark * _FAR
        if stands(bad):
            return 0
        while abs(good - bad) > 1:
            middle = (good + bad) // 2
            good, bad = (middle, bad) if stands(middle) else (good, middle)
        return bad

    def initial_e8(self, settle: str, more: tuple[Product, Ticket, int, int] | None = None) -> int:
        """Return the margin bound by positions and orders.

        `more` is one order besides: what, how, lots, price in ticks.
        """
        # What each position could become: by its buys alone, or by its sells alone.
        could: dict[tuple[str, Leg], list[int]] = {}
        products: dict[str, Product] = {}
        for position in self.open_positions(settle):
            product = position.product
            products[product.symbol] = product
            margin = product.initial_e8(position.lots, product.mark_e8(), self.leverage_of(product))
            could[(product.symbol, position.leg)] = [margin if position.lots > 0 else -margin, 0, 0]
        orders = [
            (order.product, order.ticket, order.left, order.price_ticks)
            for order in self.open.values()
            if order.product.settle == settle and not order.ticket.market
        ]
        if more is not None:
            orders.append(more)
        for product, ticket, lots, price_ticks in orders:
            if product.spot or ticket.only_closes or lots <= 0:
                continue
            products[product.symbol] = product
            part = could.setdefault((product.symbol, ticket.leg), [0, 0, 0])
            price_e8 = price_ticks * product.tick_e8
            if ticket.side is Side.BUY:
                bound = (
                    product.worth_e8(price_e8, lots)
                    if product.option
                    else product.initial_e8(lots, price_e8, self.leverage_of(product))
                )
                part[1] += bound
            else:
                part[2] += product.initial_e8(-lots, price_e8, self.leverage_of(product))
        return sum(max(abs(held + buys), abs(held - sells)) for held, buys, sells in could.values())

    def available_e8(self, settle: str) -> int:
        """Return what new orders may bind."""
        free = self.equity_e8(settle) - self.initial_e8(settle) - self.held.get(settle, 0)
        return max(0, free)

    def free_e8(self, asset: str) -> int:
        """Return what spot orders may pay with: cash that binds nothing."""
        return max(
            0, min(self.cash.get(asset, 0) - self.held.get(asset, 0), self.available_e8(asset))
        )
