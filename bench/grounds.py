"""An emulated venue in a process of its own, and a yard that is steered from another one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.forks import SIZE, Mortal, Told, fork, receive, send
from bench.lapse import Life, TappedLoop
from bench.yard import Site, Yard
from core.engine.clock import SystemClock
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.ports import Clock
from emulator.app import Emulator
from emulator.diary import Command
from emulator.market.truth import AccountTruth

PATIENCE_S = 60.0


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
                (size,) = SIZE.unpack(await reader.readexactly(SIZE.size))
                name, args = pickle.loads(await reader.readexactly(size))
                raw = pickle.dumps(self._call(name, args))
                writer.write(SIZE.pack(len(raw)) + raw)
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
            case "top" | "last" | "make_room" | "take" | "print_at" | "end_all" | "truth":
                return getattr(self._yard, name)(*args)
        raise ValueError(f"nothing is called {name!r}")


class RemoteYard:
    """A yard in another process; a `Market`."""

    def __init__(self, path: str, site: Site) -> None:
        self._path = path
        self._socket: socket.socket | None = None
        self.clock: Clock = SystemClock()
        self.site = site
        self.name = VenueName(site.kind)
        self.account: tuple[int, dict[str, Any]]
        self.instruments: dict[InstrumentId, Instrument]
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

    def end_all(self, owner: int) -> None:
        """Let the venue end all open orders of an account by itself, of contracts."""
        self._ask("end_all", owner)

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
                self._socket.sendall(SIZE.pack(len(raw)) + raw)
                return pickle.loads(self._exactly(SIZE.unpack(self._exactly(SIZE.size))[0]))
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
