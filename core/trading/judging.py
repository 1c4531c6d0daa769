"""Judges an entry by the limits of every scope it is in.

Each rule's refusal names the settings key with its scope and the figures. Nothing here is asked
about an exit.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Final, NamedTuple

from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.market import Side
from core.model.orders import OrderIntent, OrderType
from core.model.ports import MarketDetail, Marks
from core.model.settings import RiskSettings
from core.trading.account import Account
from core.trading.exposure import Exposure, Line
from core.trading.form import Denial
from core.trading.limits import Scope, Stack
from core.trading.resting import Resting

_ZERO: Final = Decimal(0)
_BUY: Final = Side.BUY
_SELL: Final = Side.SELL
_LIMIT: Final = OrderType.LIMIT
_TWO: Final = Decimal(2)
_HUNDRED: Final = Decimal(100)
_MEASURED: Final = 100
"""Times an order's size that is looked for in the book where its share is told: down to 1 %."""


class Latest(NamedTuple):
    """What the newest entry looked like, for those limits that nothing standing uses."""

    scopes: tuple[Scope, ...] = ()
    price: Decimal | None = None
    around: Decimal | None = None
    """What its price was judged by, None: by nothing."""
    lots: int = 0
    shown: int | None = None
    """The lots that the other side showed, None: nobody looked."""
    confidence: float = 1.0

    @property
    def away_pct(self) -> Decimal:
        """How far its price was from what it was judged by."""
        if self.price is None or not self.around:
            return _ZERO
        return abs(self.price - self.around) / self.around * _HUNDRED

    @property
    def book_share_pct(self) -> Decimal:
        """Its size in per cent of what the other side showed."""
        if self.shown is None:
            return _ZERO
        return Decimal(self.lots * 100) / self.shown if self.shown else Decimal("Infinity")


class Added(NamedTuple):
    """By how much an order may raise sums of exposure."""

    gross: Decimal
    net: Decimal
    """Towards its own side."""
    pending: Decimal


_NOTHING: Final = Added(_ZERO, _ZERO, _ZERO)


class Judge:
    """Says which limit an entry would break."""

    def __init__(
        self,
        risk: RiskSettings,
        exposure: Exposure,
        resting: Resting,
        account: Account,
        marks: Marks,
    ) -> None:
        self._risk = risk
        self._exposure = exposure
        self._resting = resting
        self._account = account
        self._marks = marks
        self._band = float(risk.price_band_pct) / 100
        self._detail = marks if isinstance(marks, MarketDetail) else None
        self.skew_ms: dict[VenueName, int] = {}
        """The venues' clocks less ours, as of the last second."""
        self.latest = Latest()

    def refresh(self, instruments: Iterable[Instrument]) -> None:
        """Look at the venues' clocks; once a second is enough."""
        if self._detail is not None:
            venues = {item.venue for item in instruments}
            self.skew_ms = {
                name: self._detail.clock_offset_ns(name) // 1_000_000 for name in venues
            }

    def worst_skew_ms(self) -> int:
        """Return how far the worst of the venues' clocks is off."""
        return max((abs(value) for value in self.skew_ms.values()), default=0)

    @staticmethod
    def losses(stack: Stack, now_ns: int) -> Denial | None:
        """Judge what was lost so far."""
        for scope in stack.scopes:
            if scope.streak or (scope.floor is not None and scope.pnl <= scope.floor):
                denial = lost(scope, now_ns)
                if denial is not None:
                    return denial
        return None

    def flow(self, stack: Stack, instrument: Instrument, monotonic_ns: int) -> Denial | None:
        """Judge rates, counts, and the venue's clock."""
        # What counts in any scope counts in the first as well: while that one holds less than the
        # least of what all of them allow, none is full.
        total = stack.scopes[0]
        if (
            len(total.orders.times) >= stack.least_orders
            or len(total.messages.times) >= stack.least_messages
            or total.open_orders >= stack.least_open
        ):
            denial = self._full(stack, monotonic_ns)
            if denial is not None:
                return denial
        if stack.clock_skew_ms is None:
            return None
        skew = abs(self.skew_ms.get(instrument.venue, 0))
        if skew > stack.clock_skew_ms:
            scope, most = stack.first("max_clock_skew_ms", skew)
            return Denial(
                f"{scope.prefix}max_clock_skew_ms",
                f"the clock of {instrument.venue} is {skew} ms off, {most} allowed",
            )
        return None

    @staticmethod
    def _full(stack: Stack, monotonic_ns: int) -> Denial | None:
        """Judge the rates and counts of each scope."""
        for scope, orders, most, messages, most_messages, most_open in stack.flows:
            if len(orders) >= most and scope.orders.full(most, monotonic_ns):
                sent = scope.orders.count(monotonic_ns)
                return Denial(
                    f"{scope.prefix}max_orders_per_second",
                    f"{sent} orders in the last second, allowed {most}",
                )
            if len(messages) >= most_messages and scope.messages.full(most_messages, monotonic_ns):
                sent = scope.messages.count(monotonic_ns)
                return Denial(
                    f"{scope.prefix}max_messages_per_second",
                    f"{sent} messages in the last second, {most_messages} allowed",
                )
            if scope.open_orders >= most_open:
                return Denial(
                    f"{scope.prefix}max_open_orders",
                    f"{scope.open_orders} orders open, allowed {most_open}",
                )
        return None

    def size(
        self,
        stack: Stack,
        intent: OrderIntent,
        instrument: Instrument,
        venue: VenueName,
        price: Decimal | None,
    ) -> Denial | None:
        """Judge the order, what it may make of positions, and of all of them together."""
        unit = None if price is None else self._exposure.unit_worth(instrument, price)
        if unit is None:
            return Denial("risk.max_order_notional", self._no_worth(instrument, price))
        worth = intent.size * unit
        denial = self._order(stack, intent, worth)
        if denial is not None:
            return denial
        if not self._fits(stack, intent, venue, unit, worth):
            denial = self._scopes(stack, intent, instrument, venue, unit)
            if denial is not None:
                return denial
        return self._near(stack) if self._exposure.liquidates else None

    def _no_worth(self, instrument: Instrument, price: Decimal | None) -> str:
        """Say what is missing to value an order."""
        asset, equity = instrument.pays_in, self._account.equity_asset
        if price is None:
            return f"{instrument.id} cannot be valued in {equity} without a market price"
        return (
            f"{asset} cannot be valued in {equity}: no market of the watchlist prices it; add one "
            f"of {asset} and {equity}, or set engine.equity_asset"
        )

    def _fits(
        self, stack: Stack, intent: OrderIntent, venue: VenueName, unit: Decimal, worth: Decimal
    ) -> bool:
        """Return whether an order stays within all limits of positions and sums at first sight.

        No sum grows by more than the order is worth, and what stands beside it at its price. What
        does not fit so may still be within the limits: `_scopes` looks at each of them.
        """
        name, side, more = intent.instrument_id, intent.position_side, intent.size
        exposure = self._exposure
        if not exposure.single(name):
            return False
        line = exposure.find(name, side, venue)
        added = _at_most(line, more, unit, worth)
        if added is None:
            return False
        reach = line.reach(intent.side, more)
        if line.unit is not None and line.unit > unit:
            unit = line.unit
        most, most_worth = stack.position_size, stack.position_notional
        if most is not None and reach > most:
            return False
        if most_worth is not None and reach * unit > most_worth:
            return False
        for scope in stack.scopes:
            if scope.own_lines:
                if not _share_fits(
                    scope, exposure.find(name, side, venue, intent.strategy_id), intent, unit
                ):
                    return False
                continue
            room = scope.room
            if added >= (scope.least_room() if room is None else room):
                return False
        return True

    def _scopes(
        self,
        stack: Stack,
        intent: OrderIntent,
        instrument: Instrument,
        venue: VenueName,
        unit: Decimal,
    ) -> Denial | None:
        """Judge an order by every scope in turn."""
        name, side = intent.instrument_id, intent.position_side
        line = self._exposure.find(name, side, venue)
        if line.unit is not None and line.unit > unit:
            unit = line.unit
        reach = line.reach(intent.side, intent.size)
        added = added_by(line, intent, unit) if stack.exposed else _NOTHING
        for scope in stack.scopes:
            own, whole = added, reach
            lines = scope.lines.get(name, ())
            if scope.own_lines:
                mine = self._exposure.find(name, side, venue, intent.strategy_id)
                own = added_by(mine, intent, unit) if stack.exposed else _NOTHING
                whole = mine.reach(intent.side, intent.size)
            elif len(lines) > 1:
                whole = sum((item.reach(intent.side) for item in lines), intent.size)
            denial = self._scope(scope, intent, instrument, whole, unit, own)
            if denial is not None:
                return denial
        return None

    def against_book(
        self,
        stack: Stack,
        intent: OrderIntent,
        instrument: Instrument,
        top: tuple[int, int] | None,
    ) -> Denial | None:
        """Judge the order's price by the market, and its size by what the book shows."""
        price, kind = intent.price, intent.type
        waits = kind is not _LIMIT and kind.conditional
        around = None if top is None else (top[0] + top[1]) * instrument.price_tick / _TWO
        mid, what = around, "mid"
        if price is not None and stack.price_band_pct is not None:
            if waits:
                around, what = intent.trigger_price, "trigger"
            if around and abs(price - around) * _HUNDRED > stack.price_band_pct * around:
                away = abs(price - around) / around * _HUNDRED
                scope, most = stack.first("price_band_pct", away)
                return Denial(
                    f"{scope.prefix}price_band_pct",
                    f"price {price} is {away:.2f} % from the {what} {around}, allowed {most} %",
                )
        else:
            around = None
        denial: Denial | None = None
        lots, shown = 0, None
        if mid and top and stack.book_share_pct is not None and self._detail and not waits:
            lots = int(intent.size / instrument.size_lot)
            enough = int(lots * 100 / stack.book_share) + 1
            shown = self._count(intent, top, enough, self._detail)
            if shown is not None and lots * 100 > stack.book_share_pct * shown:
                denial = self._too_much(stack, intent, instrument, lots, shown)
        self.latest = Latest(stack.scopes, price, around, lots, shown, intent.confidence)
        if denial is not None or stack.self_trade is None:
            return denial
        met = self._resting.meets(intent)
        if met is None or (price is None and self._fills_before(met, intent, instrument)):
            return None
        return Denial(
            f"{stack.self_trade.prefix}self_trade",
            f"it would trade with our own {intent.side.opposite} order at {met}; cancel that first",
        )

    def measure(self, intent: OrderIntent, instrument: Instrument, latest: Latest) -> Latest:
        """Return how the newest entry stood, with more of the book counted than the limit asked.

        The gate stops counting as soon as it has seen enough; a person wants the share.
        """
        top = self._marks.top(instrument.id)
        if latest.shown is None or top is None or self._detail is None:
            return latest
        shown = self._count(intent, top, latest.lots * _MEASURED, self._detail)
        if shown is None or shown <= latest.shown:
            return latest
        measured = latest._replace(shown=shown)
        if self.latest is latest:
            self.latest = measured
        return measured

    def _fills_before(self, met: Decimal, intent: OrderIntent, instrument: Instrument) -> bool:
        """Return whether a market order finds its size before it comes to an order of ours.

        Twice its size, as others may take some of it first.
        """
        if self._detail is None:
            return False
        wanted = int(intent.size / instrument.size_lot) * 2
        to = instrument.ticks(met) - intent.side.sign
        shown = self._detail.shown_lots(instrument.id, intent.side.opposite, to, wanted)
        return shown is not None and shown >= wanted

    def _count(
        self, intent: OrderIntent, top: tuple[int, int], enough: int, detail: MarketDetail
    ) -> int | None:
        """Return the lots the other side shows within the price band, or as many as are enough."""
        buys = intent.side is _BUY
        to = (top[0] + top[1]) / 2 * (1 + self._band if buys else 1 - self._band)
        return detail.shown_lots(intent.instrument_id, _SELL if buys else _BUY, int(to), enough)

    def _too_much(
        self, stack: Stack, intent: OrderIntent, instrument: Instrument, lots: int, shown: int
    ) -> Denial:
        share = Decimal(lots * 100) / shown if shown else Decimal("Infinity")
        scope, most = stack.first("max_book_share_pct", share)
        return Denial(
            f"{scope.prefix}max_book_share_pct",
            f"{intent.size} asked, the book shows {instrument.size(shown)} within "
            f"{self._risk.price_band_pct} %: {share:.0f} %, {most} % allowed",
        )

    def _order(self, stack: Stack, intent: OrderIntent, worth: Decimal) -> Denial | None:
        if stack.order_size is not None and intent.size > stack.order_size:
            scope, most = stack.first("max_order_size", intent.size)
            return Denial(f"{scope.prefix}max_order_size", f"{intent.size} asked, {most} allowed")
        if stack.order_notional is not None and worth > stack.order_notional:
            scope, most = stack.first("max_order_notional", worth)
            return Denial(
                f"{scope.prefix}max_order_notional",
                f"order is worth {worth:.2f} {self._account.equity_asset}, allowed {most}",
            )
        sure, least = intent.confidence, stack.confidence
        if least is not None and intent.strategy_id is not None and sure < least:
            scope, need = stack.first("min_confidence", sure)
            return Denial(
                f"{scope.prefix}min_confidence",
                f"the strategy's confidence is {sure:g}, at least {need:g} is needed",
            )
        return None

    def _position(
        self,
        scope: Scope,
        intent: OrderIntent,
        instrument: Instrument,
        reach: Decimal,
        unit: Decimal,
    ) -> Denial | None:
        size, most = scope.limits.max_position_size, scope.limits.max_position_notional
        if size is not None and reach > size:
            return Denial(
                f"{scope.prefix}max_position_size",
                f"position could reach {reach * intent.side.sign}, {size} allowed",
            )
        if most is None or reach <= 0 or (worth := reach * unit) <= most:
            return None
        return Denial(
            f"{scope.prefix}max_position_notional",
            f"position could reach {reach * intent.side.sign} {instrument.base} worth "
            f"{worth:.2f} {self._account.equity_asset}, allowed {most}",
        )

    def _scope(
        self,
        scope: Scope,
        intent: OrderIntent,
        instrument: Instrument,
        reach: Decimal,
        unit: Decimal,
        added: Added,
    ) -> Denial | None:
        """Judge a scope's position and sums as they would be with the order open."""
        limits, cap = scope.limits, scope.gross_cap
        most, size = limits.max_position_notional, limits.max_position_size
        if (most is not None and reach * unit > most) or (size is not None and reach > size):
            return self._position(scope, intent, instrument, reach, unit)
        if cap is not None and (scope.unvalued or scope.gross + added.gross > cap):
            return self._gross(scope, scope.gross + added.gross)
        most = limits.max_net_exposure
        if most is not None:
            worth = (scope.long if intent.side is _BUY else -scope.short) + added.net
            if worth > most:
                return self._beyond(scope, "max_net_exposure", worth * intent.side.sign, most)
        most = limits.max_correlated_exposure
        if most is not None:
            worth = scope.norm + scope.drift + scope.pending + added.pending
            if worth > most:
                return self._beyond(scope, "max_correlated_exposure", worth, most)
        return None

    def _beyond(self, scope: Scope, name: str, worth: Decimal, most: Decimal) -> Denial:
        what = name.removeprefix("max_").replace("_", " ")
        asset = self._account.equity_asset
        return Denial(
            f"{scope.prefix}{name}", f"{what} could reach {worth:.2f} {asset}, {most} allowed"
        )

    def _gross(self, scope: Scope, gross: Decimal) -> Denial:
        """Say which of the limits on gross exposure is broken."""
        asset, most = self._account.equity_asset, scope.limits.max_gross_exposure
        if scope.unvalued:
            rule = "max_leverage" if most is None else "max_gross_exposure"
            name = next(iter(scope.unvalued))
            return Denial(f"{scope.prefix}{rule}", f"{name} cannot be valued in {asset} now")
        if most is not None and gross > most:
            return Denial(
                f"{scope.prefix}max_gross_exposure",
                f"exposure could reach {gross:.2f} {asset}, {most} allowed",
            )
        equity, times = scope.equity or _ZERO, "no end"
        if equity > 0:
            times = f"{gross / equity:.2f}"
        return Denial(
            f"{scope.prefix}max_leverage",
            f"leverage could reach {times} of {equity:.2f} {asset}, {scope.limits.max_leverage} "
            "allowed",
        )

    @staticmethod
    def _near(stack: Stack) -> Denial | None:
        for scope in stack.scopes:
            least, near = scope.limits.min_liquidation_pct, scope.nearest
            if least is not None and near is not None and near < least:
                return Denial(
                    f"{scope.prefix}min_liquidation_pct",
                    f"a position is {near:.2f} % from its liquidation, at least {least} % is "
                    "allowed",
                )
        return None


def _at_most(line: Line, more: Decimal, unit: Decimal, worth: Decimal) -> Decimal | None:
    """Return the most that any sum of a line can grow by; None: the line has no value.

    Where the order's price is above the line's, all that stands there counts for more by that.
    """
    if line.unit is None:
        return None
    if unit <= line.unit:
        return more * line.unit
    return worth + (unit - line.unit) * (abs(line.size) + line.buys + line.sells)


def _share_fits(scope: Scope, mine: Line, intent: OrderIntent, unit: Decimal) -> bool:
    """Return whether a strategy's share stays within its limits at first sight."""
    added = _at_most(mine, intent.size, unit, intent.size * unit)
    if added is None or added >= scope.least_room():
        return False
    reach = mine.reach(intent.side, intent.size)
    most, most_worth = scope.limits.max_position_size, scope.limits.max_position_notional
    return (most is None or reach <= most) and (most_worth is None or reach * unit <= most_worth)


def added_by(line: Line, intent: OrderIntent, unit: Decimal) -> Added:
    """Return by how much an order may raise the sums of the line it is in."""
    size, buys, sells, more = line.size, line.buys, line.sells, intent.size
    if intent.side is _BUY:
        buys += more
        opens = size + buys if size < 0 else buys
        net = (size + buys) * unit - line.long
    else:
        sells += more
        opens = sells - size if size > 0 else sells
        net = (sells - size) * unit + line.short
    gross = max(size + buys, sells - size) * unit - line.gross
    pending = opens * unit - line.pending
    return Added(
        gross if gross > 0 else _ZERO,
        net,
        pending if pending > 0 else _ZERO,
    )


def lost(scope: Scope, now_ns: int) -> Denial | None:
    """Return the loss limit of a scope that is used up, None while all hold."""
    limits = scope.limits
    most = limits.max_daily_loss
    if most is not None and -scope.day_pnl >= most:
        return Denial(
            f"{scope.prefix}max_daily_loss", f"lost {-scope.day_pnl:.2f} today, allowed {most}"
        )
    most = limits.max_drawdown
    if most is not None and scope.drawdown >= most:
        return Denial(
            f"{scope.prefix}max_drawdown",
            f"lost {scope.drawdown:.2f} since the peak, {most} allowed",
        )
    most = limits.max_drawdown_pct
    if most is not None and (share := scope.drawdown_pct) >= most:
        return Denial(
            f"{scope.prefix}max_drawdown_pct",
            f"lost {share:.2f} % of equity since the peak, {most} % allowed",
        )
    if limits.max_loss_streak is not None and scope.rests(now_ns):
        until = dt.datetime.fromtimestamp((scope.last_loss_ns + scope.cool_down_ns) / 1e9, dt.UTC)
        return Denial(
            f"{scope.prefix}max_loss_streak",
            f"{scope.streak} losses in a row, {limits.max_loss_streak} allowed; entries go again "
            f"at {until:%H:%M:%S} UTC",
        )
    return None
