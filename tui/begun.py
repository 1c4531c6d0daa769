"""Work that goes on beside a screen, and ends with it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textual.dom import DOMNode
    from textual.worker import WorkType


def begin(
    node: DOMNode,
    work: Callable[[], Coroutine[Any, Any, object]],
    *,
    name: str = "",
    group: str = "default",
    exclusive: bool = False,
    exit_on_error: bool = False,
) -> None:
    """Begin work that is cancelled with its screen, or where `exclusive` by the next of its group.

    It is handed over uncalled: what is cancelled before its turn comes has made no coroutine then,
    which nobody would ever await.
    """
    task: WorkType[object] = work
    node.run_worker(task, name, group, exclusive=exclusive, exit_on_error=exit_on_error)
