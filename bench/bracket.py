"""How soon a bracket's stop protects again after the engine was killed: real programs throughout.

An engine on the emulated market opens a position with a stop and a target. Binance spot has no
brackets, so the engine holds the stop. The engine is killed (SIGKILL); while it is gone the market
falls beyond the stop, and stays there. Measured is from the exec of the next engine's program to
the stop's order at the venue, by the venue's clock, which is this machine's: interpreter, imports,
journal, connections, reconciliation, a book in sequence, and the target cancelled before the stop
goes. The peer is an interpreter that imports what the engine does, and nothing more.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

ROUNDS = 3
PATIENCE_S = 60.0
LIMIT_S = 3.0
IMPORTS = "import clx.daemon, clx.compose"
BTC, SYMBOL = "BTC-USDT.binance", "BTCUSDT"
CONFIG = """
mode = "sim"
[engine]
watchlist = ["BTC-USDT.binance"]
history_bars = 300
[models.tiny-1m]
enabled = false
[emulator]
history_days = 3
[watchdog]
enabled = false
"""


class Home:
    """A clx in a folder of its own, and the emulator beside it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.env = {key: v for key, v in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        self.env["CLX_HOME"] = str(root)
        (root / "config.toml").write_text(CONFIG)
        (root / "run").mkdir()
        self.engine: subprocess.Popen[bytes] | None = None
        self.state_file = root / "run" / "emulator.json"
        self.emulator = subprocess.Popen(
            [sys.executable, "-m", "emulator", f"--state-file={self.state_file}",
             "--history-days=3"],
            env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until(self.state_file.exists, "the emulator")
        self.address = json.loads(self.state_file.read_text())

    def start(self) -> float:
        """Start an engine; return the UTC seconds at which its program began."""
        with (self.root / "engine.log").open("ab") as log:
            began = time.time()
            self.engine = subprocess.Popen(
                [sys.executable, "-m", "clx.daemon"], env=self.env, stdout=log, stderr=log
            )
        return began

    def processor_s(self) -> float:
        """Return the processor time the engine has taken."""
        assert self.engine is not None
        stat = Path(f"/proc/{self.engine.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """End the engine as a crash does."""
        assert self.engine is not None
        self.engine.send_signal(signal.SIGKILL)
        self.engine.wait()

    def clx(self, *words: str) -> str:
        """Run a verb and return what it printed, whatever came of it."""
        command = [sys.executable, "-m", "clx", *words]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    def control(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Ask the emulator's control endpoint."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.address['port']}/_ctl/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "X-Clx-Control": self.address["control_token"],
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    def orders(self) -> dict[str, dict[str, Any]]:
        """Return every order of ours the venue ever had, by our id."""
        return {row["clientOrderId"]: row for row in self.control("oracle")["orders"]}

    def close(self) -> None:
        """End both programs."""
        for process in (self.engine, self.emulator):
            if process is not None:
                process.kill()
                process.wait()


class Fall:
    """Sells of the crowd, again and again, so that the market stays below a price."""

    def __init__(self, home: Home, price: Decimal) -> None:
        self._home = home
        self._price = price
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sell, daemon=True)

    def __enter__(self) -> None:
        self._press()
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _sell(self) -> None:
        while not self._ended.wait(0.1):
            self._press()

    def _press(self) -> None:
        self._home.control(
            "trade", {"symbol": SYMBOL, "side": "SELL", "qty": "400", "price": str(self._price)}
        )


def until(
    condition: Callable[[], Any], what: str, every_s: float = 0.02, words: Sequence[str] = ()
) -> Any:
    """Wait for something of another program."""
    ends = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        if time.monotonic() > ends:
            raise TimeoutError(f"waited {PATIENCE_S:g} s for {what}: {' | '.join(words)[-500:]}")
        time.sleep(every_s)
    return found


def bracket(home: Home, name: str) -> tuple[str, Decimal]:
    """Open a position with a stop and a target; return the stop's id and trigger."""
    bid = Decimal(home.control(f"book?symbol={SYMBOL}")["bids"][0][0])
    stop, target = round(bid * Decimal("0.998"), 1), round(bid * Decimal("1.05"), 1)
    words = ("bracket", "buy", "0.01", BTC, "--stop", str(stop), "--target", str(target))

    attempts = itertools.count()
    refusals: list[str] = []

    def placed() -> bool:
        # Refused while the engine has no book yet, and an id is good for one attempt.
        attempt = f"{name}-{next(attempts)}"
        said = home.clx(*words, "--id", attempt)
        if attempt in home.orders():
            return True
        refusals.append(said.strip())
        return False

    until(placed, "the entry to be at the venue", 0.2, refusals)
    held = until(
        lambda: [
            order
            for order in json.loads(home.clx("orders", "--format", "json") or "[]")
            if order["state"] == "held" and order["intent"]["group_id"]
        ],
        "the engine to hold the stop",
        0.2,
    )
    resting = [row for row in home.orders().values() if row["status"] == "NEW"]
    assert resting, "the target rests at the venue"
    return held[0]["intent"]["client_order_id"], stop


def once(home: Home, number: int) -> tuple[float, float]:
    """Return the seconds from a new engine's exec to the stop at the venue, and its processor's."""
    name, trigger = bracket(home, f"clxc-bracket{number}")
    home.kill()
    with Fall(home, round(trigger * Decimal("0.999"), 1)):
        assert name not in home.orders(), "the engine alone had the stop"
        began = home.start()
        row = until(lambda: home.orders().get(name), "the stop at the venue", 0.05)
        processor_s = home.processor_s()
    return float(row["time"]) / 1e3 - began, processor_s


def imports_s(env: dict[str, str]) -> float:
    """Return the seconds of a program that only imports what the engine does."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", IMPORTS], env=env, check=True)
    return time.perf_counter() - began


def run() -> list[dict[str, object]]:
    """Kill and start an engine some times."""
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=Path.cwd()) as folder:
        home = Home(Path(folder))
        try:
            # As `make install` does: what an engine finds compiled is none of its restart.
            subprocess.run([sys.executable, "-m", "clx.warm"], env=home.env, check=True)
            home.start()
            taken = [once(home, number) for number in range(ROUNDS)]
            peers = [imports_s(home.env) for _ in range(ROUNDS)]
        finally:
            home.close()
    ours, busy = (statistics.median(times) for times in zip(*taken, strict=True))
    peer = statistics.median(peers)
    name = f"kill -9 with a bracket, exec to the stop at the venue; median of {ROUNDS}"
    return [
        _row(name, ours, peer, "<= 3 s (peer: imports)", ok=ours <= LIMIT_S),
        _row("of it the engine's processor time", busy, None, "-", ok=True),
    ]


def _row(name: str, ours: float, peer: float | None, target: str, *, ok: bool) -> dict[str, object]:
    ratio = ours / peer if peer else None
    return {
        "name": name, "ours": ours, "peer": peer, "ratio": ratio, "target": target,
        "unit": "s", "ok": ok,
    }  # fmt: skip
