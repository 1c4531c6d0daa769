"""Contracts: agreement with the venue about positions, and money that moves without a fill."""

import contextlib
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from core.model.abilities import VenueAbilities
from core.model.accounts import EntryKind, RiskState, VenuePosition
from core.model.errors import TemporaryError
from core.model.facts import CashMoved
from core.model.instruments import Instrument, InstrumentKind
from core.model.orders import OrderState, OrderType, PositionSide
from core.model.settings import TradingSettings

D = Decimal
PERP = "BTC-USDT-PERP.binance"


@pytest.fixture
def perp(floor: Any, btc: Instrument) -> Any:
    """A floor that also lists a perpetual, and no waiting between looks."""
    floor.instruments[PERP] = msgspec.structs.replace(
        btc, id=PERP, kind=InstrumentKind.PERPETUAL, settle="USDT"
    )
    floor.marks.tops[PERP] = (9999, 10001)
    trade(floor)
    return floor


def trade(floor: Any, **trading: Any) -> None:
    update = {"unknown_poll_s": 0.001, **trading}
    made = TradingSettings.model_validate(floor.settings.trading.model_dump() | update)
    floor.settings = floor.settings.model_copy(update={"trading": made})


def stated(size: str, price: str = "100", side: PositionSide = PositionSide.NET) -> VenuePosition:
    return VenuePosition(
        venue="binance", instrument_id=PERP, size=D(size), average_price=D(price), side=side,
        liquidation_price=D(50), leverage=D(5),
    )  # fmt: skip


def flow(flow_id: str, amount: str, at: int) -> CashMoved:
    return CashMoved(
        venue="binance", asset="USDT", amount=D(amount), kind=EntryKind.FUNDING, flow_id=flow_id,
        instrument_id=PERP, ts_event_ns=at, ts_ns=at,
    )  # fmt: skip


async def compared(floor: Any, *, restart: bool = True) -> tuple[str, ...]:
    if restart:
        floor.open(ready=False)
    notes: tuple[str, ...] = await floor.reconciler().reconcile()
    return notes


async def test_a_new_journal_takes_the_venues_positions_as_they_are(perp: Any) -> None:
    perp.venue.contracts = [stated("3")]
    assert await compared(perp) == ()
    position = perp.desk.position(PERP)
    assert (position.size, position.average_price) == (3, 100)
    assert (position.liquidation_price, position.leverage) == (50, 5)
    assert not perp.alerts()


async def test_a_position_found_after_a_restart_is_adopted_and_told(perp: Any) -> None:
    perp.open()
    perp.venue.contracts = [stated("-2", "120")]
    notes = await compared(perp)
    assert "we hold 0, the venue says -2" in notes[0]
    assert perp.desk.position(PERP).average_price == 120
    assert any("the venue says -2: adopted" in text for text in perp.alerts())
    perp.desk.books.ledger.check()
    perp.open(ready=False)
    assert perp.desk.position(PERP).size == -2, "the journal has it"


@pytest.mark.parametrize("restart", [False, True])
async def test_a_position_is_adopted_though_its_margin_moves_with_the_market(
    perp: Any, monkeypatch: pytest.MonkeyPatch, restart: bool
) -> None:
    if restart:
        perp.open()
    looks = iter(range(100))

    async def positions() -> list[VenuePosition]:
        at = next(looks)
        return [
            msgspec.structs.replace(
                stated("2"), margin=D(40 + at), liquidation_price=D(50 + at), ts_event_ns=at
            )
        ]

    perp.open(ready=False)
    monkeypatch.setattr(perp.venue, "positions", positions)
    await compared(perp, restart=False)
    assert perp.desk.position(PERP).size == 2


async def test_protect_puts_a_stop_behind_it_and_lets_only_exits_through(perp: Any) -> None:
    trade(perp, on_difference="protect")
    perp.open()
    perp.venue.contracts = [stated("2")]
    await compared(perp)
    assert perp.desk.risk_state() is RiskState.REDUCING
    (stop,) = perp.desk.orders()
    assert (stop.state, stop.intent.type) == (OrderState.HELD, OrderType.STOP)
    assert (stop.intent.trigger_price, stop.intent.size) == (98, 2)


async def test_flatten_closes_it(perp: Any) -> None:
    trade(perp, on_difference="flatten")
    perp.open()
    perp.venue.contracts = [stated("2")]
    with pytest.raises(Exception, match="still being settled"):
        await compared(perp)
    (order,) = perp.desk.orders()
    assert (order.intent.type, order.intent.side, order.intent.size) == ("market", "sell", 2)


@pytest.mark.parametrize("answer", ["protect", "flatten"])
async def test_only_the_side_that_differs_is_protected_or_closed(perp: Any, answer: str) -> None:
    trade(perp, on_difference=answer)
    perp.venue.able = VenueAbilities(hedging=True)
    ours = stated("5", side=PositionSide.LONG)
    perp.venue.contracts = [ours]
    await compared(perp)
    perp.venue.contracts = [ours, stated("-1", side=PositionSide.SHORT)]
    with contextlib.suppress(TemporaryError):
        await compared(perp)
    (order,) = perp.desk.orders()
    assert (order.intent.position_side, order.intent.side) == (PositionSide.SHORT, "buy")
    assert order.intent.size == 1
    assert order.intent.type is (OrderType.STOP if answer == "protect" else OrderType.MARKET)
    held = {item.side: item.size for item in perp.desk.positions() if item.size}
    assert held[PositionSide.LONG] == 5


async def test_a_position_that_cannot_be_protected_is_said(perp: Any) -> None:
    trade(perp, on_difference="protect")
    perp.open()
    perp.instruments[PERP] = msgspec.structs.replace(perp.instruments[PERP], trading=False)
    perp.venue.contracts = [stated("2")]
    await compared(perp)
    assert f"{PERP} at binance has no stop: instrument.trading" in " ".join(perp.alerts())


async def test_ask_keeps_the_venue_closed_until_somebody_answers(perp: Any) -> None:
    trade(perp, on_difference="ask")
    perp.open()
    perp.venue.contracts = [stated("2")]
    perp.open(ready=False)
    reconciler = perp.reconciler()
    with pytest.raises(Exception, match="answer adopt, protect or flatten"):
        await reconciler.reconcile()
    assert perp.desk.venues()[0].asks == (f"{PERP}: we hold 0, the venue says 2",)
    assert perp.desk.position(PERP).size == 0
    perp.desk.links.answer("binance", "adopt")
    await reconciler.reconcile()
    assert perp.desk.position(PERP).size == 2
    assert perp.desk.venues()[0].asks == ()


async def test_a_position_somebody_else_makes_meanwhile_is_asked_about_before_entries_go(
    perp: Any,
) -> None:
    trade(perp, on_difference="ask")
    perp.open()
    reconciler = perp.reconciler()
    await reconciler.reconcile()
    assert perp.submit("before", "buy", "1", "99.00").state is OrderState.SUBMITTED
    perp.venue.deliver(perp.desk)
    perp.venue.contracts = [stated("2")]
    with pytest.raises(Exception, match="answer adopt, protect or flatten"):
        await reconciler.reconcile()
    denied = perp.submit("meanwhile", "buy", "1", "99.00")
    assert (denied.state, denied.note.split(":")[0]) == (OrderState.DENIED, "venue.reconcile")
    perp.desk.links.answer("binance", "adopt")
    await reconciler.reconcile()
    assert perp.submit("after", "buy", "1", "99.00").state is OrderState.SUBMITTED


async def test_an_answer_is_to_what_was_asked_and_to_nothing_else(perp: Any) -> None:
    trade(perp, on_difference="ask")
    perp.open()
    perp.venue.contracts = [stated("2")]
    perp.open(ready=False)
    reconciler = perp.reconciler()
    for size in ("2", "5"):
        # The second time it is another position than the one that is to be closed.
        perp.venue.contracts = [stated(size)]
        with pytest.raises(Exception, match=f"the venue says {size}: answer"):
            await reconciler.reconcile()
        if size == "2":
            perp.desk.links.answer("binance", "flatten")
    assert "not what was answered to any more" in " ".join(perp.alerts())
    perp.desk.links.answer("binance", "flatten")
    perp.venue.contracts = []
    await reconciler.reconcile()
    assert perp.desk.venues()[0].asks == ()
    perp.venue.contracts = [stated("5")]
    with pytest.raises(Exception, match="the venue says 5: answer"):
        await reconciler.reconcile()
    assert not perp.desk.orders()


async def test_while_somebody_is_asked_the_venue_is_left_in_peace(perp: Any) -> None:
    trade(perp, on_difference="ask", unknown_poll_s=0.001, reconcile_every_s=30)
    perp.open()
    perp.venue.contracts = [stated("2")]
    perp.open(ready=False)
    reconciler = perp.reconciler()
    await reconciler._round("binance")
    asked = len(perp.venue.questions)
    perp.clock.advance(5)
    await reconciler._round("binance")
    assert len(perp.venue.questions) == asked, "request budgets are for the answer"
    perp.desk.links.answer("binance", "adopt")
    await reconciler._round("binance")
    assert perp.desk.position(PERP).size == 2


async def test_an_answer_nobody_asked_for_is_refused(perp: Any) -> None:
    await compared(perp)
    with pytest.raises(Exception, match="asks nothing"):
        perp.desk.links.answer("binance", "flatten")
    with pytest.raises(Exception, match="no venue 'binanse'"):
        perp.desk.links.answer("binanse", "adopt")


async def test_funding_is_booked_once_however_often_it_is_told(perp: Any) -> None:
    perp.open()
    now = perp.clock.now_ns()
    perp.venue.total["USDT"] += D("-1.5")
    perp.venue.flows = [flow("f1", "-2", now), flow("f2", "0.5", now)]
    perp.venue.contracts = [stated("1")]
    await compared(perp)
    await perp.reconciler().reconcile()
    assert perp.desk.position(PERP).funding == D("-1.5")
    assert {b.asset: b.total for b in perp.desk.balances()}["USDT"] == perp.venue.total["USDT"]
    assert not any("adopted" in text and "USDT" in text for text in perp.alerts()[1:])
    perp.desk.books.ledger.check()


async def test_long_and_short_are_held_apart(perp: Any) -> None:
    long, short = stated("3", side=PositionSide.LONG), stated("-1", side=PositionSide.SHORT)
    perp.venue.contracts = [long, short]
    await compared(perp)
    assert perp.desk.books.account.size(PERP) == 2
    assert perp.desk.books.account.size(PERP, PositionSide.SHORT) == -1
    assert [item.side for item in perp.desk.positions()] == [PositionSide.LONG, PositionSide.SHORT]


async def test_what_the_engine_holds_is_armed_before_positions_are_settled(perp: Any) -> None:
    trade(perp, on_difference="ask")
    perp.open()
    perp.hold("2")
    perp.desk.submit(
        perp.intent("stop", "sell", "2", None, type=OrderType.STOP, trigger_price=D(95))
    )
    perp.venue.contracts = [stated("2")]
    perp.open(ready=False)
    assert perp.desk.guard.watched == {}
    with pytest.raises(Exception, match="answer adopt"):
        await perp.reconciler().reconcile()
    perp.move("94")
    assert perp.state("stop") is OrderState.FILLED
