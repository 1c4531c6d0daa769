from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from core.engine.clock import SimClock
from core.feeds.alpaca.decoder import AlpacaDecoder
from core.feeds.alpaca.symbols import parse_assets
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.market import MarketEvent

ASSETS = [
    {"class": "us_equity", "exchange": "NASDAQ", "symbol": "AAPL", "status": "active",
     "tradable": True, "fractionable": True},
    {"class": "us_equity", "exchange": "ARCA", "symbol": "BTC", "status": "active",
     "tradable": True},
    {"class": "us_equity", "exchange": "NYSE", "symbol": "BRK.B", "status": "active",
     "tradable": False},
    {"class": "crypto", "exchange": "CRYPTO", "symbol": "BTC/USD", "status": "active",
     "tradable": True, "min_order_size": "0.000026", "min_trade_increment": "0.000000001",
     "price_increment": "0.01"},
    {"class": "us_option", "symbol": "AAPL240126P00050000", "status": "active"},
]  # fmt: skip


@pytest.fixture
def assets() -> bytes:
    return json.dumps(ASSETS).encode()


@pytest.fixture
def listed(assets: bytes) -> dict[str, Instrument]:
    return {item.venue_symbol: item for item, _ in parse_assets([assets], VenueName("alpaca"))}


@pytest.fixture
def decoder(listed: dict[str, Instrument]) -> AlpacaDecoder:
    return AlpacaDecoder(instruments=list(listed.values()))


@pytest.fixture
def decode(decoder: AlpacaDecoder) -> Callable[..., Sequence[MarketEvent]]:
    def run(*messages: object, conn: int = 0) -> Sequence[MarketEvent]:
        return decoder.decode("recv", conn, 5, "", json.dumps(list(messages)).encode())

    return run


@pytest.fixture
def clock() -> SimClock:
    return SimClock(1_647_630_000_000_000_000)


@pytest.fixture(scope="session")
def recorded() -> Path:
    root = Path(__file__).parents[4]
    folder = Path(os.environ.get("CLX_RECORDED_DATA", root.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no recorded data at {folder}: set CLX_RECORDED_DATA")
    return folder
