"""How one change of a Deribit book follows another."""

from __future__ import annotations

import numpy as np
import pytest

from core.feeds.deribit.rule import DeribitRule
from core.model.ids import InstrumentId
from core.model.market import BookDelta
from core.model.ports import Verdict

NONE = np.zeros((0, 2), np.int64)


def change(number: int, before: int) -> BookDelta:
    name = InstrumentId("BTC-USD-PERP.deribit")
    return BookDelta(name, 1, 1, number, number, before, NONE, NONE)


@pytest.mark.parametrize(
    ("number", "before", "verdict"),
    [
        (25, 20, Verdict.APPLY),
        (20, 15, Verdict.OLD),
        (25, 24, Verdict.GAP),
        (7, 5, Verdict.GAP),
    ],
    ids=["the next", "the same once more", "one is missing", "numbers began anew"],
)
def test_change_names_the_one_before_it(number: int, before: int, verdict: Verdict) -> None:
    assert DeribitRule().follow(20, change(number, before)) is verdict


def test_change_older_than_the_image_is_left_out() -> None:
    assert DeribitRule().splice(20, change(7, 5)) is Verdict.OLD
    assert DeribitRule().splice(20, change(25, 20)) is Verdict.APPLY
    assert DeribitRule().splice(20, change(25, 21)) is Verdict.GAP
