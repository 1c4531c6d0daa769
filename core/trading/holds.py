"""What open orders may still do: sizes that may fill, and the money set aside for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Final, NamedTuple, TypeVar

from core.model.ids import ClientOrderId, InstrumentId, StrategyId, VenueName
from core.model.instruments import Instrument
from core.model.market import Side
from core.model.orders import Link, Order, OrderState, PositionSide, Role
from core.trading.closes import gives_way
from core.trading.ledger import EXACT
from core.trading.listing import listed

_ZERO: Final = Decimal(0)
_HELD: Final = OrderState.HELD
_Asset = tuple[VenueName, str]
_Key = TypeVar("_Key")


class Way(NamedTuple):
    """What an order may fill: where, which way, of which position."""

    instrument_id: InstrumentId
    side: Side
    venue: VenueName
    position_side: PositionSide


_Group = tuple[str, Way]
_LINKED: Final = frozenset({Link.OCO, Link.BRACKET})


class Claim(NamedTuple):
    """What one open order may still do."""

    way: Way
    size: Decimal
    asset: _Asset
    amount: Decimal
    fee: Decimal
    group: _Group | None
    """Exits of one group fill for each other, so together they may do what one may."""
    strategy_id: StrategyId | None
    gives_way: bool = False
    """It waits to close what is left by then, see `core.trading.closes`."""


class Holds:
    """Running sums over open orders, so that a risk check costs the same with 1 or 200 of them."""

    def __init__(self, instruments: Mapping[InstrumentId, Instrument], fee_rate: Decimal) -> None:
        """`fee_rate` is set aside on top of what a buy costs, as a fraction of it."""
        self._instruments = instruments
        self._fee_rate = fee_rate
        self._claims: dict[ClientOrderId, Claim] = {}
        self._groups: dict[_Group, dict[ClientOrderId, Claim]] = {}
        self._sizes: dict[Way, Decimal] = {}
        self._sides: dict[tuple[InstrumentId, Side], Decimal] = {}
        self._held: dict[_Asset, Decimal] = {}
        self._fees: dict[_Asset, Decimal] = {}
        self._prices: dict[ClientOrderId, Decimal] = {}
        """What a market order was expected to cost apiece."""
        self.on_change: Callable[[Claim, int], None] | None = None
        """Told of every claim that counts from now on (1) or no longer (-1)."""

    def expect_price(self, order_id: ClientOrderId, price: Decimal) -> None:
        """Say what a market order is expected to cost apiece, before it is entered."""
        self._prices[order_id] = price

    def update(self, order: Order) -> None:
        """Take an order's new form."""
        # What the engine holds back locks nothing, and is judged when it goes out.
        idle = order.state.terminal or order.state is _HELD
        claim = None if idle else self._claim(order)
        if claim is not None and claim == self._claims.get(order.id):
            return
        self._drop(order.id)
        if claim is not None:
            self._put(order.id, claim)
        else:
            self._prices.pop(order.id, None)

    @contextmanager
    def without(self, order: Order) -> Iterator[None]:
        """Count for a while as if an order, and what it would fill for, were not there."""
        names = [order.id]
        group = _group_of(order)
        if group is not None:
            names += [name for name in self._groups.get(group, ()) if name != order.id]
        claims = [(name, self._drop(name)) for name in names]
        try:
            yield
        finally:
            for name, claim in claims:
                if claim is not None:
                    self._put(name, claim)

    def open_size(
        self,
        instrument_id: InstrumentId,
        side: Side,
        venue: VenueName | None = None,
        position_side: PositionSide | None = None,
    ) -> Decimal:
        """Return the size that open orders of one side may still fill, at one venue or all.

        With `position_side`, also where positions are held apart, only orders of that position.
        """
        if venue is None:
            return self._sides.get((instrument_id, side), _ZERO)
        if position_side is not None:
            return self._sizes.get(Way(instrument_id, side, venue, position_side), _ZERO)
        sizes = (
            self._sizes.get(Way(instrument_id, side, venue, each), _ZERO) for each in PositionSide
        )
        return sum(sizes, _ZERO)

    def held(self, venue: VenueName, asset: str) -> Decimal:
        """Return how much of an asset open orders lock, as the venue counts it."""
        return self._held.get((venue, asset), _ZERO)

    def claimed(self, venue: VenueName, asset: str) -> Decimal:
        """Return `held` plus the fees that open buys may cost."""
        key = (venue, asset)
        return self._held.get(key, _ZERO) + self._fees.get(key, _ZERO)

    def _put(self, order_id: ClientOrderId, claim: Claim) -> None:
        self._claims[order_id] = claim
        if claim.group is None:
            self._add(claim, 1)
            return
        with self._regrouped(claim.group) as members:
            members[order_id] = claim

    def _drop(self, order_id: ClientOrderId) -> Claim | None:
        claim = self._claims.pop(order_id, None)
        if claim is not None and claim.group is None:
            self._add(claim, -1)
        elif claim is not None and claim.group is not None:
            with self._regrouped(claim.group) as members:
                members.pop(order_id, None)
        return claim

    @contextmanager
    def _regrouped(self, group: _Group) -> Iterator[dict[ClientOrderId, Claim]]:
        """Change who is in a group, of which only the largest claim counts."""
        members = self._groups.setdefault(group, {})
        if members:
            self._add(_largest(members), -1)
        yield members
        if members:
            self._add(_largest(members), 1)
        else:
            del self._groups[group]

    def _claim(self, order: Order) -> Claim | None:
        left = max(order.remaining, _ZERO)
        if not left:
            return None
        intent = order.intent
        instrument = listed(self._instruments, intent.instrument_id)
        way = Way(intent.instrument_id, intent.side, order.venue, intent.position_side)
        group = _group_of(order)
        if instrument.derivative:
            # It binds margin, which its venue works out; no coin is set aside.
            asset = (order.venue, instrument.pays_in)
            waits = gives_way(order, instrument)
            return Claim(way, left, asset, _ZERO, _ZERO, group, intent.strategy_id, waits)
        if intent.side is Side.SELL:
            asset = (order.venue, instrument.base)
            return Claim(way, left, asset, left, _ZERO, group, intent.strategy_id)
        price = intent.price or intent.trigger_price or self._prices.get(order.id, _ZERO)
        cost = EXACT.multiply(left, price)
        fee = EXACT.multiply(cost, self._fee_rate)
        asset = (order.venue, instrument.quote)
        return Claim(way, left, asset, cost, fee, group, intent.strategy_id)

    def _add(self, claim: Claim, sign: int) -> None:
        _shift(self._sizes, claim.way, claim.size, sign)
        _shift(self._sides, claim.way[:2], claim.size, sign)
        _shift(self._held, claim.asset, claim.amount, sign)
        _shift(self._fees, claim.asset, claim.fee, sign)
        if self.on_change is not None:
            self.on_change(claim, sign)


def _shift(sums: dict[_Key, Decimal], key: _Key, amount: Decimal, sign: int) -> None:
    known = sums.get(key, _ZERO)
    left = EXACT.add(known, amount) if sign > 0 else EXACT.subtract(known, amount)
    if left:
        sums[key] = left
    else:
        sums.pop(key, None)


def _largest(members: Mapping[ClientOrderId, Claim]) -> Claim:
    return max(members.values(), key=lambda claim: (claim.size, claim.amount))


def _group_of(order: Order) -> _Group | None:
    """Return what an exit shares its claim with, None if nothing."""
    intent = order.intent
    if intent.link not in _LINKED or intent.role is Role.ENTRY:
        return None
    way = Way(intent.instrument_id, intent.side, order.venue, intent.position_side)
    return intent.group_id, way
