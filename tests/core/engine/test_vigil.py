"""Silence is measured by what an instrument has taught of itself."""

from __future__ import annotations

from core.engine.vigil import Vigil

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
