"""The engine in one line, told to clients when it changes."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

import msgspec

from core.engine.factlog import FactLog
from core.model.views import EngineStatus, Mode, StatusChanged
from core.trading.desk import TradingDesk

_COUNTS_NS: Final = 5_000_000_000
"""How often clients are told new counts when nothing else changed."""
_COUNTS: Final = ("frames", "events", "rejected_frames", "tape_dropped")


class StatusLine:
    """Keeps the counts and the phase; the rest is the trading desk's."""

    def __init__(
        self,
        desk: TradingDesk,
        log: FactLog,
        *,
        session: str,
        version: str,
        mode: Mode,
        started_ns: int,
    ) -> None:
        self.frames = 0
        self.events = 0
        self.rejected = 0
        self.clients = 0
        self.phase = "starting"
        """``starting: what``, ``reconciling``, ``running``, ``stopping``."""
        self.tape_dropped: Callable[[], int] = _none
        self.straight: Callable[[], int] = _none
        """Market events that were taken without being told."""
        self._desk = desk
        self._log = log
        self._fixed = EngineStatus(
            session=session,
            version=version,
            pid=os.getpid(),
            mode=mode,
            started_ns=started_ns,
            phase=self.phase,
            risk_state=desk.risk_state(),
        )
        self._shown = self._fixed
        self._shown_ns = 0

    def now(self) -> EngineStatus:
        """Return the line as it is now."""
        return msgspec.structs.replace(
            self._fixed,
            phase=self.phase,
            risk_state=self._desk.risk_state(),
            risk_reason=self._desk.risk_reason(),
            journal_ok=self._desk.journal_ok(),
            armed=self._desk.armed(),
            clients=self.clients,
            frames=self.frames,
            events=self.events + self.straight(),
            rejected_frames=self.rejected,
            tape_dropped=self.tape_dropped(),
        )

    def tell(self, now_ns: int) -> None:
        """Tell clients what changed; mere counts seldom, and only when somebody is there."""
        status, shown = self.now(), self._shown
        if status == shown:
            return
        counts = {name: getattr(status, name) for name in _COUNTS}
        if status == msgspec.structs.replace(shown, **counts) and (
            not self.clients or 0 <= now_ns - self._shown_ns < _COUNTS_NS
        ):
            return
        self._shown, self._shown_ns = status, now_ns
        self._log.emit(StatusChanged(status=status))


def _none() -> int:
    return 0
