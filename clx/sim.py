"""The simulated market of SIM mode: finds the running emulator or starts one."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import msgspec
from pydantic import SecretStr

from clx.spawn import alive
from core.model.errors import TemporaryError
from core.model.settings import EmulatorSettings, FeedSettings, Settings, VenueSettings
from store.paths import Paths, make_folders

START_TIMEOUT_S = 30.0


class EmulatorAddress(msgspec.Struct, frozen=True, kw_only=True):
    """Where the emulator listens and the key of its one account."""

    pid: int
    port: int
    api_key: str
    api_secret: str
    rest_url: str
    stream_url: str
    ws_api_url: str
    control_token: str = ""
    label: str = ""
    """What its market is, in words: how many checks of real markets it passes."""

    def __repr__(self) -> str:
        """Leave the secret out."""
        return f"EmulatorAddress(pid={self.pid}, port={self.port})"


def start_emulator(settings: EmulatorSettings, paths: Paths) -> subprocess.Popen[bytes] | None:
    """Start the emulator unless one answers; does not wait for it.

    It outlives the engine on purpose: it is the venue, and a venue does not forget its orders
    because a client crashed.
    """
    if running_emulator(paths) is not None:
        return None
    paths.emulator_state.unlink(missing_ok=True)
    # A verb that needs no engine may be the first thing ever run in this home.
    make_folders(paths)
    log = emulator_log(paths)
    env = {**os.environ}
    env["CLX_EMULATOR_KEY"] = secrets.token_hex(32)
    env["CLX_EMULATOR_SECRET"] = secrets.token_hex(32)
    with log.open("ab") as out:
        log.chmod(0o600)
        return subprocess.Popen(  # noqa: S603  our own interpreter and module
            [
                sys.executable,
                "-m",
                "emulator",
                f"--port={settings.port}",
                f"--seed={settings.seed}",
                f"--history-days={settings.history_days}",
                f"--events-per-second={settings.events_per_second:g}",
                f"--state-file={paths.emulator_state}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            cwd="/",
            env=env,
        )


def await_emulator(process: subprocess.Popen[bytes] | None, paths: Paths) -> EmulatorAddress:
    """Wait until the emulator answers and return its address.

    Raises:
        TemporaryError: It did not start; carries its last words.
    """
    log = emulator_log(paths)
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        found = running_emulator(paths)
        if found is not None:
            return found
        if process is not None and process.poll() is not None:
            words = log.read_text(errors="replace").strip().splitlines()[-1:]
            raise TemporaryError(f"the emulator stopped at once: {' '.join(words)} (log: {log})")
        time.sleep(0.02)
    raise TemporaryError(f"the emulator did not start within {START_TIMEOUT_S:g} s (log: {log})")


def emulator_log(paths: Paths) -> Path:
    """Return the file the emulator logs to."""
    return paths.data / "emulator.log"


def running_emulator(paths: Paths) -> EmulatorAddress | None:
    """Return the address of the emulator that runs, None when none answers."""
    try:
        address = msgspec.json.decode(paths.emulator_state.read_bytes(), type=EmulatorAddress)
    except (OSError, msgspec.DecodeError):
        return None
    try:
        os.kill(address.pid, 0)
        with socket.create_connection(("127.0.0.1", address.port), timeout=1.0):
            return address
    except OSError:
        return None


def stop_emulator(paths: Paths, timeout_s: float = 10.0) -> bool:
    """Stop the running emulator; return whether there was one."""
    address = running_emulator(paths)
    if address is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(address.pid, signal.SIGTERM)
        deadline = time.monotonic() + timeout_s
        while alive(address.pid) and time.monotonic() < deadline:
            time.sleep(0.02)
    paths.emulator_state.unlink(missing_ok=True)
    return True


def account_of(emulator: EmulatorAddress) -> str:
    """Return a name for a simulated market, different for each run of an emulator."""
    return hashlib.sha256(emulator.api_key.encode()).hexdigest()[:8]


def market_file(paths: Paths, emulator: EmulatorAddress | None) -> Path:
    """Return where market data is kept: invented prices never mix with real ones."""
    if emulator is None:
        return paths.market_data
    return paths.data / f"market-sim-{account_of(emulator)}.sqlite"


def pointed_at(settings: Settings, emulator: EmulatorAddress) -> Settings:
    """Return settings whose feed and venue are the emulator; everything else is as it was."""
    feed = settings.feeds.get("binance", FeedSettings())
    venue = settings.venues.get("binance", VenueSettings())
    return settings.model_copy(
        update={
            "feeds": {
                "binance": feed.model_copy(
                    update={"rest_url": emulator.rest_url, "stream_url": emulator.stream_url}
                )
            },
            "venues": {
                "binance": venue.model_copy(
                    update={
                        "rest_url": emulator.rest_url,
                        "ws_api_url": emulator.ws_api_url,
                        "account": "",
                        "api_key": SecretStr(emulator.api_key),
                        "api_secret": SecretStr(emulator.api_secret),
                    }
                )
            },
        }
    )
