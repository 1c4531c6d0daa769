"""Building blocks of every indicator: recurrences over a flat float64 state array.

Each block owns a run of cells that starts at `at` and is all zeros before the first value. Windows
keep a ring of the last `n` values; their running figures are rebuilt from the ring each time it
wraps, so rounding never piles up and a wild value leaves no trace once it left the window.

::

    ema      [count, value]                            2 cells
    lag      [count, next, ring...]                n + 2 cells
    mean     [count, next, sum, ring...]           n + 3 cells
    moments  [count, next, mean, m2, ring...]      n + 4 cells
    weighted [count, next, sum, weighted, ring...] n + 4 cells
    highest  [count, next, best, place, ring...]   n + 4 cells
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ParamSpec, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from numba import njit, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

P = ParamSpec("P")
R = TypeVar("R")

F64: TypeAlias = npt.NDArray[np.float64]
"""A flat float64 array."""


class Cells(Protocol):
    """The same array inside a kernel: a bare pointer.

    numba's arrays pay for the possibility of a negative index at each access, and for nine
    arguments at each call.
    """

    def __getitem__(self, place: int, /) -> float:
        """Read a cell."""
        ...

    def __setitem__(self, place: int, value: float, /) -> None:
        """Write a cell."""
        ...


def kernel(step: Callable[P, R]) -> Callable[P, R]:
    """Compile a step into its callers; divisions are guarded by hand, so numba need not."""
    compiled: Callable[P, R] = njit(error_model="numpy", forceinline=True)(step)
    return compiled


@intrinsic
def cells_of(_context: object, array: types.Array) -> tuple[object, object]:
    """Return the pointer to an array's data; the caller keeps the array alive."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]  # noqa: ANN001  numba's own types
        return make_array(signature.args[0])(context, builder, value=args[0]).data

    return types.CPointer(types.float64)(array), codegen


@kernel
def smooth(s: Cells, at: int, n: int, alpha: float, x: float) -> float:
    """Advance an exponential average seeded with the mean of its first `n` values; NaN before."""
    count = s[at] + 1.0
    if count < n:
        s[at] = count
        s[at + 1] += x
        return math.nan
    if count == n:
        s[at] = count
        s[at + 1] = (s[at + 1] + x) / n
        return s[at + 1]
    s[at + 1] += alpha * (x - s[at + 1])
    return s[at + 1]


@kernel
def ema(s: Cells, at: int, n: int, x: float) -> float:
    """Advance an exponential average of weight 2 / (n + 1)."""
    return smooth(s, at, n, 2.0 / (n + 1.0), x)


@kernel
def wilder(s: Cells, at: int, n: int, x: float) -> float:
    """Advance Wilder's average, an exponential one of weight 1 / n."""
    return smooth(s, at, n, 1.0 / n, x)


@kernel
def lag(s: Cells, at: int, n: int, x: float) -> float:
    """Push `x` and return the value of `n` pushes ago, NaN before there is one."""
    cell = at + 2 + int(s[at + 1])
    old = s[cell]
    s[cell] = x
    s[at + 1] = s[at + 1] + 1.0 if s[at + 1] + 1.0 < n else 0.0
    if s[at] < n:
        s[at] += 1.0
        return math.nan
    return old


@kernel
def total(s: Cells, at: int, n: int, x: float) -> float:
    """Push `x` and return the sum of the last `n` values, NaN before there are `n`."""
    cell = at + 3 + int(s[at + 1])
    s[at + 2] += x - s[cell]
    s[cell] = x
    if s[at] < n:
        s[at] += 1.0
    s[at + 1] += 1.0
    if s[at + 1] == n:
        s[at + 1] = 0.0
        exact = 0.0
        for i in range(at + 3, at + 3 + n):
            exact += s[i]
        s[at + 2] = exact
    return s[at + 2] if s[at] == n else math.nan


@kernel
def mean(s: Cells, at: int, n: int, x: float) -> float:
    """Push `x` and return the mean of the last `n` values, NaN before there are `n`."""
    return total(s, at, n, x) / n


@kernel
def moments(s: Cells, at: int, n: int, x: float) -> bool:
    """Push `x` into a rolling Welford window; True once it is full.

    The mean is then in cell `at + 2` and the sum of squared deviations, never negative, in
    `at + 3`; nothing is ever computed as a difference of large squares.
    """
    cell = at + 4 + int(s[at + 1])
    before = s[at + 2]
    if s[at] < n:
        s[at] += 1.0
        s[at + 2] = before + (x - before) / s[at]
        s[at + 3] += (x - before) * (x - s[at + 2])
    else:
        old = s[cell]
        s[at + 2] = before + (x - old) / n
        s[at + 3] = max(0.0, s[at + 3] + (x - old) * (x - s[at + 2] + old - before))
    s[cell] = x
    s[at + 1] += 1.0
    if s[at + 1] == n:
        s[at + 1] = 0.0
        first = s[at + 4]
        shift = 0.0
        for i in range(at + 4, at + 4 + n):
            shift += s[i] - first
        exact = first + shift / n
        squares = 0.0
        for i in range(at + 4, at + 4 + n):
            squares += (s[i] - exact) * (s[i] - exact)
        s[at + 2] = exact
        s[at + 3] = squares
    return s[at] == n


@kernel
def weighted(s: Cells, at: int, n: int, x: float) -> float:
    """Push `x` and return the linearly weighted mean (newest weighs `n`), NaN before `n`."""
    cell = at + 4 + int(s[at + 1])
    if s[at] < n:
        s[at] += 1.0
        s[at + 3] += s[at] * x
        s[at + 2] += x
    else:
        s[at + 3] += n * x - s[at + 2]
        s[at + 2] += x - s[cell]
    s[cell] = x
    s[at + 1] += 1.0
    if s[at + 1] == n:
        s[at + 1] = 0.0
        plain = 0.0
        heavy = 0.0
        for i in range(n):
            plain += s[at + 4 + i]
            heavy += (i + 1.0) * s[at + 4 + i]
        s[at + 2] = plain
        s[at + 3] = heavy
    return s[at + 3] / (0.5 * n * (n + 1.0)) if s[at] == n else math.nan


@kernel
def highest(s: Cells, at: int, n: int, x: float) -> float:
    """Push `x` and return the largest of the last `n` values, NaN before there are `n`.

    The ring is searched again only when the largest value leaves it; of equal ones the newest
    counts.
    """
    ring = at + 4
    now = int(s[at + 1])
    s[ring + now] = x
    if s[at] == 0.0 or x >= s[at + 2]:
        s[at + 2] = x
        s[at + 3] = now
    elif s[at + 3] == now:
        best = -math.inf
        place = 0
        for i in range(now + 1, n):
            if s[ring + i] >= best:
                best = s[ring + i]
                place = i
        for i in range(now + 1):
            if s[ring + i] >= best:
                best = s[ring + i]
                place = i
        s[at + 2] = best
        s[at + 3] = place
    s[at + 1] = now + 1.0 if now + 1 < n else 0.0
    if s[at] < n:
        s[at] += 1.0
        if s[at] < n:
            return math.nan
    return s[at + 2]


@kernel
def age(s: Cells, at: int, n: int) -> float:
    """Return how many pushes ago `highest` or `lowest` took its value, 0 to n - 1."""
    back = s[at + 1] - 1.0 - s[at + 3]
    return back if back >= 0.0 else back + n


@kernel
def lowest(s: Cells, at: int, n: int, x: float) -> float:
    """Push `x` and return the smallest of the last `n` values, NaN before there are `n`."""
    return -highest(s, at, n, -x)


@kernel
def true_range(hi: float, lo: float, before: float) -> float:
    """Return the largest of the bar's range and its distances to the close `before` it."""
    return max(hi - lo, abs(hi - before), abs(lo - before))


def source_stamp(files: Iterable[Path]) -> int:
    """Return 48 bits of the hash of the files a compiled kernel is made of.

    numba's cache looks only at the file of the outermost function. A stamp baked into that
    function compiles it anew when a step in another file changed, or when a newer wheel brought
    files whose times are all alike.
    """
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return int.from_bytes(digest.digest()[:6], "big")
