from collections.abc import Sequence
from typing import Any

import pytest

from core.model.accounts import RiskState
from core.model.errors import StoreError
from core.model.facts import JournalRecord
from core.model.orders import OrderDenied, OrderState
from core.trading.recorder import MAX_BACKLOG, MAX_DEFERRED, MemoryJournal, Recorder


class FillingDisk(MemoryJournal):
    """A journal whose disk fills up and empties again."""

    full = False

    def append(self, records: Sequence[JournalRecord]) -> int:
        if self.full:
            raise StoreError("database or disk is full")
        return super().append(records)


@pytest.fixture
def disk(floor: Any) -> FillingDisk:
    floor.journal = FillingDisk()
    return floor.journal


def test_a_full_disk_denies_entries_lets_exits_and_recovers(floor: Any, disk: FillingDisk) -> None:
    desk = floor.open()
    floor.hold("5")
    floor.submit("resting", price="96.00")
    floor.venue.deliver(desk)
    disk.full = True
    assert floor.submit("a").note.startswith("journal: it cannot be written: database or disk")
    assert "a" not in floor.venue.received
    assert desk.risk_state() is RiskState.REDUCING
    assert not desk.journal_ok()
    assert floor.submit("b").note.startswith("journal: ")
    assert floor.submit("exit", "sell", "2").state is OrderState.SUBMITTED
    assert desk.cancel("resting", "tui").state is OrderState.PENDING_CANCEL
    assert any("exit exit is sent without being journaled" in text for text in floor.alerts())
    floor.venue.trade("exit", "2")
    floor.venue.deliver(desk)
    assert desk.position("BTC-USDT.binance").size == 3
    floor.assert_agrees()
    assert sum("only exits and cancels go" in text for text in floor.alerts()) == 1
    disk.full = False
    desk.on_timer(floor.clock.ns)
    assert desk.journal_ok()
    assert desk.risk_state() is RiskState.ACTIVE
    assert floor.submit("c").state is OrderState.SUBMITTED
    assert floor.open().books.orders.get("exit").order.filled == 2
    floor.venue.deliver(floor.desk)
    assert floor.state("a") is OrderState.DENIED
    floor.assert_agrees()


def test_what_a_full_disk_never_took_is_learned_from_the_venue_after_a_restart(
    floor: Any, disk: FillingDisk
) -> None:
    desk = floor.open()
    floor.submit("o1")
    floor.venue.deliver(desk)
    disk.full = True
    floor.venue.trade("o1", "1")
    floor.venue.deliver(desk)
    assert floor.order("o1").filled == 1
    disk.full = False
    floor.open(ready=False)
    assert floor.order("o1").filled == 0
    assert floor.desk.books.orders.get("o1").ask


def test_the_backlog_keeps_its_order_and_its_bounds(floor: Any) -> None:
    disk = FillingDisk()
    recorder = Recorder(disk)
    denied = [
        OrderDenied(intent=floor.intent(f"o{n}"), venue="binance", rule="r", reason="", ts_ns=n)
        for n in range(MAX_BACKLOG + 5)
    ]
    disk.full = True
    assert not recorder.commit(denied[:1]), "refused, and not kept"
    assert not recorder.keep(*denied)
    assert recorder.lost == 5
    assert not recorder.flush()
    disk.full = False
    assert recorder.flush()
    assert [record for _, record in disk.read()] == denied[:MAX_BACKLOG]
    for item in denied:
        recorder.defer(item)
    recorder.flush()
    assert len(list(disk.read())) == MAX_BACKLOG + MAX_DEFERRED


def test_a_flood_of_refusals_costs_one_write_a_second(floor: Any) -> None:
    floor.configure(max_orders_per_second=1)
    desk = floor.open()
    floor.submit("first")
    before = len(list(floor.journal.read()))
    for n in range(500):
        assert floor.submit(f"o{n}").state is OrderState.DENIED
    assert len(list(floor.journal.read())) == before
    desk.on_timer(floor.clock.ns)
    assert len(list(floor.journal.read())) >= before + 500
