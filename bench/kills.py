"""Engines, or the venue, that are really killed: SIGKILL at every write of every kind of order.

::

    python -m bench.kills                       the engine, at Binance spot
    python -m bench.kills --venue               the venue instead; it starts again with its diary
    python -m bench.kills --site all --every 4  at the others as well, every fourth death
    python -m bench.kills --only bracket/fill

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
import asyncio
import contextlib
import ctypes
import functools
import gc
import importlib
import itertools
import logging
import os
import pickle
import random
import resource
import select
import signal
import socket
import struct
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.crashes import row, scratch
from bench.engines import Engine, Stuck, open_journal
from bench.lapse import Life, TappedLoop
from bench.scenes import ACTIONS, GROUPS, SINGLES, Case, Play, Unheard, judge, naked, trade_on
from bench.yard import SITES, Site, Yard, make_emulator
from core.engine.clock import SystemClock
from core.model.errors import ClxError, ConfigError
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.venues.kinds import KINDS
from emulator.app import Emulator
from emulator.diary import Command
from emulator.market.truth import AccountTruth

SLOTS = 8
"""Cases at once; most of a case is waiting."""
PATIENCE_S = 60.0
AWAY_S = 0.2
"""How long a venue is gone."""
_LAZY = ("aiohttp", "websockets.asyncio.client")
"""What programs import when they first need it, which here would be in each case anew."""
_SIZE = struct.Struct("<I")
_WAL_HEADER, _FRAME = 32, 24 + 4096


class Told(NamedTuple):
    """What a process said before its end."""

    passed: list[str]
    flaws: list[str]
    unheard: bool = False


class Outcome(NamedTuple):
    """What came of a case."""

    case: Case
    passed: list[str]
    """Boundaries of a life that nothing ended."""
    deaths: list[str]
    flaws: list[str]


class Mortal(Life):
    """A life whose end is the process's."""

    def boundary(self, name: str) -> None:
        """Pass a write, or die at it; nothing else counts."""
        if "bytes" in name or "journal" in name or "diary" in name:
            super().boundary(name)

    def kill(self) -> None:
        """Die now."""
        os.kill(os.getpid(), signal.SIGKILL)


# -- processes ---------------------------------------------------------------------------------


def fork(work: Callable[[int], None]) -> tuple[int, int]:
    """Start a process that gets a pipe to write to; return its id and the pipe's other end.

    It ends with its parent.
    """
    read, write = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child:
        os.close(write)
        return child, read
    status = 1
    try:
        os.close(read)
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        if os.getppid() == parent:
            work(write)
            status = 0
    except BaseException:
        send(write, Told([], [traceback.format_exc()]))
    finally:
        os._exit(status)


def send(pipe: int, message: Any) -> None:
    """Write a message to a pipe."""
    raw = pickle.dumps(message)
    os.write(pipe, _SIZE.pack(len(raw)) + raw)


def receive(pipe: int) -> Any:
    """Read a message from a pipe, None at its end."""
    head = _exactly(pipe, _SIZE.size)
    return pickle.loads(_exactly(pipe, _SIZE.unpack(head)[0])) if head else None


def _exactly(pipe: int, size: int) -> bytes:
    """Read so many bytes, nothing at the end."""
    parts = bytearray()
    while len(parts) < size:
        part = os.read(pipe, size - len(parts))
        if not part:
            return b""
        parts += part
    return bytes(parts)


# -- the venue ---------------------------------------------------------------------------------


class Grounds:
    """A venue's process, which is started anew on its port and with its diary if it dies."""

    def __init__(self, emulator: Emulator, site: Site, folder: Path) -> None:
        self._emulator = emulator
        self._site = site
        self._folder = folder
        self.path = str(folder / "yard")
        self.pid = 0
        self._port = 0
        self._account: Any = None

    def start(self, *, away_s: float = 0.0, remembers: bool = False) -> None:
        """Start it; it can be steered when this returns."""
        Path(self.path).unlink(missing_ok=True)
        self.pid, pipe = fork(lambda pipe: self._live(pipe, away_s, remembers))
        told = receive(pipe)
        os.close(pipe)
        if isinstance(told, Told) or told is None:
            raise RuntimeError(f"the venue did not start: {told}")
        self._port, self._account = told

    def _live(self, pipe: int, away_s: float, remembers: bool) -> None:
        with asyncio.Runner(loop_factory=TappedLoop) as runner:
            runner.run(self._serve(pipe, away_s, remembers))

    async def _serve(self, pipe: int, away_s: float, remembers: bool) -> None:
        emulator, life = self._emulator, Mortal()
        if self._port:
            emulator.port = self._port
        if remembers:
            emulator.remember(self._folder / "diary")
        yard = Yard(emulator, self._site, SystemClock())
        await yard.open()
        if away_s:
            yard.cut(away_s)
        self._account = self._account or yard.open_account()
        loop = asyncio.get_running_loop()
        assert isinstance(loop, TappedLoop)
        loop.server = life
        watch_diary(emulator, life)
        await asyncio.start_unix_server(Steering(yard, life, self._account).serve, self.path)
        send(pipe, (emulator.port, self._account))
        await asyncio.Event().wait()

    def end(self) -> None:
        """Kill it."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0


def watch_diary(emulator: Emulator, life: Life) -> None:
    """Let the venue die before and after it remembers what an account asked for."""
    for venue in emulator.venues.values():
        diary = venue.diary
        if diary is None:
            continue
        write = diary.write

        def mortal(command: Command, write: Callable[[Command], None] = write) -> None:
            if command.what != "order":
                write(command)
                return
            life.boundary(f"before diary {command.args['call']}")
            write(command)
            life.boundary(f"after diary {command.args['call']}")

        diary.write = mortal  # type: ignore[method-assign]


class Steering:
    """A yard as other processes steer it: calls by name over a socket of the file system."""

    def __init__(self, yard: Yard, life: Life, account: Any) -> None:
        self._yard = yard
        self._life = life
        self._account = account

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer until the other end is gone."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                (size,) = _SIZE.unpack(await reader.readexactly(_SIZE.size))
                name, args = pickle.loads(await reader.readexactly(size))
                raw = pickle.dumps(self._call(name, args))
                writer.write(_SIZE.pack(len(raw)) + raw)
        writer.close()

    def _call(self, name: str, args: tuple[Any, ...]) -> Any:
        life = self._life
        match name:
            case "about":
                return self._account, self._yard.instruments
            case "count":
                (life.dies_at, life.counting) = args
                return None
            case "passed":
                return life.passed
            case "top" | "last" | "make_room" | "take" | "print_at" | "truth":
                return getattr(self._yard, name)(*args)
        raise ValueError(f"nothing is called {name!r}")


class RemoteYard:
    """A yard in another process; a `Market`."""

    def __init__(self, path: str, site: Site) -> None:
        self._path = path
        self._socket: socket.socket | None = None
        self.clock = SystemClock()
        self.site = site
        self.name = VenueName(site.kind)
        self.account, self.instruments = self._ask("about")

    @property
    def instrument(self) -> Instrument:
        """What is traded."""
        return next(i for i in self.instruments.values() if i.venue_symbol == self.site.symbol)

    def count(self, dies_at: int | None, *, on: bool = True) -> None:
        """Let the venue count its writes from now on, and die at one of them; or no more."""
        self._ask("count", dies_at, on)

    def passed(self) -> list[str]:
        """Return the writes it has counted."""
        return list(self._ask("passed"))

    def top(self, instrument: Instrument) -> tuple[int, int]:
        """Return best bid and ask in ticks."""
        bid, ask = self._ask("top", instrument)
        return bid, ask

    def last(self, instrument: Instrument) -> int:
        """Return the ticks of the newest trade."""
        return int(self._ask("last", instrument))

    def make_room(self, instrument: Instrument) -> tuple[int, int]:
        """Let there be free ticks between bid and ask, and return both."""
        bid, ask = self._ask("make_room", instrument)
        return bid, ask

    def take(self, instrument: Instrument, side: str, lots: int, limit: int | None = None) -> int:
        """Let the crowd take so many lots, up to a price; return what it got."""
        return int(self._ask("take", instrument, side, lots, limit))

    def print_at(self, instrument: Instrument, ticks: int) -> None:
        """Let the last trade be at a price between bid and ask."""
        self._ask("print_at", instrument, ticks)

    def truth(self, owner: int) -> AccountTruth:
        """Return what really happened."""
        told = self._ask("truth", owner)
        assert isinstance(told, AccountTruth)
        return told

    def _ask(self, name: str, *args: Any) -> Any:
        """Ask; a venue that dies of it, or is dead, is asked again once it is back."""
        raw = pickle.dumps((name, args))
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                if self._socket is None:
                    self._socket = socket.socket(socket.AF_UNIX)
                    self._socket.connect(self._path)
                self._socket.sendall(_SIZE.pack(len(raw)) + raw)
                return pickle.loads(self._exactly(_SIZE.unpack(self._exactly(_SIZE.size))[0]))
            except (ConnectionError, FileNotFoundError):
                if time.monotonic() > end:
                    raise
                if self._socket is not None:
                    self._socket.close()
                    self._socket = None
                time.sleep(0.02)

    def _exactly(self, size: int) -> bytes:
        assert self._socket is not None
        parts = bytearray()
        while len(parts) < size:
            part = self._socket.recv(size - len(parts))
            if not part:
                raise ConnectionError("the venue is gone")
            parts += part
        return bytes(parts)


# -- the engine --------------------------------------------------------------------------------


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


# -- cases -------------------------------------------------------------------------------------


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

    def play(self, cases: Sequence[Case]) -> Iterator[Outcome]:
        """Play cases and yield what came of each, as it comes."""
        children: dict[int, int] = {}
        for slot in range(min(self._slots, len(cases))):
            mine = cases[slot :: self._slots]
            pid, pipe = fork(functools.partial(self._work, mine))
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

    def _work(self, cases: Sequence[Case], pipe: int) -> None:
        for case in cases:
            send(pipe, play(case, self._emulators[case.site], venue=self._venue))


def play_all(
    sites: Sequence[str] = ("binance",),
    *,
    every: int = 1,
    offset: int = 0,
    only: str = "",
    venue: bool = False,
    slots: int = SLOTS,
    told: Callable[[str], None] = lambda _: None,
) -> tuple[int, Counter[str], list[str]]:
    """Play the matrix, or each `every`-th death; return cases, deaths by place, and flaws."""
    pool = Pool(sites, 7, slots, venue=venue)
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
    cases, names = [], {}
    for scene in scenes:
        passed = lives[scene]
        told(f"{scene.site} {scene.kind}/{scene.action}: {len(passed)} writes")
        first = (offset + len(scene.kind) + len(scene.action)) % every
        for boundary in range(first, len(passed), every):
            case = scene._replace(boundary=boundary)
            cases.append(case)
            names[case] = " ".join(passed[boundary].split()[:2])
    deaths: Counter[str] = Counter()
    for outcome in pool.play(cases):
        if outcome.deaths:
            deaths[names[outcome.case]] += 1
        deaths["while it recovered"] += max(0, len(outcome.deaths) - 1)
        flaws += [f"{outcome.case}: {words}" for words in outcome.flaws]
    return len(cases), deaths, flaws


def run() -> Iterator[dict[str, object]]:
    """Kill the engine, then the venue, at every other write at spot and some elsewhere."""
    logging.disable(logging.ERROR)
    elsewhere = tuple(site for site in SITES if site != "binance")
    for what, sites, every, venue, target in (
        ("engine", ("binance",), 2, False, 500),
        ("engine", elsewhere, 20, False, 100),
        ("venue", ("binance",), 6, True, 300),
    ):
        cases, _, flaws = play_all(sites, every=every, venue=venue)
        yield row(f"{what} killed (SIGKILL): {', '.join(sites)}", cases, flaws, target)


def main(argv: list[str]) -> int:
    """Play the matrix and print what it found."""
    parser = argparse.ArgumentParser(prog="python -m bench.kills", description=__doc__)
    parser.add_argument("--venue", action="store_true", help="kill the venue instead")
    parser.add_argument("--site", default="binance", help=f"of {', '.join(SITES)}, or all")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--only", default="", help="part of a scenario's name")
    parser.add_argument("--slots", type=int, default=SLOTS, help="cases at once")
    args = parser.parse_args(argv)
    logging.disable(logging.ERROR)
    started = time.monotonic()
    sites = tuple(SITES) if args.site == "all" else (args.site,)
    cases, deaths, flaws = play_all(
        sites,
        every=args.every, only=args.only, venue=args.venue, slots=args.slots, told=print,
    )  # fmt: skip
    for name, count in sorted(deaths.items()):
        print(f"{count:>6}  {name}")
    for flaw in flaws:
        print("FLAW:", flaw)
    took, used = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime
    print(f"{cases} cases, {len(flaws)} flaws, {took:.1f} s, {cpu:.1f} s of processors")
    return 1 if flaws else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
