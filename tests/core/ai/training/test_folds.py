"""Walk-forward splits never let a label or a neighbour leak."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.ai.training.folds import walk_forward

MINUTE = 60_000


@given(
    st.lists(st.integers(0, 5000), min_size=50, max_size=400),
    st.integers(1, 6),
    st.integers(1, 120),
    st.integers(0, 120),
)
def test_training_labels_end_an_embargo_before_the_test(minutes, folds, label, embargo) -> None:
    times = np.sort(np.array([0, 6000, *minutes])) * MINUTE
    tested: list[int] = []
    for fold in walk_forward(times, folds, label * MINUTE, embargo * MINUTE):
        tested += fold.test.tolist()
        if len(fold.train) and len(fold.test):
            gap = times[fold.test].min() - times[fold.train].max()
            assert gap > (label + embargo) * MINUTE
        assert not set(fold.train) & set(fold.test)
    assert len(tested) == len(set(tested))
    assert sorted(tested) == list(range(len(times) - len(tested), len(times)))


def test_training_spans_grow() -> None:
    times = np.arange(10_000) * MINUTE
    sizes = [len(fold.train) for fold in walk_forward(times, 4, 5 * MINUTE, 5 * MINUTE)]
    assert sizes == sorted(sizes)
    assert sizes[0] == 3990
