from decimal import Decimal
from typing import Any

import msgspec
import pytest

from core.model.errors import ConfigError
from core.model.executors import ExecutorKind, ExecutorPlan
from core.model.facts import VenueConnected
from core.model.ids import VenueName
from core.model.market import Side
from core.model.orders import OrderState, TimeInForce
from core.model.views import ExecutorChanged

D = Decimal
SECOND = 1_000_000_000


def plan(floor: Any, **fields: Any) -> ExecutorPlan:
    now_ns = floor.clock.now_ns()
    made = ExecutorPlan(
        id="tw1", kind=ExecutorKind.TWAP, instrument_id="BTC-USDT.binance", side=Side.BUY,
        size=D(10), orders=5, start_ns=now_ns, end_ns=now_ns + 40 * SECOND, origin="cli",
    )  # fmt: skip
    return msgspec.structs.replace(made, **fields)


def scaled(floor: Any, **fields: Any) -> ExecutorPlan:
    given = {"id": "sc1", "kind": ExecutorKind.SCALED, "price": D(98), "last_price": D(96)}
    return plan(floor, **(given | fields))


def begin(floor: Any, wanted: ExecutorPlan) -> Any:
    view = floor.desk.executors.start(wanted, floor.clock.now_ns())
    floor.venue.deliver(floor.desk)
    return view


def wait(floor: Any, seconds: float) -> None:
    """Let time pass in steps of half a second, as the engine's timer would."""
    for _ in range(int(seconds * 2)):
        floor.clock.advance(0.5)
        floor.desk.on_timer(floor.clock.now_ns())
        floor.venue.deliver(floor.desk)


def sizes(floor: Any) -> list[Decimal]:
    return [order.size for order in floor.venue.orders_by_id.values()]


def view(floor: Any, name: str = "tw1") -> Any:
    return floor.desk.executors.view(name, floor.clock.now_ns())


def test_a_twap_of_the_terminal_is_armed_once_and_goes_on_when_that_has_run_out(
    floor: Any,
) -> None:
    floor.open()
    with pytest.raises(ConfigError, match="not armed"):
        begin(floor, plan(floor, origin="tui"))
    assert not floor.desk.books.executors
    floor.desk.arm("BTC-USDT.binance", 5)
    begin(floor, plan(floor, origin="tui"))
    wait(floor, 40.5)
    assert floor.desk.armed() == {}
    assert sizes(floor) == [2] * 5
    assert view(floor).refused == 0


def test_a_twap_sends_equal_parts_at_equal_times(floor: Any) -> None:
    floor.open()
    begin(floor, plan(floor))
    assert sizes(floor) == [2]
    wait(floor, 9)
    assert sizes(floor) == [2]
    wait(floor, 31.5)
    assert sizes(floor) == [2] * 5
    seen = view(floor)
    assert (seen.ended, seen.filled, seen.sent) == ("done", 10, 5)


def test_parts_that_were_missed_are_spread_over_the_rest(floor: Any) -> None:
    floor.open()
    begin(floor, plan(floor))
    floor.clock.advance(25)
    wait(floor, 16)
    assert sizes(floor) == [2, D("2.667"), D("2.667"), D("2.666")], "at 25.5, 30 and 40 s"
    assert view(floor).ended == "done"


def test_a_restart_goes_on_and_sends_no_part_twice(floor: Any) -> None:
    floor.open()
    begin(floor, plan(floor))
    wait(floor, 11)
    floor.open()
    floor.venue.deliver(floor.desk)
    wait(floor, 31)
    assert len(floor.venue.received) == len(set(floor.venue.received)) == 5
    assert view(floor).ended == "done"
    floor.open()
    assert view(floor).ended == "done", "the journal has it"


def test_what_was_not_sent_in_time_is_said(floor: Any) -> None:
    floor.open()
    begin(floor, plan(floor))
    floor.clock.advance(120)
    floor.desk.on_timer(floor.clock.now_ns())
    assert view(floor).ended == "2 of 10 filled: 4 parts were not sent in time"
    assert any("twap tw1: 2 of 10" in text for text in floor.alerts())


def test_a_limited_part_that_does_not_fill_is_made_up_for(floor: Any) -> None:
    floor.open()
    begin(floor, plan(floor, price=D(101)))
    first = next(iter(floor.venue.orders_by_id.values()))
    assert (first.price, floor.order("tw1-000").intent.time_in_force) == (101, TimeInForce.IOC)
    floor.desk.cancel("tw1-000", "cli")
    floor.venue.deliver(floor.desk)
    wait(floor, 10.5)
    assert sizes(floor)[-1] == D("2.5"), "10 by the 4 parts left"


def test_a_part_that_may_yet_fill_is_waited_for(floor: Any) -> None:
    floor.open()
    begin(floor, plan(floor, price=D(101)))
    wait(floor, 20)
    assert len(sizes(floor)) == 1


def test_a_kill_ends_entries_but_not_exits(floor: Any) -> None:
    floor.open()
    floor.hold("10")
    begin(floor, plan(floor))
    begin(floor, plan(floor, id="out", side=Side.SELL, reduce_only=True))
    floor.desk.kill("reduce", "enough", "tui")
    wait(floor, 41)
    assert view(floor).ended.startswith("trading is reducing")
    assert view(floor, "out").ended == "done"


def test_refusals_in_a_row_end_it(floor: Any) -> None:
    floor.configure(max_order_notional=D(10))
    floor.open()
    begin(floor, plan(floor, orders=10))
    wait(floor, 41)
    assert view(floor).ended.startswith("its last 5 parts were refused: risk.max_order_notional")
    assert floor.venue.received == []


def test_a_scaled_entry_lies_evenly_between_two_prices(floor: Any) -> None:
    floor.open()
    begin(floor, scaled(floor, size=D("10.001")))
    orders = list(floor.venue.orders_by_id.values())
    assert [order.price for order in orders] == [98, D("97.5"), 97, D("96.5"), 96]
    assert sizes(floor) == [D("2.001"), 2, 2, 2, 2]
    for order in orders:
        floor.venue.trade(order.client_order_id, order.size)
    wait(floor, 1)
    assert view(floor, "sc1").ended == "done"
    assert view(floor, "sc1").average_price is not None


def test_a_scaled_entry_cut_off_half_way_is_completed_after_a_restart(floor: Any) -> None:
    floor.open()
    sent = []

    def stop_after_two(intent: Any) -> Any:
        sent.append(intent)
        if len(sent) > 2:
            raise KeyboardInterrupt
        return floor.desk.submit(intent)

    floor.desk.executors._submit = stop_after_two
    with pytest.raises(KeyboardInterrupt):
        begin(floor, scaled(floor))
    floor.open()
    wait(floor, 1)
    assert len(floor.venue.received) == len(set(floor.venue.received)) == 5


def test_stopping_cancels_what_rests(floor: Any) -> None:
    floor.open()
    begin(floor, scaled(floor))
    stopped = floor.desk.executors.stop("sc1", "tui", floor.clock.now_ns())
    floor.venue.deliver(floor.desk)
    assert stopped.ended == "stopped by tui"
    assert len(floor.venue.cancels) == 5
    assert floor.state("sc1-000") is OrderState.CANCELED


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"orders": 1}, "orders must be 2 to 500, was 1"),
        ({"size": D("0.002")}, "less than 0.001 each"),
        ({"end_ns": 0}, "its end must be after its start"),
        ({"id": "x" * 30}, "at most 28"),
        ({"kind": ExecutorKind.SCALED}, "needs a first and a last price"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused(
    floor: Any, fields: dict[str, Any], words: str
) -> None:
    floor.open()
    with pytest.raises(ConfigError, match=words):
        begin(floor, plan(floor, **fields))
    assert floor.desk.executors.views(0) == ()


def test_a_dry_run_says_what_it_would_do(floor: Any) -> None:
    floor.open()
    seen = floor.desk.executors.start(plan(floor), 0, dry_run=True)
    assert seen.ended == "dry run: 5 orders of 2.000 to 2.000"
    assert floor.desk.executors.views(0) == ()


def test_the_same_id_starts_once(floor: Any) -> None:
    floor.open()
    begin(floor, plan(floor))
    begin(floor, plan(floor, size=D(99)))
    assert len(floor.desk.executors.views(0)) == 1
    with pytest.raises(ConfigError, match="did you mean 'tw1'"):
        floor.desk.executors.stop("tw2", "cli", 0)


def test_a_part_that_ended_short_of_its_fills_holds_up_the_next(floor: Any) -> None:
    floor.open()
    begin(floor, plan(floor, price=D(99)))
    fill = floor.venue.trade("tw1-000", "0.5")
    floor.venue.outbox.clear()
    floor.venue.cancel(floor.order("tw1-000"))
    wait(floor, 15)
    assert sizes(floor) == [2], "what is left is not known"
    floor.desk.on_venue_event(fill)
    wait(floor, 6)
    assert sizes(floor)[1] == D("2.375"), "9.5 in four parts"


def test_a_paused_twap_sends_nothing_and_its_end_moves_back(floor: Any) -> None:
    floor.open()
    begin(floor, plan(floor))
    wait(floor, 14)
    assert sizes(floor) == [2, 2]
    now_ns = floor.clock.now_ns()
    assert floor.desk.executors.pause("tw1", now_ns).state == "paused"
    wait(floor, 60)
    assert sizes(floor) == [2, 2]
    assert view(floor).next_ns == 0
    floor.desk.executors.resume("tw1", floor.clock.now_ns())
    assert view(floor).next_ns - floor.clock.now_ns() == 6 * SECOND, "as if no time had passed"
    wait(floor, 5.5)
    assert sizes(floor) == [2, 2]
    wait(floor, 27)
    assert sizes(floor) == [2] * 5
    assert view(floor).ended == "done"


def test_a_restart_leaves_a_paused_twap_paused(floor: Any) -> None:
    floor.open()
    begin(floor, plan(floor))
    floor.clock.advance(4)
    floor.desk.executors.pause("tw1", floor.clock.now_ns())
    floor.clock.advance(100)
    floor.open()
    wait(floor, 10)
    assert view(floor).state == "paused"
    floor.desk.executors.resume("tw1", floor.clock.now_ns())
    assert view(floor).next_ns - floor.clock.now_ns() == 6 * SECOND
    wait(floor, 40)
    assert view(floor).ended == "done"


def test_what_ended_or_has_sent_everything_cannot_be_paused(floor: Any) -> None:
    floor.open()
    begin(floor, scaled(floor))
    with pytest.raises(ConfigError, match="scaled sc1 has sent all its orders"):
        floor.desk.executors.pause("sc1", floor.clock.now_ns())
    floor.desk.executors.stop("sc1", "tui", floor.clock.now_ns())
    with pytest.raises(ConfigError, match="scaled sc1 has ended already: stopped by tui"):
        floor.desk.executors.resume("sc1", floor.clock.now_ns())


def test_parts_worth_less_than_the_venue_takes_are_refused_with_what_fits(floor: Any) -> None:
    floor.open()
    with pytest.raises(ConfigError, match=r"parts worth 1\.00 USDT each.*use 2 parts or fewer"):
        begin(floor, plan(floor, size=D("0.1"), orders=10))


def test_clients_are_shown_each_step_and_refusals_with_their_reason(floor: Any) -> None:
    floor.configure(max_order_notional=D(10))
    floor.open()
    begin(floor, plan(floor, orders=10))
    wait(floor, 41)
    shown = [fact.executor for fact in floor.facts if isinstance(fact, ExecutorChanged)]
    assert [item.refused for item in shown] == [1, 2, 3, 4, 5, 5]
    assert shown[0].note.startswith("risk.max_order_notional")
    assert [item.state for item in shown][-2:] == ["running", "ended"]


def test_a_part_waits_for_a_venue_that_is_not_reconciled_after_a_restart(floor: Any) -> None:
    floor.open()
    begin(floor, plan(floor))
    floor.open(ready=False)
    floor.desk.on_venue_event(VenueConnected(venue=VenueName("binance"), ts_ns=floor.clock.ns))
    wait(floor, 15)
    assert sizes(floor) == [2]
    assert view(floor).waits.startswith("venue.reconcile")
    assert view(floor).refused == 0
    floor.desk.reconciled(VenueName("binance"))
    wait(floor, 26)
    assert sum(sizes(floor)) == 10
    assert view(floor).waits == ""


def test_a_part_waits_while_data_is_stale(floor: Any) -> None:
    floor.open()
    begin(floor, plan(floor))
    floor.marks.stale.add("BTC-USDT.binance")
    wait(floor, 25)
    assert view(floor).waits.startswith("data.stale")
    floor.marks.stale.clear()
    wait(floor, 16)
    assert sum(sizes(floor)) == 10


def test_a_scaled_entry_goes_out_as_the_rate_of_orders_allows(floor: Any) -> None:
    floor.configure(max_orders_per_second=3)
    floor.open()
    begin(floor, scaled(floor))
    assert len(sizes(floor)) == 3
    assert "max_orders_per_second" in view(floor, "sc1").waits
    wait(floor, 2)
    assert sizes(floor) == [2] * 5
    assert view(floor, "sc1").refused == 0
