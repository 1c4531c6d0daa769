"""How far a long row is, said now and then, and when the time it may take is over."""

from __future__ import annotations

import sys
import time

SAID_EVERY_S = 10.0
LEAST_S = 30.0
"""What a limited row gets for its cases at least, however long it took to find them."""


class Progress:
    """Counts what is played of a row."""

    def __init__(self, what: str, limit_s: float | None = None) -> None:
        """`limit_s` is how long it may go on, None for ever; nothing is said of a row unnamed."""
        self.what = what
        self.begun_s = time.monotonic()
        self.ends_s = float("inf") if limit_s is None else self.begun_s + limit_s
        """By `time.monotonic`, which processes share."""
        self.planned = 0
        self.played = 0
        self._said_s = self.begun_s

    @property
    def limited(self) -> bool:
        """Whether it may end before all is played."""
        return self.ends_s != float("inf")

    @property
    def over(self) -> bool:
        """Whether its time is over."""
        return time.monotonic() > self.ends_s

    def plan(self, count: int) -> None:
        """Take it that so many are to be played from now on."""
        self.planned = count
        self.ends_s = max(self.ends_s, time.monotonic() + LEAST_S)

    def step(self, flaws: int, count: int = 1) -> None:
        """Take it that more is played; say so if that is due."""
        self.played += count
        now_s = time.monotonic()
        if self.what and now_s - self._said_s >= SAID_EVERY_S:
            self._said_s = now_s
            took_s = now_s - self.begun_s
            of = f" of {self.planned:,}" if self.planned else ""
            text = f"  {self.what}: {self.played:,}{of}, {flaws} flaws, {took_s:.0f} s"
            print(text, file=sys.stderr, flush=True)


def row(name: str, progress: Progress, flaws: list[str], target: int, unit: str = "cases",
        seed: int = 7) -> dict[str, object]:  # fmt: skip
    """Return a line of the benchmarks' table: what was played, of which nothing may be flawed.

    A row whose time is limited is held to no number: how much is played is the machine's.
    """
    for flaw in flaws:
        print(f"FLAW (seed {seed}):", flaw)
    played, planned = progress.played, progress.planned
    enough = played > 0 if progress.limited else played >= target
    part = f" of {planned:,}" if played < planned else ""
    return {
        "name": f"{name} (seed {seed})",
        "ours": f"{played:,}{part}",
        "peer": None,
        "ratio": None,
        "target": "no flaw" if progress.limited else f">= {target:,}, no flaw",
        "unit": unit,
        "ok": enough and not flaws,
    }
