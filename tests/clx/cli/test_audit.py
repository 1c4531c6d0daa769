import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from clx.cli.verbs import cli
from core.model.audit import AuditRecord, Client
from core.model.redaction import Redactor
from store.audit.writer import AuditLog

DAY = 86_400 * 10**9
NOON = 1_763_719_200 * 10**9


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLX_HOME", str(tmp_path))
    folder = tmp_path / "data" / "audit"
    folder.parent.mkdir()
    with AuditLog(folder, Redactor()) as log:
        for at, (origin, what) in enumerate(
            [("cli", "keys.add"), ("tui", "submit_order"), ("strat:rsi", "submit_order")]
        ):
            log.note(
                AuditRecord(
                    ts_ns=NOON + at * DAY,
                    origin=origin,
                    what=what,
                    parameters={"size": "0.5"},
                    outcome="done",
                    refused=what == "keys.add",
                    client=Client(uid=1, pid=42, tty="/dev/pts/1", ssh="203.0.113.7")
                    if origin == "tui"
                    else None,
                )
            )
    return folder


def _clx(*words: str) -> str:
    done = CliRunner().invoke(cli, ["audit", *words])
    return f"{done.exit_code}\n{done.output}"


def test_everything_is_shown_oldest_first_with_where_from(folder: Path) -> None:
    lines = _clx().splitlines()
    assert [line.split()[0][:10] for line in lines[2:5]] == [
        "2025-11-21",
        "2025-11-22",
        "2025-11-23",
    ]
    assert "REFUSED done" in lines[2]
    assert "pid 42 /dev/pts/1 ssh 203.0.113.7" in lines[3]
    assert "strat:rsi" in lines[4]
    assert "size=0.5" in lines[4]


@pytest.mark.parametrize(
    ("words", "origins"),
    [
        (("--kind", "submit_order"), ["tui", "strat:rsi"]),
        (("--kind", "keys"), ["cli"]),
        (("--origin", "strat"), ["strat:rsi"]),
        (("--since", "2025-11-22"), ["tui", "strat:rsi"]),
        (("--limit", "1"), ["strat:rsi"]),
    ],
)
def test_what_is_wanted_is_chosen(folder: Path, words: tuple[str, ...], origins: list[str]) -> None:
    told = json.loads(_clx(*words, "--format", "json").partition("\n")[2])
    assert [line["origin"] for line in told] == origins


def test_a_whole_log_verifies(folder: Path) -> None:
    assert "0\n" in _clx("verify")
    assert "3 lines, 1 to 3, in 1 file: whole" in _clx("verify")


def test_a_changed_log_ends_with_a_code_of_its_own(folder: Path) -> None:
    path = folder / "audit.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"0.5"', b'"0.7"', 1))
    said = _clx("verify")
    assert said.startswith("5\n")
    assert "TAMPERED WITH OR DAMAGED" in said
    assert json.loads(_clx("verify", "--format", "json").partition("\n")[2])["flaws"]


def test_an_empty_log_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLX_HOME", str(tmp_path))
    assert "nothing was changed" in _clx()
