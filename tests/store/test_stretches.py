import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from store.stretches import gaps_of, holes, joined


@given(
    st.sets(st.integers(0, 30)),
    st.integers(0, 90),
    st.integers(0, 90),
    st.lists(st.tuples(st.integers(0, 90), st.integers(0, 90)), max_size=5),
)
def test_gaps_are_every_missing_bar_not_wholly_in_an_empty_span(
    there: set[int], start: int, end: int, spans: list[tuple[int, int]]
) -> None:
    spans = [(min(span), max(span)) for span in spans]
    inside = sorted(n * 3 for n in there if start <= n * 3 < end)
    expected = [
        at
        for at in range(-(-start // 3) * 3, end, 3)
        if at not in inside
        and not all(any(low <= at + n < high for low, high in spans) for n in range(3))
    ]
    gaps = gaps_of(holes(np.array(inside, np.int64), 3, start, end), spans, 3)
    found = [at for gap in gaps for at in range(gap.start_ns, gap.end_ns, 3)]
    assert found == expected
    assert [gap.bars for gap in gaps] == [(gap.end_ns - gap.start_ns) // 3 for gap in gaps]


def test_spans_that_touch_become_one() -> None:
    assert joined([(5, 6), (0, 2), (2, 4), (1, 3)]) == [(0, 4), (5, 6)]
