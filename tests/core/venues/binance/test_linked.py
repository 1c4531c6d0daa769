"""Stops, lists and amends as the venue tells of them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.model.facts import CashMoved
from core.model.market import Side
from core.model.orders import (
    AmendRejected,
    AmendSubmitted,
    Link,
    OrderAccepted,
    OrderAmended,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderTriggered,
    OrderType,
    OrderUnknown,
    Role,
)

D = Decimal
STOP, TARGET = "clxt-0000000001-00000001", "clxt-0000000001-00000002"


def report(execution, status, cid=STOP, **more):
    return {
        "e": "executionReport", "E": 9, "s": "BTCUSDT", "c": cid, "S": "SELL", "o": "STOP_LOSS",
        "f": "GTC", "q": "0.01", "p": "0.00", "P": "49000.00", "C": "", "x": execution,
        "X": status, "r": "NONE", "i": 28 if cid == STOP else 29, "l": "0.00", "z": "0.00",
        "L": "0.00", "n": "0", "N": None, "T": 5, "t": -1, "m": False, "g": -1,
    } | more  # fmt: skip


def names(desk):
    return [type(e).__name__ for e in desk.events if type(e).__name__.startswith("Order")]


@pytest.fixture
def pair(intent):
    shared = {"side": Side.SELL, "group_id": "g", "link": Link.OCO}
    return [
        intent(STOP, type=OrderType.STOP, price=None, trigger_price=D(49000), **shared),
        intent(TARGET, price=D(51000), role=Role.TARGET, **shared),
    ]


def listed(*rows):
    reports = [
        {"orderId": number, "clientOrderId": cid, "status": status, "transactTime": 5}
        for number, cid, status in rows
    ]
    return {"orderListId": 3, "contingencyType": "OCO", "orderReports": reports}


async def test_a_stop_that_trades_was_triggered_and_is_told_so_once(server, make, desk, run):
    async with run(make(), desk):
        await server.push(report("NEW", "NEW"))
        await server.push(
            report("TRADE", "PARTIALLY_FILLED", l="0.004", L="48990", t=7, z="0.004", W=6)
        )
        await server.push(report("TRADE", "FILLED", l="0.006", L="48989", t=8, z="0.01", W=6))
        await desk.until(OrderFilled, 2)
    assert names(desk) == ["OrderAccepted", "OrderTriggered", "OrderFilled", "OrderFilled"]
    assert desk.of(OrderTriggered)[0].ts_event_ns == 6_000_000


async def test_a_stop_limit_in_the_book_was_triggered(server, make, desk, run):
    async with run(make(), desk):
        await server.push(report("NEW", "NEW", o="STOP_LOSS_LIMIT", p="48900"))
        await server.push(report("NEW", "NEW", o="STOP_LOSS_LIMIT", p="48900", W=6))
        await desk.until(OrderTriggered)
    assert names(desk) == ["OrderAccepted", "OrderTriggered"]


async def test_an_oco_goes_out_as_one_list_and_both_are_accepted(server, make, desk, run, pair):
    server.answer("POST /orderList/oco", (200, listed((28, STOP, "NEW"), (29, TARGET, "NEW"))))
    venue = make()
    async with run(venue, desk):
        venue.submit_group(pair)
        await desk.until(OrderAccepted, 2)
    assert {(e.client_order_id, e.venue_order_id) for e in desk.of(OrderAccepted)} == {
        (STOP, "28"),
        (TARGET, "29"),
    }


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((400, {"code": -2010, "msg": "The relationship of the prices for the orders is not "
                                      "correct."}), OrderRejected),
        ((400, {"code": -1007, "msg": "Timeout waiting for response."}), OrderUnknown),
        ((200, "no json"), OrderUnknown),
        ((200, listed()), OrderUnknown),
        ("reset", OrderUnknown),
    ],
)  # fmt: skip
async def test_what_becomes_of_a_list_becomes_of_each_of_its_orders(
    server, make, desk, run, pair, answer, kind
):
    server.answer("POST /orderList/oco", answer)
    venue = make()
    async with run(venue, desk):
        venue.submit_group(pair)
        await desk.until(kind, 2)
    assert {e.client_order_id for e in desk.of(kind)} == {STOP, TARGET}
    assert len(desk.outcomes()) == 2


async def test_the_end_of_a_leg_is_told_after_what_the_other_did(server, make, desk, run):
    async with run(make(), desk):
        await server.push(report("EXPIRED", "EXPIRED", g=3))
        await server.push(
            report("TRADE", "FILLED", TARGET, o="LIMIT_MAKER", l="0.01", L="51000", t=7, g=3)
        )
        await desk.until(OrderExpired)
    assert names(desk) == ["OrderFilled", "OrderExpired"]


async def test_the_end_of_a_leg_is_told_all_the_same_when_nothing_follows(server, make, desk, run):
    async with run(make(), desk):
        await server.push(report("EXPIRED", "EXPIRED", g=3))
        assert (await desk.until(OrderExpired)).client_order_id == STOP


async def test_a_list_that_is_done_tells_the_end_at_once(server, make, desk, run):
    done = {"e": "listStatus", "E": 1, "g": 3, "c": "OCO", "l": "ALL_DONE", "L": "ALL_DONE",
            "r": "NONE", "C": "x", "T": 1, "O": [{"s": "BTCUSDT", "i": 28, "c": STOP}]}  # fmt: skip
    async with run(make(), desk):
        await server.push(report("EXPIRED", "EXPIRED", g=3))
        await server.push(done)
        await desk.until(OrderExpired)
        await server.push(done | {"L": "REJECT", "r": "WHY", "g": 4, "O": [{"c": TARGET}]})
        assert (await desk.until(OrderRejected)).code == "WHY"


async def test_the_cancel_of_one_leg_ends_both(server, make, desk, run, order):
    row = {"status": "CANCELED", "transactTime": 7}
    both = [row | {"origClientOrderId": cid, "clientOrderId": "x"} for cid in (STOP, TARGET)]
    server.answer("DELETE /order", (200, {"orderListId": 3, "orderReports": both}))
    venue = make()
    async with run(venue, desk):
        venue.cancel(order(STOP))
        await desk.until(OrderCanceled, 2)
    assert {e.client_order_id for e in desk.of(OrderCanceled)} == {STOP, TARGET}


async def test_an_amend_is_told_by_answer_and_stream_once(server, make, desk, run, order):
    change = AmendSubmitted(client_order_id=STOP, origin="cli", size=D("0.005"), ts_ns=1)
    amended = {"orderId": 28, "qty": "0.00500000", "price": "50000.10000000"}
    server.answer(
        "PUT /order/amend/keepPriority",
        (200, {"transactTime": 5, "executionId": 1, "amendedOrder": amended}),
        (400, {"code": -2038, "msg": "The requested action would change no state; rejecting."}),
        (400, {"code": -1007, "msg": "Timeout waiting for response."}),
    )
    venue = make()
    async with run(venue, desk):
        venue.amend(order(STOP), change)
        told = await desk.until(OrderAmended)
        assert (told.size, told.price, told.ts_event_ns) == (D("0.005"), D("50000.1"), 5_000_000)
        await server.push(
            report("REPLACED", "NEW", o="LIMIT", q="0.005", p="50000.1", P="0.00", C=STOP, c="new")
        )
        venue.amend(order(STOP), change)
        assert (await desk.until(AmendRejected)).code == "-2038"
        venue.amend(order(STOP), change)
        await server.until("PUT /order/amend/keepPriority", 3)
    assert len(desk.of(OrderAmended)) == 1
    assert len(desk.of(AmendRejected)) == 1


async def test_deposits_are_flows_of_money(server, make, desk, run):
    async with run(make(), desk):
        await server.push({"e": "balanceUpdate", "E": 1, "a": "BTC", "d": "-1.50", "T": 3})
        moved = await desk.until(CashMoved)
    assert (moved.asset, moved.amount, moved.kind, moved.ts_event_ns) == (
        "BTC",
        D("-1.5"),
        "transfer",
        3_000_000,
    )
