from __future__ import annotations

import pytest

from core.engine.clock import SimClock, SystemClock
from core.model.errors import InvariantError


def test_system_clock_reads_utc_nanoseconds_and_never_steps_back() -> None:
    clock = SystemClock()
    assert clock.now_ns() > 1_700_000_000_000_000_000
    first = clock.monotonic_ns()
    assert clock.monotonic_ns() >= first


def test_sim_clock_stands_still_until_set() -> None:
    clock = SimClock(5)
    assert (clock.now_ns(), clock.monotonic_ns()) == (5, 5)
    clock.set(9)
    clock.advance(1)
    assert (clock.now_ns(), clock.monotonic_ns()) == (10, 10)


def test_sim_clock_going_back_is_a_bug() -> None:
    with pytest.raises(InvariantError, match="cannot go back from 5 to 4"):
        SimClock(5).set(4)
