import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from core.model.abilities import VenueAbilities
from core.model.accounts import EntryKind
from core.model.errors import ConfigError, TemporaryError
from core.model.facts import CashMoved, VenueConnected
from core.model.orders import OrderCanceled, OrderState, OrderType, OrderUnknown, Role
from core.model.settings import Settings, TradingSettings

FAST = Settings(trading=TradingSettings(unknown_poll_s=0.001, reconcile_every_s=0.001))


def lose_answers_of(floor: Any, *ids: str) -> None:
    """The venue gets the orders, its answers get lost on the way back."""
    floor.venue.lose_answers = True
    for order_id in ids:
        floor.submit(order_id)
    floor.venue.lose_answers = False


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  the condition is state, not an event
            await asyncio.sleep(0)


async def test_the_first_comparison_adopts_balances_and_opens_the_venue(floor: Any) -> None:
    floor.open(ready=False)
    assert floor.submit("early").note.startswith("venue.reconcile")
    assert await floor.reconciler().reconcile() == ()
    assert floor.submit("o1").state is OrderState.SUBMITTED
    kinds = {entry.kind for entry in floor.desk.ledger()}
    assert kinds == {EntryKind.OPENING}
    assert floor.alerts() == []
    view = floor.desk.venues()[0]
    assert view.reconciled_ns == floor.clock.ns
    assert view.reason == "its stream has not come up yet", "nothing else is wrong with it"


async def test_a_lost_answer_is_found_by_client_order_id(floor: Any) -> None:
    floor.open()
    lose_answers_of(floor, "o1")
    floor.desk.on_venue_event(OrderUnknown(client_order_id="o1", reason="timeout", ts_ns=1))
    assert floor.state("o1") is OrderState.UNKNOWN
    floor.venue.trade("o1", "0.4")
    floor.venue.outbox.clear()
    await floor.reconciler().reconcile()
    assert floor.state("o1") is OrderState.PARTIALLY_FILLED
    floor.assert_agrees()


async def test_no_such_order_counts_only_twice_and_after_the_travel_time(floor: Any) -> None:
    floor.open()
    floor.venue.lose_requests = True
    floor.submit("o1")
    floor.venue.deliver(floor.desk)
    reconciler = floor.reconciler()
    floor.clock.advance(5.9)
    for _ in range(3):
        await reconciler.reconcile()
        assert floor.state("o1") is OrderState.UNKNOWN, "it may still be on its way"
    floor.clock.advance(0.2)
    await reconciler.reconcile()
    assert floor.state("o1") is OrderState.UNKNOWN, "once is not enough"
    floor.clock.advance(1)
    await reconciler.reconcile()
    assert floor.state("o1") is OrderState.REJECTED
    assert "never reached the venue" in floor.order("o1").note
    assert floor.venue.received == [], "an unknown order is never sent again"


async def test_an_order_the_venue_shows_late_is_not_given_up(floor: Any) -> None:
    floor.open()
    floor.venue.visible_after_s = 7
    lose_answers_of(floor, "o1")
    reconciler = floor.reconciler()
    floor.clock.advance(6.5)
    await reconciler.reconcile()
    floor.clock.advance(1)
    await reconciler.reconcile()
    assert floor.state("o1") is OrderState.ACCEPTED
    floor.assert_agrees()


async def test_an_order_believed_rejected_that_lives_comes_back(floor: Any) -> None:
    floor.open()
    floor.venue.lose_requests = True
    floor.submit("o1")
    intent = floor.intent("o1")
    floor.venue.deliver(floor.desk)
    reconciler = floor.reconciler(visibility_s=0.001)
    for _ in range(3):
        floor.clock.advance(1)
        await reconciler.reconcile()
    assert floor.state("o1") is OrderState.REJECTED
    floor.venue.lose_requests = False
    floor.venue.place(intent)
    floor.venue.outbox.clear()
    floor.clock.advance(1)
    notes = await reconciler.reconcile()
    assert notes == ("order o1 was believed rejected and lives",)
    assert floor.state("o1") is OrderState.ACCEPTED
    floor.assert_agrees()


async def test_missed_fills_and_ends_are_caught_up(floor: Any) -> None:
    floor.open()
    for order_id in ("full", "part", "gone"):
        floor.submit(order_id)
    floor.venue.deliver(floor.desk)
    floor.venue.trade("full", "1")
    floor.venue.trade("part", "0.3")
    floor.venue.cancel(floor.order("gone"))
    floor.venue.trade("part", "0.3")
    floor.venue.cancel(floor.order("part"))
    floor.venue.outbox.clear()
    floor.clock.advance(1)
    notes = await floor.reconciler().reconcile()
    assert notes == ("3 fills were missed and are booked now",)
    assert [floor.state(i) for i in ("full", "part", "gone")] == [
        OrderState.FILLED,
        OrderState.CANCELED,
        OrderState.CANCELED,
    ]
    floor.assert_agrees()


async def test_fills_listed_without_our_id_are_found_by_the_venues(floor: Any) -> None:
    floor.open()
    floor.submit()
    floor.venue.deliver(floor.desk)
    floor.venue.trade("o1", "1")
    floor.venue.outbox.clear()
    floor.venue.executions = [
        msgspec.structs.replace(fill, client_order_id="") for fill in floor.venue.executions
    ]
    await floor.reconciler().reconcile()
    assert floor.state("o1") is OrderState.FILLED


async def test_a_filled_size_without_listed_fills_is_inferred_and_later_replaced(
    floor: Any,
) -> None:
    floor.open()
    floor.submit()
    floor.venue.deliver(floor.desk)
    real = floor.venue.trade("o1", "1", "99.00")
    floor.venue.outbox.clear()
    floor.venue.hide_fills = True
    floor.clock.advance(1)
    floor.settings = FAST
    reconciler = floor.reconciler()
    for _ in range(2):
        with pytest.raises(TemporaryError):
            await reconciler.reconcile()
        assert floor.order("o1").filled == 0, "the list of fills may lag"
    await reconciler.reconcile()
    assert floor.order("o1").filled == 1
    assert floor.fills_inferred() == ["inferred-o1-1"]
    assert any("booked at 100.00" in text for text in floor.alerts())
    floor.venue.hide_fills = False
    await reconciler.reconcile()
    assert floor.order("o1").filled == 1
    assert floor.order("o1").average_price == real.price
    position = floor.desk.position("BTC-USDT.binance")
    assert (position.size, position.realised_pnl + position.unrealised_pnl) == (1, 1)
    totals = {item.asset: item.total for item in floor.desk.balances()}
    assert totals == floor.venue.total
    floor.assert_agrees()


async def test_a_balance_difference_is_adopted_with_both_figures(floor: Any) -> None:
    floor.settings = FAST
    floor.open()
    floor.venue.total["USDT"] -= 250
    (note,) = await floor.reconciler().reconcile()
    assert note == "binance holds 99750 USDT, the ledger had 100000: adopted"
    assert note in floor.alerts()
    assert floor.desk.ledger(1)[0].kind is EntryKind.ADJUSTMENT
    floor.assert_agrees()


@pytest.mark.parametrize(("off", "adopted"), [("0.02", 0), ("0.021", 1)])
async def test_what_a_venue_rounds_away_is_no_difference(
    floor: Any, off: str, adopted: int
) -> None:
    floor.settings = FAST
    floor.open()
    told = floor.venue.balances

    async def rounded() -> Any:
        return [
            msgspec.structs.replace(row, total=row.total - Decimal(off), step=Decimal("0.02"))
            for row in await told()
        ]

    floor.venue.balances = rounded
    assert bool(await floor.reconciler().reconcile()) == bool(adopted)


async def test_money_of_a_fill_still_on_its_way_is_no_difference(floor: Any) -> None:
    floor.settings = FAST
    floor.open()
    floor.submit()
    floor.venue.deliver(floor.desk)
    balances = floor.venue.balances

    async def fill_first() -> Any:
        floor.venue.balances = balances
        floor.venue.trade("o1", "1")
        return await balances()

    floor.venue.balances = fill_first
    await floor.reconciler().reconcile()
    floor.venue.deliver(floor.desk)
    assert all(entry.kind is not EntryKind.ADJUSTMENT for entry in floor.desk.ledger(100))
    floor.assert_agrees()


async def test_money_that_moves_between_two_looks_is_no_difference(floor: Any) -> None:
    floor.settings = FAST
    floor.open()
    balances = floor.venue.balances
    fee = CashMoved(
        venue="binance", asset="USDT", amount=Decimal("-0.25"), kind=EntryKind.FEE, flow_id="f1",
        ts_event_ns=floor.clock.ns, ts_ns=floor.clock.ns,
    )  # fmt: skip

    async def pay_first() -> Any:
        floor.venue.balances = balances
        floor.venue.flows.append(fee)
        floor.venue.total["USDT"] += fee.amount
        return await balances()

    floor.venue.balances = pay_first
    assert await floor.reconciler().reconcile() == ()
    assert all(entry.kind is not EntryKind.ADJUSTMENT for entry in floor.desk.ledger(100))
    floor.assert_agrees()


async def test_balances_wait_while_an_order_is_unknown(floor: Any) -> None:
    floor.open(ready=False)
    floor.desk.on_venue_event(floor.venue.report_balances())
    floor.desk.reconciled("binance")
    lose_answers_of(floor, "o1")
    floor.venue.visible_after_s = 60
    floor.venue.total["USDT"] -= 1
    floor.open(ready=False)
    assert floor.state("o1") is OrderState.UNKNOWN
    with pytest.raises(TemporaryError, match="outcome is unknown"):
        await floor.reconciler().reconcile()
    assert floor.submit("o2").note.startswith("venue.reconcile")


async def test_entries_wait_until_it_is_known_whether_an_exit_has_arrived(floor: Any) -> None:
    floor.open()
    floor.venue.able = VenueAbilities(types=frozenset(OrderType))
    floor.hold("2")
    floor.venue.lose_requests = True
    floor.submit("target", "sell", "2", "104", role=Role.TARGET)
    floor.venue.deliver(floor.desk)
    floor.venue.lose_requests = False
    floor.open(ready=False)
    floor.clock.advance(1)
    reconciler = floor.reconciler()
    for _ in range(2):
        with pytest.raises(TemporaryError, match="whether exit target has arrived"):
            await reconciler.reconcile()
        assert floor.submit("o1").note.startswith("venue.reconcile")
        assert floor.state("target") is OrderState.UNKNOWN
        floor.clock.advance(7)
    await reconciler.reconcile()
    assert floor.state("target") is OrderState.REJECTED
    assert floor.submit("o2").state is OrderState.SUBMITTED


async def test_orders_of_others_are_recognised_and_left_alone(floor: Any) -> None:
    floor.open()
    floor.venue.place(floor.intent("web-order"))
    floor.venue.place(floor.intent("clxt-0123456789-abcdefgh"))
    floor.venue.deliver(floor.desk)
    first, second = await floor.reconciler().reconcile()
    assert first == "1 open order of others is left alone"
    assert "clxt-0123456789-abcdefgh" in second
    assert floor.venue.cancels == []
    assert floor.desk.orders(include_ended=True) == ()
    floor.venue.trade("web-order", "1")
    floor.venue.deliver(floor.desk)
    assert floor.desk.fills() == ()


async def test_an_order_cancelled_here_and_open_there_is_cancelled_there(floor: Any) -> None:
    floor.open()
    floor.submit()
    floor.venue.deliver(floor.desk)
    floor.desk.cancel("o1", "cli")
    floor.venue.deliver(floor.desk)
    there = floor.venue.orders_by_id["o1"]
    floor.venue.orders_by_id["o1"] = msgspec.structs.replace(there, state=OrderState.ACCEPTED)
    (note,) = await floor.reconciler().reconcile()
    assert note == "order o1 is canceled here and open there: cancelling it"
    assert floor.venue.orders_by_id["o1"].state is OrderState.CANCELED


async def test_a_lost_cancel_is_sent_again(floor: Any) -> None:
    floor.open()
    floor.submit()
    floor.venue.deliver(floor.desk)
    floor.venue.lose_requests = True
    floor.desk.cancel("o1", "cli")
    floor.venue.lose_requests = False
    reconciler = floor.reconciler()
    await reconciler.reconcile()
    assert floor.venue.cancels == ["o1"], "patience first"
    floor.clock.advance(4)
    await reconciler.reconcile()
    floor.venue.deliver(floor.desk)
    assert floor.venue.cancels == ["o1", "o1"]
    assert floor.state("o1") is OrderState.CANCELED


async def test_a_refused_cancel_is_followed_by_a_question(floor: Any) -> None:
    floor.open()
    floor.submit()
    floor.venue.deliver(floor.desk)
    floor.venue.trade("o1", "1")
    floor.desk.cancel("o1", "cli")
    floor.venue.outbox.pop(0)
    floor.venue.deliver(floor.desk)
    assert floor.state("o1") is OrderState.ACCEPTED
    await floor.reconciler().reconcile()
    assert floor.state("o1") is OrderState.FILLED
    floor.assert_agrees()


async def test_an_accepted_order_the_venue_forgot_expires_with_an_alert(floor: Any) -> None:
    floor.open()
    floor.submit()
    floor.venue.deliver(floor.desk)
    floor.venue.orders_by_id.clear()
    reconciler = floor.reconciler()
    floor.clock.advance(10)
    await reconciler.reconcile()
    assert floor.state("o1") is OrderState.ACCEPTED
    floor.clock.advance(1)
    await reconciler.reconcile()
    assert floor.state("o1") is OrderState.EXPIRED
    assert any("check its fills there" in text for text in floor.alerts())


async def test_an_order_the_venue_forgot_is_asked_for_again_before_the_next_comparison(
    floor: Any,
) -> None:
    floor.settings = Settings(
        trading=TradingSettings(unknown_poll_s=0.001, reconcile_every_s=10_000)
    )
    floor.open(ready=False)
    task = asyncio.create_task(floor.reconciler().run())
    try:
        await until(floor.submit_ok)
        floor.submit()
        floor.venue.deliver(floor.desk)
        floor.venue.orders_by_id.clear()
        floor.clock.advance(10)
        floor.desk.on_venue_event(VenueConnected(venue="binance", ts_ns=floor.clock.ns))
        await until(lambda: any("o1" in str(item) for item in floor.venue.questions))
        floor.clock.advance(1)
        await until(lambda: floor.state("o1") is OrderState.EXPIRED)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_running_it_asks_until_it_knows_and_wakes_on_connect(floor: Any) -> None:
    floor.settings = FAST
    floor.open(ready=False)
    task = asyncio.create_task(floor.reconciler(visibility_s=0.0).run())
    try:
        await until(lambda: floor.desk.venues()[0].reconciled_ns > 0)
        lose_answers_of(floor, "o1")
        floor.desk.on_venue_event(OrderUnknown(client_order_id="o1", reason="timeout", ts_ns=1))
        await until(lambda: floor.state("o1") is OrderState.ACCEPTED)
        asked = len(floor.venue.questions)
        floor.desk.on_venue_event(VenueConnected(venue="binance", ts_ns=2))
        assert floor.submit("o2").note.startswith("venue.reconcile")
        await until(lambda: len(floor.venue.questions) > asked)
        await until(lambda: floor.submit_ok())
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_venue_that_is_away_is_asked_again_ever_more_slowly(floor: Any) -> None:
    floor.settings = FAST
    floor.open(ready=False)
    floor.venue.down = True
    task = asyncio.create_task(floor.reconciler().run())
    try:
        for expected, pause_s in enumerate([1.0, 2.0, 4.0], start=1):
            await until(lambda n=expected: len(floor.venue.questions) == n)
            await asyncio.sleep(0.01)
            assert len(floor.venue.questions) == expected
            floor.clock.advance(pause_s)
        assert sum("cannot be compared: binance is away" in text for text in floor.alerts()) == 1
        assert floor.submit("o1").note == (
            "venue.reconcile: binance is not reconciled: binance is away"
        )
        floor.venue.down = False
        floor.clock.advance(60)
        await until(lambda: floor.desk.venues()[0].reconciled_ns > 0)
        assert floor.submit("o2").state is OrderState.SUBMITTED
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_venue_that_never_answers_is_not_waited_for_for_ever(floor: Any) -> None:
    venue = Settings().venues["binance"].model_copy(update={"timeout_s": 0.001})
    floor.settings = Settings(venues={"binance": venue})
    floor.open(ready=False)
    floor.venue.open_orders = asyncio.Event().wait
    with pytest.raises(TemporaryError, match=r"binance did not answer within 0\.004 s"):
        await floor.reconciler().reconcile()


async def test_comparing_an_unknown_venue_names_the_known(floor: Any) -> None:
    floor.open()
    with pytest.raises(ConfigError, match="did you mean 'binance'"):
        await floor.reconciler().reconcile("binanse")


async def test_a_fill_that_only_the_cancel_tells_of_is_asked_for_at_once(floor: Any) -> None:
    floor.settings = Settings(trading=TradingSettings(unknown_poll_s=3600, reconcile_every_s=3600))
    floor.open()
    floor.submit()
    floor.venue.deliver(floor.desk)
    task = asyncio.create_task(floor.reconciler().run())
    try:
        await until(lambda: "balances" in floor.venue.questions)
        floor.clock.advance(1)
        floor.venue.trade("o1", "0.4")
        floor.venue.outbox.clear()
        floor.venue.cancel(floor.order("o1"))
        floor.venue.questions.clear()
        floor.venue.deliver(floor.desk)
        assert floor.state("o1") is OrderState.CANCELED
        await until(lambda: bool(floor.order("o1").filled))
    finally:
        task.cancel()
    assert set(floor.venue.questions) == {"fills BTC-USDT.binance"}
    assert not floor.fills_inferred()
    floor.assert_agrees()


async def test_many_such_cancels_of_one_moment_are_one_look(floor: Any) -> None:
    floor.settings = Settings(trading=TradingSettings(unknown_poll_s=3600, reconcile_every_s=3600))
    floor.open()
    names = [f"o{number}" for number in range(5)]
    for name in names:
        floor.submit(name)
    floor.venue.deliver(floor.desk)
    task = asyncio.create_task(floor.reconciler().run())
    try:
        await until(lambda: "balances" in floor.venue.questions)
        floor.venue.questions.clear()
        for number, name in enumerate(names):
            floor.venue.trade(name, "0.4")
            floor.venue.outbox.clear()
            floor.venue.cancel(floor.order(name))
            floor.venue.deliver(floor.desk)
            if not number:
                await until(lambda: bool(floor.order("o0").filled))
        for _ in range(20):
            await asyncio.sleep(0)
        assert floor.venue.questions == ["fills BTC-USDT.binance"]
        floor.clock.advance(3600)
        floor.submit("last")
        floor.venue.deliver(floor.desk)
        floor.venue.trade("last", "0.4")
        floor.venue.outbox.clear()
        floor.venue.cancel(floor.order("last"))
        floor.venue.deliver(floor.desk)
        await until(lambda: all(floor.order(name).filled for name in [*names, "last"]))
    finally:
        task.cancel()


async def test_a_fill_the_cancel_tells_of_and_no_list_has_is_worked_out_once(floor: Any) -> None:
    floor.settings = FAST
    floor.open()
    floor.submit()
    floor.venue.deliver(floor.desk)
    fill = floor.venue.trade("o1", "0.4")
    floor.venue.outbox.clear()
    floor.venue.hide_fills = True
    floor.venue.cancel(floor.order("o1"))
    floor.venue.deliver(floor.desk)
    floor.clock.advance(1)
    task = asyncio.create_task(floor.reconciler().run())
    try:
        await until(lambda: bool(floor.order("o1").filled))
    finally:
        task.cancel()
    assert floor.fills_inferred() == ["inferred-o1-0.4"]
    assert floor.order("o1").filled == fill.size
    floor.open()
    await floor.reconciler().reconcile()
    assert floor.fills_inferred() == ["inferred-o1-0.4"], "a restart works nothing out again"
    floor.desk.on_venue_event(fill)
    assert floor.order("o1").filled == fill.size
    assert floor.desk.position("BTC-USDT.binance").size == fill.size


async def test_a_restart_still_asks_for_the_fill_a_cancel_told_of(floor: Any) -> None:
    floor.settings = FAST
    floor.open()
    floor.submit()
    floor.venue.deliver(floor.desk)
    floor.venue.trade("o1", "0.4")
    floor.venue.outbox.clear()
    floor.venue.cancel(floor.order("o1"))
    floor.venue.deliver(floor.desk)
    floor.clock.advance(3600)
    floor.open(ready=False)
    await floor.reconciler().reconcile()
    floor.assert_agrees()
    assert not any("adopted" in text for text in floor.alerts())


def test_a_cancel_that_counts_less_than_is_booked_is_told(floor: Any) -> None:
    floor.open()
    floor.submit()
    floor.venue.deliver(floor.desk)
    fill = floor.venue.trade("o1", "0.4")
    floor.venue.deliver(floor.desk)
    floor.desk.on_venue_event(
        OrderCanceled(client_order_id="o1", ts_event_ns=1, ts_ns=1, filled=fill.size / 2)
    )
    assert floor.alerts() == ["order o1: 0.4 is booked as filled, the venue says 0.2"]


async def test_a_change_that_may_be_on_its_way_is_asked_about_until_it_cannot(floor: Any) -> None:
    floor.open()
    floor.submit("o1", size="2")
    floor.venue.deliver(floor.desk)
    floor.venue.able = VenueAbilities(amend="any")
    floor.venue.lose_requests = True
    floor.desk.amend("o1", "cli", price=Decimal(99))
    floor.venue.lose_requests = False
    reconciler = floor.reconciler(visibility_s=5.0)
    tracked = floor.desk.books.orders.get("o1")
    found = await floor.venue.find_order(floor.order("o1"))
    reconciler._findings.align(tracked, found, 5_000_000_000)
    assert (floor.order("o1").amending, tracked.ask) == (True, True)
    floor.clock.advance(6)
    reconciler._findings.align(tracked, found, 5_000_000_000)
    assert (floor.order("o1").amending, tracked.ask) == (False, False)
    # It got there all the same.
    floor.clock.advance(1)
    floor.venue.amend(floor.order("o1"), floor.venue.amends[-1])
    late = await floor.venue.find_order(floor.order("o1"))
    reconciler._findings.align(tracked, late, 5_000_000_000)
    assert floor.order("o1").intent.price == 99


async def test_a_change_that_arrives_after_it_was_asked_about_is_taken_over(floor: Any) -> None:
    floor.open()
    floor.submit("o1", size="2")
    floor.venue.deliver(floor.desk)
    floor.venue.able = VenueAbilities(amend="smaller")
    floor.venue.lose_requests = True
    floor.desk.amend("o1", "cli", size=Decimal(1))
    floor.venue.lose_requests = False
    reconciler = floor.reconciler()
    # Longer than a request may travel.
    floor.clock.advance(20)
    await reconciler.reconcile()
    assert floor.order("o1").intent.size == 2, "it has not arrived yet"
    assert not floor.order("o1").amending
    floor.clock.advance(1)
    floor.venue.amend(floor.order("o1"), floor.venue.amends[-1])
    floor.venue.trade("o1", "1")
    floor.venue.outbox.clear()
    await reconciler.reconcile()
    assert (floor.state("o1"), floor.order("o1").filled) == (OrderState.FILLED, 1)
    assert floor.order("o1").intent.size == 1
    floor.assert_agrees()
