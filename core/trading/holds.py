"""What open orders may still do: sizes that may fill, and the money set aside for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Final, NamedTuple, TypeVar

from core.model.ids import ClientOrderId, InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import Side
from core.model.orders import Link, Order, OrderState, Role
from core.trading.ledger import EXACT
from core.trading.listing import listed

_ZERO: Final = Decimal(0)
_Asset = tuple[VenueName, str]
_Way = tuple[InstrumentId, Side, VenueName]
_Key = TypeVar("_Key", _Asset, _Way)


_Group = tuple[str, _Way]
_LINKED: Final = frozenset({Link.OCO, Link.BRACKET})


class _Claim(NamedTuple):
    way: _Way
    size: Decimal
    asset: _Asset
    amount: Decimal
    fee: Decimal
    group: _Group | None
    """Exits of one group fill for each other, so together they may do what one may."""


class Holds:
    """Running sums over open orders, so that a risk check costs the same with 1 or 200 of them."""

    def __init__(self, instruments: Mapping[InstrumentId, Instrument], fee_rate: Decimal) -> None:
        """`fee_rate` is set aside on top of what a buy costs, as a fraction of it."""
        self._instruments = instruments
        self._fee_rate = fee_rate
        self._claims: dict[ClientOrderId, _Claim] = {}
        self._groups: dict[_Group, dict[ClientOrderId, _Claim]] = {}
        self._sizes: dict[_Way, Decimal] = {}
        self._held: dict[_Asset, Decimal] = {}
        self._fees: dict[_Asset, Decimal] = {}
        self._prices: dict[ClientOrderId, Decimal] = {}
        """What a market order was expected to cost apiece."""

    def expect_price(self, order_id: ClientOrderId, price: Decimal) -> None:
        """Say what a market order is expected to cost apiece, before it is entered."""
        self._prices[order_id] = price

    def update(self, order: Order) -> None:
        """Take an order's new form."""
        self._drop(order.id)
        # What the engine holds back locks nothing, and is judged when it goes out.
        idle = order.state.terminal or order.state is OrderState.HELD
        claim = None if idle else self._claim(order)
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
        self, instrument_id: InstrumentId, side: Side, venue: VenueName | None = None
    ) -> Decimal:
        """Return the size that open orders of one side may still fill, at one venue or all."""
        if venue is not None:
            return self._sizes.get((instrument_id, side, venue), _ZERO)
        sizes = (size for way, size in self._sizes.items() if way[:2] == (instrument_id, side))
        return sum(sizes, _ZERO)

    def held(self, venue: VenueName, asset: str) -> Decimal:
        """Return how much of an asset open orders lock, as the venue counts it."""
        return self._held.get((venue, asset), _ZERO)

    def claimed(self, venue: VenueName, asset: str) -> Decimal:
        """Return `held` plus the fees that open buys may cost."""
        return self.held(venue, asset) + self._fees.get((venue, asset), _ZERO)

    def _put(self, order_id: ClientOrderId, claim: _Claim) -> None:
        self._claims[order_id] = claim
        if claim.group is None:
            self._add(claim, 1)
            return
        with self._regrouped(claim.group) as members:
            members[order_id] = claim

    def _drop(self, order_id: ClientOrderId) -> _Claim | None:
        claim = self._claims.pop(order_id, None)
        if claim is not None and claim.group is None:
            self._add(claim, -1)
        elif claim is not None and claim.group is not None:
            with self._regrouped(claim.group) as members:
                members.pop(order_id, None)
        return claim

    @contextmanager
    def _regrouped(self, group: _Group) -> Iterator[dict[ClientOrderId, _Claim]]:
        """Change who is in a group, of which only the largest claim counts."""
        members = self._groups.setdefault(group, {})
        if members:
            self._add(_largest(members), -1)
        yield members
        if members:
            self._add(_largest(members), 1)
        else:
            del self._groups[group]

    def _claim(self, order: Order) -> _Claim | None:
        left = max(order.remaining, _ZERO)
        if not left:
            return None
        intent = order.intent
        instrument = listed(self._instruments, intent.instrument_id)
        way = (intent.instrument_id, intent.side, order.venue)
        group = _group_of(order)
        if intent.side is Side.SELL:
            return _Claim(way, left, (order.venue, instrument.base), left, _ZERO, group)
        price = intent.price or intent.trigger_price or self._prices.get(order.id, _ZERO)
        cost = EXACT.multiply(left, price)
        fee = EXACT.multiply(cost, self._fee_rate)
        return _Claim(way, left, (order.venue, instrument.quote), cost, fee, group)

    def _add(self, claim: _Claim, sign: int) -> None:
        _shift(self._sizes, claim.way, claim.size, sign)
        _shift(self._held, claim.asset, claim.amount, sign)
        _shift(self._fees, claim.asset, claim.fee, sign)


def _shift(sums: dict[_Key, Decimal], key: _Key, amount: Decimal, sign: int) -> None:
    known = sums.get(key, _ZERO)
    left = EXACT.add(known, amount) if sign > 0 else EXACT.subtract(known, amount)
    if left:
        sums[key] = left
    else:
        sums.pop(key, None)


def _largest(members: Mapping[ClientOrderId, _Claim]) -> _Claim:
    return max(members.values(), key=lambda claim: (claim.size, claim.amount))


def _group_of(order: Order) -> _Group | None:
    """Return what an exit shares its claim with, None if nothing."""
    intent = order.intent
    if intent.link not in _LINKED or intent.role is Role.ENTRY:
        return None
    return intent.group_id, (intent.instrument_id, intent.side, order.venue)
