from __future__ import annotations

import pytest

from core.engine.clock import SystemClock
from core.feeds.binance.dialect import SpotDialect, make_dialect
from core.feeds.binance.rest import nearest_depth
from core.feeds.binance.speech import nearest_speed
from core.model.errors import ConfigError
from core.model.settings import FeedSettings


@pytest.mark.parametrize(
    ("wanted", "levels", "weight"),
    [(1, 100, 5), (100, 100, 5), (101, 500, 25), (1000, 1000, 50), (3000, 5000, 250)],
)
def test_image_is_the_smallest_that_has_what_is_wanted(
    wanted: int, levels: int, weight: int
) -> None:
    assert nearest_depth(wanted, SpotDialect.depth_weights) == (levels, weight)


def test_image_is_the_largest_where_more_is_wanted() -> None:
    assert nearest_depth(5000, {50: 2, 1000: 20}) == (1000, 20)


@pytest.mark.parametrize(("wanted", "suffix"), [(0, "@100ms"), (100, "@100ms"), (900, "")])
def test_book_stream_is_the_one_nearest_in_time(wanted: int, suffix: str) -> None:
    assert nearest_speed(wanted, {100: "@100ms", 1000: ""}) == suffix


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ("live", "wss://stream.binance.com:9443/stream"),
        ("demo", "wss://demo-stream.binance.com/stream"),
        ("testnet", "wss://stream.testnet.binance.vision/stream"),
    ],
)
async def test_each_environment_has_hosts_of_its_own(environment: str, url: str) -> None:
    settings = FeedSettings.model_validate({"environment": environment})
    assert await make_dialect(settings, clock=SystemClock()).address("") == url


def test_plan_the_venue_does_not_have_is_refused() -> None:
    with pytest.raises(ConfigError, match="must be empty, was 'vip'"):
        make_dialect(FeedSettings(plan="vip"), clock=SystemClock())
