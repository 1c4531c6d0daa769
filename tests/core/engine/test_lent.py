from __future__ import annotations

import pickle
import sys
from typing import Any

import numpy as np
import pytest

from core.engine.book import OrderBook

NONE = np.empty((0, 2), np.int64)

GOOD = {
    "empty": NONE,
    "plain": np.array([[1, 2], [3, 4]], np.int64),
    "backwards": np.array([[1, 2], [3, 4]], np.int64)[::-1],
    "part of rows": np.array([[1, 2, 9], [3, 4, 9]], np.int64)[:, :2],
    "columns first": np.asfortranarray([[1, 2], [3, 4]]),
    "read only": np.frombuffer(np.array([[1, 2]], np.int64).tobytes(), "<i8").reshape(-1, 2),
    "pickled": pickle.loads(pickle.dumps(np.array([[1, 2]], np.int64))),
}

BAD = {
    "nothing": None,
    "a list": [[1, 2]],
    "short numbers": np.zeros((1, 2), np.int32),
    "fractions": np.zeros((1, 2)),
    "unsigned": np.zeros((1, 2), np.uint64),
    "another order": np.zeros((1, 2), ">i8"),
    "one dimension": np.zeros(2, np.int64),
    "three dimensions": np.zeros((1, 2, 2), np.int64),
}


@pytest.mark.parametrize("levels", GOOD.values(), ids=GOOD)
def test_levels_of_any_layout_are_read_as_they_are(levels: Any) -> None:
    book = OrderBook()
    book.apply(levels, NONE)
    bids, asks = book.top(9)
    assert bids.tolist() == sorted(levels.tolist(), reverse=True)
    assert not asks.tolist()


@pytest.mark.parametrize("levels", BAD.values(), ids=BAD)
def test_anything_else_is_refused_and_changes_nothing(levels: Any) -> None:
    book = OrderBook()
    book.apply(GOOD["plain"], NONE)
    before = book.image()
    with pytest.raises(TypeError, match="array of int64 with two dimensions"):
        book.apply(GOOD["plain"], levels)
    assert book.image() == before


def test_borrowed_levels_are_given_back() -> None:
    book, levels = OrderBook(), np.array([[1, 2]], np.int64)
    holders = sys.getrefcount(levels)
    for _ in range(100):
        book.apply(levels, NONE)
        book.load(levels, NONE)
    assert sys.getrefcount(levels) == holders
