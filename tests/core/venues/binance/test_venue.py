from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from core.model.errors import ConfigError, InvariantError
from core.model.facts import BalancesReported, VenueConnected, VenueDisconnected
from core.model.market import Side
from core.model.orders import (
    CancelRejected,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderType,
    OrderUnknown,
    TimeInForce,
)
from core.wire.signing import HmacSigner, encode_query

CID = "clxt-0000000001-00000001"


def placed(status="NEW", **more):
    return {
        "symbol": "BTCUSDT",
        "orderId": 28,
        "orderListId": -1,
        "clientOrderId": CID,
        "transactTime": 1507725176595,
        "price": "50000.10",
        "origQty": "0.01",
        "executedQty": "0.00",
        "status": status,
        "fills": [],
    } | more


def reply_fill(trade_id=56, qty="0.01"):
    return {
        "price": "50000.10",
        "qty": qty,
        "commission": "0.00001",
        "commissionAsset": "BTC",
        "tradeId": trade_id,
    }


def report(execution, status, **more):
    return {
        "e": "executionReport",
        "E": 1507725176600,
        "s": "BTCUSDT",
        "c": CID,
        "S": "BUY",
        "o": "LIMIT",
        "f": "GTC",
        "q": "0.01",
        "p": "50000.10",
        "C": "",
        "x": execution,
        "X": status,
        "r": "NONE",
        "i": 28,
        "l": "0.00",
        "z": "0.00",
        "L": "0.00",
        "n": "0",
        "N": None,
        "T": 1507725176599,
        "t": -1,
        "m": False,
    } | more


def trade(trade_id=56, qty="0.01", status="FILLED", **more):
    filled = {"l": qty, "L": "50000.10", "n": "0.00001", "N": "BTC", "t": trade_id}
    return report("TRADE", status, **filled, **more)


async def settled(server, desk):
    """Wait until everything pushed before has been taken."""
    before = len(desk.of(BalancesReported))
    await server.push({"e": "outboundAccountPosition", "E": 1, "u": 1, "B": []})
    await desk.until(BalancesReported, before + 1)


async def test_order_is_signed_exact_and_named_by_our_id(server, make, desk, run, intent):
    server.answer("POST /order", (200, placed()))
    venue = make()
    async with run(venue, desk):
        venue.submit(intent(size=Decimal("1.2300E-2"), price=Decimal("5E+4")))
        accepted = await desk.until(OrderAccepted)
    (sent,) = server.asked("POST /order")
    assert {k: sent[k] for k in ("quantity", "price", "newClientOrderId", "type", "side")} == {
        "quantity": "0.0123",
        "price": "50000",
        "newClientOrderId": CID,
        "type": "LIMIT",
        "side": "BUY",
    }
    signature = sent.pop("signature")
    assert HmacSigner("the-secret").hex(encode_query(list(sent.items()))) == signature
    assert accepted.venue_order_id == "28"
    assert accepted.ts_event_ns == 1507725176595 * 1_000_000


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"type": OrderType.MARKET, "price": None}, {"type": "MARKET"}),
        ({"post_only": True}, {"type": "LIMIT_MAKER", "price": "50000.1"}),
        ({"time_in_force": TimeInForce.IOC}, {"type": "LIMIT", "timeInForce": "IOC"}),
        ({"time_in_force": TimeInForce.FOK, "side": Side.SELL}, {"side": "SELL"}),
    ],
)
async def test_order_kinds_are_spelled_as_the_venue_wants(
    server, make, desk, run, intent, changes, expected
):
    server.answer("POST /order", (200, placed()))
    venue = make()
    async with run(venue, desk):
        venue.submit(intent(**changes))
        await desk.until(OrderAccepted)
    (sent,) = server.asked("POST /order")
    assert expected.items() <= sent.items()
    assert ("timeInForce" in sent) == (sent["type"] == "LIMIT")
    assert ("price" in sent) == (sent["type"] != "MARKET")


async def test_immediate_fill_told_by_reply_and_stream_arrives_once(
    server, make, desk, run, intent
):
    server.answer(
        "POST /order",
        (200, placed("FILLED", fills=[reply_fill(56, "0.004"), reply_fill(57, "0.006")])),
    )
    venue = make()
    async with run(venue, desk):
        venue.submit(intent())
        await desk.until(OrderFilled, 2)
        await server.push(report("NEW", "NEW"))
        await server.push(trade(56, "0.004", "PARTIALLY_FILLED"))
        await server.push(trade(57, "0.006"))
        await settled(server, desk)
    assert desk.outcomes() == ["OrderAccepted"]
    assert [(f.execution_id, f.size, f.fee_asset) for f in desk.of(OrderFilled)] == [
        ("56", Decimal("0.004"), "BTC"),
        ("57", Decimal("0.006"), "BTC"),
    ]


async def test_fill_on_the_stream_before_the_reply_is_the_only_outcome(
    server, make, desk, run, intent
):
    gate = asyncio.Event()
    server.answer("POST /order", gate, (200, placed("FILLED", fills=[reply_fill()])))
    venue = make()
    async with run(venue, desk):
        venue.submit(intent())
        await server.push(trade(maker_ignored=True, m=True))
        fill = await desk.until(OrderFilled)
        gate.set()
        await asyncio.gather(*[t for t in asyncio.all_tasks() if "_place" in repr(t)])
        await settled(server, desk)
    assert fill.maker
    assert desk.outcomes() == []
    assert len(desk.of(OrderFilled)) == 1


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (
            (400, {"code": -2010, "msg": "Account has insufficient balance for requested action."}),
            "-2010",
        ),
        ((400, {"code": -1013, "msg": "Filter failure: NOTIONAL"}), "-1013"),
        ((400, {"code": -1022, "msg": "Signature for this request is not valid."}), "-1022"),
        ((401, {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}), "-2015"),
        ((429, {"code": -1003, "msg": "Too many requests."}, {"Retry-After": "7"}), "-1003"),
        ((403, "<html>forbidden</html>"), "403"),
    ],
)
async def test_a_definite_no_is_a_rejection_in_the_venues_words(
    server, make, desk, run, intent, answer, code
):
    server.answer("POST /order", answer)
    venue = make()
    async with run(venue, desk):
        venue.submit(intent())
        rejected = await desk.until(OrderRejected)
    assert rejected.code == code
    assert desk.outcomes() == ["OrderRejected"]


@pytest.mark.parametrize(
    "answer",
    [
        "reset",
        (500, "<html>internal</html>"),
        (503, {"code": -1008, "msg": "Server is currently overloaded"}),
        (504, {"code": -1007, "msg": "Timeout waiting for response from backend server."}),
        (400, {"code": -1006, "msg": "An unexpected response was received."}),
        (400, {"code": -1007, "msg": "Timeout waiting for response from backend server."}),
        (400, "not json"),
        (200, '{"orderId": 28, "clientOr'),
        (200, placed("HALF_DONE")),
        # It lives, or the venue could not call it a duplicate.
        (400, {"code": -2010, "msg": "Duplicate order sent."}),
    ],
)
async def test_no_clear_answer_is_unknown_never_rejected(server, make, desk, run, intent, answer):
    server.answer("POST /order", answer)
    venue = make()
    async with run(venue, desk):
        venue.submit(intent())
        await desk.until(OrderUnknown)
        await settled(server, desk)
    assert desk.outcomes() == ["OrderUnknown"]
    assert len(server.asked("POST /order")) == 1


async def test_lost_ack_is_unknown_then_the_stream_tells(server, make, desk, run, intent):
    server.answer("POST /order", "reset")
    venue = make()
    async with run(venue, desk):
        venue.submit(intent())
        await desk.until(OrderUnknown)
        await server.push(report("NEW", "NEW"))
        await desk.until(OrderAccepted)
    assert desk.outcomes() == ["OrderUnknown", "OrderAccepted"]


async def test_silent_venue_is_unknown_after_the_timeout(server, make, desk, run, intent):
    server.answer("POST /order", asyncio.Event(), "reset")
    venue = make(timeout_s=0.1)
    async with run(venue, desk):
        venue.submit(intent())
        unknown = await desk.until(OrderUnknown)
    assert "timed out" in unknown.reason


async def test_stopping_with_an_order_in_flight_leaves_it_unknown(server, make, desk, run, intent):
    server.answer("POST /order", asyncio.Event(), "reset")
    venue = make()
    async with run(venue, desk):
        venue.submit(intent("clxt-0000000001-0000000a"))
        await server.until("POST /order")
        venue.submit(intent("clxt-0000000001-0000000b"))
    await asyncio.sleep(0)
    assert desk.outcomes() == ["OrderUnknown", "OrderUnknown"]


async def test_venue_that_is_down_was_certainly_not_reached(make, desk, run, intent, unused_url):
    venue = make(rest_url=unused_url, ws_api_url=unused_url.replace("http", "ws"))
    async with run(venue, desk, connected=False):
        venue.submit(intent())
        rejected = await desk.until(OrderRejected)
        down = await desk.until(VenueDisconnected)
    assert rejected.code == "NOT_SENT"
    assert "could not connect" in down.reason


@pytest.mark.parametrize(
    "changes",
    [
        {"instrument_id": "NO-SUCH.binance"},
        {"price": None},
        {"post_only": True, "time_in_force": TimeInForce.IOC},
    ],
)
async def test_an_order_that_cannot_be_written_is_refused_unsent(
    server, make, desk, run, intent, changes
):
    venue = make()
    async with run(venue, desk):
        venue.submit(intent(**changes))
        rejected = await desk.until(OrderRejected)
    assert rejected.code == "NOT_SENT"
    assert server.asked("POST /order") == []


async def test_submit_never_calls_back_within_itself(server, make, desk, run, intent):
    server.answer("POST /order", (200, placed()))
    venue = make()
    async with run(venue, desk):
        before = len(desk.events)
        venue.submit(intent(price=None))
        venue.submit(intent())
        assert len(desk.events) == before
        await desk.until(OrderRejected)


async def test_after_429_nothing_is_sent_until_the_venue_allows(server, make, desk, run, intent):
    server.answer("POST /order", (429, {"code": -1003, "msg": "Too many."}, {"Retry-After": "60"}))
    venue = make()
    async with run(venue, desk):
        venue.submit(intent())
        await desk.until(OrderRejected)
        venue.submit(intent("clxt-0000000001-00000002"))
        second = await desk.until(OrderRejected, 2)
    assert second.code == "local-limit"
    assert len(server.asked("POST /order")) == 1


async def test_a_late_timestamp_is_signed_anew_by_the_venues_clock(server, make, desk, run, intent):
    late = {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}
    server.answer("POST /order", (400, late), (200, placed()))
    venue = make(recv_window_ms=60_000)
    async with run(venue, desk):
        server.skew_ms = 20_000
        venue.submit(intent())
        await desk.until(OrderAccepted)
    first, second = server.asked("POST /order")
    assert int(second["timestamp"]) - int(first["timestamp"]) > 15_000
    assert desk.outcomes() == ["OrderAccepted"]


async def test_a_timestamp_that_stays_late_is_a_rejection(server, make, desk, run, intent):
    late = {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}
    server.answer("POST /order", (400, late), (400, late))
    venue = make()
    async with run(venue, desk):
        venue.submit(intent())
        assert (await desk.until(OrderRejected)).code == "-1021"
    assert len(server.asked("POST /order")) == 2


async def test_ioc_that_filled_in_part_ends_expired(server, make, desk, run, intent):
    server.answer(
        "POST /order", (200, placed("EXPIRED", executedQty="0.004", fills=[reply_fill(1, "0.004")]))
    )
    venue = make()
    async with run(venue, desk):
        venue.submit(intent(time_in_force=TimeInForce.IOC))
        await desk.until(OrderExpired)
        await server.push(report("EXPIRED", "EXPIRED", f="IOC"))
        await settled(server, desk)
    names = [type(e).__name__ for e in desk.events if type(e).__name__.startswith("Order")]
    assert names == ["OrderAccepted", "OrderFilled", "OrderExpired"]


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (report("CANCELED", "CANCELED", c="cancel-1", C=CID), OrderCanceled),
        (report("EXPIRED", "EXPIRED"), OrderExpired),
        (report("TRADE_PREVENTION", "EXPIRED_IN_MATCH"), OrderExpired),
        (report("TRADE", "EXPIRED"), OrderExpired),
        (report("REJECTED", "REJECTED", r="UNKNOWN_ORDER"), OrderRejected),
        (trade(), OrderFilled),
    ],
)
async def test_reports_of_an_order_from_an_earlier_session_are_told(
    server, make, desk, run, event, kind
):
    async with run(make(), desk):
        await server.push(event)
        assert (await desk.until(kind)).client_order_id == CID


@pytest.mark.parametrize(
    "event",
    [
        report("CANCELED", "CANCELED", c="cancel-1", C=CID, z="0.004"),
        report("EXPIRED", "EXPIRED", z="0.004"),
        report("TRADE_PREVENTION", "EXPIRED_IN_MATCH", z="0.004"),
    ],
)
async def test_an_end_says_what_was_filled_in_all(server, make, desk, run, event):
    async with run(make(), desk):
        await server.push(event)
        ended = await desk.until((OrderCanceled, OrderExpired))
    assert ended.filled == Decimal("0.004")


async def test_reports_that_end_nothing_are_silent(server, make, desk, run):
    async with run(make(), desk):
        await server.push(report("TRADE_PREVENTION", "NEW"))
        await server.push(report("CALCULATED", "FILLED"))
        await server.push(report("NEW", "NEW", c="web_1", o="STOP_LOSS", W=5))
        await server.push({"e": "somethingNew", "E": 1})
        await settled(server, desk)
        assert [type(e).__name__ for e in desk.events] == ["VenueConnected", "BalancesReported"]


async def test_orders_of_other_programs_are_not_ours_to_tell(server, make, desk, run):
    async with run(make(), desk):
        await server.push(report("NEW", "NEW", c="web_12345"))
        await server.push(trade(c="web_12345"))
        await server.push(report("CANCELED", "CANCELED", c="x", C="web_12345"))
        await settled(server, desk)
    assert desk.of(OrderAccepted, OrderFilled, OrderCanceled) == []


async def test_cancel_is_by_our_id_and_told_once(server, make, desk, run, order):
    server.answer(
        "DELETE /order",
        (200, {"orderId": 28, "status": "CANCELED", "transactTime": 5, "origClientOrderId": CID,
               "executedQty": "0.003"}),
    )  # fmt: skip
    venue = make()
    async with run(venue, desk):
        venue.cancel(order())
        assert (await desk.until(OrderCanceled)).filled == Decimal("0.003")
        await server.push(report("CANCELED", "CANCELED", c="x", C=CID))
        await settled(server, desk)
    assert len(desk.of(OrderCanceled)) == 1
    assert server.asked("DELETE /order")[0]["origClientOrderId"] == CID


async def test_many_cancels_go_over_the_stream_and_what_it_leaves_open_by_lines(
    server, make, desk, run, order
):
    names = [f"clxt-0000000001-{number:08x}" for number in range(20)]
    gone, late = names[3], names[4]
    server.cancels = {
        gone: {"status": 400, "error": {"code": -2011, "msg": "Unknown order sent."}},
        late: {"status": 400, "error": {"code": -1021, "msg": "Timestamp outside"}},
        names[17]: "drop",
    }
    by_line = [late, *names[17:]]
    server.answer(
        "DELETE /order",
        *[(400, {"code": -2011, "msg": "Unknown order sent."}) for _ in by_line],
    )
    venue = make()
    async with run(venue, desk):
        for name in names:
            venue.cancel(order(name))
        await desk.until(OrderCanceled, 15)
        await desk.until(CancelRejected, 1 + len(by_line))
    canceled = {event.client_order_id for event in desk.of(OrderCanceled)}
    assert canceled == set(names[:17]) - {gone, late}
    lines = {params["origClientOrderId"] for params in server.asked("DELETE /order")}
    assert lines == set(by_line)
    assert {event.client_order_id for event in desk.of(CancelRejected)} == {gone, *by_line}
    frame = server.asked("order.cancel")[0]
    assert frame["apiKey"] == "the-key"
    assert len(frame["signature"]) == 64


async def test_refused_cancel_is_told_and_an_unanswered_one_is_not(server, make, desk, run, order):
    server.answer(
        "DELETE /order",
        (400, {"code": -2011, "msg": "Unknown order sent."}),
        (504, {"code": -1007, "msg": "Timeout"}),
        (200, "{broken"),
        (400, {"code": -2011, "msg": "Unknown order sent."}),
    )
    venue = make()
    async with run(venue, desk):
        venue.cancel(order())
        assert (await desk.until(CancelRejected)).code == "-2011"
        for asked in (2, 3):
            venue.cancel(order())
            await server.until("DELETE /order", asked)
        venue.cancel(order())
        await desk.until(CancelRejected, 2)
    assert len(desk.of(CancelRejected)) == 2
    assert desk.of(OrderCanceled) == []


async def test_subscription_is_signed_over_sorted_parameters(server, make, desk, run):
    async with run(make(), desk):
        params = server.subscriptions[0]["params"]
    payload = "&".join(f"{k}={params[k]}" for k in sorted(params) if k != "signature")
    assert params["signature"] == HmacSigner("the-secret").hex(payload)
    assert server.subscriptions[0]["method"] == "userDataStream.subscribe.signature"


async def test_stream_that_dies_is_told_and_comes_back(server, make, desk, run):
    async with run(make(), desk):
        await server.sockets[-1].close(code=1012)
        await desk.until(VenueDisconnected)
        await desk.until(VenueConnected, 2)
    assert [type(e).__name__ for e in desk.events] == [
        "VenueConnected",
        "VenueDisconnected",
        "VenueConnected",
        "VenueDisconnected",
    ]


@pytest.mark.parametrize(
    "frame",
    [
        '{"subscriptionId":0,"event":{"e":"eventStreamTerminated","E":1}}',
        '{"subscriptionId":0,"event":{"e":"executionReport","s":"BTCUSDT"}}',
        '{"subscriptionId":0,"event":[]}',
        "}{",
    ],
)
async def test_a_goodbye_or_unreadable_event_reconnects_so_that_we_reconcile(
    server, make, desk, run, frame
):
    async with run(make(), desk):
        await server.sockets[-1].send_str(frame)
        lost = await desk.until(VenueDisconnected)
        assert "eventStreamTerminated" in lost.reason or "unreadable" in lost.reason
        await desk.until(VenueConnected, 2)


async def test_refused_subscription_says_why_and_is_tried_again(server, make, desk, run):
    server.refuse_subscriptions.append({"code": -1022, "msg": "Signature is not valid."})
    async with run(make(), desk):
        down = desk.of(VenueDisconnected)[0]
    assert "Signature is not valid. (venue code -1022)" in down.reason


async def test_clock_skew_beyond_half_the_window_is_told_until_it_is_gone(server, make, desk, run):
    server.skew_ms = 4000
    venue = make(recv_window_ms=5000)
    async with run(venue, desk, connected=False):
        down = await desk.until(VenueDisconnected)
        assert "clock skew: this computer is" in down.reason
        assert "behind binance, allowed are 2500 ms" in down.reason
        server.skew_ms = 100
        await venue._sample_time()
        await desk.until(VenueConnected)


def test_missing_key_is_a_config_error_that_names_the_setting(make):
    with pytest.raises(ConfigError, match=r"venues\.binance\.api_secret must be set"):
        make(api_secret="")


def test_secrets_are_in_no_repr(make):
    shown = repr(make()) + repr(make()._rest)
    assert "the-key" not in shown
    assert "the-secret" not in shown


def test_submit_before_run_is_a_bug(make, intent):
    with pytest.raises(InvariantError, match="before run"):
        make().submit(intent())


async def test_submit_after_run_ended_is_refused_unsent(make, desk, run, intent):
    venue = make()
    async with run(venue, desk):
        pass
    venue.submit(intent())
    assert (await desk.until(OrderRejected)).code == "NOT_SENT"
