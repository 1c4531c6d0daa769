from __future__ import annotations

import numpy as np
import pytest

from core.feeds.binance_usdm.rule import UsdmRule
from core.model.ids import InstrumentId
from core.model.market import BookDelta
from core.model.ports import Verdict


def delta(first: int, last: int, prev: int) -> BookDelta:
    none = np.empty((0, 2), np.int64)
    return BookDelta(InstrumentId("A.b"), 0, 0, first, last, prev, none, none)


@pytest.mark.parametrize(
    ("first", "last", "verdict"),
    [
        (90, 99, Verdict.OLD),
        (90, 100, Verdict.APPLY),
        (100, 130, Verdict.APPLY),
        (95, 130, Verdict.APPLY),
        (101, 130, Verdict.GAP),
    ],
)
def test_first_delta_must_reach_over_the_image(first: int, last: int, verdict: Verdict) -> None:
    assert UsdmRule().splice(100, delta(first, last, 7)) is verdict


@pytest.mark.parametrize(
    ("first", "last", "prev", "verdict"),
    [
        (140, 150, 100, Verdict.APPLY),
        (101, 150, 99, Verdict.GAP),
        (101, 150, 101, Verdict.GAP),
        (80, 100, 70, Verdict.OLD),
        (80, 90, 70, Verdict.OLD),
    ],
)
def test_then_each_previous_id_must_be_the_last_one(
    first: int, last: int, prev: int, verdict: Verdict
) -> None:
    assert UsdmRule().follow(100, delta(first, last, prev)) is verdict
