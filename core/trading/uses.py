"""Every limit as a bar: how much of it is used, per scope."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from core.model.accounts import LimitUse
from core.model.market import Side
from core.model.orders import Order
from core.model.settings import LimitSettings
from core.trading.books import Books
from core.trading.exposure import Line
from core.trading.judging import Judge
from core.trading.limits import Scope

_ZERO: Final = Decimal(0)


class Uses:
    """Reads the sums of every scope."""

    def __init__(self, books: Books, judge: Judge) -> None:
        self._books = books
        self._judge = judge

    def all(self, monotonic_ns: int) -> tuple[LimitUse, ...]:
        """Return every limit that is set, those of everything first."""
        sizes, worths = self._largest_orders()
        found: list[LimitUse] = []
        for scope in self._books.scopes:
            figures = _Figures(scope, self._judge, monotonic_ns, self._books.account.equity_asset)
            figures.order_size = sizes.get(scope.name, _ZERO)
            figures.order_worth = worths.get(scope.name, _ZERO)
            found += figures.uses()
        return tuple(found)

    def _largest_orders(self) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
        """Return the largest size and worth of an open order in each scope, by its name."""
        sizes: dict[str, Decimal] = {}
        worths: dict[str, Decimal] = {}
        for tracked in self._books.orders.open():
            order = tracked.order
            intent = order.intent
            worth = self._worth(order)
            for scope in self._books.scopes.of(
                intent.instrument_id, order.venue, intent.strategy_id
            ):
                sizes[scope.name] = max(sizes.get(scope.name, _ZERO), intent.size)
                worths[scope.name] = max(worths.get(scope.name, _ZERO), worth)
        return sizes, worths

    def _worth(self, order: Order) -> Decimal:
        """Return what an order is worth at its price, or at the market."""
        unit = self._books.exposure.unit_at(
            order.intent.instrument_id, order.intent.price or order.intent.trigger_price
        )
        return _ZERO if unit is None else order.intent.size * unit


class _Figures:
    """How much of one scope's limits is used."""

    def __init__(self, scope: Scope, judge: Judge, monotonic_ns: int, asset: str) -> None:
        self._scope = scope
        self._judge = judge
        self._now_ns = monotonic_ns
        self._asset = asset
        self.order_size = _ZERO
        self.order_worth = _ZERO

    def uses(self) -> Iterator[LimitUse]:
        """Yield each limit that is set."""
        scope = self._scope
        for name, (used, unit) in self._used().items():
            allowed = getattr(scope.limits, name)
            if allowed is None:
                continue
            yield LimitUse(
                rule=f"{scope.prefix}{name}",
                used=used,
                allowed=Decimal(str(allowed)),
                unit=unit,
                scope=scope.name,
                least=name.startswith("min_"),
            )

    def _used(self) -> dict[str, tuple[Decimal, str]]:
        scope, asset, limits = self._scope, self._asset, self._scope.limits
        latest = self._judge.latest
        mine = scope in latest.scopes
        size, worth = _largest_position(scope, limits)
        return {
            "max_order_size": (self.order_size, ""),
            "max_order_notional": (self.order_worth, asset),
            "max_position_size": (size, ""),
            "max_position_notional": (worth, asset),
            "max_gross_exposure": (scope.gross, asset),
            "max_net_exposure": (max(scope.long, -scope.short, _ZERO), asset),
            "max_leverage": (_over(scope.gross, scope.equity), "x"),
            "max_correlated_exposure": (scope.norm + scope.drift + scope.pending, asset),
            "max_open_orders": (Decimal(scope.open_orders), "orders"),
            "max_orders_per_second": (Decimal(scope.orders.count(self._now_ns)), "orders/s"),
            "max_messages_per_second": (Decimal(scope.messages.count(self._now_ns)), "messages/s"),
            "max_daily_loss": (max(-scope.day_pnl, _ZERO), asset),
            "max_drawdown": (scope.drawdown, asset),
            "max_drawdown_pct": (scope.drawdown_pct, "%"),
            "max_loss_streak": (Decimal(scope.streak), "losses"),
            "price_band_pct": (latest.away_pct if mine else _ZERO, "% (newest order)"),
            "max_book_share_pct": (latest.book_share_pct if mine else _ZERO, "% (newest order)"),
            "min_liquidation_pct": (Decimal(100) if scope.nearest is None else scope.nearest, "%"),
            "max_clock_skew_ms": (Decimal(self._judge.worst_skew_ms()), "ms"),
            "min_confidence": (Decimal(str(latest.confidence if mine else 1.0)), ""),
        }


def _largest_position(scope: Scope, limits: LimitSettings) -> tuple[Decimal, Decimal]:
    """Return the largest position that open orders may lead to: its size and its worth."""
    if limits.max_position_size is None and limits.max_position_notional is None:
        return _ZERO, _ZERO
    size = worth = _ZERO
    for lines in scope.lines.values():
        reach = _reach(lines)
        size = max(size, reach)
        worth = max(worth, reach * (lines[0].unit or _ZERO))
    return size, worth


def _reach(lines: list[Line]) -> Decimal:
    zero = _ZERO
    up = sum((line.reach(Side.BUY) for line in lines), zero)
    down = sum((line.reach(Side.SELL) for line in lines), zero)
    return max(up, down)


def _over(worth: Decimal, equity: Decimal | None) -> Decimal:
    return round(worth / equity, 4) if equity is not None and equity > 0 else _ZERO
