"""The watchdog's process: what it makes of beats, farewells and a line that breaks."""

import errno
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clx.cli.watching import watchdog_line
from clx.watchdog import state
from clx.watchdog.process import Watchdog
from clx.watchdog.state import (
    RESTARTED,
    RESTARTS,
    WatchdogState,
    alert_file,
    drill_file,
    events,
    read_state,
    state_file,
    write_state,
)
from core.model.settings import Settings, WatchdogSettings
from store.paths import Paths, find_paths, make_folders

GONE = 4_000_000
"""A process that never was."""


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = find_paths({"CLX_HOME": str(tmp_path)})
    make_folders(found)
    return found


@pytest.fixture
def line() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            continue


def test_a_full_disk_takes_a_newer_sign_of_life_all_the_same(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = WatchdogState(
        pid=1, engine_pid=2, standing="watching", beat_ns=1, warn_s=5, kill_s=20, action="none"
    )
    write_state(paths, msgspec.structs.replace(first, text="what it did before"))
    size = state_file(paths).stat().st_size

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(state, "write_atomically", full)
    newer = msgspec.structs.replace(first, beat_ns=2)
    write_state(paths, newer)
    assert read_state(paths) == newer
    assert state_file(paths).stat().st_size == size


def refuse(*_: Any) -> str:
    raise AssertionError("nothing is to be rescued")


def dog(
    paths: Paths,
    line: tuple[int, int],
    rescue: Callable[[str, str], str] = refuse,
    runs: Callable[[], bool] | None = None,
    **watchdog: Any,
) -> Watchdog:
    settings = Settings(watchdog=WatchdogSettings.model_validate(watchdog))
    return Watchdog(settings, paths, rescue=rescue, runs=runs, stdin=line[0])


def greet(line: tuple[int, int], pid: int) -> None:
    os.write(line[1], json.dumps({"engine_pid": pid}).encode() + b"\n")


def test_an_engine_that_says_farewell_is_left_alone(paths: Paths, line: tuple[int, int]) -> None:
    greet(line, os.getpid())
    os.write(line[1], b"beat 1.5 running\nbye\n")
    assert dog(paths, line).run() == 0
    state = read_state(paths)
    assert state is not None
    assert (state.engine_pid, state.lag_ms, state.text) == (
        os.getpid(), 1.5, "the engine was stopped",
    )  # fmt: skip
    assert events(paths) == []


@pytest.mark.parametrize(("phase", "restarts"), [("starting", 3), ("running", 0)])
def test_an_engine_that_never_ran_or_is_somebody_elses_to_start_is_only_told_of(
    paths: Paths, line: tuple[int, int], phase: str, restarts: int
) -> None:
    greet(line, GONE)
    os.write(line[1], f"beat 0.1 {phase}\n".encode())
    os.close(line[1])
    assert dog(paths, line, restarts=restarts).run() == 1
    (event,) = events(paths)
    assert event.what == "died"
    fine, words = watchdog_line(paths)
    assert not fine
    assert f"engine {GONE} died; `clx daemon start` takes up what it held" in words


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Have a small program run in place of the engine's, which writes its pid to a file."""
    starts = tmp_path / "starts"
    starts.touch()
    monkeypatch.setenv(RESTARTED, "")
    monkeypatch.delenv(RESTARTED)
    monkeypatch.setenv(RESTARTS, "0")
    real = sys.executable

    def runs(body: str) -> Path:
        program = tmp_path / "engine"
        told = f"open({str(starts)!r}, 'a').write(f'{{os.getpid()}} ')"
        program.write_text(f"#!{real}\nimport os\n{told}\n{body}\n")
        program.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(program))
        return starts

    return runs


def answering(paths: Paths) -> str:
    """Return a program that listens where an engine does."""
    return (
        "import socket, time\n"
        "door = socket.socket(socket.AF_UNIX)\n"
        f"door.bind({str(paths.socket)!r}); door.listen()\n"
        "time.sleep(60)"
    )


def test_an_engine_that_died_is_brought_back_at_once(
    paths: Paths, line: tuple[int, int], engine: Callable[[str], Path]
) -> None:
    starts = engine(answering(paths))
    greet(line, GONE)
    os.write(line[1], b"beat 0.1 running\n")
    os.close(line[1])
    watching = dog(paths, line, runs=lambda: True)
    assert watching.run() == 0
    assert watching.started is not None
    assert watching.started.process is not None
    watching.started.process.kill()
    watching.started.process.wait()
    assert len(starts.read_text().split()) == 1
    assert [event.what for event in events(paths)] == ["died", "restarted"]
    assert os.environ[RESTARTS] == "1", "the new engine's watchdog counts on"
    assert "died, and started again" in os.environ[RESTARTED]
    assert not alert_file(paths).exists()


def test_tries_are_bounded_and_then_what_is_set_is_done(
    paths: Paths, line: tuple[int, int], engine: Callable[[str], Path]
) -> None:
    starts = engine("import sys; sys.exit('no disk')")
    greet(line, GONE)
    os.write(line[1], b"beat 0.1 running\n")
    os.close(line[1])
    asked: list[str] = []

    def rescue(action: str, _: str) -> str:
        asked.append(action)
        return "cancelled 2 of 2 orders"

    watching = dog(paths, line, rescue=rescue, restarts=2, backoff_s=0.0, action="cancel")
    assert watching.run() == 0
    assert len(starts.read_text().split()) == 2
    assert asked == ["cancel"]
    assert [event.what for event in events(paths)] == ["died", "retry", "not restarted", "acted"]
    state = read_state(paths)
    assert state is not None
    assert state.standing == "acted"
    assert "the engine stopped: no disk; cancel: cancelled 2 of 2 orders" in state.text
    assert alert_file(paths).exists()


def test_one_that_dies_again_and_again_within_the_hour_is_left(
    paths: Paths,
    line: tuple[int, int],
    engine: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    starts = engine("")
    monkeypatch.setenv(RESTARTS, "3")
    greet(line, GONE)
    os.write(line[1], b"beat 0.1 running\n")
    os.close(line[1])
    assert dog(paths, line).run() == 1
    assert starts.read_text() == ""
    state = read_state(paths)
    assert state is not None
    assert "it was restarted 3 times within the hour; watchdog.action is none" in state.text


def test_a_drill_that_kills_the_engine_is_left_to_start_it(
    paths: Paths, line: tuple[int, int], engine: Callable[[str], Path]
) -> None:
    starts = engine("")
    drill_file(paths).write_text(str(os.getpid()))
    greet(line, GONE)
    os.write(line[1], b"beat 0.1 running\n")
    os.close(line[1])
    assert dog(paths, line).run() == 0
    assert starts.read_text() == ""
    assert not alert_file(paths).exists()


def test_a_start_that_takes_long_is_warned_of_and_never_killed(
    paths: Paths, line: tuple[int, int]
) -> None:
    greet(line, os.getpid())
    os.write(line[1], b"beat 0.0 starting\n")
    watching = dog(paths, line, warn_s=0.05, kill_s=0.1)
    thread = threading.Thread(target=watching.run)
    thread.start()
    for _ in range(1000):
        if [event.what for event in events(paths)] == ["warned"]:
            break
        thread.join(0.01)
    os.write(line[1], b"beat 0.0 running\nbye\n")
    thread.join(10)
    assert [event.what for event in events(paths)] == ["warned", "recovered"]
