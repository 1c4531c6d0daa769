import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.model.audit import AuditRecord, Client
from core.model.errors import StoreError
from core.model.redaction import Redactor
from store.audit.check import read_log, verify_log
from store.audit.writer import AuditLog

Make = Callable[..., AuditRecord]
Open = Callable[..., AuditLog]


def _lines(tmp_path: Path) -> list[bytes]:
    return (tmp_path / "audit" / "audit.jsonl").read_bytes().splitlines(keepends=True)


def _rewrite(tmp_path: Path, lines: list[bytes]) -> None:
    (tmp_path / "audit" / "audit.jsonl").write_bytes(b"".join(lines))


def _filled(log: Open, record: Make, count: int = 5) -> None:
    with log() as opened:
        for at in range(count):
            opened.note(record(f"command_{at}"))


def test_what_was_noted_is_there_with_everything(log: Open, record: Make, tmp_path: Path) -> None:
    client = Client(uid=1000, pid=77, exe="/usr/bin/clx", tty="/dev/pts/3", ssh="203.0.113.7")
    with log() as opened:
        opened.note(record(client=client, refused=True, outcome="denied: too large"))
    (line,) = read_log(tmp_path / "audit")
    assert (line.n, line.at, line.origin) == (1, "2025-11-21T10:00:00.123Z", "cli")
    assert line.parameters == {"instrument": "BTC-USDT.binance", "size": "0.5"}
    assert (line.client, line.refused, line.outcome) == (client, True, "denied: too large")


def test_the_log_is_its_owners_alone(log: Open, record: Make, tmp_path: Path) -> None:
    _filled(log, record)
    folder = tmp_path / "audit"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_it_is_on_disk_without_being_asked(log: Open, record: Make, tmp_path: Path) -> None:
    opened = log()
    written = threading.Event()
    flush = opened.flush

    def noticed() -> None:
        flush()
        written.set()

    opened.flush = noticed  # type: ignore[method-assign]  # to know when it has happened
    opened.note(record())
    assert written.wait(10)
    assert len(list(read_log(tmp_path / "audit"))) == 1


def test_a_secret_in_a_record_does_not_reach_the_disk(
    log: Open, record: Make, tmp_path: Path
) -> None:
    redactor = Redactor()
    redactor.learn("the/secret+of=0001")
    with log(redactor) as opened:
        opened.note(record(parameters={"key": "the/secret+of=0001"}, outcome="the/secret+of=0001!"))
    (line,) = read_log(tmp_path / "audit")
    assert (line.parameters["key"], line.outcome) == ("***", "***!")
    assert verify_log(tmp_path / "audit").flaws == ()


def test_numbers_and_hashes_go_on_in_the_next_process(
    log: Open, record: Make, tmp_path: Path
) -> None:
    _filled(log, record)
    _filled(log, record)
    verdict = verify_log(tmp_path / "audit")
    assert (verdict.lines, verdict.first, verdict.last, verdict.flaws) == (10, 1, 10, ())


def test_two_writers_at_once_make_one_chain(log: Open, record: Make, tmp_path: Path) -> None:
    one, two = log(), log()
    for at in range(20):
        (one if at % 2 else two).note(record(f"c{at}"))
        (one if at % 2 else two).flush()
    verdict = verify_log(tmp_path / "audit")
    assert (verdict.lines, verdict.flaws) == (20, ())


def test_files_are_closed_and_the_oldest_go(log: Open, record: Make, tmp_path: Path) -> None:
    opened = log(max_bytes=1000, keep=3)
    for at in range(60):
        opened.note(record(f"c{at}"))
        opened.flush()
    verdict = verify_log(tmp_path / "audit")
    assert verdict.flaws == ()
    assert verdict.last == 60
    assert verdict.first > 1
    names = sorted(path.name for path in (tmp_path / "audit").glob("audit-*.jsonl"))
    assert len(names) == 3
    assert names[0] == f"audit-{verdict.first:012d}.jsonl"


@pytest.mark.parametrize("at", range(5))
def test_a_changed_line_is_found_out(log: Open, record: Make, tmp_path: Path, at: int) -> None:
    _filled(log, record)
    lines = _lines(tmp_path)
    lines[at] = lines[at].replace(b'"0.5"', b'"0.1"')
    _rewrite(tmp_path, lines)
    (flaw,) = verify_log(tmp_path / "audit").flaws
    assert "was changed" in flaw


@pytest.mark.parametrize("at", range(1, 4))
def test_a_line_taken_out_is_found_out(log: Open, record: Make, tmp_path: Path, at: int) -> None:
    _filled(log, record)
    lines = _lines(tmp_path)
    del lines[at]
    _rewrite(tmp_path, lines)
    (flaw,) = verify_log(tmp_path / "audit").flaws
    assert f"audit.jsonl line {at + 1}: the line before" in flaw


def test_lines_taken_from_the_end_are_found_out(log: Open, record: Make, tmp_path: Path) -> None:
    _filled(log, record)
    _rewrite(tmp_path, _lines(tmp_path)[:3])
    assert verify_log(tmp_path / "audit").flaws == ("2 lines after number 3 were taken out",)


def test_a_head_taken_away_is_said(log: Open, record: Make, tmp_path: Path) -> None:
    _filled(log, record)
    (tmp_path / "audit" / "head").unlink()
    (flaw,) = verify_log(tmp_path / "audit").flaws
    assert flaw.startswith("head is missing")


def test_a_whole_file_taken_out_of_the_middle_is_found_out(
    log: Open, record: Make, tmp_path: Path
) -> None:
    opened = log(max_bytes=1000)
    for at in range(30):
        opened.note(record(f"c{at}"))
        opened.flush()
    sorted((tmp_path / "audit").glob("audit-*.jsonl"))[2].unlink()
    (flaw,) = verify_log(tmp_path / "audit").flaws
    assert "was changed or taken out" in flaw


def test_a_log_goes_on_after_it_was_tampered_with(log: Open, record: Make, tmp_path: Path) -> None:
    _filled(log, record)
    lines = _lines(tmp_path)
    lines[4] = b"not a line\n"
    _rewrite(tmp_path, lines)
    _filled(log, record, 2)
    verdict = verify_log(tmp_path / "audit")
    assert verdict.lines == 7
    assert any("line 5: damaged" in flaw for flaw in verdict.flaws)
    assert [line.what for line in read_log(tmp_path / "audit")][-2:] == ["command_0", "command_1"]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_any_changed_byte_is_found_out(
    log: Open, record: Make, tmp_path: Path, at: int, flip: int
) -> None:
    path = tmp_path / "audit" / "audit.jsonl"
    if not path.exists():
        _filled(log, record)
    whole = path.read_bytes()
    at %= len(whole)
    path.write_bytes(whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :])
    try:
        assert verify_log(tmp_path / "audit").flaws
    finally:
        path.write_bytes(whole)


def test_a_line_torn_by_a_kill_is_dropped_and_told(log: Open, record: Make, tmp_path: Path) -> None:
    _filled(log, record)
    _rewrite(tmp_path, [*_lines(tmp_path), b'{"n":6,"prev":"12'])
    assert verify_log(tmp_path / "audit").flaws == ()
    _filled(log, record, 1)
    whats = [line.what for line in read_log(tmp_path / "audit")]
    assert whats[5:] == ["audit.torn", "command_0"]
    assert verify_log(tmp_path / "audit").flaws == ()


_KILLED = textwrap.dedent(
    """
    import os, sys
    from pathlib import Path
    from core.model.audit import AuditRecord
    from core.model.redaction import Redactor
    from store.audit import writer

    def die(descriptor, data):
        os.write(descriptor, data[: len(data) * 5 // 8])
        os.kill(os.getpid(), 9)
    log = writer.AuditLog(Path(sys.argv[1]), Redactor())
    log.note(AuditRecord(ts_ns=1, origin="cli", what="first", outcome=""))
    log.flush()
    writer._write_all = die
    for at in range(4):
        log.note(AuditRecord(ts_ns=1, origin="cli", what=f"later_{at}", outcome=""))
    log.flush()
    """
)


def test_killed_in_mid_write_keeps_every_whole_line(
    log: Open, record: Make, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, str(tmp_path / "audit")],
        cwd=Path.cwd(),
        check=False,
        timeout=30,
    )
    assert done.returncode == -signal.SIGKILL
    _filled(log, record, 1)
    whats = [line.what for line in read_log(tmp_path / "audit")]
    assert whats[:3] == ["first", "later_0", "later_1"]
    assert whats[-2:] == ["audit.torn", "command_0"]
    assert verify_log(tmp_path / "audit").flaws == ()


def test_a_full_disk_loses_nothing_that_fits_in_memory(
    log: Open, record: Make, tmp_path: Path
) -> None:
    """RLIMIT_FSIZE makes real writes fail with EFBIG, as a full disk does with ENOSPC."""
    _filled(log, record)
    opened = log()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    size = (tmp_path / "audit" / "audit.jsonl").stat().st_size
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, hard))
        opened.note(record("while_full"))
        with pytest.raises(StoreError, match=r"1 records wait in memory. Free disk space"):
            opened.flush()
        assert (tmp_path / "audit" / "audit.jsonl").stat().st_size == size
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    opened.flush()
    assert [line.what for line in read_log(tmp_path / "audit")][-1] == "while_full"
    assert verify_log(tmp_path / "audit").flaws == ()


def test_records_beyond_the_bound_are_counted_in_the_log(
    log: Open, record: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.audit.writer.WAITING", 3)
    opened = log()
    with opened._turn:  # the disk takes nothing
        for at in range(8):
            opened.note(record(f"c{at}"))
    opened.flush()
    told = [(line.what, line.outcome) for line in read_log(tmp_path / "audit")]
    assert told[0] == ("audit.lost", "5 records were lost: the disk refused them for too long")
    assert [what for what, _ in told[1:]] == ["c0", "c1", "c2"]


def test_lines_are_plain_json_for_other_programs(log: Open, record: Make, tmp_path: Path) -> None:
    _filled(log, record, 2)
    told = [json.loads(line) for line in _lines(tmp_path)]
    assert [each["what"] for each in told] == ["command_0", "command_1"]


def test_an_endless_outcome_is_cut(log: Open, record: Make, tmp_path: Path) -> None:
    with log() as opened:
        opened.note(record(outcome="x" * 100_000, parameters={"reason": "y" * 100_000}))
    (line,) = read_log(tmp_path / "audit")
    assert len(line.outcome) == len(line.parameters["reason"]) == 4000


def test_a_folder_that_cannot_be_written_is_said_and_noting_never_raises(
    record: Make, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    opened = AuditLog(tmp_path / "file" / "audit", Redactor())
    opened.note(record())
    opened.close()
    assert "cannot be written" in opened.error


def test_an_empty_log_is_fine(tmp_path: Path) -> None:
    verdict = verify_log(tmp_path / "none")
    assert (verdict.lines, verdict.flaws) == (0, ())
    assert os.listdir(tmp_path) == []  # noqa: PTH208  nothing was made by looking


def test_a_log_that_cannot_be_written_says_so_once(record: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told: list[str] = []
    heard = threading.Event()

    def hear(text: str) -> None:
        told.append(text)
        heard.set()

    opened = AuditLog(tmp_path / "file" / "audit", Redactor(), told=hear)
    opened.note(record())
    assert heard.wait(10)
    opened.close()
    assert len(told) == 1
    assert "1 records wait in memory" in told[0]


@pytest.mark.parametrize("secret", ["outcome", "origin", "parameters", "submit_order"])
def test_a_secret_that_is_also_a_word_of_the_log_does_not_break_it(
    log: Open, record: Make, tmp_path: Path, secret: str
) -> None:
    redactor = Redactor()
    redactor.learn(secret)
    with log(redactor) as opened:
        opened.note(record(outcome=f"the {secret} is known"))
    (line,) = read_log(tmp_path / "audit")
    assert line.outcome == "the *** is known"
    assert verify_log(tmp_path / "audit").flaws == ()


def test_a_line_beyond_all_bounds_is_cut_and_the_chain_holds(
    log: Open, record: Make, tmp_path: Path
) -> None:
    for _ in range(2):
        with log() as opened:
            long = {f"p{at}": "\x01" * 10_000 for at in range(30)}
            opened.note(record(parameters=long, outcome="\x01" * 10_000))
            opened.note(record("next"))
    verdict = verify_log(tmp_path / "audit")
    assert (verdict.lines, verdict.flaws) == (4, ())
    assert max(len(line) for line in _lines(tmp_path)) < 65_536
    first = next(iter(read_log(tmp_path / "audit")))
    assert first.parameters["cut"].endswith(" bytes")


def test_a_log_that_is_being_written_verifies(log: Open, record: Make, tmp_path: Path) -> None:
    opened = log(max_bytes=2000, keep=5)
    opened.note(record())
    opened.flush()
    done = threading.Event()

    def write() -> None:
        for at in range(150):
            opened.note(record(f"c{at}"))
            opened.flush()
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    checks = 0
    while not done.is_set():
        assert verify_log(tmp_path / "audit").flaws == ()
        checks += 1
    thread.join()
    assert checks
    assert verify_log(tmp_path / "audit").last == 151
