"""An account on Reg T margin: cash, positions, and what they allow.

Shares are bought with half their value of one's own; coins and options with all of it. What open
orders may take is spoken for: it is no buying power, and shares in sell orders cannot be sold
again.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final

import msgspec

from core.model.market import Side
from emulator.alpaca.trading.assets import Instrument, asset_id
from emulator.alpaca.trading.orders import Fill, Order

_NONE: Final = Decimal(0)
_INITIAL: Final = Decimal("0.5")
_MAINTENANCE_LONG: Final = Decimal("0.25")
_MAINTENANCE_SHORT: Final = Decimal("0.30")
FUNDS: Final = Decimal(100_000)
"""What a new account holds, in dollars."""


class Position(msgspec.Struct, kw_only=True, eq=False):
    """What is held of one instrument."""

    instrument: Instrument
    qty: Decimal = _NONE
    """Negative when short."""
    basis: Decimal = _NONE
    """What it cost; negative when short."""

    @property
    def entry(self) -> Decimal:
        """The average price paid."""
        return self.basis / self.qty / self.instrument.multiplier if self.qty else _NONE

    @property
    def value(self) -> Decimal:
        """What it is worth now; negative when short."""
        return self.qty * self.instrument.last * self.instrument.multiplier


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to an account besides a fill."""

    id: str
    type: str
    symbol: str
    qty: Decimal
    price: Decimal
    net: Decimal
    description: str
    ts_ms: int


class Update(msgspec.Struct, frozen=True, kw_only=True):
    """Something happened to an order; read `order` at once, it goes on changing."""

    event: str
    order: Order
    execution_id: str
    ts_ms: int
    fill: Fill | None = None
    position_qty: Decimal = _NONE


class Account:
    """One account's money, positions, orders and history."""

    def __init__(self, owner: int, name: str, cash: Decimal = FUNDS) -> None:
        self.owner = owner
        """Its number in the matching engines; never the crowd's."""
        self.name = name
        """``paper`` or ``live``, and whose."""
        self.id = asset_id(f"account {owner} {name}")
        self.cash = cash
        self.started_with = cash
        self.positions: dict[str, Position] = {}
        self.orders: dict[str, Order] = {}
        """Every order ever, by id, oldest first."""
        self.open: dict[str, Order] = {}
        self.by_client: dict[str, Order] = {}
        self.fills: list[Fill] = []
        self.activities: list[Activity | Fill] = []
        """Fills, fees and what became of options, oldest first."""
        self.sinks: list[Callable[[Update], None]] = []
        self.settings: dict[str, object] = {
            "dtbp_check": "entry",
            "fractional_trading": True,
            "max_margin_multiplier": "2",
            "max_options_trading_level": 2,
            "no_shorting": False,
            "pdt_check": "entry",
            "ptp_no_exception_entry": False,
            "suspend_trade": False,
            "trade_confirm_email": "all",
        }
        self.before: tuple[Decimal, dict[str, tuple[Decimal, Decimal]]] = (cash, {})
        """Cash, and size and cost of each position, as they were before the last change."""

    @property
    def newest(self) -> Order | None:
        """The order placed last."""
        return next(reversed(self.orders.values()), None)

    def add(self, order: Order) -> None:
        """Take a new order into the books."""
        self.orders[order.id] = self.open[order.id] = order
        self.by_client[order.client_id] = order

    def held(self, symbol: str) -> Decimal:
        """Return what is held of an instrument."""
        position = self.positions.get(symbol)
        return position.qty if position is not None else _NONE

    def opening(self, order: Order) -> bool:
        """Return whether an order would open or add to what is held now.

        What was asked for before does not count: an order to sell short is one to sell shares
        once there are some.
        """
        if order.parent is not None or order.role == "target":
            return False
        return self.held(order.instrument.symbol) * order.side.sign >= 0

    def closing(self, symbol: str) -> list[Order]:
        """Return the open orders that close a position, one of each group."""
        found: list[Order] = []
        for order in self.open.values():
            if order.instrument.symbol != symbol or not order.live or self.opening(order):
                continue
            if not any(twin in found for twin in order.twins):
                found.append(order)
        return found

    def available(self, symbol: str) -> Decimal:
        """Return how much of a position no open order is about to close."""
        spoken = sum((order.left for order in self.closing(symbol)), _NONE)
        return max(_NONE, abs(self.held(symbol)) - spoken)

    @property
    def equity(self) -> Decimal:
        """Cash and positions at their worth."""
        return self.cash + sum((each.value for each in self.positions.values()), _NONE)

    def worth(self, *, long: bool) -> Decimal:
        """Return what the long or the short positions are worth."""
        sign = 1 if long else -1
        values = (each.value for each in self.positions.values() if each.qty * sign > 0)
        return sum(values, _NONE)

    @property
    def initial_margin(self) -> Decimal:
        """What of the equity the positions take up."""
        return sum(
            (
                abs(each.value) * (_INITIAL if each.instrument.kind == "us_equity" else 1)
                for each in self.positions.values()
            ),
            _NONE,
        )

    @property
    def maintenance_margin(self) -> Decimal:
        """Below this equity the venue would close positions."""
        total = _NONE
        for each in self.positions.values():
            if each.instrument.kind != "us_equity":
                total += abs(each.value)
            else:
                rate = _MAINTENANCE_LONG if each.qty > 0 else _MAINTENANCE_SHORT
                total += abs(each.value) * rate
        return total

    def spoken_for(self, *, margin: bool) -> Decimal:
        """Return what open orders may take: of shares (`margin`), or of coins and options."""
        costs = (
            order.cost
            for order in self.open.values()
            if (order.instrument.kind == "us_equity") is margin
            and order.live
            and self.opening(order)
        )
        return sum(costs, _NONE)

    @property
    def cash_power(self) -> Decimal:
        """What coins and options can be bought for."""
        free = self.equity - self.initial_margin
        taken = self.spoken_for(margin=True) * _INITIAL + self.spoken_for(margin=False)
        return max(_NONE, free - taken)

    @property
    def buying_power(self) -> Decimal:
        """What shares can be bought, or sold short, for."""
        return self.cash_power / _INITIAL

    def move(self, instrument: Instrument, side: Side, qty: Decimal, price: Decimal) -> None:
        """Book a trade: position, cost and cash."""
        self.remember()
        signed = qty * side.sign
        position = self.positions.get(instrument.symbol)
        if position is None:
            position = self.positions[instrument.symbol] = Position(instrument=instrument)
        each = price * instrument.multiplier
        self.cash -= signed * each
        if position.qty * signed < 0:
            closed = min(abs(position.qty), qty) * side.sign
            position.basis += position.basis / position.qty * closed
            position.qty += closed
            signed -= closed
        position.qty += signed
        position.basis += signed * each
        if not position.qty:
            del self.positions[instrument.symbol]

    def pay(self, instrument: Instrument, side: Side, fee: Decimal) -> None:
        """Take a coin's fee: of the coin for a buyer, of the dollars for a seller."""
        if side is Side.SELL:
            self.cash -= fee
            return
        position = self.positions.get(instrument.symbol)
        if position is not None and fee:
            position.basis -= position.basis / position.qty * fee
            position.qty -= fee

    def remember(self) -> None:
        """Keep what is now as what was before the change to come."""
        held = {name: (each.qty, each.basis) for name, each in self.positions.items()}
        self.before = (self.cash, held)
