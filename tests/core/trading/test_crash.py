"""The engine dies at every boundary of an order's life; afterwards client and venue are equal.

A child process is killed with SIGKILL right before or after the n-th write: a journal commit, a
request reaching the venue. The venue's own record of what reached it is a file the child writes,
as an exchange's books do not die with its client. The parent starts anew from the journal on disk.
"""

import contextlib
import os
import pickle
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from core.model.errors import TemporaryError
from core.model.facts import JournalRecord
from core.model.orders import OrderState
from store.journal import SqliteJournal

MAX_BOUNDARIES = 80


class Mortal:
    """Counts boundaries and dies at one of them."""

    def __init__(self, die_at: int) -> None:
        self.die_at = die_at
        self.passed = 0

    def boundary(self) -> None:
        if self.passed == self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.passed += 1


class MortalJournal(SqliteJournal):
    """A journal whose process may die before or after a commit."""

    def __init__(self, path: Path, mortal: Mortal) -> None:
        self._mortal: Mortal | None = None
        super().__init__(path)
        self._mortal = mortal

    def append(self, records: Sequence[JournalRecord]) -> int:
        assert self._mortal is not None
        self._mortal.boundary()
        seq = super().append(records)
        self._mortal.boundary()
        return seq


def log_venue(floor: Any, path: Path, mortal: Mortal) -> None:
    """Write down what reaches the venue as it does; requests may die on either side of it."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def wrap(name: str, dies: bool) -> Callable[..., Any]:
        method = getattr(floor.venue, name)

        def logged(*args: Any) -> Any:
            if dies:
                mortal.boundary()
            os.write(handle, pickle.dumps((name, args)))
            result = method(*args)
            if dies:
                mortal.boundary()
            return result

        return logged

    floor.venue.place = wrap("place", True)
    floor.venue.cancel = wrap("cancel", True)
    floor.venue.trade = wrap("trade", False)


def replay_venue(floor: Any, path: Path) -> None:
    if not path.exists():
        return
    with path.open("rb") as file, contextlib.suppress(EOFError):
        while True:
            name, args = pickle.load(file)
            # A market order trades by itself; its own line is for what rests.
            if name != "trade" or args[0] in RESTING:
                getattr(floor.venue, name)(*args)
    floor.venue.outbox.clear()


RESTING = {"bid", "ask", "late"}


def live(floor: Any) -> None:
    """An order's life: acceptance, partial fills, a market order, cancels, a flattening."""
    desk, venue = floor.desk, floor.venue
    floor.submit("bid", "buy", "3", "99.00")
    venue.deliver(desk)
    venue.trade("bid", "1")
    venue.deliver(desk)
    floor.submit("ask", "sell", "1", "104.00")
    floor.submit("market", "buy", "0.5", None)
    venue.deliver(desk)
    venue.trade("bid", "0.5")
    venue.trade("ask", "0.25")
    venue.deliver(desk)
    desk.cancel("ask", "cli")
    venue.deliver(desk)
    floor.submit("late", "buy", "1", "98.00")
    venue.trade("late", "0.125")
    desk.cancel("late", "cli")
    venue.deliver(desk)
    desk.kill("flatten", "", "cli")
    venue.deliver(desk)
    venue.deliver(desk)


def run_and_die(floor: Any, folder: Path, die_at: int) -> bool:
    """Live in a child until killed; return whether it lived to the end."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            mortal = Mortal(die_at)
            floor.journal = MortalJournal(folder / "journal.db", mortal)
            log_venue(floor, folder / "venue.log", mortal)
            floor.open()
            live(floor)
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return False
    assert os.WEXITSTATUS(status) == 0, "the child failed instead of dying"
    return True


async def settle(floor: Any) -> None:
    """Reconcile as the engine does until the venue is open again."""
    reconciler = floor.reconciler()
    for _ in range(8):
        floor.clock.advance(4)
        with contextlib.suppress(TemporaryError):
            await reconciler.reconcile()
        floor.venue.deliver(floor.desk)
        floor.desk.on_timer(floor.clock.ns)


async def test_a_kill_at_any_boundary_loses_and_doubles_nothing(
    new_floor: Callable[[], Any], tmp_path: Path
) -> None:
    for die_at in range(MAX_BOUNDARIES):
        folder = tmp_path / str(die_at)
        folder.mkdir()
        floor = new_floor()
        lived = run_and_die(floor, folder, die_at)
        replay_venue(floor, folder / "venue.log")
        floor.clock.advance(1)
        floor.journal = SqliteJournal(folder / "journal.db")
        desk = floor.open(ready=False)
        unknown = [o.id for o in desk.orders() if o.state is OrderState.UNKNOWN]
        assert len(unknown) <= 2, "at most what was on its way"
        await settle(floor)
        floor.assert_agrees()
        if desk.books.switches.kill:
            assert desk.position("BTC-USDT.binance").size == 0, "a kill that was recorded stands"
            assert desk.orders() == ()
        for order in desk.orders(include_ended=True):
            assert desk.submit(order.intent) == floor.order(order.id), "never sent again"
        floor.assert_agrees()
        digest = desk.state_digest()
        assert floor.open(ready=False).state_digest() == digest, "a second start changes nothing"
        floor.journal.close()
        if lived:
            assert die_at > 40, "the life is too short to prove anything"
            break
    else:
        pytest.fail(f"the life has more than {MAX_BOUNDARIES} boundaries")


async def test_a_kill_between_journal_and_send_ends_rejected_and_the_id_stays_used(
    floor: Any, tmp_path: Path
) -> None:
    floor.journal = SqliteJournal(tmp_path / "journal.db")
    floor.open()
    floor.venue.submit = lambda intent: None  # dies before the first byte
    floor.submit("o1")
    floor.journal.close()
    del floor.venue.submit
    floor.journal = SqliteJournal(tmp_path / "journal.db")
    floor.open(ready=False)
    assert floor.state("o1") is OrderState.UNKNOWN
    assert "before any answer was recorded" in floor.order("o1").note
    await settle(floor)
    assert floor.state("o1") is OrderState.REJECTED
    assert floor.submit("o1").state is OrderState.REJECTED
    assert floor.venue.received == []
    floor.assert_agrees()


async def test_a_kill_between_send_and_ack_finds_the_order_working(
    floor: Any, tmp_path: Path
) -> None:
    floor.journal = SqliteJournal(tmp_path / "journal.db")
    floor.open()
    floor.submit("o1", size="2")
    floor.venue.trade("o1", "0.5")
    floor.venue.outbox.clear()  # dies with every answer in the socket
    floor.journal.close()
    floor.journal = SqliteJournal(tmp_path / "journal.db")
    floor.open(ready=False)
    await settle(floor)
    assert floor.state("o1") is OrderState.PARTIALLY_FILLED
    assert floor.venue.received == ["o1"]
    floor.assert_agrees()
