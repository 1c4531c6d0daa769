"""Exits that the venue ends by itself, as a dead-man switch does."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from core.model.abilities import VenueAbilities
from core.model.accounts import VenuePosition
from core.model.facts import VenueConnected
from core.model.ids import InstrumentId
from core.model.instruments import Instrument, InstrumentKind
from core.model.orders import (
    Link,
    OrderExpired,
    OrderHeld,
    OrderState,
    OrderType,
    PositionSide,
    Role,
)

D = Decimal
S = OrderState
PERP = InstrumentId("BTC-USDT-PERP.binance")
ABLE = VenueAbilities(
    types=frozenset(OrderType), amend="any", amend_types=frozenset(OrderType), reduce_only=True
)


@pytest.fixture
def perp(floor: Any, btc: Instrument) -> Any:
    """A long of 2 with its exits at the venue."""
    floor.instruments[PERP] = msgspec.structs.replace(
        btc, id=PERP, kind=InstrumentKind.PERPETUAL, settle="USDT"
    )
    floor.marks.tops[PERP] = (9999, 10001)
    floor.venue.able = ABLE
    floor.open()
    shared = {"group_id": "g1", "link": Link.BRACKET, "instrument_id": PERP}
    exits = {**shared, "parent_id": "entry", "reduce_only": True}
    floor.desk.submit_group([
        floor.intent("entry", "buy", "2", "100", role=Role.ENTRY, **shared),
        floor.intent("stop", "sell", "2", None, type=OrderType.STOP, trigger_price=D(95),
                     role=Role.STOP, **exits),
        floor.intent("target", "sell", "2", "104", role=Role.TARGET, **exits),
    ])  # fmt: skip
    floor.venue.deliver(floor.desk)
    floor.venue.trade("entry", "2")
    floor.venue.deliver(floor.desk)
    assert (floor.state("stop"), floor.state("target")) == (S.ACCEPTED, S.ACCEPTED)
    return floor


def end_there(floor: Any, order_id: str) -> None:
    """The venue ends an order that nobody wanted to end."""
    floor.venue.cancel(floor.order(order_id))
    floor.venue.cancels.clear()


def look(floor: Any) -> None:
    floor.venue.deliver(floor.desk)
    for _ in range(3):
        floor.clock.advance(1)
        floor.desk.on_timer(floor.clock.ns)
        floor.venue.deliver(floor.desk)


async def restart(floor: Any) -> None:
    """Start anew, find out what happened meanwhile, and go on for a while."""
    floor.venue.contracts = [
        VenuePosition(
            venue="binance", instrument_id=PERP, size=D(2), average_price=D(100),
            side=PositionSide.NET,
        )
    ]  # fmt: skip
    # A venue moves no coins for a contract.
    floor.venue.total = {item.asset: item.total for item in floor.desk.balances()}
    floor.clock.advance(120)
    floor.open(ready=False)
    floor.desk.on_venue_event(VenueConnected(venue="binance", ts_ns=floor.clock.ns))
    await floor.reconciler().reconcile()
    look(floor)


def held(floor: Any) -> list[tuple[str, Decimal]]:
    """What the engine holds, with its size."""
    found = [item for item in floor.desk.orders() if item.state is S.HELD]
    return [(item.intent.role, item.intent.size) for item in found]


def test_a_target_that_the_venue_ends_leaves_the_stop(perp: Any) -> None:
    end_there(perp, "target")
    look(perp)
    assert perp.state("target") is S.CANCELED
    assert perp.state("stop") is S.ACCEPTED
    assert perp.venue.cancels == []


async def test_so_it_does_when_that_is_found_after_a_restart(perp: Any) -> None:
    end_there(perp, "target")
    perp.venue.outbox.clear()
    await restart(perp)
    assert perp.state("target") is S.CANCELED
    assert perp.state("stop") is S.ACCEPTED
    assert perp.venue.cancels == []


@pytest.mark.parametrize("target_too", [False, True])
def test_in_place_of_a_stop_that_the_venue_ends_one_is_held(perp: Any, target_too: bool) -> None:
    end_there(perp, "stop")
    if target_too:
        end_there(perp, "target")
    look(perp)
    assert held(perp) == [(Role.STOP, D(2))]
    assert perp.state("target") is (S.CANCELED if target_too else S.ACCEPTED)
    (text,) = [text for text in perp.alerts() if "holds it itself" in text]
    assert text.startswith("stop stop was ended (ended by the venue, unasked)")


async def test_so_it_is_when_that_is_found_after_a_restart(perp: Any) -> None:
    end_there(perp, "stop")
    end_there(perp, "target")
    perp.venue.outbox.clear()
    await restart(perp)
    assert held(perp) == [(Role.STOP, D(2))]
    await restart(perp)
    assert held(perp) == [(Role.STOP, D(2))], "once"


class _Died(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("target_too", [False, True])
@pytest.mark.parametrize("deaths", [1, 2])
async def test_a_stop_that_was_never_written_is_held_by_the_next_engine(
    perp: Any, deaths: int, target_too: bool
) -> None:
    if target_too:
        end_there(perp, "target")
    end_there(perp, "stop")
    append = perp.journal.append

    def dying(records: Any) -> int:
        if any(isinstance(each, OrderHeld) for each in records):
            raise _Died
        return append(records)

    perp.journal.append = dying
    with pytest.raises(_Died):
        look(perp)
    for _ in range(deaths - 1):
        with pytest.raises(_Died):
            await restart(perp)
    assert perp.state("stop") is S.CANCELED, "that is written down"
    perp.journal.append = append
    await restart(perp)
    assert held(perp) == [(Role.STOP, D(2))]
    (stop,) = [item for item in perp.desk.orders() if item.state is S.HELD]
    assert stop.intent.replaces == "stop"
    await restart(perp)
    assert held(perp) == [(Role.STOP, D(2))], "once"


async def test_a_lost_stop_is_none_of_a_position_opened_later(perp: Any) -> None:
    perp.submit("out", "sell", "2", None, instrument_id=PERP, reduce_only=True)
    perp.venue.deliver(perp.desk)
    end_there(perp, "target")
    end_there(perp, "stop")
    look(perp)
    perp.submit("next", "buy", "2", None, instrument_id=PERP)
    perp.venue.deliver(perp.desk)
    await restart(perp)
    assert held(perp) == []
    assert perp.desk.positions()[0].size == D(2)


async def test_one_whose_own_time_was_over_is_not_held_again(perp: Any) -> None:
    tracked = perp.desk.books.orders.get("stop")
    ends_ns = perp.clock.ns + 10**9
    intent = msgspec.structs.replace(tracked.order.intent, expire_ns=ends_ns)
    tracked.order = msgspec.structs.replace(tracked.order, intent=intent)
    perp.clock.advance(1)
    perp.desk.on_venue_event(
        OrderExpired(
            client_order_id="stop", ts_event_ns=ends_ns, ts_ns=perp.clock.ns, reason="its time"
        )
    )
    look(perp)
    assert perp.state("stop") is S.EXPIRED
    assert held(perp) == []


def test_nothing_is_held_for_a_position_that_is_gone(perp: Any) -> None:
    perp.submit("out", "sell", "2", None, instrument_id=PERP, reduce_only=True)
    perp.venue.deliver(perp.desk)
    end_there(perp, "stop")
    look(perp)
    assert held(perp) == []


def test_what_somebody_here_cancels_is_not_held_again(perp: Any) -> None:
    perp.desk.cancel("stop", "cli")
    look(perp)
    assert held(perp) == []


def test_a_held_stop_of_a_pair_stays_when_the_venue_ends_the_target(floor: Any) -> None:
    floor.open()
    floor.hold("2")
    shared = {"group_id": "g1", "link": Link.OCO}
    floor.desk.submit_group([
        floor.intent("stop", "sell", "2", None, type=OrderType.STOP, trigger_price=D(95),
                     role=Role.STOP, **shared),
        floor.intent("target", "sell", "2", "104", role=Role.TARGET, **shared),
    ])  # fmt: skip
    floor.venue.deliver(floor.desk)
    end_there(floor, "target")
    look(floor)
    assert floor.state("stop") is S.HELD
    floor.move("95")
    assert floor.state("stop") is S.FILLED
