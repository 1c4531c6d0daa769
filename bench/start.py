"""How fast the command starts: `clx --help` against an interpreter that does nothing."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 15


def run() -> list[dict[str, object]]:
    """Time whole processes in turn, as the shell sees them."""
    clx = str(Path(sys.executable).with_name("clx"))
    ours: list[float] = []
    bare: list[float] = []
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    for _ in range(ROUNDS):
        ours.append(_seconds([clx, "--help"], env))
        bare.append(_seconds([sys.executable, "-c", "pass"], env))
    mine, floor = statistics.median(ours[1:]), statistics.median(bare[1:])
    return [
        {
            "name": "clx --help, whole process",
            "ours": mine,
            "peer": floor,
            "ratio": mine / floor,
            "target": "<= 0.2 s",
            "unit": "s",
            "ok": mine <= 0.2,
        }
    ]


def _seconds(command: list[str], env: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, env=env, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began
