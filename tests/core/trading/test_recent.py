from hypothesis import given
from hypothesis import strategies as st

from core.trading.recent import Recent


@given(st.lists(st.integers(0, 30)), st.integers(1, 8))
def test_the_newest_are_remembered_and_never_more_than_twice_as_many(
    items: list[int], least: int
) -> None:
    recent: Recent[int] = Recent(least)
    news: list[int] = []
    for item in items:
        known = item in recent
        assert recent.add(item) is not known
        if not known:
            news.append(item)
        assert all(item in recent for item in news[-least:])
        assert sum(item in recent for item in range(31)) <= 2 * least
    assert recent.add(99)
    assert not recent.add(99)
