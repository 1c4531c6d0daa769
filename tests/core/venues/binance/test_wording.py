from __future__ import annotations

from decimal import Decimal

import pytest

from core.model.errors import ConfigError
from core.model.market import Side
from core.model.orders import AmendSubmitted, Link, OrderType, Role, TimeInForce
from core.venues.binance.parse import number
from core.venues.binance.wording import amend_params, oco_params, order_params

D = Decimal
CID = "clxt-0000000001-00000001"


def said(params, *names):
    found = dict(params)
    assert len(found) == len(params), "a parameter was named twice"
    return {name: found.get(name) for name in names}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"type": OrderType.STOP, "price": None, "trigger_price": D("49000.50")},
         {"type": "STOP_LOSS", "stopPrice": "49000.5", "price": None, "timeInForce": None}),
        ({"type": OrderType.STOP_LIMIT, "trigger_price": D("51000"), "price": D("51010")},
         {"type": "STOP_LOSS_LIMIT", "stopPrice": "51000", "price": "51010", "timeInForce": "GTC"}),
        ({"type": OrderType.TAKE_PROFIT, "price": None, "trigger_price": D("52000")},
         {"type": "TAKE_PROFIT", "stopPrice": "52000", "price": None, "timeInForce": None}),
        ({"type": OrderType.TAKE_PROFIT_LIMIT, "trigger_price": D("52000"), "price": D("5.2E4"),
          "time_in_force": TimeInForce.FOK},
         {"type": "TAKE_PROFIT_LIMIT", "stopPrice": "52000", "price": "52000",
          "timeInForce": "FOK"}),
        ({"type": OrderType.TRAILING_STOP, "price": None, "trail_pct": D("1.25")},
         {"type": "STOP_LOSS", "trailingDelta": "125", "stopPrice": None, "price": None}),
        ({"display_size": D("0.002")},
         {"type": "LIMIT", "icebergQty": "0.002", "timeInForce": "GTC"}),
        ({"post_only": True}, {"type": "LIMIT_MAKER", "timeInForce": None, "price": "50000.1"}),
    ],
)  # fmt: skip
def test_each_type_is_told_by_its_own_words(intent, changes, words) -> None:
    assert said(order_params(intent(**changes), "BTCUSDT"), *words) == words


@pytest.mark.parametrize(
    "changes",
    [
        {"type": OrderType.TRAILING_STOP, "price": None, "trail": D(500)},
        {"type": OrderType.TRAILING_STOP, "price": None, "trail_pct": D("0.123")},
        {"type": OrderType.STOP, "price": None},
        {"price": None},
        {"post_only": True, "time_in_force": TimeInForce.IOC},
    ],
)
def test_what_the_venue_has_no_words_for_is_refused_unsent(intent, changes) -> None:
    with pytest.raises(ConfigError, match=CID):
        order_params(intent(**changes), "BTCUSDT")


@pytest.mark.parametrize(
    ("side", "above", "below"),
    [(Side.SELL, "target", "stop"), (Side.BUY, "stop", "target")],
)
def test_of_an_oco_the_higher_order_is_named_above(intent, side, above, below) -> None:
    shared = {"side": side, "group_id": "g", "link": Link.OCO}
    stop = intent("stop", type=OrderType.STOP, price=None, trigger_price=D(49), **shared)
    target = intent("target", price=D(51), role=Role.TARGET, **shared)
    told = said(
        oco_params([stop, target], "BTCUSDT"),
        "aboveClientOrderId", "belowClientOrderId", "quantity", "side",
    )  # fmt: skip
    assert told == {
        "aboveClientOrderId": above,
        "belowClientOrderId": below,
        "quantity": "0.01",
        "side": side.value.upper(),
    }
    kinds = said(oco_params([stop, target], "BTCUSDT"), "aboveType", "belowType")
    assert set(kinds.values()) == {"STOP_LOSS", "LIMIT_MAKER"}


def test_an_oco_of_another_shape_is_refused(intent) -> None:
    two = [intent("a", group_id="g"), intent("b", group_id="g")]
    with pytest.raises(ConfigError, match="an OCO is one stop and one limit order"):
        oco_params(two, "BTCUSDT")


def test_only_a_size_is_amended_and_the_id_stays(order) -> None:
    change = AmendSubmitted(client_order_id=CID, origin="cli", size=D("0.0050"), ts_ns=1)
    assert said(
        amend_params(order(), change, "BTCUSDT"), "newQty", "origClientOrderId", "newClientOrderId"
    ) == {"newQty": "0.005", "origClientOrderId": CID, "newClientOrderId": CID}
    moved = AmendSubmitted(client_order_id=CID, origin="cli", price=D(1), ts_ns=1)
    with pytest.raises(ConfigError, match="only its size"):
        amend_params(order(), moved, "BTCUSDT")


@pytest.mark.parametrize(
    ("value", "text"),
    [("1E+5", "100000"), ("0.000000010", "0.00000001"), ("100", "100"), ("1.20", "1.2")],
)
def test_numbers_are_exact_without_exponent_or_trailing_zeros(value, text) -> None:
    assert number(Decimal(value)) == text
