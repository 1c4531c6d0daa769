"""Writes a list as CSV, for its owner alone."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from core.model.errors import StoreError
from tui.draw.tables import Table


def csv_text(table: Table[Any], items: Iterable[Any]) -> str:
    """Return the items as CSV: every column of the table, numbers as programs read them."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    columns = [column for column in table.columns if column.name and column.exported]
    writer.writerow([column.field or column.name for column in columns])
    for item in items:
        writer.writerow(
            [
                _plain(column.value(item) if column.value is not None else column.text(item))
                for column in columns
            ]
        )
    return out.getvalue()


def _plain(value: object) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value)


def export_csv(folder: Path, name: str, text: str, now: datetime | None = None) -> Path:
    """Write CSV into a new file of `folder` that only its owner may read, and return its path.

    Raises:
        StoreError: It cannot be written; says why.
    """
    moment = now or datetime.now(UTC)
    stem = f"{name.replace(' ', '-')}-{moment:%Y%m%d-%H%M%S}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for number in range(100):
            path = folder / f"{stem}{f'-{number}' if number else ''}.csv"
            try:
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                continue
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
                file.write(text)
            return path
    except OSError as error:
        raise StoreError(f"{folder}: cannot write the export ({error.strerror})") from None
    raise StoreError(f"{folder}: a hundred exports of this second are there already; try again")
