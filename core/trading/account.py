"""Positions and what the account is worth: netted by instrument, at average cost, marked to market.

Accounts that hold long and short apart have two nets an instrument.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Final, TypeAlias

from core.model.accounts import EntryKind, Position, VenuePosition
from core.model.errors import InvariantError
from core.model.facts import CashMoved, PositionSet
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Side
from core.model.orders import Order, OrderFilled, PositionSide
from core.model.ports import Marks
from core.model.tiers import TierBook
from core.trading.ledger import EXACT, Ledger
from core.trading.listing import listed
from core.trading.net import Net

DAY_NS: Final = 86_400_000_000_000
_ZERO: Final = Decimal(0)
_ONE: Final = Decimal(1)
_TWO: Final = Decimal(2)
_SHORT: Final = PositionSide.SHORT
_BUY: Final = Side.BUY
PositionKey: TypeAlias = tuple[InstrumentId, PositionSide, VenueName]
_PRICES: Final = {
    InstrumentKind.SPOT: 0,
    InstrumentKind.FX: 0,
    InstrumentKind.STOCK: 0,
    InstrumentKind.PERPETUAL: 1,
    InstrumentKind.FUTURE: 2,
}
"""Kinds whose price is one of the base, the nearest to it first; an option's is its premium."""


class Account:
    """Positions, equity and the day's profit, in the equity asset."""

    def __init__(
        self,
        ledger: Ledger,
        instruments: Mapping[InstrumentId, Instrument],
        marks: Marks,
        equity_asset: str,
    ) -> None:
        self.equity_asset = equity_asset
        self._ledger = ledger
        self._instruments = instruments
        self._marks = marks
        self._nets: dict[PositionKey, Net] = {}
        self._held: dict[InstrumentId, list[PositionKey]] = {}
        """The keys of an instrument's nets."""
        self._since_ns: dict[PositionKey, int] = {}
        """When each was opened, less than a lot is none; the last time that it was, if it ended."""
        self._funding: dict[tuple[InstrumentId, VenueName], Decimal] = {}
        self._charges: dict[tuple[InstrumentId, VenueName], Decimal] = {}
        """What venues charged for closing by force, negative, less what they made good."""
        self._stated: dict[PositionKey, VenuePosition] = {}
        self._bare: dict[PositionKey, dict[str, Decimal]] = {}
        """By group what of a position is too small to have exits."""
        self.tiers = TierBook()
        """The venues' margin by size, as they last told it."""
        self.estimate: Callable[[PositionKey, Net], Decimal | None] | None = None
        """Works out a liquidation price that the venue has not stated yet; None: nobody does."""
        self._pairs: dict[str, list[tuple[Instrument, bool]]] = {}
        """What prices an asset in the equity asset, the best first, and whether by its inverse."""
        self._pairs_from = -1
        self.day_start_ns = 0
        """00:00 UTC of the day whose profit is counted, 0 before the first."""
        self._day_base = _ZERO

    def book_fill(self, fill: OrderFilled, instrument: Instrument) -> Decimal:
        """Net a fill and return what it gained in the asset the instrument pays in.

        A fee paid in the base asset of a holding is base sold at the fill's price to pay it.
        """
        key = (instrument.id, fill.position_side, fill.venue)
        net = self._nets.get(key)
        if net is None:
            net = self._net(instrument, fill.position_side, fill.venue)
        size = fill.size if fill.side is _BUY else fill.size.copy_negate()
        held = net.size
        gain = net.trade(size, fill.price)
        if _opened(held, net.size, instrument):
            # One that is booked again, as its real execution is told, was opened when it traded.
            self._since_ns[key] = min(fill.ts_ns, fill.ts_event_ns)
        if fill.fee:
            _charge(net, instrument, fill.fee, fill.fee_asset, fill.price)
        return gain

    def book_cash(self, flow: CashMoved) -> None:
        """Note funding, what a forced close cost, and a fee told apart from its fill.

        The last is taken as if the last fill had told it, as far as anything was traded.
        """
        if flow.instrument_id is None:
            return
        key = (flow.instrument_id, flow.venue)
        if flow.kind is EntryKind.FEE:
            net = self._nets.get((flow.instrument_id, PositionSide.NET, flow.venue))
            if net is not None and net.last_price:
                instrument = listed(self._instruments, flow.instrument_id)
                _charge(net, instrument, flow.amount.copy_negate(), flow.asset, net.last_price)
        elif flow.kind is EntryKind.FUNDING:
            self._funding[key] = EXACT.add(self._funding.get(key, _ZERO), flow.amount)
        elif flow.kind is EntryKind.LIQUIDATION:
            self._charges[key] = EXACT.add(self._charges.get(key, _ZERO), flow.amount)

    def adopt(self, record: PositionSet) -> None:
        """Take a position as the venue states it; without a price it is valued at the market."""
        instrument = listed(self._instruments, record.instrument_id)
        net = self._net(instrument, record.side, record.venue)
        if _opened(net.size, record.size, instrument):
            self._since_ns[(instrument.id, record.side, record.venue)] = record.ts_ns
        price = record.average_price or self.mark(instrument) or net.last_price
        if record.closed_at is not None:
            net.trade(EXACT.subtract(record.size, net.size), record.closed_at)
            return
        if record.size and not price:
            raise InvariantError(f"position of {record.instrument_id} was adopted without a price")
        net.adopt(record.size, price or _ZERO)
        net.last_price = price or net.last_price

    def state(self, positions: Iterable[VenuePosition]) -> None:
        """Note what a venue says of positions beside their sizes: leverage, liquidation price."""
        self._stated |= {(item.instrument_id, item.side, item.venue): item for item in positions}

    def size(
        self,
        instrument_id: InstrumentId,
        side: PositionSide | None = None,
        venue: VenueName | None = None,
    ) -> Decimal:
        """Return the signed position size, of one side and at one account, or of all."""
        nets = (self._nets[key] for key in self._keys(instrument_id, side, venue))
        return sum((net.size for net in nets), _ZERO)

    def since_ns(self, instrument_id: InstrumentId, side: PositionSide, venue: VenueName) -> int:
        """Return when a position that is open was opened, by our clock; 0: there never was one."""
        return self._since_ns.get((instrument_id, side, venue), 0)

    def net(self, instrument_id: InstrumentId, side: PositionSide, venue: VenueName) -> Net | None:
        """Return the running net of one position, None when there never was one."""
        return self._nets.get((instrument_id, side, venue))

    def liquidation_price(
        self, instrument_id: InstrumentId, side: PositionSide, venue: VenueName
    ) -> Decimal | None:
        """Return where the venue would close a position by force, as it last said.

        Where it said nothing yet, what can be worked out here.
        """
        key = (instrument_id, side, venue)
        stated = self._stated.get(key)
        if stated is not None:
            return stated.liquidation_price
        net = self._nets.get(key)
        if self.estimate is None or net is None or not net.size:
            return None
        return self.estimate(key, net)

    def unprotected(self, exit_: Order, size: Decimal) -> None:
        """Note how much of what an exit was to close is too small to have one; 0: nothing."""
        intent = exit_.intent
        key = (intent.instrument_id, intent.position_side, exit_.venue)
        self._bare.setdefault(key, {})[intent.group_id] = size
        if not size:
            del self._bare[key][intent.group_id]

    def money(self, venue: VenueName, asset: str) -> Decimal:
        """Return what an account has of an asset, open contracts not counted."""
        return self._ledger.total(venue, asset)

    def open_contracts(self, venue: VenueName) -> Iterator[tuple[Instrument, PositionSide, Net]]:
        """Yield the open contracts of an account."""
        for (instrument_id, side, where), net in self._nets.items():
            if where == venue and net.size:
                instrument = listed(self._instruments, instrument_id)
                if instrument.derivative:
                    yield instrument, side, net

    def _keys(
        self,
        instrument_id: InstrumentId,
        side: PositionSide | None = None,
        venue: VenueName | None = None,
    ) -> list[PositionKey]:
        return [
            key
            for key in self._held.get(instrument_id, ())
            if side in {None, key[1]} and venue in {None, key[2]}
        ]

    def _net(self, instrument: Instrument, side: PositionSide, venue: VenueName) -> Net:
        key = (instrument.id, side, venue)
        net = self._nets.get(key)
        if net is None:
            net = self._nets[key] = Net(instrument)
            self._held.setdefault(instrument.id, []).append(key)
        return net

    def mid(self, instrument: Instrument) -> Decimal | None:
        """Return the middle of best bid and ask, the last known while stale."""
        top = self._marks.top(instrument.id)
        return None if top is None else (top[0] + top[1]) * instrument.price_tick / _TWO

    def mark(self, instrument: Instrument) -> Decimal | None:
        """Return the mid, or before any is known the price of the last own fill."""
        mid = self.mid(instrument)
        if mid is not None:
            return mid
        nets = (self._nets[key] for key in self._keys(instrument.id))
        return next((net.last_price for net in nets if net.last_price), None)

    def rate(self, asset: str) -> Decimal | None:
        """Return what one unit of an asset is worth in the equity asset, None if unknown."""
        if asset == self.equity_asset:
            return _ONE
        if self._pairs_from != len(self._instruments):
            self._find_pairs()
        for instrument, inverse in self._pairs.get(asset, ()):
            mark = self.mark(instrument)
            if mark:
                return 1 / mark if inverse else mark
        return None

    def position(
        self,
        instrument_id: InstrumentId,
        side: PositionSide = PositionSide.NET,
        venue: VenueName | None = None,
    ) -> Position:
        """Return one position, flat when there never was one; by default the first account's."""
        found = self._keys(instrument_id, side, venue)
        if not found:
            return Position(
                instrument_id=instrument_id,
                size=_ZERO,
                average_price=None,
                realised_pnl=_ZERO,
                fees=_ZERO,
                side=side,
                venue=venue,
            )
        key = found[0]
        net = self._nets[key]
        instrument = listed(self._instruments, instrument_id)
        mark = self.mark(instrument)
        stated = self._stated.get(key)
        paid = self._funding.get((instrument_id, key[2]), _ZERO)
        return Position(
            instrument_id=instrument_id,
            size=net.size,
            average_price=net.average(),
            realised_pnl=net.realised,
            fees=self._fees(net, instrument),
            mark_price=mark,
            unrealised_pnl=net.unrealised(mark) if net.size and mark is not None else _ZERO,
            side=side,
            venue=key[2],
            realised_fifo=net.realised_fifo,
            oldest_price=net.oldest(),
            funding=paid if side is not _SHORT else _ZERO,
            liquidation_price=self.liquidation_price(*key) if net.size else None,
            leverage=stated.leverage if stated else None,
            unprotected=sum(self._bare.get(key, {}).values(), _ZERO),
            pays_in=instrument.pays_in,
        )

    def positions(self) -> tuple[Position, ...]:
        """Return every position ever held, by instrument, side and account."""
        return tuple(self.position(*key) for key in sorted(self._nets))

    def nets(self) -> Iterator[tuple[InstrumentId, Decimal, Decimal, Decimal, Decimal]]:
        """Yield (instrument, size, cost, realised, fees) without any mark, by id and side."""
        for (instrument_id, _, _), net in sorted(self._nets.items(), key=_by_key):
            yield instrument_id, net.size, net.cost, net.realised, net.fees

    def open_nets(
        self, instrument_id: InstrumentId | None = None
    ) -> Iterator[tuple[InstrumentId, PositionSide, VenueName, Decimal]]:
        """Yield (instrument, side, account, signed size) of what is open, in that order."""
        for (name, side, venue), net in sorted(self._nets.items(), key=_by_key):
            if net.size and instrument_id in {None, name}:
                yield name, side, venue, net.size

    def contracts(
        self, venue: VenueName
    ) -> Iterator[tuple[tuple[InstrumentId, PositionSide], Decimal]]:
        """Yield the open contracts of an account and their signed sizes."""
        for (instrument_id, side, where), net in sorted(self._nets.items(), key=_by_key):
            contract = listed(self._instruments, instrument_id).derivative
            if where == venue and contract and net.size:
                yield (instrument_id, side), net.size

    def equity(self) -> Decimal:
        """Return what the account is worth; assets no listed instrument values count nothing."""
        return self.equities()[0]

    def equities(self) -> tuple[Decimal, dict[VenueName, Decimal]]:
        """Return what all accounts are worth, and each of them."""
        each: dict[VenueName, Decimal] = {}
        for venue, asset, total in self._ledger.totals():
            rate = self.rate(asset)
            if rate is not None and total:
                worth = EXACT.multiply(total, rate)
                each[venue] = EXACT.add(each.get(venue, _ZERO), worth)
        for (instrument_id, _, venue), net in self._nets.items():
            instrument = listed(self._instruments, instrument_id)
            if instrument.derivative and net.size:
                worth = self._open_worth(instrument, net)
                each[venue] = EXACT.add(each.get(venue, _ZERO), worth)
        whole = _ZERO
        for worth in each.values():
            whole = EXACT.add(whole, worth)
        return whole, each

    def _open_worth(self, instrument: Instrument, net: Net) -> Decimal:
        """Return what an open contract adds to the money in the account."""
        mark, rate = self.mark(instrument), self.rate(instrument.pays_in)
        if mark is None or rate is None:
            return _ZERO
        if instrument.kind is InstrumentKind.OPTION:
            # The premium was paid when it was bought, so it is worth its price.
            worth = net.worth(abs(net.size), mark)
            return EXACT.multiply(worth if net.size > 0 else -worth, rate)
        return EXACT.multiply(net.unrealised(mark), rate)

    def total_pnl(self) -> Decimal:
        """Return realised + unrealised - fees of all positions since the journal began."""
        return sum((self.profit(*key) for key in self._nets), _ZERO)

    def profit(self, instrument_id: InstrumentId, side: PositionSide, venue: VenueName) -> Decimal:
        """Return realised + unrealised + funding - fees of one position, in the equity asset."""
        net = self._nets.get((instrument_id, side, venue))
        instrument = listed(self._instruments, instrument_id)
        rate = self.rate(instrument.pays_in)
        if net is None or rate is None:
            return _ZERO
        own = net.realised - self._fees(net, instrument)
        if side is not _SHORT:
            own += self._funding.get((instrument_id, venue), _ZERO)
            own += self._charges.get((instrument_id, venue), _ZERO)
        if net.size:
            mark = self.mark(instrument)
            if mark is not None:
                own += net.unrealised(mark)
        return own * rate

    def day_pnl(self) -> Decimal:
        """Return the trading profit since 00:00 UTC; deposits and idle holdings are none of it."""
        return self.total_pnl() - self._day_base

    def marked(self) -> bool:
        """Return whether every open position has a market to be valued at."""
        return all(
            not net.size or self._marks.top(instrument_id) is not None
            for (instrument_id, _, _), net in self._nets.items()
        )

    def open_day(self, ts_ns: int, base: Decimal) -> None:
        """Count the day's profit from a recorded total."""
        self.day_start_ns = ts_ns // DAY_NS * DAY_NS
        self._day_base = base

    def _fees(self, net: Net, instrument: Instrument) -> Decimal:
        fees = net.fees
        quote_rate = self.rate(instrument.pays_in)
        for asset, amount in net.other_fees.items():
            rate = self.rate(asset)
            if rate is not None and quote_rate:
                fees += amount * rate / quote_rate
        return fees

    def _find_pairs(self) -> None:
        """Note for each asset what prices it; most of it is followed by nobody and has no mark."""
        self._pairs_from = len(self._instruments)
        self._pairs.clear()
        priced = [item for item in self._instruments.values() if item.kind in _PRICES]
        for item in sorted(priced, key=lambda item: (_PRICES[item.kind], item.id)):
            if item.quote == self.equity_asset:
                self._pairs.setdefault(item.base, []).append((item, False))
            elif item.base == self.equity_asset:
                self._pairs.setdefault(item.quote, []).append((item, True))


def _opened(before: Decimal, after: Decimal, instrument: Instrument) -> bool:
    """Return whether a position came to be, or turned; less than a lot is none."""
    if after.is_signed() is before.is_signed() and before.copy_abs() >= instrument.size_lot:
        return False
    return after.copy_abs() >= instrument.size_lot


def _charge(net: Net, instrument: Instrument, fee: Decimal, asset: str, price: Decimal) -> None:
    """Count a fee; one in the base asset of a holding is base sold at a price to pay it."""
    if asset == instrument.pays_in:
        net.fees = EXACT.add(net.fees, fee)
    elif asset == instrument.base and not instrument.derivative:
        net.trade(fee.copy_negate(), price)
        net.fees = EXACT.add(net.fees, EXACT.multiply(fee, price))
    else:
        net.other_fees[asset] = EXACT.add(net.other_fees.get(asset, _ZERO), fee)


def _by_key(item: tuple[PositionKey, Net]) -> PositionKey:
    return item[0]
