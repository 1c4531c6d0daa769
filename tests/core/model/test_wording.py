"""One of a thing is not many."""

import pytest

from core.model.wording import counted


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 orders"), (1, "1 order"), (2, "2 orders"), (1200, "1,200 orders")]
)
def test_a_noun_follows_its_number(number, words):
    assert counted(number, "order") == words


def test_some_have_a_plural_of_their_own():
    assert counted(1, "query", "queries") == "1 query"
    assert counted(3, "query", "queries") == "3 queries"
