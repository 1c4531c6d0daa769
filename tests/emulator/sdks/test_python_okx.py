"""OKX's python-okx as a client of the REST side.

Its sockets insist on TLS, so ccxt stands in for them.
"""

import asyncio

import pytest

pytest.importorskip("okx.MarketData", reason="python-okx is not installed")

from okx.MarketData import MarketAPI
from okx.PublicData import PublicAPI

VENUES = ("okx",)
pytestmark = pytest.mark.filterwarnings("ignore")


async def test_market_and_public_data(world):
    domain = world.urls()["okx"]["rest"].removesuffix("/okx/api/v5")

    def ask():
        # The SDK joins its own absolute paths to the domain, so the emulator's prefix goes there.
        market, public = MarketAPI(domain=domain), PublicAPI(domain=domain)
        for api in (market, public):
            api.base_url = f"{domain}/okx"
        told = (
            public.get_instruments("SWAP"),
            market.get_orderbook("BTC-USDT", sz="5"),
            market.get_candlesticks("BTC-USDT", bar="1m", limit="10"),
            market.get_history_candlesticks("BTC-USDT", bar="1H", limit="100"),
            public.funding_rate_history("BTC-USDT-SWAP"),
        )
        for api in (market, public):
            api.close()
        return told

    told = await asyncio.to_thread(ask)
    for answer in told:
        assert answer["code"] == "0"
        assert answer["data"]
    instruments, book, candles, *_ = told
    assert {row["instId"] for row in instruments["data"]} >= {"BTC-USDT-SWAP", "BTC-USD-SWAP"}
    assert len(book["data"][0]["bids"]) == 5
    assert len(candles["data"]) == 10
