"""What the engine tells everybody: facts, numbered in the order they happen."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Literal

from core.model.signals import Signal
from core.model.views import Alert, AlertRaised, Fact, SignalRaised

MAX_SIGNALS = 200
MAX_ALERTS = 100
_REPEAT_NS = 60_000_000_000


class FactLog:
    """Numbers facts, hands them on, and keeps the newest signals and alerts for snapshots."""

    def __init__(self) -> None:
        self.seq = 0
        """The number of the last fact."""
        self.signals: deque[Signal] = deque(maxlen=MAX_SIGNALS)
        self.alerts: deque[Alert] = deque(maxlen=MAX_ALERTS)
        self._sinks: list[Callable[[int, Fact], None]] = []
        self._raised: dict[tuple[str, str], int] = {}

    def on_fact(self, sink: Callable[[int, Fact], None]) -> int:
        """Have every fact from now on given to `sink`; return the last fact's number so far."""
        self._sinks.append(sink)
        return self.seq

    def emit(self, fact: Fact, *, anew: bool = False) -> None:
        """Tell a fact; it is the next one.

        With `anew` a number is left out before it: more has changed than facts told, so whoever
        followed so far must start from a snapshot.
        """
        self.seq += 2 if anew else 1
        if isinstance(fact, AlertRaised):
            self.alerts.append(fact.alert)
        elif isinstance(fact, SignalRaised):
            self.signals.append(fact.signal)
        for sink in self._sinks:
            sink(self.seq, fact)

    def alert(
        self,
        level: Literal["info", "warning", "error"],
        source: str,
        text: str,
        ts_ns: int,
        *,
        topic: str = "",
    ) -> None:
        """Raise an alert; the same source and topic (or text) at most once a minute."""
        key = (source, topic or text)
        last = self._raised.get(key)
        if last is not None and ts_ns - last < _REPEAT_NS:
            return
        if len(self._raised) > 10 * MAX_ALERTS:
            self._raised.clear()
        self._raised[key] = ts_ns
        self.emit(AlertRaised(alert=Alert(ts_ns=ts_ns, level=level, source=source, text=text)))
