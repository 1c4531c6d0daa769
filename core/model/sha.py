"""SHA-256 of short texts, where each microsecond delays an order.

OpenSSL is quicker with long texts. With a few hundred bytes the way there costs more than the sum:
an order finds that code in no cache of the processor and waits 30 us; CPython's own takes 12.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hashlib import _Hash


def _find() -> Callable[..., _Hash]:
    # CPython up to 3.11, and from 3.12 on; other builds may have neither.
    for name in ("_sha256", "_sha2"):
        with contextlib.suppress(ImportError, AttributeError):
            found: Callable[..., _Hash] = import_module(name).sha256
            return found
    return hashlib.sha256


sha256: Final = _find()
"""As `hashlib.sha256`, for at most some KiB."""
