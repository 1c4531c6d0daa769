"""Parts of positions too small for any exit, on a desk with an honest venue."""

from decimal import Decimal
from typing import Any

import pytest

from core.model.abilities import VenueAbilities
from core.model.orders import (
    UNPROTECTED,
    Link,
    OrderIntent,
    OrderState,
    OrderType,
    PositionSide,
    Role,
)

D = Decimal
S = OrderState
CAN_AMEND = VenueAbilities(amend="any")
BTC = "BTC-USDT.binance"


def bracket(floor: Any, size: str = "2", whose: str = "") -> list[OrderIntent]:
    shared = {"group_id": f"{whose}group", "link": Link.BRACKET}
    more = {**shared, "parent_id": f"{whose}entry"}
    return [
        floor.intent(f"{whose}entry", "buy", size, "100", role=Role.ENTRY, **shared),
        floor.intent(
            f"{whose}stop", "sell", size, None, type=OrderType.STOP, trigger_price=D(95),
            role=Role.STOP, **more,
        ),
        floor.intent(f"{whose}target", "sell", size, "104", role=Role.TARGET, **more),
    ]  # fmt: skip


@pytest.fixture
def bare(floor: Any) -> Any:
    """A desk whose entry of 2 ended with 0.02, worth 2 USDT where the venue takes 5."""
    floor.open()
    floor.venue.able = CAN_AMEND
    floor.desk.submit_group(bracket(floor))
    floor.venue.deliver(floor.desk)
    floor.venue.trade("entry", "0.02")
    floor.venue.deliver(floor.desk)
    assert floor.alerts() == []
    floor.desk.cancel("entry", "cli")
    floor.venue.deliver(floor.desk)
    return floor


def states(floor: Any) -> tuple[OrderState, OrderState]:
    return floor.state("stop"), floor.state("target")


def test_what_is_too_small_for_exits_is_said_loudly_once(bare: Any) -> None:
    assert states(bare) == (S.HELD, S.HELD)
    assert bare.order("stop").note.startswith(UNPROTECTED)
    assert bare.order("target").note.startswith(UNPROTECTED)
    (text,) = bare.alerts()
    assert text == (
        "UNPROTECTED: 0.02 of BTC-USDT.binance at binance have no exits: an exit must be worth at "
        "least 5 USDT, was 1.90; buy at least 0.036 more and they go out by themselves, or see to "
        "it by hand"
    )
    assert bare.desk.position(BTC).unprotected == D("0.02")
    bare.move("94")
    assert states(bare) == (S.HELD, S.HELD)
    assert len(bare.alerts()) == 1


def test_exits_go_out_as_soon_as_enough_is_held(bare: Any) -> None:
    bare.hold("0.05", order_id="more")
    assert states(bare) == (S.HELD, S.ACCEPTED)
    # 5 % more than the least at the trigger of the stop; the target is worth what it says.
    assert [bare.order(name).intent.size for name in ("stop", "target")] == [D("0.056"), D("0.049")]
    assert bare.desk.position(BTC).unprotected == 0
    assert bare.order("stop").note == "held by the engine until its trigger"
    assert bare.alerts()[1:] == [
        "BTC-USDT.binance at binance has its exits again: they close 0.056, the least the venue "
        "takes"
    ]
    bare.move("95")
    assert bare.state("stop") is S.FILLED
    assert bare.desk.position(BTC).size == D("0.014")


def test_what_another_bracket_would_sell_is_not_there_for_them(bare: Any) -> None:
    bare.desk.submit_group(bracket(bare, "0.06", "their-"))
    bare.venue.deliver(bare.desk)
    bare.venue.trade("their-entry", "0.06")
    bare.venue.deliver(bare.desk)
    # 0.08 are held and 0.06 of them spoken for, once: one of two exits fills.
    assert (bare.state("their-target"), *states(bare)) == (S.ACCEPTED, S.HELD, S.HELD)
    bare.desk.cancel("their-target", "cli")
    bare.desk.cancel("their-stop", "cli")
    bare.venue.deliver(bare.desk)
    assert states(bare) == (S.HELD, S.ACCEPTED)


def test_when_nothing_is_left_of_it_its_exits_end(bare: Any) -> None:
    bare.desk.set_position("binance", (BTC, PositionSide.NET), None, "sold elsewhere")
    bare.submit("other", "buy", "1", "90")
    bare.venue.deliver(bare.desk)
    assert states(bare) == (S.CANCELED, S.CANCELED)
    assert bare.desk.position(BTC).unprotected == 0


async def test_a_restart_says_it_again_and_goes_on(bare: Any) -> None:
    bare.open(ready=False)
    await bare.reconciler().reconcile()
    assert states(bare) == (S.HELD, S.HELD)
    assert sum(text.startswith(UNPROTECTED) for text in bare.alerts()) == 1
    bare.hold("0.05", order_id="more")
    assert states(bare) == (S.HELD, S.ACCEPTED)


def test_a_touched_stop_that_is_worth_too_little_waits_for_its_entry(floor: Any) -> None:
    floor.open()
    floor.venue.able = CAN_AMEND
    floor.desk.submit_group(bracket(floor))
    floor.venue.deliver(floor.desk)
    floor.venue.trade("entry", "0.02")
    floor.venue.deliver(floor.desk)
    floor.move("94")
    assert floor.state("stop") is S.HELD
    floor.venue.trade("entry", "0.98")
    floor.venue.deliver(floor.desk)
    floor.move("94")
    assert floor.state("stop") is S.FILLED
