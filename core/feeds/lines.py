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
from collections.abc import Callable
from typing import Final

from core.feeds.dialect import Dialect
from core.feeds.session import TAKEOVER_S, Session
from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.ports import Clock, FrameSink
from core.wire.backoff import Backoff
from core.wire.limits import AttemptLimiter

OVERLAP_S: Final = 3.0
"""Time both connections carry everything before the old one is left."""

_STABLE_NS: Final = 10_000_000_000


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
        self._sessions: list[Session] = []
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

    def renew(self, name: InstrumentId) -> bool:
        """Leave and join all channels of an instrument soon; False: it is not carried now.

        On the newest connection: an older one is about to go.
        """
        if name not in self.wanted or not self._sessions:
            return False
        return self._sessions[-1].renew(name)

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

    def _open(self) -> tuple[Session, asyncio.Task[None]]:
        session = Session(self, self._numbers(), self._dialect, self._clock, self._sink)
        self._sessions.append(session)
        return session, asyncio.create_task(self._serve(session))

    async def _serve(self, session: Session) -> None:
        await self._attempts.wait()
        await session.serve()

    async def _replace(
        self, old: Session, old_task: asyncio.Task[None]
    ) -> tuple[Session, asyncio.Task[None]]:
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


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel a connection and wait until it is closed."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
