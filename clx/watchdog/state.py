"""What the watchdog lets others know: its state, its own log, and an alert a person should see."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec

from clx.spawn import alive
from store.atomic import write_atomically
from store.paths import Paths

Standing: TypeAlias = Literal["watching", "warned", "killing", "restarted", "acted", "gave up"]
RESTARTED: Final = "CLX_RESTARTED_BY_WATCHDOG"
"""Variable that tells an engine, and so its own watchdog, why it was started."""
RESTARTS: Final = "CLX_RESTARTS_BY_WATCHDOG"
"""Variable that tells how often that was, without an hour of calm between."""
_KEPT: Final = 1000
"""Newest lines of the log that are kept when it has grown to twice as many."""


class WatchdogState(msgspec.Struct, frozen=True, kw_only=True):
    """The watchdog in one line."""

    pid: int
    engine_pid: int
    standing: Standing
    beat_ns: int
    """UTC of the engine's newest sign of life, 0 before the first."""
    lag_ms: float = 0.0
    """How late the engine's loop was then."""
    worst_lag_ms: float = 0.0
    warn_s: float
    kill_s: float
    action: str
    ran: bool = False
    """Whether the engine ran; before, it is given `restart_s` of silence."""
    text: str = ""
    """What it did last, in words."""


class WatchdogEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the watchdog's own log."""

    ts_ns: int
    engine_pid: int
    what: str
    text: str


def state_file(paths: Paths) -> Path:
    """Return where the state is kept."""
    return paths.runtime / "watchdog.json"


def alert_file(paths: Paths) -> Path:
    """Return the file that is there while a person should look."""
    return paths.runtime / "watchdog-alert"


def event_log(paths: Paths) -> Path:
    """Return the watchdog's own log, one JSON object a line."""
    return paths.data / "watchdog.jsonl"


def drill_file(paths: Paths) -> Path:
    """Return the file that is there while a drill kills the engine and starts it itself."""
    return paths.runtime / "drill"


def rehearsed(paths: Paths) -> bool:
    """Return whether a drill that still runs has the engine in hand."""
    try:
        return alive(int(drill_file(paths).read_text()))
    except (OSError, ValueError):
        return False


def read_state(paths: Paths) -> WatchdogState | None:
    """Return the newest state, None where no watchdog ever ran or its file is damaged."""
    try:
        return msgspec.json.decode(state_file(paths).read_bytes(), type=WatchdogState)
    except (OSError, msgspec.DecodeError, msgspec.ValidationError):
        return None


def write_state(paths: Paths, state: WatchdogState) -> None:
    """Write the state; a full disk must not stop a watchdog."""
    file, content = state_file(paths), msgspec.json.encode(state)
    try:
        write_atomically(file, content)
    except OSError:
        # A full disk takes no second file, yet what stands in the first can be written over: an
        # old sign of life would look like an engine that hangs.
        with contextlib.suppress(OSError), file.open("r+b") as out:
            out.write(content.ljust(os.fstat(out.fileno()).st_size))


def note(paths: Paths, event: WatchdogEvent) -> None:
    """Append to the log, and cut it when it is long."""
    file = event_log(paths)
    with contextlib.suppress(OSError):
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as out:
            out.write(msgspec.json.encode(event) + b"\n")
        lines = file.read_bytes().splitlines(keepends=True)
        if len(lines) > 2 * _KEPT:
            write_atomically(file, b"".join(lines[-_KEPT:]))


def events(paths: Paths) -> list[WatchdogEvent]:
    """Return what the log holds, oldest first; damaged lines are left out."""
    found = []
    with contextlib.suppress(OSError):
        for line in event_log(paths).read_bytes().splitlines():
            with contextlib.suppress(msgspec.DecodeError, msgspec.ValidationError):
                found.append(msgspec.json.decode(line, type=WatchdogEvent))
    return found


def raise_alert(paths: Paths, text: str) -> int:
    """Leave a file a person finds, and ring the bell of every terminal of clx; return how many."""
    with contextlib.suppress(OSError):
        write_atomically(alert_file(paths), f"{text}\n".encode())
    rung = 0
    for terminal in set(_terminals(paths)):
        with contextlib.suppress(OSError):
            # A bell alone, so that nothing a program has drawn is touched; never wait for it.
            descriptor = os.open(terminal, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
            try:
                rung += os.write(descriptor, b"\a")
            finally:
                os.close(descriptor)
    return rung


def clear_alert(paths: Paths) -> None:
    """Remove the alert: all is well again."""
    with contextlib.suppress(OSError):
        alert_file(paths).unlink(missing_ok=True)


def _terminals(paths: Paths) -> Iterator[str]:
    """Yield the terminals of this user's processes that have the same home and are clx."""
    home = f"CLX_HOME={paths.config}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if process.stat().st_uid != os.getuid():
                continue
            words = (process / "cmdline").read_bytes().split(b"\0")
            if not any(word.endswith((b"/clx", b"clx")) for word in words[:3]):
                continue
            surroundings = (process / "environ").read_bytes().split(b"\0")
            if "CLX_HOME" in os.environ and home not in surroundings:
                continue
            terminal = str((process / "fd" / "0").readlink())
            if terminal.startswith(("/dev/pts/", "/dev/tty")):
                yield terminal
