"""Walk-forward folds: train on the past, leave a gap, judge on what came after."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]


class Fold(NamedTuple):
    """One split of the samples, by position."""

    train: I64
    test: I64


def walk_forward(
    ts_open_ms: I64, folds: int, label_ms: int, embargo_ms: int, first: float = 0.4
) -> Iterator[Fold]:
    """Yield expanding splits over time-ordered samples of all instruments.

    A training sample's label may not reach into the test span (purge), and an embargo on top
    keeps apart what features still share. The first `first` of the time is never tested.
    """
    start, end = int(ts_open_ms[0]), int(ts_open_ms[-1]) + 1
    edges = np.linspace(start + first * (end - start), end, folds + 1).astype(np.int64)
    for low, high in itertools.pairwise(edges.tolist()):
        train = np.flatnonzero(ts_open_ms + label_ms + embargo_ms < low)
        test = np.flatnonzero((ts_open_ms >= low) & (ts_open_ms < high))
        yield Fold(train, test)
