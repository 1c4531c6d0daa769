from __future__ import annotations

from pathlib import Path

import pytest

from core.engine.clock import SystemClock
from core.feeds.hosts import check_addresses
from core.feeds.registry import make_dialect
from core.model.errors import ConfigError
from core.model.ids import VenueName
from core.model.settings import FeedSettings

PLANLESS = (
    "binance", "bybit", "coinbase", "coinbase_exchange", "deribit", "kraken", "kucoin", "okx",
)  # fmt: skip


@pytest.mark.parametrize("venue", PLANLESS)
def test_plan_of_a_venue_without_plans_is_refused_not_ignored(venue: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"feeds\.{venue}\.plan must be empty, was 'vip'"):
        make_dialect(VenueName(venue), FeedSettings(plan="vip"), clock=SystemClock(), data=tmp_path)


@pytest.mark.parametrize(
    ("key", "url"),
    [
        ("rest_url", "localhost:99"),
        ("rest_url", "ws://localhost"),
        ("stream_url", "http://localhost"),
        ("stream_url", "wss://"),
    ],
)
def test_wrong_address_is_refused_by_the_name_of_its_setting(key: str, url: str) -> None:
    table = FeedSettings(kind="okx", **{key: url})
    with pytest.raises(ConfigError, match=rf"feeds\.mine\.{key} must be .*, was '{url}'"):
        check_addresses(table, "mine")
