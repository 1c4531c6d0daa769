"""Alpaca's own SDK as a client that trades, with its stream of updates; only URLs are changed."""

import asyncio
import warnings

import pytest

pytest.importorskip("alpaca", reason="alpaca-py is not installed")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it still imports websockets.legacy
    from alpaca.common.exceptions import APIError
    from alpaca.trading.client import TradingClient
    from alpaca.trading.enums import AssetClass, OrderClass, OrderSide, OrderStatus, TimeInForce
    from alpaca.trading.requests import (
        GetOptionContractsRequest,
        GetOrdersRequest,
        LimitOrderRequest,
        MarketOrderRequest,
        ReplaceOrderRequest,
        StopLossRequest,
        TakeProfitRequest,
        TrailingStopOrderRequest,
    )
    from alpaca.trading.stream import TradingStream

pytestmark = pytest.mark.filterwarnings("ignore")
VENUES = ("alpaca",)
KEYS = {"api_key": "k" * 32, "secret_key": "s" * 32}


@pytest.fixture
def client(world):
    world.venues["alpaca"].market.flow = False
    return TradingClient(**KEYS, url_override=world.urls()["alpaca"]["paper"])


async def test_orders_positions_and_account_parse_into_the_sdks_models(client, world):
    last = float(world.venues["alpaca"].house.assets.all["AAPL"].last)

    def ask():
        bought = client.submit_order(
            MarketOrderRequest(
                symbol="AAPL",
                qty=10,
                side=OrderSide.BUY,
                time_in_force=TimeInForce.GTC,
                order_class=OrderClass.BRACKET,
                take_profit=TakeProfitRequest(limit_price=round(last + 9, 2)),
                stop_loss=StopLossRequest(stop_price=round(last - 9, 2)),
            )
        )
        resting = client.submit_order(
            LimitOrderRequest(
                symbol="MSFT",
                qty=3,
                side=OrderSide.BUY,
                time_in_force=TimeInForce.GTC,
                limit_price=10,
            )
        )
        changed = client.replace_order_by_id(resting.id, ReplaceOrderRequest(qty=2, limit_price=11))
        coins = client.submit_order(
            MarketOrderRequest(
                symbol="BTC/USD", notional=500, side=OrderSide.BUY, time_in_force=TimeInForce.GTC
            )
        )
        return bought, resting, changed, coins

    bought, resting, changed, coins = await asyncio.to_thread(ask)
    assert [leg.status for leg in bought.legs] == [OrderStatus.HELD] * 2
    assert changed.replaces == resting.id

    def look():
        positions = client.get_all_positions()
        orders = client.get_orders(GetOrdersRequest(nested=True))
        account = client.get_account()
        one = client.get_order_by_client_id(changed.client_order_id)
        old = client.get_order_by_id(resting.id)
        with pytest.raises(APIError) as failed:
            client.close_position("AAPL")
        gone = client.cancel_orders()
        closed = client.close_all_positions(cancel_orders=True)
        return positions, orders, account, one, old, failed.value, gone, closed

    positions, orders, account, one, old, failed, gone, closed = await asyncio.to_thread(look)
    assert {each.symbol: each.asset_class for each in positions} == {
        "AAPL": AssetClass.US_EQUITY,
        "BTCUSD": AssetClass.CRYPTO,
    }
    assert {order.symbol for order in orders} == {"AAPL", "MSFT"}
    assert float(account.equity) == pytest.approx(100_000, rel=1e-3)
    assert one.id == changed.id
    assert old.status is OrderStatus.REPLACED
    assert old.replaced_by == changed.id
    assert (failed.status_code, failed.code) == (403, 40310000)
    assert {row.status for row in gone} == {200}
    assert {row.symbol for row in closed} == {"AAPL", "BTCUSD"}
    assert coins.notional == "500"


async def test_trailing_stops_and_options(client, world):
    def ask():
        market = {"side": OrderSide.BUY, "time_in_force": TimeInForce.DAY}
        client.submit_order(MarketOrderRequest(symbol="SPY", qty=5, **market))
        trail = client.submit_order(
            TrailingStopOrderRequest(
                symbol="SPY",
                qty=5,
                side=OrderSide.SELL,
                time_in_force=TimeInForce.GTC,
                trail_percent=2,
            )
        )
        found = client.get_order_by_id(trail.id)
        contracts = client.get_option_contracts(
            GetOptionContractsRequest(
                underlying_symbols=["AAPL"], expiration_date_gte="2020-01-01", limit=3
            )
        )
        symbol = contracts.option_contracts[0].symbol
        bought = client.submit_order(MarketOrderRequest(symbol=symbol, qty=1, **market))
        return found, contracts, client.get_order_by_id(bought.id)

    found, contracts, bought = await asyncio.to_thread(ask)
    assert float(found.stop_price) == pytest.approx(float(found.hwm) * 0.98, abs=0.02)
    assert len(contracts.option_contracts) == 3
    assert bought.status is OrderStatus.FILLED


async def test_the_sdks_stream_hears_every_update(client, world, until):
    stream = TradingStream(**KEYS, url_override=world.urls()["alpaca"]["paper_stream"])
    heard = []

    async def keep(update):
        heard.append(update)

    stream.subscribe_trade_updates(keep)
    running = asyncio.create_task(stream._run_forever())
    outlets = world.venues["alpaca"].house.outlets
    await until(lambda: any(outlet.sinks for outlet in outlets.values()))
    order = MarketOrderRequest(
        symbol="AAPL", qty=2, side=OrderSide.BUY, time_in_force=TimeInForce.DAY
    )
    placed = await asyncio.to_thread(client.submit_order, order)
    await until(lambda: any(update.event == "fill" for update in heard))
    assert heard[0].event == "new"
    assert {update.order.id for update in heard} == {placed.id}
    assert heard[-1].position_qty == 2
    await stream.stop_ws()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await stream.close()
