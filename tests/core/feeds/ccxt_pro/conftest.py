from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from core.engine.clock import SimClock, SystemClock
from core.feeds.ccxt_pro.decoder import CcxtDecoder
from core.feeds.ccxt_pro.feed import CcxtFeed
from core.feeds.ccxt_pro.symbols import Market, make_instruments
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.settings import FeedSettings

KRAKEN = VenueName("ccxt:kraken")


@pytest.fixture
def btc() -> Instrument:
    market = Market(
        symbol="BTC/USDT", base="BTC", quote="USDT", type="spot", price_tick="0.01",
        size_lot="0.00001",
    )  # fmt: skip
    return make_instruments([market], KRAKEN)[0]


@pytest.fixture
def decoder(btc: Instrument) -> CcxtDecoder:
    return CcxtDecoder(KRAKEN, [btc])


@pytest.fixture
def clock() -> SimClock:
    return SimClock(1_700_000_000_000_000_000)


@pytest.fixture
def feed_of() -> Callable[..., CcxtFeed]:
    def make(exchange: str, **settings: Any) -> CcxtFeed:
        return CcxtFeed(
            FeedSettings(**settings), clock=SystemClock(), rng=random.Random(1),
            venue=VenueName(f"ccxt:{exchange}"), exchange=exchange,
        )  # fmt: skip

    return make
