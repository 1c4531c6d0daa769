"""Compiles every numba kernel into its cache, with a progress line: `python -m clx.warm`.

Done once by `make install`, in a process of its own: compiling takes seconds and some hundred
megabytes, loading from the cache takes neither.
"""

from __future__ import annotations

import functools
import importlib
import sys
import time
from collections.abc import Callable, Collection, Mapping
from typing import Final

FEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "binance": ("core.feeds.binance.scan",),
    "binance_usdm": ("core.feeds.binance.scan", "core.feeds.binance_usdm.scan"),
}
"""Where the kernels of a kind of feed are; the others read levels, and some of them no more."""

LEVELS: Final = "core.feeds.levels"


def kernels(feeds: Collection[str] | None = None) -> Mapping[str, Callable[[], object]]:
    """Return what compiles the kernels that some kinds of feeds need, or all, by their names."""
    from core.ai.features import warm as warm_features
    from core.engine.engine import ENGINE_KERNELS

    kinds = feeds if feeds is not None else (*FEEDS, "")
    modules = dict.fromkeys(place for kind in kinds for place in FEEDS.get(kind, (LEVELS,)))
    return {
        **ENGINE_KERNELS,
        **{
            f"{place.removeprefix('core.feeds.')} frames": functools.partial(_warm, place)
            for place in modules
        },
        "features": warm_features,
    }


def _warm(place: str) -> None:
    importlib.import_module(place).warm()


def main() -> int:
    """Compile or load every kernel and say how long each took."""
    found = kernels()
    for count, (name, warm) in enumerate(found.items(), 1):
        sys.stderr.write(f"compiling kernels {count}/{len(found)}: {name} ... ")
        sys.stderr.flush()
        began = time.monotonic()
        warm()
        sys.stderr.write(f"{time.monotonic() - began:.1f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
