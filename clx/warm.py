"""Compiles every numba kernel into its cache, with a progress line: `python -m clx.warm`.

Done once by `make install`, in a process of its own: compiling takes seconds and some hundred
megabytes, loading from the cache takes neither.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping


def kernels() -> Mapping[str, Callable[[], object]]:
    """Return what compiles the kernels of each room, by what they are for."""
    from core.ai.features import warm as warm_features
    from core.engine.engine import ENGINE_KERNELS
    from core.feeds.binance.scan import warm as warm_frames
    from core.feeds.binance_usdm.scan import warm as warm_futures
    from core.feeds.levels import warm as warm_levels

    return {
        **ENGINE_KERNELS,
        "feed frames": warm_frames,
        "futures frames": warm_futures,
        "book levels": warm_levels,
        "features": warm_features,
    }


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
