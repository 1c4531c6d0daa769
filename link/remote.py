"""An engine on another machine, through the user's own ssh.

::

    StreamLink ── pipes ── ssh host clx bridge ── unix socket ── engine
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from pathlib import Path
from typing import Final

from core.model.errors import ConfigError, LinkError
from core.model.ids import OriginKind
from core.wire.backoff import Backoff
from link.client import StreamLink, open_socket

SSH_TIMEOUT_S: Final = 30.0
"""How long logging in and reaching the engine may take."""
_URL: Final = re.compile(
    r"ssh://(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9._-]*)@)?"
    r"(?P<host>[A-Za-z0-9_][A-Za-z0-9._-]*|\[[0-9A-Fa-f:]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<socket>/[^\s'\"\\$`;|&<>]*)?"
)
_CHUNK: Final = 64 << 10
_STDERR_LINES: Final = 5


def ssh_command(url: str) -> list[str]:
    """Return the ssh call that reaches the engine of ``ssh://[user@]host[:port][/socket]``.

    Raises:
        ConfigError: The address is not of this form.
    """
    found = _URL.fullmatch(url)
    if found is None:
        raise ConfigError(f"remote must be ssh://[user@]host[:port][/path/to/socket], was {url!r}")
    port = found["port"]
    if port is not None and not 0 < int(port) < 65536:
        raise ConfigError(f"ssh port must be 1 to 65535, was {port}")
    host = found["host"].strip("[]")
    # BatchMode: a password question would be drawn over the terminal face.
    call = ["ssh", "-T", "-o", "BatchMode=yes", "-o", "ServerAliveInterval=5"]
    call += ["-o", "ServerAliveCountMax=3"]
    call += ["-p", port] if port else []
    call += ["--", f"{found['user']}@{host}" if found["user"] else host, "clx", "bridge"]
    socket = found["socket"]
    return [*call, socket] if socket and socket != "/" else call


class SshLink(StreamLink):
    """A link to an engine behind ssh; logging in must need no question (key or agent)."""

    def __init__(
        self, url: str, *, origin: OriginKind = "tui", backoff: Backoff | None = None
    ) -> None:
        """Build the link.

        Raises:
            ConfigError: The address is malformed.
        """
        call = ssh_command(url)
        super().__init__(
            lambda: open_process(call),
            origin=origin,
            open_timeout_s=SSH_TIMEOUT_S,
            backoff=backoff,
        )
        self.url = url


class ProcessChannel:
    """The pipes of a child process; its last words on stderr are why it left."""

    def __init__(self, process: Process) -> None:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stderr is not None
        self.reader = process.stdout
        self.writer = process.stdin
        self._process = process
        self._stderr = process.stderr
        self._said: deque[str] = deque(maxlen=_STDERR_LINES)
        self._listener = asyncio.create_task(self._listen())

    async def close(self) -> str:
        """End the process and return its last words."""
        try:
            await self._end()
        except asyncio.CancelledError:
            # Nobody waits for its end any more: it must not outlive us.
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            self._listener.cancel()
            await self._process.wait()
            raise
        return "; ".join(self._said)

    async def _end(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()
        try:
            async with asyncio.timeout(1.0):
                await self._process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        await self._listener

    async def _listen(self) -> None:
        # A line too long for the reader's limit is noise, not a reason.
        with contextlib.suppress(ValueError):
            while line := await self._stderr.readline():
                text = line.decode("utf-8", "replace").strip()
                if text:
                    self._said.append(text[:300])


async def open_process(call: list[str]) -> ProcessChannel:
    """Start a program that speaks the link's protocol on its pipes.

    Raises:
        LinkError: It cannot be started.
    """
    try:
        process = await asyncio.create_subprocess_exec(*call, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    except OSError as error:
        raise LinkError(f"cannot run {call[0]}: {error.strerror or error}") from error
    return ProcessChannel(process)


def bridge(path: Path) -> None:
    """Copy standard input to an engine's socket and back until either end closes.

    Raises:
        LinkError: No engine listens at `path`.
    """
    asyncio.run(_bridge(path))


async def _bridge(path: Path) -> None:
    channel = await open_socket(path)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    # Our own copies, so that closing the transports leaves the interpreter's streams alone.
    keyboard = os.fdopen(os.dup(sys.stdin.fileno()), "rb", buffering=0)
    screen = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    incoming, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), keyboard
    )
    outgoing, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, screen)
    writer = asyncio.StreamWriter(outgoing, protocol, None, loop)
    copies = {
        asyncio.create_task(_copy(reader, channel.writer)),
        asyncio.create_task(_copy(channel.reader, writer)),
    }
    try:
        await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for copy in copies:
            copy.cancel()
        await asyncio.gather(*copies, return_exceptions=True)
        incoming.close()
        outgoing.close()
        await channel.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
