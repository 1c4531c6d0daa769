"""OKX's python-okx as a client of the REST side.

Its sockets insist on TLS, so ccxt stands in for them.
"""

import asyncio

import pytest

pytest.importorskip("okx.MarketData", reason="python-okx is not installed")

from okx.Account import AccountAPI
from okx.MarketData import MarketAPI
from okx.PublicData import PublicAPI
from okx.Trade import TradeAPI

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


async def test_sdk_trades_and_waits(world):
    domain = world.urls()["okx"]["rest"].removesuffix("/okx/api/v5")
    swap = "BTC-USDT-SWAP"
    bid = world.venues["okx"].market.shards[swap].top()[0] // 10 - 200

    def trade():
        keys = ("k" * 32, "s" * 32, "x", False)
        trade, account = TradeAPI(*keys, domain=domain), AccountAPI(*keys, domain=domain)
        for api in (trade, account):
            api.base_url = f"{domain}/okx"
        common = {"instId": swap, "tdMode": "cross"}
        placed = trade.place_order(
            **common, side="buy", ordType="limit", sz="2", px=str(bid), clOrdId="sdk1"
        )
        told = {
            "placed": placed,
            "amended": trade.amend_order(swap, clOrdId="sdk1", newSz="1"),
            "found": trade.get_order(swap, clOrdId="sdk1"),
            "ended": trade.cancel_order(swap, clOrdId="sdk1"),
            "bought": trade.place_order(**common, side="buy", ordType="market", sz="3"),
            "stop": trade.place_algo_order(
                **common, side="sell", ordType="conditional", sz="3", reduceOnly="true",
                slTriggerPx=str(bid - 500), slOrdPx="-1",
            ),
            "waiting": trade.order_algos_list(ordType="conditional"),
            "fills": trade.get_fills(instType="SWAP"),
            "positions": account.get_positions(),
            "balance": account.get_account_balance(),
            "config": account.get_account_config(),
        }  # fmt: skip
        for api in (trade, account):
            api.close()
        return told

    told = await asyncio.to_thread(trade)
    assert {name: answer["code"] for name, answer in told.items()} == dict.fromkeys(told, "0")
    assert told["found"]["data"][0]["sz"] == "1"
    assert told["waiting"]["data"][0]["algoId"] == told["stop"]["data"][0]["algoId"]
    assert told["positions"]["data"][0]["pos"] == "3"
    assert sum(float(row["fillSz"]) for row in told["fills"]["data"]) == 3
