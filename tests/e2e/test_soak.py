"""A short soak: market in fast motion, with trouble, over real sockets and processes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_books_and_trades_survive_trouble_in_fast_motion() -> None:
    done = subprocess.run(
        [
            sys.executable, "-m", "bench.soak", "--venues", "binance,okx", "--speed", "30",
            "--hours", "0.08", "--limit-s", "12", "--strike-every-s", "2", "--seed", "11",
        ],
        cwd=ROOT, env={**os.environ}, capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    # Ten seconds are all warm-up: memory is for the long form to judge.
    said = done.stdout + done.stderr
    wrong = [line for line in re.findall(r"BREACH: (.*)", said) if "memory" not in line]
    figures = dict(re.findall(r"^ +(\w+)  (\S+)$", done.stdout, re.MULTILINE))
    assert not wrong, said
    assert int(figures["trades"]) > 100, said
    assert int(figures["struck"]) >= 1, said
    assert figures["books"] == "6", said
