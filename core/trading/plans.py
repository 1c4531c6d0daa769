"""The plans of executors as the journal has them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from core.model.executors import ExecutorEnded, ExecutorPaused, ExecutorPlan, ExecutorStarted

_KEPT: Final = 1_000
"""Plans remembered; the oldest ended ones give way."""


@dataclass(slots=True)
class Run:
    """One plan and what became of it."""

    plan: ExecutorPlan
    ended: str = ""
    """Why it ended, empty while it runs."""
    paused_ns: int = 0
    """Since when it is paused, 0: it is not."""
    pauses: list[tuple[int, int]] = field(default_factory=list)
    """From when to when it was."""

    def own_ns(self, ts_ns: int) -> int:
        """Return a time as the plan counts it: pauses never were."""
        if self.paused_ns:
            ts_ns = min(ts_ns, self.paused_ns)
        gone = sum(max(0, min(ts_ns, to_ns) - from_ns) for from_ns, to_ns in self.pauses)
        return ts_ns - gone

    def take(self, record: ExecutorPaused | ExecutorEnded) -> None:
        """Follow a record of the journal."""
        if isinstance(record, ExecutorEnded):
            self.ended, self.paused_ns = record.reason, 0
        elif record.paused:
            self.paused_ns = self.paused_ns or record.ts_ns
        elif self.paused_ns:
            self.pauses.append((self.paused_ns, record.ts_ns))
            self.paused_ns = 0


def remember(
    executors: dict[str, Run], record: ExecutorStarted | ExecutorPaused | ExecutorEnded
) -> None:
    """Take a record of the journal into the plans there are; the oldest ended give way."""
    if isinstance(record, ExecutorStarted):
        executors.setdefault(record.plan.id, Run(record.plan))
    elif record.executor_id in executors:
        executors[record.executor_id].take(record)
    if len(executors) > _KEPT:
        gone = next((name for name, run in executors.items() if run.ended), None)
        if gone is not None:
            del executors[gone]
