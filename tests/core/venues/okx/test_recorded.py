"""The rest of what was recorded and documented of OKX's accounts: no fee or profit is lost."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.model.errors import DataError
from core.model.ids import ClientOrderId, VenueName
from core.model.orders import OrderState, OrderType, PositionSide
from core.venues.okx.messages import (
    ACCOUNTS,
    ORDERS,
    PUSH,
    Acked,
    AlgoRow,
    Detail,
    Envelope,
    FillRow,
    OrderRow,
)
from core.venues.okx.parse import (
    balance,
    listed_fill,
    pushed_fill,
    venue_algo,
    venue_order,
)
from core.venues.symbols import Symbols

D = Decimal
DATA = Path(os.environ.get("CLX_RECORDED_DATA", Path(__file__).parents[5] / "shared" / "data"))
pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"{DATA} is absent; set CLX_RECORDED_DATA to the recorded data"
)
OKX = VenueName("okx")
SYMBOLS = Symbols(OKX)
NAUTILUS = "okx/messages_nautilus.jsonl"


def messages(name: str, file: str = NAUTILUS) -> list[Any]:
    """Return what was recorded under a name."""
    rows = map(json.loads, (DATA / file).read_text().splitlines())
    return [row["msg"] for row in rows if row["ctx"] == name]


def pushed(name: str, file: str = NAUTILUS) -> list[OrderRow]:
    pushes = [PUSH.decode(json.dumps(message)) for message in messages(name, file)]
    return [row for push in pushes for row in ORDERS.decode(push.data)]


@pytest.mark.parametrize(
    ("name", "execution", "price", "size", "fee", "asset", "side", "realised", "maker"),
    [
        ("ws_orders_fok.json", "1518905530", "50000", "0.05", "0.25", "USDT",
         PositionSide.NET, None, False),
        ("ws_orders_adl.json", "1518906000", "41000", "0.3", "12.3", "USDT",
         PositionSide.SHORT, "-1000", False),
        ("ws_orders_liquidation.json", "1518905999", "40000", "0.5", "20", "USDT",
         PositionSide.LONG, "-5000", False),
        ("ws_orders_option.json", "1518905600", "0.0325", "1", "0.0003", "BTC",
         PositionSide.NET, "0", True),
    ],
)  # fmt: skip
def test_a_fill_that_is_the_whole_order_has_the_orders_fee_and_profit(
    name, execution, price, size, fee, asset, side, realised, maker
):
    (row,) = pushed(name)
    made = pushed_fill(row, OKX, SYMBOLS, 5)
    assert (made.execution_id, made.price, made.size) == (execution, D(price), D(size))
    assert (made.fee, made.fee_asset, made.maker) == (D(fee), asset, maker)
    assert (made.position_side, made.realised) == (side, None if realised is None else D(realised))
    assert venue_order(row, SYMBOLS).state is OrderState.FILLED


def test_a_fill_without_a_fee_of_its_own_among_others_is_not_guessed():
    (row,) = pushed("ws_orders_fok.json")
    second = msgspec.structs.replace(row, fillSz="0.02")
    with pytest.raises(DataError, match="fillFee of order 2497956918703120385"):
        pushed_fill(second, OKX, SYMBOLS, 5)
    assert pushed_fill(msgspec.structs.replace(second, fee="0"), OKX, SYMBOLS, 5).fee == 0


def test_streamed_orders_with_and_without_a_name_of_a_client():
    named, market = pushed("wsOrders.json", "okx/ws_gocryptotrader.jsonl")
    assert venue_order(named, SYMBOLS).client_order_id == "HamsterParty14"
    fill = pushed_fill(named, OKX, SYMBOLS, 5)
    assert (fill.execution_id, fill.price, fill.fee, fill.maker) == (
        "242589207", D("31527.1"), D("0.02522168"), True,
    )  # fmt: skip
    order = venue_order(market, SYMBOLS)
    assert (order.client_order_id, order.type, order.state, order.filled) == (
        "620258920632008725", OrderType.MARKET, OrderState.PARTIALLY_FILLED, D("0.00038128"),
    )  # fmt: skip
    assert pushed_fill(market, OKX, SYMBOLS, 5).fee == D("0.010000249968")


@pytest.mark.parametrize(
    ("name", "order_id", "kind", "price", "size", "filled", "average"),
    [
        ("http_get_orders_history.json", "2497956918703120384", OrderType.MARKET, None, "0.03",
         "0.03", "103698.9"),
        ("http_get_orders_pending_with_attached_tp_sl.json", "2234567890123456789",
         OrderType.LIMIT, "2300", "0.01", "0", None),
    ],
)  # fmt: skip
def test_listed_orders_say_what_they_say(name, order_id, kind, price, size, filled, average):
    (row,) = msgspec.convert(messages(name)[0], Envelope[OrderRow]).data
    made = venue_order(row, SYMBOLS)
    assert (made.venue_order_id, made.type, made.size, made.filled) == (
        order_id, kind, D(size), D(filled),
    )  # fmt: skip
    assert made.price == (None if price is None else D(price))
    assert made.average_price == (None if average is None else D(average))


def test_what_fired_is_listed_with_its_trigger_and_limit():
    (told,) = messages("http_get_orders_algo_history.json")
    (row,) = msgspec.convert(told, Envelope[AlgoRow]).data
    made = venue_algo(row, SYMBOLS)
    assert (made.client_order_id, made.type, made.trigger_price, made.price, made.size) == (
        "client_algo_2", OrderType.STOP_LIMIT, D(3000), D(2990), D(10),
    )  # fmt: skip
    assert row.ordId == "ord_456"


def test_a_listed_execution_is_a_fill():
    row = msgspec.convert(messages("http_transaction_detail.json")[0], FillRow)
    made = listed_fill(row, ClientOrderId("x"), OKX, SYMBOLS, 5)
    assert (made.execution_id, made.price, made.size, made.ts_event_ns) == (
        "123456789", D("42000.5"), D("0.001"), 1625097600000 * 1_000_000,
    )  # fmt: skip
    # The sign is the venue's: below 0 is paid, so this one was received.
    assert (made.fee, made.fee_asset, made.maker) == (D("-0.042"), "USDT", False)


def test_the_row_of_an_answer_to_an_order_is_a_success():
    row = msgspec.convert(messages("http_place_order_response.json")[0], Acked)
    assert (row.ordId, row.clOrdId, row.sCode) == ("12345678901234567890", "client_order_123", "0")


def test_balances_are_the_cash_without_what_is_open():
    old = msgspec.convert(messages("http_balance_detail_old_fields.json")[0], Detail)
    assert (balance(old, OKX).asset, balance(old, OKX).total) == ("USDT", D(100))
    push = PUSH.decode(json.dumps(messages("ws_account.json")[0]))
    (account,) = ACCOUNTS.decode(push.data)
    assert {row.ccy: balance(row, OKX).total for row in account.details} == {
        "USDT": D("100.52768569797846"), "BTC": D("0.0000000051"), "ETH": D("0.000000185"),
    }  # fmt: skip
