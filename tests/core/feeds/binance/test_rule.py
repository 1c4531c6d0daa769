from __future__ import annotations

import numpy as np
import pytest

from core.feeds.binance.rule import SpotRule
from core.model.ids import InstrumentId
from core.model.market import BookDelta
from core.model.ports import Verdict


def delta(first: int, last: int) -> BookDelta:
    none = np.zeros((0, 2), np.int64)
    return BookDelta(InstrumentId("A.b"), 0, 0, first, last, -1, none, none)


@pytest.mark.parametrize(
    ("first", "last", "verdict"),
    [
        (90, 99, Verdict.OLD),
        (95, 100, Verdict.OLD),
        (95, 101, Verdict.APPLY),
        (100, 101, Verdict.APPLY),
        (101, 101, Verdict.APPLY),
        (102, 103, Verdict.GAP),
    ],
)
def test_rule_judges_as_binance_documents(first: int, last: int, verdict: Verdict) -> None:
    assert SpotRule().splice(100, delta(first, last)) is verdict
    assert SpotRule().follow(100, delta(first, last)) is verdict
