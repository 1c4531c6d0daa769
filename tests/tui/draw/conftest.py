"""Plain-text goldens; ``UPDATE_GOLDEN=1`` writes them anew."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tui.draw.runs import Row, row_text

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def golden() -> Callable[[str, Sequence[Row]], None]:
    """Compare rows, without their roles, with the file of that name."""

    def compare(name: str, rows: Sequence[Row]) -> None:
        text = "\n".join(row_text(row).rstrip() for row in rows) + "\n"
        path = GOLDEN / f"{name}.txt"
        if os.environ.get("UPDATE_GOLDEN"):
            GOLDEN.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.is_file(), f"no golden {name}; UPDATE_GOLDEN=1 writes it"
        assert text == path.read_text(encoding="utf-8")

    return compare
