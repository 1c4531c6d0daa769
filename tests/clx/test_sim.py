"""The simulated market's process, as SIM mode and the verbs about data start it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from clx.cli.daemon import daemon
from clx.sim import EmulatorAddress, await_emulator, emulator_log, start_emulator
from core.model.errors import LinkError, TemporaryError
from core.model.settings import EmulatorSettings
from store.paths import find_paths, make_folders


def test_a_home_that_is_not_there_yet_is_made_and_an_end_at_once_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = find_paths({"CLX_HOME": str(tmp_path / "new" / "home")})
    ends = tmp_path / "ends"
    ends.write_text("#!/bin/sh\necho no market today\nexit 1\n")
    ends.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(ends))
    process = start_emulator(EmulatorSettings(), paths)
    assert process is not None
    with pytest.raises(TemporaryError, match="the emulator stopped at once: no market today"):
        await_emulator(process, paths)
    assert emulator_log(paths).stat().st_mode & 0o777 == 0o600


def test_a_market_without_an_engine_is_stopped_with_the_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLX_HOME", str(tmp_path))
    paths = find_paths()
    make_folders(paths)
    listens = "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1])"
    market = subprocess.Popen(
        [sys.executable, "-c", f"{listens}; import sys; sys.stdout.flush(); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert market.stdout is not None
    address = EmulatorAddress(
        pid=market.pid, port=int(market.stdout.readline()), api_key="", api_secret="", rest_url="",
        stream_url="", ws_api_url="",
    )  # fmt: skip
    paths.emulator_state.write_bytes(msgspec.json.encode(address))
    done = CliRunner().invoke(daemon, ["stop"], standalone_mode=False)
    assert done.exception is None
    assert "the simulated market is stopped" in done.output
    market.communicate()
    assert market.returncode == -signal.SIGTERM
    again = CliRunner().invoke(daemon, ["stop"], standalone_mode=False)
    assert isinstance(again.exception, LinkError)
