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
from core.model.orders import OrderIntent
from core.model.ports import MarketDetail, Marks
from core.model.settings import RiskSettings
from core.trading.account import Account
from core.trading.exposure import Exposure, Key, Line
from core.trading.form import Denial
from core.trading.ledger import EXACT
from core.trading.limits import Scope, Scopes
from core.trading.resting import Resting

_ZERO: Final = Decimal(0)
_HUNDRED: Final = Decimal(100)


class Latest(NamedTuple):
    """What the newest entry looked like, for those limits that nothing standing uses."""

    scopes: tuple[Scope, ...] = ()
    away_pct: Decimal = _ZERO
    book_share_pct: Decimal = _ZERO
    confidence: float = 1.0


class Judge:
    """Says which limit an entry would break."""

    def __init__(
        self,
        risk: RiskSettings,
        scopes: Scopes,
        exposure: Exposure,
        resting: Resting,
        account: Account,
        marks: Marks,
    ) -> None:
        self._risk = risk
        self._scopes = scopes
        self._exposure = exposure
        self._resting = resting
        self._account = account
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

    def losses(
        self, scopes: tuple[Scope, ...], instrument: Instrument, now_ns: int
    ) -> Denial | None:
        """Judge what was lost so far."""
        self._exposure.revalue(instrument.id)
        for scope in scopes:
            if scope.judges_loss:
                denial = lost(scope, now_ns)
                if denial is not None:
                    return denial
        return None

    def flow(
        self, scopes: tuple[Scope, ...], instrument: Instrument, monotonic_ns: int
    ) -> Denial | None:
        """Judge rates, counts, and the venue's clock."""
        skew = abs(self.skew_ms.get(instrument.venue, 0)) if self.skew_ms else 0
        for scope in scopes:
            limits = scope.limits
            most = limits.max_orders_per_second
            if most is not None and (sent := scope.orders.count(monotonic_ns)) >= most:
                return Denial(
                    f"{scope.prefix}max_orders_per_second",
                    f"{sent} orders in the last second, allowed {most}",
                )
            most = limits.max_messages_per_second
            if most is not None and (sent := scope.messages.count(monotonic_ns)) >= most:
                return Denial(
                    f"{scope.prefix}max_messages_per_second",
                    f"{sent} messages in the last second, {most} allowed",
                )
            most = limits.max_open_orders
            if most is not None and scope.open_orders >= most:
                return Denial(
                    f"{scope.prefix}max_open_orders",
                    f"{scope.open_orders} orders open, allowed {most}",
                )
            most = limits.max_clock_skew_ms
            if most is not None and skew > most:
                return Denial(
                    f"{scope.prefix}max_clock_skew_ms",
                    f"the clock of {instrument.venue} is {skew} ms off, {most} allowed",
                )
        return None

    def size(
        self,
        scopes: tuple[Scope, ...],
        intent: OrderIntent,
        instrument: Instrument,
        venue: VenueName,
        price: Decimal | None,
    ) -> Denial | None:
        """Judge the order, what it may make of positions, and of all of them together."""
        unit = None if price is None else self._exposure.unit_worth(instrument, price)
        if unit is None:
            return Denial(
                "risk.max_order_notional",
                f"{instrument.id} cannot be valued in {self._account.equity_asset} without a "
                "market price",
            )
        worth = EXACT.multiply(intent.size, unit)
        key = Key(intent.instrument_id, intent.position_side, venue)
        line = self._exposure.line(key)
        for scope in scopes:
            denial = self._order(scope, intent, worth) if scope.judges_order else None
            if denial is not None:
                return denial
            if scope.limits.max_position_size is not None or (
                scope.limits.max_position_notional is not None
            ):
                denial = self._position(scope, intent, instrument, max(unit, line.unit or unit))
                if denial is not None:
                    return denial
            if scope.judges_exposure:
                own = line
                if scope.name.startswith("strategies."):
                    own = self._exposure.line(key._replace(strategy_id=intent.strategy_id))
                denial = self._together(scope, intent, own, max(unit, line.unit or unit))
                if denial is not None:
                    return denial
            least = scope.limits.min_liquidation_pct
            if least is not None and scope.nearest is not None and scope.nearest < least:
                return Denial(
                    f"{scope.prefix}min_liquidation_pct",
                    f"a position is {scope.nearest:.2f} % from its liquidation, at least {least} "
                    "% is allowed",
                )
        return None

    def against_book(
        self, scopes: tuple[Scope, ...], intent: OrderIntent, instrument: Instrument
    ) -> Denial | None:
        """Judge the order's price by the market, and its size by what the book shows."""
        mid = self._account.mid(instrument)
        away = _ZERO
        if intent.price is not None:
            around, what = mid, "mid"
            if intent.type.conditional:
                around, what = intent.trigger_price, "trigger"
            if around:
                away = abs(intent.price - around) / around * _HUNDRED
                for scope in scopes:
                    most = scope.limits.price_band_pct
                    if most is not None and away > most:
                        return Denial(
                            f"{scope.prefix}price_band_pct",
                            f"price {intent.price} is {away:.2f} % from the {what} {around}, "
                            f"allowed {most} %",
                        )
        share, denial = _ZERO, None
        if mid and not intent.type.conditional:
            share, denial = self._book_share(scopes, intent, instrument, mid)
        self.latest = Latest(scopes, away, share, intent.confidence)
        return denial or self._self_trade(scopes, intent)

    def _book_share(
        self,
        scopes: tuple[Scope, ...],
        intent: OrderIntent,
        instrument: Instrument,
        mid: Decimal,
    ) -> tuple[Decimal, Denial | None]:
        """Compare the size with what the other side shows within the price band."""
        tightest: Scope | None = None
        least = most = _ZERO
        for scope in scopes:
            allowed = scope.limits.max_book_share_pct
            if allowed is not None and (tightest is None or allowed < least):
                tightest, least = scope, allowed
        if tightest is None or self._detail is None:
            return _ZERO, None
        lots = int(intent.size / instrument.size_lot)
        enough = int(lots * _HUNDRED / least) + 1
        most = self._risk.price_band_pct / _HUNDRED
        to = mid * (1 + most if intent.side is Side.BUY else 1 - most)
        shown = self._detail.shown_lots(
            instrument.id, intent.side.opposite, int(to / instrument.price_tick), enough
        )
        if shown is None or shown >= enough:
            return (_ZERO if shown is None else lots * _HUNDRED / shown), None
        share = lots * _HUNDRED / shown if shown else _HUNDRED * _HUNDRED
        if share <= least:
            return share, None
        return share, Denial(
            f"{tightest.prefix}max_book_share_pct",
            f"{intent.size} asked, the book shows {instrument.size(shown)} within "
            f"{self._risk.price_band_pct} %: {share:.0f} %, {least} % allowed",
        )

    def _self_trade(self, scopes: tuple[Scope, ...], intent: OrderIntent) -> Denial | None:
        for scope in reversed(scopes):
            said = scope.limits.self_trade
            if said is None:
                continue
            met = self._resting.meets(intent) if said == "deny" else None
            if met is None:
                return None
            return Denial(
                f"{scope.prefix}self_trade",
                f"it would trade with our own {intent.side.opposite} order at {met}; cancel that "
                "first",
            )
        return None

    def _order(self, scope: Scope, intent: OrderIntent, worth: Decimal) -> Denial | None:
        limits = scope.limits
        size = limits.max_order_size
        if size is not None and intent.size > size:
            return Denial(f"{scope.prefix}max_order_size", f"{intent.size} asked, {size} allowed")
        most = limits.max_order_notional
        if most is not None and worth > most:
            return Denial(
                f"{scope.prefix}max_order_notional",
                f"order is worth {worth:.2f} {self._account.equity_asset}, allowed {most}",
            )
        least = limits.min_confidence
        if least is not None and intent.strategy_id is not None and intent.confidence < least:
            return Denial(
                f"{scope.prefix}min_confidence",
                f"the strategy's confidence is {intent.confidence:g}, at least {least:g} is needed",
            )
        return None

    def _position(
        self, scope: Scope, intent: OrderIntent, instrument: Instrument, unit: Decimal
    ) -> Denial | None:
        reach = intent.size
        for line in scope.lines.get(intent.instrument_id, ()):
            reach += line.reach(intent.side)
        size, most = scope.limits.max_position_size, scope.limits.max_position_notional
        if size is not None and reach > size:
            return Denial(
                f"{scope.prefix}max_position_size",
                f"position could reach {reach * intent.side.sign}, {size} allowed",
            )
        worth = EXACT.multiply(max(reach, _ZERO), unit)
        if most is not None and worth > most:
            return Denial(
                f"{scope.prefix}max_position_notional",
                f"position could reach {reach * intent.side.sign} {instrument.base} worth "
                f"{worth:.2f} {self._account.equity_asset}, allowed {most}",
            )
        return None

    def _together(
        self, scope: Scope, intent: OrderIntent, line: Line, unit: Decimal
    ) -> Denial | None:
        """Judge the sums of a scope as they would be with the order open."""
        limits, asset = scope.limits, self._account.equity_asset
        if scope.unvalued:
            name = next(iter(scope.unvalued))
            return Denial(
                f"{scope.prefix}max_gross_exposure", f"{name} cannot be valued in {asset} now"
            )
        buys = intent.side is Side.BUY
        more = intent.size
        gross, long, short, pending = line.valued(
            unit, line.buys + more if buys else line.buys, line.sells if buys else line.sells + more
        )
        gross = scope.gross - line.gross + gross
        most = limits.max_gross_exposure
        if most is not None and gross > most:
            return Denial(
                f"{scope.prefix}max_gross_exposure",
                f"exposure could reach {gross:.2f} {asset}, {most} allowed",
            )
        most = limits.max_net_exposure
        if most is not None:
            net = scope.long - line.long + long if buys else line.short - scope.short - short
            if net > most:
                signed = net * intent.side.sign
                return Denial(
                    f"{scope.prefix}max_net_exposure",
                    f"net exposure could reach {signed:.2f} {asset}, {most} allowed",
                )
        most = limits.max_leverage
        if most is not None and scope.equity is not None and gross > most * scope.equity:
            times = f"{gross / scope.equity:.2f}" if scope.equity > 0 else "no end"
            return Denial(
                f"{scope.prefix}max_leverage",
                f"leverage could reach {times} of {scope.equity:.2f} {asset}, {most} allowed",
            )
        most = limits.max_correlated_exposure
        if most is not None:
            worth = scope.norm + scope.drift + scope.pending - line.pending + pending
            if worth > most:
                return Denial(
                    f"{scope.prefix}max_correlated_exposure",
                    f"correlated exposure could reach {worth:.2f} {asset}, {most} allowed",
                )
        return None


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
    if most is not None and scope.peak > scope.pnl and (share := scope.drawdown_pct) >= most:
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
