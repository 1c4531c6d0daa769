"""Binance's own SDK for USD-M futures as a client; only its URLs are changed."""

import asyncio

import pytest

sdk = pytest.importorskip(
    "binance_sdk_derivatives_trading_usds_futures",
    reason="binance-sdk-derivatives-trading-usds-futures is not installed",
)

from binance_common.configuration import (  # noqa: E402
    ConfigurationRestAPI,
    ConfigurationWebSocketStreams,
)
from binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures import (  # noqa: E402
    DerivativesTradingUsdsFutures,
)

VENUES = ("binancefut",)
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def client(world):
    urls = world.urls()["binancefut"]
    return DerivativesTradingUsdsFutures(
        config_rest_api=ConfigurationRestAPI(
            api_key="k" * 32, api_secret="s" * 32, base_path=urls["rest"].removesuffix("/fapi/v1")
        ),
        config_ws_streams=ConfigurationWebSocketStreams(
            stream_url=urls["market"].removesuffix("/market")
        ),
    )


async def test_rest_replies_parse_into_the_sdks_models(client):
    api = client.rest_api

    def ask():
        info = api.exchange_information().data()
        book = api.order_book("BTCUSDT", limit=10).data()
        bars = api.kline_candlestick_data("BTCUSDT", "1m", limit=5).data()
        mark = api.mark_price("BTCUSDT").data()
        paid = api.get_funding_rate_history(symbol="BTCUSDT", limit=5).data()
        interest = api.open_interest("BTCUSDT").data()
        return info, book, bars, mark, paid, interest

    info, book, bars, mark, paid, interest = await asyncio.to_thread(ask)
    assert {symbol.symbol for symbol in info.symbols} >= {"BTCUSDT", "ETHUSDT"}
    assert float(book.bids[0][0]) < float(book.asks[0][0])
    assert len(bars) == 5
    assert float(getattr(mark, "actual_instance", mark).mark_price) > 0
    assert len(paid) == 5
    assert float(interest.open_interest) > 0


async def test_streams_reach_the_sdk_by_their_routed_roots(client):
    connection = await client.websocket_streams.create_connection()
    seen = {"depth": [], "mark": [], "trade": []}
    try:
        streams = {
            "depth": await connection.diff_book_depth_streams(
                symbol="btcusdt", update_speed="100ms"
            ),
            "mark": await connection.mark_price_stream(symbol="btcusdt", update_speed="1s"),
            "trade": await connection.aggregate_trade_streams(symbol="btcusdt"),
        }
        enough = asyncio.Event()

        def keep(name):
            def on_message(message):
                seen[name].append(message)
                if all(len(messages) > 2 for messages in seen.values()):
                    enough.set()

            return on_message

        for name, stream in streams.items():
            stream.on("message", keep(name))
        await asyncio.wait_for(enough.wait(), 20)
    finally:
        await connection.close_connection(close_session=True)
    for before, event in zip(seen["depth"], seen["depth"][1:], strict=False):
        assert event.pu == before.u
    assert float(seen["mark"][0].p) > 0
    assert seen["trade"][0].s == "BTCUSDT"
