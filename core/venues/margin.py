"""Contracts of a simulated account: cross margin in each asset that contracts are settled in.

::

    equity       money + unrealised profit at the mark + worth of options held
    initial      the larger of what is long and what is short once all orders fill, / leverage
    available    equity - initial - what orders for holdings lock
    maintenance  by the venue's tiers (`core.model.tiers`); equity below it: everything is closed

Each position is in the tier of its own size. Profit and cost are those of `core.trading.net`, so
that the ledger agrees to the last digit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final, NamedTuple, TypeAlias

from core.model.accounts import VenuePosition
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Side
from core.model.orders import OrderIntent, PositionSide
from core.model.tiers import MarginTiers
from core.trading.ledger import EXACT
from core.trading.net import Net
from core.venues.wallet import Wallet

Key: TypeAlias = tuple[InstrumentId, PositionSide]
_ZERO: Final = Decimal(0)


class Terms(NamedTuple):
    """What a venue demands of a contract."""

    leverage: Decimal
    tiers: MarginTiers
    """Margin below which it is closed, and the least there may be, by its size."""
    liquidation_fee: Decimal
    """A fraction of what is closed by force."""


class Held(NamedTuple):
    """A position, also one that is flat again."""

    instrument: Instrument
    side: PositionSide
    net: Net

    @property
    def option(self) -> bool:
        """Whether its premium was paid at once."""
        return self.instrument.kind is InstrumentKind.OPTION


class Margin:
    """Positions, the margin they and open orders need, and what the account is worth."""

    def __init__(
        self,
        wallet: Wallet,
        terms: Callable[[Instrument], Terms],
        mid: Callable[[InstrumentId], Decimal | None],
    ) -> None:
        """`mid` values what the venue states no mark price of."""
        self._wallet = wallet
        self._terms = terms
        self._mid = mid
        self._held: dict[Key, Held] = {}
        self._orders: dict[tuple[Key, Side], Decimal] = {}
        """Worth of open orders that may make a position larger."""
        self.marks: dict[InstrumentId, Decimal] = {}
        """Mark prices as the venue states them."""
        self.indices: dict[InstrumentId, Decimal] = {}
        """Prices of what contracts are on."""

    # -- positions -------------------------------------------------------------------------

    def trade(
        self, instrument: Instrument, side: PositionSide, size: Decimal, price: Decimal
    ) -> Decimal:
        """Take a signed size at a price and return what it gained, 0 of an option."""
        gain = self.held(instrument, side).net.trade(size, price)
        return _ZERO if instrument.kind is InstrumentKind.OPTION else gain

    def adopt(
        self, instrument: Instrument, side: PositionSide, size: Decimal, price: Decimal
    ) -> None:
        """Be of a signed size, opened at a price."""
        self.held(instrument, side).net.adopt(size, price)

    def held(self, instrument: Instrument, side: PositionSide) -> Held:
        """Return a position, flat when there never was one."""
        key = (instrument.id, side)
        known = self._held.get(key)
        if known is None:
            known = self._held[key] = Held(instrument, side, Net(instrument))
        return known

    def size(self, instrument_id: InstrumentId, side: PositionSide) -> Decimal:
        """Return a signed size."""
        known = self._held.get((instrument_id, side))
        return known.net.size if known is not None else _ZERO

    def open(self, asset: str | None = None) -> Iterator[Held]:
        """Yield what is not flat, by instrument and side."""
        for key in sorted(self._held):
            item = self._held[key]
            if item.net.size and asset in {None, item.instrument.pays_in}:
                yield item

    def clear(self) -> None:
        """Forget positions and orders."""
        self._held.clear()
        self._orders.clear()

    def mark(self, instrument: Instrument) -> Decimal | None:
        """Return what positions are valued at, None while no price is known."""
        return self.marks.get(instrument.id) or self._mid(instrument.id)

    # -- what is bound ---------------------------------------------------------------------

    def hold(self, intent: OrderIntent, instrument: Instrument, size: Decimal, price: Decimal,
             sign: int) -> None:  # fmt: skip
        """Count (+1) or no longer count (-1) an open order of an unsigned size."""
        if closes(intent) or instrument.kind is InstrumentKind.OPTION:
            return
        self.held(instrument, intent.position_side)
        key = ((instrument.id, intent.position_side), intent.side)
        worth = EXACT.multiply(self._worth(instrument, size, price), Decimal(sign))
        self._orders[key] = EXACT.add(self._orders.get(key, _ZERO), worth)

    def initial(self, asset: str) -> Decimal:
        """Return the margin that positions and open orders need."""
        total = _ZERO
        for key in sorted(self._held):
            held = self._held[key]
            if held.instrument.pays_in == asset:
                total += self.initial_of(held.instrument, held.side)
        return total

    def initial_of(
        self, instrument: Instrument, side: PositionSide, more: tuple[Side, Decimal] | None = None
    ) -> Decimal:
        """Return the margin of one position and its orders, with one more order of a worth."""
        if instrument.kind is InstrumentKind.OPTION:
            return _ZERO
        key = (instrument.id, side)
        bound = {way: self._orders.get((key, way), _ZERO) for way in Side}
        if more is not None:
            bound[more[0]] += more[1]
        size, mark = self.size(*key), self.mark(instrument)
        worth = _ZERO if mark is None else self._worth(instrument, abs(size), mark)
        signed = worth if size > 0 else -worth
        most = max(worth, signed + bound[Side.BUY], bound[Side.SELL] - signed)
        terms = self._terms(instrument)
        sized = self._sized(instrument, most, abs(size))
        return max(most / terms.leverage, terms.tiers.least_initial(instrument, sized, most))

    def equity(self, asset: str) -> Decimal:
        """Return what the account would have of an asset with everything closed at its mark."""
        total = self._wallet.total(asset)
        for held in self.open(asset):
            total += self.value(held)
        return total

    def value(self, held: Held) -> Decimal:
        """Return what an open position adds to the money in the account."""
        mark = self.mark(held.instrument)
        if held.option:
            if mark is None:
                return held.net.cost
            return held.net.worth(abs(held.net.size), mark)
        return _ZERO if mark is None else held.net.unrealised(mark)

    def available(self, asset: str) -> Decimal:
        """Return what new orders may use."""
        money = self._wallet.free(asset)
        for held in self.open(asset):
            if not held.option:
                money += self.value(held)
        return money - self.initial(asset)

    def maintenance(self, asset: str) -> Decimal:
        """Return the equity below which everything settled in an asset is closed by force."""
        return sum((self._kept(held) for held in self.open(asset)), _ZERO)

    def liquidation_price(self, held: Held) -> Decimal | None:
        """Return the mark at which the account would be closed, all else staying as it is.

        Returns None where no price does.
        """
        instrument = held.instrument
        asset = instrument.pays_in
        mark = self.mark(instrument)
        if held.option or mark is None:
            return None
        spare = self.equity(asset) - self.value(held) - self.maintenance(asset) + self._kept(held)
        now = held.net.worth(abs(held.net.size), mark)
        worth = self._terms(instrument).tiers.liquidation_worth(
            instrument, held.net.size, held.net.cost, now, spare
        )
        if not worth:
            return None
        units = abs(held.net.size) * instrument.contract_size
        price = units / worth if instrument.inverse else worth / units
        return price.quantize(instrument.price_tick.normalize() / 10)

    def stated(self, venue: VenueName, ts_ns: int) -> list[VenuePosition]:
        """Return the open positions as a venue states them."""
        return [
            VenuePosition(
                venue=venue,
                instrument_id=held.instrument.id,
                side=held.side,
                size=held.net.size,
                average_price=held.net.average(),
                liquidation_price=self.liquidation_price(held),
                leverage=None if held.option else self._terms(held.instrument).leverage,
                margin=self.initial_of(held.instrument, held.side),
                ts_event_ns=ts_ns,
            )
            for held in self.open()
        ]

    def shortfall(
        self,
        intent: OrderIntent,
        instrument: Instrument,
        parts: list[tuple[Decimal, Decimal]],
        fee: Decimal,
    ) -> str:
        """Say what lacks for an order of (price, size) parts, empty: nothing.

        What is bought above the mark, or sold below it, is a loss at once and counts too.
        """
        asset = instrument.pays_in
        worth = sum((self._worth(instrument, size, price) for price, size in parts), _ZERO)
        if instrument.kind is InstrumentKind.OPTION:
            needed = worth + fee if intent.side is Side.BUY else _ZERO
        else:
            self.held(instrument, intent.position_side)
            before = self.initial_of(instrument, intent.position_side)
            more = None if closes(intent) else (intent.side, worth)
            after = self.initial_of(instrument, intent.position_side, more)
            if after <= before:
                return ""
            over = self._over(intent, instrument, more)
            if over:
                return over
            needed = after - before + fee + self._lost(intent, instrument, parts)
        free = self.available(asset)
        if needed <= free:
            return ""
        terms = "" if instrument.kind is InstrumentKind.OPTION else (
            f" at {self._terms(instrument).leverage.normalize():f}x"
        )  # fmt: skip
        return f"needs {_plain(needed)} {asset}{terms}, available are {_plain(free)}"

    def _lost(
        self, intent: OrderIntent, instrument: Instrument, parts: list[tuple[Decimal, Decimal]]
    ) -> Decimal:
        mark = self.mark(instrument)
        if mark is None:
            return _ZERO
        lost = _ZERO
        for price, size in parts:
            apart = self._worth(instrument, size, price) - self._worth(instrument, size, mark)
            lost += max(_ZERO, apart * intent.side.sign * (-1 if instrument.inverse else 1))
        return lost

    def _kept(self, held: Held) -> Decimal:
        mark = self.mark(held.instrument)
        if held.option or mark is None:
            return _ZERO
        size = abs(held.net.size)
        worth = held.net.worth(size, mark)
        return self._terms(held.instrument).tiers.maintenance(held.instrument, size, worth)

    def _over(
        self, intent: OrderIntent, instrument: Instrument, more: tuple[Side, Decimal] | None
    ) -> str:
        """Say that a position would be larger than the venue lets one be, empty: it would not."""
        tiers = self._terms(instrument).tiers
        limit = tiers.most()
        if limit is None or more is None:
            return ""
        key = (instrument.id, intent.position_side)
        size, mark = self.size(*key), self.mark(instrument)
        worth = _ZERO if mark is None else self._worth(instrument, abs(size), mark)
        signed = worth if size * intent.side.sign > 0 else -worth
        reach = signed + self._orders.get((key, intent.side), _ZERO) + more[1]
        unit = instrument.pays_in
        if tiers.measure == "contracts":
            reach, unit = self._sized(instrument, reach, abs(size)), "contracts"
        if reach <= limit:
            return ""
        return (
            f"a position of {_plain(reach)} {unit} is more than the {_plain(limit)} of {tiers.said}"
        )

    def _sized(self, instrument: Instrument, worth: Decimal, least: Decimal) -> Decimal:
        """Return how many units are worth so much at the mark, `least` where there is none."""
        mark = self.mark(instrument)
        if not mark:
            return least
        one = instrument.contract_size
        return worth * mark / one if instrument.inverse else worth / (mark * one)

    def _worth(self, instrument: Instrument, size: Decimal, price: Decimal) -> Decimal:
        return self.held(instrument, PositionSide.NET).net.worth(size, price)


def closes(intent: OrderIntent) -> bool:
    """Return whether an order can only make a position smaller."""
    against = {PositionSide.LONG: Side.SELL, PositionSide.SHORT: Side.BUY}
    return intent.reduce_only or against.get(intent.position_side) is intent.side


def _plain(amount: Decimal) -> str:
    return f"{amount.quantize(Decimal('1e-8')).normalize():f}"
