"""OKX's limits by path, shared by the programs of a home."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from core.engine.clock import SimClock
from core.model.errors import RateLimited
from core.venues.okx.quota import Quota
from core.wire.budget import Budgets, Role

NOON_NS = 1_800_000_000 * 1_000_000_000


@pytest.fixture
def clock() -> SimClock:
    return SimClock(NOON_NS)


@pytest.fixture
def quotas(tmp_path: Path, clock: SimClock) -> list[Quota]:
    made = []
    for _ in range(2):
        quota = Quota("okx", clock=clock)
        budgets = Budgets(tmp_path, role=Role.LIVE, share=0.5, clock=clock, told=pytest.fail)
        quota.share(budgets, "www.okx.com-key")
        made.append(quota)
    return made


def sent(quota: Quota, path: str, symbol: str) -> int:
    count = 0
    while True:
        try:
            quota.take("POST", path, symbol)
        except RateLimited:
            return count
        count += 1


def test_orders_are_counted_by_instrument_and_with_other_programs(
    quotas: list[Quota], clock: SimClock
) -> None:
    one, other = quotas
    for quota in quotas:
        quota.take("POST", "trade/order", "BTC-USDT")
    assert sent(one, "trade/order", "BTC-USDT") == 58
    # Of what was before its own first look nobody knows when it was: one of the sixty.
    assert sent(other, "trade/order", "BTC-USDT") == 1
    assert sent(other, "trade/order", "ETH-USDT") == 60
    clock.set(NOON_NS + 2_000_000_000)
    assert sent(one, "trade/order", "BTC-USDT") == 59, "the other's last is counted as it is seen"


def test_who_is_refused_hears_for_how_long(quotas: list[Quota]) -> None:
    sent(quotas[0], "trade/cancel-all-after", "")
    with pytest.raises(RateLimited, match="trade/cancel-all-after") as refused:
        quotas[0].take("POST", "trade/cancel-all-after")
    assert refused.value.retry_after_s == pytest.approx(2.0)


async def test_what_is_patient_goes_when_there_is_room(
    quotas: list[Quota], clock: SimClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, slept = asyncio.sleep, []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.set(clock.now_ns() + int(seconds * 1e9) + 1)
        await real(0)

    monkeypatch.setattr("core.wire.limits.asyncio.sleep", sleep)
    for _ in range(21):
        await quotas[0].wait("POST", "trade/cancel-algos", "BTC-USDT")
    assert slept == [pytest.approx(2.0)]
