"""Engines, or the venue, that are really killed: SIGKILL at every write of every kind of order.

::

    python -m bench.kills                       the engine, at Binance spot
    python -m bench.kills --venue               the venue instead; it starts again with its diary
    python -m bench.kills --site all --every 4  at the others as well, every fourth death
    python -m bench.kills --only bracket/fill --at 83   one death

One process imports everything and runs nothing: no loop, no thread. Of it are forked, for each
case, a venue (`emulator`, with a diary in a folder) and an engine, which talk over loopback as
ever. The one that is to die kills itself at its write number N:

    before the bytes go · half of them are with the kernel · all of them are

for commits of the journal and for what is sent. Half a commit is one the kernel breaks off, by a
limit of the file's size. The one that starts anew finds files and the other one, nothing else. What
is judged is what `bench.crashes` judges.
"""

from __future__ import annotations

import argparse
import functools
import gc
import importlib
import itertools
import logging
import os
import random
import resource
import select
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from bench.crashes import LIMIT_S, SEED, deaths_of, scratch
from bench.forks import Told, fork, receive, send
from bench.grounds import PATIENCE_S, Grounds
from bench.player import Player
from bench.progress import Progress, row
from bench.scenes import ACTIONS, GROUPS, SINGLES, Case
from bench.yard import SITES, make_emulator
from core.venues.kinds import KINDS
from emulator.app import Emulator

SLOTS = 8
"""Cases at once; most of a case is waiting."""
AWAY_S = 0.2
"""How long a venue is gone."""
_LAZY = ("aiohttp", "websockets.asyncio.client")
"""What programs import when they first need it, which here would be in each case anew."""


class Outcome(NamedTuple):
    """What came of a case."""

    case: Case
    passed: list[str]
    """Boundaries of a life that nothing ended."""
    deaths: list[str]
    flaws: list[str]


def play(case: Case, emulator: Emulator, *, venue: bool) -> Outcome:
    """Play a case with processes of its own; `venue`: it is the venue that dies."""
    deaths: list[str] = []
    with scratch() as folder:
        grounds = Grounds(emulator, SITES[case.site], folder)
        try:
            grounds.start(remembers=venue)
            for number in itertools.count(1):
                player = Player(case, grounds.path, folder, number, venue=venue)
                told, status = watch(*fork(player.live), grounds, deaths)
                if told is not None:
                    return Outcome(case, [] if told.unheard else told.passed, deaths, told.flaws)
                if status not in (-signal.SIGKILL, -signal.SIGXFSZ) or number > 5:
                    return Outcome(case, [], deaths, [f"engine {number} ended with {status}"])
                deaths.append("engine")
        finally:
            grounds.end()
    raise AssertionError


def watch(pid: int, pipe: int, grounds: Grounds, deaths: list[str]) -> tuple[Told | None, int]:
    """Wait for an engine's end, start the venue anew where it dies; return what was told."""
    end = time.monotonic() + 3 * PATIENCE_S
    told: Told | None = None
    while True:
        venue = os.pidfd_open(grounds.pid)
        try:
            ready, _, _ = select.select([pipe, venue], [], [], max(0.0, end - time.monotonic()))
        finally:
            os.close(venue)
        if pipe in ready:
            told = receive(pipe)
            break
        if not ready:
            os.kill(pid, signal.SIGKILL)
            told = Told([], ["it never came to an end"])
            break
        os.waitpid(grounds.pid, 0)
        deaths.append("venue")
        grounds.start(away_s=AWAY_S, remembers=True)
    os.close(pipe)
    _, status = os.waitpid(pid, 0)
    return told, os.waitstatus_to_exitcode(status)


class Pool:
    """Processes that play cases side by side, each one after the other."""

    def __init__(self, sites: Sequence[str], seed: int, slots: int, *, venue: bool) -> None:
        """Make what all share; whoever starts it must have neither loop nor thread."""
        self._slots = slots
        self._venue = venue
        for site in sites:
            importlib.import_module(KINDS[SITES[site].kind].place.partition(":")[0])
        for name in _LAZY:
            importlib.import_module(name)
        self._emulators = {site: make_emulator(SITES[site], seed) for site in sites}
        gc.collect()
        gc.freeze()

    def play(self, cases: Sequence[Case], ends_s: float = float("inf")) -> Iterator[Outcome]:
        """Play cases and yield what came of each, as it comes; begin none after `ends_s`."""
        children: dict[int, int] = {}
        for slot in range(min(self._slots, len(cases))):
            mine = cases[slot :: self._slots]
            pid, pipe = fork(functools.partial(self._work, mine, ends_s))
            children[pipe] = pid
        while children:
            ready, _, _ = select.select(list(children), [], [])
            for pipe in ready:
                told = receive(pipe)
                if isinstance(told, Outcome):
                    yield told
                    continue
                os.close(pipe)
                os.waitpid(children.pop(pipe), 0)
                if told is not None:
                    raise RuntimeError(f"a slot broke: {told}")

    def _work(self, cases: Sequence[Case], ends_s: float, pipe: int) -> None:
        for case in cases:
            if time.monotonic() > ends_s:
                return
            send(pipe, play(case, self._emulators[case.site], venue=self._venue))


def play_all(
    sites: Sequence[str],
    progress: Progress,
    *,
    every: int = 1,
    seed: int = SEED,
    only: str = "",
    at: int | None = None,
    venue: bool = False,
    slots: int = SLOTS,
    told: Callable[[str], None] = lambda _: None,
) -> tuple[Counter[str], list[str]]:
    """Play the matrix, or each `every`-th death of it, from a place that `seed` says; or one.

    Returns deaths by place, and flaws. In a limited time cases are taken from everywhere, so that
    what is left out is of all kinds.
    """
    pool = Pool(sites, seed, slots, venue=venue)
    scenes = [
        Case(site, kind, action, None)
        for site in sites
        for kind, action in itertools.product((*SINGLES, *GROUPS), ACTIONS)
        if only in f"{kind}/{action}"
    ]
    lives, flaws = {}, []
    for life in pool.play(scenes):
        lives[life.case] = life.passed
        flaws += [f"{life.case}: {words}" for words in life.flaws]
        told(f"{life.case.site} {life.case.kind}/{life.case.action}: {len(life.passed)} writes")
    cases, names = [], {}
    for scene in scenes:
        passed = lives[scene]
        wanted = deaths_of(scene.kind, scene.action, len(passed), every, seed)
        for boundary in wanted if at is None else range(at, min(at + 1, len(passed))):
            case = scene._replace(boundary=boundary)
            cases.append(case)
            names[case] = " ".join(passed[boundary].split()[:2])
    if progress.limited:
        random.Random(seed).shuffle(cases)
    progress.plan(len(cases))
    deaths: Counter[str] = Counter()
    for outcome in pool.play(cases, progress.ends_s):
        if outcome.deaths:
            deaths[names[outcome.case]] += 1
        deaths["while it recovered"] += max(0, len(outcome.deaths) - 1)
        flaws += [f"{outcome.case}: {words}" for words in outcome.flaws]
        for words in outcome.flaws:
            told(f"FLAW: {outcome.case}: {words}")
        progress.step(len(flaws))
    return deaths, flaws


def run(*, whole: bool = False) -> Iterator[dict[str, object]]:
    """Kill the engine, then the venue, at some writes; `whole`: at each, however long."""
    logging.disable(logging.ERROR)
    elsewhere = tuple(site for site in SITES if site != "binance")
    for what, sites, every, venue, target in (
        ("engine", ("binance",), 2, False, 1_000),
        ("engine", elsewhere, 20, False, 2_000),
        ("venue", ("binance",), 6, True, 1_000),
    ):
        name = f"{what} killed (SIGKILL): {sites[0] if len(sites) == 1 else 'elsewhere'}"
        progress = Progress(name, None if whole else LIMIT_S)
        _, flaws = play_all(sites, progress, every=1 if whole else every, venue=venue)
        yield row(name, progress, flaws, target)


def main(argv: list[str]) -> int:
    """Play the matrix and print what it found."""
    parser = argparse.ArgumentParser(prog="python -m bench.kills", description=__doc__)
    parser.add_argument("--venue", action="store_true", help="kill the venue instead")
    parser.add_argument("--site", default="binance", help=f"of {', '.join(SITES)}, or all")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--only", default="", help="part of a scenario's name")
    parser.add_argument("--slots", type=int, default=SLOTS, help="cases at once")
    parser.add_argument("--at", type=int, help="one write of each scenario")
    parser.add_argument("--seed", type=int, default=SEED, help="of the market, and of --every")
    args = parser.parse_args(argv)
    logging.disable(logging.ERROR)
    progress = Progress("kills", None)
    sites = tuple(SITES) if args.site == "all" else (args.site,)
    deaths, flaws = play_all(
        sites, progress,
        every=args.every, seed=args.seed, only=args.only, at=args.at, venue=args.venue,
        slots=args.slots, told=functools.partial(print, flush=True),
    )  # fmt: skip
    for name, count in sorted(deaths.items()):
        print(f"{count:>6}  {name}")
    for flaw in flaws:
        print("FLAW:", flaw)
    took = time.monotonic() - progress.begun_s
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime
    print(
        f"{progress.played} cases, {len(flaws)} flaws, seed {args.seed}, {took:.1f} s, "
        f"{cpu:.1f} s of processors"
    )
    return 1 if flaws else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
