"""Ends a face whose terminal is gone, also where nobody tells it.

A closed window or a lost ssh connection sends SIGHUP, but only to what runs in front when the
session's first process ends: a face that `make`, a script or a supervisor started may hear nothing.
It would read the end of its input over and over, on a core of its own, and draw for nobody.
"""

from __future__ import annotations

import os
import select
import threading
from typing import Final

LOOK_MS: Final = 1_000
"""Waking up a poll that asks only for a hangup is left to the system's pleasure."""
GONE: Final = 129
"""The exit status of a program that SIGHUP ended: 128 + 1."""


def end_with_terminal(fileno: int) -> threading.Thread:
    """Watch a terminal from a thread, and end the process at once when it has hung up.

    Nothing is put in order: there is nobody to draw for, what would be written may block for ever,
    and whatever lasts is the engine's.
    """
    thread = threading.Thread(target=_watch, args=(fileno,), name="hangup", daemon=True)
    thread.start()
    return thread


def _watch(fileno: int) -> None:
    if hung_up(fileno):
        os._exit(GONE)


def hung_up(fileno: int, look_ms: int = LOOK_MS) -> bool:
    """Wait until a terminal has hung up; False: the system cannot tell of this one."""
    poll = select.poll()
    poll.register(fileno, 0)
    while True:
        for _, what in poll.poll(look_ms):
            return bool(what & select.POLLHUP)
