"""The ladder: what each step does, spares and counts, and how it stands after a restart."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from core.model.abilities import VenueAbilities
from core.model.accounts import RiskState, VenuePosition
from core.model.errors import ConfigError
from core.model.ids import InstrumentId
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Side
from core.model.orders import OrderState, OrderType, PositionSide

S = OrderState
PERP = InstrumentId("BTC-USDT-PERP.binance")


@pytest.fixture
def full(floor: Any) -> Any:
    """A long position of 2 with a stop, a target, a bid to add and a sale that would turn it."""
    floor.open()
    floor.hold("2")
    floor.submit(
        "stop", "sell", "1", None, type=OrderType.STOP, trigger_price=Decimal(95), reduce_only=True
    )
    floor.submit("target", "sell", "1", "104.00")
    floor.submit("more", "buy", "3", "96.00")
    floor.submit("turn", "sell", "1", "104.50")
    floor.venue.deliver(floor.desk)
    return floor


@pytest.fixture
def hedged(floor: Any, btc: Instrument) -> Any:
    """An account that holds long 3 and short 2 of a perpetual apart."""
    floor.instruments[PERP] = msgspec.structs.replace(
        btc, id=PERP, kind=InstrumentKind.PERPETUAL, settle="USDT"
    )
    floor.marks.tops[PERP] = (9999, 10001)
    floor.venue.able = VenueAbilities(hedging=True)
    floor.open()
    for side, size in ((PositionSide.LONG, 3), (PositionSide.SHORT, -2)):
        stated = VenuePosition(
            venue="binance", instrument_id=PERP, side=side, size=Decimal(size),
            average_price=Decimal(100),
        )  # fmt: skip
        floor.desk.set_position("binance", (PERP, side), stated, "test")
    return floor


def test_pause_blocks_entries_and_leaves_every_order(full: Any) -> None:
    report = full.desk.kill("pause", "", "cli")
    assert (report.cancels, report.spared, report.risk_state) == (0, 4, RiskState.REDUCING)
    assert full.venue.cancels == []
    assert full.submit("a").note.startswith("risk.state: only exits go: kill (pause) by cli")


def test_reduce_cancels_entries_and_spares_stop_and_exits(full: Any) -> None:
    report = full.desk.kill("reduce", "", "cli")
    assert (report.cancels, report.spared) == (2, 2)
    full.venue.deliver(full.desk)
    assert full.state("stop") is S.HELD, "the engine watches it on"
    assert full.state("target") is S.ACCEPTED
    assert full.state("more") is S.CANCELED
    assert full.state("turn") is S.CANCELED, "it does not fit into the position beside the target"


def test_cancel_takes_the_stops_too(full: Any) -> None:
    assert full.desk.kill("cancel", "", "cli").cancels == 4
    full.venue.deliver(full.desk)
    assert full.desk.orders() == ()
    assert full.desk.position("BTC-USDT.binance").size == 2


def test_a_dry_run_counts_and_changes_nothing(full: Any) -> None:
    report = full.desk.kill("flatten", "", "cli", dry_run=True)
    assert (report.cancels, report.positions, report.dry_run) == (4, 1, True)
    assert full.venue.cancels == []
    assert full.desk.risk_state() is RiskState.ACTIVE
    full.desk.kill("pause", "", "cli")
    full.desk.resume("cli", dry_run=True)
    assert full.desk.risk_state() is RiskState.REDUCING


def test_a_reduce_cut_short_is_finished_after_the_restart(full: Any) -> None:
    full.venue.lose_requests = True
    full.desk.kill("reduce", "", "cli")
    full.venue.lose_requests = False
    full.open(ready=False)
    full.desk.reconciled("binance")
    full.venue.deliver(full.desk)
    assert full.state("more") is S.CANCELED
    assert full.state("stop") is not S.CANCELED


def test_resuming_ends_the_closing(full: Any) -> None:
    full.venue.lose_requests = True
    full.desk.kill("flatten", "", "cli")
    full.desk.resume("cli")
    full.venue.lose_requests = False
    full.clock.advance(5)
    full.desk.on_timer(full.clock.ns)
    assert full.desk.position("BTC-USDT.binance").size == 2


def test_positions_held_apart_are_each_closed_by_their_own_side(hedged: Any) -> None:
    report = hedged.desk.kill("flatten", "", "cli")
    assert report.positions == 2
    sent = {
        order.intent.position_side: (order.intent.side, order.intent.size)
        for order in hedged.desk.orders()
    }
    assert sent == {
        PositionSide.LONG: (Side.SELL, Decimal(3)),
        PositionSide.SHORT: (Side.BUY, Decimal(2)),
    }


def test_one_of_two_positions_held_apart_is_closed_by_its_side(hedged: Any) -> None:
    with pytest.raises(ConfigError, match=r"held apart: long 3 at \w+, short 2 at \w+; say which"):
        hedged.desk.close_position("x", PERP, "cli")
    dry = hedged.desk.close_position("y", PERP, "cli", side=PositionSide.SHORT, dry_run=True)
    assert (dry.intent.side, dry.intent.size) == (Side.BUY, 2)
    order = hedged.desk.close_position("z", PERP, "cli", side=PositionSide.SHORT)
    assert (order.intent.side, order.intent.size) == (Side.BUY, 2)
    assert order.intent.position_side is PositionSide.SHORT
    assert order.intent.reduce_only
    side = {"instrument_id": PERP, "position_side": PositionSide.LONG, "reduce_only": True}
    more = hedged.desk.submit(hedged.intent("w", "sell", "4", None, **side), dry_run=True)
    assert "would not only reduce the long position of 3 (0 of it" in more.note


def test_a_netted_position_is_closed_only_by_the_side_it_is_on(floor: Any) -> None:
    floor.open()
    floor.hold("5")
    name = InstrumentId("BTC-USDT.binance")
    short = floor.desk.close_position("a", name, "cli", side=PositionSide.SHORT, dry_run=True)
    assert short.note == (
        "reduce_only: nothing to close: the short position is 0, 0 of it in open buy orders"
    )
    assert floor.desk.close_position("b", name, "cli", side=PositionSide.LONG).intent.size == 5


def test_what_cannot_be_closed_is_told_by_its_own_side(hedged: Any) -> None:
    hedged.desk.close_position("z", PERP, "cli", side=PositionSide.LONG)
    again = hedged.desk.close_position("y", PERP, "cli", side=PositionSide.LONG, dry_run=True)
    assert "the long position is 3, 3 of it in open sell orders" in again.note
    hedged.desk.set_position("binance", (PERP, PositionSide.LONG), None, "gone")
    none = hedged.desk.close_position("x", PERP, "cli", side=PositionSide.LONG, dry_run=True)
    assert none.intent.side is Side.SELL
    assert "the long position is 0" in none.note
    with pytest.raises(ConfigError, match="no account 'nope' trades"):
        hedged.desk.close_position("w", PERP, "cli", account="nope")


def test_an_exit_of_one_side_is_no_exit_of_the_other(hedged: Any) -> None:
    hedged.desk.kill("pause", "", "cli")
    opens = hedged.submit(
        "a", "sell", "1", None, instrument_id=PERP, position_side=PositionSide.SHORT
    )
    assert opens.note.startswith("risk.state: only exits go")
    closes = hedged.submit(
        "b", "sell", "1", None, instrument_id=PERP, position_side=PositionSide.LONG
    )
    assert closes.state is S.SUBMITTED
