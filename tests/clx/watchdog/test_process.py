"""The watchdog's process: what it makes of beats, farewells and a line that breaks."""

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clx.cli.watching import watchdog_line
from clx.watchdog.process import Watchdog
from clx.watchdog.state import events, read_state
from core.model.settings import Settings, WatchdogSettings
from store.paths import Paths, find_paths, make_folders


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


def refuse(*_: Any) -> str:
    raise AssertionError("nothing is to be rescued")


def dog(paths: Paths, line: tuple[int, int], **watchdog: Any) -> Watchdog:
    settings = Settings(watchdog=WatchdogSettings.model_validate(watchdog))
    return Watchdog(settings, paths, rescue=refuse, stdin=line[0])


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


def test_an_engine_that_dies_is_told_of_and_not_started(
    paths: Paths, line: tuple[int, int]
) -> None:
    greet(line, 4_000_000)
    os.close(line[1])
    assert dog(paths, line).run() == 1
    (event,) = events(paths)
    assert event.what == "died"
    assert "engine 4000000 died" in watchdog_line(paths)[1]
    assert not watchdog_line(paths)[0]


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
