"""A venue's reports in any order, twice, or lost and told later: the same orders and money."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from core.model.facts import VenueEvent
from core.model.ids import ExecutionId, VenueOrderId
from core.model.market import Side
from core.model.orders import (
    OrderAccepted,
    OrderAmended,
    OrderCanceled,
    OrderFilled,
    OrderTriggered,
    OrderType,
)
from core.model.settings import Settings, TradingSettings

D = Decimal
FAST = Settings(trading=TradingSettings(unknown_poll_s=0.001))


def reports(floor: Any) -> list[VenueEvent]:
    """What a venue tells of an amended order, a triggered stop and a cancelled one, in order."""
    ns = floor.clock.ns

    def accepted(name: str, at: int) -> OrderAccepted:
        return OrderAccepted(
            client_order_id=name, venue_order_id=VenueOrderId(f"v-{name}"), ts_event_ns=ns + at,
            ts_ns=ns,
        )  # fmt: skip

    def amended(name: str, size: str, at: int) -> OrderAmended:
        return OrderAmended(
            client_order_id=name, size=D(size), price=D(99), ts_event_ns=ns + at, ts_ns=ns
        )

    def filled(name: str, number: int, side: str, size: str) -> OrderFilled:
        return OrderFilled(
            client_order_id=name, venue=floor.venue.name, instrument_id="BTC-USDT.binance",
            venue_order_id=VenueOrderId(f"v-{name}"), execution_id=ExecutionId(str(number)),
            side=Side(side), price=D(100), size=D(size), fee=D("0.1"), fee_asset="USDT",
            maker=True, ts_event_ns=ns + number, ts_ns=ns,
        )  # fmt: skip

    return [
        accepted("bid", 1), filled("bid", 1, "buy", "0.5"), amended("bid", "2", 2),
        amended("bid", "1.5", 3), filled("bid", 2, "buy", "1"),
        accepted("stop", 1), OrderTriggered(client_order_id="stop", ts_event_ns=ns + 4, ts_ns=ns),
        filled("stop", 3, "sell", "0.75"), filled("stop", 4, "sell", "0.25"),
        accepted("late", 1), filled("late", 5, "buy", "0.5"),
        OrderCanceled(client_order_id="late", ts_event_ns=ns + 6, ts_ns=ns, filled=D("0.5")),
    ]  # fmt: skip


def told(floor: Any, events: list[VenueEvent]) -> tuple[Any, ...]:
    """Return how everything stands once a fresh desk was told."""
    floor.open()
    floor.venue.lose_requests = True
    floor.venue.able = type(floor.venue.able)(types=frozenset(OrderType))
    floor.submit("bid", "buy", "3", "99")
    floor.submit("stop", "sell", "1", None, type=OrderType.STOP, trigger_price=D(95))
    floor.submit("late", "buy", "2", "98")
    for event in events:
        floor.desk.on_venue_event(event)
    floor.desk.books.ledger.check()
    assert not list(floor.desk.books.orders.short())
    orders = [
        (o.id, o.state, o.filled, o.intent.size, o.average_price, bool(o.triggered_ns))
        for o in map(floor.order, ("bid", "stop", "late"))
    ]
    money = sorted((balance.asset, balance.total) for balance in floor.desk.balances())
    return orders, money, floor.desk.position("BTC-USDT.binance").size


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_reports_in_any_order_twice_or_told_again_make_the_same_books(
    new_floor: Callable[[], Any], data: st.DataObject
) -> None:
    floor = new_floor()
    right = told(floor, reports(floor))
    events = reports(floor := new_floor())
    lost = data.draw(st.sets(st.integers(0, len(events) - 1)))
    first = [event for number, event in enumerate(events) if number not in lost]
    again = data.draw(st.lists(st.sampled_from(events), max_size=6))
    stream = data.draw(st.permutations([*first, *again]))
    # What was lost is told again with all the rest, as a venue that is asked does.
    assert told(floor, [*stream, *data.draw(st.permutations(events))]) == right


async def recovered(floor: Any, pick: Callable[[list[VenueEvent]], list[VenueEvent]]) -> Any:
    """Return how everything stands once a venue that traded was asked for what was not told."""
    floor.settings = FAST
    floor.open()
    for order_id, size in (("full", "2"), ("part", "2"), ("none", "1"), ("open", "3")):
        floor.submit(order_id, "buy", size, "99")
    venue = floor.venue
    for order_id, size in (("full", "1.5"), ("part", "0.5"), ("full", "0.5"), ("part", "0.25")):
        venue.trade(order_id, size)
    venue.trade("open", "1")
    for order_id in ("part", "none"):
        venue.cancel(floor.order(order_id))
    events, venue.outbox = pick(venue.outbox), []
    floor.clock.advance(10)
    for event in events:
        floor.desk.on_venue_event(event)
    reconciler = floor.reconciler(visibility_s=0.001)
    await reconciler.reconcile()
    floor.assert_agrees()
    assert not floor.fills_inferred()
    orders = [(o.id, o.state, o.filled, o.average_price, o.fees) for o in floor.desk.orders(True)]
    money = sorted((balance.asset, balance.total) for balance in floor.desk.balances())
    return orders, money, floor.desk.position("BTC-USDT.binance").size


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_reports_lost_in_any_way_are_made_good_by_asking(
    new_floor: Callable[[], Any], data: st.DataObject
) -> None:
    right = asyncio.run(recovered(new_floor(), list))

    def some(events: list[VenueEvent]) -> list[VenueEvent]:
        return data.draw(st.lists(st.sampled_from(events), max_size=2 * len(events)))

    assert asyncio.run(recovered(new_floor(), some)) == right
