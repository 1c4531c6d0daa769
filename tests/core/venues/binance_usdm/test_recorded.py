"""The rest of what was recorded and documented of USD-M's accounts."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.model.errors import DataError
from core.model.ids import ClientOrderId, VenueName
from core.model.orders import OrderFilled, OrderState, PositionSide
from core.venues.binance_usdm import messages
from core.venues.binance_usdm.parse import order_state, reported_fill, venue_position
from core.venues.symbols import Symbols

D = Decimal
DATA = Path(os.environ.get("CLX_RECORDED_DATA", Path(__file__).parents[5] / "shared" / "data"))
pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"{DATA} is absent; set CLX_RECORDED_DATA to the recorded data"
)
VENUE = VenueName("binance_usdm")
SYMBOLS = Symbols(VENUE)
NAUTILUS, JKORF = "messages_nautilus.jsonl", "ws_frames_jkorf.jsonl"


def found(name: str, file: str = NAUTILUS) -> bytes:
    """Return what was recorded under the end of a name, out of its wrapping."""
    for line in (DATA / "binance_usdm" / file).read_text().splitlines():
        row = json.loads(line)
        said: Any = row["msg"]
        if row["ctx"].endswith("/" + name) and "method" not in said:
            said = said["data"] if isinstance(said, dict) and "data" in said else said
            return json.dumps(said).encode()
    raise AssertionError(f"{file} has no {name}")


def update(name: str, file: str = NAUTILUS) -> messages.OrderUpdate:
    return messages.ORDER_UPDATE.decode(messages.EVENT.decode(found(name, file)).o)


def fill(told: messages.OrderUpdate) -> OrderFilled:
    return reported_fill(told, ClientOrderId("x"), VENUE, SYMBOLS, 1)


@pytest.mark.parametrize(
    ("name", "trade", "price", "size", "fee", "realised", "side"),
    [
        ("order_update_adl.json", "12346001", "42000", "0.005", "0.105", "-2.5",
         PositionSide.SHORT),
        ("order_update_insurance.json", "12346003", "45000", "0.02", "0.45", "-8",
         PositionSide.LONG),
        ("order_update_settlement.json", "12346002", "50000", "0.01", "0.25", "-10",
         PositionSide.LONG),
        ("ws_futures_order_update_adl.json", "2233445566", "2500", "1", "2.5", "50",
         PositionSide.SHORT),
        ("ws_futures_order_update_liquidation.json", "1122334455", "50000", "0.1", "5", "-100",
         PositionSide.LONG),
        ("ws_futures_order_update_settlement.json", "4455667788", "51000", "0.05", "2.55", "25",
         PositionSide.SHORT),
    ],
)  # fmt: skip
def test_forced_executions_are_fills_with_their_loss(
    name: str, trade: str, price: str, size: str, fee: str, realised: str, side: PositionSide
) -> None:
    told = update(name)
    made = fill(told)
    assert (made.execution_id, made.price, made.size, made.fee, made.fee_asset) == (
        trade, D(price), D(size), D(fee), "USDT",
    )  # fmt: skip
    assert (made.realised, made.position_side) == (D(realised), side)
    assert order_state(told.status) is OrderState.FILLED


def test_liquidation_that_has_not_traded_yet_is_no_fill() -> None:
    told = update("order_update_calculated_pending.json")
    assert (told.execution, told.last_size, order_state(told.status)) == (
        "CALCULATED", 0, OrderState.ACCEPTED,
    )  # fmt: skip
    with pytest.raises(DataError, match="needs trade id, size and price"):
        fill(told)


@pytest.mark.parametrize(
    ("name", "file", "client_id", "kind", "size", "price"),
    [
        ("ws_futures_order_update_new_limit_if_touched_price_match.json", NAUTILUS,
         "O-12345-test-limit-if-touched-price-match", "TAKE_PROFIT", "1", "2505.25"),
        ("ws_futures_order_update_new_reduce_only_qty.json", NAUTILUS, "O-12345-test-reduce-only",
         "LIMIT", "1", "2500"),
        ("OrderUpdate.txt", JKORF, "TEST", "TRAILING_STOP_MARKET", "0.001", "0"),
    ],
)  # fmt: skip
def test_new_orders_are_read(
    name: str, file: str, client_id: str, kind: str, size: str, price: str
) -> None:
    told = update(name, file)
    assert (told.client_order_id, told.original_type, told.size, told.price) == (
        client_id, kind, D(size), D(price),
    )  # fmt: skip
    assert (told.execution, order_state(told.status), told.filled) == (
        "NEW", OrderState.ACCEPTED, 0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "file", "status", "order_id"),
    [
        ("ws_futures_algo_update_finished.json", NAUTILUS, "FINISHED", "88937381063"),
        ("AlgoOrderUpdate.txt", JKORF, "CANCELED", ""),
    ],
)
def test_ends_of_conditional_orders_are_read(
    name: str, file: str, status: str, order_id: str
) -> None:
    told = messages.ALGO_UPDATE.decode(messages.EVENT.decode(found(name, file)).o)
    assert (told.status, told.order_id) == (status, order_id)


def test_positions_have_the_leverage_set_for_their_symbol() -> None:
    rows = messages.SYMBOLS.decode(found("http_futures_account_symbol_config.json"))
    assert [(row.symbol, row.leverage) for row in rows] == [("ETHUSDT", 20), ("BTCUSDT", 25)]
    (row,) = messages.POSITIONS.decode(found("position_risk.json"))
    held = venue_position(row, rows[1].leverage, SYMBOLS, VENUE)
    assert (held.size, held.side, held.average_price, held.liquidation_price, held.leverage) == (
        D("0.001"), PositionSide.NET, D(50000), D(45000), D(25),
    )  # fmt: skip
