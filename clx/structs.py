"""Keeps two threads from working out the same message type at once.

msgspec (0.22) works out a `Struct`'s fields at its first use, and publishes them before they are
complete: a second thread that uses the type in that moment reads a null pointer and takes the
process down. Whoever works all types out before there are threads is safe.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec


def settle_structs(root: type[msgspec.Struct] = msgspec.Struct) -> int:
    """Work out every message type that is loaded by now; return how many.

    Types that can never be decoded, for their annotations name what is not imported, are left.
    """
    settled = 0
    for kind in _below(root):
        try:
            msgspec.json.Decoder(kind)
        except (TypeError, NameError, AttributeError):
            continue
        settled += 1
    return settled


def _below(root: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    seen: set[type[msgspec.Struct]] = set()
    waiting = root.__subclasses__()
    while waiting:
        kind = waiting.pop()
        if kind not in seen:
            seen.add(kind)
            waiting += kind.__subclasses__()
            yield kind
