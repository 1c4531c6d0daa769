"""Keeps the watchlist and the groups a person has edited, so that they are there after a restart.

Two forms of the file are read::

    ["BTC-USDT.binance", "ETH-USDT.binance"]                        a watchlist alone
    {"watchlist": [...], "groups": [{"name": "majors", "instruments": [...]}]}

The second is written only where there are groups, so that older programs read what has none.
"""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from core.model.errors import StoreError
from core.model.ids import InstrumentId
from core.model.views import WatchGroup
from store.atomic import write_atomically


class Watched(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was kept."""

    watchlist: tuple[InstrumentId, ...]
    groups: tuple[WatchGroup, ...] = ()


def load_watched(path: Path) -> Watched | None:
    """Return the kept watchlist and groups, None when nobody has edited them.

    Raises:
        StoreError: The file is not what we wrote.
    """
    try:
        found = json.loads(path.read_text())
        if isinstance(found, list):
            found = {"watchlist": found}
        watched = msgspec.convert(found, Watched)
    except FileNotFoundError:
        return None
    except msgspec.ValidationError as error:
        raise StoreError(
            f"{path}: must be a list of instruments, or one with groups ({error}); "
            "remove it to start anew"
        ) from None
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: cannot be read ({error}); remove it to start anew") from None
    names = [group.name for group in watched.groups]
    if len(set(names)) < len(names):
        raise StoreError(f"{path}: two groups have one name ({names}); rename one of them")
    return watched


def load_watchlist(path: Path) -> tuple[str, ...] | None:
    """Return the kept watchlist alone, None when nobody has edited it.

    Raises:
        StoreError: The file is not what we wrote.
    """
    watched = load_watched(path)
    return None if watched is None else watched.watchlist


def save_watched(path: Path, watched: Watched) -> None:
    """Keep a watchlist and its groups."""
    content = msgspec.json.encode(watched if watched.groups else watched.watchlist)
    write_atomically(path, content)
