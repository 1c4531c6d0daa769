"""Engines that die, and venues that go away, at every boundary of every kind of order.

::

    python -m bench.crashes                      every boundary of every scenario, engine killed
    python -m bench.crashes --venue              the same with the venue cut off instead
    python -m bench.crashes --site okx-hedged    at another venue than Binance spot; all for each
    python -m bench.crashes --every 5 --only bracket
    python -m bench.crashes --only bracket/fill --at 83    one death

A scenario is an order type and what becomes of it. It is played once to count its boundaries: a
journal commit, a projection, bytes that leave whole or half, bytes that are read, an event that is
taken. Then it is played once for each of them, and dies there. Journal and venue survive, nothing
else does; for some cases the venue trades on meanwhile, and for some the engine that recovers dies
as well. In the end engine and oracle must say the same, no order may be twice at the venue, no
order that was asked for again may be sent, and what protects a position must be back when entries
may go.

This is the matrix in one process and in lapsed time (`bench.lapse`); `bench.kills` plays it with
processes that are really killed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import itertools
import logging
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from bench.engines import Engine, Stuck, open_journal
from bench.lapse import Died, LapseClock, LapseLoop, Life
from bench.progress import Progress, row
from bench.scenes import ACTIONS, GROUPS, SINGLES, Case, Play, Unheard, judge, naked, trade_on
from bench.yard import SITES, START_NS, Site, Yard, make_emulator
from core.model.errors import ClxError, ConfigError

SEED = 7
LIMIT_S = 150.0
"""How long a row of the benchmarks may take, unless all is wanted."""
CASES_PER_YARD = 12
"""A market that was traded in too often has no book left."""


def open_yard(site: Site, seed: int = SEED) -> Yard:
    """Return a yard in lapsed time; to be called within a `LapseLoop`."""
    clock = LapseClock(asyncio.get_running_loop(), START_NS)
    return Yard(make_emulator(site, seed, clock), site, clock)


class Matrix:
    """Plays cases and judges them."""

    def __init__(self, folder: Path, site: str = "binance", seed: int = SEED) -> None:
        self._folder = folder
        self._seed = seed
        self._name, self._site = site, SITES[site]
        self._yard: Yard | None = None
        self._played = 0
        self.deaths: Counter[str] = Counter()
        """Boundaries died at, by what they are."""
        self.flaws: list[str] = []

    async def close(self) -> None:
        if self._yard is not None:
            await self._yard.close()

    async def yard(self) -> Yard:
        """Return a yard whose book is not empty yet."""
        # Elsewhere than at spot there is one account alone.
        most = CASES_PER_YARD if self._name == "binance" else 1
        if self._yard is None or self._played % most == 0:
            await self.close()
            self._yard = open_yard(self._site, self._seed)
            await self._yard.open()
        self._played += 1
        self._yard.forget_limits()
        return self._yard

    async def boundaries(self, kind: str, action: str) -> int:
        """Return how many boundaries a scenario has; 0: there is no such scenario."""
        flaws = len(self.flaws)
        count = await self.play(Case(self._name, kind, action, None))
        return count if len(self.flaws) == flaws else 0

    async def play(self, case: Case, *, cut: bool = False) -> int:
        """Play a case and note what is wrong; return the boundaries that were passed."""
        yard = await self.yard()
        account, table = yard.open_account()
        path = self._folder / f"{self._played}.sqlite"
        life = Life(None if cut else case.boundary)
        engine = Engine(yard, account, table, open_journal(path), life)
        try:
            await engine.start()
            life.counting = True
            if cut:
                life.strikes_at, life.strike = case.boundary, lambda: yard.cut(3.0)
            scene = Play(engine, yard)
            scene.patience_s = 6.0 if cut else 60.0
            try:
                await scene.play(case.kind, case.action)
            except Died:
                pass
            except Unheard:
                return 0
            except (Stuck, ConfigError):
                # Of a venue that is gone nothing can be asked for, such as another price.
                if not cut:
                    raise
            passed = len(life.passed)
            if case.boundary is not None and passed > case.boundary:
                self.deaths[_plain(life.passed[case.boundary])] += 1
            if case.boundary is not None and not cut:
                await engine.end()
                engine = await self.reborn(case, yard, account, table, path)
            life = engine.life
            life.counting = False
            await engine.settled()
            self.flaws += [f"{case}: {words}" for words in await judge(engine)]
            return passed
        except (Stuck, ClxError) as error:
            self.flaws.append(f"{case}: {type(error).__name__}: {error}")
            return 0
        finally:
            await engine.end()
            await yard.back()

    async def reborn(self, case: Case, yard: Yard, account: Any, table: Any, path: Path) -> Engine:
        """Start anew, as often as it takes, while the venue goes on."""
        dice = random.Random(f"{case}")
        for number in itertools.count(2):
            if dice.random() < 0.5:
                trade_on(yard, dice)
            dies_at = dice.randrange(60) if number == 2 and dice.random() < 0.3 else None
            life = Life(dies_at)
            life.counting = dies_at is not None
            engine = Engine(yard, account, table, open_journal(path), life, number=number)
            engine.on_open = lambda engine=engine: self.flaws.extend(
                f"{case}: {words}" for words in naked(engine)
            )
            try:
                await engine.start()
                if dies_at is None:
                    return engine
                await engine.settled()
                life.counting = False
                return engine
            except Died:
                self.deaths["while it recovered"] += 1
                await engine.end()
        raise AssertionError


def _plain(name: str) -> str:
    """Return a boundary's name without what tells orders apart."""
    words = name.split()
    return " ".join(words[:2])


async def play_all(
    folder: Path,
    progress: Progress,
    *,
    every: int = 1,
    seed: int = SEED,
    only: str = "",
    at: int | None = None,
    site: str = "binance",
    cut: bool = False,
    told: Callable[[str], None] = lambda _: None,
) -> Matrix:
    """Play the matrix, or each `every`-th death of it, from a place that `seed` says; or one.

    In a limited time cases are taken from everywhere, so that what is left out is of all kinds.
    """
    matrix = Matrix(folder, site, seed)
    cases = []
    for kind, action in itertools.product((*SINGLES, *GROUPS), ACTIONS):
        if only not in f"{kind}/{action}":
            continue
        count = await matrix.boundaries(kind, action)
        told(f"{site} {kind}/{action}: {count} boundaries")
        deaths = deaths_of(kind, action, count, every, seed) if at is None else [at]
        cases += [Case(site, kind, action, boundary) for boundary in deaths]
    if progress.limited:
        random.Random(seed).shuffle(cases)
    progress.plan(len(cases))
    for case in cases:
        if progress.over:
            break
        await matrix.play(case, cut=cut)
        progress.step(len(matrix.flaws))
    await matrix.close()
    return matrix


def deaths_of(kind: str, action: str, count: int, every: int, seed: int) -> range:
    """Return the boundaries of a scenario at which to die."""
    return range((seed + len(kind) + len(action)) % every, count, every)


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Make a folder in memory where there is one: no process of this kind loses its files."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="clx-crashes-", dir=memory) as folder:
        yield Path(folder)


def lapsed(work: Callable[[], Awaitable[Any]]) -> Any:
    """Run a coroutine in lapsed time."""

    async def main() -> Any:
        return await work()

    with asyncio.Runner(loop_factory=LapseLoop) as runner:
        return runner.run(main())


def run(*, whole: bool = False) -> Iterator[dict[str, object]]:
    """Play deaths at Binance spot, and fewer elsewhere; `whole`: every one, however long."""
    logging.disable(logging.ERROR)
    for cut, sites in ((False, tuple(SITES)), (True, ("binance",))):
        for site in sites:
            some = (5 if cut else 2) if site == "binance" else 10
            name = "venue cut off anywhere" if cut else "engine dies anywhere"
            name = f"{name}, in one process: {site}"
            progress = Progress(name, None if whole else LIMIT_S)
            with scratch() as folder:
                every = 1 if whole else some
                work = functools.partial(
                    play_all, folder, progress, every=every, site=site, cut=cut
                )
                matrix = lapsed(work)
            yield row(name, progress, matrix.flaws, 1_500 if site == "binance" else 500)


def main(argv: list[str]) -> int:
    """Play the matrix and print what it found."""
    parser = argparse.ArgumentParser(prog="python -m bench.crashes", description=__doc__)
    parser.add_argument("--venue", action="store_true", help="cut the venue off instead")
    parser.add_argument("--site", default="binance", help=f"of {', '.join(SITES)}, or all")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--only", default="", help="part of a scenario's name")
    parser.add_argument("--at", type=int, help="one boundary of each scenario")
    parser.add_argument("--seed", type=int, default=SEED, help="of the market, and of --every")
    args = parser.parse_args(argv)
    logging.disable(logging.ERROR)
    used, flaws = time.process_time(), 0
    progress = Progress("", None)
    for site in SITES if args.site == "all" else (args.site,):
        with scratch() as folder:
            work = functools.partial(
                play_all, folder, progress,
                every=args.every, seed=args.seed, only=args.only, at=args.at, site=site,
                cut=args.venue, told=functools.partial(print, flush=True),
            )  # fmt: skip
            matrix = lapsed(work)
        for name, count in sorted(matrix.deaths.items()):
            print(f"{count:>6}  {name}")
        for flaw in matrix.flaws:
            print("FLAW:", flaw)
        flaws += len(matrix.flaws)
    took, cpu = time.monotonic() - progress.begun_s, time.process_time() - used
    print(
        f"{progress.played} cases, {flaws} flaws, seed {args.seed}, {took:.1f} s, "
        f"{cpu:.1f} s of them working"
    )
    return 1 if flaws else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
