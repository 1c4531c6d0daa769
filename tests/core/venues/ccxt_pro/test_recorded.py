"""Recorded and documented orders and fills of exchanges traded through ccxt say what they say."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.model.ids import ClientOrderId, InstrumentId
from core.model.orders import OrderState as S
from core.venues.ccxt_pro.parse import fill, side_of, venue_order
from core.wire import ccxt_loader

pytest.importorskip("ccxt")

_DEFAULT = Path(__file__).parents[5] / "shared" / "data"
DATA = Path(os.environ.get("CLX_RECORDED_DATA", _DEFAULT))
pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"{DATA} is absent; set CLX_RECORDED_DATA to the recorded data"
)
BYBIT, KUCOIN = "bybit_v5/messages_nautilus.jsonl", "kucoin/rest_documented_sdk.jsonl"

ORDERS: list[tuple[str, str, str, str, tuple[str, str, str | None, str, str, S]]] = [
    ("bybit", BYBIT, "http_get_orders_realtime_tp_sl", "result.list",
     ("tp-order-001", "sell", None, "0.500", "0", S.ACCEPTED)),
    ("bybit", BYBIT, "http_get_orders_history_with_duplicate", "result.list",
     ("open-order-1", "buy", "3930.41", "0.010", "0", S.ACCEPTED)),
    ("bybit", BYBIT, "ws_account_order.json", "data",
     ("abcdef123456", "buy", "30000", "0.010", "0", S.CANCELED)),
    ("bybit", BYBIT, "ws_account_order_filled", "data",
     ("5cf98598-39a7-459e-97bf-76ca765ee020", "buy", "30000.50", "0.100", "0.100", S.FILLED)),
    ("bybit", BYBIT, "ws_account_order_market_if_touched.json", "data",
     ("test-mit-001", "buy", None, "0.1", "0", S.ACCEPTED)),
    ("bybit", BYBIT, "ws_account_order_sell_market_if_touched.json", "data",
     ("test-sell-mit-001", "sell", None, "0.1", "0", S.ACCEPTED)),
    ("bybit", BYBIT, "ws_account_order_stop_loss.json", "data",
     ("test-stop-loss-001", "sell", None, "0.5", "0", S.ACCEPTED)),
    ("bybit", BYBIT, "ws_account_order_take_profit.json", "data",
     ("test-take-profit-001", "sell", None, "0.5", "0", S.ACCEPTED)),
    ("coinbase", "coinbase_advanced/messages_nautilus.jsonl", "http_order.json", "order",
     ("0000-000000-000000", "buy", "10000.00", "0.001", "0.001", S.PARTIALLY_FILLED)),
    ("kraken", "kraken_v2/messages_nautilus.jsonl", "http_closed_orders", "result.closed",
     ("O5KZFT-GH3AD-LP6TLU", "buy", "29500.0", "0.50000000", "0.50000000", S.FILLED)),
    ("kucoin", KUCOIN, "test_get_order_by_order_id_resp", "data",
     ("6717422bd51c29000775ea03", "buy", "70000", "0.00001", "0.00001", S.FILLED)),
    ("kucoin", KUCOIN, "test_get_open_orders_resp", "data",
     ("67120bbef094e200070976f6", "buy", "50000", "0.00001", "0", S.ACCEPTED)),
    ("kucoin", KUCOIN, "test_get_closed_orders_resp", "data.items",
     ("6717422bd51c29000775ea03", "buy", "70000", "0.00001", "0.00001", S.FILLED)),
    ("kucoin", KUCOIN, "test_get_order_by_order_id_old", "data",
     ("674a97dfef434f0007efc431", "buy", "50000", "0.0001", "0", S.CANCELED)),
    ("kucoin", KUCOIN, "test_get_orders_list_old", "data.items",
     ("674a9a872033a50007e2790d", "buy", "50000", "0.00001", "0", S.CANCELED)),
]  # fmt: skip


def found(file: str, name: str) -> Any:
    """Return a recorded message by a part of its name."""
    for line in (DATA / file).read_text().splitlines():
        row = json.loads(line)
        if name in f"{row.get('ctx', '')} {row.get('src', '')}":
            return row["msg"]
    raise AssertionError(f"{file} has no {name}")


def first(message: Any, path: str) -> dict[str, Any]:
    """Return the first row below a path; where rows stand by their id, with it."""
    for step in path.split("."):
        message = message[step]
    if isinstance(message, list):
        message = message[0]
    name, inner = next(iter(message.items()))
    return {**inner, "id": name} if isinstance(inner, dict) and "descr" in inner else message


def exchange(name: str) -> Any:
    made = ccxt_loader.load(name)({})
    made.number, made.markets, made.markets_by_id = str, {}, {}
    return made


@pytest.mark.parametrize(
    ("name", "file", "which", "path", "says"), ORDERS, ids=lambda item: str(item)[:40]
)
def test_an_order_says_what_it_says(
    name: str, file: str, which: str, path: str, says: tuple[Any, ...]
) -> None:
    row = exchange(name).parse_order(first(found(file, which), path))
    made = venue_order(row, ClientOrderId("mine"), InstrumentId("BTC-USDT.x"), None)
    price = None if says[2] is None else Decimal(says[2])
    assert (made.venue_order_id, made.side.value, made.price) == (says[0], says[1], price)
    assert (made.size, made.filled, made.state) == (Decimal(says[3]), Decimal(says[4]), says[5])


def test_a_streamed_order_of_kucoin_says_what_it_says() -> None:
    told = found("kucoin/ws_documented_sdk.jsonl", "test_order_v1_resp")["data"]
    row = exchange("kucoin").parse_ws_order(told)
    made = venue_order(row, ClientOrderId("mine"), InstrumentId("BTC-USDT.x"), None)
    assert (made.venue_order_id, made.price, made.size, made.filled, made.state) == (
        "6720ecd9ec71f4000747731a", Decimal(50000), Decimal("0.00001"), Decimal(0), S.ACCEPTED,
    )  # fmt: skip


def test_a_fill_of_bybit_says_what_it_says() -> None:
    row = exchange("bybit").parse_trade(first(found(BYBIT, "ws_account_execution.json"), "data"))
    row["fee"]["currency"] = "USDT"  # which the market says, once it is listed
    made = fill(
        row,
        ClientOrderId("mine"),
        InstrumentId("BTC-USDT-PERP.bybit"),
        "bybit",  # type: ignore[arg-type]  # a venue's name is text
        quote="USDT",
        ts_ns=1,
    )
    assert (made.execution_id, made.side, made.price, made.size, made.fee) == (
        "0ab1bdf7-4219-438b-b30a-32ec863018f7", side_of({"side": "sell"}), Decimal("95900.1"),
        Decimal("0.5"), Decimal("26.3725275"),
    )  # fmt: skip


def test_a_listed_fill_of_kucoin_says_what_it_says() -> None:
    told = found(KUCOIN, "test_get_recent_trade_history_old")["data"][0]
    made = fill(
        exchange("kucoin").parse_trade(told),
        ClientOrderId("mine"),
        InstrumentId("BTC-USDT.kucoin"),
        "kucoin",  # type: ignore[arg-type]  # a venue's name is text
        quote="USDT",
        ts_ns=1,
    )
    assert (made.execution_id, made.side, made.price, made.size, made.fee, made.maker) == (
        "11732720444522497", side_of({"side": "buy"}), Decimal("96999.6"), Decimal("0.00001"),
        Decimal("0.000969996"), False,
    )  # fmt: skip
