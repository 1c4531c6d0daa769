"""What was lost: the day's profit, peaks and drawdowns, looked at once a second."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from core.model.errors import ConfigError
from core.model.facts import DayOpened, JournalRecord, PeakReached
from core.trading.account import DAY_NS
from core.trading.board import Board
from core.trading.books import Books
from core.trading.judging import lost
from core.trading.killing import KillSwitch
from core.trading.limits import Scope

_MARKS_PATIENCE_NS: Final = 60_000_000_000
"""How long a new day waits for a market to value every open position at."""
_PEAK_NS: Final = 60_000_000_000
"""A rising peak is written down at most this often; a crash forgets no more of it."""


class LossWatch:
    """Opens days, writes peaks down, and lets only exits through when a limit of all is used up."""

    def __init__(
        self,
        books: Books,
        record: Callable[[JournalRecord], None],
        switch: KillSwitch,
        board: Board,
    ) -> None:
        self._books = books
        self._record = record
        self._switch = switch
        self._board = board
        self._day_due_ns = 0
        self._told: set[str] = set()
        """Rules whose breach was told."""

    def look(self, now_ns: int) -> None:
        """Value everything anew, and act on it."""
        self._books.exposure.refresh()
        if self._books.account.marked():
            self._note_peaks(now_ns)
        self._roll_day(now_ns)
        self._check(now_ns)

    def check_resumable(self) -> None:
        """Refuse to resume while the day's loss is beyond its limit.

        Raises:
            ConfigError: It is; says what to do.
        """
        account, total = self._books.account, self._books.scopes.total
        loss, allowed = -account.day_pnl(), total.limits.max_daily_loss
        if allowed is not None and loss >= allowed:
            raise ConfigError(
                f"cannot resume: lost {loss:.2f} {account.equity_asset} today, "
                f"allowed {allowed} (risk.max_daily_loss); raise it, or wait for 00:00 UTC"
            )

    def resumed(self, now_ns: int) -> None:
        """Count drawdowns anew: somebody who saw them lets entries through again."""
        self._books.exposure.refresh()
        deep = [scope for scope in self._books.scopes if _drawn_down(scope)]
        if deep:
            self._write({scope.name: scope.pnl for scope in deep}, now_ns)
        self._told.clear()

    def _note_peaks(self, now_ns: int) -> None:
        news: dict[str, Decimal] = {}
        for scope in self._books.scopes:
            limits = scope.limits
            if scope.name and limits.max_drawdown is None and limits.max_drawdown_pct is None:
                continue
            if scope.told_peak is None:
                news[scope.name] = scope.peak = scope.pnl
            elif scope.pnl > scope.peak:
                scope.peak = scope.pnl
            rose = scope.told_peak is not None and scope.peak > scope.told_peak
            if rose and now_ns - scope.told_peak_ns >= _PEAK_NS:
                news[scope.name] = scope.peak
        if news:
            self._write(news, now_ns)

    def _write(self, peaks: dict[str, Decimal], now_ns: int) -> None:
        asset = self._books.account.equity_asset
        self._record(PeakReached(profits=peaks, asset=asset, ts_ns=now_ns))

    def _roll_day(self, now_ns: int) -> None:
        account = self._books.account
        if now_ns // DAY_NS * DAY_NS <= account.day_start_ns:
            self._day_due_ns = 0
            return
        self._day_due_ns = self._day_due_ns or now_ns
        if account.marked() or now_ns - self._day_due_ns >= _MARKS_PATIENCE_NS:
            self._day_due_ns = 0
            first = not account.day_start_ns
            self._record(
                DayOpened(
                    total_pnl=Decimal(0) if first else account.total_pnl(),
                    asset=account.equity_asset,
                    ts_ns=now_ns,
                    parts={
                        scope.name: Decimal(0) if first else scope.pnl
                        for scope in self._books.scopes
                        if scope.name
                    },
                )
            )
            self._told.clear()

    def _check(self, now_ns: int) -> None:
        asset = self._books.account.equity_asset
        for scope in self._books.scopes:
            denial = lost(scope, now_ns)
            if denial is None or denial.rule in self._told:
                continue
            self._told.add(denial.rule)
            if not scope.name and not denial.rule.endswith("max_loss_streak"):
                words = denial.reason.replace(" today", f" {asset} today")
                self._switch.reduce(f"{denial.rule}: {words}", "error")
            else:
                self._board.alert("warning", f"{denial.rule}: {denial.reason}; exits go on")


def _drawn_down(scope: Scope) -> bool:
    limits = scope.limits
    most, share = limits.max_drawdown, limits.max_drawdown_pct
    return (most is not None and scope.drawdown >= most) or (
        share is not None and scope.drawdown_pct >= share
    )
