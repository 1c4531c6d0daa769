"""Positions and what the account is worth: netted by instrument, at average cost, marked to mid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from core.model.accounts import Position
from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.orders import OrderFilled
from core.model.ports import Marks
from core.trading.ledger import EXACT, Ledger
from core.trading.listing import listed

DAY_NS: Final = 86_400_000_000_000
_ZERO: Final = Decimal(0)
_TWO: Final = Decimal(2)
_COST_STEP: Final = Decimal("1e-18")
"""A part of a cost basis is rounded to this; the rest keeps what rounding left."""


class _Net:
    """The running net of one instrument's fills."""

    __slots__ = ("cost", "fees", "last_price", "other_fees", "realised", "size")

    def __init__(self) -> None:
        self.size = _ZERO
        self.cost = _ZERO
        """What the open part cost (long) or brought (short); never negative."""
        self.realised = _ZERO
        self.fees = _ZERO
        """Fees in the quote asset, and those in the base asset at their fill's price."""
        self.other_fees: dict[str, Decimal] = {}
        self.last_price = _ZERO

    def trade(self, size: Decimal, price: Decimal) -> None:
        """Take a signed size at a price: close what it closes, open the rest."""
        self.last_price = price
        if self.size and (size > 0) is not (self.size > 0):
            part = min(abs(size), abs(self.size))
            cost = self.cost
            if part != abs(self.size):
                cost = (self.cost * part / abs(self.size)).quantize(_COST_STEP, context=EXACT)
            worth = EXACT.multiply(part, price)
            gain = EXACT.subtract(worth, cost)
            self.realised = EXACT.add(self.realised, gain if self.size > 0 else -gain)
            self.cost = EXACT.subtract(self.cost, cost)
            step = part if size > 0 else -part
            self.size = EXACT.add(self.size, step)
            size = EXACT.subtract(size, step)
        if size:
            self.size = EXACT.add(self.size, size)
            self.cost = EXACT.add(self.cost, EXACT.multiply(abs(size), price))

    def unrealised(self, mark: Decimal) -> Decimal:
        """Return the open profit at a mark price."""
        worth = EXACT.multiply(self.size, mark)
        return EXACT.subtract(worth, self.cost) if self.size > 0 else EXACT.add(worth, self.cost)


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
        self._nets: dict[InstrumentId, _Net] = {}
        self._pairs: dict[str, tuple[Instrument, bool]] = {}
        self._pairs_from = -1
        self.day_start_ns = 0
        """00:00 UTC of the day whose profit is counted, 0 before the first."""
        self._day_base = _ZERO

    def book_fill(self, fill: OrderFilled, instrument: Instrument) -> None:
        """Net a fill; a fee paid in the base asset is base sold at the fill's price to pay it."""
        net = self._nets.setdefault(fill.instrument_id, _Net())
        net.trade(EXACT.multiply(fill.size, Decimal(fill.side.sign)), fill.price)
        if fill.fee_asset == instrument.base:
            if fill.fee:
                net.trade(-fill.fee, fill.price)
                net.fees = EXACT.add(net.fees, EXACT.multiply(fill.fee, fill.price))
        elif fill.fee_asset == instrument.quote:
            net.fees = EXACT.add(net.fees, fill.fee)
        elif fill.fee:
            known = net.other_fees.get(fill.fee_asset, _ZERO)
            net.other_fees[fill.fee_asset] = EXACT.add(known, fill.fee)

    def size(self, instrument_id: InstrumentId) -> Decimal:
        """Return the signed position size."""
        net = self._nets.get(instrument_id)
        return net.size if net is not None else _ZERO

    def mid(self, instrument: Instrument) -> Decimal | None:
        """Return the middle of best bid and ask, the last known while stale."""
        top = self._marks.top(instrument.id)
        return None if top is None else (top[0] + top[1]) * instrument.price_tick / _TWO

    def mark(self, instrument: Instrument) -> Decimal | None:
        """Return the mid, or before any is known the price of the last own fill."""
        mid = self.mid(instrument)
        if mid is not None:
            return mid
        net = self._nets.get(instrument.id)
        return net.last_price if net is not None and net.last_price else None

    def rate(self, asset: str) -> Decimal | None:
        """Return what one unit of an asset is worth in the equity asset, None if unknown."""
        if asset == self.equity_asset:
            return Decimal(1)
        if self._pairs_from != len(self._instruments):
            self._find_pairs()
        found = self._pairs.get(asset)
        if found is None:
            return None
        instrument, inverse = found
        mark = self.mark(instrument)
        if not mark:
            return None
        return 1 / mark if inverse else mark

    def position(self, instrument_id: InstrumentId) -> Position:
        """Return one position, flat when there never was one."""
        net = self._nets.get(instrument_id)
        if net is None:
            return Position(
                instrument_id=instrument_id,
                size=_ZERO,
                average_price=None,
                realised_pnl=_ZERO,
                fees=_ZERO,
            )
        instrument = listed(self._instruments, instrument_id)
        mark = self.mark(instrument)
        return Position(
            instrument_id=instrument_id,
            size=net.size,
            average_price=net.cost / abs(net.size) if net.size else None,
            realised_pnl=net.realised,
            fees=self._fees(net, instrument),
            mark_price=mark,
            unrealised_pnl=net.unrealised(mark) if net.size and mark is not None else _ZERO,
        )

    def positions(self) -> tuple[Position, ...]:
        """Return every instrument ever traded, by id."""
        return tuple(self.position(instrument_id) for instrument_id in sorted(self._nets))

    def nets(self) -> Iterator[tuple[InstrumentId, Decimal, Decimal, Decimal, Decimal]]:
        """Yield (instrument, size, cost, realised, fees) without any mark, by id."""
        for instrument_id, net in sorted(self._nets.items()):
            yield instrument_id, net.size, net.cost, net.realised, net.fees

    def equity(self) -> Decimal:
        """Return what the account is worth; assets no listed instrument values count nothing."""
        worth = _ZERO
        for _, asset, total in self._ledger.totals():
            rate = self.rate(asset)
            if rate is not None and total:
                worth = EXACT.add(worth, EXACT.multiply(total, rate))
        return worth

    def total_pnl(self) -> Decimal:
        """Return realised + unrealised - fees of all positions since the journal began."""
        pnl = _ZERO
        for instrument_id, net in self._nets.items():
            instrument = listed(self._instruments, instrument_id)
            rate = self.rate(instrument.quote)
            if rate is None:
                continue
            mark = self.mark(instrument)
            own = net.realised - self._fees(net, instrument)
            if net.size and mark is not None:
                own += net.unrealised(mark)
            pnl += own * rate
        return pnl

    def day_pnl(self) -> Decimal:
        """Return the trading profit since 00:00 UTC; deposits and idle holdings are none of it."""
        return self.total_pnl() - self._day_base

    def marked(self) -> bool:
        """Return whether every open position has a market to be valued at."""
        return all(
            not net.size or self._marks.top(instrument_id) is not None
            for instrument_id, net in self._nets.items()
        )

    def open_day(self, ts_ns: int, base: Decimal) -> None:
        """Count the day's profit from a recorded total."""
        self.day_start_ns = ts_ns // DAY_NS * DAY_NS
        self._day_base = base

    def _fees(self, net: _Net, instrument: Instrument) -> Decimal:
        fees = net.fees
        quote_rate = self.rate(instrument.quote)
        for asset, amount in net.other_fees.items():
            rate = self.rate(asset)
            if rate is not None and quote_rate:
                fees += amount * rate / quote_rate
        return fees

    def _find_pairs(self) -> None:
        """Note for each asset the first instrument that prices it in the equity asset."""
        self._pairs_from = len(self._instruments)
        self._pairs.clear()
        for instrument_id in sorted(self._instruments):
            instrument = self._instruments[instrument_id]
            if instrument.quote == self.equity_asset:
                self._pairs.setdefault(instrument.base, (instrument, False))
        for instrument_id in sorted(self._instruments):
            instrument = self._instruments[instrument_id]
            if instrument.base == self.equity_asset:
                self._pairs.setdefault(instrument.quote, (instrument, True))
