"""Indicators over columns of bars: the bank's own step, looped inside the kernel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from core.indicators.bank import Bank
from core.indicators.kernel import I64, compile_kernels
from core.indicators.recurrences import F64
from core.model.errors import DataError


def compute(
    specs: Sequence[str],
    open: npt.ArrayLike,  # noqa: A002  the column's name
    high: npt.ArrayLike,
    low: npt.ArrayLike,
    close: npt.ArrayLike,
    volume: npt.ArrayLike,
    ts_open_ns: npt.ArrayLike,
) -> dict[str, F64]:
    """Return each output as an (n,) float64 column, oldest first, NaN while warming up.

    Bit for bit what a `Bank` of the same expressions says bar by bar.

    Raises:
        ConfigError: An expression is not the catalogue's.
        DataError: The columns are not one-dimensional and of equal length.
    """
    bank = Bank(specs)
    out = advance(bank, open, high, low, close, volume, ts_open_ns)
    return dict(zip(bank.names, out, strict=True))


def advance(
    bank: Bank,
    open: npt.ArrayLike,  # noqa: A002  the column's name
    high: npt.ArrayLike,
    low: npt.ArrayLike,
    close: npt.ArrayLike,
    volume: npt.ArrayLike,
    ts_open_ns: npt.ArrayLike,
) -> F64:
    """Give a bank many bars at once; returns its outputs, shape (outputs, bars).

    Raises:
        DataError: The columns are not one-dimensional and of equal length.
    """
    columns = [np.ascontiguousarray(x, np.float64) for x in (open, high, low, close, volume)]
    times: I64 = np.ascontiguousarray(ts_open_ns, np.int64)
    shapes = [x.shape for x in (*columns, times)]
    if times.ndim != 1 or any(shape != times.shape for shape in shapes):
        raise DataError(f"bar columns must be one-dimensional and of equal length, was {shapes}")
    out = np.empty((len(bank.names), len(times)))
    run = compile_kernels()[2]
    run(bank.cells, columns[0], columns[1], columns[2], columns[3], columns[4], times, out)
    return out
