"""Silence is measured by what an instrument has taught of itself."""

from __future__ import annotations

from core.engine.vigil import Vigil
from core.model.ports import ResyncReason

S = 1_000_000_000
DEFAULT = 10 * S


def taught(every_ns: int, times: int = 200) -> tuple[Vigil, int]:
    """Return a vigil whose book spoke regularly, and the time it last did."""
    vigil, now = Vigil(), 100 * S
    for count in range(times):
        now += every_ns
        vigil.look((count + 1, 0, 0), now)
    return vigil, now


def test_fixed_limit_holds_until_enough_is_known() -> None:
    vigil, now = taught(S, times=5)
    assert vigil.silence(now + 9 * S, now, DEFAULT) == ""
    assert vigil.silence(now + 11 * S, now, DEFAULT) == "silent for 10 s"


def test_busy_book_is_silent_long_before_the_fixed_limit() -> None:
    vigil, now = taught(S // 4)
    assert vigil.silence(now + 2 * S, now, DEFAULT) == ""
    assert vigil.silence(now + 4 * S, now, DEFAULT).startswith("book silent for over 3 s")


def test_quiet_book_may_be_silent_long_after_the_fixed_limit() -> None:
    vigil, now = taught(30 * S)
    assert vigil.silence(now + 200 * S, now, DEFAULT) == ""
    assert vigil.silence(now + 500 * S, now, DEFAULT).startswith("book silent")


def test_one_silent_channel_is_found_while_others_speak() -> None:
    vigil, now = Vigil(), 100 * S
    for count in range(400):
        now += S // 4
        vigil.look((count, count, min(count, 200)), now)
    assert vigil.silence(now, now, DEFAULT).startswith("trades silent for over 3 s")


def test_lost_connection_starts_the_wait_anew() -> None:
    vigil, now = taught(S // 4)
    vigil.restart(now + 60 * S)
    assert vigil.silence(now + 61 * S, now, DEFAULT) == ""


def test_rate_is_learned() -> None:
    vigil, now = Vigil(), 0
    for count in range(2000):
        now += S // 4
        vigil.look((count * 5, count * 3, count * 2), now)
    assert 39 < vigil.rate_per_s < 41


def test_instrument_never_heard_since_it_was_joined_is_pleaded_for_now_and_then() -> None:
    vigil = Vigil()
    assert vigil.plea(50 * S, DEFAULT) is None, "it was never subscribed to"
    vigil.joined(100 * S, (0, 0, 0))
    assert vigil.plea(105 * S, DEFAULT) is None
    assert vigil.plea(109 * S, DEFAULT) == (ResyncReason.UNHEARD, 0)
    assert vigil.plea(110 * S, DEFAULT) is None
    assert vigil.plea(115 * S, DEFAULT) == (ResyncReason.UNHEARD, 0)


def test_instrument_that_fell_silent_is_pleaded_for_after_several_times_its_limit() -> None:
    vigil, now = taught(S // 4)
    assert vigil.plea(now + 10 * S, DEFAULT) is None
    assert vigil.plea(now + 16 * S, DEFAULT) == (ResyncReason.SILENT, 200)


def test_lost_connection_is_not_pleaded_for_until_it_is_joined_again() -> None:
    vigil, now = taught(S // 4)
    vigil.lost(now + S)
    assert vigil.plea(now + 600 * S, DEFAULT) is None
    vigil.joined(now + 700 * S, (201, 0, 0))
    assert vigil.plea(now + 720 * S, DEFAULT) == (ResyncReason.UNHEARD, 201)


def test_book_that_stands_still_while_quotes_move_is_told_and_pleaded_for() -> None:
    vigil, now = Vigil(booked=True), 100 * S
    vigil.joined(now, (0, 0, 0))
    for count in range(100):
        now += S // 4
        vigil.look((1, count, 0), now)
    assert vigil.silence(now, now, DEFAULT).startswith("book stands still while quotes move")
    assert vigil.plea(now, DEFAULT) == (ResyncReason.SILENT, 100)
    vigil.look((2, 101, 0), now + S)
    assert vigil.silence(now + S, now + S, DEFAULT) == "", "it moves"


def moved(times: int, every_ns: int) -> tuple[Vigil, int, int]:
    """Return a vigil whose book moved a few times while quotes came, the time, and the quotes."""
    vigil, now, quotes = Vigil(booked=True), 100 * S, 0
    vigil.joined(now, (0, 0, 0))
    for count in range(times):
        for _ in range(every_ns // (S // 4)):
            now, quotes = now + S // 4, quotes + 1
            vigil.look((count, quotes, 0), now)
    vigil.look((times, quotes, 0), now)
    return vigil, now, quotes


def test_book_that_falls_silent_before_its_habit_is_known_is_told_while_quotes_move() -> None:
    vigil, now, quotes = moved(times=8, every_ns=S)
    for count in range(100):
        now += S // 4
        vigil.look((8, quotes + count, 0), now)
        if count < 60:
            assert vigil.silence(now, now, DEFAULT) == ""
    assert vigil.silence(now, now, DEFAULT).startswith("book stands still while quotes move")
    assert vigil.plea(now, DEFAULT) == (ResyncReason.SILENT, 8 + quotes + 99)


def test_book_that_moves_rarely_is_told_once_at_most_before_its_habit_is_known() -> None:
    vigil, now, quotes = moved(times=3, every_ns=15 * S)
    for count in range(150):
        now += S // 4
        vigil.look((3, quotes + count, 0), now)
    assert vigil.silence(now, now, DEFAULT) == "", "37 s are nothing new to it"
