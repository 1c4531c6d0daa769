"""Execution reports and money as others recorded them: what they say, and what is not believed."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.model.errors import DataError
from core.model.ids import ClientOrderId, VenueName
from core.model.market import Side
from core.model.orders import OrderFilled, OrderState
from core.venues.binance import messages
from core.venues.binance.parse import order_state, reported_fill
from core.venues.symbols import Symbols

D = Decimal
DATA = Path(os.environ.get("CLX_RECORDED_DATA", Path(__file__).parents[5] / "shared" / "data"))
pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"{DATA} is absent; set CLX_RECORDED_DATA to the recorded data"
)
BINANCE = VenueName("binance")
NAUTILUS = "messages_nautilus.jsonl"
JUST = "ws_spot_execution_report_"


def found(name: str, file: str = NAUTILUS) -> Any:
    """Return what was recorded under the end of a name, out of its wrapping."""
    for line in (DATA / "binance_spot" / file).read_text().splitlines():
        row = json.loads(line)
        if row["ctx"].endswith(name):
            message = row["msg"]
            return message.get("data") or message.get("event") or message
    raise AssertionError(f"{file} has no {name}")


def report(name: str) -> messages.ExecutionReport:
    return messages.EXECUTION.decode(json.dumps(found(name)))


def fill(told: messages.ExecutionReport) -> OrderFilled:
    return reported_fill(told, ClientOrderId("x"), BINANCE, Symbols(BINANCE), 1)


@pytest.mark.parametrize(
    ("name", "client_id", "says", "money"),
    [
        # A margin account's liquidation: nobody's order of ours, but it must be readable.
        ("calculated.json", "autoclose-123456789", (Side.SELL, "49500", "0.01", OrderState.FILLED),
         ("2.475", "USDT", False)),
        ("custom_client_id.json", "INIT-BTC-1234567890",
         (Side.BUY, "2499.5", "0.5", OrderState.PARTIALLY_FILLED), ("0.0005", "ETH", True)),
    ],
)  # fmt: skip
def test_executions_are_fills(
    name: str, client_id: str, says: tuple[Any, ...], money: tuple[Any, ...]
) -> None:
    told = report(JUST + name)
    made = fill(told)
    assert (made.side, made.price, made.size, order_state(told.status)) == (
        says[0], D(says[1]), D(says[2]), says[3],
    )  # fmt: skip
    assert (made.fee, made.fee_asset, made.maker) == (D(money[0]), money[1], money[2])
    assert (told.client_order_id, made.execution_id) == (client_id, "98765432")
    assert made.ts_event_ns == 1759347763167 * 1_000_000


@pytest.mark.parametrize(
    ("name", "execution", "state", "reason", "kind", "price", "trigger"),
    [
        ("expired.json", "EXPIRED", OrderState.EXPIRED, "NONE", "LIMIT", "50000", "0"),
        ("rejected.json", "REJECTED", OrderState.REJECTED, "GTX_ORDER_REJECT", "LIMIT", "50000",
         "0"),
        ("new_limit_if_touched_price_match.json", "NEW", OrderState.ACCEPTED, "NONE",
         "TAKE_PROFIT_LIMIT", "2505.25", "2500"),
        ("new_stop_limit_price_match.json", "NEW", OrderState.ACCEPTED, "NONE",
         "STOP_LOSS_LIMIT", "2405.75", "2400"),
    ],
)  # fmt: skip
def test_what_becomes_of_orders_is_read(
    name: str, execution: str, state: OrderState, reason: str, kind: str, price: str, trigger: str
) -> None:
    told = report(JUST + name)
    assert (told.execution, order_state(told.status), told.reject_reason) == (
        execution, state, reason,
    )  # fmt: skip
    assert (told.kind, told.price, told.stop_price, told.filled) == (kind, D(price), D(trigger), 0)


@pytest.mark.parametrize(
    ("name", "last", "state"),
    [
        ("trade_l_zero.json", "0.001", OrderState.FILLED),
        ("trade_l_zero_expired.json", "0", OrderState.EXPIRED),
        ("trade_l_zero_partial.json", "0", OrderState.PARTIALLY_FILLED),
    ],
)
def test_trades_at_no_price_or_of_nothing_are_no_fills(
    name: str, last: str, state: OrderState
) -> None:
    told = report(JUST + name)
    assert (told.execution, told.last_size, told.last_price) == ("TRADE", D(last), 0)
    assert order_state(told.status) is state
    with pytest.raises(DataError, match="needs trade id, size and price"):
        fill(told)


@pytest.mark.parametrize(
    ("name", "file", "amount", "time_ms"),
    [
        ("balance_update.json", NAUTILUS, "0.001", 1709654400000),
        ("wsHandleData.json", "ws_gocryptotrader.jsonl", "100", 1573200697068),
    ],
)
def test_money_that_came_is_read(name: str, file: str, amount: str, time_ms: int) -> None:
    rows = map(json.loads, (DATA / "binance_spot" / file).read_text().splitlines())
    said = [row["msg"] for row in rows if row["ctx"].endswith(name)]
    (told,) = [
        messages.BALANCE_UPDATE.decode(json.dumps(event))
        for event in (message.get("data", message) for message in said)
        if event.get("e") == "balanceUpdate"
    ]
    assert (told.a, told.d, told.T) == ("BTC", D(amount), time_ms)


def test_list_names_its_orders() -> None:
    told = messages.LIST_STATUS.decode(json.dumps(found("list_status_wrapped.json")))
    assert (told.g, told.L, told.r) == (2, "EXECUTING", "NONE")
    assert [row.c for row in told.O] == ["AJYsMjErWJesZvqlJCTUgL", "bfYPSQdLoqAJeNrOr9adzq"]
