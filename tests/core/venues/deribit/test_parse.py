"""Recorded and documented messages of Deribit, and what is sent, word for word."""

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
    TimeInForce,
    TriggerBy,
)
from core.venues.deribit.messages import (
    FRAME,
    PLACED,
    SUMMARY,
    LogRow,
    OrderRow,
    PositionRow,
    Summaries,
    TradeRow,
)
from core.venues.deribit.parse import (
    balance,
    edit_params,
    fill_of,
    flows,
    number,
    order_params,
    order_state,
    position,
    venue_order,
)
from core.venues.symbols import Symbols

_DEFAULT = Path(__file__).parents[5] / "shared" / "data"
DATA = Path(os.environ.get("CLX_RECORDED_DATA", _DEFAULT))
recorded = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"{DATA} is absent; set CLX_RECORDED_DATA to the recorded data"
)
DERIBIT = VenueName("deribit")
PERP = Instrument(
    id=InstrumentId("BTC-USD-PERP.deribit"),
    venue=DERIBIT,
    venue_symbol="BTC-PERPETUAL",
    base="BTC",
    quote="USD",
    kind=InstrumentKind.PERPETUAL,
    price_tick=Decimal("0.5"),
    size_lot=Decimal(10),
    inverse=True,
    settle="BTC",
)
SYMBOLS = Symbols(DERIBIT)
SYMBOLS.add([PERP])
TRADE = {
    "trade_id": "ETH-2696060", "trade_seq": 1966031, "instrument_name": "BTC-PERPETUAL",
    "order_id": "ETH-584830574", "direction": "sell", "price": 203.3, "amount": 10,
    "fee": -1.2e-07, "fee_currency": "BTC", "liquidity": "M", "label": "x",
    "profit_loss": 1e-08, "timestamp": 1590480363130,
}  # fmt: skip


def sample(ctx: str) -> Any:
    """Return the frame of a recorded message."""
    lines = (DATA / "deribit/messages_nautilus.jsonl").read_text().splitlines()
    found = next(row["msg"] for row in map(json.loads, lines) if row["ctx"].endswith(ctx))
    return FRAME.decode(json.dumps(found))


def read(row: object, into: Any) -> Any:
    return msgspec.json.decode(json.dumps(row), type=into)


@recorded
def test_the_answer_to_an_order_is_read():
    told = PLACED.decode(sample("ws_order_buy_response.json").result)
    order = venue_order(told.order, SYMBOLS)
    assert (order.client_order_id, order.venue_order_id) == (
        "O-19700101-000000-001-001-1", "USDC-104819327443",
    )  # fmt: skip
    assert (order.price, order.size, order.state) == (
        Decimal("2973.55"), Decimal("0.001"), OrderState.ACCEPTED,
    )  # fmt: skip
    assert told.trades == []


@recorded
def test_the_answer_to_a_change_is_read():
    told = PLACED.decode(sample("ws_order_edit_response.json").result)
    assert (told.order.replaced, venue_order(told.order, SYMBOLS).price) == (
        True, Decimal("3067.2"),
    )  # fmt: skip


@recorded
def test_a_stop_that_waits_has_no_price_and_no_filled_amount():
    told = PLACED.decode(sample("ws_order_stop_market_no_filled_amount.json").result)
    order = venue_order(told.order, SYMBOLS)
    assert (order.type, order.price, order.trigger_price, order.filled) == (
        OrderType.STOP, None, Decimal("2228.0"), 0,
    )  # fmt: skip
    assert order.reduce_only


@recorded
def test_a_pushed_portfolio_is_a_balance():
    frame = sample("ws_portfolio.json")
    assert frame.params.channel == "user.portfolio.any"
    told = balance(SUMMARY.decode(frame.params.data), DERIBIT)
    assert (told.asset, told.total) == ("USDT", Decimal("55.00055"))


@recorded
def test_profit_that_waits_for_the_settlement_is_counted():
    frame = sample("http_get_account_summaries.json")
    parts = msgspec.json.decode(frame.result, type=Summaries).summaries
    first = parts[0]
    assert first.currency == "BTC"
    # 302.61869214 of equity - 0.05921555 of open futures + 0.0086 of options, but for a rounding.
    assert balance(first, DERIBIT).total == Decimal("302.60065765") - Decimal("0.03258105")
    assert first.limits is not None


def test_profit_that_is_paid_at_once_is_not_counted_twice():
    told = read(
        {"currency": "BTC", "balance": 10.5, "equity": 10.75, "futures_session_rpl": 0.5,
         "futures_session_upl": 0.25, "options_value": 0}, SUMMARY.type,
    )  # fmt: skip
    assert balance(told, DERIBIT).total == Decimal("10.5")


def test_trades_are_fills_with_the_venues_own_profit():
    fill = fill_of(read(TRADE, TradeRow), DERIBIT, SYMBOLS, 5)
    assert (fill.execution_id, fill.side, fill.maker) == ("ETH-2696060", Side.SELL, True)
    assert (fill.price, fill.size) == (Decimal("203.3"), Decimal(10))
    assert (fill.fee, fill.realised) == (Decimal("-0.00000012"), Decimal("0.00000001"))


def test_positions_are_signed_by_their_direction():
    row = {
        "instrument_name": "BTC-PERPETUAL", "direction": "sell", "size": 50.0,
        "average_price": 7440.18, "leverage": 34, "initial_margin": 0.0001,
    }  # fmt: skip
    held = position(read(row, PositionRow), DERIBIT, SYMBOLS)
    assert held is not None
    assert (held.size, held.average_price) == (Decimal(-50), Decimal("7440.18"))
    flat = {**row, "size": 0.0, "direction": "zero"}
    assert position(read(flat, PositionRow), DERIBIT, SYMBOLS) is None


@pytest.mark.parametrize(
    ("row", "told"),
    [
        # The sample of the venue's own documentation: the change is upl + rpl.
        ({"type": "settlement", "change": 0.00215706, "session_rpl": -4.467e-05,
          "session_upl": 0.00220172, "interest_pl": 9.93e-06, "total_interest_pl": 1.243e-05},
         [(EntryKind.FUNDING, "0.00001243"), (EntryKind.SETTLEMENT, "0.00220173")]),
        ({"type": "settlement", "change": -3e-06, "interest_pl": -3e-06},
         [(EntryKind.FUNDING, "-0.000003")]),
        ({"type": "delivery", "change": 0.2}, [(EntryKind.SETTLEMENT, "0.2")]),
        ({"type": "transfer", "change": -2.5}, [(EntryKind.TRANSFER, "-2.5")]),
        ({"type": "trade", "change": 0.1, "trade_id": "1"}, []),
        ({"type": "trade", "change": 0.1}, []),
        ({"type": "deposit", "change": 0}, []),
    ],
)  # fmt: skip
def test_the_log_tells_what_no_fill_does(row, told):
    known = {"id": 61311, "currency": "BTC", "timestamp": 1613659544153}
    found = flows(read(known | row, LogRow), DERIBIT, SYMBOLS, 5)
    assert [(each.kind, each.amount) for each in found] == [
        (kind, Decimal(amount)) for kind, amount in told
    ]


def test_orders_are_written_word_for_word(intent):
    def written(**fields: Any) -> Any:
        return json.loads(msgspec.json.encode(order_params(intent(**fields), "BTC-PERPETUAL")))

    cid = intent().client_order_id
    assert written() == {
        "instrument_name": "BTC-PERPETUAL", "amount": 100, "type": "limit", "label": cid,
        "price": 50000.5, "time_in_force": "good_til_cancelled",
    }  # fmt: skip
    careful = written(post_only=True, reduce_only=True, display_size=Decimal(10))
    assert careful["post_only"] is careful["reject_post_only"] is careful["reduce_only"] is True
    assert careful["display_amount"] == 10
    market = written(type=OrderType.MARKET, price=None)
    assert "price" not in market
    assert "time_in_force" not in market
    stop = written(type=OrderType.STOP_LIMIT, trigger_price=Decimal(9), trigger_by=TriggerBy.MARK)
    assert (stop["type"], stop["trigger"], stop["trigger_price"]) == (
        "stop_limit", "mark_price", 9,
    )  # fmt: skip
    trail = written(type=OrderType.TRAILING_STOP, price=None, trail=Decimal("25.5"))
    assert (trail["type"], trail["trigger_offset"]) == ("trailing_stop", 25.5)


def test_numbers_keep_their_digits():
    assert bytes(number(Decimal("0.00010"))) == b"0.0001"
    assert bytes(number(Decimal("1E+3"))) == b"1000"


def test_a_change_says_everything_anew(order):
    # The venue's own defaults are post-only and not reduce-only.
    change = AmendSubmitted(client_order_id=order().id, origin="tui", price=Decimal(7), ts_ns=1)
    told = json.loads(msgspec.json.encode(edit_params(order(reduce_only=True), change)))
    assert told == {
        "amount": 100, "price": 7, "post_only": False, "reject_post_only": False,
        "reduce_only": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    "fields",
    [
        {"price": None},
        {"time_in_force": TimeInForce.GTD, "expire_ns": 9},
        {"type": OrderType.STOP, "price": None},
        {"type": OrderType.TRAILING_STOP, "price": None, "trail_pct": Decimal(1)},
    ],
)
def test_what_the_venue_cannot_do_is_refused_unsent(intent, fields):
    with pytest.raises(ConfigError):
        order_params(intent(**fields), "BTC-PERPETUAL")


@pytest.mark.parametrize(
    ("reason", "state"),
    [
        ("user_request", OrderState.CANCELED),
        ("cancel_on_disconnect", OrderState.CANCELED),
        ("autoliquidation", OrderState.EXPIRED),
        ("other", OrderState.EXPIRED),
    ],
)
def test_what_nobody_asked_to_cancel_has_expired(reason, state):
    row = {
        "order_id": "1", "order_state": "cancelled", "order_type": "limit", "amount": 10,
        "instrument_name": "BTC-PERPETUAL", "direction": "buy", "last_update_timestamp": 1,
        "price": 5, "cancel_reason": reason,
    }  # fmt: skip
    assert order_state(read(row, OrderRow)) is state
    for odd in ({"order_state": "dancing"}, {"direction": "up"}, {"order_type": "magic"}):
        with pytest.raises(DataError):
            venue_order(read(row | odd, OrderRow), SYMBOLS)
