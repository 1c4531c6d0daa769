"""A thread that waits for disks and sockets goes on soon once they have answered."""

import os
import subprocess
import sys
import threading

import pytest

from core.model import turns
from core.model.turns import TURN_NS, short_turns, turns_of

_NOW = turns_of(0)
linux = pytest.mark.skipif(
    _NOW is None or not _NOW.turn_ns, reason="Linux lets threads ask for turns from 6.12 on"
)


def in_a_thread(work):
    """Run it where a shorter turn is nobody else's."""
    found = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


@linux
def test_a_thread_gets_short_turns_and_keeps_its_niceness() -> None:
    before, took, after = in_a_thread(lambda: (turns_of(0), short_turns(), turns_of(0)))
    assert before is not None
    assert took
    assert after is not None
    assert after.turn_ns == TURN_NS < before.turn_ns
    assert (after.policy, after.nice) == (before.policy, os.nice(0))


@linux
def test_what_the_thread_starts_is_ordinary_again() -> None:
    def start() -> tuple[int, str]:
        assert short_turns()
        ours = in_a_thread(lambda: turns_of(0).turn_ns)
        code = "from core.model.turns import turns_of; print(turns_of(0).turn_ns)"
        return ours, subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout

    thread, process = in_a_thread(start)
    assert thread > TURN_NS
    assert int(process) > TURN_NS


@linux
def test_asking_again_changes_nothing() -> None:
    first, again = in_a_thread(lambda: ((short_turns(), turns_of(0)), (short_turns(), turns_of(0))))
    assert first == again


def test_a_system_that_knows_no_turns_is_left_as_it_is(monkeypatch) -> None:
    monkeypatch.setattr(turns, "_calls", lambda: None)
    assert turns_of(0) is None
    assert not short_turns()


@linux
def test_a_call_the_system_refuses_is_no_error(monkeypatch) -> None:
    calls = turns._calls()
    assert calls is not None
    # No such call: what a sandbox says, too.
    monkeypatch.setattr(turns, "_calls", lambda: (100_000, calls[1]))
    took, after = in_a_thread(lambda: (short_turns(), turns_of(0)))
    assert not took
    assert after.turn_ns > TURN_NS


@linux
def test_threads_of_another_class_are_left_in_it(monkeypatch) -> None:
    real = turns.turns_of
    monkeypatch.setattr(turns, "turns_of", lambda number: real(number)._replace(policy=1))
    assert not in_a_thread(short_turns)
