import os
import pty
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from core.model.commands import GetStatus
from link.peer import client_of

PROGRAM = str(Path(sys.executable).resolve())

_CONNECT = textwrap.dedent(
    """
    import fcntl, os, socket, sys, termios
    if len(sys.argv) > 2:
        fcntl.ioctl(int(sys.argv[2]), termios.TIOCSCTTY, 0)
    peer = socket.socket(socket.AF_UNIX)
    peer.connect(sys.argv[1])
    peer.recv(1)
    """
)


@pytest.fixture
def listening(tmp_path: Path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        yield server


def _client(listening, *words: str, env: dict[str, str], pass_fds: tuple[int, ...] = ()):
    """Start a program that connects, and return what the system says of it."""
    process = subprocess.Popen(
        [sys.executable, "-c", _CONNECT, listening.getsockname(), *words],
        env=env,
        start_new_session=True,
        pass_fds=pass_fds,
    )
    try:
        listening.settimeout(20)
        peer, _ = listening.accept()
        with peer:
            return process.pid, client_of(peer, os.getuid())
    finally:
        process.wait(20)


async def test_a_command_carries_who_asked_as_the_kernel_knows_it(face, link) -> None:
    await link.request(GetStatus())
    client = face.requests[-1].client
    assert (client.uid, client.pid) == (os.getuid(), os.getpid())
    assert client.exe == PROGRAM


def test_an_ssh_session_is_named_by_its_address_and_nothing_else_is_kept(listening) -> None:
    env = {"SSH_CONNECTION": "203.0.113.7 51000 198.51.100.2 22", "CLX_SECRET": "s3cret-of-the-env"}
    pid, client = _client(listening, env=env)
    assert (client.pid, client.ssh) == (pid, "203.0.113.7")
    assert "s3cret" not in repr(client)


def test_a_program_without_terminal_or_ssh_has_none(listening) -> None:
    _, client = _client(listening, env={})
    assert (client.tty, client.ssh) == ("", "")


def test_the_terminal_of_a_client_is_named(listening) -> None:
    ours, theirs = pty.openpty()
    try:
        _, client = _client(listening, str(theirs), env={}, pass_fds=(theirs,))
        assert client.tty == os.ttyname(theirs)
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_client_that_is_gone_is_still_told_apart(listening) -> None:
    peer = socket.socket(socket.AF_UNIX)
    peer.connect(listening.getsockname())
    accepted, _ = listening.accept()
    peer.close()
    with accepted:
        assert client_of(accepted, 7).uid == 7
