"""A whole clx in a folder of its own: emulator, engine and command line as real processes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0


class Home:
    """One installation: `CLX_HOME`, its processes, and ways to ask them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.env = {**os.environ, "CLX_HOME": str(root)}
        self.env.pop("NO_COLOR", None)

    def configure(self, text: str) -> None:
        """Write the settings file."""
        (self.root / "config.toml").write_text(text)

    def clx(self, *words: str, check: bool = True, timeout_s: float = 90) -> str:
        """Run a verb and return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "clx", *words],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(
                f"clx {' '.join(words)} -> {done.returncode}\n{done.stdout}{done.stderr}{self.log()}"
            )
        return done.stdout + (done.stderr if not check else "")

    def ask(self, *words: str) -> Any:
        """Run a verb and return its JSON."""
        return json.loads(self.clx(*words, "--format", "json"))

    def emulator(self) -> dict[str, Any]:
        """Return the emulator's state file."""
        found: dict[str, Any] = json.loads((self.root / "run" / "emulator.json").read_text())
        return found

    def control(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Ask the emulator's control endpoint."""
        state = self.emulator()
        request = urllib.request.Request(
            f"http://127.0.0.1:{state['port']}/_ctl/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "X-Clx-Control": state["control_token"],
                "Content-Type": "application/json",
            },
            method="GET" if body is None else "POST",
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    def engine_pid(self) -> int:
        """Return the running engine's pid."""
        return int(self.ask("status")["status"]["pid"])

    def kill_engine(self) -> None:
        """End the engine as a crash does."""
        pid = self.engine_pid()
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not alive(pid), "the engine to be gone")

    def log(self) -> str:
        """Return the end of the engine's log."""
        log = self.root / "data" / "engine.log"
        return "\n".join(log.read_text().splitlines()[-30:]) if log.exists() else ""

    def close(self) -> None:
        """Stop every process of this home, whatever state it is in."""
        self.clx("daemon", "stop", check=False)
        for name in ("emulator.json",):
            file = self.root / "run" / name
            if file.exists():
                pid = int(json.loads(file.read_text())["pid"])
                if alive(pid):
                    os.kill(pid, signal.SIGKILL)


def alive(pid: int) -> bool:
    """Return whether a process runs (a zombie does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_until(condition: Any, what: str, patience_s: float = PATIENCE_S) -> Any:
    """Poll a condition of other processes until it holds."""
    deadline = time.monotonic() + patience_s
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience_s:g} s for {what}")
        time.sleep(0.02)
    return found


@pytest.fixture
def home() -> Iterator[Home]:
    # Not tmp_path: a unix socket's path may have 107 bytes at most.
    root = Path(tempfile.mkdtemp(prefix="clx-"))
    made = Home(root)
    made.configure("[emulator]\nhistory_days = 3\n[engine]\nhistory_bars = 300\n")
    yield made
    made.close()
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def running(home: Home) -> Home:
    home.clx("daemon", "start")
    return home
