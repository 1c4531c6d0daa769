"""Compiles every numba kernel into its cache, with a progress line: `python -m clx.warm`.

Done once by `make install`, in a process of its own: compiling takes seconds and some hundred
megabytes, loading from the cache takes neither.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable, Collection, Mapping

from clx.kernelcache import renew_kernels


def kernels(feeds: Collection[str] | None = None) -> Mapping[str, Callable[[], object]]:
    """Return what compiles the kernels that some kinds of feeds need, or all, by their names."""
    from core.ai.features import warm as warm_features
    from core.engine.engine import ENGINE_KERNELS
    from core.feeds.kinds import KINDS
    from core.feeds.registry import warm as warm_feed

    kinds = [kind for kind in KINDS if feeds is None or kind in feeds]
    return {
        **ENGINE_KERNELS,
        **{f"frames of {kind}": functools.partial(warm_feed, kind) for kind in kinds},
        "features": warm_features,
    }


def main() -> int:
    """Compile or load every kernel and say how long each took."""
    renew_kernels()
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
