"""Every limit as a bar: how much of it is used, per scope."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final, NamedTuple

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
        latest, skew_ms = self._judge.latest, self._judge.worst_skew_ms()
        for scope in self._books.scopes:
            mine = scope in latest.scopes
            asked = Asked(
                asset=self._books.account.equity_asset,
                size=sizes.get(scope.name, _ZERO),
                worth=worths.get(scope.name, _ZERO),
                away_pct=latest.away_pct if mine else _ZERO,
                book_share_pct=latest.book_share_pct if mine else _ZERO,
                confidence=latest.confidence if mine else 1.0,
                skew_ms=skew_ms,
            )
            size, worth = _largest_position(scope, scope.limits)
            found += bars_of(sums_of(scope, monotonic_ns, size, worth), asked)
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


class Sums(NamedTuple):
    """What one scope's limits look at, as it stood at one moment."""

    scope: Scope
    size: Decimal
    """The largest position that open orders may lead to."""
    worth: Decimal
    """What it would be worth."""
    gross: Decimal
    net: Decimal
    equity: Decimal | None
    correlated: Decimal
    open_orders: int
    orders: int
    """In the last second."""
    messages: int
    day_lost: Decimal
    drawdown: Decimal
    drawdown_pct: Decimal
    streak: int
    nearest: Decimal | None


class Asked(NamedTuple):
    """What limits look at that is of one order, or of the market."""

    asset: str
    size: Decimal
    worth: Decimal
    away_pct: Decimal
    book_share_pct: Decimal
    confidence: float
    skew_ms: int
    newest: str = " (newest order)"
    """Said of what only the newest order tells."""


def sums_of(scope: Scope, monotonic_ns: int, size: Decimal, worth: Decimal) -> Sums:
    """Return a scope's sums as they are now, with this for its largest position."""
    return Sums(
        scope,
        size,
        worth,
        scope.gross,
        max(scope.long, -scope.short, _ZERO),
        scope.equity,
        scope.norm + scope.drift + scope.pending,
        scope.open_orders,
        scope.orders.count(monotonic_ns),
        scope.messages.count(monotonic_ns),
        max(-scope.day_pnl, _ZERO),
        scope.drawdown,
        scope.drawdown_pct,
        scope.streak,
        scope.nearest,
    )


def bars_of(sums: Sums, asked: Asked) -> Iterator[LimitUse]:
    """Yield each limit that the scope sets, with how much of it is used."""
    scope = sums.scope
    for name, (used, unit) in _used(sums, asked).items():
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


def _used(sums: Sums, asked: Asked) -> dict[str, tuple[Decimal, str]]:
    asset, near = asked.asset, sums.nearest
    return {
        "max_order_size": (asked.size, ""),
        "max_order_notional": (asked.worth, asset),
        "max_position_size": (sums.size, ""),
        "max_position_notional": (sums.worth, asset),
        "max_gross_exposure": (sums.gross, asset),
        "max_net_exposure": (sums.net, asset),
        "max_leverage": (_over(sums.gross, sums.equity), "x"),
        "max_correlated_exposure": (sums.correlated, asset),
        "max_open_orders": (Decimal(sums.open_orders), "orders"),
        "max_orders_per_second": (Decimal(sums.orders), "orders/s"),
        "max_messages_per_second": (Decimal(sums.messages), "messages/s"),
        "max_daily_loss": (sums.day_lost, asset),
        "max_drawdown": (sums.drawdown, asset),
        "max_drawdown_pct": (sums.drawdown_pct, "%"),
        "max_loss_streak": (Decimal(sums.streak), "losses"),
        "price_band_pct": (asked.away_pct, f"%{asked.newest}"),
        "max_book_share_pct": (asked.book_share_pct, f"%{asked.newest}"),
        "min_liquidation_pct": (Decimal(100) if near is None else near, "%"),
        "max_clock_skew_ms": (Decimal(asked.skew_ms), "ms"),
        "min_confidence": (Decimal(str(asked.confidence)), ""),
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
