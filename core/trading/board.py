"""What the desk shows its clients: orders, fills, positions, the account and alerts, as facts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from core.model.accounts import LimitUse, Position, PositionKey
from core.model.executors import ExecutorView
from core.model.orders import Order, OrderState
from core.model.ports import Clock
from core.model.views import (
    AccountChanged,
    Alert,
    AlertRaised,
    ExecutorChanged,
    Fact,
    FillAdded,
    OrderChanged,
    PositionChanged,
)
from core.trading.books import Books
from core.trading.orders import Applied
from core.trading.states import Verdict

AlertLevel = Literal["info", "warning", "error"]


class Board:
    """Emits facts, each only when it says something new."""

    def __init__(
        self,
        books: Books,
        limits: Callable[[], tuple[LimitUse, ...]],
        clock: Clock,
        emit: Callable[[Fact], None],
    ) -> None:
        self.status_version = 0
        """Grows when risk state, arming or journal health changed."""
        self.account_dirty = False
        """Balances, equity or limits may have changed since they were last shown."""
        self._books = books
        self._limits = limits
        self._clock = clock
        self._emit = emit
        self._positions: dict[PositionKey, Position] = {}
        self._account: AccountChanged | None = None
        self._executors: dict[str, ExecutorView] = {}

    def announce(self, applied: Applied | None) -> None:
        """Tell what an event did; money moved is shown at once, holds with the next timer."""
        if applied is None:
            return
        for fill in applied.fills:
            self._emit(FillAdded(fill=fill))
        if applied.order is not None and applied.order != applied.before:
            self._emit(OrderChanged(order=applied.order))
            self.account_dirty = True
        if applied.order is not None and _became_unknown(applied.before, applied.order):
            text = f"order {applied.order.id}: its outcome is unknown, the venue is being asked"
            self.alert("warning", f"{text} ({applied.order.note})")
        if applied.problem:
            self.alert("info" if applied.verdict is Verdict.LATE else "error", applied.problem)
        if applied.fills:
            fill = applied.fills[0]
            account = self._books.account
            self._show(account.position(fill.instrument_id, fill.position_side, fill.venue))
            self.account_dirty = True
            self.show_account()

    def show_positions(self) -> None:
        """Show every position that is not as it was shown last."""
        for position in self._books.account.positions():
            self._show(position)

    def show_account(self) -> None:
        """Show balances, equity, the day's profit and limits, if they may have changed."""
        if not self.account_dirty:
            return
        self.account_dirty = False
        account = AccountChanged(
            balances=self._books.balances(),
            equity=self._books.account.equity(),
            day_pnl=self._books.account.day_pnl(),
            limits=self._limits(),
        )
        if account != self._account:
            self._account = account
            self._emit(account)

    def show_executor(self, view: ExecutorView) -> None:
        """Show how far an executor is, if it is further than shown."""
        if self._executors.get(view.plan.id) != view:
            self._executors[view.plan.id] = view
            self._emit(ExecutorChanged(executor=view))

    def alert(self, level: AlertLevel, text: str) -> None:
        """Raise an alert in the trading core's name."""
        alert = Alert(ts_ns=self._clock.now_ns(), level=level, source="trading", text=text)
        self._emit(AlertRaised(alert=alert))

    def _show(self, position: Position) -> None:
        if self._positions.get(position.key) != position:
            self._positions[position.key] = position
            self._emit(PositionChanged(position=position))


def _became_unknown(before: Order | None, after: Order) -> bool:
    was = before.state if before is not None else None
    return after.state is OrderState.UNKNOWN and was is not OrderState.UNKNOWN
