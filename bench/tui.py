"""The terminal face on a real pty: first paint, bytes to the terminal, key to paint.

The daemon runs as users run it, on a market much busier than the demo one, and `clx` is executed
on a pseudo terminal of 80 x 24 with all colours. Keys are pressed while `bench.flood`, which costs
little of the machine itself, sends at a fixed rate; the rate that arrived is reported. The peer of
the first paint is a Textual app of one label, started in turns with ours: the floor that
interpreter and framework set.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import random
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

STARTS = 9
SECONDS = 15.0
PRESSES = 250
DEMO = 500
"""Events a second and instrument; six instruments make about as many messages a second."""
FLOOD = 2_000
"""Messages a second while keys are pressed."""
BARE = """
from textual.app import App
from textual.widgets import Static
class Bare(App):
    def compose(self):
        yield Static("bare-label", markup=False)
Bare().run()
"""
PANES = ((b"5", b"positions yet"), (b"6", b"fills yet"))
"""Keys that turn to another list, and words only that list shows while nothing was traded.

Cells that stay as they are, such as those of the word before, are not sent again.
"""

SIDES = ((b"Q", b"DATA QUALITY"), (b"m", b"MARKETS"))
LOOKS = (
    ("depth of the book", b"v", b"BIDS"),
    ("heatmap of the book", b"v", b"heatmap"),
    ("markets", b"m", b"MARKETS"),
    ("data quality", b"Q", b"DATA QUALITY"),
)
"""A picture or screen, the key that turns to it from the one before, and words it alone shows."""


def run() -> list[dict[str, Any]]:
    with engine(DEMO) as env:
        ours, bare = first_paints(env)
        with terminal(clx(), env) as screen:
            screen.until(b"[1m]")
            screen.read(3.0)
            rate = len(screen.read(SECONDS)) / SECONDS / 1000
            others = [_rate(screen, *look) for look in LOOKS]
    with flood(FLOOD) as venue, daemon(venue) as env, terminal(clx(), env) as screen:
        screen.until(b"[1m]")
        screen.read(3.0)
        before, start = messages(env), time.perf_counter()
        delays = sorted(presses(screen, PANES))
        arriving = (messages(env) - before) / (time.perf_counter() - start)
        screen.press(b"m")
        screen.until(b"MARKETS")
        screen.read(3.0)
        turns = sorted(presses(screen, SIDES))
    p99 = _p99(delays)
    middle = delays[len(delays) // 2] * 1000
    return [
        _row("clx: exec to first paint of the chart", ours, bare, 0.3, "s"),
        _row("bytes to an 80x24 terminal, busy market, 10 Hz", rate, None, 15.0, "kB/s"),
        *(_row(f"the same, {what}", kilobytes, None, 15.0, "kB/s") for what, kilobytes in others),
        _row(f"key to paint, {arriving:,.0f} messages/s, median", middle, None, 50.0, "ms"),
        _row(f"key to paint, {arriving:,.0f} messages/s, p99", p99, None, 50.0, "ms"),
        _row("key to paint between full screens, p99", _p99(turns), None, 50.0, "ms"),
    ]


def _row(name: str, ours: float, peer: float | None, limit: float, unit: str) -> dict[str, Any]:
    return {
        "name": name,
        "ours": ours,
        "peer": peer,
        "ratio": ours / (peer or limit),
        "target": f"<= {limit:g}",
        "unit": unit,
        "ok": ours <= limit,
    }


def _p99(delays: list[float]) -> float:
    """Return the 99th percentile of sorted seconds in milliseconds."""
    return delays[int(len(delays) * 0.99)] * 1000


def _rate(screen: Screen, what: str, key: bytes, words: bytes) -> tuple[str, float]:
    """Turn to a picture or screen and return what it costs in kB/s."""
    screen.press(key)
    screen.until(words)
    screen.read(3.0)
    return what, len(screen.read(SECONDS)) / SECONDS / 1000


def clx() -> list[str]:
    return [str(Path(sys.executable).with_name("clx"))]


def engine(events: int) -> AbstractContextManager[dict[str, str]]:
    """A daemon of its own beside an emulator."""
    return daemon(f"[emulator]\nevents_per_second = {events}\nhistory_days = 30\n")


@contextmanager
def flood(rate: int) -> Iterator[str]:
    """A venue that sends so many messages a second, and the settings that follow it on paper."""
    command = [sys.executable, "-m", "bench.flood", str(rate)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sender:
        assert sender.stdout is not None
        port = sender.stdout.readline().strip()
        try:
            yield (
                f'mode = "paper"\n[feeds.binance]\nrest_url = "http://127.0.0.1:{port}"\n'
                f'stream_url = "ws://127.0.0.1:{port}"\n'
            )
        finally:
            sender.kill()


@contextmanager
def daemon(settings: str) -> Iterator[dict[str, str]]:
    """A daemon of its own, and the environment in which `clx` finds it."""
    with tempfile.TemporaryDirectory(prefix="clx") as folder:
        (Path(folder) / "config.toml").write_text(settings)
        env = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
        # Installed programs have their byte code on disk.
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        env |= {
            "CLX_HOME": folder,
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "LANG": "C.UTF-8",
        }
        try:
            done = subprocess.run(
                [*clx(), "daemon", "start"], env=env, check=False, capture_output=True, text=True
            )
            if done.returncode:
                raise RuntimeError(f"no daemon: {done.stderr}")
            yield env
        finally:
            subprocess.run([*clx(), "daemon", "stop"], env=env, check=False, capture_output=True)


def messages(env: dict[str, str]) -> int:
    """Return how many messages the engine has received."""
    command = [*clx(), "status", "--format", "json"]
    done = subprocess.run(command, env=env, check=True, capture_output=True)
    frames: int = json.loads(done.stdout)["status"]["frames"]
    return frames


class Screen:
    """The reading end of a terminal somebody draws on."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def until(self, words: bytes, timeout_s: float = 20.0) -> float:
        """Read until the words were painted; return when."""
        seen = b""
        end = time.perf_counter() + timeout_s
        while words not in seen:
            left = end - time.perf_counter()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                raise TimeoutError(f"{words!r} was not painted in {timeout_s} s: {seen[-500:]!r}")
            seen = seen[-4000:] + self._read()
        return time.perf_counter()

    def read(self, seconds: float) -> bytes:
        """Read everything for a while."""
        out = bytearray()
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            if select.select([self.fd], [], [], left)[0]:
                out += self._read()
        return bytes(out)

    def _read(self) -> bytes:
        try:
            return os.read(self.fd, 65536)
        except OSError as error:
            raise EOFError("the program on the terminal has ended") from error

    def press(self, key: bytes) -> None:
        os.write(self.fd, key)


@contextmanager
def terminal(command: list[str], env: dict[str, str]) -> Iterator[Screen]:
    """Execute a program on a pseudo terminal of 80 x 24."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        command, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    screen = Screen(ours)
    try:
        yield screen
    finally:
        process.send_signal(signal.SIGTERM)
        end = time.monotonic() + 10
        while process.poll() is None and time.monotonic() < end:
            _drain(screen)
        process.kill()
        process.wait()
        os.close(ours)


def _drain(screen: Screen) -> None:
    try:
        screen.read(0.05)
    except EOFError:
        time.sleep(0.05)


def first_paints(env: dict[str, str]) -> tuple[float, float]:
    """Return the medians of ours and of the bare app, started in turns."""
    ours, bare = [], []
    bare_command = [sys.executable, "-c", BARE]
    for number in range(STARTS + 1):
        pairs: tuple[tuple[list[str], bytes, Callable[[float], None]], ...] = (
            # The frame around it names its timeframe, the chart alone its lines.
            (clx(), b"EMA", ours.append),
            (bare_command, b"bare-label", bare.append),
        )
        for command, words, keep in pairs:
            start = time.perf_counter()
            with terminal(command, env) as screen:
                seconds = screen.until(words) - start
            if number:  # the first one writes byte code and warms the disk cache
                keep(seconds)
    return sorted(ours)[STARTS // 2], sorted(bare)[STARTS // 2]


def presses(screen: Screen, turns: tuple[tuple[bytes, bytes], ...]) -> list[float]:
    """Turn from one to the other; return the seconds each took to be painted."""
    out = []
    dice = random.Random(7)
    for number in range(PRESSES):
        key, words = turns[number % 2]
        screen.read(dice.uniform(0.04, 0.14))
        start = time.perf_counter()
        screen.press(key)
        out.append(screen.until(words) - start)
    return out
