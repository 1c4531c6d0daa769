from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.engine import book as book_module
from core.engine.book import OrderBook

Side = dict[int, int]


def levels(pairs: list[tuple[int, int]]) -> np.ndarray:
    return np.array(pairs, np.int64).reshape(-1, 2)


def sorted_side(side: Side, *, bid: bool) -> list[list[int]]:
    return [[price, side[price]] for price in sorted(side, reverse=bid)]


def agree(book: OrderBook, bids: Side, asks: Side) -> None:
    got_bids, got_asks = book.top(1 << 20)
    assert got_bids.tolist() == sorted_side(bids, bid=True)
    assert got_asks.tolist() == sorted_side(asks, bid=False)
    assert (book.n_bids, book.n_asks) == (len(bids), len(asks))
    assert book.best_bid == (max(bids) if bids else None)
    assert book.best_ask == (min(asks) if asks else None)
    assert book.crossed == (bool(bids and asks) and max(bids) >= min(asks))


def change(side: Side, pairs: list[tuple[int, int]]) -> None:
    for price, size in pairs:
        if size:
            side[price] = size
        else:
            side.pop(price, None)


near = st.tuples(st.integers(90, 130), st.integers(0, 3))
far = st.tuples(st.integers(-(1 << 40), 1 << 60), st.integers(0, 1 << 60))
changes = st.lists(st.one_of(near, far), max_size=12)


@given(st.lists(st.tuples(changes, changes), max_size=25))
def test_any_changes_give_the_same_book_as_a_dict(
    steps: list[tuple[list[tuple[int, int]], list[tuple[int, int]]]],
) -> None:
    book, bids, asks = OrderBook(), {}, {}
    for more_bids, more_asks in steps:
        book.apply(levels(more_bids), levels(more_asks))
        change(bids, more_bids)
        change(asks, more_asks)
        agree(book, bids, asks)


def test_twenty_thousand_levels_with_changes_at_any_depth_stay_in_order() -> None:
    rng = np.random.default_rng(5)
    bids = {1_000_000 - 7 * step: step + 1 for step in range(20_000)}
    asks = {1_000_001 + 7 * step: step + 1 for step in range(20_000)}
    book = OrderBook()
    book.load(levels(list(bids.items())), levels(list(asks.items())))
    agree(book, bids, asks)
    for _ in range(50):
        more = [(int(price), int(size)) for price, size in rng.integers(0, 2_000_000, (40, 2))]
        dead = [(int(price), 0) for price in rng.choice(sorted(bids), 20, replace=False)]
        more_bids = [(price, size) for price, size in more if price <= 1_000_000] + dead
        book.apply(levels(more_bids), levels([]))
        change(bids, more_bids)
    agree(book, bids, asks)


def test_unsorted_image_gives_a_sorted_book() -> None:
    book = OrderBook()
    book.load(levels([(5, 1), (9, 2), (7, 3)]), levels([(30, 1), (10, 2), (20, 3)]))
    agree(book, {5: 1, 9: 2, 7: 3}, {30: 1, 10: 2, 20: 3})


def test_removing_an_unknown_level_changes_nothing() -> None:
    book = OrderBook()
    book.load(levels([(5, 1)]), levels([(7, 1)]))
    book.apply(levels([(4, 0)]), levels([(9, 0)]))
    agree(book, {5: 1}, {7: 1})


def test_price_moving_far_away_leaves_old_levels_readable() -> None:
    book = OrderBook()
    book.load(levels([(100, 1)]), levels([(101, 1)]))
    book.apply(levels([(9_000_000_000, 4)]), levels([(101, 0), (9_000_000_001, 5)]))
    agree(book, {100: 1, 9_000_000_000: 4}, {9_000_000_001: 5})


def test_book_beyond_its_bound_drops_the_levels_farthest_from_the_touch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(book_module, "MAX_LEVELS", 100)
    book = OrderBook()
    book.load(
        levels([(1000 - step, 1) for step in range(150)]),
        levels([(1001 + step, 2) for step in range(120)]),
    )
    agree(
        book,
        {1000 - step: 1 for step in range(100)},
        {1001 + step: 2 for step in range(100)},
    )


def test_size_at_a_price_is_found_on_either_side() -> None:
    book = OrderBook()
    book.load(levels([(5, 11), (4, 12)]), levels([(7, 13), (8, 14)]))
    assert [book.size_at(price, bid=True) for price in (5, 4, 3)] == [11, 12, 0]
    assert [book.size_at(price, bid=False) for price in (7, 8, 9)] == [13, 14, 0]


def test_same_levels_in_another_order_give_the_same_image() -> None:
    one, other = OrderBook(), OrderBook()
    one.load(levels([(5, 1), (4, 2)]), levels([(7, 3)]))
    other.load(levels([(4, 2)]), levels([(7, 3)]))
    assert one.image() != other.image()
    other.apply(levels([(5, 1)]), levels([]))
    assert one.image() == other.image()


@given(changes, changes)
def test_any_image_gives_the_same_book_as_its_levels_one_by_one_from_the_far_end(
    more_bids: list[tuple[int, int]], more_asks: list[tuple[int, int]]
) -> None:
    book, plain = OrderBook(), OrderBook()
    book.apply(levels([(1, 1)]), levels([(2, 2)]))
    book.load(levels(more_bids), levels(more_asks))
    for bid in reversed(more_bids):
        plain.apply(levels([bid]), levels([]))
    for ask in reversed(more_asks):
        plain.apply(levels([]), levels([ask]))
    assert book.image() == plain.image()
    assert book.crossed == plain.crossed


def test_image_larger_than_the_room_is_taken_whole() -> None:
    bids = {10_000 - step: step + 1 for step in range(5000)}
    asks = {10_001 + step: step + 1 for step in range(3000)}
    book = OrderBook()
    book.load(levels(list(bids.items())), levels(list(asks.items())))
    agree(book, bids, asks)


@pytest.mark.parametrize("seed", range(3))
def test_levels_far_from_the_touch_that_come_and_go_leave_the_same_book(seed: int) -> None:
    rng = np.random.default_rng(seed)
    bids = {100_000 - 3 * step: step + 1 for step in range(3000)}
    asks = {100_001 + 3 * step: step + 1 for step in range(3000)}
    book = OrderBook()
    book.load(levels(list(bids.items())), levels(list(asks.items())))
    most = filled = 0
    for turn in range(110):
        for side, bid in ((bids, True), (asks, False)):
            known = np.array(sorted(side))
            dead = rng.choice(known, 16, replace=False)
            again = rng.choice(known, 4) + rng.integers(-2, 3, 4)
            more = [(int(price), 0) for price in dead]
            more += [
                (int(price), int(size)) for price, size in zip(again, range(1, 5), strict=True)
            ]
            if turn % 12 == 0:
                # The touch goes to where holes are.
                best = sorted(side, reverse=bid)[: int(rng.integers(30, 120))]
                more += [(price, 0) for price in best]
            sides = (levels(more), levels([])) if bid else (levels([]), levels(more))
            book.apply(*sides)
            change(side, more)
        before, most = most, max(most, book._figures[8] + book._figures[9])
        filled += before == most > book._figures[8] + book._figures[9]
        if turn % 20 == 0:
            agree(book, bids, asks)
            for price in rng.choice(np.array(sorted(bids)), 5):
                assert book.size_at(int(price), bid=True) == bids[int(price)]
                shown = sum(size for at, size in bids.items() if at >= price)
                assert book.shown(int(price), 1 << 40, bid=True) == shown
    agree(book, bids, asks)
    assert most > 256
    assert filled
    book.cut(100)
    agree(
        book,
        {price: bids[price] for price in sorted(bids)[-100:]},
        {price: asks[price] for price in sorted(asks)[:100]},
    )
