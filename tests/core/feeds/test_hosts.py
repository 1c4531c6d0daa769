from __future__ import annotations

from pathlib import Path

import pytest

from core.engine.clock import SystemClock
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
