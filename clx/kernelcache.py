"""Throws compiled kernels away when any source they were compiled of has changed.

numba looks at the one file a kernel stands in, not at what it inlines from others; after an upgrade
a kernel could go on as it was, with parts of two versions in one memory layout. So all sources are
summed up together, and a sum other than the one kept beside the kernels clears them.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

import core

_STAMP = "kernels.sha256"
_MARKS = (b"numba", b"core.engine.compiled")


def renew_kernels(root: Path | None = None) -> int:
    """Clear kernels of other sources than there are now; return how many files went.

    Call it before anything that loads kernels is imported. Where the installation may not be
    written to, kernels go to a folder of their own in the user's cache, named by the sum.
    """
    root = root or Path(core.__file__).parent
    known = _sum(root)
    stamp = root / "__pycache__" / _STAMP
    try:
        if stamp.read_text() == known:
            return 0
    except OSError:
        pass
    try:
        stamp.parent.mkdir(exist_ok=True)
        gone = 0
        for path in [*root.rglob("*.nbi"), *root.rglob("*.nbc")]:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
                gone += 1
        stamp.write_text(known)
    except OSError:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        os.environ.setdefault("NUMBA_CACHE_DIR", str(cache / "clx" / f"kernels-{known[:16]}"))
        return 0
    return gone


def _sum(root: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        text = path.read_bytes()
        if any(mark in text for mark in _MARKS):
            total.update(path.relative_to(root).as_posix().encode() + b"\0" + text)
    return total.hexdigest()
