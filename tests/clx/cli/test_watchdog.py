"""A rescue waits for no compiler."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

RESCUE = """
from clx.cli.watchdog import compile_nothing
compile_nothing()
import random, pathlib
import clx.watchdog.rescue
from core.engine.clock import SystemClock
from core.feeds.registry import make_feed
from core.model.settings import FeedSettings
make_feed("binance", FeedSettings(), clock=SystemClock(), rng=random.Random(1), data=pathlib.Path())
"""


def test_a_rescue_compiles_no_kernels_where_none_are_kept(tmp_path: Path) -> None:
    kept = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", RESCUE], env=kept, check=True, timeout=170)
    assert list(tmp_path.rglob("*.nb?")) == []
