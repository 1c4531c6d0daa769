"""The real terminal face on a real pty: attached here and through ssh, and not read from."""

import fcntl
import os
import pty
import re
import stat
import struct
import sys
import termios
from collections.abc import Iterator
from typing import Any

import pytest

ROWS, COLUMNS = 36, 120
ESCAPES = re.compile(r"\x1b(\[[0-9;?<>=]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|.)")


class Terminal:
    """A program on a pty, and what it has drawn so far."""

    def __init__(self, home: Any, *words: str, **env: str) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        os.set_blocking(self._ours, False)
        self.process = home.spawn(
            *("-m", "clx", *words),
            env={**home.env, "TERM": "xterm-256color", **env},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.drawn = ""
        self._waiting = -1
        self._same = 0

    def read(self) -> str:
        """Take what was drawn since the last look, without escape sequences."""
        try:
            new = os.read(self._ours, 1 << 20).decode(errors="replace")
        except (BlockingIOError, OSError):
            return ""
        new = ESCAPES.sub("", new)
        self.drawn += new
        return new

    def shows(self, words: str) -> bool:
        """Return whether words were drawn by now."""
        self.read()
        return words in self.drawn

    def stuck(self) -> bool:
        """Return whether nothing more was written for half a second of looks."""
        waiting = struct.unpack("i", fcntl.ioctl(self._ours, termios.FIONREAD, bytes(4)))[0]
        self._same = self._same + 1 if waiting == self._waiting else 0
        self._waiting = waiting
        return waiting > 0 and self._same > 50

    def close(self) -> None:
        """Hang up, as a closed terminal does; no SIGHUP follows, as it leads no session of one."""
        if self._ours >= 0:
            os.close(self._ours)
        self._ours = -1


@pytest.fixture
def terminal(shared) -> Iterator[Any]:
    opened: list[Terminal] = []

    def open_one(*words: str, **env: str) -> Terminal:
        opened.append(Terminal(shared, *words, **env))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


@pytest.mark.slow
async def test_terminal_that_is_not_read_from_holds_up_nobody(shared, terminal):
    stuck = terminal("attach")
    async with shared.attach() as client:
        await client.live()
        await client.until(lambda: stuck.shows("BTC-USDT"), "the terminal to draw")
        # From here on nobody reads: the pty fills, then the terminal's own loop stands still.
        await client.until(stuck.stuck, "the pty to be full")
        for number in range(10):
            order_id = f"clxc-blind-{number}"
            await client.submit(order_id, "buy" if number % 2 else "sell", "0.01")
            await client.reaches(order_id, "filled")
        await client.agrees()
        assert stuck.process.poll() is None
        stuck.drawn = ""
        await client.until(lambda: stuck.shows("0.01"), "the terminal to draw again")


@pytest.mark.slow
async def test_terminal_through_ssh_shows_the_far_market_and_its_end_stops_nothing(
    shared, terminal
):
    folder = shared.root / "bin"
    folder.mkdir()
    fake = folder / "ssh"
    fake.write_text(f'#!/bin/sh\nCLX_HOME="{shared.root}" exec "{sys.executable}" -m clx bridge\n')
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    nowhere = shared.root / "elsewhere"
    nowhere.mkdir()
    far = terminal(
        "attach",
        "ssh://trader@far.example",
        CLX_HOME=str(nowhere),
        PATH=f"{folder}{os.pathsep}{os.environ['PATH']}",
    )
    async with shared.attach() as client:
        await client.live()
        await client.until(lambda: far.shows("BTC-USDT") and far.shows("SIM"), "the far market")
        far.process.kill()
        await client.submit("clxc-alone", "buy", "0.01")
        await client.reaches("clxc-alone", "filled")


@pytest.mark.slow
async def test_face_ends_with_its_terminal_though_no_signal_tells_it(shared, terminal):
    left = terminal("attach")
    async with shared.attach() as client:
        await client.until(lambda: left.shows("BTC-USDT"), "the terminal to draw")
        left.close()
        await client.until(lambda: left.process.poll() is not None, "the face to end")
        assert left.process.returncode == 129
        await client.live()
