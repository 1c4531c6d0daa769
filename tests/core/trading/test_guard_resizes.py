"""Exits the venue has otherwise than they should be: amended, sent anew, and asked about."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from core.model.abilities import VenueAbilities
from core.model.accounts import VenuePosition
from core.model.errors import TemporaryError
from core.model.instruments import Instrument, InstrumentKind
from core.model.orders import Link, OrderHeld, OrderIntent, OrderState, OrderType, Role
from core.model.settings import Settings, TradingSettings

D = Decimal
S = OrderState
FAST = Settings(trading=TradingSettings(unknown_poll_s=0.001))


def bracket(floor: Any, size: str = "2") -> list[OrderIntent]:
    shared: dict[str, Any] = {"group_id": "g1", "link": Link.BRACKET}
    child = shared | {"parent_id": "entry"}
    trigger = {"type": OrderType.STOP, "trigger_price": D("95"), "role": Role.STOP}
    return [
        floor.intent("entry", "buy", size, "100", role=Role.ENTRY, **shared),
        floor.intent("stop", "sell", size, None, **trigger, **child),
        floor.intent("target", "sell", size, "104", role=Role.TARGET, **child),
    ]


@pytest.fixture
def growing(floor: Any, btc: Instrument) -> Any:
    """A contract's bracket whose entry has half filled, at a venue that refuses to amend."""
    perp = msgspec.structs.replace(btc, kind=InstrumentKind.PERPETUAL, settle="USDT")
    floor.instruments[perp.id] = perp
    floor.settings = FAST
    floor.venue.contracts = [
        VenuePosition(venue=floor.venue.name, instrument_id=perp.id, size=D(2))
    ]
    floor.venue.able = VenueAbilities(
        amend="any", types=frozenset(OrderType), amend_types=frozenset(OrderType)
    )
    floor.open()
    floor.desk.submit_group(bracket(floor))
    floor.venue.deliver(floor.desk)
    floor.venue.trade("entry", "1")
    floor.venue.deliver(floor.desk)
    assert floor.venue.orders_by_id["stop"].size == 1
    floor.venue.refuse_amends = True
    floor.venue.trade("entry", "1")
    floor.venue.deliver(floor.desk)
    return floor


async def asked(floor: Any, times: int = 1) -> None:
    """Let the venue be asked what is open, and what follows from it happen."""
    for _ in range(times):
        floor.clock.advance(5)
        with contextlib.suppress(TemporaryError):
            await floor.reconciler().reconcile()
        floor.venue.deliver(floor.desk)


def stops(floor: Any) -> list[tuple[Decimal, OrderState]]:
    """Return the stops the venue has, with the size that still may fill."""
    found = [o for o in floor.venue.orders_by_id.values() if o.type is OrderType.STOP]
    return [(order.size, order.state) for order in found]


async def test_a_stop_the_venue_keeps_from_growing_is_sent_anew(growing: Any) -> None:
    await asked(growing, 3)
    assert sum(change.client_order_id == "stop" for change in growing.venue.amends) == 2
    assert stops(growing) == [(1, S.CANCELED), (2, S.ACCEPTED)], "never two of them at once"
    assert any("is sent anew" in text for text in growing.alerts())
    assert growing.desk.position("BTC-USDT.binance").size == 2


async def test_a_resize_that_worked_counts_no_earlier_refusals(growing: Any) -> None:
    growing.venue.refuse_amends = False
    await asked(growing, 3)
    assert stops(growing) == [(2, S.ACCEPTED)]
    assert growing.desk.books.orders.get("stop").resizes == 0


async def test_requests_that_are_lost_are_counted_like_refusals(growing: Any) -> None:
    growing.venue.lose_requests = True
    await asked(growing, 3)
    growing.venue.lose_requests = False
    growing.open()
    await asked(growing, 4)
    assert stops(growing) == [(1, S.CANCELED), (2, S.ACCEPTED)]


async def test_a_replacement_is_carried_on_when_the_engine_died_before_its_cancel(
    floor: Any,
) -> None:
    floor.open()
    floor.submit("o1", "buy", "2", "99")
    floor.venue.deliver(floor.desk)
    heir = floor.intent("o2", "buy", "2", "98", replaces="o1")
    now_ns = floor.clock.now_ns()
    floor.journal.append(
        (OrderHeld(intent=heir, venue=floor.venue.name, waits="replace", ts_ns=now_ns),)
    )
    floor.open()
    await asked(floor, 2)
    assert [floor.state(name) for name in ("o1", "o2")] == [S.CANCELED, S.ACCEPTED]
    assert floor.venue.orders_by_id["o2"].size == 2
    floor.assert_agrees()


def test_a_stop_sent_anew_leaves_out_what_its_target_filled_meanwhile(
    floor: Any, btc: Instrument
) -> None:
    perp = msgspec.structs.replace(btc, kind=InstrumentKind.PERPETUAL, settle="USDT")
    floor.instruments[perp.id] = perp
    floor.venue.able = VenueAbilities(types=frozenset(OrderType))
    floor.open()
    floor.desk.submit_group(bracket(floor))
    floor.venue.deliver(floor.desk)
    floor.venue.trade("entry", "2")
    floor.venue.deliver(floor.desk)
    heir = floor.desk.amend("stop", "tui", trigger_price=D(96))
    floor.venue.trade("target", "0.5")
    fill = floor.venue.outbox.pop()
    floor.desk.on_venue_event(fill)
    floor.venue.deliver(floor.desk)
    assert floor.state("stop") is S.CANCELED
    assert floor.venue.orders_by_id[heir.id].size == D("1.5")


def test_a_refused_cancel_is_asked_about_before_the_next_one(floor: Any) -> None:
    floor.open()
    floor.desk.submit_group(bracket(floor))
    floor.venue.deliver(floor.desk)
    floor.venue.trade("entry", "2")
    floor.venue.deliver(floor.desk)
    stop_report, target = floor.order("stop"), floor.order("target")
    assert (stop_report.state, target.state) == (S.HELD, S.ACCEPTED)
    floor.venue.trade("target", "2")
    floor.venue.outbox.clear()  # its report is lost
    floor.move("94")
    for _ in range(5):
        floor.venue.deliver(floor.desk)
    assert floor.venue.cancels == ["target"], "refused, and not tried again blindly"
    assert floor.desk.books.orders.get("target").ask
