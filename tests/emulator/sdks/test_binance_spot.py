"""Binance's own SDK for spot as a client that trades; only its URLs are changed."""

import asyncio

import pytest

VENUES = ("binance",)
SPEED = 1.0
pytestmark = pytest.mark.filterwarnings("ignore")
KEYS = {"api_key": "k" * 32, "api_secret": "s" * 32}
BTC = "BTCUSDT"


@pytest.fixture(scope="module")
def _sdk():
    """Load it before a venue's time begins to run."""
    # Not above: it takes a second, and every worker collects every file.
    pytest.importorskip("binance_sdk_spot.spot", reason="binance-sdk-spot is not installed")


@pytest.fixture
async def client(_sdk, world):
    from binance_common.configuration import ConfigurationRestAPI, ConfigurationWebSocketAPI
    from binance_sdk_spot.spot import Spot

    world.venue.market.flow = False
    urls = world.urls()["binance"]
    made = Spot(
        config_rest_api=ConfigurationRestAPI(
            **KEYS, base_path=urls["rest"].removesuffix("/api/v3")
        ),
        config_ws_api=ConfigurationWebSocketAPI(**KEYS, stream_url=urls["ws_api"]),
    )
    made.last = world.venue.market.shards[BTC].last_ticks / 100
    return made


async def test_orders_lists_and_changes_parse_into_the_sdks_models(client):
    api, last = client.rest_api, client.last

    def ask():
        limit = {"side": "BUY", "type": "LIMIT", "time_in_force": "GTC", "quantity": 0.02}
        order = api.new_order(BTC, **limit, price=round(last - 500, 2)).data()
        changed = api.order_amend_keep_priority(BTC, new_qty=0.01, order_id=order.order_id).data()
        replaced = api.order_cancel_replace(
            BTC,
            **limit,
            price=round(last - 400, 2),
            cancel_replace_mode="STOP_ON_FAILURE",
            cancel_order_id=order.order_id,
        ).data()
        stop = api.new_order(
            BTC, "SELL", "STOP_LOSS", quantity=0.01, stop_price=round(last - 900, 2)
        ).data()
        pair = api.order_list_oco(
            BTC,
            "SELL",
            0.1,
            "LIMIT_MAKER",
            "STOP_LOSS_LIMIT",
            above_price=round(last + 300, 2),
            below_stop_price=round(last - 300, 2),
            below_price=round(last - 320, 2),
            below_time_in_force="GTC",
        ).data()
        return order, changed, replaced, stop, pair

    order, changed, replaced, stop, pair = await asyncio.to_thread(ask)
    assert order.status == "NEW"
    assert float(changed.amended_order.qty) == 0.01
    assert replaced.new_order_result == "SUCCESS"
    assert [row.type for row in pair.order_reports] == ["STOP_LOSS_LIMIT", "LIMIT_MAKER"]

    def look():
        open_ = api.get_open_orders(BTC).data()
        lists = api.open_order_list().data()
        gone = api.delete_order_list(BTC, order_list_id=pair.order_list_id).data()
        bought = api.new_order(BTC, "BUY", "MARKET", quantity=0.01).data()
        trades = api.my_trades(BTC).data()
        fees = api.account_commission(BTC).data()
        account = api.get_account().data()
        return open_, lists, gone, bought, trades, fees, account

    open_, lists, gone, bought, trades, fees, account = await asyncio.to_thread(look)
    ids = {row.order_id for row in open_}
    assert {stop.order_id, *(row.order_id for row in pair.order_reports)} <= ids
    assert [row.order_list_id for row in lists] == [pair.order_list_id]
    assert gone.list_order_status == "ALL_DONE"
    assert sum(float(fill.qty) for fill in bought.fills) == pytest.approx(0.01)
    assert {row.order_id for row in trades} == {bought.order_id}
    assert fees.standard_commission.maker == "0.00100000"
    assert {row.asset for row in account.balances} >= {"BTC", "USDT"}


async def test_the_websocket_api_places_and_streams(client, until):
    connection = await client.websocket_api.create_connection()
    heard = []
    try:
        subscribed = await connection.user_data_stream_subscribe_signature()
        subscribed.stream.on("message", heard.append)
        placed = await connection.order_place(
            BTC,
            side="BUY",
            type="LIMIT",
            time_in_force="GTC",
            quantity=0.01,
            price=round(client.last - 500, 2),
        )
        answer = placed.data()
        assert answer.result.status == "NEW"
        gone = await connection.order_cancel(BTC, order_id=answer.result.order_id)
        result = gone.data().result
        assert getattr(result, "actual_instance", result).status == "CANCELED"
        await until(lambda: len(heard) >= 4)
    finally:
        await connection.close_connection()
    kinds = [type(getattr(event, "actual_instance", event)).__name__ for event in heard]
    assert "ExecutionReport" in kinds
    assert "OutboundAccountPosition" in kinds
