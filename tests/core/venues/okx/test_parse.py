"""Recorded and documented messages of OKX, and what is sent, word for word."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.model.accounts import EntryKind
from core.model.errors import ConfigError, DataError
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Side
from core.model.orders import (
    AmendSubmitted,
    OrderState,
    OrderType,
    PositionSide,
    TimeInForce,
    TriggerBy,
)
from core.venues.okx.messages import (
    ACKED,
    PUSH,
    AccountRow,
    AlgoRow,
    BillRow,
    BothRow,
    Envelope,
    OrderRow,
    PositionRow,
)
from core.venues.okx.names import to_wire
from core.venues.okx.parse import (
    algo_body,
    amend_algo_body,
    amend_body,
    balance,
    flow,
    order_body,
    order_state,
    position,
    pushed_fill,
    venue_algo,
    venue_order,
)
from core.venues.okx.rest import verdict
from core.venues.symbols import Symbols
from core.wire.http import HttpReply

_DEFAULT = Path(__file__).parents[5] / "shared" / "data"
DATA = Path(os.environ.get("CLX_RECORDED_DATA", _DEFAULT))
recorded = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"{DATA} is absent; set CLX_RECORDED_DATA to the recorded data"
)
OKX = VenueName("okx")
SPOT = Instrument(
    id=InstrumentId("BTC-USDT.okx"),
    venue=OKX,
    venue_symbol="BTC-USDT",
    base="BTC",
    quote="USDT",
    price_tick=Decimal("0.1"),
    size_lot=Decimal("0.00000001"),
)
SWAP = msgspec.structs.replace(
    SPOT,
    id=InstrumentId("BTC-USDT-PERP.okx"),
    venue_symbol="BTC-USDT-SWAP",
    kind=InstrumentKind.PERPETUAL,
    contract_size=Decimal("0.01"),
    settle="USDT",
    size_lot=Decimal("0.01"),
)
SYMBOLS = Symbols(OKX)
SYMBOLS.add([SPOT, SWAP])


def message(name: str, ctx: str) -> Any:
    """Return the newest message of a file that comes from somewhere and carries data."""
    found = [
        row["msg"]
        for row in map(json.loads, (DATA / name).read_text().splitlines())
        if row["ctx"].endswith(ctx) and "op" not in row["msg"] and "event" not in row["msg"]
    ]
    return found[-1]


def rows(name: str, ctx: str, into: Any) -> Any:
    push = PUSH.decode(json.dumps(message(name, ctx)))
    return msgspec.json.decode(push.data, type=list[into])


def reply(body: object, status: int = 200) -> HttpReply:
    return HttpReply(status=status, headers={}, body=json.dumps(body).encode(), url="")


@recorded
def test_a_pushed_order_is_its_fill_and_its_end():
    (row,) = rows("okx/ws_frames_jkorf.jsonl", "Trading/Order.txt", OrderRow)
    fill = pushed_fill(row, OKX, SYMBOLS, 5)
    assert (fill.execution_id, fill.price, fill.size) == (
        "242589207", Decimal("31527.1"), Decimal("0.001"),
    )  # fmt: skip
    assert (fill.fee, fill.fee_asset, fill.maker) == (Decimal("0.02522168"), "USDT", True)
    assert (fill.side, fill.realised) == (Side.SELL, None)
    assert fill.ts_event_ns == 1654084353263 * 1_000_000
    assert order_state(row) is OrderState.FILLED


@recorded
def test_a_liquidation_is_somebody_elses_order_of_a_long_position():
    (row,) = rows("okx/messages_nautilus.jsonl", "ws_orders_liquidation.json", OrderRow)
    order = venue_order(row, SYMBOLS)
    assert order.client_order_id == "2497956918703120999"
    assert (order.type, order.price, order.size) == (OrderType.MARKET, None, Decimal("0.5"))
    fill = pushed_fill(row, OKX, SYMBOLS, 5)
    assert fill.position_side is PositionSide.LONG


@recorded
def test_a_target_that_waits_is_read_with_its_trigger():
    (row,) = rows("okx/ws_frames_jkorf.jsonl", "Trading/AlgoOrder.txt", AlgoRow)
    order = venue_algo(row, SYMBOLS)
    assert (order.type, order.trigger_price, order.price) == (
        OrderType.TAKE_PROFIT, Decimal(1), None,
    )  # fmt: skip
    assert (order.venue_order_id, order.state) == ("581878926302093312", OrderState.ACCEPTED)


@recorded
def test_an_oco_of_somebody_else_is_listed_as_its_stop():
    told = message("okx/messages_nautilus.jsonl", "orders_algo_pending_attached_oco.json")
    (row,) = msgspec.convert(told, Envelope[AlgoRow]).data
    order = venue_algo(row, SYMBOLS)
    assert (order.type, order.trigger_price, order.reduce_only) == (
        OrderType.STOP, Decimal(39000), True,
    )  # fmt: skip


@recorded
def test_positions_and_balances_are_signed_and_exact():
    told = message("okx/messages_nautilus.jsonl", "http_get_positions.json")
    (row,) = msgspec.convert(told, Envelope[PositionRow]).data
    held = position(row, OKX, SYMBOLS)
    assert held is not None
    assert (held.instrument_id, held.side, held.size) == (
        SWAP.id, PositionSide.LONG, Decimal("0.5"),
    )  # fmt: skip
    assert (held.liquidation_price, held.leverage) == (Decimal(9000), Decimal("10.0"))
    account = message("okx/messages_nautilus.jsonl", "http_get_account_balance.json")
    parts = msgspec.convert(account, Envelope[AccountRow]).data[0].details
    assert all(balance(part, OKX).total == Decimal(part.cashBal or 0) for part in parts)


@recorded
def test_what_moved_balances_is_named():
    (row,) = rows("okx/ws_frames_jkorf.jsonl", "BalanceAndPosition.txt", BothRow)
    assert row.eventType == "snapshot"


@recorded
def test_success_outside_and_refusal_inside_is_a_refusal():
    told = message("okx/messages_nautilus.jsonl", "http_place_algo_order_rejected.json")
    said = verdict(reply(told), ACKED)
    assert (said.done, said.decided, said.code) == (False, True, "51000")
    assert said.words == "Parameter instId error"


@pytest.mark.parametrize(
    ("body", "status", "done", "decided"),
    [
        ({"code": "0", "data": [{"ordId": "1", "sCode": "0"}]}, 200, True, True),
        ({"code": "1", "data": [{"sCode": "51008", "sMsg": "no"}]}, 200, False, True),
        ({"code": "50011", "msg": "Too Many Requests", "data": []}, 200, False, True),
        ({"code": "50011", "msg": "Too Many Requests", "data": []}, 429, False, True),
        ({"code": "50102", "msg": "Timestamp request expired", "data": []}, 401, False, True),
        ({"code": "50004", "msg": "Endpoint request timeout", "data": []}, 400, False, False),
        ({"code": "50026", "msg": "System error", "data": []}, 500, False, False),
        ({"code": "1", "data": [{"sCode": "51016", "sMsg": "exists"}]}, 200, False, False),
        ({"code": "0", "data": []}, 200, False, False),
    ],
)
def test_answers_are_believed_as_far_as_they_go(body, status, done, decided):
    said = verdict(reply(body, status), ACKED)
    assert (said.done, said.decided) == (done, decided)


def test_a_page_of_a_proxy_decides_nothing():
    page = HttpReply(status=502, headers={}, body=b"<html>", url="")
    assert not verdict(page, ACKED).decided


def test_orders_are_written_word_for_word(intent):
    cid = to_wire(intent().client_order_id)
    assert order_body(intent(), SPOT) == {
        "instId": "BTC-USDT", "tdMode": "cash", "side": "buy", "sz": "0.01",
        "clOrdId": cid, "ordType": "limit", "px": "50000.1",
    }  # fmt: skip
    market = intent(type=OrderType.MARKET, price=None)
    # Without this word a buy at the market would be sized in dollars.
    assert order_body(market, SPOT)["tgtCcy"] == "base_ccy"
    assert "tgtCcy" not in order_body(market, SWAP)
    closing = intent(reduce_only=True, post_only=True, side=Side.SELL)
    assert order_body(closing, SWAP) | {"sz": ""} == {
        "instId": "BTC-USDT-SWAP", "tdMode": "cross", "side": "sell", "sz": "", "clOrdId": cid,
        "reduceOnly": True, "ordType": "post_only", "px": "50000.1",
    }  # fmt: skip
    long = intent(position_side=PositionSide.LONG, reduce_only=True)
    assert order_body(long, SWAP)["posSide"] == "long"
    assert "reduceOnly" not in order_body(long, SWAP)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"type": OrderType.STOP, "price": None, "trigger_price": Decimal(9)},
         {"ordType": "conditional", "slTriggerPx": "9", "slTriggerPxType": "last",
          "slOrdPx": "-1"}),
        ({"type": OrderType.STOP_LIMIT, "trigger_price": Decimal(9), "price": Decimal(8),
          "trigger_by": TriggerBy.MARK},
         {"ordType": "conditional", "slTriggerPx": "9", "slTriggerPxType": "mark", "slOrdPx": "8"}),
        ({"type": OrderType.TAKE_PROFIT, "price": None, "trigger_price": Decimal(9)},
         {"ordType": "conditional", "tpTriggerPx": "9", "tpTriggerPxType": "last",
          "tpOrdPx": "-1"}),
        ({"type": OrderType.TRAILING_STOP, "price": None, "trail_pct": Decimal("1.5")},
         {"ordType": "move_order_stop", "callbackRatio": "0.015"}),
        ({"type": OrderType.TRAILING_STOP, "price": None, "trail": Decimal("25.50")},
         {"ordType": "move_order_stop", "callbackSpread": "25.5"}),
    ],
)  # fmt: skip
def test_what_waits_is_written_word_for_word(intent, fields, words):
    body = algo_body(intent(**fields), SWAP)
    known = {"instId", "tdMode", "side", "sz", "algoClOrdId"}
    assert {key: value for key, value in body.items() if key not in known} == words


def test_changes_name_what_they_change(order):
    change = AmendSubmitted(
        client_order_id=order().id, origin="tui", size=Decimal("0.5"), price=Decimal(7), ts_ns=1
    )
    cid = to_wire(order().id)
    assert amend_body(order(), change, "BTC-USDT") == {
        "instId": "BTC-USDT", "clOrdId": cid, "newSz": "0.5", "newPx": "7",
    }  # fmt: skip
    fired = order(triggered_ns=5, venue_order_id="77")
    assert amend_body(fired, change, "BTC-USDT")["ordId"] == "77"
    stop = order(type=OrderType.STOP_LIMIT, trigger_price=Decimal(9))
    moved = msgspec.structs.replace(change, trigger_price=Decimal(10))
    assert amend_algo_body(stop, moved, "BTC-USDT") == {
        "instId": "BTC-USDT", "algoClOrdId": cid, "newSz": "0.5", "newSlTriggerPx": "10",
        "newSlTriggerPxType": "last", "newSlOrdPx": "7",
    }  # fmt: skip
    trail = order(type=OrderType.TRAILING_STOP, price=None, trail=Decimal(1))
    with pytest.raises(ConfigError, match="trailing"):
        amend_algo_body(trail, change, "BTC-USDT")


@pytest.mark.parametrize(
    "fields",
    [
        {"price": None},
        {"time_in_force": TimeInForce.GTD, "expire_ns": 9},
        {"post_only": True, "time_in_force": TimeInForce.IOC},
    ],
)
def test_what_the_venue_cannot_do_is_refused_unsent(intent, fields):
    with pytest.raises(ConfigError):
        order_body(intent(**fields), SPOT)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"type": "8", "subType": "173"}, EntryKind.FUNDING),
        ({"type": "7"}, EntryKind.BORROW),
        ({"type": "1"}, EntryKind.TRANSFER),
        ({"type": "3"}, EntryKind.SETTLEMENT),
        ({"type": "5"}, EntryKind.LIQUIDATION),
        ({"type": "2"}, None),
        ({"type": "6"}, None),
        ({"type": "5", "tradeId": "4"}, None),
        ({"type": "8", "balChg": "0"}, None),
    ],
)
def test_bills_are_flows_unless_a_fill_tells_them(fields, kind):
    row = BillRow(**({"billId": "1", "ccy": "USDT", "balChg": "-0.05", "ts": "1000"} | fields))
    moved = flow(row, OKX, SYMBOLS, 5)
    assert (moved.kind if moved else None) == kind
    if moved is not None:
        assert (moved.amount, moved.flow_id) == (Decimal("-0.05"), "1")


def test_unknown_words_are_no_guesses():
    known = {
        "instType": "SPOT", "instId": "BTC-USDT", "ordId": "1", "side": "buy", "sz": "1",
        "ordType": "limit", "px": "1", "state": "live", "uTime": "1",
    }  # fmt: skip
    for odd in ({"state": "dancing"}, {"side": "up"}, {"sz": "many"}, {"uTime": "noon"}):
        with pytest.raises(DataError):
            venue_order(OrderRow(**(known | odd)), SYMBOLS)
