"""The venue's documented and recorded replies decode to what they say."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path

import pytest

from core.model.ids import ClientOrderId, VenueName
from core.model.orders import OrderState
from core.venues.binance import messages
from core.venues.binance.parse import reported_fill, venue_order
from core.venues.symbols import Symbols

ROOT = Path(__file__).parents[4]
DATA = Path(os.environ.get("CLX_RECORDED_DATA", ROOT.parent / "shared" / "data")) / "binance_spot"

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="recorded venue data is absent; set CLX_RECORDED_DATA to its folder"
)


def wire(file: str, context: str) -> bytes:
    """Return a recorded message byte for byte."""
    for line in (DATA / file).read_text().splitlines():
        if json.loads(line)["ctx"].endswith(context):
            return line[line.index('"msg":') + 6 : -1].encode()
    raise AssertionError(f"{context} is not in {file}")


def test_full_order_reply():
    body = wire("messages_nautilus.jsonl", "http_json/new_order_full_response.json")
    reply = messages.ORDER_REPLY.decode(body)
    raw = json.loads(body)
    assert (reply.order_id, reply.status) == (raw["orderId"], raw["status"])
    assert [fill.trade_id for fill in reply.fills] == [f["tradeId"] for f in raw["fills"]]
    assert sum(fill.qty for fill in reply.fills) == Decimal(raw["executedQty"])


def test_cancel_reply():
    reply = messages.CANCEL_REPLY.decode(
        wire("messages_nautilus.jsonl", "http_json/cancel_order_response.json")
    )
    assert reply.status == "CANCELED"
    assert reply.transact_time > 0


def test_queried_orders():
    rows = messages.ORDERS.decode(
        wire("messages_nautilus.jsonl", "http_json/all_orders_response.json")
    )
    found = venue_order(rows[0], Symbols(VenueName("binance")))
    assert found.client_order_id == "myOrder1"
    assert found.state in {OrderState.ACCEPTED, OrderState.FILLED, OrderState.CANCELED}


def test_account():
    account = messages.ACCOUNT.decode(
        wire("messages_nautilus.jsonl", "http_json/account_response.json")
    )
    assert account.balances[0].free > 0


@pytest.mark.parametrize(
    ("context", "execution", "status"),
    [
        ("user_data_json/execution_report_new.json", "NEW", "NEW"),
        ("user_data_json/execution_report_canceled.json", "CANCELED", "CANCELED"),
        ("user_data_json/execution_report_trade.json", "TRADE", "FILLED"),
    ],
)
def test_execution_reports(context, execution, status):
    report = messages.EXECUTION.decode(wire("messages_nautilus.jsonl", context))
    assert (report.execution, report.status) == (execution, status)


def test_trade_report_becomes_a_fill_keyed_by_trade_id():
    report = messages.EXECUTION.decode(
        wire("messages_nautilus.jsonl", "user_data_json/execution_report_trade.json")
    )
    symbols = Symbols(VenueName("binance"))
    fill = reported_fill(report, ClientOrderId("x"), VenueName("binance"), symbols, 1)
    assert (fill.execution_id, fill.price, fill.size, fill.fee, fill.fee_asset, fill.maker) == (
        "98765432",
        Decimal("2500.00000000"),
        Decimal("1.00000000"),
        Decimal("0.00100000"),
        "ETH",
        True,
    )


def test_account_position():
    position = messages.POSITION.decode(
        wire("messages_nautilus.jsonl", "user_data_json/account_position.json")
    )
    assert position.B
    assert all(row.f >= 0 for row in position.B)


def test_report_recorded_from_the_live_venue():
    lines = (DATA / "ws_gocryptotrader.jsonl").read_text().splitlines()
    body = next(line for line in lines if '"executionReport"' in line)
    report = messages.EXECUTION.decode(json.dumps(json.loads(body)["msg"]["data"]))
    assert (report.symbol, report.order_id, report.trade_id) == ("BNBBTC", 5340845958, -1)
