"""What others recorded and documented of USD-M's accounts parses to what it says."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.model.ids import ClientOrderId, VenueName
from core.model.orders import PositionSide
from core.venues.binance_usdm import messages
from core.venues.binance_usdm.parse import (
    OF_FILLS,
    order_state,
    reported_fill,
    venue_order,
    venue_position,
    waiting_order,
)
from core.venues.symbols import Symbols

D = Decimal
ROOT = Path(__file__).parents[4]
DATA = Path(os.environ.get("CLX_RECORDED_DATA") or ROOT.parent / "shared/data") / "binance_usdm"
VENUE = VenueName("binance_usdm")
SYMBOLS = Symbols(VENUE)
FILES = ("messages_nautilus.jsonl", "ws_frames_jkorf.jsonl")

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no recorded data at {DATA}")


def recorded() -> dict[str, Any]:
    """Return what was recorded by its name, without the wrapping of combined streams."""
    out: dict[str, Any] = {}
    for name in FILES:
        for line in (DATA / name).read_text().splitlines():
            row = json.loads(line)
            said = row["msg"]
            if isinstance(said, dict) and isinstance(said.get("data"), dict):
                said = said["data"]
            if isinstance(said, dict) and "method" in said:
                continue
            out.setdefault(row["ctx"].rpartition("/")[2].partition(".")[0], said)
    return out


def event(name: str) -> messages.Event:
    return messages.EVENT.decode(json.dumps(recorded()[name]))


def order_update(name: str) -> messages.OrderUpdate:
    return messages.ORDER_UPDATE.decode(event(name).o)


def test_every_event_of_an_account_is_read() -> None:
    kinds = {"ORDER_TRADE_UPDATE": (messages.ORDER_UPDATE, "o"),
             "ALGO_UPDATE": (messages.ALGO_UPDATE, "o"),
             "ACCOUNT_UPDATE": (messages.ACCOUNT_UPDATE, "a"),
             "MARGIN_CALL": (messages.MARGIN_CALL, "p")}  # fmt: skip
    seen: set[str] = set()
    for said in recorded().values():
        kind = said.get("e") if isinstance(said, dict) else None
        if kind in kinds:
            decoder, part = kinds[kind]
            read = decoder.decode(getattr(messages.EVENT.decode(json.dumps(said)), part))
            if isinstance(read, messages.OrderUpdate):
                order_state(read.status)
            seen.add(kind)
    assert seen == set(kinds)


def test_a_partial_execution_is_a_fill_with_its_profit() -> None:
    told = order_update("order_update_trade_partial")
    fill = reported_fill(told, ClientOrderId("x"), VENUE, SYMBOLS, 1)
    assert (fill.price, fill.size, fill.fee, fill.fee_asset, fill.maker, fill.execution_id) == (
        D("7100.50"), D("0.001"), D("0.01"), "USDT", True, "12345678",
    )  # fmt: skip
    assert (fill.realised, fill.position_side, fill.ts_event_ns) == (
        D("12.34"), PositionSide.LONG, 1568879465651000000,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "client_id", "realised"),
    [
        ("order_update_adl", "adl_autoclose_12345", "-2.50"),
        ("ws_futures_order_update_liquidation", "autoclose-1234567890123456", "-100.00"),
        ("order_update_settlement", "settlement_autoclose-9999", "-10.00"),
    ],
)
def test_forced_orders_are_told_by_their_names(name: str, client_id: str, realised: str) -> None:
    told = order_update(name)
    assert (told.client_order_id, told.realised) == (client_id, D(realised))


def test_conditional_orders_name_the_order_they_became() -> None:
    fired = messages.ALGO_UPDATE.decode(event("ws_futures_algo_update_triggered").o)
    assert (fired.client_algo_id, fired.order_id, fired.trigger_ms) == (
        "O-20251211-053131-TEST-000-1", "88937381063", 1765431097019,
    )  # fmt: skip
    ended = messages.ALGO_UPDATE.decode(event("algo_update_canceled").o)
    assert (ended.status, ended.order_id, ended.reason) == ("CANCELED", "", "Reduce Only reject")


def test_waiting_orders_are_read() -> None:
    body = json.dumps(recorded()["open_algo_orders"])
    order = waiting_order(messages.ALGOS.decode(body)[0], SYMBOLS)
    assert (order.client_order_id, order.trigger_price, order.size) == (
        "test-algo-order-1", D(45000), D("0.001"),
    )  # fmt: skip


def test_orders_and_positions_asked_for_are_read() -> None:
    rows = json.dumps(recorded()["http_futures_account_orders"])
    order = venue_order(messages.ORDERS.decode(rows)[0], SYMBOLS)
    assert (order.client_order_id, order.type, order.size, order.reduce_only) == (
        "abc", "trailing_stop", D("0.40"), False,
    )  # fmt: skip
    hedged = json.dumps(recorded()["http_futures_account_positions_hedge"])
    rows_held = messages.POSITIONS.decode(hedged)
    long, short = (venue_position(row, 10, SYMBOLS, VENUE) for row in rows_held)
    assert (long.size, long.side, long.liquidation_price) == (
        D(20), PositionSide.LONG, D("5930.78"),
    )  # fmt: skip
    assert (short.size, short.side) == (D(-10), PositionSide.SHORT)


def test_balances_that_moved_and_margin_calls_are_read() -> None:
    moved = messages.ACCOUNT_UPDATE.decode(event("account_update").a)
    assert (moved.m, moved.B[0].a, moved.B[0].wb) == ("ORDER", "USDT", D("122624.12345678"))
    (held,) = messages.MARGIN_CALL.decode(event("MarginUpdate").p)
    assert (held.s, held.ps, held.pa, held.mm) == ("ETHUSDT", "LONG", "1.327", "1.614445")


def test_what_fills_tell_is_no_flow_of_money() -> None:
    assert {"REALIZED_PNL", "COMMISSION"} == OF_FILLS
    with pytest.raises(msgspec.ValidationError):
        messages.INCOME.decode(b'[{"incomeType":"FUNDING_FEE","income":null}]')
