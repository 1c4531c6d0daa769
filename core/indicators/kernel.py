"""The compiled loop: one call steps every indicator of a bank by one bar, or by many.

Everything a bank is lies in one float64 array, so a call passes one pointer::

    [0]         stamp of the kernel sources
    [1]         number of indicators
    [2]         number of outputs that are copies
    [3]         where the outputs start
    [4...]      per indicator: kind, its parameters' cell, its first result's cell
    ...         per copied output: the cell its value is copied from
    ...         copied outputs, if any
    ...         results of every indicator, then parameters and state of each

The outputs are the results themselves where every output is wanted in order, as is usual; else
they are copies.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit

from core.indicators import averages as a
from core.indicators import channels as c
from core.indicators import oscillators as q
from core.indicators.catalogue import KINDS
from core.indicators.recurrences import F64, Cells, cells_of, kernel, source_stamp

I64: TypeAlias = npt.NDArray[np.int64]
HEADER: Final = 4

_SMA, _EMA, _RMA, _WMA = KINDS["sma"], KINDS["ema"], KINDS["rma"], KINDS["wma"]
_DEMA, _TEMA, _HMA, _KAMA = KINDS["dema"], KINDS["tema"], KINDS["hma"], KINDS["kama"]
_RSI, _MACD, _STOCH, _WILLR = KINDS["rsi"], KINDS["macd"], KINDS["stoch"], KINDS["willr"]
_CCI, _ROC, _MOM, _TRIX = KINDS["cci"], KINDS["roc"], KINDS["mom"], KINDS["trix"]
_ADX, _AROON, _MFI = KINDS["adx"], KINDS["aroon"], KINDS["mfi"]
_ATR, _NATR, _STDDEV, _BB = KINDS["atr"], KINDS["natr"], KINDS["stddev"], KINDS["bb"]
_KELTNER, _DONCHIAN = KINDS["keltner"], KINDS["donchian"]
_SUPERTREND, _VWAP, _OBV = KINDS["supertrend"], KINDS["vwap"], KINDS["obv"]
_ADL, _CMF = KINDS["adl"], KINDS["cmf"]

Step: TypeAlias = Callable[[F64, float, float, float, float, float, int], None]
Run: TypeAlias = Callable[[F64, F64, F64, F64, F64, F64, I64, F64], None]

BAR_TYPES: Final = "f8, f8, f8, f8, f8, i8"


@kernel
def step(  # noqa: C901  one line per indicator; LLVM makes a jump table of it
    s: Cells, op: float, hi: float, lo: float, cl: float, vo: float, ts: int
) -> None:
    """Advance every indicator of the bank by one bar."""
    for i in range(int(s[1])):
        kind = int(s[HEADER + 3 * i])
        p = int(s[HEADER + 3 * i + 1])
        v = int(s[HEADER + 3 * i + 2])
        if kind == _SMA:
            a.sma_step(s, p, v, cl)
        elif kind == _EMA:
            a.ema_step(s, p, v, cl)
        elif kind == _RMA:
            a.rma_step(s, p, v, cl)
        elif kind == _WMA:
            a.wma_step(s, p, v, cl)
        elif kind == _DEMA:
            a.dema_step(s, p, v, cl)
        elif kind == _TEMA:
            a.tema_step(s, p, v, cl)
        elif kind == _HMA:
            a.hma_step(s, p, v, cl)
        elif kind == _KAMA:
            a.kama_step(s, p, v, cl)
        elif kind == _RSI:
            q.rsi_step(s, p, v, cl)
        elif kind == _MACD:
            q.macd_step(s, p, v, cl)
        elif kind == _STOCH:
            q.stoch_step(s, p, v, hi, lo, cl)
        elif kind == _WILLR:
            q.willr_step(s, p, v, hi, lo, cl)
        elif kind == _CCI:
            q.cci_step(s, p, v, hi, lo, cl)
        elif kind == _ROC:
            q.roc_step(s, p, v, cl)
        elif kind == _MOM:
            q.mom_step(s, p, v, cl)
        elif kind == _TRIX:
            q.trix_step(s, p, v, cl)
        elif kind == _ADX:
            q.adx_step(s, p, v, hi, lo, cl)
        elif kind == _AROON:
            q.aroon_step(s, p, v, hi, lo)
        elif kind == _MFI:
            q.mfi_step(s, p, v, hi, lo, cl, vo)
        elif kind == _ATR:
            c.atr_step(s, p, v, hi, lo, cl)
        elif kind == _NATR:
            c.natr_step(s, p, v, hi, lo, cl)
        elif kind == _STDDEV:
            c.stddev_step(s, p, v, cl)
        elif kind == _BB:
            c.bb_step(s, p, v, cl)
        elif kind == _KELTNER:
            c.keltner_step(s, p, v, hi, lo, cl)
        elif kind == _DONCHIAN:
            c.donchian_step(s, p, v, hi, lo)
        elif kind == _SUPERTREND:
            c.supertrend_step(s, p, v, hi, lo, cl)
        elif kind == _VWAP:
            c.vwap_step(s, p, v, hi, lo, cl, vo, ts)
        elif kind == _OBV:
            c.obv_step(s, p, v, cl, vo)
        elif kind == _ADL:
            c.adl_step(s, p, v, hi, lo, cl, vo)
        elif kind == _CMF:
            c.cmf_step(s, p, v, hi, lo, cl, vo)
    source = HEADER + 3 * int(s[1])
    target = int(s[3])
    for i in range(int(s[2])):
        s[target + i] = s[int(s[source + i])]


@functools.cache
def compile_kernels() -> tuple[int, Step, Run]:
    """Return the sources' stamp and the two compiled entries, from numba's cache when there.

    ``step(bank, open, high, low, close, volume, ts_open_ns)`` advances by one bar;
    ``run(bank, open, ..., ts_open_ns, out)`` by columns of equal length, writing ``out`` of shape
    (outputs, bars).
    """
    stamp = source_stamp(
        Path(__file__).with_name(f"{name}.py")
        for name in ("recurrences", "averages", "oscillators", "channels", "catalogue", "kernel")
    )

    @njit(f"void(f8[::1], {BAR_TYPES})", error_model="numpy", cache=True)
    def step_one(s: F64, op: float, hi: float, lo: float, cl: float, vo: float, ts: int) -> None:
        if s[0] == stamp:
            step(cells_of(s), op, hi, lo, cl, vo, ts)

    @njit(
        "void(f8[::1], f8[::1], f8[::1], f8[::1], f8[::1], f8[::1], i8[::1], f8[:, ::1])",
        error_model="numpy",
        cache=True,
    )
    def run_all(s: F64, op: F64, hi: F64, lo: F64, cl: F64, vo: F64, ts: I64, out: F64) -> None:
        if s[0] != stamp:
            return
        for t in range(len(ts)):
            step(cells_of(s), op[t], hi[t], lo[t], cl[t], vo[t], ts[t])
            for i in range(len(out)):
                out[i, t] = s[int(s[3]) + i]

    return stamp, step_one, run_all


def fast_step(cells: F64) -> Callable[[float, float, float, float, float, int], None]:
    """Return the one-bar step bound to a bank's array, with as little dispatch as is safe.

    numba's dispatcher spends about half of such a call on finding out the types. The compiled
    entry skips that; it still checks the array's type and converts numbers. Where this numba has
    no such entry, or it does not do what the dispatcher does, the dispatcher is used.
    """
    stamp, step_one, _ = compile_kernels()
    probe = np.zeros(HEADER + 1)
    probe[0] = stamp
    probe[2:HEADER] = 0.0, HEADER
    entry = None
    overloads = getattr(step_one, "overloads", {})
    if len(overloads) == 1:
        entry = getattr(next(iter(overloads.values())), "entry_point", None)
    if entry is None:
        return functools.partial(step_one, cells)
    try:
        entry(probe, 1.0, 1.0, 1.0, 1.0, 1.0, 0)
    except TypeError:
        return functools.partial(step_one, cells)
    return functools.partial(entry, cells)


def warm() -> None:
    """Compile or load the kernels; a few seconds the first time, milliseconds from the cache."""
    compile_kernels()
