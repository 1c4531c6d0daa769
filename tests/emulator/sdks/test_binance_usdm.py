"""Binance's own SDK for USD-M futures as a client; only its URLs are changed."""

import asyncio

import pytest

VENUES = ("binancefut",)
SPEED = 1.0
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def sdk():
    """Load it before a venue's time begins to run."""
    # Not above: it takes a second, and every worker collects every file.
    return pytest.importorskip(
        "binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures",
        reason="binance-sdk-derivatives-trading-usds-futures is not installed",
    )


@pytest.fixture
def client(sdk, world):
    from binance_common.configuration import ConfigurationRestAPI, ConfigurationWebSocketStreams

    urls = world.urls()["binancefut"]
    return sdk.DerivativesTradingUsdsFutures(
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


async def test_sdk_trades_and_waits_with_the_algo_service(client, world):
    api = client.rest_api
    bid, _, _, _ = world.venues["binancefut"].market.shards["BTCUSDT"].top()
    low, lower = bid // 10 - 100, bid // 10 - 300

    def trade():
        placed = api.new_order(
            symbol="BTCUSDT", side="BUY", type="LIMIT", time_in_force="GTC",
            quantity=0.01, price=low, new_client_order_id="sdk-1",
        ).data()  # fmt: skip
        found = api.query_order(symbol="BTCUSDT", orig_client_order_id="sdk-1").data()
        changed = api.modify_order(
            symbol="BTCUSDT", side="BUY", quantity=0.02, price=low - 10, order_id=placed.order_id
        ).data()
        ended = api.cancel_order(symbol="BTCUSDT", order_id=placed.order_id).data()
        api.new_order(symbol="BTCUSDT", side="BUY", type="MARKET", quantity=0.05)
        stop = api.new_algo_order(
            algo_type="CONDITIONAL", symbol="BTCUSDT", side="SELL", type="STOP_MARKET",
            trigger_price=lower, close_position="true", client_algo_id="sdk-stop",
        ).data()  # fmt: skip
        waiting = api.query_algo_order(client_algo_id="sdk-stop").data()
        api.cancel_algo_order(client_algo_id="sdk-stop")
        positions = api.position_information_v3(symbol="BTCUSDT").data()
        account = api.account_information_v3().data()
        balances = api.futures_account_balance_v3().data()
        trades = api.account_trade_list(symbol="BTCUSDT").data()
        income = api.get_income_history().data()
        key = api.start_user_data_stream().data().listen_key
        return (
            placed,
            found,
            changed,
            ended,
            stop,
            waiting,
            positions,
            account,
            balances,
            trades,
            (
                income,
                key,
            ),
        )

    told = await asyncio.to_thread(trade)
    placed, found, changed, ended, stop, waiting, positions, account, balances, trades, rest = told
    assert placed.order_id == found.order_id == changed.order_id == ended.order_id
    assert (found.status, changed.orig_qty, ended.status) == ("NEW", "0.020", "CANCELED")
    assert (stop.algo_status, waiting.algo_id) == ("NEW", stop.algo_id)
    assert positions[0].position_amt == "0.050"
    assert float(account.available_balance) > 0
    assert balances
    assert sum(float(trade.qty) for trade in trades) == pytest.approx(0.05)
    assert {row.income_type for row in rest[0]} == {"COMMISSION"}
    assert len(rest[1]) == 64
