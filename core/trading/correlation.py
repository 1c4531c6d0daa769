"""How much positions move together: sqrt(w'Cw) over returns of closed bars.

A pair whose bars are not known, or too few, counts as wholly correlated: no hedge is assumed.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from core.model.ids import InstrumentId
from core.model.ports import MarketDetail

ENOUGH: Final = 30
"""Returns that two instruments must have in common."""
MOST: Final = 672
"""Newest bars used: a week of quarters of an hour."""
_Returns: TypeAlias = dict[int, float]


class Correlations:
    """Works out correlations, anew when a bar has closed."""

    def __init__(self, detail: MarketDetail | None) -> None:
        self._detail = detail
        self._returns: dict[InstrumentId, tuple[int, _Returns]] = {}
        self._pairs: dict[tuple[InstrumentId, InstrumentId], float | None] = {}

    def norm(self, weights: Mapping[InstrumentId, Decimal]) -> Decimal:
        """Return sqrt(w'Cw) of signed values by instrument, 0 of none."""
        names = sorted(weights)
        if not names:
            return Decimal(0)
        for name in names:
            self._learn(name)
        w = np.array([float(weights[name]) for name in names])
        c = np.eye(len(names))
        for i, one in enumerate(names):
            for j in range(i):
                known = self.pair(one, names[j])
                # Unknown: of whatever signs the two are, one never makes up for the other.
                c[i, j] = c[j, i] = np.sign(w[i] * w[j]) if known is None else known
        square = float(w @ c @ w)
        return Decimal(repr(round(max(square, 0.0) ** 0.5, 8)))

    def pair(self, one: InstrumentId, other: InstrumentId) -> float | None:
        """Return the correlation of two instruments' returns, None where too little is known."""
        key = (one, other) if one < other else (other, one)
        if key not in self._pairs:
            self._pairs[key] = self._work_out(*key)
        return self._pairs[key]

    def _learn(self, name: InstrumentId) -> None:
        """Take an instrument's newest bars; what rests on older ones is forgotten."""
        if self._detail is None:
            return
        times, closes = self._detail.closes(name)
        newest = times[-1] if len(times) else 0
        if self._returns.get(name, (-1, {}))[0] == newest:
            return
        self._returns[name] = (newest, _returns(times[-MOST:], closes[-MOST:]))
        self._pairs = {pair: known for pair, known in self._pairs.items() if name not in pair}

    def _work_out(self, one: InstrumentId, other: InstrumentId) -> float | None:
        first = self._returns.get(one, (0, {}))[1]
        second = self._returns.get(other, (0, {}))[1]
        common = sorted(first.keys() & second.keys())
        if len(common) < ENOUGH:
            return None
        x = np.array([first[at] for at in common])
        y = np.array([second[at] for at in common])
        return _correlation(x, y)


def _returns(times: object, closes: object) -> _Returns:
    """Return the log return into each bar that follows right upon the one before."""
    at: npt.NDArray[np.int64] = np.asarray(times, np.int64)
    price: npt.NDArray[np.float64] = np.asarray(closes, np.float64)
    if len(at) < 3 or (price <= 0).any():
        return {}
    steps = np.diff(at)
    follows = steps == steps.min()
    moved = np.diff(np.log(price))
    return dict(zip(at[1:][follows].tolist(), moved[follows].tolist(), strict=True))


def _correlation(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> float | None:
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size > 0 else None
