"""What a model sees of a bar: one compiled step, called once a bar live and in a loop in training.

Every feature is free of scale (ratios, ranks, standardised returns), looks at closed bars only, and
is NaN until it has seen enough of them. The last column is no feature but the unit of the answer:
the expected standard deviation of the next bar's log return.
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
from numba import njit

from core.indicators import recurrences
from core.indicators.recurrences import (
    F64,
    Cells,
    cells_of,
    ema,
    highest,
    kernel,
    lag,
    lowest,
    moments,
    source_stamp,
    total,
    true_range,
    wilder,
)

I64: TypeAlias = npt.NDArray[np.int64]
VERSION: Final = 1
"""Raised whenever a feature of the same name comes to mean something else."""
DAY_NS: Final = 86_400_000_000_000
_CLIP: Final = 8.0


class Feature(msgspec.Struct, frozen=True):
    """One column of the row, as the schema states it."""

    name: str
    kernel_version: int
    params: tuple[float, ...]
    warmup: int
    """Bars until it is finite."""
    clip: float
    """Standardised values are clipped to plus and minus this, in the model."""


def _feature(name: str, *params: float, warmup: int) -> Feature:
    return Feature(name, VERSION, params, warmup, _CLIP)


FEATURES: Final = (
    _feature("return_1", 1, warmup=21),
    _feature("return_5", 5, warmup=21),
    _feature("return_15", 15, warmup=21),
    _feature("return_60", 60, warmup=61),
    _feature("rsi_14", 14, warmup=15),
    _feature("bb_place_20", 20, 2, warmup=20),
    _feature("range_place_60", 60, warmup=60),
    _feature("ema_gap_12_26", 12, 26, 14, warmup=26),
    _feature("efficiency_20", 20, warmup=21),
    _feature("body", warmup=1),
    _feature("range_atr_14", 14, warmup=14),
    _feature("atr_ratio_14_100", 14, 100, warmup=100),
    _feature("vol_ratio_10_100", 10, 100, warmup=101),
    _feature("volume_z_60", 60, warmup=60),
    _feature("day_sine", warmup=1),
    _feature("day_cosine", warmup=1),
)
"""The features of a row, in order."""

COLUMNS: Final = len(FEATURES) + 1
"""Cells of a row: the features and, last, the unit (NaN while warming up)."""
WARMUP: Final = max(feature.warmup for feature in FEATURES)
"""Bars until a row is complete."""


def schema_sha256() -> str:
    """Return the hash a model must carry to be fed with these rows."""
    schema = {"unit": "ewma_sd_of_log_return_20", "features": [*FEATURES]}
    return hashlib.sha256(msgspec.json.encode(schema, order="deterministic")).hexdigest()


# State cells, in the order of the steps below.
_CLOSE: Final = 1
_LAGS: Final = (2, 2 + 7, 2 + 7 + 17)
_VAR_20: Final = _LAGS[2] + 62
_VAR_10: Final = _VAR_20 + 2
_VAR_100: Final = _VAR_10 + 2
_GAIN: Final = _VAR_100 + 2
_LOSS: Final = _GAIN + 2
_BANDS: Final = _LOSS + 2
_TOP: Final = _BANDS + 24
_BOTTOM: Final = _TOP + 64
_FAST: Final = _BOTTOM + 64
_SLOW: Final = _FAST + 2
_ATR_14: Final = _SLOW + 2
_ATR_100: Final = _ATR_14 + 2
_PATH: Final = _ATR_100 + 2
_PAST_20: Final = _PATH + 23
_VOLUME: Final = _PAST_20 + 22
STATE_CELLS: Final = _VOLUME + 64
"""Cells of one instrument's state; 0 is 1 once a bar was seen."""


@kernel
def _ratio(part: float, whole: float, otherwise: float) -> float:
    if part != part or whole != whole:
        return math.nan
    return part / whole if whole > 0.0 else otherwise


@kernel
def _update(
    s: Cells,
    row: Cells,
    at: int,
    op: float,
    hi: float,
    lo: float,
    cl: float,
    vo: float,
    ts: int,
) -> None:
    """Take the next closed bar and write its row from cell `at` of `row` on."""
    first = s[0] == 0.0
    before = cl if first else s[_CLOSE]
    s[0] = 1.0
    s[_CLOSE] = cl
    log_close = math.log(cl)
    change = log_close - math.log(before)
    past_5 = lag(s, _LAGS[0], 5, log_close)
    past_15 = lag(s, _LAGS[1], 15, log_close)
    past_60 = lag(s, _LAGS[2], 60, log_close)
    var_20 = var_10 = var_100 = gain = loss = path = math.nan
    if not first:
        var_20 = ema(s, _VAR_20, 20, change * change)
        var_10 = ema(s, _VAR_10, 10, change * change)
        var_100 = ema(s, _VAR_100, 100, change * change)
        gain = wilder(s, _GAIN, 14, max(change, 0.0))
        loss = wilder(s, _LOSS, 14, max(-change, 0.0))
        path = total(s, _PATH, 20, abs(change))
    unit = math.sqrt(max(var_20, 1e-16)) if var_20 == var_20 else math.nan
    row[at + 0] = change / unit
    row[at + 1] = (log_close - past_5) / (unit * math.sqrt(5.0))
    row[at + 2] = (log_close - past_15) / (unit * math.sqrt(15.0))
    row[at + 3] = (log_close - past_60) / (unit * math.sqrt(60.0))
    row[at + 4] = _ratio(gain, gain + loss, 0.5) - 0.5
    row[at + 5] = math.nan
    if moments(s, _BANDS, 20, log_close):
        width = 4.0 * math.sqrt(s[_BANDS + 3] / 20.0)
        row[at + 5] = _ratio(log_close - s[_BANDS + 2], width, 0.0)
    top = highest(s, _TOP, 60, hi)
    bottom = lowest(s, _BOTTOM, 60, lo)
    row[at + 6] = _ratio(cl - bottom, top - bottom, 0.5) - 0.5
    span = hi - lo if first else true_range(hi, lo, before)
    atr_14 = wilder(s, _ATR_14, 14, span)
    atr_100 = wilder(s, _ATR_100, 100, span)
    gap = ema(s, _FAST, 12, cl) - ema(s, _SLOW, 26, cl)
    row[at + 7] = _ratio(gap, atr_14, 0.0)
    past_20 = lag(s, _PAST_20, 20, log_close)
    row[at + 8] = _ratio(log_close - past_20, path, 0.0)
    row[at + 9] = _ratio(cl - op, hi - lo, 0.0)
    row[at + 10] = _ratio(hi - lo, atr_14, 1.0)
    row[at + 11] = math.log(max(_ratio(atr_14, atr_100, 1.0), 1e-3))
    row[at + 12] = 0.5 * math.log(max(_ratio(var_10, var_100, 1.0), 1e-6))
    row[at + 13] = math.nan
    size = math.log1p(vo)
    if moments(s, _VOLUME, 60, size):
        deviation = math.sqrt(s[_VOLUME + 3] / 60.0)
        row[at + 13] = _ratio(size - s[_VOLUME + 2], deviation, 0.0)
    angle = 2.0 * math.pi * float(ts % DAY_NS) / float(DAY_NS)
    row[at + 14] = math.sin(angle)
    row[at + 15] = math.cos(angle)
    row[at + 16] = unit


Step: TypeAlias = Callable[[F64, F64, float, float, float, float, float, int], None]
Run: TypeAlias = Callable[[F64, F64, F64, F64, F64, F64, I64, F64], None]


@functools.cache
def compile_features() -> tuple[Step, Run]:
    """Return the compiled entries, from numba's cache when there.

    ``step(state, row, open, high, low, close, volume, ts_open_ns)`` takes one bar,
    ``run(state, open, ..., ts_open_ns, rows)`` columns of bars.
    """
    stamp = source_stamp([Path(__file__), Path(recurrences.__file__)])

    @njit("void(f8[::1], f8[::1], f8, f8, f8, f8, f8, i8)", error_model="numpy", cache=True)
    def step(
        s: F64, row: F64, op: float, hi: float, lo: float, cl: float, vo: float, ts: int
    ) -> None:
        if stamp > 0:
            _update(cells_of(s), cells_of(row), 0, op, hi, lo, cl, vo, ts)

    @njit(
        "void(f8[::1], f8[::1], f8[::1], f8[::1], f8[::1], f8[::1], i8[::1], f8[::1])",
        error_model="numpy",
        cache=True,
    )
    def run(s: F64, op: F64, hi: F64, lo: F64, cl: F64, vo: F64, ts: I64, rows: F64) -> None:
        if stamp > 0:
            for i in range(len(ts)):
                _update(
                    cells_of(s), cells_of(rows), i * COLUMNS,
                    op[i], hi[i], lo[i], cl[i], vo[i], ts[i],
                )  # fmt: skip

    return step, run


class FeatureState:
    """One instrument's features, bar by bar."""

    def __init__(self) -> None:
        self.cells: F64 = np.zeros(STATE_CELLS)
        """The whole state; copy it to be able to go back."""
        self.row: F64 = np.full(COLUMNS, np.nan)
        """The newest row: features, then the unit."""
        self._step = compile_features()[0]

    def update(
        self,
        open: float,  # noqa: A002  the column's name
        high: float,
        low: float,
        close: float,
        volume: float,
        ts_open_ns: int,
    ) -> F64:
        """Take the next closed bar and return its row, the same array each time."""
        self._step(self.cells, self.row, open, high, low, close, volume, ts_open_ns)
        return self.row


def compute(
    open: npt.ArrayLike,  # noqa: A002  the column's name
    high: npt.ArrayLike,
    low: npt.ArrayLike,
    close: npt.ArrayLike,
    volume: npt.ArrayLike,
    ts_open_ns: npt.ArrayLike,
) -> F64:
    """Return the rows of consecutive bars, shape (n, columns), NaN while warming up.

    Bit for bit what `FeatureState.update` says bar by bar.
    """
    columns = [np.ascontiguousarray(x, np.float64) for x in (open, high, low, close, volume)]
    times: I64 = np.ascontiguousarray(ts_open_ns, np.int64)
    rows = np.empty(len(times) * COLUMNS)
    run = compile_features()[1]
    state = np.zeros(STATE_CELLS)
    run(state, columns[0], columns[1], columns[2], columns[3], columns[4], times, rows)
    return rows.reshape(len(times), COLUMNS)


def warm() -> None:
    """Compile or load the kernels."""
    compile_features()
