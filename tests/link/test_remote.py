from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from core.model.commands import Arm, GetStatus
from core.model.errors import ConfigError, LinkError
from core.model.ids import InstrumentId
from link.remote import SshLink, ssh_command
from link.server import LinkServer

BTC = InstrumentId("BTC-USDT.binance")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def fake_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An `ssh` that notes its arguments and runs the bridge here, as sshd would there."""
    script = tmp_path / "bin" / "ssh"
    script.parent.mkdir()
    script.write_text(
        f"""#!/bin/sh
echo "$@" > "{tmp_path}/args"
case "$*" in *refused*)
    echo "ssh: connect to host refused port 22: Connection refused" >&2; exit 255;;
esac
for last; do :; done
cd "{ROOT}" && exec "{sys.executable}" -c '
import sys, pathlib
from core.model.errors import ClxError
from link.remote import bridge
try:
    bridge(pathlib.Path(sys.argv[1]))
except ClxError as error:
    sys.exit(str(error))
' "$last"
"""
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(script.parent), prepend=":")
    return tmp_path / "args"


@pytest.mark.parametrize(
    ("url", "tail"),
    [
        ("ssh://box", ["--", "box", "clx", "bridge"]),
        ("ssh://me@box.lan:2222", ["-p", "2222", "--", "me@box.lan", "clx", "bridge"]),
        ("ssh://box/run/clx.sock", ["--", "box", "clx", "bridge", "/run/clx.sock"]),
        ("ssh://[fe80::1]", ["--", "fe80::1", "clx", "bridge"]),
    ],
)
def test_address_becomes_an_ssh_call(url: str, tail: list[str]) -> None:
    assert ssh_command(url)[-len(tail) :] == tail


@pytest.mark.parametrize(
    "url",
    ["ssh://", "box", "ssh://-oProxyCommand=x", "ssh://box:0", "ssh://box:70000", "ssh://a b",
     "ssh://box/x;rm", "ssh://box/$(x)"],
)  # fmt: skip
def test_address_that_could_mean_something_else_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="was"):
        ssh_command(url)


async def test_commands_and_facts_pass_through_ssh(
    server: LinkServer, following: Any, fake_ssh: Path
) -> None:
    async with following(SshLink(f"ssh://me@box{server.path}")) as link:
        assert (await link.request(GetStatus())).status.session == "s1"
        await link.request(Arm(instrument=BTC))
        assert link.replica.seq == 1
    called = await asyncio.to_thread(fake_ssh.read_text)
    assert called.endswith(f"-- me@box clx bridge {server.path}\n")


async def test_a_message_larger_than_a_pipe_passes_whole(
    server: LinkServer, face: Any, following: Any, fake_ssh: Path
) -> None:
    for _ in range(100):
        face.publish("x" * 20_000)
    async with following(SshLink(f"ssh://box{server.path}")) as link:
        await link.request(GetStatus())
        assert sum(len(alert.text) for alert in link.replica.alerts) == 2_000_000


async def test_words_of_ssh_are_the_reason(following: Any, fake_ssh: Path) -> None:
    async with following(SshLink("ssh://refused/x")) as link:
        with pytest.raises(LinkError, match="connect to host refused port 22: Connection refused"):
            await link.request(GetStatus())


async def test_words_of_the_bridge_are_the_reason(
    tmp_path: Path, following: Any, fake_ssh: Path
) -> None:
    async with following(SshLink(f"ssh://box{tmp_path}/none.sock")) as link:
        with pytest.raises(LinkError, match=r"no engine is listening at .*none\.sock"):
            await link.request(GetStatus())


async def test_engine_that_ends_is_seen_through_ssh_and_found_again(
    face: Any, socket_path: Path, serving: Any, following: Any, until: Any, fake_ssh: Path,
    backoff: Any,
) -> None:  # fmt: skip
    async with following(SshLink(f"ssh://box{socket_path}", backoff=backoff)) as link:
        async with serving(LinkServer(face, socket_path)):
            await until(lambda: link.state == "up")
        await until(lambda: link.state == "down")
        async with serving(LinkServer(type(face)(session="s2"), socket_path)):
            await until(lambda: link.state == "up")
            assert link.session == "s2"


async def test_missing_ssh_says_so(
    following: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    async with following(SshLink("ssh://box")) as link:
        with pytest.raises(LinkError, match="cannot run ssh: No such file"):
            await link.request(GetStatus())
