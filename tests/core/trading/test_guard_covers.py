"""What an entry brought beside its exits, or after them, is covered by a stop of the engine."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from core.model.abilities import VenueAbilities
from core.model.orders import (
    Link,
    OrderExpired,
    OrderHeld,
    OrderIntent,
    OrderRejected,
    OrderState,
    OrderType,
    Role,
)
from core.trading.guard import COVERS

D = Decimal
S = OrderState
CAN_AMEND = VenueAbilities(amend="any")
LINKS_ALL = VenueAbilities(
    types=frozenset(OrderType), links=frozenset({Link.BRACKET}), reduce_only=True
)


def bracket(floor: Any, size: str = "2") -> list[OrderIntent]:
    shared: dict[str, Any] = {"group_id": "g1", "link": Link.BRACKET}
    child = shared | {"parent_id": "entry"}
    trigger = {"type": OrderType.STOP, "trigger_price": D("95"), "role": Role.STOP}
    return [
        floor.intent("entry", "buy", size, "100", role=Role.ENTRY, **shared),
        floor.intent("stop", "sell", size, None, **trigger, **child),
        floor.intent("target", "sell", size, "104", role=Role.TARGET, **child),
    ]


def test_what_an_entry_fills_after_its_exits_is_covered_by_one_stop(floor: Any) -> None:
    floor.open()
    floor.venue.able = CAN_AMEND
    floor.desk.submit_group(bracket(floor, "4"))
    floor.venue.deliver(floor.desk)
    floor.venue.trade("entry", "2")
    floor.venue.deliver(floor.desk)
    floor.venue.trade("target", "2")
    floor.venue.trade("entry", "1")
    floor.venue.deliver(floor.desk)
    (cover,) = floor.desk.orders()
    assert (cover.state, cover.intent.type, cover.intent.size) == (S.HELD, OrderType.STOP, 1)
    assert floor.state("entry") is S.CANCELED


@pytest.mark.parametrize("restarts", [False, True])
def test_an_entry_that_proves_to_have_filled_after_its_end_is_protected(
    floor: Any, restarts: bool
) -> None:
    floor.open()
    floor.desk.submit_group(bracket(floor))
    floor.venue.deliver(floor.desk)
    fill = floor.venue.trade("entry", "0.5")
    floor.venue.outbox.clear()  # its report is lost
    floor.desk.cancel("entry", "cli")
    # Nor does the venue say with the cancel what was filled.
    floor.venue.outbox[-1] = msgspec.structs.replace(floor.venue.outbox[-1], filled=None)
    floor.venue.deliver(floor.desk)
    assert floor.desk.orders() == (), "its exits were dropped"
    if restarts:
        floor.open()
    floor.desk.on_venue_event(fill)
    (cover,) = floor.desk.orders()
    assert (cover.state, cover.intent.role, cover.intent.size) == (S.HELD, Role.STOP, D("0.5"))
    floor.desk.guard.rearm(floor.venue.name)
    assert floor.desk.orders() == (cover,)


@pytest.mark.parametrize("exits_first", [False, True])
def test_the_part_of_an_entry_whose_exits_the_venue_ended_with_it_is_protected(
    floor: Any, exits_first: bool
) -> None:
    floor.open()
    floor.venue.able = LINKS_ALL
    floor.desk.submit_group(bracket(floor, "4"))
    floor.venue.deliver(floor.desk)
    floor.venue.trade("entry", "1")
    floor.venue.deliver(floor.desk)
    assert (floor.venue.amends, floor.venue.cancels) == ([], []), "they wait there as they are"
    floor.desk.cancel("entry", "cli")
    for name in ("stop", "target"):
        floor.venue.cancel(floor.order(name))
    if exits_first:
        floor.venue.outbox.append(floor.venue.outbox.pop(0))
    floor.venue.deliver(floor.desk)
    (cover,) = floor.desk.orders()
    assert (cover.state, cover.intent.role, cover.intent.size) == (S.HELD, Role.STOP, 1)
    assert cover.intent.trigger_price == floor.order("stop").intent.trigger_price
    floor.desk.cancel_all("cli")
    assert floor.desk.orders() == (), "what somebody took back does not come again"


def test_what_a_stop_that_filled_at_its_old_size_leaves_is_covered(floor: Any) -> None:
    floor.open()
    floor.venue.able = VenueAbilities(types=frozenset(OrderType))
    entry, stop, _ = bracket(floor, "4")
    floor.desk.submit_group([msgspec.structs.replace(x, link=Link.OTO) for x in (entry, stop)])
    floor.venue.deliver(floor.desk)
    floor.venue.trade("entry", "3")
    floor.venue.deliver(floor.desk)
    assert floor.venue.orders_by_id["stop"].size == 3
    floor.venue.lose_requests = True
    floor.venue.trade("entry", "1")
    floor.venue.deliver(floor.desk)
    assert floor.state("stop") is S.PENDING_CANCEL, "another one is to take its place"
    floor.venue.lose_requests = False
    floor.venue.trade("stop", "3", "95")
    floor.venue.deliver(floor.desk)
    (cover,) = floor.desk.orders()
    assert (cover.state, cover.intent.role, cover.intent.size) == (S.HELD, Role.STOP, 1)


def test_a_refused_stop_whose_stand_in_was_cancelled_here_is_not_covered(floor: Any) -> None:
    floor.open()
    floor.venue.able = LINKS_ALL
    floor.desk.submit_group(bracket(floor, "4"))
    words = {"code": "-2021", "reason": "no", "ts_ns": floor.clock.ns}
    told = [each for each in floor.venue.outbox if each.client_order_id != "stop"]
    del floor.venue.orders_by_id["stop"]
    floor.venue.outbox[:] = [*told, OrderRejected(client_order_id="stop", **words)]
    floor.venue.deliver(floor.desk)
    floor.venue.trade("entry", "4")
    floor.venue.trade("target", "1")
    floor.venue.deliver(floor.desk)
    roles = {order.intent.role: order.state for order in floor.desk.orders()}
    assert roles == {Role.TARGET: S.PARTIALLY_FILLED, Role.STOP: S.HELD}
    floor.desk.cancel_all("cli")
    floor.venue.deliver(floor.desk)
    assert floor.desk.orders() == ()
    floor.open()
    assert floor.desk.orders() == ()


def test_exits_that_were_cancelled_here_are_not_brought_back(floor: Any) -> None:
    floor.open()
    floor.venue.able = LINKS_ALL
    floor.desk.submit_group(bracket(floor, "4"))
    floor.venue.deliver(floor.desk)
    floor.venue.trade("entry", "1")
    floor.venue.deliver(floor.desk)
    floor.desk.cancel_all("cli")
    floor.venue.deliver(floor.desk)
    assert floor.desk.orders() == ()


class _Died(BaseException):
    """The process is gone."""


def dies_before_the_cover(floor: Any) -> None:
    """Let the engine end at the commit of a cover: nothing of it is written."""
    append = floor.journal.append

    def dying(records: Any) -> int:
        if any(isinstance(each, OrderHeld) and COVERS in each.intent.reason for each in records):
            raise _Died
        return append(records)

    floor.journal.append = dying


@pytest.mark.parametrize("order", [("entry", "stop", "target"), ("stop", "target", "entry"),
                                   ("target", "entry", "stop")])  # fmt: skip
def test_a_cover_that_was_never_written_is_made_by_the_next_engine(
    floor: Any, order: tuple[str, ...]
) -> None:
    floor.open()
    floor.venue.able = LINKS_ALL
    floor.desk.submit_group(bracket(floor, "4"))
    floor.venue.deliver(floor.desk)
    floor.venue.trade("entry", "1")
    floor.venue.deliver(floor.desk)
    floor.desk.cancel("entry", "cli")
    for name in ("stop", "target"):
        floor.venue.cancel(floor.order(name))
    ends = {event.client_order_id: event for event in floor.venue.outbox}
    floor.venue.outbox[:] = [ends[name] for name in order]
    append = floor.journal.append
    dies_before_the_cover(floor)
    with pytest.raises(_Died):
        floor.venue.deliver(floor.desk)
    floor.journal.append = append
    floor.venue.outbox.clear()
    floor.open()
    (cover,) = floor.desk.orders()
    assert (cover.state, cover.intent.role, cover.intent.size) == (S.HELD, Role.STOP, 1)
    floor.open()
    assert floor.desk.orders() == (cover,), "and made once"


def lapsing(floor: Any) -> None:
    """Fill part of an entry whose exits wait at the venue for the whole."""
    floor.open()
    floor.venue.able = LINKS_ALL
    floor.desk.submit_group(bracket(floor, "4"))
    floor.venue.deliver(floor.desk)
    floor.venue.trade("entry", "1")
    floor.venue.deliver(floor.desk)


@pytest.mark.parametrize("told", [0, 1, 2, 3])
async def test_ends_that_are_learned_by_asking_are_covered_like_told_ones(
    floor: Any, told: int
) -> None:
    lapsing(floor)
    floor.desk.cancel("entry", "cli")
    for name in ("stop", "target"):
        floor.venue.cancel(floor.order(name))
    append = floor.journal.append
    if told == 3:
        dies_before_the_cover(floor)
    events = list(floor.venue.outbox[:told])
    floor.venue.outbox.clear()
    died = False
    for event in events:
        try:
            floor.desk.on_venue_event(event)
        except _Died:
            died = True
    assert died is (told == 3)
    floor.journal.append = append
    floor.clock.ns += 10**9
    floor.open(ready=False)
    await floor.reconciler().reconcile()
    (cover,) = floor.desk.orders()
    assert (cover.state, cover.intent.role, cover.intent.size) == (S.HELD, Role.STOP, 1)


def test_exits_that_expired_with_a_part_filled_entry_are_covered(floor: Any) -> None:
    lapsing(floor)
    ns = floor.clock.ns
    for name in ("entry", "stop", "target"):
        filled = D(1) if name == "entry" else D(0)
        floor.desk.on_venue_event(
            OrderExpired(
                client_order_id=name, reason="the venue ended it (day)", ts_event_ns=ns, ts_ns=ns,
                filled=filled,
            )
        )  # fmt: skip
    (cover,) = floor.desk.orders()
    assert (cover.state, cover.intent.role, cover.intent.size) == (S.HELD, Role.STOP, 1)
    floor.desk.cancel_all("cli")
    assert floor.desk.orders() == ()


def test_exits_wait_while_an_entry_has_filled_less_than_the_venue_takes(floor: Any) -> None:
    floor.open()
    floor.venue.able = CAN_AMEND
    floor.desk.submit_group(bracket(floor))
    floor.venue.deliver(floor.desk)
    floor.venue.trade("entry", "0.02")  # worth 2 USDT, the least is 5
    floor.venue.deliver(floor.desk)
    assert (floor.state("stop"), floor.state("target")) == (S.HELD, S.HELD)
    floor.venue.trade("entry", "0.98")
    floor.venue.deliver(floor.desk)
    assert (floor.state("stop"), floor.state("target")) == (S.HELD, S.ACCEPTED)
    assert [floor.order(name).intent.size for name in ("stop", "target")] == [1, 1]
    assert floor.alerts() == []
