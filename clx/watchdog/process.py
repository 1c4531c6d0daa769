"""The watchdog's own process: listens for beats, and acts when they stay away.

::

    watching ──warn_s──► warned ──kill_s──► killing ──► restarted (the new engine has its own)
       └───── the engine died ────────────────┘ │
                                                └─ not brought back ──► acted | gave up

An engine that hangs is killed and brought back once within the hour, one that dies by itself
`restarts` times, each try later than the one before. What it held is taken up from the journal:
protective orders stand again before entries may go.

It holds no way to send an entry: all it can do at a venue is in `clx.watchdog.rescue`.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from typing import Final

import msgspec

from clx.spawn import Starting, alive, engine_answers, start_engine
from clx.watchdog.heart import Greeting
from clx.watchdog.state import (
    RESTARTED,
    RESTARTS,
    Standing,
    WatchdogEvent,
    WatchdogState,
    clear_alert,
    note,
    raise_alert,
    rehearsed,
    write_state,
)
from core.model.errors import ClxError
from core.model.settings import Settings
from store.paths import Paths

_LOOK_S: Final = 0.2
_STATE_S: Final = 2.0
_GONE_S: Final = 10.0
"""How long a killed process may take to be gone."""
_CALM_S: Final = 3600.0
"""After this long restarts are forgotten, and tried anew."""
_HANGS: Final = 1
"""How often an engine that hangs is brought back: the next time the same may be waiting for it."""
_MOST_PAUSE_S: Final = 60.0


class Watchdog:
    """Watches one engine process."""

    def __init__(
        self,
        settings: Settings,
        paths: Paths,
        *,
        rescue: Callable[[str, str], str],
        runs: Callable[[], bool] | None = None,
        stdin: int = 0,
    ) -> None:
        """Watch with these settings.

        Args:
            settings: The whole of them.
            paths: Where the engine's socket and log lie.
            rescue: Given the action and the passphrase, says what it did.
            runs: Whether the engine that was started runs by now; asks it where not given.
            stdin: Where beats come from.
        """
        self._settings = settings.watchdog
        self._paths = paths
        self._rescue = rescue
        self._runs = runs or _runs
        self.started: Starting | None = None
        """The engine that was started last."""
        self._stdin = stdin
        self._buffer = b""
        self._greeting = Greeting(engine_pid=0)
        self._standing: Standing = "watching"
        self._text = os.environ.get(RESTARTED, "")
        self._bye = False
        """Whether the engine said that it ends because it was asked to."""
        self._running = False
        """Whether the engine ever ran; what takes long while it starts is no hang."""
        self._quiet_s = 0.0
        self._beat_ns = 0
        self._lag_ms = self._worst_ms = 0.0
        self._shown_at = 0.0
        self._started_at = time.monotonic()

    def run(self) -> int:
        """Watch until the engine ends or was dealt with; return an exit code."""
        looked = time.monotonic()
        while True:
            ready = select.select([self._stdin], [], [], _LOOK_S)[0]
            if (ready and not self._read()) or self._bye:
                return self._engine_ended()
            now = time.monotonic()
            # Time in which this process itself was held up says nothing of the engine.
            self._quiet_s += min(now - looked, 2 * _LOOK_S)
            looked = now
            if self._quiet_s >= self._patience_s():
                return self._act()
            if self._quiet_s >= self._settings.warn_s and self._standing == "watching":
                self._warn()
            if now - self._shown_at >= _STATE_S:
                self._show(self._standing, self._text)

    def _patience_s(self) -> float:
        """Return how long no beat is borne; what starts may be busy for long."""
        table = self._settings
        return table.kill_s if self._running else max(table.kill_s, table.restart_s)

    def _read(self) -> bool:
        """Take what the engine says; False when it says nothing any more."""
        data = os.read(self._stdin, 65536)
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._take(line)
        return bool(data)

    def _take(self, line: bytes) -> None:
        if line.startswith(b"{"):
            self._greeting = msgspec.json.decode(line, type=Greeting)
        elif line == b"bye":
            self._bye = True
        elif line.startswith(b"beat "):
            _, lag, phase = line.split(b" ", 2)
            self._beat_ns = time.time_ns()
            self._lag_ms = float(lag)
            self._worst_ms = max(self._worst_ms, self._lag_ms)
            self._running = self._running or phase == b"running"
            quiet, self._quiet_s = self._quiet_s, 0.0
            if self._standing == "warned":
                self._note("recovered", f"the engine is back after {quiet:.1f} s")
                clear_alert(self._paths)
                self._show("watching", f"it was quiet for {quiet:.1f} s and came back")

    def _warn(self) -> None:
        text = (
            f"engine {self._greeting.engine_pid} gave no sign of life for "
            f"{self._settings.warn_s:g} s"
        )
        rung = raise_alert(self._paths, text)
        self._note("warned", f"{text}; rang {rung} terminals")
        self._show("warned", text)

    def _engine_ended(self) -> int:
        """Bring an engine back that died, unless it was asked to end or never ran."""
        if self._bye:
            self._show("watching", "the engine was stopped")
            return 0
        text = f"engine {self._greeting.engine_pid} died"
        if rehearsed(self._paths):
            self._note("drill", f"{text} in a drill, which starts it again")
            self._show("watching", f"{text} in a drill, which starts it again")
            return 0
        raise_alert(self._paths, text)
        self._note("died", text)
        if not self._running or not self._settings.restarts:
            # Who started it waits for it and is told why; a loop of starts helps nobody.
            self._show("gave up", f"{text}; `clx daemon start` takes up what it held")
            return 1
        return self._recover(text, self._settings.restarts)

    def _act(self) -> int:
        """Kill the engine that hangs, and bring it back once; where that fails, do what is set."""
        pid = self._greeting.engine_pid
        text = f"engine {pid} gave no sign of life for {self._quiet_s:.1f} s: it is killed"
        raise_alert(self._paths, text)
        self._note("killed", text)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return self._recover(text, _HANGS)

    def _recover(self, text: str, allowed: int) -> int:
        """Wait until the dead engine is gone, bring it back, or do what is set."""
        self._show("killing", text)
        deadline = time.monotonic() + _GONE_S
        # Its first thread may be gone while others still hold the socket.
        while alive(self._greeting.engine_pid) or engine_answers(self._paths.socket):
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        failed = self._bring_back(text, allowed)
        if not failed:
            return 0
        self._note("not restarted", failed)
        return self._rescue_now(failed)

    def _bring_back(self, why: str, allowed: int) -> str:
        """Start the engine anew, some times if need be; return why it is not there, empty: it is.

        An engine that somebody else has started meanwhile is as good.
        """
        tried = _restarts() if time.monotonic() - self._started_at < _CALM_S else 0
        failed = f"it was restarted {_times(tried)} within the hour" if tried >= allowed else ""
        for number in range(tried, allowed):
            if number > tried:
                self._note("retry", f"{failed}; try {number + 1} of {allowed}")
            self._pause(number)
            os.environ[RESTARTED] = f"{why}, and started again"
            os.environ[RESTARTS] = str(number + 1)
            failed = self._start_anew(why)
            if not failed:
                return ""
        return failed

    def _pause(self, number: int) -> None:
        """Wait before a try, unless somebody else brings the engine back; the first goes at once.

        Within the wait our own state stays fresh, for who looks.
        """
        backoff_s = self._settings.backoff_s * 2 ** max(0, number - 1) if number else 0.0
        ends = time.monotonic() + min(_MOST_PAUSE_S, backoff_s)
        while (left := ends - time.monotonic()) > 0 and not engine_answers(self._paths.socket):
            self._show(self._standing, f"{self._text.split('; next')[0]}; next try in {left:.0f} s")
            time.sleep(min(left, 1.0))

    def _start_anew(self, why: str) -> str:
        """Start the engine once; return why it does not run, empty when it does."""
        try:
            starting = self.started = start_engine(self._paths, self._greeting.passphrase)
            deadline = time.monotonic() + self._settings.restart_s
            while time.monotonic() < deadline:
                answers = engine_answers(self._paths.socket)
                if (gone := starting.why_not()) and not answers:
                    return gone
                if answers and self._runs():
                    clear_alert(self._paths)
                    text = f"{why}; it runs again"
                    self._note("restarted", text)
                    return ""
                time.sleep(0.05)
        except ClxError as error:
            return str(error)
        if starting.process is not None:
            # Two of them at one account would be worse than none.
            starting.process.kill()
            starting.process.wait()
        return f"it did not run {self._settings.restart_s:g} s after it was started again"

    def _rescue_now(self, failed: str) -> int:
        action = self._settings.action
        if action == "none":
            text = f"the engine cannot be brought back: {failed}; watchdog.action is none"
            raise_alert(self._paths, text)
            self._show("gave up", text)
            return 1
        try:
            did = self._rescue(action, self._greeting.passphrase)
        except ClxError as error:
            text = f"the engine cannot be brought back: {failed}; {action} failed: {error}"
            raise_alert(self._paths, text)
            self._note("rescue failed", text)
            self._show("gave up", text)
            return 1
        text = f"the engine cannot be brought back: {failed}; {action}: {did}"
        raise_alert(self._paths, text)
        self._note("acted", text)
        self._show("acted", text)
        return 0

    def _note(self, what: str, text: str) -> None:
        sys.stderr.write(f"{what}: {text}\n")
        pid = self._greeting.engine_pid
        event = WatchdogEvent(ts_ns=time.time_ns(), engine_pid=pid, what=what, text=text)
        note(self._paths, event)

    def _show(self, standing: Standing, text: str) -> None:
        self._standing, self._shown_at = standing, time.monotonic()
        self._text = text
        write_state(
            self._paths,
            WatchdogState(
                pid=os.getpid(),
                engine_pid=self._greeting.engine_pid,
                standing=standing,
                beat_ns=self._beat_ns,
                lag_ms=self._lag_ms,
                worst_lag_ms=self._worst_ms,
                warn_s=self._settings.warn_s,
                kill_s=self._settings.kill_s,
                action=self._settings.action,
                ran=self._running,
                text=text,
            ),
        )


def _restarts() -> int:
    """Return how often this engine's line was restarted; a mark without a count is one."""
    count = os.environ.get(RESTARTS, "")
    return int(count) if count.isdecimal() else int(RESTARTED in os.environ)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _runs() -> bool:
    """Return whether the engine says that it runs."""
    from clx.client import ask
    from core.model.commands import GetStatus, StatusReport

    try:
        report: StatusReport = ask(GetStatus(), timeout_s=5.0)
    except ClxError:
        return False
    return report.status.phase == "running"
