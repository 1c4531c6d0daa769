from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.accounts import RiskState
from core.model.errors import ConfigError
from core.model.facts import (
    JournalRecord,
    StrategyToggled,
    VenueConnected,
    VenueDisconnected,
)
from core.model.instruments import Instrument
from core.model.orders import (
    OrderAccepted,
    OrderDenied,
    OrderFilled,
    OrderIntent,
    OrderState,
    OrderSubmitted,
    OrderUnknown,
)
from core.model.views import AccountChanged, FillAdded, OrderChanged, PositionChanged
from core.trading.desk import TradingDesk

DAY_NS = 86_400 * 10**9


TRIED: dict[str, Callable[[Any], object]] = {
    "an order": lambda floor: floor.desk.submit(floor.intent("x", price="96.00"), dry_run=True),
    "one refused": lambda floor: floor.desk.submit(floor.intent("x", price="80.00"), dry_run=True),
    "a group": lambda floor: floor.desk.submit_group([floor.intent("x")], dry_run=True),
    "a change": lambda floor: floor.desk.amend("rests", "cli", price=Decimal(94), dry_run=True),
}


def kinds(floor: Any) -> list[str]:
    return [type(record).__name__ for _, record in floor.journal.read()]


def test_the_journal_has_the_order_before_the_venue_does(floor: Any) -> None:
    floor.open()
    journaled_first: list[bool] = []
    place = floor.venue.place

    def watch(intent: OrderIntent) -> None:
        records = [record for _, record in floor.journal.read()]
        journaled_first.append(
            any(isinstance(r, OrderSubmitted) and r.intent == intent for r in records)
        )
        place(intent)

    floor.venue.place = watch
    floor.submit()
    assert journaled_first == [True]


def test_a_venue_event_is_journaled_before_it_takes_effect(floor: Any) -> None:
    floor.open()
    floor.submit()
    floor.venue.deliver(floor.desk)
    floor.venue.trade("o1", "0.4")
    seen: list[Decimal] = []
    append = floor.journal.append

    def watch(records: Sequence[JournalRecord]) -> int:
        if isinstance(records[0], OrderFilled):
            seen.append(floor.order("o1").filled)
        return append(records)

    floor.journal.append = watch
    floor.venue.deliver(floor.desk)
    assert seen == [0]
    assert floor.order("o1").filled == Decimal("0.4")


def test_the_same_id_again_returns_the_known_order_and_sends_nothing(floor: Any) -> None:
    floor.open()
    first = floor.submit("o1", size="1")
    again = floor.submit("o1", size="7")
    assert again == first
    assert floor.venue.received == ["o1"]
    floor.open()
    assert floor.submit("o1").intent.size == 1, "also after a restart"
    assert floor.venue.received == ["o1"]


def test_a_dry_run_checks_everything_and_leaves_no_trace(floor: Any) -> None:
    desk = floor.open()
    before = kinds(floor), desk.state_digest()
    good = desk.submit(floor.intent("a"), dry_run=True)
    bad = desk.submit(floor.intent("b", price="200.00"), dry_run=True)
    assert (good.state, good.note) == (OrderState.SUBMITTED, "dry run: would be sent")
    assert bad.state is OrderState.DENIED
    assert bad.note.startswith("risk.price_band_pct")
    assert (kinds(floor), desk.state_digest()) == before
    assert floor.venue.received == []
    assert floor.submit("a").state is OrderState.SUBMITTED


@pytest.mark.parametrize("what", TRIED)
def test_what_is_only_tried_leaves_the_limits_as_they_were(
    floor: Any, btc: Instrument, what: str
) -> None:
    desk = floor.open()
    desk.on_timer(floor.clock.now_ns())
    floor.hold("2")
    floor.submit("rests", "buy", "1", "99.00")
    floor.venue.deliver(desk)
    floor.marks.put(btc, "95.00")
    before = desk.limits(), [scope.pnl for scope in desk.books.scopes]
    TRIED[what](floor)
    assert (desk.limits(), [scope.pnl for scope in desk.books.scopes]) == before
    floor.submit("real", "buy", "1", "96.00")
    assert [scope.pnl for scope in desk.books.scopes] != before[1], "a real one looks at the market"


def test_the_paper_venue_takes_the_orders_of_venues_not_set_up(floor: Any, btc: Instrument) -> None:
    floor.mode = "PAPER"
    desk = TradingDesk(
        settings=floor.settings,
        journal=floor.journal,
        clock=floor.clock,
        venues={"paper": floor.venue},
        instruments={btc.id: btc},
        marks=floor.marks,
        emit=floor.facts.append,
        session="paper",
        mode="PAPER",
    )
    desk.recover()
    desk.set_balance("paper", "USDT", Decimal(1000), "opening")
    desk.reconciled("paper")
    order = desk.submit(floor.intent(size="2"))
    assert (order.state, order.venue) == (OrderState.SUBMITTED, "paper")
    assert desk.submit(floor.intent("o2", size="9")).note.startswith("balance: ")
    assert desk.balances()[0].held == 200


def test_events_of_venues_nobody_set_up_are_ignored(floor: Any) -> None:
    desk = floor.open()
    before = desk.state_digest(), desk.venues()
    desk.on_venue_event(VenueConnected(venue="elsewhere", ts_ns=1))
    desk.on_venue_event(VenueDisconnected(venue="elsewhere", reason="", ts_ns=1))
    strange = msgspec.structs.replace(floor.venue.report_balances(), venue="elsewhere")
    desk.on_venue_event(strange)
    assert (desk.state_digest(), desk.venues()) == before


@given(data=st.data())
def test_reports_in_any_order_and_number_give_the_same_money(
    new_floor: Callable[[], Any], data: st.DataObject
) -> None:
    def story() -> Any:
        floor = new_floor()
        floor.open()
        floor.submit("a", "buy", "3", "100.00")
        floor.submit("b", "sell", "2", "101.00")
        floor.submit("c", "buy", "1", None)
        for order_id, size in (("a", "1"), ("b", "0.5"), ("a", "0.7"), ("b", "1.5")):
            floor.venue.trade(order_id, size)
        floor.venue.cancel(floor.order("a"))
        return floor

    def outcome(floor: Any) -> Any:
        floor.desk.books.ledger.check()
        return (
            [(o.id, o.state, o.filled, o.fees) for o in floor.desk.orders(include_ended=True)],
            floor.desk.balances(),
            floor.desk.position("BTC-USDT.binance").size,
            round(floor.desk.books.account.total_pnl(), 12),
        )

    told = story()
    told.venue.deliver(told.desk)
    told.assert_agrees()
    shaken = story()
    events = shaken.venue.outbox
    repeats = data.draw(st.lists(st.sampled_from(range(len(events))), max_size=8))
    for index in data.draw(st.permutations([*range(len(events)), *repeats])):
        shaken.desk.on_venue_event(events[index])
    assert outcome(shaken) == outcome(told)
    shaken.assert_agrees()


def test_facts_follow_an_order_from_ticket_to_money(floor: Any) -> None:
    floor.open()
    floor.facts.clear()
    floor.submit()
    floor.venue.deliver(floor.desk)
    floor.venue.trade("o1", "1")
    floor.venue.deliver(floor.desk)
    assert [type(fact) for fact in floor.facts] == [
        OrderChanged,
        OrderChanged,
        FillAdded,
        OrderChanged,
        PositionChanged,
        AccountChanged,
    ]
    account = floor.facts[-1]
    assert {b.asset: b.total for b in account.balances} == {
        "BTC": Decimal(101),
        "USDT": Decimal("99899.9"),
    }
    floor.assert_agrees()


def test_repeats_are_neither_journaled_nor_told(floor: Any) -> None:
    floor.open()
    floor.hold("1")
    floor.facts.clear()
    before = kinds(floor)
    floor.desk.on_venue_event(floor.venue.executions[0])
    assert kinds(floor) == before
    assert floor.facts == []


def test_an_adapter_that_raises_leaves_the_order_unknown(floor: Any) -> None:
    floor.open()

    def explode(_: OrderIntent) -> None:
        raise RuntimeError("bug in the adapter")

    floor.venue.submit = explode
    order = floor.submit()
    assert order.state is OrderState.UNKNOWN
    assert "bug in the adapter" in order.note
    assert any("bug in the adapter" in text for text in floor.alerts())


def test_a_venue_that_answers_within_submit_is_understood(floor: Any) -> None:
    floor.open()
    submit = floor.venue.submit

    def at_once(intent: OrderIntent) -> None:
        submit(intent)
        floor.venue.deliver(floor.desk)

    floor.venue.submit = at_once
    assert floor.submit(price=None).state is OrderState.FILLED
    floor.assert_agrees()


# -- cancels -------------------------------------------------------------------------------------


def test_a_cancel_of_an_order_on_its_way_is_sent_once_it_is_there(floor: Any) -> None:
    floor.open()
    floor.submit()
    assert floor.desk.cancel("o1", "tui").state is OrderState.SUBMITTED
    assert floor.venue.cancels == []
    floor.venue.deliver(floor.desk)
    assert floor.venue.cancels == ["o1"]
    assert floor.state("o1") is OrderState.CANCELED
    floor.assert_agrees()


def test_a_cancel_of_an_unknown_order_is_sent_now_and_again_when_it_turns_up(floor: Any) -> None:
    floor.open()
    floor.venue.lose_answers = True
    floor.submit()
    floor.venue.lose_answers = False
    floor.desk.on_venue_event(OrderUnknown(client_order_id="o1", reason="timeout", ts_ns=1))
    floor.venue.lose_requests = True
    floor.desk.cancel("o1", "cli")
    assert floor.state("o1") is OrderState.UNKNOWN
    floor.venue.lose_requests = False
    accepted = floor.venue.orders_by_id["o1"]
    floor.desk.on_venue_event(
        OrderAccepted(
            client_order_id="o1", venue_order_id=accepted.venue_order_id, ts_event_ns=1, ts_ns=1
        )
    )
    assert floor.venue.cancels == ["o1", "o1"]
    floor.venue.deliver(floor.desk)
    assert floor.state("o1") is OrderState.CANCELED


def test_a_cancel_that_crosses_the_fill_ends_filled(floor: Any) -> None:
    floor.open()
    floor.submit()
    floor.venue.deliver(floor.desk)
    floor.venue.trade("o1", "1")
    floor.desk.cancel("o1", "cli")
    floor.venue.deliver(floor.desk)
    assert floor.state("o1") is OrderState.FILLED
    floor.assert_agrees()


def test_a_refused_cancel_is_not_believed_to_be_a_cancel(floor: Any) -> None:
    floor.open()
    floor.submit()
    floor.venue.deliver(floor.desk)
    floor.venue.orders_by_id.pop("o1")
    floor.desk.cancel("o1", "cli")
    floor.venue.deliver(floor.desk)
    assert floor.state("o1") is OrderState.ACCEPTED
    assert "cancel refused: Unknown order sent." in floor.order("o1").note
    assert floor.desk.books.orders.get("o1").ask


def test_cancelling_what_is_not_known_names_the_nearest(floor: Any) -> None:
    floor.open()
    floor.submit("order-1")
    with pytest.raises(ConfigError, match=r"no order 'order-2'.*did you mean 'order-1'"):
        floor.desk.cancel("order-2", "cli")


def test_cancel_all_takes_one_commit_and_spares_other_instruments(
    floor: Any, eth: Instrument
) -> None:
    floor.open()
    for n in range(3):
        floor.submit(f"b{n}")
    floor.submit("e", instrument_id=eth.id, price="10.00")
    floor.venue.deliver(floor.desk)
    report = floor.desk.cancel_all("cli", instrument="BTC-USDT.binance")
    assert report.cancels == 3
    floor.venue.deliver(floor.desk)
    assert [order.id for order in floor.desk.orders()] == ["e"]


# -- time ----------------------------------------------------------------------------------------


def test_marks_move_positions_at_most_once_a_second_and_only_on_change(
    floor: Any, btc: Instrument
) -> None:
    desk = floor.open()
    floor.hold("1")
    desk.on_timer(floor.clock.ns)
    floor.facts.clear()
    floor.marks.put(btc, "101.00")
    desk.on_timer(floor.clock.ns + 10**8)
    assert floor.facts == []
    desk.on_timer(floor.clock.ns + 10**9)
    assert [type(fact) for fact in floor.facts] == [PositionChanged, AccountChanged]
    assert floor.facts[0].position.unrealised_pnl == 1
    floor.facts.clear()
    floor.clock.advance(2)
    desk.on_timer(floor.clock.ns)
    desk.on_timer(floor.clock.ns + 10**9)
    assert [type(fact) for fact in floor.facts] in ([], [AccountChanged]), (
        "only the order rate fell"
    )


def test_arming_ends_by_itself(floor: Any, btc: Instrument) -> None:
    desk = floor.open()
    until_ns = desk.arm(btc.id, 10)
    assert desk.armed() == {btc.id: until_ns}
    version = desk.status_version
    desk.on_timer(until_ns)
    assert desk.armed() == {}
    assert desk.status_version > version
    with pytest.raises(ConfigError, match=r"did you mean 'BTC-USDT\.binance'"):
        desk.arm("BTC-USD.binance", 10)


def test_the_days_profit_starts_anew_at_midnight_and_survives_a_restart(
    floor: Any, btc: Instrument
) -> None:
    desk = floor.open()
    desk.on_timer(floor.clock.ns)
    floor.hold("10")
    floor.marks.put(btc, "103.00")
    assert desk.day_pnl() == 29
    floor.clock.ns += DAY_NS
    desk.on_timer(floor.clock.ns)
    assert desk.day_pnl() == 0
    floor.marks.put(btc, "101.00")
    assert desk.day_pnl() == -20
    assert floor.open().day_pnl() == -20
    floor.desk.on_timer(floor.clock.ns)
    assert floor.desk.day_pnl() == -20


def test_a_new_day_waits_for_marks_but_not_for_ever(floor: Any, btc: Instrument) -> None:
    desk = floor.open()
    desk.on_timer(floor.clock.ns)
    floor.hold("10")
    floor.clock.ns += DAY_NS
    top = floor.marks.tops.pop(btc.id)
    desk.on_timer(floor.clock.ns)
    assert desk.day_pnl() == -1, "still yesterday's"
    floor.marks.tops[btc.id] = top
    desk.on_timer(floor.clock.ns + 10**9)
    assert desk.day_pnl() == 0
    floor.marks.tops.pop(btc.id)
    floor.clock.ns += DAY_NS
    for second in range(62):
        desk.on_timer(floor.clock.ns + second * 10**9)
    assert "DayOpened" in kinds(floor)[-1]


def test_a_deposit_is_no_profit(floor: Any) -> None:
    desk = floor.open()
    desk.on_timer(floor.clock.ns)
    equity = desk.equity()
    desk.set_balance("binance", "USDT", Decimal(150_000), "deposit")
    assert desk.equity() == equity + 50_000
    assert desk.day_pnl() == 0


def test_resume_is_refused_while_the_loss_stands(floor: Any, btc: Instrument) -> None:
    floor.configure(max_daily_loss=Decimal(10))
    desk = floor.open()
    desk.on_timer(floor.clock.ns)
    floor.hold("10")
    floor.marks.put(btc, "98.00")
    desk.on_timer(floor.clock.ns + 10**9)
    with pytest.raises(ConfigError, match=r"lost 21.00 USDT today, allowed 10"):
        desk.resume("tui")
    floor.marks.put(btc, "100.00")
    desk.resume("tui")
    assert desk.risk_state() is RiskState.ACTIVE


# -- restart -------------------------------------------------------------------------------------


def test_a_restart_rebuilds_the_very_same_state(floor: Any) -> None:
    desk = floor.open()
    floor.hold("2")
    floor.submit("denied", price="300.00")
    floor.submit("resting", "sell", "1", "103.00")
    desk.toggle_strategy("rsi", True)
    desk.kill("reduce", "test", "cli")
    floor.venue.deliver(desk)
    before = desk.state_digest(), desk.positions(), desk.balances(), desk.fills(), desk.orders(True)
    again = floor.open(ready=False)
    assert (
        again.state_digest(),
        again.positions(),
        again.balances(),
        again.fills(),
        again.orders(True),
    ) == before
    assert again.enabled_strategies() == {"rsi": True}
    assert any(isinstance(record, StrategyToggled) for _, record in floor.journal.read())
    assert any(isinstance(record, OrderDenied) for _, record in floor.journal.read())


def test_a_journal_of_another_mode_is_refused(floor: Any) -> None:
    floor.open()
    floor.mode = "LIVE"
    with pytest.raises(ConfigError, match="one of SIM mode, the engine runs in LIVE mode"):
        floor.open()


def test_fills_of_instruments_no_longer_listed_are_still_money(floor: Any) -> None:
    floor.open()
    floor.hold("1")
    desk = floor.desk
    bare = TradingDesk(
        settings=floor.settings,
        journal=floor.journal,
        clock=floor.clock,
        venues={},
        instruments={},
        marks=floor.marks,
        emit=floor.facts.append,
        session="bare",
        mode="SIM",
    )
    bare.recover()
    assert bare.balances() == desk.balances()
    assert bare.position("BTC-USDT.binance").size == 1
