"""One line to a venue: a connection that is kept up, told what to carry, and replaced in time.

::

    want ─► wanted ─► follow ─► subscribe ─► frames ─► sink
    old age · notice of the venue ─► a second connection carries everything ─► the first goes

The two overlap, so that no message is lost; what comes twice is dropped by its number downstream.
Each connection has a number of its own, by which the decoder knows them apart.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Collection
from typing import Final

from core.feeds.decoder import MAX_FRAME_BYTES
from core.feeds.dialect import Answer, Dialect
from core.model.errors import ClxError, TemporaryError
from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.ports import Clock, FrameKind, FrameSink
from core.wire.backoff import Backoff
from core.wire.limits import AttemptLimiter
from core.wire.websocket import Connection, hold

OVERLAP_S: Final = 3.0
"""Time both connections carry everything before the old one is left."""

TAKEOVER_S: Final = 60.0
"""A replacement that does not carry everything within this long is given up."""

_STABLE_NS: Final = 10_000_000_000
_OPENING_S: Final = 15.0


class Line:
    """What should be carried, and the connection, or two for a while, that carry it.

    Args:
        route: Which of the venue's sockets this is.
        dialect: The venue's words.
        numbers: Gives each connection of the feed its number.
        attempts: The venue's limit on opening connections, shared by its lines.
        sink: Takes every frame, sent and received.
    """

    def __init__(
        self,
        route: str,
        dialect: Dialect,
        *,
        numbers: Callable[[], int],
        attempts: AttemptLimiter,
        clock: Clock,
        backoff: Backoff,
        sink: FrameSink,
        overlap_s: float = OVERLAP_S,
    ) -> None:
        self.route = route
        self.wanted: dict[InstrumentId, Instrument] = {}
        self._dialect = dialect
        self._numbers = numbers
        self._attempts = attempts
        self._clock = clock
        self._backoff = backoff
        self._sink = sink
        self._overlap_s = overlap_s
        self._sessions: list[_Session] = []
        self.told = ""
        """Why the line is down, as last told: the same failure is not told at each attempt."""

    @property
    def has_room(self) -> bool:
        """Whether one more instrument fits."""
        return len(self.wanted) < self._dialect.limits.instruments

    def want(self, instrument: Instrument) -> None:
        """Carry an instrument."""
        self.wanted[instrument.id] = instrument
        self._wake()

    def drop(self, name: InstrumentId) -> None:
        """Carry an instrument no longer."""
        if self.wanted.pop(name, None) is not None:
            self._wake()

    def rejoin(self, name: InstrumentId) -> None:
        """Leave and join an instrument's book for a fresh image, on the newest connection."""
        if name in self.wanted and self._sessions:
            self._sessions[-1].rejoin(name)

    async def run(self) -> None:
        """Stay connected until cancelled."""
        session, task = self._open()
        try:
            while True:
                leaving = asyncio.create_task(session.leaving.wait())
                await asyncio.wait({task, leaving}, return_when=asyncio.FIRST_COMPLETED)
                leaving.cancel()
                if not task.done():
                    session, task = await self._replace(session, task)
                    continue
                task.result()
                self._sessions.remove(session)
                if session.lasted_ns >= _STABLE_NS:
                    self._backoff.reset()
                await asyncio.sleep(self._backoff.next_s())
                session, task = self._open()
        finally:
            await _end(task)

    def _open(self) -> tuple[_Session, asyncio.Task[None]]:
        session = _Session(self, self._numbers(), self._dialect, self._clock, self._sink)
        self._sessions.append(session)
        return session, asyncio.create_task(self._serve(session))

    async def _serve(self, session: _Session) -> None:
        await self._attempts.wait()
        await session.serve()

    async def _replace(
        self, old: _Session, old_task: asyncio.Task[None]
    ) -> tuple[_Session, asyncio.Task[None]]:
        """Open a second connection, and leave the first once the second carries everything.

        A venue that allows one connection alone gets no overlap. Where the second one fails, the
        first stays, and the next try comes after a while.
        """
        if self._dialect.limits.connections == 1:
            await _end(old_task)
            self._sessions.remove(old)
            return self._open()
        new, new_task = self._open()
        ready = asyncio.create_task(new.settled.wait())
        try:
            await asyncio.wait(
                {ready, new_task}, timeout=TAKEOVER_S, return_when=asyncio.FIRST_COMPLETED
            )
            if ready.done() and not new_task.done():
                if not old_task.done():
                    await asyncio.sleep(self._overlap_s)
                await _end(old_task)
                self._sessions.remove(old)
                return new, new_task
            # The venue did not let the second one in.
            await _end(new_task)
            self._sessions.remove(new)
            await asyncio.sleep(self._backoff.next_s())
        except BaseException:
            await _end(new_task)
            await _end(old_task)
            raise
        finally:
            ready.cancel()
        return old, old_task

    def _wake(self) -> None:
        for session in self._sessions:
            session.changed.set()


class _Session:
    """One connection, from its opening to its end."""

    def __init__(
        self, line: Line, number: int, dialect: Dialect, clock: Clock, sink: FrameSink
    ) -> None:
        self.changed = asyncio.Event()
        self.leaving = asyncio.Event()
        """Set when it is time to open the next connection."""
        self.settled = asyncio.Event()
        """Set while everything wanted was asked for."""
        self.lasted_ns = 0
        self._line = line
        self._number = number
        self._dialect = dialect
        self._clock = clock
        self._sink = sink
        self._carried: dict[InstrumentId, Instrument] = {}
        self._rejoins: dict[InstrumentId, None] = {}
        self._replies: deque[str] = deque(maxlen=16)
        self._open = asyncio.Event()
        self._up = False
        self._sent_ns = 0
        self._sending = asyncio.Lock()
        kind = type(dialect)
        self._listens = kind.reply is not Dialect.reply
        self._retires = kind.retires is not Dialect.retires

    def rejoin(self, name: InstrumentId) -> None:
        """Leave and join a book's channel soon."""
        self._rejoins[name] = None
        self.changed.set()

    async def serve(self) -> None:
        """Connect and follow the line's wishes until the connection ends."""
        opened_ns = self._clock.monotonic_ns()
        limits = self._dialect.limits
        try:
            address = await self._dialect.address(self._line.route)
        except ClxError as error:
            self._closed(str(error))
            return
        await hold(
            address,
            number=self._number,
            on_open=self._follow,
            on_message=self._take,
            on_close=self._closed,
            max_frame_bytes=MAX_FRAME_BYTES,
            silence_timeout_s=limits.silence_s,
            max_age_s=limits.max_age_s + TAKEOVER_S,
        )
        self.lasted_ns = self._clock.monotonic_ns() - opened_ns

    async def _follow(self, connection: Connection) -> None:
        """Log in, then subscribe to what is wanted and to what changes."""
        self._up = True
        self._line.told = ""
        self._put("connect", connection.url.partition("?")[0], b"")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._age())
            for message in self._dialect.opening(self._line.route):
                await self._send(connection, message)
            if self._dialect.waits_for_opening:
                try:
                    async with asyncio.timeout(_OPENING_S):
                        await self._open.wait()
                except TimeoutError:
                    raise TemporaryError(
                        f"{self._dialect.venue} did not let us in within {_OPENING_S:g} s"
                    ) from None
            if self._dialect.heartbeat is not None:
                tasks.create_task(self._beat(connection))
            self.changed.set()
            while True:
                await self.changed.wait()
                self.changed.clear()
                await self._catch_up(connection)
                self.settled.set()

    async def _catch_up(self, connection: Connection) -> None:
        dialect, route, wanted = self._dialect, self._line.route, self._line.wanted
        batch = dialect.limits.batch
        while True:
            gone = [name for name in self._carried if name not in wanted][:batch]
            fresh = [name for name in wanted if name not in self._carried][:batch]
            if self._replies:
                await self._send(connection, self._replies.popleft())
            elif gone:
                items = [self._carried.pop(name) for name in gone]
                await self._send_all(connection, dialect.unsubscribe(route, items))
            elif fresh:
                items = [wanted[name] for name in fresh]
                self._carried.update(zip(fresh, items, strict=True))
                listing = dialect.listing_of(items)
                if listing is not None:
                    self._answer(listing)
                await self._send_all(connection, dialect.subscribe(route, items))
            elif self._rejoins:
                name = next(iter(self._rejoins))
                del self._rejoins[name]
                if name in self._carried:
                    await self._send_all(connection, dialect.rejoin(route, self._carried[name]))
            else:
                return

    async def _send_all(self, connection: Connection, messages: Collection[str]) -> None:
        for message in messages:
            await self._send(connection, message)

    async def _send(self, connection: Connection, message: str) -> None:
        """Send at the venue's pace."""
        pace_s = self._dialect.limits.pace_s
        async with self._sending:
            since_s = (self._clock.monotonic_ns() - self._sent_ns) / 1e9
            if self._sent_ns and since_s < pace_s:
                await asyncio.sleep(pace_s - since_s)
            # Put first: its channels may speak before the send returns.
            self._put("send", "", self._dialect.redacted(message).encode())
            await connection.send(message)
            self._sent_ns = self._clock.monotonic_ns()

    async def _beat(self, connection: Connection) -> None:
        heartbeat = self._dialect.heartbeat
        assert heartbeat is not None
        while True:
            await asyncio.sleep(heartbeat.every_s)
            await connection.send(heartbeat.message)

    async def _age(self) -> None:
        await asyncio.sleep(self._dialect.limits.max_age_s)
        self.leaving.set()

    def _take(self, data: bytes) -> None:
        self._sink("recv", self._number, self._clock.now_ns(), "", data)
        if self._listens:
            reply = self._dialect.reply(data)
            if reply is not None:
                self._replies.append(reply)
                self.changed.set()
        if self._retires and self._dialect.retires(data):
            self.leaving.set()
        if not self._open.is_set() and self._dialect.opened(data):
            self._open.set()

    def _closed(self, reason: str) -> None:
        self.settled.clear()
        # Attempts that failed to connect are told once, by the connection that was lost.
        if self._up or not self._line_was_told(reason):
            self._put("disconnect", "", reason.encode())
        self._up = False

    def _line_was_told(self, reason: str) -> bool:
        told, self._line.told = self._line.told, reason
        return told == reason

    def _answer(self, answer: Answer) -> None:
        self._put("http", answer.url, answer.body)

    def _put(self, kind: FrameKind, url: str, data: bytes) -> None:
        self._sink(kind, self._number, self._clock.now_ns(), url, data)


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel a connection and wait until it is closed."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
