"""One life of one engine in a process of its own, which is judged unless it is killed."""

from __future__ import annotations

import asyncio
import random
import resource
import signal
from pathlib import Path

from bench.engines import Engine, Stuck, open_journal
from bench.forks import Mortal, Told, send
from bench.grounds import RemoteYard
from bench.lapse import TappedLoop
from bench.scenes import Case, Play, Unheard, judge, naked, trade_on
from bench.yard import SITES
from core.model.errors import ClxError, ConfigError

_WAL_HEADER, _FRAME = 32, 24 + 4096


class Player:
    """One life of one engine in one case."""

    def __init__(self, case: Case, path: str, folder: Path, number: int, *, venue: bool) -> None:
        self._case = case
        self._path = path
        self._journal = folder / "journal.sqlite"
        self._number = number
        self._venue_dies = venue
        self._flaws: list[str] = []

    def live(self, pipe: int) -> None:
        """Live, and tell of it unless it ends before."""
        with asyncio.Runner(loop_factory=TappedLoop) as runner:
            send(pipe, runner.run(self._live()))

    async def _live(self) -> Told:
        case, number = self._case, self._number
        yard = RemoteYard(self._path, SITES[case.site])
        dice = random.Random(f"{case} {number}")
        if number > 1 and dice.random() < 0.5:
            trade_on(yard, dice)
        life = Mortal()
        life.tear = lambda: tear(self._journal)
        if number == 2 and dice.random() < 0.3:
            life.dies_at, life.counting = dice.randrange(60), True
        owner, table = yard.account
        # In real time a busy machine takes longer than half a second for a request now and then.
        table = {**table, "recv_window_ms": 1_500}
        engine = Engine(yard, owner, table, open_journal(self._journal), life, number=number)
        engine.on_open = lambda: self._flaws.extend(naked(engine))
        try:
            await engine.start()
            if number == 1:
                await self._scene(engine, yard)
            await self._judge(engine, yard)
        except Unheard:
            return Told([], [], unheard=True)
        except (Stuck, ClxError) as error:
            self._flaws.append(f"{type(error).__name__}: {error}")
        return Told(yard.passed() if self._venue_dies else life.passed, self._flaws)

    async def _scene(self, engine: Engine, yard: RemoteYard) -> None:
        case, life = self._case, engine.life
        scene = Play(engine, yard)
        if self._venue_dies:
            scene.patience_s = 4.0
            yard.count(case.boundary)
        else:
            life.counting, life.dies_at = True, case.boundary
        try:
            await scene.play(case.kind, case.action)
        except (Stuck, ConfigError):
            # Of a venue that is gone nothing can be asked for, and what it lost never comes.
            if not self._venue_dies:
                raise
        if case.boundary is not None and not self._venue_dies:
            # This time it went another way and had fewer writes.
            life.kill()

    async def _judge(self, engine: Engine, yard: RemoteYard) -> None:
        """Compare; a report that was lost is noticed by a later comparison."""
        engine.life.counting = False
        if self._venue_dies:
            yard.count(None, on=False)
        for _ in range(3):
            await engine.settled()
            if not engine.differences():
                break
            await asyncio.sleep(0.5)
        self._flaws += await judge(engine)


def tear(journal: Path) -> None:
    """Let the kernel break off the next commit in the middle of its first page."""
    end = _WAL_HEADER
    wal = journal.with_name(journal.name + "-wal")
    with wal.open("rb") as file:
        salts = file.read(_WAL_HEADER)[16:24]
        while file.seek(end) and file.read(16)[8:16] == salts:
            end += _FRAME
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (end + _FRAME // 2, resource.RLIM_INFINITY))
