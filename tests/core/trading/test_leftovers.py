"""Exits of contracts beside each other, and what becomes of them once there is less to close."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from core.model.abilities import VenueAbilities
from core.model.facts import VenueConnected
from core.model.ids import InstrumentId
from core.model.instruments import Instrument, InstrumentKind
from core.model.orders import Link, OrderIntent, OrderState, OrderType, PositionSide, Role

D = Decimal
S = OrderState
LONG = PositionSide.LONG
SHORT = PositionSide.SHORT
PERP = InstrumentId("BTC-USDT-PERP.binance")
ABLE = VenueAbilities(
    types=frozenset(OrderType), amend="any", amend_types=frozenset(OrderType), reduce_only=True
)
SOLD = "nothing of what it was to close is held any more"


@pytest.fixture
def perp(floor: Any, btc: Instrument) -> Any:
    """A desk for a perpetual whose venue holds triggers itself."""
    floor.instruments[PERP] = msgspec.structs.replace(
        btc, id=PERP, kind=InstrumentKind.PERPETUAL, settle="USDT"
    )
    floor.marks.tops[PERP] = (9999, 10001)
    floor.venue.able = ABLE
    floor.open()
    return floor


@pytest.fixture
def apart(perp: Any) -> Any:
    """The same, long and short held apart."""
    perp.venue.able = msgspec.structs.replace(ABLE, hedging=True)
    return perp


def trade(floor: Any, order_id: str, side: str, size: str, **fields: Any) -> None:
    """An order at the market that fills whole."""
    floor.submit(order_id, side, size, None, instrument_id=PERP, **fields)
    floor.venue.deliver(floor.desk)
    assert floor.state(order_id) is S.FILLED


def stop(floor: Any, size: str = "2", side: str = "sell", **fields: Any) -> OrderIntent:
    made: OrderIntent = floor.intent(
        fields.pop("order_id", "stop"), side, size, None, type=OrderType.STOP, instrument_id=PERP,
        trigger_price=fields.pop("trigger_price", D(95)), **fields,
    )  # fmt: skip
    return made


def put(floor: Any, intent: OrderIntent) -> None:
    order = floor.desk.submit(intent)
    assert order.state is not S.DENIED, order.note
    floor.venue.deliver(floor.desk)


def pass_time(floor: Any, looks: int = 2) -> None:
    for _ in range(looks):
        floor.clock.advance(1)
        floor.desk.on_timer(floor.clock.ns)
        floor.venue.deliver(floor.desk)


def test_a_stop_ends_when_another_order_has_closed_its_position(perp: Any) -> None:
    trade(perp, "in", "buy", "2")
    put(perp, stop(perp, reduce_only=True))
    trade(perp, "out", "sell", "2")
    pass_time(perp, looks=1)
    assert perp.state("stop") is S.ACCEPTED, "fills of one moment come one by one"
    pass_time(perp, looks=1)
    assert perp.state("stop") is S.CANCELED


def test_a_stop_held_here_ends_so_too(perp: Any) -> None:
    perp.venue.able = VenueAbilities(reduce_only=True)
    trade(perp, "in", "buy", "2")
    put(perp, stop(perp, reduce_only=True))
    assert perp.state("stop") is S.HELD
    trade(perp, "out", "sell", "2")
    pass_time(perp)
    assert perp.state("stop") is S.CANCELED
    assert perp.order("stop").note == SOLD


def test_a_stop_ends_when_the_position_has_turned_round(perp: Any) -> None:
    trade(perp, "in", "buy", "2")
    put(perp, stop(perp, reduce_only=True))
    trade(perp, "out", "sell", "5")
    pass_time(perp)
    assert perp.state("stop") is S.CANCELED


def test_a_stop_that_may_open_is_left_alone(perp: Any) -> None:
    put(perp, stop(perp))
    pass_time(perp, looks=4)
    assert perp.state("stop") is S.ACCEPTED


async def test_what_is_left_over_is_found_after_a_restart(perp: Any) -> None:
    trade(perp, "in", "buy", "2")
    put(perp, stop(perp, reduce_only=True))
    trade(perp, "out", "sell", "2")
    perp.open(ready=False)
    pass_time(perp, looks=4)
    assert perp.state("stop") is not S.CANCELED, "before the venue is asked nobody knows"
    perp.desk.on_venue_event(VenueConnected(venue="binance", ts_ns=perp.clock.ns))
    await perp.reconciler().reconcile()
    pass_time(perp)
    assert perp.state("stop") is S.CANCELED


def test_an_exit_of_a_position_held_apart_ends_with_it(apart: Any) -> None:
    trade(apart, "in", "buy", "2", position_side=LONG)
    trade(apart, "short", "sell", "2", position_side=SHORT)
    put(apart, stop(apart, position_side=LONG, reduce_only=True))
    put(apart, stop(apart, "2", "buy", order_id="cover", position_side=SHORT,
                    trigger_price=D(105), reduce_only=True))  # fmt: skip
    trade(apart, "out", "sell", "2", position_side=LONG)
    pass_time(apart)
    assert apart.state("stop") is S.CANCELED
    assert apart.state("cover") is S.ACCEPTED


def test_an_exit_held_apart_is_never_larger_than_its_position(apart: Any) -> None:
    trade(apart, "in", "buy", "3", position_side=LONG)
    put(apart, stop(apart, "3", position_side=LONG, reduce_only=True))
    trade(apart, "some", "sell", "1", position_side=LONG)
    pass_time(apart)
    assert (apart.state("stop"), apart.order("stop").intent.size) == (S.ACCEPTED, 2)


def test_netted_a_venue_lets_a_stop_close_what_is_left(perp: Any) -> None:
    trade(perp, "in", "buy", "3")
    put(perp, stop(perp, "3", reduce_only=True))
    trade(perp, "some", "sell", "1")
    pass_time(perp, looks=4)
    assert perp.order("stop").intent.size == 3
    assert perp.venue.amends == []


def bracket(floor: Any) -> None:
    """A long of 4 with its exits."""
    shared = {"group_id": "g1", "link": Link.BRACKET, "position_side": LONG}
    exits = {**shared, "parent_id": "entry", "reduce_only": True}
    floor.desk.submit_group([
        floor.intent("entry", "buy", "4", "100", role=Role.ENTRY, instrument_id=PERP, **shared),
        stop(floor, "4", role=Role.STOP, **exits),
        floor.intent("target", "sell", "4", "104", role=Role.TARGET, instrument_id=PERP, **exits),
    ])  # fmt: skip
    floor.venue.deliver(floor.desk)


def test_exits_of_a_bracket_follow_what_was_closed_beside_them(apart: Any) -> None:
    bracket(apart)
    apart.venue.trade("entry", "4")
    apart.venue.deliver(apart.desk)
    trade(apart, "some", "sell", "1", position_side=LONG)
    pass_time(apart, looks=4)
    sizes = {name: apart.order(name).intent.size for name in ("stop", "target")}
    assert sizes == {"stop": 3, "target": 3}
    assert len(apart.venue.amends) == 2, "they stay so"
    trade(apart, "rest", "sell", "3", position_side=LONG)
    pass_time(apart, looks=4)
    assert apart.desk.orders() == ()


def test_exits_stay_while_their_entry_may_bring_more(apart: Any) -> None:
    bracket(apart)
    apart.venue.trade("entry", "1")
    apart.venue.deliver(apart.desk)
    trade(apart, "out", "sell", "1", position_side=LONG)
    pass_time(apart, looks=4)
    assert apart.state("stop") is S.ACCEPTED
    apart.venue.trade("entry", "3")
    apart.venue.deliver(apart.desk)
    pass_time(apart, looks=4)
    assert {apart.order(name).intent.size for name in ("stop", "target")} == {D(3)}


def test_a_touched_stop_closes_what_is_left(perp: Any) -> None:
    perp.venue.able = VenueAbilities(reduce_only=True)
    trade(perp, "in", "buy", "3")
    put(perp, stop(perp, "3", reduce_only=True))
    trade(perp, "some", "sell", "1")
    touch(perp)
    assert (perp.state("stop"), perp.order("stop").filled) == (S.FILLED, 2)


def test_a_touched_stop_goes_out_beside_a_target_of_its_own(perp: Any) -> None:
    perp.venue.able = VenueAbilities(reduce_only=True)
    trade(perp, "in", "buy", "2")
    put(perp, stop(perp, reduce_only=True))
    put(perp, perp.intent("target", "sell", "2", "104", instrument_id=PERP, reduce_only=True))
    touch(perp)
    assert perp.state("stop") is S.FILLED
    pass_time(perp)
    assert perp.state("target") is S.CANCELED


def test_a_position_is_closed_although_a_stop_waits(perp: Any) -> None:
    trade(perp, "in", "buy", "2")
    put(perp, stop(perp, reduce_only=True))
    perp.desk.reduce("test")
    order = perp.desk.close_position("out", PERP, "cli")
    assert (order.state, order.intent.size) == (S.SUBMITTED, 2)
    again = perp.desk.close_position("again", PERP, "cli")
    assert again.note.startswith("reduce_only: nothing to close: the position is 2, 2 of it in")
    perp.venue.deliver(perp.desk)
    pass_time(perp)
    assert perp.state("stop") is S.CANCELED
    assert perp.desk.position(PERP).size == 0


def test_an_order_that_may_turn_a_position_counts_what_closes_it(perp: Any) -> None:
    perp.configure(max_position_size=D(2))
    perp.open()
    trade(perp, "in", "buy", "2")
    put(perp, stop(perp, reduce_only=True))
    assert perp.submit("out", "sell", "2", None, instrument_id=PERP, reduce_only=True).note == ""
    more = perp.submit("turn", "sell", "4", "101", instrument_id=PERP)
    assert more.note.startswith("risk.max_position_size")


def touch(floor: Any) -> None:
    floor.clock.advance(0.01)
    floor.marks.tops[PERP] = (9498, 9500)
    floor.marks.traded[PERP] = 9500
    floor.desk.guard.on_market(PERP, floor.clock.ns)
    floor.venue.deliver(floor.desk)
