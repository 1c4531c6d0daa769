"""Keeps the watchlist a person has edited, so that it is there after a restart."""

from __future__ import annotations

import json
from pathlib import Path

from core.model.errors import StoreError
from store.atomic import write_atomically


def load_watchlist(path: Path) -> tuple[str, ...] | None:
    """Return the kept watchlist, None when nobody has edited it.

    Raises:
        StoreError: The file is not what we wrote.
    """
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: cannot be read ({error}); remove it to start anew") from None
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise StoreError(f"{path}: must be a list of instruments; remove it to start anew")
    return tuple(found)


def save_watchlist(path: Path, names: tuple[str, ...]) -> None:
    """Keep a watchlist."""
    write_atomically(path, json.dumps(list(names)).encode())
