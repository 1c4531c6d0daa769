"""The engine's own cost: the daemon as users run it, on the demo market and idle.

Emulator, engine and one client that draws a chart at 10 frames a second are processes of their
own; what is read is the engine process's CPU time and resident memory from /proc. There is no peer
for a whole engine: the targets are the house's own budget.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from core.model.commands import GetStatus
from core.model.ids import InstrumentId
from core.model.views import View
from link.client import UnixLink
from store.paths import Paths, find_paths

SECONDS = 20.0
WATCHED = tuple(
    InstrumentId(f"{base}-USDT.binance") for base in ("BTC", "ETH", "SOL", "BNB", "XRP", "DOGE")
)
BUSY = "[emulator]\nevents_per_second = 400\nhistory_days = 30\n"
IDLE = f"{BUSY}[engine]\nwatchlist = []\n[models.tiny-1m]\nenabled = false\n"


def run() -> list[dict[str, Any]]:
    if not Path("/proc/self/stat").exists():
        return [_row("engine CPU and memory", 0.0, 0.0, "needs /proc (Linux)", "")]
    busy, memory, frames = _daemon(BUSY, View(focus=WATCHED[0], quotes=WATCHED, fps=10))
    idle, _, _ = _daemon(IDLE, View())
    return [
        _row(f"engine, 6 instruments, {frames:,.0f} messages/s", busy, 15.0, "of a core", "%"),
        _row("engine memory, 6 instruments", memory, 250.0, "resident", "MB"),
        _row("engine, nothing subscribed", idle, 1.0, "of a core", "%"),
    ]


def _row(name: str, ours: float, limit: float, what: str, unit: str) -> dict[str, Any]:
    return {
        "name": name,
        "ours": ours,
        "peer": None,
        "ratio": ours / limit if limit else 0.0,
        "target": f"<= {limit:g} {what}",
        "unit": unit,
        "ok": ours <= limit,
    }


def _daemon(config: str, view: View) -> tuple[float, float, float]:
    """Return per cent of a core, resident MB and frames a second."""
    with tempfile.TemporaryDirectory(prefix="clx") as folder:
        home = Path(folder)
        (home / "config.toml").write_text(config)
        env = {**os.environ, "CLX_HOME": folder}
        command = [sys.executable, "-m", "clx", "daemon"]
        subprocess.run([*command, "start"], env=env, check=True, capture_output=True)
        try:
            return asyncio.run(_watch(find_paths({"CLX_HOME": folder}), view))
        finally:
            subprocess.run([*command, "stop"], env=env, check=True, capture_output=True)


async def _watch(paths: Paths, view: View) -> tuple[float, float, float]:
    link = UnixLink(paths.socket, origin="cli")
    link.watch(view)
    following = asyncio.create_task(link.run())
    await link.request(GetStatus())
    await asyncio.sleep(10.0)  # histories, first pictures
    first = (await link.request(GetStatus())).status.frames
    used, start = _cpu_s(link.pid), time.perf_counter()
    await asyncio.sleep(SECONDS)
    took = time.perf_counter() - start
    used = _cpu_s(link.pid) - used
    frames = (await link.request(GetStatus())).status.frames - first
    memory = _resident_mb(link.pid)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    return 100 * used / took, memory, frames / took


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
