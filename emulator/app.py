"""The running emulator: one aiohttp application on one loopback port."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Final

from aiohttp import web

from emulator.binance.exchange import Binance
from emulator.clock import Clock, VirtualClock, WallClock
from emulator.control import Control
from emulator.diary import Born, Command, Diary, remembered
from emulator.market.facts import label
from emulator.market.world import World
from emulator.strikes import Doors
from emulator.venues import Keys, open_venues
from emulator.wire.connection import Connection
from emulator.wire.venue import Venue

_TICK_S: Final = 0.02
_HOST: Final = "127.0.0.1"


class Emulator:
    """Serves venues until stopped."""

    def __init__(
        self,
        *,
        seed: int,
        api_key: str,
        api_secret: str,
        control_token: str,
        port: int = 0,
        history_days: int = 730,
        events_per_second: float = 80.0,
        flow: bool = True,
        clock: Clock | None = None,
        venues: tuple[str, ...] = ("binance",),
        state_dir: Path | None = None,
    ) -> None:
        """Make the market; with a state directory, the one that is remembered there.

        Raises:
            ValueError: The directory remembers a market that was begun otherwise.
        """
        self.clock = clock or WallClock()
        self._wanted_port = port
        known = remembered(state_dir) if state_dir is not None else None
        self.world = World(
            seed,
            known.started_ns if known is not None else self.clock.now_ns(),
            history_days=history_days,
            events_per_second=events_per_second,
        )
        keys = Keys(api_key, api_secret)
        self.venues: dict[str, Venue] = open_venues(venues, self.world, self.clock, keys)
        for venue in self.venues.values():
            venue.market.flow = flow
            self.world.after_slice.append(venue.tick)
        self.port = 0
        """The port it listens on, once started."""
        self._control_token = control_token
        doors = Doors(self.listen, self.refuse, self._user_connections())
        self._control = Control(self.venues, self.world, self.clock, control_token, doors)
        self._runner: web.AppRunner | None = None
        self._site: web.SockSite | None = None
        self._diary: Diary | None = None
        if state_dir is not None:
            self.remember(state_dir)
        self._driver: asyncio.Task[None] | None = None

    @property
    def venue(self) -> Binance:
        """Binance spot.

        Raises:
            KeyError: It is not among the venues.
        """
        venue = self.venues["binance"]
        assert isinstance(venue, Binance)
        return venue

    def remember(self, folder: Path) -> None:
        """Keep what is asked for in a folder, and begin with what was asked for before.

        Raises:
            ValueError: It remembers a market that was begun otherwise.
        """
        world = self.world
        born = Born(
            seed=world.seed,
            started_ns=world.started_ns,
            history_days=world.history_days,
            events_per_second=world.events_per_second,
            venues=tuple(self.venues),
        )
        self._diary = Diary(folder, born)

    async def start(self) -> None:
        """Do again what is remembered, listen, and let the market live.

        Raises:
            OSError: The port is taken.
            ValueError: What is remembered is nothing this market knows.
        """
        if self._diary is not None:
            await self._recall(self._diary)
        self._runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await self.listen()
        self._driver = asyncio.create_task(self._drive())

    async def _recall(self, diary: Diary) -> None:
        """Carry out again what was asked for, each command at its time, and go on from there."""
        clock = VirtualClock(self.world.started_ns)
        for venue in self.venues.values():
            venue.clock, venue.diary = clock, diary
        diary.reading = True
        for command in diary.commands():
            self._advance(clock, command.at)
            if command.what == "leap":
                self.world.leap(command.args["by_ns"])
                clock.advance(command.args["by_ns"])
            elif command.what == "flow":
                self.venues[command.venue].market.flow = command.args["on"]
            elif command.what == "strike":
                await self._control.strike_again(self.venues[command.venue], command.args)
            else:
                await self.venues[command.venue].redo(command)
        self._advance(clock, diary.now_ns())
        diary.reading = False
        for venue in self.venues.values():
            venue.clock = self.clock
        ahead_ns = self.world.now_ns - self.clock.now_ns()
        if ahead_ns > 0 and isinstance(self.clock, WallClock):
            self.clock.jump(ahead_ns)
        self.world.after_step.append(diary.moved)
        self.world.before_leap.append(
            lambda by_ns: diary.write(
                Command(at=self.world.now_ns, what="leap", args={"by_ns": by_ns})
            )
        )

    def _advance(self, clock: VirtualClock, to_ns: int) -> None:
        """Let the market act up to a time."""
        by_ns = to_ns - self.world.now_ns
        if by_ns > 0:
            clock.advance(by_ns)
            self.world.step(by_ns)

    async def run_until(self, stop: asyncio.Event) -> None:
        """Run until told to stop; a market that fails ends it with its error.

        Raises:
            RuntimeError: It was not started.
        """
        if self._driver is None:
            raise RuntimeError("the emulator is not started; await start() first")
        waiter = asyncio.create_task(stop.wait())
        await asyncio.wait({waiter, self._driver}, return_when=asyncio.FIRST_COMPLETED)
        waiter.cancel()
        if self._driver.done():
            await self._driver

    async def listen(self) -> None:
        """Accept connections, on the same port as before once there is one."""
        if self._runner is None or self._site is not None:
            return
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((_HOST, self.port or self._wanted_port))
        self.port = sock.getsockname()[1]
        self._site = web.SockSite(self._runner, sock)
        await self._site.start()

    async def refuse(self) -> None:
        """Accept no more connections; open ones stay."""
        if self._site is not None:
            site, self._site = self._site, None
            await site.stop()

    async def stop(self) -> None:
        """Close everything."""
        if self._driver is not None:
            self._driver.cancel()
            await asyncio.gather(self._driver, return_exceptions=True)
        await self._control.stop()
        streams = [each for venue in self.venues.values() for each in venue.connections]
        for connection in (*streams, *self._user_connections()):
            connection.abort()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._diary is not None:
            self._diary.close()

    def urls(self) -> dict[str, dict[str, str]]:
        """Return every venue's base URLs by what they are for."""
        host = f"{_HOST}:{self.port}"
        return {name: venue.urls(host) for name, venue in self.venues.items()}

    def state(self, pid: int, api_key: str, api_secret: str) -> dict[str, object]:
        """Return what clients need to know to use it."""
        return {
            "pid": pid,
            "port": self.port,
            "api_key": api_key,
            "api_secret": api_secret,
            "rest_url": f"http://{_HOST}:{self.port}",
            "stream_url": f"ws://{_HOST}:{self.port}",
            "ws_api_url": f"ws://{_HOST}:{self.port}/ws-api/v3",
            "control_url": f"http://{_HOST}:{self.port}/_ctl",
            "control_token": self._control_token,
            "venues": self.urls(),
            "label": label(),
        }

    def _user_connections(self) -> set[Connection]:
        venue = self.venues.get("binance")
        return venue.ws_api.connections if isinstance(venue, Binance) else set()

    def _application(self) -> web.Application:
        app = web.Application(client_max_size=1 << 16)
        for venue in self.venues.values():
            app.add_routes(venue.routes())
        app.add_routes(self._control.routes())
        return app

    async def _drive(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            self.world.follow(self.clock)
            for venue in self.venues.values():
                venue.tick()
