from __future__ import annotations

from decimal import Decimal

import pytest

from core.model.errors import TemporaryError
from core.model.market import Side
from core.model.orders import (
    OrderState,
)

CID = "clxt-0000000001-00000001"


async def test_find_order_states_what_the_venue_knows(server, make, desk, run, order):
    row = {
        "symbol": "BTCUSDT", "orderId": 28, "clientOrderId": CID, "price": "50000.10",
        "origQty": "0.01", "executedQty": "0.004", "status": "PARTIALLY_FILLED",
        "type": "LIMIT_MAKER", "side": "SELL", "time": 1, "updateTime": 7,
    }  # fmt: skip
    server.answer("GET /order", (200, row), (400, {"code": -2013, "msg": "Order does not exist."}))
    venue = make()
    async with run(venue, desk):
        found = await venue.find_order(order())
        assert await venue.find_order(order()) is None
    assert found is not None
    assert (found.state, found.filled, found.side, found.instrument_id, found.ts_event_ns) == (
        OrderState.PARTIALLY_FILLED,
        Decimal("0.004"),
        Side.SELL,
        "BTC-USDT.binance",
        7_000_000,
    )


@pytest.mark.parametrize(
    "answer",
    [
        "reset",
        (500, "oops"),
        (200, "[]"),
        (200, {"symbol": "BTCUSDT"}),
        (400, {"code": -1022, "msg": "Signature for this request is not valid."}),
        (400, {"code": -1021, "msg": "Timestamp for this request is outside"}),
        (418, {"code": -1003, "msg": "Way too many requests"}, {"Retry-After": "1"}),
    ],
)
async def test_a_question_without_a_usable_answer_is_temporary(
    server, make, desk, run, order, answer
):
    # A read is asked once more by HTTP's own rule when the kept connection breaks.
    server.answer("GET /order", answer, answer)
    venue = make()
    async with run(venue, desk):
        with pytest.raises(TemporaryError):
            await venue.find_order(order())


async def test_open_orders_include_those_of_other_programs(server, make, desk, run):
    row = {
        "symbol": "ABCXYZ", "orderId": 1, "clientOrderId": "web_1", "price": "0.1",
        "origQty": "2", "executedQty": "0", "status": "NEW", "type": "STOP_LOSS",
        "side": "BUY", "time": 3,
    }  # fmt: skip
    server.answer("GET /openOrders", (200, [row]))
    venue = make()
    async with run(venue, desk):
        (found,) = await venue.open_orders()
    assert (found.client_order_id, found.instrument_id, found.price) == (
        "web_1",
        "ABCXYZ.binance",
        None,
    )


def own_trade(trade_id, time_ms, order_id=28):
    return {
        "symbol": "BTCUSDT", "id": trade_id, "orderId": order_id, "price": "4.00", "qty": "12.0",
        "commission": "10.1", "commissionAsset": "BNB", "time": time_ms, "isBuyer": True,
        "isMaker": False,
    }  # fmt: skip


def order_row(order_id, cid):
    return {
        "symbol": "BTCUSDT", "orderId": order_id, "clientOrderId": cid, "price": "4.00",
        "origQty": "12", "executedQty": "12", "status": "FILLED", "type": "LIMIT", "side": "BUY",
        "time": 1,
    }  # fmt: skip


async def test_fills_are_paged_to_the_end_and_named_by_client_id(server, make, desk, run):
    venue = make()
    async with run(venue, desk):
        since_ms = venue._rest.timestamp_ms() - 90_000_000
        server.answer(
            "GET /myTrades",
            (200, []),
            (200, [own_trade(7, since_ms + 86_400_500), own_trade(8, since_ms + 86_400_501, 29)]),
            (200, [own_trade(11, since_ms + 86_400_502)]),
            (200, []),
        )
        server.answer("GET /order", (200, order_row(28, CID)), (200, order_row(29, "web_1")))
        fills = await venue.fills("BTC-USDT.binance", since_ms * 1_000_000)
    assert [(f.execution_id, f.client_order_id) for f in fills] == [
        ("7", CID),
        ("8", "web_1"),
        ("11", CID),
    ]
    pages = server.asked("GET /myTrades")
    assert int(pages[0]["endTime"]) - int(pages[0]["startTime"]) < 86_400_000
    assert int(pages[1]["startTime"]) == int(pages[0]["endTime"]) + 1
    assert [p["fromId"] for p in pages[2:]] == ["9", "12"]
    assert len(server.asked("GET /order")) == 2


async def test_fills_since_long_ago_walk_ids_and_drop_what_is_older(server, make, desk, run):
    server.answer("GET /myTrades", (200, [own_trade(1, 10), own_trade(2, 20)]), (200, []))
    server.answer("GET /order", (200, order_row(28, CID)))
    venue = make()
    async with run(venue, desk):
        fills = await venue.fills("BTC-USDT.binance", 15_000_000)
    assert [f.execution_id for f in fills] == ["2"]
    assert [p["fromId"] for p in server.asked("GET /myTrades")] == ["0", "3"]


async def test_balances_add_up_free_and_locked(server, make, desk, run):
    rows = [
        {"asset": "BTC", "free": "4723846.89208129", "locked": "0.10000000"},
        {"asset": "LTC", "free": "0.00000000", "locked": "0.00000000"},
    ]
    server.answer("GET /account", (200, {"makerCommission": 15, "balances": rows}))
    venue = make()
    async with run(venue, desk):
        (balance,) = await venue.balances()
    assert (balance.total, balance.held) == (Decimal("4723846.99208129"), Decimal("0.1"))
