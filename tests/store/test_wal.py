"""The care for the journal's log: grown ahead, emptied in quiet moments, never wrong."""

import os
import resource
import shutil
import signal
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

import store.wal
from core.model.facts import BalanceSet
from store.journal import SqliteJournal
from store.wal import RESERVE_BYTES


def balance(n: int, reason: str = "opening") -> BalanceSet:
    return BalanceSet(venue="binance", asset="USDT", total=Decimal(n) / 100, reason=reason, ts_ns=n)


def wal(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def until(done: Callable[[], bool]) -> None:
    pause, deadline = threading.Event(), time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline
        pause.wait(0.001)


def stamps(path: Path) -> list[int]:
    journal = SqliteJournal(path)
    try:
        return [record.ts_ns for _, record in journal.read()]
    finally:
        journal.close()


def test_the_log_is_grown_behind_what_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = SqliteJournal(path)
    written = 0
    while wal(path).stat().st_size < RESERVE_BYTES:
        written += 1
        journal.append([balance(written)])
    journal.append([balance(written + 1)])
    assert wal(path).stat().st_size == RESERVE_BYTES, "commits overwrite what is there"
    # What a machine that stops here would find.
    for file in (path, wal(path)):
        shutil.copy(file, tmp_path / file.name.replace("journal", "copy"))
    journal.close()
    assert not wal(path).exists()
    assert stamps(path) == stamps(tmp_path / "copy.db") == list(range(1, written + 2))


@pytest.mark.parametrize("count", [1, 7, 30])
def test_a_writer_killed_while_its_log_grows_leaves_every_commit(
    tmp_path: Path, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.db"
    # Many small steps, so that commits fall between them.
    monkeypatch.setattr(store.wal, "_STEP_BYTES", 16 << 10)
    child = os.fork()
    if child == 0:
        try:
            journal = SqliteJournal(path)
            for n in range(1, count + 1):
                journal.append([balance(n, "x" * 700 * (n % 9))])
            os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert wal(path).exists()
    assert stamps(path) == list(range(1, count + 1))


def test_a_quiet_moment_moves_the_log_into_the_database(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = SqliteJournal(path)
    until(lambda: wal(path).stat().st_size >= RESERVE_BYTES)
    before = path.stat().st_size
    journal.append([balance(n, "x" * 3_000) for n in range(1, 400)])
    until(lambda: path.stat().st_size > before + (1 << 20))
    journal.append([balance(400)])
    assert wal(path).stat().st_size == RESERVE_BYTES, "the log is used again from its start"
    journal.close()
    assert stamps(path) == list(range(1, 401))


def test_commits_without_a_pause_wake_the_keeper_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store.wal, "_QUIET_S", 600.0)  # no pause is long enough
    monkeypatch.setattr(store.wal, "_ENOUGH_BYTES", 20_000)
    journal = SqliteJournal(tmp_path / "journal.db")
    keeper = journal._parts()[1]
    wake, woken = keeper._wake.set, []
    keeper._wake.set = lambda: (woken.append(1), wake())  # type: ignore[method-assign]
    for n in range(1, 30):
        journal.append([balance(n)])
    assert woken == [1]
    journal.close()
    assert stamps(tmp_path / "journal.db") == list(range(1, 30))


def test_a_disk_without_room_to_grow_the_log_takes_commits_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (400 << 10, hard))
            journal = SqliteJournal(path)
            for n in range(1, 20):
                journal.append([balance(n)])
            journal.close()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.WEXITSTATUS(status) == 0
    assert stamps(path) == list(range(1, 20))
