"""How the watchdog stands, in one line."""

from __future__ import annotations

import datetime as dt
import time

from clx.spawn import alive
from clx.watchdog.state import alert_file, read_state
from store.paths import Paths

_LATE_NS = 10_000_000_000


def watchdog_line(paths: Paths) -> tuple[bool, str]:
    """Return whether all is well with the watchdog, and how it stands in words."""
    state = read_state(paths)
    if state is None:
        return True, "none ran yet; the engine starts it (watchdog.enabled)"
    seen = "no sign of life yet"
    if state.beat_ns:
        at = dt.datetime.fromtimestamp(state.beat_ns / 1e9, dt.UTC)
        late_ms = f"{state.worst_lag_ms:.0f} ms late at worst"
        seen = f"last sign of life {at:%Y-%m-%d %H:%M:%S}, its loop {late_ms}"
    text = f": {state.text}" if state.text else ""
    line = f"{state.standing}, engine {state.engine_pid}, {seen}{text}"
    if alert_file(paths).exists():
        return False, f"{line} (alert: {alert_file(paths)})"
    if not alive(state.pid) and alive(state.engine_pid):
        return False, f"it is gone while engine {state.engine_pid} runs; {line}"
    late = time.time_ns() - state.beat_ns > _LATE_NS and alive(state.engine_pid)
    return not (late and state.beat_ns), line
