"""Conditional orders fire once, in order, by the price they watch."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.market.triggers import Trigger, Triggers, Watched

LAST, MARK = Watched.LAST, Watched.MARK


def fired(triggers: Triggers, *prices: int, watched: Watched = LAST) -> list[int]:
    return [trigger.id for price in prices for trigger in triggers.move(watched, price)]


def test_stop_below_fires_at_its_price_once() -> None:
    triggers = Triggers()
    triggers.arm(Trigger(id=1, rises=False, price=95))
    assert fired(triggers, 100, 96) == []
    assert fired(triggers, 95) == [1]
    assert fired(triggers, 90) == []
    assert len(triggers) == 0


def test_stop_above_fires_beyond_its_price() -> None:
    triggers = Triggers()
    triggers.arm(Trigger(id=1, rises=True, price=105))
    assert fired(triggers, 100, 104, 110) == [1]


def test_mark_price_leaves_those_that_watch_the_last_alone() -> None:
    triggers = Triggers()
    triggers.arm(Trigger(id=1, rises=False, price=95))
    triggers.arm(Trigger(id=2, rises=False, price=95, watches=MARK))
    assert fired(triggers, 90, watched=MARK) == [2]
    assert 1 in triggers


def test_what_the_price_passed_first_fires_first() -> None:
    triggers = Triggers()
    for number, price in ((1, 91), (2, 97), (3, 94), (4, 97)):
        triggers.arm(Trigger(id=number, rises=False, price=price))
    assert fired(triggers, 100, 90) == [2, 4, 3, 1]


def test_disarmed_never_fires() -> None:
    triggers = Triggers()
    triggers.arm(Trigger(id=1, rises=False, price=95))
    assert triggers.disarm(1) is not None
    assert triggers.disarm(1) is None
    assert fired(triggers, 90) == []


def test_condition_met_when_armed_fires_at_the_next_price() -> None:
    triggers = Triggers()
    fired(triggers, 90)
    stop = Trigger(id=1, rises=False, price=95)
    assert stop.met(triggers.seen(LAST))
    triggers.arm(stop)
    assert fired(triggers, 90) == [1]


def test_trail_follows_the_best_price_and_fires_when_it_comes_back() -> None:
    triggers = Triggers()
    fired(triggers, 100)
    trail = Trigger(id=1, rises=False, trail=5)
    triggers.arm(trail)
    assert trail.price == 95
    assert fired(triggers, 103, 110, 106) == []
    assert trail.price == 105
    assert fired(triggers, 105) == [1]


def test_trail_by_a_rate_waits_for_its_activation() -> None:
    triggers = Triggers()
    fired(triggers, 1_000)
    trail = Trigger(id=1, rises=False, trail_ppm=10_000, active_at=1_100, active_rises=True)
    triggers.arm(trail)
    assert not trail.active
    assert fired(triggers, 900, 1_099, 1_000) == []
    assert fired(triggers, 1_100) == []
    assert trail.active
    assert fired(triggers, 1_200, 1_189) == []
    assert fired(triggers, 1_188) == [1]


def test_buying_trail_follows_downwards() -> None:
    triggers = Triggers()
    trail = Trigger(id=1, rises=True, trail=5, active_at=90)
    triggers.arm(trail)
    assert fired(triggers, 100, 95, 91, 96) == []
    assert fired(triggers, 90, 80, 84) == []
    assert fired(triggers, 85) == [1]


def test_bad_triggers_are_refused_with_what_was_given() -> None:
    triggers = Triggers()
    triggers.arm(Trigger(id=1, rises=False, price=95))
    with pytest.raises(ValueError, match="was 1"):
        triggers.arm(Trigger(id=1, rises=False, price=90))
    with pytest.raises(ValueError, match="price must be > 0"):
        triggers.arm(Trigger(id=2, rises=False))


@given(
    stops=st.lists(st.tuples(st.integers(1, 200), st.booleans()), max_size=20),
    prices=st.lists(st.integers(1, 200), min_size=1, max_size=40),
)
def test_every_stop_fires_at_the_first_price_that_meets_it(
    stops: list[tuple[int, bool]], prices: list[int]
) -> None:
    triggers = Triggers()
    for number, (price, rises) in enumerate(stops):
        triggers.arm(Trigger(id=number, rises=rises, price=price))
    at: dict[int, int] = {}
    for step, price in enumerate(prices):
        for trigger in triggers.move(LAST, price):
            assert trigger.id not in at
            at[trigger.id] = step
    for number, (price, rises) in enumerate(stops):
        meets = [i for i, p in enumerate(prices) if (p >= price if rises else p <= price)]
        assert at.get(number) == (meets[0] if meets else None)
