import contextlib
import functools
import json
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keyring
import keyring.backends.fail
import pytest
from click.testing import CliRunner, Result

from clx.cli.secretinput import read_secrets
from clx.cli.verbs import cli
from core.model.errors import ConfigError
from core.model.redaction import Redactor
from store.audit.check import read_log, verify_log
from store.secrets import accounts
from store.secrets.sealed import Cost

KEY, SECRET, PHRASE = "the-key-00000abcd", "the-secret-0000001", "the-phrase-1"
FAIL = "keyring.backends.fail.Keyring"
STDIN = f"{KEY}\n{SECRET}\n{PHRASE}\n"


class Okx(BaseHTTPRequestHandler):
    """Answers the one question as its server's `perm` says."""

    def do_GET(self) -> None:
        perm = self.server.perm  # type: ignore[attr-defined]  # set by the fixture
        told: dict[str, Any] = {"code": "0", "msg": "", "data": [{"perm": perm, "ip": ""}]}
        if not perm:
            told = {"code": "50113", "msg": f"Invalid Sign of {KEY} {SECRET}", "data": []}
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


class Venue:
    def __init__(self, server: ThreadingHTTPServer) -> None:
        self._server = server
        self.url = f"http://127.0.0.1:{server.server_port}"
        self.may("read_only,trade")

    def may(self, perm: str) -> None:
        self._server.perm = perm  # type: ignore[attr-defined]  # read by the handler


@pytest.fixture
def venue() -> Iterator[Venue]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Okx)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield Venue(server)
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation without a keyring, whose key file costs nothing to open."""
    phrase = tmp_path / "phrase"
    phrase.write_text("correct horse")
    phrase.chmod(0o600)
    monkeypatch.setenv("CLX_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CLX_PASSPHRASE_FILE", str(phrase))
    monkeypatch.setattr(keyring, "get_keyring", keyring.backends.fail.Keyring)
    cheap = functools.partial(accounts.open_accounts, cost=Cost(log2_n=4))
    monkeypatch.setattr(accounts, "open_accounts", cheap)
    return tmp_path / "home"


def _clx(*words: str, stdin: str = "") -> Result:
    return CliRunner().invoke(cli, ["keys", *words], input=stdin, obj=Redactor())


def _add(venue: Venue, *words: str, stdin: str = STDIN) -> Result:
    return _clx("add", "okx-main", "--venue", "okx", "--rest-url", venue.url, *words, stdin=stdin)


def _accounts() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(_clx("list", "--format", "json").output)
    return found


def test_a_good_key_is_tested_kept_and_shown_by_its_last_four(venue: Venue, home: Path) -> None:
    done = _add(venue, "--notes", "for the bot")
    assert done.exit_code == 0, done.output
    assert "key …abcd, may read, trade" in done.output
    assert 'account = "okx-main"' in done.output
    (kept,) = _accounts()
    assert kept["key_tail"] == "…abcd"
    assert kept["tested"]["permissions"]["withdraw"] is False
    assert kept["tested"]["own_host"] is False
    table = _clx("list").output
    assert "read, trade" in table
    assert "for the bot" in table
    for secret in (KEY, SECRET, PHRASE):
        assert secret not in done.output + table + json.dumps(kept)
        assert secret.encode() not in (home / "keys.sealed").read_bytes()


def test_a_key_that_can_withdraw_is_refused_with_the_remedy(venue: Venue, home: Path) -> None:
    venue.may("read_only,trade,withdraw")
    for extra in ((), ("--untested",)):
        done = _add(venue, *extra)
        assert isinstance(done.exception, ConfigError)
        assert "can withdraw" in str(done.exception)
        assert "leave 'Withdraw' unticked" in str(done.exception)
    assert not (home / "keys.sealed").exists()


def test_a_venue_that_is_away_keeps_nothing_unless_told_to(venue: Venue) -> None:
    away = Venue.__new__(Venue)
    away.url = "http://127.0.0.1:1"
    done = _add(away)
    assert "or keep it with --untested" in str(done.exception)
    assert _accounts() == []
    assert _add(away, "--untested").exit_code == 0
    (kept,) = _accounts()
    assert kept["tested"] is None
    done = _clx("test", "okx-main", "--rest-url", venue.url)
    assert "okx-main may read, trade" in done.output
    assert "the key works from every address" in done.output
    assert _accounts()[0]["tested"]["permissions"]["trade"] is True


def test_a_key_the_venue_refuses_is_never_kept_and_never_shown(venue: Venue) -> None:
    venue.may("")
    done = _add(venue, "--untested")
    assert "venue code 50113" in str(done.exception)
    assert _accounts() == []


def test_testing_a_key_that_became_a_withdrawing_one_is_remembered(venue: Venue) -> None:
    _add(venue)
    venue.may("read_only,trade,withdraw")
    done = _clx("test", "okx-main", "--rest-url", venue.url)
    assert "can withdraw" in str(done.exception)
    assert _accounts()[0]["tested"]["permissions"]["withdraw"] is True
    assert "WITHDRAW" in _clx("list").output


def test_a_dry_run_keeps_and_removes_nothing(venue: Venue, home: Path) -> None:
    done = _add(venue, "--dry-run")
    assert "dry run: nothing was kept; it would be in the file" in done.output
    assert _accounts() == []
    _add(venue)
    before = _accounts()
    venue.may("read_only")
    _clx("test", "okx-main", "--rest-url", venue.url, "--dry-run")
    assert "would be removed" in _clx("remove", "okx-main", "--dry-run").output
    assert _accounts() == before
    assert [line.what for line in read_log(home / "data" / "audit")] == ["keys.add"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--venue", "okx"], "would ask for key, secret and passphrase, ask okx what the key may"),
        (["--venue", "binance"], "would ask for key and secret, ask binance what the key may do"),
        (["--venue", "ccxt:bitso", "--attest"], "take your word for what it may do"),
    ],
)
def test_a_dry_run_on_a_terminal_asks_for_no_key(
    home: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    monkeypatch.setattr("getpass.getpass", lambda prompt: pytest.fail(f"asked for {prompt!r}"))
    monkeypatch.setattr("clx.cli.keys.sys", SimpleNamespace(stdin=Terminal()))
    done = _clx("add", "main", "--dry-run", *words)
    assert done.exit_code == 0, done.output
    assert said in done.output
    assert "keep it in" in done.output


def test_a_dry_run_on_a_terminal_refuses_what_adding_would(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clx.cli.keys.sys", SimpleNamespace(stdin=Terminal()))
    done = _clx("add", "main", "--dry-run", "--venue", "ccxt:bitso")
    assert "say so with --attest" in str(done.exception)


def test_removing_asks_for_a_word_where_nobody_can_be_asked(venue: Venue) -> None:
    _add(venue)
    assert "give --yes" in str(_clx("remove", "okx-main").exception)
    done = _clx("remove", "okx-main", "--yes")
    assert "delete key …abcd at the venue too" in done.output
    assert _accounts() == []
    assert "there is no account 'okx-main'" in str(_clx("remove", "okx-main", "--yes").exception)


def test_a_name_is_taken_once_unless_replaced(venue: Venue) -> None:
    _add(venue)
    assert "there is an account okx-main already" in str(_add(venue).exception)
    other = STDIN.replace("abcd", "wxyz")
    assert _add(venue, "--replace", stdin=other).exit_code == 0
    assert [each["key_tail"] for each in _accounts()] == ["…wxyz"]


def test_every_change_and_refusal_is_in_the_audit_without_secrets(venue: Venue, home: Path) -> None:
    _add(venue)
    venue.may("")
    _clx("test", "okx-main", "--rest-url", venue.url)
    _clx("remove", "okx-main", "--yes")
    lines = list(read_log(home / "data" / "audit"))
    assert [(line.what, line.refused) for line in lines] == [
        ("keys.add", False),
        ("keys.test", True),
        ("keys.remove", False),
    ]
    assert all(line.client is not None and line.client.pid for line in lines)
    assert "Invalid Sign of *** ***" in lines[1].outcome
    raw = (home / "data" / "audit" / "audit.jsonl").read_text()
    assert KEY not in raw
    assert SECRET not in raw
    assert verify_log(home / "data" / "audit").flaws == ()


def test_a_venue_that_cannot_say_needs_the_owners_word() -> None:
    words = ("add", "bitmex", "--venue", "ccxt:bitmex")
    assert "say so with --attest" in str(_clx(*words, stdin=STDIN).exception)
    assert _clx(*words, "--attest", stdin=STDIN).exit_code == 0
    (kept,) = _accounts()
    assert kept["tested"]["attested"] is True
    assert "(attested)" in _clx("list").output


def test_the_owners_word_does_not_replace_the_venues(venue: Venue) -> None:
    assert "leave --attest out" in str(_add(venue, "--attest").exception)
    _add(venue)
    assert "leave --attest out" in str(_clx("test", "okx-main", "--attest").exception)


def test_the_verbs_end_with_stars_where_a_venue_echoes_a_secret(
    venue: Venue, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from clx.cli.exits import Exit, run

    _add(venue)
    venue.may("")
    monkeypatch.setattr("sys.argv", ["clx", "keys", "test", "okx-main", "--rest-url", venue.url])
    assert run(cli) == Exit.REFUSED
    said = capsys.readouterr().err
    assert "Invalid Sign of *** ***" in said


def test_no_secret_is_taken_from_the_command_line() -> None:
    assert _clx("add", "x", "--venue", "okx", "--secret", "s").exit_code == 2
    done = CliRunner().invoke(cli, ["config", "set", "venues.binance.api_secret", "s3cret-1"])
    assert "others can read a command line" in str(done.exception)
    assert "s3cret-1" not in str(done.exception) + done.output


_AT_A_TERMINAL = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
sys.argv = ["clx", "keys", "add", "bitmex", "--venue", "ccxt:bitmex", "--attest"]
from clx.cli.entry import main
main()
"""


def test_at_a_terminal_everything_is_asked_for_and_nothing_is_echoed(home: Path) -> None:
    ours, theirs = pty.openpty()
    env = {**os.environ, "CLX_HOME": str(home), "PYTHON_KEYRING_BACKEND": FAIL}
    del env["CLX_PASSPHRASE_FILE"]
    process = subprocess.Popen(
        [sys.executable, "-c", _AT_A_TERMINAL],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env=env,
        cwd=Path.cwd(),
    )
    os.close(theirs)
    told = ""
    for asked, answer in (
        ("key: ", KEY),
        ("secret: ", SECRET),
        ("a new passphrase for the key file: ", "correct horse 1"),
        ("the same again: ", "correct horse 1"),
    ):
        while not told.endswith(asked):
            told += os.read(ours, 4096).decode()
        os.write(ours, f"{answer}\n".encode())
    with contextlib.suppress(OSError):  # the end of a terminal is an error
        while part := os.read(ours, 4096):
            told += part.decode()
    os.close(ours)
    assert process.wait(20) == 0, told
    assert "untested, you say it cannot withdraw" in told
    for secret in (KEY, SECRET, "correct horse 1"):
        assert secret not in told
    assert (home / "keys.sealed").exists()


class Terminal:
    """Stdin that somebody sits at."""

    def isatty(self) -> bool:
        return True


class Text:
    """Stdin that is a pipe."""

    def __init__(self, text: str) -> None:
        self._text = text

    def isatty(self) -> bool:
        return False

    def read(self, _: int) -> str:
        return self._text


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("k-1\ns-1\n", ("k-1", "s-1", "")),
        ("k-1\r\ns-1\r\np-1\r\n", ("k-1", "s-1", "p-1")),
        ('{"apiKey":"k-1","secret":"s-1","password":"p-1"}', ("k-1", "s-1", "p-1")),
        ('{"name":"org/1","privateKey":"-----BEGIN\\nx\\n"}', ("org/1", "-----BEGIN\nx", "")),
        (
            "org/1\n-----BEGIN EC PRIVATE KEY-----\nabc\n-----END EC PRIVATE KEY-----\n",
            ("org/1", "-----BEGIN EC PRIVATE KEY-----\nabc\n-----END EC PRIVATE KEY-----", ""),
        ),
    ],
)
def test_keys_are_read_from_stdin_as_venues_hand_them_out(
    text: str, parts: tuple[str, str, str]
) -> None:
    assert read_secrets("v", passphrase=False, stdin=Text(text)) == parts  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no key was given"),
        ("only-the-key\n", "no secret was given"),
        ("k\ns\n", "have a passphrase as well"),
        ("{broken", "begins like JSON and is none"),
        ("a\nb\nc\nd\n", "was 4 lines"),
    ],
)
def test_what_is_missing_on_stdin_is_said_and_nothing_shown(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as refused:
        read_secrets("okx", passphrase=True, stdin=Text(text))  # type: ignore[arg-type]
    assert "only-the-key" not in str(refused.value)


def test_help_and_the_terminal_load_neither_keyring_nor_cryptography() -> None:
    check = (
        "import sys\n"
        "from clx.cli.verbs import cli\n"
        "import clx.cli.opening, tui.app, clx.spawn\n"
        "for words in (['--help'], ['keys', '--help'], ['audit', '--help']):\n"
        "    try:\n        cli(words)\n    except SystemExit:\n        pass\n"
        "heavy = {'keyring', 'cryptography', 'secretstorage'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run(
        [sys.executable, "-c", check],
        check=True,
        cwd=Path.cwd(),
        timeout=60,
        stdout=subprocess.DEVNULL,
    )
