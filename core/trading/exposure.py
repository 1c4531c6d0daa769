"""What is held and ordered, valued, as running sums per scope.

A line is one position (instrument, account, side where they are held apart) with the open orders
that may change it; strategies with limits have lines of their own beside. When a line changes, the
sums of its scopes change by as much, so that a check costs the same with 1 or 200 of them::

    gross    value of max(size + buys, sells - size)      long, short  of size + buys, size - sells
    pending  value of what entries may add on the worse side

Values are those of the last change or second; `refresh` works everything out anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from core.model.ids import InstrumentId, StrategyId, VenueName
from core.model.instruments import Instrument
from core.model.market import Side
from core.model.orders import OrderFilled, PositionSide
from core.model.ports import Marks
from core.trading.account import Account
from core.trading.holds import Claim
from core.trading.ledger import EXACT
from core.trading.limits import Scope, Scopes
from core.trading.listing import listed
from core.trading.net import Net

_ZERO: Final = Decimal(0)
_HUNDRED: Final = Decimal(100)
_NET: Final = PositionSide.NET
_SELL: Final = Side.SELL
_BUY: Final = Side.BUY


class Key(NamedTuple):
    """What a line is of."""

    instrument_id: InstrumentId
    side: PositionSide
    venue: VenueName
    strategy_id: StrategyId | None = None


class Line:
    """One position and the open orders that may change it."""

    __slots__ = (
        "buys", "fixed", "gross", "held", "key", "long", "net", "pending", "pnl", "scopes",
        "sells", "short", "size", "slope", "trip_base", "unit", "waiting", "whole",
    )  # fmt: skip

    def __init__(self, key: Key, scopes: tuple[Scope, ...], net: Net | None) -> None:
        self.key = key
        self.scopes = scopes
        self.net = net
        """A strategy's share of the position; the account keeps the others."""
        self.whole: Net | None = None
        """The position in the account's books, once something of it was filled."""
        self.size = _ZERO
        self.buys = _ZERO
        self.sells = _ZERO
        self.waiting = {_BUY: _ZERO, _SELL: _ZERO}
        """Of `buys` and `sells` what waits to close what is left by then."""
        self.unit: Decimal | None = None
        """What one unit of size is worth, None: nothing tells."""
        self.fixed: Decimal | None = None
        """Where profit is `fixed + slope * mark`, else None."""
        self.slope = _ZERO
        self.trip_base = _ZERO
        """Realised less fees when it was last flat."""
        self.pnl = self.gross = self.long = self.short = self.pending = self.held = _ZERO

    def reach(self, side: Side, more: Decimal = _ZERO) -> Decimal:
        """Return how far on a side it may get, unsigned by that side."""
        if side is _BUY:
            return self.size + self.buys + more
        return self.sells + more - self.size

    def valued(
        self, unit: Decimal, buys: Decimal, sells: Decimal
    ) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        """Return (gross, long, short, pending) with these open orders."""
        times, size = EXACT.multiply, self.size
        high, low = size + buys, size - sells
        opens = max(
            max(high, _ZERO) - max(size, _ZERO), max(low.copy_negate(), _ZERO) + min(size, _ZERO)
        )
        return (
            times(max(high, low.copy_negate()), unit),
            times(high, unit),
            times(low, unit),
            times(opens, unit),
        )


class Exposure:
    """Keeps the lines and the sums of their scopes."""

    def __init__(
        self,
        scopes: Scopes,
        account: Account,
        instruments: Mapping[InstrumentId, Instrument],
        marks: Marks,
    ) -> None:
        self._scopes = scopes
        self._account = account
        self._instruments = instruments
        self._marks = marks
        self._lines: dict[Key, Line] = {}
        self._of: dict[InstrumentId, list[Line]] = {}
        self._wholes: dict[InstrumentId, int] = {}
        self._tops: dict[InstrumentId, tuple[int, int] | None] = {}
        self.liquidates = False
        """Whether any position has a liquidation price, as of the last second."""
        self.live = False
        """False while the past is read back: nothing is valued before `refresh`."""
        self.still = False
        """True while something is only tried: profits stay as of the last order or second."""
        self.norm: Callable[[Mapping[InstrumentId, Decimal]], Decimal] = _straight
        """sqrt(w'Cw) of values by instrument."""

    # -- what happens ----------------------------------------------------------------------

    def on_claim(self, claim: Claim, sign: int) -> None:
        """Take it that an open order counts from now on, or no longer."""
        way = claim.way
        self._order(Key(way.instrument_id, way.position_side, way.venue), claim, sign)
        if self._scopes.strategy(claim.strategy_id) is not None:
            key = Key(way.instrument_id, way.position_side, way.venue, claim.strategy_id)
            self._order(key, claim, sign)

    def on_fill(
        self, fill: OrderFilled, instrument: Instrument, strategy_id: StrategyId | None
    ) -> None:
        """Take an execution, once the account has booked it."""
        name, side, venue = fill.instrument_id, fill.position_side, fill.venue
        if strategy_id is not None and self._scopes.strategy(strategy_id) is not None:
            line = self.find(name, side, venue, strategy_id)
            assert line.net is not None
            line.net.trade(EXACT.multiply(fill.size, Decimal(fill.side.sign)), fill.price)
            if fill.fee_asset == instrument.pays_in:
                line.net.fees = EXACT.add(line.net.fees, fill.fee)
            self._moved(line, line.net, fill.ts_event_ns)
        line = self.find(name, side, venue)
        net = line.whole
        if net is None:
            net = line.whole = self._account.net(name, side, venue)
        if net is not None:
            self._moved(line, net, fill.ts_event_ns)
        if not line.size:
            self._nobodys(line.key, fill)

    def on_position(
        self, instrument_id: InstrumentId, side: PositionSide, venue: VenueName
    ) -> None:
        """Take it that a position was adopted as the venue states it; that is no round trip."""
        line = self.line(Key(instrument_id, side, venue))
        net = self._account.net(instrument_id, side, venue)
        if net is not None:
            line.trip_base = net.realised - net.fees
            self._resize(line, net.size)

    def on_fee(self, instrument_id: InstrumentId, venue: VenueName) -> None:
        """Take it that a fee was told apart from its fill, once the account has booked it."""
        net = self._account.net(instrument_id, _NET, venue)
        if net is not None:
            self._resize(self.find(instrument_id, _NET, venue), net.size)

    def _nobodys(self, key: Key, fill: OrderFilled) -> None:
        """Close strategies' shares of a position that is flat, whoever closed it."""
        for line in self._of.get(key.instrument_id, ()):
            mine = line.key.strategy_id is not None and line.key[:3] == key[:3]
            if mine and line.net is not None and line.net.size:
                line.net.trade(line.net.size.copy_negate(), fill.price)
                self._moved(line, line.net, fill.ts_event_ns)

    def _moved(self, line: Line, net: Net, ts_ns: int) -> None:
        """Let a line follow its net, and count a round trip that ended."""
        before = line.size
        size = net.size
        if before and (not size or size.is_signed() is not before.is_signed()):
            result = net.realised - net.fees
            for scope in line.scopes:
                scope.on_trip(result - line.trip_base, ts_ns)
            line.trip_base = result
        if self.live:
            self._resize(line, size)
        else:
            line.size = size

    def _order(self, key: Key, claim: Claim, sign: int) -> None:
        line = self.line(key)
        change = EXACT.add if sign > 0 else EXACT.subtract
        if claim.way.side is _BUY:
            line.buys = change(line.buys, claim.size)
        else:
            line.sells = change(line.sells, claim.size)
        if claim.gives_way:
            line.waiting[claim.way.side] = change(line.waiting[claim.way.side], claim.size)
        if self.live:
            self._sum(line)

    def _resize(self, line: Line, size: Decimal) -> None:
        before = line.held
        line.size = size
        if not self.live:
            return
        self._value(line)
        opened = max(abs(line.held) - abs(before), _ZERO)
        if opened:
            for scope in line.scopes:
                scope.drift = EXACT.add(scope.drift, opened)
                scope.room = None

    # -- values ----------------------------------------------------------------------------

    def line(self, key: Key) -> Line:
        """Return a line; it is made when it is first asked for."""
        found = self._lines.get(key)
        if found is None:
            found = self._lines[key] = self._made(key)
        return found

    def find(
        self,
        instrument_id: InstrumentId,
        side: PositionSide,
        venue: VenueName,
        strategy_id: StrategyId | None = None,
    ) -> Line:
        """Return a line as `line` does; quicker, as an instrument has few."""
        for line in self._of.get(instrument_id, ()):
            key = line.key
            if key[1] is side and key[2] == venue and key[3] == strategy_id:
                return line
        return self.line(Key(instrument_id, side, venue, strategy_id))

    def single(self, instrument_id: InstrumentId) -> bool:
        """Return whether an instrument has one line beside those of strategies."""
        return self._wholes.get(instrument_id) == 1

    def lines(self) -> list[Line]:
        """Return every line, in the order they were made."""
        return list(self._lines.values())

    def revalue(self, instrument: Instrument) -> tuple[int, int] | None:
        """Bring the profits of an instrument's lines up to the market; the rest waits a second.

        Returns best bid and ask in ticks.
        """
        name = instrument.id
        top = self._marks.top(name)
        if top is None or self.still or top == self._tops.get(name):
            return top
        self._tops[name] = top
        mark: Decimal | None = None
        for line in self._of.get(name, ()):
            if not line.size:
                continue
            if line.fixed is None:
                self._value(line)
                continue
            mark = mark or (top[0] + top[1]) * instrument.price_tick / 2
            pnl = line.fixed + line.slope * mark
            change = pnl - line.pnl
            line.pnl = pnl
            for scope in line.scopes:
                scope.pnl += change
        return top

    def closable(
        self,
        instrument_id: InstrumentId,
        side: Side,
        venue: VenueName,
        position: PositionSide,
        *,
        beside: bool = False,
    ) -> Decimal:
        """Return how much of a position orders of `side` may still close, at one account.

        `beside` leaves out the open ones that give way to one that can only close.
        """
        left = _ZERO
        for line in self._of.get(instrument_id, ()):
            key = line.key
            if key[2] != venue or key[3] is not None:
                continue
            if position is _NET or key[1] is position:
                left += line.size - line.sells if side is _SELL else -line.size - line.buys
                if beside:
                    left += line.waiting[side]
        return left if left > 0 else _ZERO

    def weigh(self) -> None:
        """Work out what the accounts are worth; after balances changed, and once a second."""
        if not self.live:
            return
        total, equities = self._account.equities()
        for scope in self._scopes:
            account = scope.name.removeprefix("accounts.")
            scope.equity = equities.get(VenueName(account)) if account != scope.name else total
            scope.set_caps()

    def refresh(self) -> None:
        """Work out every value and sum anew; profits, equity and correlations with them."""
        self.live = True
        self.weigh()
        for scope in self._scopes:
            scope.gross = scope.long = scope.short = scope.pending = _ZERO
            scope.pnl = scope.drift = _ZERO
            scope.nearest = None
            scope.unvalued.clear()
        for line in self._lines.values():
            line.pnl = line.gross = line.long = line.short = line.pending = line.held = _ZERO
            self._tops[line.key.instrument_id] = self._marks.top(line.key.instrument_id)
            self._value(line)
            self._near(line)
        for scope in self._scopes:
            if scope.limits.max_correlated_exposure is not None:
                scope.norm = self.norm(_weights(scope))
            if scope.day_base is None:
                scope.day_base = scope.pnl
            scope.set_caps()
        self.liquidates = any(scope.nearest is not None for scope in self._scopes)

    def unit_at(self, instrument_id: InstrumentId, price: Decimal | None) -> Decimal | None:
        """Return what one unit is worth at a price, else at the market, None if nothing tells."""
        instrument = listed(self._instruments, instrument_id)
        price = price or self._account.mark(instrument)
        return self.unit_worth(instrument, price) if price else None

    def unit_worth(self, instrument: Instrument, price: Decimal) -> Decimal | None:
        """Return what one unit of size is worth at a price, None where nothing tells."""
        rate = self._account.rate
        if not instrument.derivative:
            worth, asset = price, instrument.quote
        elif instrument.inverse:
            worth, asset = instrument.contract_size / price, instrument.pays_in
        else:
            worth, asset = EXACT.multiply(instrument.contract_size, price), instrument.quote
        if asset == self._account.equity_asset:
            return worth
        known = rate(asset)
        if known is None and asset != instrument.pays_in:
            known = rate(instrument.pays_in)
        return None if known is None else EXACT.multiply(worth, known)

    def _made(self, key: Key) -> Line:
        scopes = self._scopes
        if key.strategy_id is None:
            of = scopes.of(key.instrument_id, key.venue)
            line = Line(key, of, None)
            self._wholes[key.instrument_id] = self._wholes.get(key.instrument_id, 0) + 1
        else:
            own = scopes.strategies[key.strategy_id]
            instrument = listed(self._instruments, key.instrument_id)
            line = Line(key, (own,), Net(instrument))
        self._of.setdefault(key.instrument_id, []).append(line)
        for scope in line.scopes:
            scope.lines.setdefault(key.instrument_id, []).append(line)
        if self.live:
            self._value(line)
        return line

    def _value(self, line: Line) -> None:
        """Value a line by the market as it is."""
        instrument = listed(self._instruments, line.key.instrument_id)
        mark = self._account.mark(instrument)
        line.unit = self.unit_worth(instrument, mark) if mark else None
        pnl = self._profit(line, instrument, mark)
        self._straighten(line, instrument, mark, pnl)
        if pnl != line.pnl:
            for scope in line.scopes:
                scope.pnl = EXACT.add(scope.pnl, EXACT.subtract(pnl, line.pnl))
            line.pnl = pnl
        self._sum(line)

    def _straighten(
        self, line: Line, instrument: Instrument, mark: Decimal | None, pnl: Decimal
    ) -> None:
        """Find the straight line on which a profit moves with the mark, where it does."""
        rate = self._account.rate(instrument.pays_in)
        bends = instrument.derivative and instrument.inverse
        if bends or rate is None or mark is None:
            line.fixed = None
            return
        units = line.size * instrument.contract_size if instrument.derivative else line.size
        line.slope = units * rate
        line.fixed = pnl - line.slope * mark

    def _profit(self, line: Line, instrument: Instrument, mark: Decimal | None) -> Decimal:
        if line.net is None:
            return self._account.profit(*line.key[:3])
        rate = self._account.rate(instrument.pays_in)
        if rate is None:
            return _ZERO
        own = line.net.realised - line.net.fees
        if line.size and mark is not None:
            own += line.net.unrealised(mark)
        return own * rate

    def _sum(self, line: Line) -> None:
        """Change the sums of a line's scopes by as much as the line has changed."""
        unit = line.unit
        if unit is None:
            busy = bool(line.size or line.buys or line.sells)
            for scope in line.scopes:
                (scope.unvalued.add if busy else scope.unvalued.discard)(line.key.instrument_id)
            unit = _ZERO
        elif line.scopes[0].unvalued:
            for scope in line.scopes:
                scope.unvalued.discard(line.key.instrument_id)
        add, less = EXACT.add, EXACT.subtract
        gross, long, short, pending = line.valued(unit, line.buys, line.sells)
        for scope in line.scopes:
            scope.gross = add(scope.gross, less(gross, line.gross))
            scope.long = add(scope.long, less(long, line.long))
            scope.short = add(scope.short, less(short, line.short))
            scope.pending = add(scope.pending, less(pending, line.pending))
            scope.room = None
        line.gross, line.long, line.short, line.pending = gross, long, short, pending
        line.held = EXACT.multiply(line.size, unit)

    def _near(self, line: Line) -> None:
        """Note how far a line is from its liquidation, as the venue states it."""
        if not line.size or line.net is not None:
            return
        away = self.liquidation_pct(line.key)
        if away is None:
            return
        for scope in line.scopes:
            scope.nearest = away if scope.nearest is None else min(scope.nearest, away)

    def liquidation_pct(self, key: Key) -> Decimal | None:
        """Return per cent between a position's mark and its liquidation, None where not stated."""
        stated = self._account.liquidation_price(*key[:3])
        mark = self._account.mark(listed(self._instruments, key.instrument_id))
        if stated is None or not mark:
            return None
        return abs(mark - stated) / mark * _HUNDRED


def _weights(scope: Scope) -> dict[InstrumentId, Decimal]:
    return {
        name: held for name, lines in scope.lines.items() if (held := sum(x.held for x in lines))
    }


def _straight(weights: Mapping[InstrumentId, Decimal]) -> Decimal:
    """Count every pair as wholly correlated, and nothing as a hedge."""
    return sum((abs(value) for value in weights.values()), _ZERO)
