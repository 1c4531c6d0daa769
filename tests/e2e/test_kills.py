"""Processes that are really killed at their writes: engines, and the venue they trade at.

The bench is run as a program: it forks, and whoever forks must have neither loop nor thread.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[2]


def kills(*options: str) -> tuple[int, str]:
    """Play a share of the matrix; return how many cases, and all that was said."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.kills", "--slots", "3", *options],
        cwd=ROOT, capture_output=True, text=True, timeout=220, check=False,
    )  # fmt: skip
    said = f"{done.stdout}\n{done.stderr}"
    found = re.search(r"^(\d+) cases, 0 flaws", done.stdout, re.MULTILINE)
    assert found, said
    assert done.returncode == 0, said
    return int(found[1]), said


def test_engine_killed_at_its_writes_ends_up_equal_to_the_venue() -> None:
    cases, said = kills("--only", "fill", "--every", "11")
    assert cases >= 20
    places = set(re.findall(r"^ +[1-9]\d*  (.*)$", said, re.MULTILINE))
    assert places & {"before journal", "amid journal", "after journal"}
    assert places & {"before bytes", "amid bytes", "after bytes"}


def test_venue_killed_at_its_writes_comes_back_and_equals_the_engine() -> None:
    cases, said = kills("--venue", "--only", "bracket/fill", "--every", "12")
    assert cases >= 3
    assert re.search(r"^ +[1-9]\d*  (before|amid|after) (bytes|diary)$", said, re.MULTILINE)
