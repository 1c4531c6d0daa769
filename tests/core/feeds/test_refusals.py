from __future__ import annotations

import pytest

from core.feeds.refusals import Refusals
from core.model.errors import DataError, TemporaryError

REFUSALS = Refusals({5: "ask less often", 7: "check the symbol"}, patience={5}, good=0)


def test_the_good_code_passes() -> None:
    REFUSALS.check(0, "OK", "time of toy")


@pytest.mark.parametrize(
    ("code", "error", "remedy"),
    [
        (5, TemporaryError, "ask less often"),
        (7, DataError, "check the symbol"),
        (9, DataError, "see the venue's list of error codes"),
    ],
)
def test_a_refusal_names_question_code_words_and_remedy(
    code: int, error: type[Exception], remedy: str
) -> None:
    with pytest.raises(error) as raised:
        REFUSALS.check(code, "no", "time of toy")
    assert str(raised.value) == f"time of toy: the venue answered code {code}: no; {remedy}"


def test_what_a_venue_writes_at_length_is_cut() -> None:
    refusals = Refusals({}, patience=(), good="0")
    with pytest.raises(DataError) as raised:
        refusals.check("9" * 1000, "x" * 1000, "time of toy")
    assert len(str(raised.value)) < 320
