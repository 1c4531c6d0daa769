"""Held triggers, brackets, OCO, OTO, ends and replacements, on a desk with an honest venue."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from core.model.abilities import VenueAbilities
from core.model.accounts import RiskState
from core.model.errors import ConfigError
from core.model.instruments import Instrument, InstrumentKind
from core.model.orders import (
    Link,
    Order,
    OrderIntent,
    OrderRejected,
    OrderState,
    OrderType,
    Role,
    TimeInForce,
    TriggerBy,
)
from core.model.views import ReferenceView

D = Decimal
S = OrderState
CAN_AMEND = VenueAbilities(amend="any")


def stop(floor: Any, order_id: str = "stop", trigger: str = "95", **fields: Any) -> OrderIntent:
    fields = {"side": "sell", "size": "2", "type": OrderType.STOP, **fields}
    side, size = fields.pop("side"), fields.pop("size")
    made: OrderIntent = floor.intent(
        order_id, side, size, fields.pop("price", None), trigger_price=D(trigger), **fields
    )
    return made


def bracket(floor: Any, size: str = "2") -> list[OrderIntent]:
    shared = {"group_id": "g1", "link": Link.BRACKET}
    return [
        floor.intent("entry", "buy", size, "100", role=Role.ENTRY, **shared),
        stop(floor, size=size, role=Role.STOP, parent_id="entry", **shared),
        floor.intent("target", "sell", size, "104", role=Role.TARGET, parent_id="entry", **shared),
    ]


@pytest.fixture
def held(floor: Any) -> Any:
    """A desk that is long 2."""
    floor.open()
    floor.hold("2")
    return floor


def test_a_held_stop_goes_out_as_a_market_order_when_it_is_touched(held: Any) -> None:
    held.desk.submit(stop(held))
    assert held.state("stop") is S.HELD
    assert "stop" not in held.venue.received
    held.move("95.01")
    assert held.state("stop") is S.HELD
    held.move("95")
    assert held.venue.orders_by_id["stop"].type is OrderType.MARKET
    assert held.state("stop") is S.FILLED
    assert held.desk.position("BTC-USDT.binance").size == 0
    assert held.order("stop").triggered_ns


@pytest.mark.parametrize(
    ("kind", "side", "trigger", "calm", "touch"),
    [
        (OrderType.STOP, "buy", "105", "104.99", "105"),
        (OrderType.TAKE_PROFIT, "sell", "105", "104.99", "105"),
        (OrderType.TAKE_PROFIT, "buy", "95", "95.01", "95"),
    ],
)
def test_each_kind_of_trigger_fires_on_its_side(
    held: Any, kind: OrderType, side: str, trigger: str, calm: str, touch: str
) -> None:
    held.desk.submit(stop(held, "x", trigger, side=side, size="1", type=kind))
    held.move(calm)
    assert held.state("x") is S.HELD
    held.move(touch)
    assert held.state("x") is S.FILLED


def test_a_stop_limit_rests_at_its_price_once_touched(held: Any) -> None:
    held.desk.submit(stop(held, type=OrderType.STOP_LIMIT, price="94.50"))
    held.move("94.80")
    sent = held.venue.orders_by_id["stop"]
    assert (sent.type, sent.price, sent.trigger_price) == (OrderType.LIMIT, D("94.50"), None)
    assert held.state("stop") is S.ACCEPTED


def test_a_venue_that_holds_triggers_gets_the_order_at_once(held: Any) -> None:
    held.venue.able = VenueAbilities(types=frozenset(OrderType))
    held.desk.submit(stop(held))
    assert held.venue.orders_by_id["stop"].type is OrderType.STOP
    assert held.desk.guard.watched == {}


def test_a_mark_price_trigger_ignores_trades(held: Any) -> None:
    held.desk.submit(stop(held, trigger_by=TriggerBy.MARK))
    held.move("90")
    assert held.state("stop") is S.HELD
    held.marks.said["BTC-USDT.binance"] = ReferenceView(mark=D(94))
    held.move("90")
    assert held.state("stop") is S.FILLED


def test_stale_data_fires_nothing_and_is_said_once(held: Any) -> None:
    held.desk.submit(stop(held))
    held.marks.stale.add("BTC-USDT.binance")
    held.move("90")
    for _ in range(3):
        held.clock.advance(1)
        held.desk.on_timer(held.clock.now_ns())
    assert held.state("stop") is S.HELD
    assert sum("cannot be watched" in text for text in held.alerts()) == 1
    held.marks.stale.clear()
    held.desk.on_timer(held.clock.now_ns())
    held.venue.deliver(held.desk)
    assert held.state("stop") is S.FILLED


def test_a_trailing_stop_follows_and_is_rearmed_where_it_was(held: Any) -> None:
    held.desk.submit(stop(held, type=OrderType.TRAILING_STOP, trigger="95", trail=D(3)))
    for price in ("101", "110", "108"):
        held.move(price, seconds=2)
    assert held.order("stop").intent.trigger_price == 107
    held.open()
    assert held.state("stop") is S.HELD
    held.move("107.01")
    assert held.state("stop") is S.HELD
    held.move("107")
    assert held.state("stop") is S.FILLED


def test_a_stop_that_would_fire_at_once_is_refused_with_the_market(held: Any) -> None:
    order = held.desk.submit(stop(held, trigger="101"))
    assert order.state is S.DENIED
    assert order.note.startswith("trigger_price: a sell stop at 101 would fire at once")


def test_an_entry_stop_is_checked_again_when_it_fires(floor: Any) -> None:
    floor.open()
    floor.desk.submit(stop(floor, "in", "105", side="buy"))
    floor.desk.kill("pause", "", "tui")
    floor.move("106")
    assert floor.state("in") is S.DENIED
    assert "risk.state" in floor.order("in").note
    assert "in" not in floor.venue.received


def test_a_held_order_is_cancelled_here(held: Any) -> None:
    held.desk.submit(stop(held))
    held.desk.cancel("stop", "tui")
    assert held.state("stop") is S.CANCELED
    assert held.venue.cancels == []
    held.move("90")
    assert "stop" not in held.venue.received


def test_a_held_order_can_be_amended_without_the_venue(held: Any) -> None:
    held.desk.submit(stop(held))
    held.desk.amend("stop", "tui", trigger_price=D(90))
    held.move("94")
    assert held.state("stop") is S.HELD
    assert held.venue.amends == []


def test_a_dry_run_says_which_orders_of_a_bracket_clx_would_hold(floor: Any) -> None:
    floor.open()
    seen = floor.desk.submit_group(bracket(floor), dry_run=True)
    held = "dry run: would be held by clx until its entry fills"
    assert [(order.state, order.note) for order in seen] == [
        (S.SUBMITTED, "dry run: would be sent"),
        (S.HELD, held),
        (S.HELD, held),
    ]
    assert floor.venue.received == []
    assert not floor.desk.orders(include_ended=True)


def test_a_bracket_protects_what_its_entry_filled(floor: Any) -> None:
    floor.open()
    orders = floor.desk.submit_group(bracket(floor))
    assert [order.state for order in orders] == [S.SUBMITTED, S.HELD, S.HELD]
    floor.venue.able = CAN_AMEND
    floor.venue.deliver(floor.desk)
    floor.venue.trade("entry", "0.5")
    floor.venue.deliver(floor.desk)
    assert floor.venue.orders_by_id["target"].size == D("0.5")
    assert floor.order("stop").intent.size == D("0.5"), "the engine's stop is armed"
    floor.venue.trade("entry", "1.5")
    floor.venue.deliver(floor.desk)
    assert floor.venue.orders_by_id["target"].size == 2, "it grew with the entry"
    assert floor.order("stop").intent.size == 2


def test_a_target_that_fills_shrinks_and_ends_the_stop(floor: Any) -> None:
    floor.open()
    floor.venue.able = CAN_AMEND
    floor.desk.submit_group(bracket(floor))
    floor.venue.deliver(floor.desk)
    floor.venue.trade("entry", "2")
    floor.venue.deliver(floor.desk)
    floor.venue.trade("target", "1.5")
    floor.venue.deliver(floor.desk)
    assert floor.order("stop").intent.size == D("0.5")
    floor.venue.trade("target", "0.5")
    floor.venue.deliver(floor.desk)
    assert floor.state("stop") is S.CANCELED
    assert floor.desk.position("BTC-USDT.binance").size == 0


def test_a_spot_stop_waits_until_the_target_frees_what_it_locks(floor: Any) -> None:
    floor.open()
    floor.venue.able = CAN_AMEND
    floor.desk.submit_group(bracket(floor))
    floor.venue.deliver(floor.desk)
    floor.venue.trade("entry", "2")
    floor.venue.deliver(floor.desk)
    floor.clock.advance(1)
    floor.marks.put_trade("94")
    floor.desk.guard.on_market("BTC-USDT.binance", floor.clock.now_ns())
    assert floor.venue.cancels == ["target"]
    assert floor.state("stop") is S.HELD
    floor.venue.deliver(floor.desk)
    floor.venue.deliver(floor.desk)
    assert floor.state("target") is S.CANCELED
    assert floor.state("stop") is S.FILLED
    assert floor.desk.position("BTC-USDT.binance").size == 0


def test_children_go_when_the_entry_ends_unfilled(floor: Any) -> None:
    floor.open()
    floor.desk.submit_group(bracket(floor))
    floor.venue.deliver(floor.desk)
    floor.desk.cancel("entry", "tui")
    floor.venue.deliver(floor.desk)
    assert [floor.state(name) for name in ("entry", "stop", "target")] == [S.CANCELED] * 3


def test_a_restart_between_the_fill_and_the_children_protects_at_once(floor: Any) -> None:
    floor.open()
    floor.desk.submit_group(bracket(floor))
    floor.venue.deliver(floor.desk)
    guard, floor.desk._flow.guard = floor.desk._flow.guard, None
    floor.venue.trade("entry", "2")
    floor.venue.deliver(floor.desk)
    assert guard is not None
    assert "target" not in floor.venue.received
    floor.open()
    floor.venue.deliver(floor.desk)
    assert floor.venue.received.count("target") == 1
    floor.move("94")
    floor.venue.deliver(floor.desk)
    assert floor.state("stop") is S.FILLED
    floor.assert_agrees()


def test_a_group_is_refused_whole(floor: Any) -> None:
    floor.open()
    intents = bracket(floor)
    intents[2] = msgspec.structs.replace(intents[2], price=D("104.001"))
    orders = floor.desk.submit_group(intents)
    assert [order.state for order in orders] == [S.DENIED] * 3
    assert "price_tick" in orders[2].note
    assert orders[0].note.startswith("group: ")
    assert floor.venue.received == []


def test_a_venue_that_links_orders_gets_the_group_whole(held: Any) -> None:
    held.venue.able = VenueAbilities(
        types=frozenset(OrderType), links=frozenset({Link.OCO}), reduce_only=True
    )
    shared = {"group_id": "g", "link": Link.OCO}
    pair = [
        stop(held, size="2", role=Role.STOP, **shared),
        held.intent("target", "sell", "2", "104", role=Role.TARGET, **shared),
    ]
    orders = held.desk.submit_group(pair)
    assert [order.state for order in orders] == [S.SUBMITTED] * 2, [o.note for o in orders]
    assert held.venue.groups == [("stop", "target")]


def test_of_an_oco_pair_one_fill_ends_the_other(held: Any) -> None:
    shared = {"group_id": "g", "link": Link.OCO}
    pair = [
        stop(held, size="2", role=Role.STOP, **shared),
        held.intent("target", "sell", "2", "104", role=Role.TARGET, **shared),
    ]
    held.desk.submit_group(pair)
    held.venue.deliver(held.desk)
    held.venue.trade("target", "2")
    held.venue.deliver(held.desk)
    assert held.state("stop") is S.CANCELED


def test_a_refused_stop_is_held_by_the_engine_instead(floor: Any) -> None:
    floor.open()
    floor.venue.able = VenueAbilities(types=frozenset(OrderType))
    shared = {"group_id": "g1", "link": Link.OTO}
    intents = [
        floor.intent("entry", "buy", "2", "100", role=Role.ENTRY, **shared),
        stop(floor, role=Role.STOP, parent_id="entry", **shared),
    ]
    floor.desk.submit_group(intents)
    floor.venue.deliver(floor.desk)
    floor.venue.trade("entry", "2")
    floor.venue.lose_answers = True
    floor.venue.deliver(floor.desk)
    assert floor.venue.received[-1] == "stop"
    del floor.venue.orders_by_id["stop"]
    floor.venue.lose_answers = False
    floor.desk.on_venue_event(
        OrderRejected(client_order_id="stop", code="-2021", reason="no", ts_ns=floor.clock.ns)
    )
    kept = [order for order in floor.desk.orders() if order.state is S.HELD]
    assert len(kept) == 1
    assert any("the engine holds it itself" in text for text in floor.alerts())
    floor.move("94")
    assert floor.desk.position("BTC-USDT.binance").size == 0


@pytest.fixture
def lost(floor: Any) -> Any:
    """A desk that is long 2, whose stop went out and may be anywhere."""
    floor.open()
    floor.venue.able = VenueAbilities(types=frozenset(OrderType))
    shared = {"group_id": "g1", "link": Link.OTO}
    entry = floor.intent("entry", "buy", "2", "100", role=Role.ENTRY, **shared)
    leg = stop(floor, role=Role.STOP, parent_id="entry", **shared)
    floor.desk.submit_group([entry, leg])
    floor.venue.deliver(floor.desk)
    floor.venue.trade("entry", "2")
    floor.venue.lose_requests = True
    floor.venue.deliver(floor.desk)
    assert floor.state("stop") is S.UNKNOWN
    return floor


def never_arrived(floor: Any, order_id: str = "stop") -> None:
    words = {"code": "no_such_order", "reason": "it never arrived", "ts_ns": floor.clock.ns}
    floor.desk.on_venue_event(OrderRejected(client_order_id=order_id, **words))


@pytest.mark.parametrize("restarts", [False, True])
def test_a_stop_that_was_to_be_cancelled_and_never_arrived_is_not_held_again(
    lost: Any, restarts: bool
) -> None:
    assert lost.desk.cancel_all("cli")
    if restarts:
        lost.open()
    never_arrived(lost)
    assert lost.desk.orders() == ()
    lost.open()
    assert lost.desk.orders() == (), "a restart comes to the same"
    assert not any("holds it itself" in text for text in lost.alerts())


def test_a_kill_carried_on_after_a_restart_is_still_somebodys_wish(lost: Any) -> None:
    lost.desk._switch.set_state(RiskState.REDUCING, "kill (cancel) by tui", "tui", "cancel")
    lost.open()
    never_arrived(lost)
    assert lost.desk.orders() == ()


def test_a_stop_the_engine_wished_away_first_is_somebodys_wish_as_well(lost: Any) -> None:
    lost.desk.guard._hands.end(lost.desk.books.orders.get("stop"))
    lost.desk.cancel("stop", "tui")
    lost.open()
    never_arrived(lost)
    assert lost.desk.orders() == ()


def test_a_stop_the_engine_alone_wished_away_is_held_while_it_is_needed(lost: Any) -> None:
    lost.desk.guard._hands.end(lost.desk.books.orders.get("stop"))
    never_arrived(lost)
    assert [order.state for order in lost.desk.orders()] == [S.HELD]


def test_a_stop_held_again_while_its_position_is_closed_does_not_outlive_it(lost: Any) -> None:
    lost.desk.flatten(["BTC-USDT.binance"], "flatten by cli")
    lost.venue.lose_requests = False
    never_arrived(lost)
    lost.venue.deliver(lost.desk)
    lost.desk.on_timer(lost.clock.now_ns())
    assert lost.desk.position("BTC-USDT.binance").size == 0
    assert lost.desk.orders() == ()
    assert not lost.desk._switch.flattener.active


def test_a_refused_order_that_was_to_be_cancelled_and_is_there_after_all_is_cancelled(
    lost: Any,
) -> None:
    lost.desk.cancel_all("cli")
    never_arrived(lost)
    lost.venue.lose_requests = False
    lost.venue.place(lost.order("stop").intent)
    cancels = len(lost.venue.cancels)
    lost.venue.deliver(lost.desk)
    assert lost.venue.cancels[cancels:] == ["stop"]
    assert lost.state("stop") is S.CANCELED


def test_gtd_is_ended_here_where_the_venue_cannot(floor: Any) -> None:
    floor.open()
    end_ns = floor.clock.now_ns() + 5_000_000_000
    intent = floor.intent("o1", time_in_force=TimeInForce.GTD, expire_ns=end_ns)
    assert floor.desk.submit(intent).state is S.SUBMITTED
    floor.venue.deliver(floor.desk)
    floor.desk.on_timer(end_ns - 1)
    assert floor.venue.cancels == []
    floor.clock.advance(5)
    floor.desk.on_timer(end_ns)
    assert floor.venue.cancels == ["o1"]


def amended(floor: Any, **changes: Any) -> Order:
    order: Order = floor.desk.amend("o1", "tui", **changes)
    floor.venue.deliver(floor.desk)
    return order


def test_an_amend_is_sent_where_the_venue_can(floor: Any) -> None:
    floor.open()
    floor.venue.able = CAN_AMEND
    floor.submit("o1", "buy", "2", "99")
    floor.venue.deliver(floor.desk)
    assert amended(floor, price=D(98)).amending
    assert floor.order("o1").intent.price == 98
    assert not floor.order("o1").amending


def test_where_it_cannot_the_order_is_cancelled_and_sent_anew(floor: Any) -> None:
    floor.open()
    floor.submit("o1", "buy", "2", "99")
    floor.venue.deliver(floor.desk)
    floor.venue.trade("o1", "0.5")
    heir = amended(floor, price=D(98))
    assert heir.state is S.HELD
    assert floor.state("o1") is S.CANCELED
    sent = floor.venue.orders_by_id[heir.id]
    assert (sent.size, sent.price) == (D("1.5"), 98), "what filled meanwhile is not bought again"
    floor.venue.deliver(floor.desk)
    floor.assert_agrees()


def test_a_replacement_waits_for_the_fills_its_cancel_counts(floor: Any) -> None:
    floor.open()
    floor.submit("o1", "buy", "2", "99")
    floor.venue.deliver(floor.desk)
    fill = floor.venue.trade("o1", "0.5")
    floor.venue.outbox.clear()
    heir = amended(floor, price=D(98))
    assert floor.state("o1") is S.CANCELED
    assert floor.state(heir.id) is S.HELD, "how much is left is not known"
    floor.desk.on_venue_event(fill)
    assert floor.venue.orders_by_id[heir.id].size == D("1.5")
    floor.venue.deliver(floor.desk)
    floor.assert_agrees()


def test_exits_wait_for_the_fills_their_entry_ended_with(floor: Any) -> None:
    floor.open()
    floor.desk.submit_group(bracket(floor))
    floor.venue.deliver(floor.desk)
    fill = floor.venue.trade("entry", "0.5")
    floor.venue.outbox.clear()
    floor.venue.cancel(floor.order("entry"))
    floor.venue.deliver(floor.desk)
    assert floor.state("entry") is S.CANCELED
    assert [floor.state(name) for name in ("stop", "target")] == [S.HELD] * 2
    floor.desk.on_venue_event(fill)
    floor.venue.deliver(floor.desk)
    assert floor.order("stop").intent.size == D("0.5")
    assert floor.venue.orders_by_id["target"].size == D("0.5")


def test_an_order_that_fills_first_is_not_replaced(floor: Any) -> None:
    floor.open()
    floor.submit("o1", "buy", "2", "99")
    floor.venue.deliver(floor.desk)
    floor.venue.trade("o1", "2")
    heir = amended(floor, price=D(98))
    assert floor.state("o1") is S.FILLED
    assert floor.state(heir.id) is S.CANCELED
    assert heir.id not in floor.venue.received


def test_a_replaced_entry_keeps_its_children(floor: Any) -> None:
    floor.open()
    floor.desk.submit_group(bracket(floor))
    floor.venue.deliver(floor.desk)
    floor.venue.trade("entry", "0.5")
    floor.venue.deliver(floor.desk)
    heir = floor.desk.amend("entry", "tui", price=D(99))
    floor.venue.deliver(floor.desk)
    floor.venue.trade(heir.id, "1.5")
    floor.venue.deliver(floor.desk)
    assert floor.order("stop").intent.size == 2
    assert floor.state("stop") is S.HELD


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "nothing to amend"),
        ({"size": D("0.5")}, "must be above the 0.5 filled"),
        ({"trigger_price": D(5)}, "has no trigger"),
        ({"price": D("98.001")}, "price_tick"),
        ({"size": D(5000)}, "max_size"),
    ],
)
def test_an_amend_that_cannot_be_says_why(
    floor: Any, changes: dict[str, Decimal], words: str
) -> None:
    floor.open()
    floor.venue.able = CAN_AMEND
    floor.submit("o1", "buy", "2", "99")
    floor.venue.deliver(floor.desk)
    floor.venue.trade("o1", "0.5")
    floor.venue.deliver(floor.desk)
    with pytest.raises(ConfigError, match=words):
        floor.desk.amend("o1", "tui", **changes)
    assert floor.venue.amends == []


def test_an_amend_is_judged_without_the_order_it_changes(floor: Any) -> None:
    floor.configure(max_position_notional=D(300))
    floor.open()
    floor.venue.able = CAN_AMEND
    floor.submit("o1", "buy", "2", "100")
    floor.venue.deliver(floor.desk)
    assert amended(floor, size=D("2.9")).amending
    with pytest.raises(ConfigError, match="max_position_notional"):
        floor.desk.amend("o1", "tui", size=D("3.1"))


def test_exits_are_of_what_fees_in_the_base_left(floor: Any) -> None:
    floor.open()
    floor.desk.submit_group(bracket(floor))
    floor.venue.deliver(floor.desk)
    fill = floor.venue.trade("entry", "2")
    floor.venue.outbox[-1] = msgspec.structs.replace(fill, fee=D("0.0021"), fee_asset="BTC")
    floor.venue.deliver(floor.desk)
    assert floor.order("stop").intent.size == D("1.997"), "whole lots of what is really held"
    assert floor.venue.orders_by_id["target"].size == D("1.997")


def test_a_contracts_stop_fires_beside_its_resting_target(floor: Any, btc: Instrument) -> None:
    perp = msgspec.structs.replace(btc, kind=InstrumentKind.PERPETUAL, settle="USDT")
    floor.instruments[perp.id] = perp
    floor.open()
    floor.venue.able = CAN_AMEND
    floor.desk.submit_group(bracket(floor))
    floor.venue.deliver(floor.desk)
    floor.venue.trade("entry", "2")
    floor.venue.deliver(floor.desk)
    floor.desk.amend("stop", "tui", trigger_price=D(96))
    floor.move("95.5")
    floor.venue.deliver(floor.desk)
    assert floor.state("stop") is S.FILLED, floor.order("stop").note
    assert floor.state("target") is S.CANCELED
    assert floor.desk.position(perp.id).size == 0


def test_exits_somebody_takes_back_after_a_partial_fill_stay_away(floor: Any) -> None:
    floor.open()
    shared = {"group_id": "g", "link": Link.OTO}
    floor.desk.submit_group(
        [
            floor.intent("entry", "buy", "2", "100", role=Role.ENTRY, **shared),
            floor.intent(
                "target", "sell", "2", "104", role=Role.TARGET, parent_id="entry", **shared
            ),
        ]
    )
    floor.venue.deliver(floor.desk)
    floor.venue.trade("entry", "2")
    floor.venue.deliver(floor.desk)
    floor.venue.trade("target", "0.5")
    floor.venue.deliver(floor.desk)
    floor.desk.cancel_all("cli")
    floor.venue.deliver(floor.desk)
    assert floor.desk.orders() == ()
    assert floor.venue.received == ["entry", "target"]
