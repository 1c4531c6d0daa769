"""Orders of USD-M: what is sent, and what the venue's answers and events mean."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from core.model.facts import CashMoved, DeadManSet, VenueDisconnected, VenueWarned
from core.model.market import Side
from core.model.orders import (
    AmendRejected,
    AmendSubmitted,
    CancelRejected,
    OrderAccepted,
    OrderAmended,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderTriggered,
    OrderType,
    OrderUnknown,
    PositionSide,
    TriggerBy,
)

D = Decimal
CID, SECOND = "clxt-0000000001-00000001", "clxt-0000000001-00000002"
STOP = {"type": OrderType.STOP, "price": None, "trigger_price": D("49000.50")}


def row(status="NEW", number=7, **more):
    return {
        "orderId": number, "symbol": "BTCUSDT", "status": status, "clientOrderId": CID,
        "price": "50000.1", "avgPrice": "0", "origQty": "0.010", "executedQty": "0",
        "type": "LIMIT", "side": "BUY", "updateTime": 5,
    } | more  # fmt: skip


def algo(status="NEW", **more):
    return {
        "algoId": 3, "clientAlgoId": CID, "algoStatus": status, "symbol": "BTCUSDT",
        "side": "SELL", "orderType": "STOP_MARKET", "quantity": "0.010", "triggerPrice": "49000.5",
        "price": "0", "actualOrderId": "", "createTime": 4, "updateTime": 5,
    } | more  # fmt: skip


def update(execution, status, **more):
    return {
        "e": "ORDER_TRADE_UPDATE", "E": 9, "T": 8,
        "o": {
            "s": "BTCUSDT", "c": CID, "S": "BUY", "o": "LIMIT", "f": "GTC", "q": "0.010",
            "p": "50000.1", "x": execution, "X": status, "i": 7, "l": "0", "L": "0", "n": "0",
            "N": "USDT", "T": 8, "t": 0, "m": False, "ps": "BOTH", "rp": "0", "ot": "LIMIT",
        } | more,
    }  # fmt: skip


def waited(status, **more):
    return {
        "e": "ALGO_UPDATE", "T": 8, "E": 9,
        "o": {"caid": CID, "aid": 3, "X": status, "ai": "", "tt": 0, "rm": ""} | more,
    }  # fmt: skip


def sent(params, *names):
    return {name: params.get(name) for name in names}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, {"type": "LIMIT", "timeInForce": "GTC", "price": "50000.1", "quantity": "0.01",
              "reduceOnly": None, "newOrderRespType": "RESULT"}),
        ({"post_only": True}, {"type": "LIMIT", "timeInForce": "GTX"}),
        ({"type": OrderType.MARKET, "price": None, "reduce_only": True},
         {"type": "MARKET", "reduceOnly": "true", "timeInForce": None, "price": None}),
    ],
)  # fmt: skip
async def test_plain_orders_are_told_by_their_own_words(
    server, make, desk, run, intent, changes, words
):
    server.answer("POST /v1/order", (200, row()))
    venue = make()
    async with run(venue, desk):
        venue.submit(intent(**changes))
        assert (await desk.until(OrderAccepted)).venue_order_id == "7"
    (params,) = server.asked("POST /v1/order")
    assert sent(params, *words) == words


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (STOP, {"type": "STOP_MARKET", "triggerPrice": "49000.5", "workingType": "CONTRACT_PRICE",
                "price": None, "timeInForce": None, "algoType": "CONDITIONAL"}),
        ({"type": OrderType.STOP_LIMIT, "trigger_price": D(51), "trigger_by": TriggerBy.MARK},
         {"type": "STOP", "workingType": "MARK_PRICE", "price": "50000.1", "timeInForce": "GTC"}),
        ({"type": OrderType.TAKE_PROFIT, "price": None, "trigger_price": D(52),
          "reduce_only": True}, {"type": "TAKE_PROFIT_MARKET", "reduceOnly": "true"}),
        ({"type": OrderType.TAKE_PROFIT_LIMIT, "trigger_price": D(52)}, {"type": "TAKE_PROFIT"}),
        ({"type": OrderType.TRAILING_STOP, "price": None, "trail_pct": D("1.5")},
         {"type": "TRAILING_STOP_MARKET", "callbackRate": "1.5", "triggerPrice": None}),
    ],
)  # fmt: skip
async def test_conditional_orders_go_to_the_algo_service(
    server, make, desk, run, intent, changes, words
):
    server.answer("POST /v1/algoOrder", (200, algo()))
    venue = make()
    async with run(venue, desk):
        venue.submit(intent(**changes))
        assert (await desk.until(OrderAccepted)).venue_order_id == "algo-3"
    (params,) = server.asked("POST /v1/algoOrder")
    assert sent(params, *words) == words
    assert params["clientAlgoId"] == CID


@pytest.mark.parametrize(
    ("hedging", "side", "words"),
    [
        (True, PositionSide.SHORT, {"positionSide": "SHORT", "reduceOnly": None}),
        (True, PositionSide.NET, None),
        (False, PositionSide.LONG, None),
    ],
)
async def test_the_side_of_an_order_fits_how_the_account_holds_positions(
    server, make, desk, run, intent, hedging, side, words
):
    server.hedging = hedging
    server.answer("POST /v1/order", (200, row()))
    venue = make()
    async with run(venue, desk):
        assert venue.abilities(None).hedging is hedging
        venue.submit(intent(position_side=side, reduce_only=True))
        if words is None:
            refused = await desk.until(OrderRejected)
            assert refused.code == "NOT_SENT"
            assert "holds long and short" in refused.reason
        else:
            await desk.until(OrderAccepted)
            assert sent(server.asked("POST /v1/order")[0], *words) == words


@pytest.mark.parametrize("code", [-2019, -2021, -2022, -4118, -5022, -1111, -4164, -2027])
async def test_what_the_venue_refuses_is_rejected_with_its_code(
    server, make, desk, run, intent, code
):
    server.answer("POST /v1/order", (400, {"code": code, "msg": "No."}))
    venue = make()
    async with run(venue, desk):
        venue.submit(intent())
        refused = await desk.until(OrderRejected)
    assert (refused.code, refused.reason) == (str(code), "No.")


@pytest.mark.parametrize(
    "answer",
    [
        (408, {"code": -1007, "msg": "Timeout waiting for response from backend server."}),
        (503, {"code": -1008, "msg": "Server is currently overloaded."}),
        (503, "Unknown error, please check your request or try again later."),
        (400, {"code": -4116, "msg": "ClientOrderId is duplicated."}),
        (400, {"code": -1006, "msg": "An unexpected response was received."}),
        (200, "[]"),
        (200, {"orderId": 7}),
        "reset",
    ],
)
@pytest.mark.parametrize("changes", [{}, STOP], ids=["plain", "conditional"])
async def test_no_clear_answer_is_unknown_never_rejected(
    server, make, desk, run, intent, changes, answer
):
    route = "POST /v1/algoOrder" if changes else "POST /v1/order"
    server.answer(route, answer)
    venue = make()
    async with run(venue, desk):
        venue.submit(intent(**changes))
        await desk.until(OrderUnknown)
    assert desk.names() == ["OrderUnknown"]
    assert len(server.asked(route)) == 1


@pytest.mark.parametrize("status", [429, 418])
async def test_a_full_venue_lets_nothing_out_for_as_long_as_it_says(
    server, make, desk, run, intent, status
):
    body = {"code": -1003, "msg": "Too many requests."}
    server.answer("POST /v1/order", (status, body, {"Retry-After": "60"}))
    venue = make()
    async with run(venue, desk):
        venue.submit(intent())
        venue.submit(intent(SECOND))
        await desk.until(OrderRejected)
        venue.submit(intent("clxt-0000000001-00000003"))
        last = await desk.until(OrderRejected, len(desk.of(OrderRejected)) + 1)
    assert last.code == "local-limit"


async def test_an_ioc_that_filled_nothing_expired_and_one_that_filled_waits_for_its_fills(
    server, make, desk, run, intent
):
    server.answer(
        "POST /v1/order", (200, row("EXPIRED")), (200, row("EXPIRED", 8, executedQty="0.004"))
    )
    venue = make()
    async with run(venue, desk):
        venue.submit(intent())
        await desk.until(OrderExpired)
        venue.submit(intent(SECOND))
        await desk.until(OrderAccepted, 2)
    assert desk.names() == ["OrderAccepted", "OrderExpired", "OrderAccepted"]


async def test_fills_carry_side_and_the_venues_own_profit_and_are_told_once(
    server, make, desk, run
):
    trade = update(
        "TRADE", "FILLED", l="0.010", L="50000.1", t=55, n="0.25", rp="12.34", m=True, ps="LONG"
    )
    lite = {"e": "TRADE_LITE", "E": 1, "T": 1, "s": "BTCUSDT", "t": 55, "c": CID, "i": 7}
    async with run(make(), desk):
        await server.push(lite)
        await server.push(trade)
        await server.push(trade)
        await server.push(update("CANCELED", "CANCELED", z="0.010"))
        assert (await desk.until(OrderCanceled)).filled == D("0.01")
    (fill,) = desk.of(OrderFilled)
    assert (fill.price, fill.size, fill.fee, fill.fee_asset, fill.maker) == (
        D("50000.1"), D("0.01"), D("0.25"), "USDT", True,
    )  # fmt: skip
    assert (fill.realised, fill.position_side, fill.execution_id) == (D("12.34"), "long", "55")


async def test_a_stop_that_fires_is_triggered_and_goes_on_as_its_order(
    server, make, desk, run, intent, order
):
    server.answer("POST /v1/algoOrder", (200, algo()))
    server.answer("DELETE /v1/order", (200, row("CANCELED", 88)))
    venue = make()
    async with run(venue, desk):
        venue.submit(intent(**STOP))
        await desk.until(OrderAccepted)
        await server.push(waited("TRIGGERED", ai="88", tt=6))
        # The order it became may have another client id: its number tells whose it is.
        await server.push(update("NEW", "NEW", i=88, c="another"))
        await server.push(
            update("TRADE", "PARTIALLY_FILLED", i=88, c="another", l="0.004", L="48990", t=9)
        )
        await server.push(waited("FINISHED", ai="88", tt=6))
        await desk.until(OrderFilled)
        venue.cancel(order(**STOP, triggered_ns=6, venue_order_id="88"))
        await desk.until(OrderCanceled)
    assert desk.names() == ["OrderAccepted", "OrderTriggered", "OrderFilled", "OrderCanceled"]
    assert desk.of(OrderTriggered)[0].venue_order_id == "88"
    assert sent(server.asked("DELETE /v1/order")[0], "orderId") == {"orderId": "88"}


@pytest.mark.parametrize(
    ("status", "kind"), [("CANCELED", OrderCanceled), ("EXPIRED", OrderExpired),
                         ("REJECTED", OrderExpired)],
)  # fmt: skip
async def test_a_stop_that_comes_to_nothing_says_why(server, make, desk, run, status, kind):
    async with run(make(), desk):
        await server.push(waited("NEW"))
        await server.push(waited(status, rm="Reduce Only reject"))
        ended = await desk.until(kind)
    assert "Reduce Only reject" in ended.reason


async def test_the_cancel_of_a_stop_that_has_just_fired_reaches_its_order(
    server, make, desk, run, order
):
    server.answer("DELETE /v1/algoOrder", (400, {"code": -2011, "msg": "Unknown order sent."}))
    server.answer("GET /v1/algoOrder", (200, algo("TRIGGERED", actualOrderId="88", triggerTime=6)))
    server.answer("DELETE /v1/order", (200, row("CANCELED", 88, executedQty="0.002")))
    venue = make()
    async with run(venue, desk):
        venue.cancel(order(**STOP))
        assert (await desk.until(OrderCanceled)).filled == D("0.002")
    assert desk.names() == ["OrderTriggered", "OrderCanceled"]


async def test_cancels_of_one_moment_go_in_batches_and_each_is_answered(
    server, make, desk, run, order
):
    done = [{"status": "CANCELED", "updateTime": 5, "executedQty": "0.001"}] * 9
    server.answer(
        "DELETE /v1/batchOrders", (200, [*done, {"code": -2011, "msg": "Unknown order sent."}])
    )
    server.answer("DELETE /v1/order", (200, row("CANCELED")))
    venue = make()
    async with run(venue, desk):
        for number in range(11):
            venue.cancel(order(f"clxt-0000000001-{number:08}"))
        await desk.until(OrderCanceled, 10)
        refused = await desk.until(CancelRejected)
    (batch,) = server.asked("DELETE /v1/batchOrders")
    assert len(json.loads(batch["origClientOrderIdList"])) == 10
    assert (refused.client_order_id, refused.code) == ("clxt-0000000001-00000009", "-2011")


async def test_an_amend_sends_price_and_size_and_is_told_once(server, make, desk, run, order):
    change = AmendSubmitted(client_order_id=CID, origin="cli", price=D("49999.00"), ts_ns=1)
    server.answer(
        "PUT /v1/order",
        (200, row(price="49999", updateTime=6)),
        (400, {"code": -5027, "msg": "No need to modify the order."}),
        (408, {"code": -1007, "msg": "Timeout."}),
    )
    venue = make()
    async with run(venue, desk):
        venue.amend(order(), change)
        told = await desk.until(OrderAmended)
        assert (told.price, told.size) == (D(49999), D("0.01"))
        await server.push(update("AMENDMENT", "NEW", p="49999", T=6))
        venue.amend(order(), change)
        assert (await desk.until(AmendRejected)).code == "-5027"
        venue.amend(order(), change)
        await server.until("PUT /v1/order", 3)
    words = {"side": "BUY", "quantity": "0.01", "price": "49999", "origClientOrderId": CID}
    assert sent(server.asked("PUT /v1/order")[0], *words) == words
    assert len(desk.of(OrderAmended)) == 1


async def test_a_conditional_order_is_found_waiting_and_as_what_it_became(
    server, make, desk, run, order
):
    server.answer(
        "GET /v1/algoOrder",
        (200, algo()),
        (200, algo("TRIGGERED", actualOrderId="88")),
        (400, {"code": -2013, "msg": "Order does not exist."}),
    )
    server.answer(
        "GET /v1/order",
        (200, row("PARTIALLY_FILLED", 88, type="MARKET", executedQty="0.004", avgPrice="48990",
                  clientOrderId="another")),
        (400, {"code": -2013, "msg": "Order does not exist."}),
    )  # fmt: skip
    venue = make()
    async with run(venue, desk):
        waiting = await venue.find_order(order(**STOP))
        fired = await venue.find_order(order(**STOP))
        gone = await venue.find_order(order(**STOP))
    assert (waiting.state, waiting.trigger_price, waiting.type) == (
        "accepted", D("49000.5"), OrderType.STOP,
    )  # fmt: skip
    assert (fired.client_order_id, fired.venue_order_id, fired.filled, fired.average_price) == (
        CID, "88", D("0.004"), D(48990),
    )  # fmt: skip
    assert gone is None
    assert desk.of(OrderTriggered)[0].venue_order_id == "88"


async def test_funding_is_booked_by_the_income_that_says_so(server, make, desk, run):
    funding = {"symbol": "BTCUSDT", "incomeType": "FUNDING_FEE", "income": "-0.37", "asset": "USDT",
               "time": 8, "tranId": 99, "info": "", "tradeId": ""}  # fmt: skip
    fee = funding | {"incomeType": "COMMISSION", "tranId": 100}
    server.answer("GET /v1/income", (200, [fee, funding]))
    usdt = {"a": "USDT", "wb": "99.63", "cw": "99.63", "bc": "-0.37"}
    moved = {"e": "ACCOUNT_UPDATE", "E": 9, "T": 8, "a": {"m": "FUNDING_FEE", "B": [usdt]}}
    async with run(make(), desk):
        await server.push(moved)
        flow = await desk.until(CashMoved)
    assert (flow.kind, flow.amount, flow.flow_id, flow.instrument_id) == (
        "funding", D("-0.37"), "FUNDING_FEE-99", "BTC-USDT-PERP.binance_usdm",
    )  # fmt: skip
    assert len(desk.of(CashMoved)) == 1


async def test_margin_calls_and_forced_orders_are_warnings(server, make, desk, run):
    call = {"e": "MARGIN_CALL", "E": 1, "cw": "3.1", "p": [
        {"s": "BTCUSDT", "ps": "LONG", "pa": "1.327", "mt": "CROSSED", "iw": "0", "mp": "187",
         "up": "-1", "mm": "1.61"}]}  # fmt: skip
    async with run(make(), desk):
        await server.push(call)
        await server.push(
            update("CALCULATED", "FILLED", c="autoclose-1", l="0.1", L="48000", t=3, S="SELL")
        )
        await desk.until(VenueWarned, 2)
    first, second = (event.text for event in desk.of(VenueWarned))
    assert "1.327 BTC-USDT-PERP.binance_usdm (long) needs 1.61" in first
    assert "sell 0.1 at 48000" in second
    assert desk.names() == []


async def test_an_expired_listen_key_is_made_anew_and_told_as_a_break(server, make, desk, run):
    async with run(make(), desk):
        await server.push({"e": "listenKeyExpired", "E": 1, "listenKey": "key1"})
        lost = await desk.until(VenueDisconnected)
        await server.until("WS /ws/key2")
    assert "listenKeyExpired" in lost.reason
    assert "key1" not in lost.reason


@pytest.mark.parametrize("frame", [{"e": "ORDER_TRADE_UPDATE", "E": 1, "o": {"s": 1}}, [1]])
async def test_an_event_that_cannot_be_read_breaks_the_connection(server, make, desk, run, frame):
    async with run(make(), desk):
        await server.push(frame)
        await desk.until(VenueDisconnected)
        await server.until("WS /ws/key2")


async def test_the_switch_is_armed_with_the_first_order_and_taken_off_after_the_last(
    server, make, desk, run, intent
):
    server.answer("POST /v1/order", (200, row()))
    venue = make(dead_man_s=0.3)
    async with run(venue, desk):
        assert venue.abilities(None).dead_man
        venue.submit(intent())
        told = await desk.until(DeadManSet)
        assert told.state == "cancels BTCUSDT 0.3 s after our last word"
        await server.until("POST /v1/countdownCancelAll", 3)
        await server.push(update("CANCELED", "CANCELED"))
        assert (await desk.until(DeadManSet, 2)).state == ""
    times = [params["countdownTime"] for params in server.asked("POST /v1/countdownCancelAll")]
    assert set(times[:-1]) == {"300"}
    assert times[-1] == "0"


async def test_a_switch_that_cannot_be_set_is_shown(server, make, desk, run, intent):
    server.answer("POST /v1/order", (200, row()))
    server.answer("POST /v1/countdownCancelAll", (400, {"code": -1130, "msg": "Bad."}))
    venue = make(dead_man_s=60)
    async with run(venue, desk):
        venue.submit(intent())
        assert "not set: BTCUSDT: status 400" in (await desk.until(DeadManSet)).state
        await server.push(update("CANCELED", "CANCELED"))
        assert (await desk.until(DeadManSet, 2)).state == ""
    assert len(server.asked("POST /v1/countdownCancelAll")) == 1, "it does not hammer"


async def test_without_the_position_mode_the_stream_is_not_up(server, make, desk, run):
    server.answer("GET /v1/positionSide/dual", (503, "busy"), (503, "busy"))
    async with run(make(), desk):
        assert len(server.asked("GET /v1/positionSide/dual")) == 3
        assert desk.of(VenueDisconnected)


async def test_an_order_that_goes_out_before_the_stream_is_up_is_worded_for_its_account(
    server, make, desk, run, intent
):
    server.hedging = True
    server.answer("POST /v1/listenKey", *[(503, "busy")] * 9)
    server.answer("POST /v1/order", (200, row()), (200, row(number=8, clientOrderId=SECOND)))
    venue = make()
    async with run(venue, desk, connected=False):
        await server.until("POST /v1/listenKey")
        venue.submit(intent(position_side=PositionSide.LONG))
        await desk.until(OrderAccepted)
        venue.submit(intent(SECOND, position_side=PositionSide.LONG))
        await desk.until(OrderAccepted, 2)
    assert [each["positionSide"] for each in server.asked("POST /v1/order")] == ["LONG", "LONG"]
    assert len(server.asked("GET /v1/positionSide/dual")) == 1


async def test_orders_on_their_way_when_it_stops_become_unknown(server, make, desk, run, intent):
    venue = make()
    async with run(venue, desk):
        pass
    venue.submit(intent(side=Side.SELL))
    assert (await desk.until(OrderRejected)).code == "NOT_SENT"
