from decimal import Decimal
from typing import Any

from core.model.accounts import RiskState
from core.model.market import Side
from core.model.orders import OrderState


def test_kill_reduce_blocks_entries_lets_exits_and_survives_a_restart(floor: Any) -> None:
    floor.open()
    floor.hold("2")
    floor.desk.kill("reduce", "lunch", "tui")
    assert floor.submit("a").note == "risk.state: only exits go: kill (reduce) by tui: lunch"
    assert floor.submit("b", "sell", "1").state is OrderState.SUBMITTED
    floor.open()
    assert floor.desk.risk_state() is RiskState.REDUCING
    floor.desk.resume("tui")
    assert floor.submit("c", price="99.00").state is OrderState.SUBMITTED


def test_kill_flatten_cancels_first_and_never_turns_the_position(floor: Any) -> None:
    floor.open()
    floor.hold("5")
    floor.submit("target", "sell", "5", "104.00")
    floor.submit("more", "buy", "3", "96.00")
    floor.venue.deliver(floor.desk)
    report = floor.desk.kill("flatten", "", "tui")
    assert (report.cancels, report.closing_orders) == (2, ())
    floor.venue.deliver(floor.desk)
    floor.venue.deliver(floor.desk)
    assert floor.desk.position("BTC-USDT.binance").size == 0
    assert floor.desk.orders() == ()
    floor.assert_agrees()


def test_kill_flatten_takes_fills_that_cross_its_cancels_into_account(floor: Any) -> None:
    floor.open()
    floor.hold("5")
    floor.submit("target", "sell", "5", "104.00")
    floor.submit("more", "buy", "3", "96.00")
    floor.venue.deliver(floor.desk)
    floor.venue.trade("target", "2")
    floor.venue.trade("more", "3")
    floor.desk.kill("flatten", "", "tui")
    for _ in range(4):
        floor.venue.deliver(floor.desk)
        floor.clock.advance(1)
        floor.desk.on_timer(floor.clock.ns)
    assert floor.desk.position("BTC-USDT.binance").size == 0
    floor.assert_agrees()


def test_kill_flatten_sends_at_once_what_no_order_could_close(floor: Any) -> None:
    floor.open()
    floor.hold("5")
    report = floor.desk.kill("flatten", "", "tui")
    assert len(report.closing_orders) == 1
    floor.venue.deliver(floor.desk)
    assert floor.desk.position("BTC-USDT.binance").size == 0


def test_a_kill_cut_short_is_carried_on_once_the_venue_is_compared(floor: Any) -> None:
    floor.open()
    floor.hold("5")
    floor.submit("target", "sell", "5", "104.00")
    floor.venue.deliver(floor.desk)
    floor.venue.lose_requests = True
    floor.desk.kill("flatten", "", "tui")
    floor.venue.lose_requests = False
    floor.open(ready=False)
    assert floor.venue.cancels == ["target"]
    floor.desk.reconciled("binance")
    assert floor.venue.cancels == ["target", "target"]
    floor.venue.deliver(floor.desk)
    floor.venue.deliver(floor.desk)
    assert floor.desk.position("BTC-USDT.binance").size == 0
    floor.desk.resume("tui")
    floor.open()
    assert not any("carrying on" in text for text in floor.alerts()), "resumed means done with"


def test_what_cannot_be_closed_is_said(floor: Any) -> None:
    floor.open()
    floor.hold("5")
    floor.venue.total["BTC"] = Decimal("0.0004")
    floor.desk.set_balance("binance", "BTC", Decimal("0.0004"), "test")
    floor.desk.kill("flatten", "", "tui")
    assert any("5 is not closed: what is left is less" in text for text in floor.alerts())


def test_closing_twice_with_one_id_sends_once(floor: Any) -> None:
    floor.open()
    floor.hold("5")
    first = floor.desk.close_position("x1", "BTC-USDT.binance", "cli")
    again = floor.desk.close_position("x1", "BTC-USDT.binance", "cli")
    other = floor.desk.close_position("x2", "BTC-USDT.binance", "cli")
    assert again == first
    assert first.intent.size == 5
    assert first.intent.reduce_only
    assert other.note.startswith("reduce_only: nothing to close: the position is 5, 5")


def test_kill_flatten_leaves_to_a_cancelled_exit_what_it_filled_unseen(floor: Any) -> None:
    floor.open()
    floor.hold("5")
    floor.submit("target", "sell", "5", "104.00")
    floor.venue.deliver(floor.desk)
    fill = floor.venue.trade("target", "2")
    floor.venue.outbox.clear()
    floor.desk.kill("flatten", "", "tui")
    floor.venue.deliver(floor.desk)
    floor.venue.deliver(floor.desk)
    assert floor.desk.position("BTC-USDT.binance").size == 2, "two of five were sold already"
    floor.desk.on_venue_event(fill)
    floor.clock.advance(2)
    floor.desk.on_timer(floor.clock.ns)
    assert floor.desk.orders() == ()
    floor.assert_agrees()


def test_fills_a_cancel_counts_are_still_claimed_after_a_restart(floor: Any) -> None:
    floor.open()
    floor.hold("5")
    floor.submit("target", "sell", "5", "104.00")
    floor.venue.deliver(floor.desk)
    floor.venue.trade("target", "2")
    floor.venue.outbox.clear()
    floor.venue.cancel(floor.order("target"))
    floor.venue.deliver(floor.desk)
    claimed = floor.desk.books.holds.open_size("BTC-USDT.binance", Side.SELL)
    floor.open()
    assert floor.desk.books.holds.open_size("BTC-USDT.binance", Side.SELL) == claimed == 2
