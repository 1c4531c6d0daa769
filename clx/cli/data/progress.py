"""How far downloads have come, drawn where somebody looks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from clx.cli.data.times import show_time

if TYPE_CHECKING:
    from core.history.backfill import Progress as Come

Told = Callable[["Come"], None]


@contextlib.contextmanager
def progress_bars() -> Iterator[Told]:
    """Show a bar per series on a terminal's stderr; nothing where nobody looks."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    tasks: dict[str, TaskID] = {}
    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[come]}"),
        TimeRemainingColumn(), TextColumn("{task.fields[note]}"),
    )  # fmt: skip
    with Progress(*columns, console=console, disable=not console.is_terminal) as shown:

        def told(progress: Come) -> None:
            name = f"{progress.instrument.id} {progress.timeframe or 'trades'}"
            if name not in tasks:
                tasks[name] = shown.add_task(name, total=progress.total or 1, come="", note="")
            if progress.note and not progress.total:
                shown.update(tasks[name], note=progress.note)
                return
            come = progress.note if progress.timeframe is None else f"{progress.done:,} bars"
            note = show_time(progress.at_ns)
            shown.update(tasks[name], completed=progress.done, come=come, note=note)

        yield told
