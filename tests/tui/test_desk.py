"""The engine's answers in words."""

from decimal import Decimal

import msgspec
import pytest
from fake_market import order

from core.model.orders import OrderState
from tui.desk import order_reply


@pytest.mark.parametrize(
    ("state", "note", "words"),
    [
        (OrderState.HELD, "held by the engine until 64,000", "held by the engine until 64,000"),
        (OrderState.HELD, "", "held"),
        (OrderState.DENIED, "daily loss 120 of 100", "denied, daily loss 120 of 100"),
        (OrderState.SUBMITTED, "", "submitted"),
    ],
)
def test_a_state_is_said_once(state, note, words):
    told = msgspec.structs.replace(order("mine", price="64000"), state=state, note=note)
    assert order_reply(told).text.endswith(f" BTC-USDT @ 64,000: {words}")


def test_what_was_filled_is_said_with_its_price():
    price = Decimal("63999.123456789123")
    part = order("mine", price="64000", state=OrderState.CANCELED)
    part = msgspec.structs.replace(part, filled=Decimal("0.2"), average_price=price)
    whole = msgspec.structs.replace(part, state=OrderState.FILLED, filled=part.intent.size)
    assert order_reply(part).text.endswith(": canceled, 0.2 of 0.5 filled at 63,999.12345679")
    assert order_reply(whole).text.endswith(": filled at 63,999.12345679")
