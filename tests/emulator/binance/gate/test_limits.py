"""Weights, order counts, and what happens to those who go on."""

import pytest

from emulator.binance.gate.errors import ApiError
from emulator.binance.gate.limits import CONNECTIONS_PER_5M, ORDERS_PER_10S, Limiter


class Now:
    ms = 1_795_234_560_000  # on a minute

    def __call__(self):
        return self.ms


@pytest.fixture
def now():
    return Now()


def test_weight_above_the_limit_is_429_until_the_minute_ends(now):
    limiter = Limiter(now)
    limiter.charge("a", 6_000)
    with pytest.raises(ApiError) as refused:
        limiter.charge("a", 1)
    assert (refused.value.status, refused.value.code) == (429, -1003)
    assert 1 <= int(refused.value.headers["Retry-After"]) <= 61
    limiter.charge("b", 1)
    now.ms += 60_000
    limiter.charge("a", 1)
    assert limiter.used("a") == 1


def test_going_on_after_429_is_418_and_outlasts_the_minute(now):
    limiter = Limiter(now)
    limiter.charge("a", 6_000)
    statuses = []
    for _ in range(25):
        with pytest.raises(ApiError) as refused:
            limiter.charge("a", 1)
        statuses.append(refused.value.status)
    assert statuses[0] == 429
    assert statuses[-1] == 418
    now.ms += 60_000
    with pytest.raises(ApiError) as refused:
        limiter.charge("a", 1)
    assert refused.value.status == 418
    assert "banned until" in refused.value.msg
    now.ms += 120_000
    limiter.charge("a", 1)


def test_orders_are_counted_in_both_windows(now):
    limiter = Limiter(now)
    for _ in range(ORDERS_PER_10S):
        limiter.count_order(1)
    with pytest.raises(ApiError) as refused:
        limiter.count_order(1)
    assert (refused.value.status, refused.value.code) == (429, -1015)
    limiter.count_order(2)
    now.ms += 10_000
    limiter.count_order(1)
    assert limiter.orders(1) == (1, ORDERS_PER_10S + 1)


def test_connection_attempts_are_counted_over_five_minutes(now):
    limiter = Limiter(now)
    for _ in range(CONNECTIONS_PER_5M):
        limiter.count_connection("a")
    with pytest.raises(ApiError) as refused:
        limiter.count_connection("a")
    assert refused.value.status == 429
    limiter.count_connection("b")
    now.ms += 300_001
    limiter.count_connection("a")


async def test_over_http_429_then_418_with_retry_after(client):
    await client.arm("weight_limit", value=10)
    await client.public("depth", symbol="BTCUSDT")
    seen = []
    for _ in range(24):
        status, answer = await client.public("depth", symbol="BTCUSDT")
        seen.append(status)
        if status != 200:
            assert answer["code"] == -1003
            assert int(client.headers["Retry-After"]) > 0
    assert seen[0] == 200
    assert seen[1] == 429
    assert seen[-1] == 418
