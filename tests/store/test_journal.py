import os
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import zlib
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

import store.journal
from core.model.errors import StoreError
from core.model.facts import BalanceSet, JournalRecord, RiskStateChanged, SessionStarted
from core.model.market import Side
from core.model.orders import OrderIntent, OrderSubmitted, OrderType
from core.model.redaction import Redactor
from store.journal import APPLICATION_ID, SqliteJournal


def balance(n: int, reason: str = "opening") -> BalanceSet:
    return BalanceSet(venue="binance", asset="USDT", total=Decimal(n) / 100, reason=reason, ts_ns=n)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "journal.db"


def records(path: Path) -> list[int]:
    journal = SqliteJournal(path)
    try:
        return [record.ts_ns for _, record in journal.read()]
    finally:
        journal.close()


def test_what_was_appended_is_read_back_in_order(path: Path) -> None:
    journal = SqliteJournal(path)
    intent = OrderIntent(
        client_order_id="o1",
        instrument_id="BTC-USDT.binance",
        side=Side.BUY,
        type=OrderType.LIMIT,
        size=Decimal("0.10"),
        price=Decimal("50000.00"),
        origin="tui",
        reason="ünïcode",
    )
    written = [
        SessionStarted(session="s", version="1", mode="SIM", settings_sha256="x", ts_ns=1),
        OrderSubmitted(intent=intent, venue="binance", ts_ns=2),
        balance(3),
    ]
    assert journal.append(written[:1]) == 1
    assert journal.append(written[1:]) == 3
    assert journal.append([]) == 3
    assert list(journal.read()) == list(enumerate(written, start=1))
    assert list(journal.read(after=2)) == [(3, written[2])]
    journal.close()
    again = SqliteJournal(path)
    assert list(again.read()) == list(enumerate(written, start=1))
    assert again.last_seq == 3
    again.close()


def test_a_commit_is_synced_to_disk_and_the_file_is_private(path: Path) -> None:
    journal = SqliteJournal(path)
    journal.append([balance(1)])
    assert journal._connection is not None
    assert journal._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert journal._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    journal.close()


def test_a_second_writer_is_told_who_has_it(path: Path) -> None:
    journal = SqliteJournal(path)
    with pytest.raises(StoreError, match=rf"in use by process {os.getpid()}; .*clx daemon stop"):
        SqliteJournal(path)
    script = (
        "import sys; from pathlib import Path\n"
        "from core.model.errors import StoreError\n"
        "from store.journal import SqliteJournal\n"
        "try: SqliteJournal(Path(sys.argv[1]))\n"
        "except StoreError as error: print(error)\n"
    )
    other = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert f"in use by process {os.getpid()}" in other.stdout
    journal.close()
    SqliteJournal(path).close()


def test_a_killed_writer_leaves_its_commits_and_no_lock(path: Path) -> None:
    child = os.fork()
    if child == 0:
        try:
            journal = SqliteJournal(path)
            for n in range(1, 51):
                journal.append([balance(n)])
            os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert records(path) == list(range(1, 51))


# -- damage --------------------------------------------------------------------------------------


def damage(path: Path, statement: str) -> None:
    journal = SqliteJournal(path)
    journal.append([balance(n) for n in range(1, 6)])
    journal.close()
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("statement", "seq", "why"),
    [
        ("UPDATE records SET data = zeroblob(9) WHERE seq = 3", 3, "checksum"),
        ("UPDATE records SET data = 'text' WHERE seq = 3", 3, "checksum"),
        ("DELETE FROM records WHERE seq = 3", 3, "it is missing, the next one is 4"),
        ("DELETE FROM records WHERE seq = 1", 1, "it is missing"),
        ("UPDATE records SET chain = zeroblob(32) WHERE seq = 2", 2, "hash does not follow"),
    ],
)
def test_damage_is_found_and_named_with_a_remedy(
    path: Path, statement: str, seq: int, why: str
) -> None:
    damage(path, statement)
    journal = SqliteJournal(path)
    with pytest.raises(StoreError) as caught:
        list(journal.read())
    journal.close()
    text = str(caught.value)
    assert f"journal {path}: record {seq} cannot be trusted" in text
    assert why in text
    assert "move it aside" in text


@pytest.mark.parametrize("seq", [1, 255, 256, 257, 300, 512, 513, 599])
@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("UPDATE records SET data = zeroblob(9) WHERE seq = {}", "its checksum does not match"),
        ("UPDATE records SET data = 'text' WHERE seq = {}", "its checksum does not match"),
        ("UPDATE records SET chain = zeroblob(32) WHERE seq = {}", "its hash does not follow"),
        ("DELETE FROM records WHERE seq = {}", "it is missing"),
    ],
)
def test_what_is_wrong_is_named_wherever_it_lies_in_a_long_journal(
    path: Path, seq: int, statement: str, why: str
) -> None:
    journal = SqliteJournal(path)
    journal.append([balance(n) for n in range(1, 601)])
    journal._parts()[0].execute(statement.format(seq))
    read: list[tuple[int, JournalRecord]] = []
    with pytest.raises(StoreError, match=f"record {seq} cannot be trusted: {why}"):
        read.extend(journal.read())
    journal.close()
    assert [number for number, _ in read] == list(range(1, seq)), "what lies before it is told"


def test_records_that_were_given_other_numbers_are_noticed(path: Path) -> None:
    journal = SqliteJournal(path)
    journal.append([balance(n) for n in range(1, 11)])
    connection = journal._parts()[0]
    connection.execute("UPDATE records SET seq = -seq WHERE seq > 5")
    connection.execute("UPDATE records SET seq = 1 - seq WHERE seq < 0")
    journal.close()
    journal = SqliteJournal(path)
    with pytest.raises(StoreError, match="record 6 cannot be trusted: it is missing"):
        list(journal.read())
    journal.close()


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257, 600])
def test_a_long_journal_is_read_whole_from_anywhere(path: Path, count: int) -> None:
    journal = SqliteJournal(path)
    journal.append([balance(n) for n in range(1, count + 1)])
    whole = [(n, n) for n in range(1, count + 1)]
    for after in {0, count // 2, count}:
        assert [(seq, record.ts_ns) for seq, record in journal.read(after)] == whole[after:]
    journal.close()


def test_a_record_forged_with_its_own_checksum_breaks_the_chain(path: Path) -> None:
    damage(path, "SELECT 1")
    connection = sqlite3.connect(path)
    (data,) = connection.execute("SELECT data FROM records WHERE seq = 2").fetchone()
    forged = bytes(data).replace(b"0.02", b"9.02")
    assert forged != data
    connection.execute(
        "UPDATE records SET data = ?, crc = ? WHERE seq = 2", (forged, zlib.crc32(forged, 2))
    )
    connection.commit()
    connection.close()
    journal = SqliteJournal(path)
    with pytest.raises(StoreError, match="record 2 cannot be trusted: its hash"):
        list(journal.read())
    journal.close()


def test_a_record_of_a_kind_nobody_knows_is_named(path: Path) -> None:
    journal = SqliteJournal(path)

    class Alien(msgspec.Struct, tag="alien"):
        ts_ns: int = 1

    journal.append([Alien()])  # type: ignore[list-item]  # a newer clx's record
    with pytest.raises(StoreError, match=r"record 1 .* no record this clx knows"):
        list(journal.read())
    journal.close()


def test_pages_overwritten_on_disk_are_reported_not_crashed_on(path: Path) -> None:
    journal = SqliteJournal(path)
    journal.append([balance(n, "x" * 500) for n in range(1, 200)])
    journal.close()
    raw = bytearray(path.read_bytes())
    middle = len(raw) // 2 // 4096 * 4096
    raw[middle : middle + 4096] = b"\xff" * 4096
    path.write_bytes(raw)
    with pytest.raises(StoreError, match=r"journal\.db"):
        records(path)


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database at all, but long enough to be looked at" * 20)
    with pytest.raises(StoreError, match="file is not a database; the file is damaged: move it"):
        SqliteJournal(path)


def test_somebody_elses_database_is_refused_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE mine (x)")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="is not the clx file it should be"):
        SqliteJournal(path)
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("mine",)]
    connection.close()


def test_a_journal_of_a_newer_clx_is_refused(path: Path) -> None:
    SqliteJournal(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="newer clx: its schema is 99, this clx knows 1; upgrade"):
        SqliteJournal(path)


def test_an_older_schema_is_migrated_forward_and_keeps_its_records(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = SqliteJournal(path)
    journal.append([balance(1), balance(2)])
    journal.close()
    more = (*store.journal.MIGRATIONS, "ALTER TABLE records ADD COLUMN note TEXT")
    monkeypatch.setattr(store.journal, "MIGRATIONS", more)
    journal = SqliteJournal(path)
    assert journal._connection is not None
    assert journal._connection.execute("PRAGMA user_version").fetchone() == (2,)
    assert journal._connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    journal.append([balance(3)])
    assert [record.ts_ns for _, record in journal.read()] == [1, 2, 3]
    journal.close()


def test_a_folder_that_cannot_be_written_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot be opened for writing: .*data folder"):
        SqliteJournal(tmp_path / "file" / "journal.db")


# -- a full disk ---------------------------------------------------------------------------------


def test_a_full_database_refuses_whole_appends_and_recovers(path: Path) -> None:
    journal = SqliteJournal(path)
    journal.append([balance(1)])
    assert journal._connection is not None
    journal._connection.execute("PRAGMA max_page_count = 4")
    big = [balance(n, "x" * 3000) for n in range(2, 30)]
    with pytest.raises(StoreError, match="record 2 could not be written: database or disk is full"):
        journal.append(big)
    assert [record.ts_ns for _, record in journal.read()] == [1], "all or none"
    assert journal.append(big) == 29, "the next append has a fresh connection without the limit"
    journal.close()
    assert records(path) == list(range(1, 30))


def test_a_disk_that_stops_taking_bytes_is_survived_in_place(path: Path) -> None:
    """RLIMIT_FSIZE makes real writes fail with EFBIG, as a full disk does with ENOSPC."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            journal = SqliteJournal(path)
            journal.append([balance(1)])
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, hard))
            written, failures = 1, 0
            for n in range(2, 60):
                try:
                    journal.append([balance(n, "x" * 4000)])
                    written = n
                except StoreError:
                    failures += 1
                    break
            assert failures == 1
            for _ in range(3):
                try:
                    journal.append([balance(999, "x" * 200_000)])
                except StoreError:
                    failures += 1
            assert failures == 4
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            assert journal.append([balance(written + 1)]) == written + 1
            assert [r.ts_ns for _, r in journal.read()] == list(range(1, written + 2))
            journal.close()
            status = 0
        except BaseException as error:
            os.write(2, repr(error).encode())
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.WEXITSTATUS(status) == 0
    found = records(path)
    assert found == list(range(1, len(found) + 1))


def test_a_closed_journal_refuses_to_write(path: Path) -> None:
    journal = SqliteJournal(path)
    journal.close()
    journal.close()
    with pytest.raises(StoreError, match="is closed"):
        journal.append([RiskStateChanged(state="active", reason="", origin="cli", ts_ns=1)])


def test_a_known_secret_in_a_record_is_not_written_and_the_chain_holds(path: Path) -> None:
    redactor = Redactor()
    redactor.learn("planted-secret-0001")
    journal = SqliteJournal(path, redactor)
    journal.append([balance(1, "venue said planted-secret-0001!"), balance(2)])
    journal.close()
    assert b"planted-secret" not in path.read_bytes()
    again = SqliteJournal(path)
    first, second = (record for _, record in again.read())
    assert (first.reason, second.ts_ns) == (f"venue said {'*' * 19}!", 2)
    again.close()


def test_records_are_found_by_their_words_a_stretch_at_a_time(path: Path) -> None:
    journal = SqliteJournal(path)
    journal.append([balance(n, "opening" if n % 4 else "needle here") for n in range(1, 11)])
    assert [seq for seq, _ in journal.find("needle", 0, 100)[1]] == [4, 8]
    reached, found = journal.find("needle", 0, 5)
    assert (reached, [seq for seq, _ in found]) == (5, [4])
    assert journal.find("needle", reached, 5) == (0, [(8, balance(8, "needle here"))])
    assert journal.find("nowhere", 0, 100) == (0, [])
    journal.close()
