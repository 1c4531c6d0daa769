"""What open orders may still do: sizes that may fill, and the money set aside for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Final, NamedTuple, TypeVar

from core.model.ids import ClientOrderId, InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import Side
from core.model.orders import Order
from core.trading.ledger import EXACT
from core.trading.listing import listed

_ZERO: Final = Decimal(0)
_Asset = tuple[VenueName, str]
_Way = tuple[InstrumentId, Side]
_Key = TypeVar("_Key", _Asset, _Way)


class _Claim(NamedTuple):
    way: _Way
    size: Decimal
    asset: _Asset
    amount: Decimal
    fee: Decimal


class Holds:
    """Running sums over open orders, so that a risk check costs the same with 1 or 200 of them."""

    def __init__(self, instruments: Mapping[InstrumentId, Instrument], fee_rate: Decimal) -> None:
        """`fee_rate` is set aside on top of what a buy costs, as a fraction of it."""
        self._instruments = instruments
        self._fee_rate = fee_rate
        self._claims: dict[ClientOrderId, _Claim] = {}
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
        old = self._claims.pop(order.id, None)
        new = None if order.state.terminal else self._claim(order)
        if old is not None:
            self._add(old, -1)
        if new is not None:
            self._claims[order.id] = new
            self._add(new, 1)
        else:
            self._prices.pop(order.id, None)

    @contextmanager
    def without(self, order: Order) -> Iterator[None]:
        """Count for a while as if an order were not there."""
        claim = self._claims.pop(order.id, None)
        if claim is not None:
            self._add(claim, -1)
        try:
            yield
        finally:
            if claim is not None:
                self._claims[order.id] = claim
                self._add(claim, 1)

    def open_size(self, instrument_id: InstrumentId, side: Side) -> Decimal:
        """Return the base size that open orders of one side may still fill."""
        return self._sizes.get((instrument_id, side), _ZERO)

    def held(self, venue: VenueName, asset: str) -> Decimal:
        """Return how much of an asset open orders lock, as the venue counts it."""
        return self._held.get((venue, asset), _ZERO)

    def claimed(self, venue: VenueName, asset: str) -> Decimal:
        """Return `held` plus the fees that open buys may cost."""
        return self.held(venue, asset) + self._fees.get((venue, asset), _ZERO)

    def _claim(self, order: Order) -> _Claim | None:
        left = max(order.remaining, _ZERO)
        if not left:
            return None
        intent = order.intent
        instrument = listed(self._instruments, intent.instrument_id)
        way = (intent.instrument_id, intent.side)
        if intent.side is Side.SELL:
            return _Claim(way, left, (order.venue, instrument.base), left, _ZERO)
        price = intent.price or self._prices.get(order.id, _ZERO)
        cost = EXACT.multiply(left, price)
        fee = EXACT.multiply(cost, self._fee_rate)
        return _Claim(way, left, (order.venue, instrument.quote), cost, fee)

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
