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
    from rich.table import Column

    console = Console(stderr=True)
    tasks: dict[str, TaskID] = {}
    # Name and count stay whole on a narrow terminal; bar and note take what they leave.
    whole, rest = Column(no_wrap=True), Column(no_wrap=True, ratio=2)
    columns = (
        TextColumn("{task.description}", table_column=whole),
        BarColumn(None, table_column=Column(ratio=1)),
        TextColumn("{task.fields[come]}", table_column=whole.copy()),
        TimeRemainingColumn(table_column=whole.copy()),
        TextColumn("{task.fields[note]}", table_column=rest),
    )
    live = console.is_terminal
    with Progress(*columns, console=console, disable=not live, expand=True) as shown:

        def told(progress: Come) -> None:
            name = f"{progress.instrument.id} {progress.timeframe or 'trades'}"
            if name not in tasks:
                tasks[name] = shown.add_task(name, total=progress.total or 1, come="", note="")
            if progress.note and not progress.total:
                shown.update(tasks[name], note=progress.note)
                return
            # Settled, not stored: some of it the venue may never have had.
            settled = f"{progress.done:,} of {progress.total:,}"
            come = progress.note if progress.timeframe is None else settled
            note = show_time(progress.at_ns)
            shown.update(tasks[name], completed=progress.done, come=come, note=note)

        yield told
