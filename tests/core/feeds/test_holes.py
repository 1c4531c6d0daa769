from __future__ import annotations

from core.feeds.holes import TradeHoles


def test_nothing_told_again_counts_before_the_first_trade() -> None:
    holes = TradeHoles()
    assert not holes.wants(7)
    holes.see(7)
    assert not holes.wants(7)
    assert not holes.wants(6)
    assert holes.wants(8)


def test_ids_left_out_count_once() -> None:
    holes = TradeHoles()
    for number in (10, 11, 15):
        holes.see(number)
    assert [number for number in range(9, 18) if holes.wants(number)] == [12, 13, 14, 16, 17]
    holes.see(13)
    assert [number for number in range(9, 16) if holes.wants(number)] == [12, 14]
    assert holes.last == 15


def test_hole_larger_than_any_venue_tells_again_is_not_remembered() -> None:
    holes = TradeHoles()
    holes.see(1)
    holes.see(10**9)
    assert not holes.wants(2)
    holes.see(10**9 + 3)
    assert holes.wants(10**9 + 1)


def test_trade_told_of_that_never_came_is_missing_itself() -> None:
    holes = TradeHoles()
    holes.see(5)
    holes.miss(6)
    assert holes.missing() == (6, 6)
    holes.see(7)
    holes.see(10)
    assert holes.missing() == (6, 9)
    holes.forget(6, 8)
    assert holes.missing() == (9, 9)
    holes.see(9)
    assert holes.missing() is None
