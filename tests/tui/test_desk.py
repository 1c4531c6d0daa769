"""The engine's answers in words."""

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
