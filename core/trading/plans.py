"""The plans of executors as the journal has them."""

from __future__ import annotations

from typing import Final

from core.model.executors import ExecutorEnded, ExecutorPlan, ExecutorStarted

_KEPT: Final = 1_000
"""Plans remembered; the oldest ended ones give way."""


def remember(
    executors: dict[str, tuple[ExecutorPlan, str]], record: ExecutorStarted | ExecutorEnded
) -> None:
    """Take a record of the journal into the plans there are; the oldest ended give way."""
    if isinstance(record, ExecutorStarted):
        executors.setdefault(record.plan.id, (record.plan, ""))
    elif record.executor_id in executors:
        executors[record.executor_id] = (executors[record.executor_id][0], record.reason)
    if len(executors) > _KEPT:
        gone = next((name for name, (_, ended) in executors.items() if ended), None)
        if gone is not None:
            del executors[gone]
