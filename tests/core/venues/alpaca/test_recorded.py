"""Orders, positions and the account of Alpaca, each as it was recorded or documented."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.model.ids import ClientOrderId, VenueName
from core.model.market import Side
from core.model.orders import OrderState, OrderType, VenueOrder
from core.venues.alpaca import messages as m
from core.venues.alpaca.account import cash_of, signed
from core.venues.alpaca.orders import Chain, venue_order
from core.venues.symbols import Symbols

D = Decimal
DATA = Path(os.environ.get("CLX_RECORDED_DATA", Path(__file__).parents[5] / "shared" / "data"))
pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"{DATA} is absent; set CLX_RECORDED_DATA to the recorded data"
)
SYMBOLS = Symbols(VenueName("alpaca"))
STREAM, DOCUMENTED = "ws_2026_08_ccxt.jsonl", "ws_documented.jsonl"


def found(source: str, file: str = "rest_trading.jsonl") -> list[Any]:
    """Return what was recorded at the end of a source."""
    rows = map(json.loads, (DATA / "alpaca" / file).read_text().splitlines())
    said = [row["msg"] for row in rows if row["src"].endswith(source)]
    assert said, f"{file} has nothing of {source}"
    return said


def listed(row: m.OrderRow) -> VenueOrder:
    return venue_order(Chain(row, D(0)), ClientOrderId(row.client_order_id), SYMBOLS)


ORDERS: list[tuple[str, str, tuple[str, Side, OrderType, str | None, str, str, OrderState]]] = [
    ("test_order_routes.py#L88", "0b11f089",
     ("SPY", Side.BUY, OrderType.STOP, None, "1", "0", OrderState.ACCEPTED)),
    ("test_order_routes.py#L398", "61e69015",
     ("AAPL`", Side.BUY, OrderType.LIMIT, "300", "1", "0", OrderState.ACCEPTED)),
    ("test_order_routes.py#L573", "61e69015",
     ("AAPL`", Side.SELL, OrderType.LIMIT, "300", "1", "0", OrderState.ACCEPTED)),
    ("test_position_routes.py#L153", "e6419d12",
     ("BTC/USD", Side.SELL, OrderType.MARKET, None, "0.0283", "0", OrderState.ACCEPTED)),
    # Orders for so many dollars are not sent; somebody else's have what they filled as size.
    ("broker-api/events.md#L191", "d507255a",
     ("AAPL", Side.BUY, OrderType.MARKET, None, "0", "0", OrderState.ACCEPTED)),
    ("rebalancing.md#L704", "01203a2f",
     ("TLSA", Side.BUY, OrderType.MARKET, None, "0", "0", OrderState.REJECTED)),
    ("rebalancing.md#L892", "ab772dcb",
     ("TLT", Side.BUY, OrderType.MARKET, None, "124.408348124", "124.408348124",
      OrderState.FILLED)),
    ("trading/orders.md#L428", "aaeec1f3",
     ("AAPL", Side.BUY, OrderType.STOP_LIMIT, "500", "1", "0", OrderState.ACCEPTED)),
]  # fmt: skip


@pytest.mark.parametrize(("source", "order_id", "says"), ORDERS, ids=lambda item: str(item)[:30])
def test_an_order_says_what_it_says(source: str, order_id: str, says: tuple[Any, ...]) -> None:
    flat: list[Any] = []
    for message in found(source):
        flat += message if isinstance(message, list) else [message]
    bodies = [row.get("body") or row.get("order") or row for row in flat]
    row = next(body for body in bodies if str(body.get("id", "")).startswith(order_id))
    made = listed(m.ORDER.decode(json.dumps(row)))
    assert made.instrument_id == SYMBOLS.ours(says[0])
    assert (made.side, made.type, made.price) == (says[1], says[2], says[3] and D(says[3]))
    assert (made.size, made.filled, made.state) == (D(says[4]), D(says[5]), says[6])


def test_a_streamed_order_says_what_it_says() -> None:
    (told,) = [
        message["data"]
        for row in (DATA / "alpaca" / STREAM).read_text().splitlines()
        if (message := json.loads(row)["msg"])["stream"] == "trade_updates"
    ]
    update = m.UPDATE.decode(json.dumps(told))
    made = listed(update.order)
    assert (update.event, made.client_order_id, made.venue_order_id) == (
        "pending_new", "ccxt_214efabb8ba04f9fbda29883611402a6",
        "b28e2b24-b1b2-40cc-8979-63f45e8edc02",
    )  # fmt: skip
    assert (made.type, made.size, made.filled, made.state) == (
        OrderType.MARKET, D("129.7"), 0, OrderState.ACCEPTED,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("source", "cash", "equity"),
    [
        ("test_account_routes.py#L11", "-23140.2", "103820.56"),
        ("accounts.md#L1261", "24861.91", "28059.3882330664"),
    ],
)
def test_accounts_say_what_they_have(source: str, cash: str, equity: str) -> None:
    account = m.ACCOUNT.decode(json.dumps(found(source)[0]))
    assert (account.cash, account.equity) == (D(cash), D(equity))
    assert abs(cash_of(account) - account.cash) < 1
    assert (account.trading_blocked, account.account_blocked) == (False, False)


def test_a_position_is_signed_and_has_its_entry() -> None:
    (told,) = found("trading/positions.md#L18")
    row = msgspec.convert(told, m.PositionRow, strict=False)
    assert (row.symbol, signed(row), row.avg_entry_price) == ("AAPL", D(5), D(100))


def test_answers_to_a_login_and_a_listen_are_read() -> None:
    frames = [
        m.FRAME.decode(json.dumps(message))
        for message in found("", DOCUMENTED)
        if isinstance(message, dict) and "stream" in message
    ]
    said = [m.STANDING.decode(frame.data) for frame in frames if frame.stream == "authorization"]
    assert [(told.status, told.action) for told in said] == [
        ("authorized", "authenticate"), ("unauthorized", "listen"),
    ]  # fmt: skip
    (heard,) = [m.LISTENING.decode(row.data) for row in frames if row.stream == "listening"]
    assert heard.streams == ["trade_updates"]
