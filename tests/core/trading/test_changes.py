from collections.abc import Iterable
from decimal import Decimal
from itertools import permutations
from typing import Any

import msgspec
import pytest

from core.model.abilities import VenueAbilities
from core.model.market import Side
from core.model.orders import (
    AmendRejected,
    AmendSubmitted,
    Order,
    OrderAccepted,
    OrderAmended,
    OrderCanceled,
    OrderDenied,
    OrderEvent,
    OrderFilled,
    OrderHeld,
    OrderReleased,
    OrderState,
    OrderSubmitted,
    OrderTriggered,
    OrderType,
    TriggerMoved,
)
from core.trading.orders import OrderCache
from core.trading.tracked import Tracked

ACCEPT = OrderAccepted(client_order_id="o1", venue_order_id="77", ts_event_ns=1, ts_ns=1)
AMEND = AmendSubmitted(client_order_id="o1", origin="cli", size=Decimal(6), ts_ns=2)


def amended(size: str, at: int = 3, price: str = "100", **fields: Any) -> OrderAmended:
    return OrderAmended(
        client_order_id="o1", size=Decimal(size), price=Decimal(price), ts_event_ns=at, ts_ns=at,
        **fields,
    )  # fmt: skip


def fill(size: str, execution: str) -> OrderFilled:
    return OrderFilled(
        client_order_id="o1", venue="binance", instrument_id="BTC-USDT.binance",
        venue_order_id="77", execution_id=execution, side=Side.BUY, price=Decimal(100),
        size=Decimal(size), fee=Decimal(0), fee_asset="USDT", maker=False, ts_event_ns=4, ts_ns=4,
    )  # fmt: skip


def after(events: Iterable[OrderEvent]) -> Tracked:
    cache = OrderCache()
    for event in events:
        cache.apply(event)
    tracked = cache.get("o1")
    assert tracked is not None
    return tracked


def entered(floor: Any, size: str = "10", **fields: Any) -> list[OrderEvent]:
    intent = msgspec.structs.replace(floor.intent(size=size), **fields)
    return [OrderSubmitted(intent=intent, venue="binance", ts_ns=0), ACCEPT]


def held(floor: Any, waits: Any = "trigger", ts_ns: int = 0) -> OrderHeld:
    intent = msgspec.structs.replace(
        floor.intent(size="10"), type=OrderType.STOP, price=None, trigger_price=Decimal(90)
    )
    return OrderHeld(intent=intent, venue="binance", waits=waits, ts_ns=ts_ns)


def test_an_amend_changes_the_order_once_the_venue_says_so(floor: Any) -> None:
    asked = after([*entered(floor), AMEND]).order
    assert asked.amending
    assert asked.intent.size == 10
    done = after([*entered(floor), AMEND, amended("6")]).order
    assert (done.amending, done.intent.size, done.state) == (False, 6, OrderState.ACCEPTED)


def test_an_amend_that_is_refused_leaves_the_order_and_asks(floor: Any) -> None:
    refused = AmendRejected(client_order_id="o1", code="-2013", reason="no such order", ts_ns=3)
    tracked = after([*entered(floor), AMEND, refused])
    assert tracked.order.intent.size == 10
    assert not tracked.order.amending
    assert tracked.ask, "the order may have ended: only the venue knows"
    assert "no such order" in tracked.order.note


def test_an_amend_down_to_what_is_filled_ends_the_order(floor: Any) -> None:
    order = after([*entered(floor), fill("6", "e1"), AMEND, amended("6")]).order
    assert order.state is OrderState.FILLED


def test_an_amend_told_after_the_fills_it_allowed_opens_the_order_again(floor: Any) -> None:
    tracked = after([*entered(floor), fill("10", "e1"), amended("15", at=3)])
    assert tracked.order.state is OrderState.PARTIALLY_FILLED
    assert tracked.order.remaining == 5
    assert tracked.ask


@pytest.mark.parametrize("order", permutations(range(4)))
def test_amends_and_fills_in_any_order_end_alike(floor: Any, order: tuple[int, ...]) -> None:
    news: list[OrderEvent] = [
        amended("12", at=3), fill("5", "e1"), amended("8", at=5, price="101"), fill("3", "e2"),
    ]  # fmt: skip
    twice = [news[at] for at in order] + [news[at] for at in reversed(order)]
    end = after([*entered(floor), *twice]).order
    assert (end.filled, end.intent.size, end.intent.price) == (8, 8, 101)
    assert end.state is OrderState.FILLED


def test_an_amend_may_give_the_order_another_id_at_the_venue(floor: Any) -> None:
    order = after([*entered(floor), AMEND, amended("6", venue_order_id="78")]).order
    assert order.venue_order_id == "78"


def test_a_held_order_goes_out_once(floor: Any) -> None:
    cache = OrderCache()
    cache.apply(held(floor))
    release = OrderReleased(client_order_id="o1", reason="traded at 90", ts_ns=2)
    assert cache.is_news(release)
    applied = cache.apply(release)
    assert applied is not None
    assert applied.order is not None
    assert applied.order.state is OrderState.SUBMITTED
    assert not cache.is_news(release)
    tracked = cache.get("o1")
    assert tracked is not None
    assert (tracked.waits, tracked.order.held_by) == ("", "")


def test_a_child_waits_for_its_parent_and_then_for_its_trigger(floor: Any) -> None:
    tracked = after([held(floor, "parent"), held(floor, "trigger", 1)])
    assert tracked.waits == "trigger"
    assert tracked.order.state is OrderState.HELD


def test_a_held_order_can_be_refused_or_cancelled_but_not_entered_again(floor: Any) -> None:
    denied = OrderDenied(
        intent=held(floor).intent, venue="binance", rule="risk.state", reason="halted", ts_ns=2
    )
    assert after([held(floor), denied]).order.state is OrderState.DENIED
    gone = OrderCanceled(client_order_id="o1", ts_event_ns=2, ts_ns=2)
    assert after([held(floor), gone]).order.state is OrderState.CANCELED
    again = OrderSubmitted(intent=held(floor).intent, venue="binance", ts_ns=2)
    assert after([held(floor), again]).order.state is OrderState.HELD


def test_a_held_order_the_venue_knows_is_asked_about(floor: Any) -> None:
    tracked = after([held(floor), ACCEPT])
    assert tracked.order.state is OrderState.UNKNOWN
    assert tracked.ask


def test_a_trailing_trigger_moves_only_while_it_is_held(floor: Any) -> None:
    moved = TriggerMoved(client_order_id="o1", trigger_price=Decimal(95), ts_ns=1)
    assert after([held(floor), moved]).order.intent.trigger_price == 95
    gone = OrderReleased(client_order_id="o1", reason="", ts_ns=1)
    assert after([held(floor), gone, moved]).order.intent.trigger_price == 90


def test_a_trigger_at_the_venue_is_noted_once(floor: Any) -> None:
    touched = OrderTriggered(client_order_id="o1", venue_order_id="79", ts_event_ns=5, ts_ns=6)
    order: Order = after([*entered(floor), touched, touched]).order
    assert (order.triggered_ns, order.venue_order_id) == (5, "79")


@pytest.mark.parametrize(
    ("able", "kept_by"), [(frozenset(OrderType), "venue"), (frozenset(), "engine")]
)
def test_a_stop_says_who_watches_its_trigger(floor: Any, able: Any, kept_by: str) -> None:
    floor.open()
    floor.hold("2")
    floor.venue.able = VenueAbilities(types=able | {OrderType.LIMIT, OrderType.MARKET})
    floor.desk.submit(
        floor.intent("stop", "sell", "2", None, type=OrderType.STOP, trigger_price=Decimal(95))
    )
    floor.venue.deliver(floor.desk)
    assert floor.order("stop").watched_by == kept_by
    floor.desk.cancel("stop", "cli")
    floor.venue.deliver(floor.desk)
    assert floor.order("stop").watched_by == ""
