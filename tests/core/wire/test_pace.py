"""Buckets and sliding windows that several programs of one home share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.wire.budget import Budgets, Role
from core.wire.limits import AttemptLimiter
from core.wire.pace import Pace


@pytest.fixture
def budgets(tmp_path: Path, clock: Any) -> Budgets:
    return Budgets(tmp_path, role=Role.LIVE, share=0.5, clock=clock, told=pytest.fail)


@pytest.fixture
def pace(budgets: Budgets, clock: Any) -> Callable[..., Pace]:
    def make(name: str = "host-key", rate: float = 10.0, burst: float = 20.0, **more: Any) -> Pace:
        made = Pace(clock=clock, rate=rate, burst=burst, **more)
        made.share(budgets, name)
        return made

    return make


def taken(pace: Pace, **how: Any) -> int:
    count = 0
    while not pace.take(**how):
        count += 1
    return count


def test_two_programs_share_one_bucket(pace: Callable[..., Pace], clock: Any) -> None:
    one, other = pace(), pace()
    assert taken(one) == 20
    assert other.take() > 0
    clock.advance(1.0)
    assert taken(other) == 10
    assert one.take() > 0


def test_another_account_is_counted_apart(pace: Callable[..., Pace]) -> None:
    assert taken(pace("host-key")) == taken(pace("host-other")) == 20


def test_who_comes_later_does_not_pay_for_what_was(pace: Callable[..., Pace]) -> None:
    taken(pace())
    assert taken(pace()) == 20


def test_a_block_holds_for_all(pace: Callable[..., Pace], clock: Any) -> None:
    one, other = pace(), pace()
    one.block(3.0)
    assert other.take() == pytest.approx(3.0)
    clock.advance(3.0)
    assert not other.take()


def test_heavier_than_the_bucket_goes_alone_and_is_paid_off(
    pace: Callable[..., Pace], clock: Any
) -> None:
    one = pace(burst=1.0, rate=20.0)
    assert one.take(40.0) == 0.0
    assert one.take(1.0) == pytest.approx(2.0)
    clock.advance(2.0)
    assert one.take(1.0) == 0.0


async def test_what_is_urgent_goes_before_what_waits(
    pace: Callable[..., Pace], clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = pace(burst=1.0)
    order: list[str] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        clock.advance(seconds / 2)
        await real(0)

    monkeypatch.setattr("core.wire.pace.asyncio.sleep", sleep)

    async def ask(name: str, *, urgent: bool) -> None:
        await one.wait(urgent=urgent)
        order.append(name)

    taken(one)
    await asyncio.gather(
        ask("read", urgent=False), ask("order", urgent=True), ask("cancel", urgent=True)
    )
    assert order == ["order", "cancel", "read"]


def test_attempts_of_all_programs_are_one_window(budgets: Budgets, clock: Any) -> None:
    made = [AttemptLimiter(clock=clock, attempts=3, window_s=1.5) for _ in range(2)]
    for each in made:
        each.share(budgets, "ws.venue:8443")
    assert [made[n % 2].take() for n in range(3)] == [0.0, 0.0, 0.0]
    assert [each.take() for each in made] == pytest.approx([1.5, 1.5])
    clock.advance(1.5)
    assert made[0].take() == 0.0
