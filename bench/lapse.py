"""An event loop in lapsed time: whoever sleeps wakes at once, and programs in it can die.

Time stands still while anything is to be done, real sockets on loopback included, and leaps to the
next timer when nothing is. What runs in the context of a `Life` dies like a process that is killed:
its connections break off with what was not written yet, it opens no others, and whatever it tries
next ends it. What it wrote before is with the kernel, as after a SIGKILL.
"""

from __future__ import annotations

import asyncio
import contextvars
import selectors
import socket
import weakref
from asyncio.selector_events import (  # type: ignore[attr-defined]  # no stub tells of it
    _SelectorSocketTransport,
)
from collections.abc import Callable
from typing import Any

_LIFE: contextvars.ContextVar[Life | None] = contextvars.ContextVar("life", default=None)


class Died(BaseException):
    """Ends everything a program does after its death."""


class Life:
    """One run of a program, from its start to the boundary it dies at."""

    def __init__(self, dies_at: int | None = None) -> None:
        """`dies_at` counts boundaries from 0, beginning when `counting` is set."""
        self.dies_at = dies_at
        self.counting = False
        self.passed: list[str] = []
        """Names of the boundaries it has counted."""
        self.dead = False
        self.context = contextvars.copy_context()
        self.context.run(_LIFE.set, self)
        self._transports: list[asyncio.Transport] = []
        self.strikes_at: int | None = None
        self.strike: Callable[[], None] = self.kill
        """Called at the boundary `strikes_at`, in place of dying."""
        self.tear: Callable[[], None] | None = None
        """Lets the next write to a file break off half way, where the process can really die."""

    def boundary(self, name: str) -> None:
        """Pass a boundary, or die at it.

        Raises:
            Died: It died here, or long ago.
        """
        if self.dead:
            raise Died
        if not self.counting:
            return
        if self.dies_at == len(self.passed):
            self.passed.append(name)
            self.kill()
            raise Died
        self.passed.append(name)
        if self.strikes_at == len(self.passed) - 1:
            self.strike()

    @property
    def dies_next(self) -> bool:
        """Whether it dies at the next boundary."""
        return self.counting and self.dies_at == len(self.passed)

    def kill(self) -> None:
        """Die now."""
        self.dead = True
        for transport in self._transports:
            transport.abort()

    def own(self, transport: asyncio.Transport) -> None:
        """Have a connection die with it."""
        self._transports.append(transport)
        if self.dead:
            asyncio.get_running_loop().call_soon(transport.abort)

    def do(self, work: Callable[..., Any], *args: Any, **more: Any) -> Any:
        """Call something as a part of the program."""
        if self.dead:
            raise Died
        return self.context.run(work, *args, **more)


class _Tapped(_SelectorSocketTransport):  # type: ignore[misc]  # as above
    """A connection of a program that may die around every read and write."""

    def __init__(self, life: Life, *args: Any) -> None:
        self._life = life
        super().__init__(*args)

    def write(self, data: Any) -> None:
        what = bytes(data[:40]).partition(b"?")[0].decode("ascii", "replace")
        # A frame of a WebSocket is masked at random and has no name.
        what = " ".join(what.split()[:2]) if what[:1].isalpha() else "frame"
        self._life.boundary(f"before bytes {what}")
        if self._life.dies_next:
            super().write(bytes(data[: len(data) // 2]))
        self._life.boundary(f"amid bytes {what}")
        super().write(data)
        self._life.boundary(f"after bytes {what}")

    def _read_ready(self) -> None:
        self._life.boundary("before read")
        super()._read_ready()
        self._life.boundary("after read")


class _Leaping(selectors.DefaultSelector):
    """Waits for nothing but sockets that have something already."""

    leap: Callable[[float], None]

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if events or timeout == 0:
            return events
        if timeout is None:
            return super().select(None)
        self.leap(timeout)
        return super().select(0)


class TappedLoop(asyncio.SelectorEventLoop):
    """Runs programs that may die around every read and write of theirs."""

    def __init__(self, selector: selectors.BaseSelector | None = None) -> None:
        self.served: weakref.WeakSet[Any] = weakref.WeakSet()
        """Connections that were accepted here."""
        self.server: Life | None = None
        """Whose the accepted connections are, if they are to be passed as well."""
        super().__init__(selector)
        self.set_exception_handler(_quietly)

    async def create_connection(self, *args: Any, **more: Any) -> Any:
        """Open a connection, unless who asks is dead."""
        life = _LIFE.get()
        if life is not None and life.dead:
            raise Died
        return await super().create_connection(*args, **more)

    def _make_socket_transport(
        self,
        sock: Any,
        protocol: Any,
        waiter: Any = None,
        *,
        extra: Any = None,
        server: Any = None,
    ) -> Any:
        life = _LIFE.get() if server is None else self.server
        if sock.family == socket.AF_UNIX:
            # Nobody's wire: somebody steers from outside.
            life = None
        if life is None:
            made: Any = _SelectorSocketTransport(self, sock, protocol, waiter, extra, server)
        else:
            made = _Tapped(life, self, sock, protocol, waiter, extra, server)
            life.own(made)
        if server is not None:
            self.served.add(made)
        return made


class LapseLoop(TappedLoop):
    """Runs tasks in lapsed time."""

    def __init__(self) -> None:
        selector = _Leaping()
        self._now_s = 0.0
        selector.leap = self._leap
        super().__init__(selector)

    def time(self) -> float:
        """Return the lapsed seconds."""
        return self._now_s

    def _leap(self, seconds: float) -> None:
        self._now_s += seconds


class LapseClock:
    """The loop's time as a clock, for programs in it."""

    speed = 1.0

    def __init__(self, loop: asyncio.AbstractEventLoop, start_ns: int) -> None:
        self._loop = loop
        self._start_ns = start_ns

    def now_ns(self) -> int:
        """Return UTC nanoseconds."""
        return self._start_ns + int(self._loop.time() * 1e9)

    def monotonic_ns(self) -> int:
        """Return the same: nothing steps here."""
        return self.now_ns()


def _quietly(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Report what nobody awaited, but the dying of the dead and of their connections."""
    error = context.get("exception")
    if not _died(error) and not isinstance(error, ConnectionError):
        loop.default_exception_handler(context)


def _died(error: BaseException | None) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(_died(each) for each in error.exceptions)
    return isinstance(error, Died)
