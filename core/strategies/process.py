"""A strategy in a process of its own, seen from the engine: told, timed, and ended when it must be.

::

    send ─► pending (bars and fills kept, books conflated) ─► in flight ─► host
                                                                 │ Answer
    sink ◄───────────────────────────────────────────────────────┘
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias, assert_never

import msgspec

from core.model.errors import ConfigError, DataError, InvariantError
from core.model.ports import Clock
from core.model.signals import (
    BookInput,
    StrategyFailed,
    StrategyInfo,
    StrategyInput,
    StrategyOutput,
)
from core.strategies.frames import (
    Answer,
    FrameReader,
    FromHost,
    Raised,
    Ready,
    Start,
    Tell,
    ToHost,
    Unfit,
    pack,
)
from core.strategies.loader import is_file
from core.strategies.output import Output
from core.strategies.stage import Assignment, Stage

if TYPE_CHECKING:
    from core.model.settings import StrategySettings

START_TIMEOUT_S: Final = 10.0
"""A host that is not ready after this is taken for hung; imports of a strategy count."""
MAX_PENDING: Final = 50_000
"""Inputs waiting for a strategy; one further behind is stopped, for none may be dropped."""
_WINDOW: Final = 64
"""Inputs on their way at once."""
_CHECK_S: Final = 0.2
_GRACE_S: Final = 1.0

_Sink: TypeAlias = Callable[[StrategyOutput], None]
_Key: TypeAlias = int | tuple[str, str]


def describe(
    strategy_id: str, settings: StrategySettings, timeout_s: float = START_TIMEOUT_S
) -> StrategyInfo:
    """Return what a strategy declares; a user's file is read in a process of its own.

    Blocks for about 0.2 s for a file; call it at start, or in a thread.

    Raises:
        ConfigError: It cannot be loaded, its settings are wrong, or it does not get ready in time.
    """
    assignment = Assignment.of(strategy_id, settings)
    if not is_file(assignment.kind):
        return Stage(assignment).info
    ours, theirs = socket.socketpair()
    with ours, theirs:
        command, environment, folder = _invocation(assignment, theirs.fileno())
        process = subprocess.Popen(  # noqa: S603  our own interpreter and module
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd=folder,
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
        )
        theirs.close()
        try:
            frame = _first_frame(ours, Start(assignment), timeout_s)
        except TimeoutError:
            raise ConfigError(
                f"strategy file {assignment.kind} was not ready after {timeout_s:g} s;"
                " does it loop while it is imported?"
            ) from None
        except (DataError, msgspec.DecodeError) as error:
            raise ConfigError(f"strategy file {assignment.kind}: {error}") from None
        finally:
            _kill_group(process.pid)
            status = process.wait()
    if isinstance(frame, Ready):
        return frame.info
    reason = frame.reason if isinstance(frame, Unfit) else f"its process {_ended(status)}"
    raise ConfigError(reason)


class ProcessRunner:
    """Runs one strategy in ``core.strategies.host``, for one life: build another to run again.

    Args:
        info: What it declares, where already known from `describe`; else it is found out here.

    Raises:
        ConfigError: It cannot be loaded or its settings are wrong.
    """

    info: StrategyInfo

    def __init__(
        self,
        strategy_id: str,
        settings: StrategySettings,
        clock: Clock,
        info: StrategyInfo | None = None,
    ) -> None:
        self._assignment = Assignment.of(strategy_id, settings)
        self._timeout_ns = int(settings.reply_timeout_s * 1e9)
        self._clock = clock
        self.info = info or describe(strategy_id, settings)
        self._sink: _Sink | None = None
        self._transport: asyncio.WriteTransport | None = None
        self._decoder: msgspec.msgpack.Decoder[FromHost] = msgspec.msgpack.Decoder(FromHost)
        self._output = Output(strategy_id)
        self._pending: dict[_Key, StrategyInput] = {}
        self._counter = 0
        self._in_flight: list[StrategyInput] = []
        self._ready = False
        self._since_ns = 0
        """When the host last made progress: started, took its first input, or answered."""
        self._answers = 0
        self._end: asyncio.Future[str] | None = None

    def send(self, message: StrategyInput) -> None:
        """Queue an input. A book still waiting gives way to a newer one of its instrument."""
        if self._end is not None and self._end.done():
            return
        key: _Key
        if isinstance(message, BookInput):
            key = ("book", message.instrument_id)
            self._pending.pop(key, None)
        else:
            self._counter += 1
            key = self._counter
        self._pending[key] = message
        if len(self._pending) > MAX_PENDING:
            self._fail(f"fell behind: {len(self._pending)} inputs wait for it")
        self._pump()

    async def run(self, sink: _Sink) -> None:
        """Play until cancelled, or until the strategy fails, which the sink is told.

        Raises:
            InvariantError: It ran before.
        """
        if self._end is not None:
            raise InvariantError(f"strategy {self.info.id} was run twice; build a new runner")
        self._sink = sink
        self._end = asyncio.get_running_loop().create_future()
        ours, theirs = socket.socketpair()
        command, environment, folder = _invocation(self._assignment, theirs.fileno())
        with ours, theirs:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=folder,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
            theirs.close()
            listening = asyncio.create_task(self._output.follow(process.stdout))
            try:
                await self._converse(ours.dup())
                reason = await self._reason(process)
            finally:
                self._end.cancel()
                if self._transport is not None:
                    self._transport.abort()
                if process.returncode is None:
                    _kill_group(process.pid)
                await process.wait()
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
        sink(StrategyFailed(strategy_id=self.info.id, reason=reason, ts_ns=self._clock.now_ns()))

    async def _converse(self, ours: socket.socket) -> None:
        """Talk until one side ends it, looking now and then whether the host still answers."""
        loop = asyncio.get_running_loop()
        assert self._end is not None
        self._since_ns = self._clock.monotonic_ns()
        self._transport, _ = await loop.create_connection(lambda: _Channel(self), sock=ours)
        # uvloop would write when the turn of the loop ends, after all frames that wait in it.
        self._transport.set_write_buffer_limits(high=0)
        self._transport.write(pack(Start(self._assignment)))
        suspected = -1
        while not self._end.done():
            await asyncio.wait({self._end}, timeout=min(_CHECK_S, self._timeout_ns / 4e9))
            if not self._late():
                suspected = -1
            elif suspected == self._answers:
                # Twice in a row, so that a pause of the engine's own loop accuses nobody.
                self._fail("")
            else:
                suspected = self._answers

    def _late(self) -> bool:
        waited_ns = self._clock.monotonic_ns() - self._since_ns
        if not self._ready:
            return waited_ns > max(self._timeout_ns, int(START_TIMEOUT_S * 1e9))
        return bool(self._in_flight) and waited_ns > self._timeout_ns

    async def _reason(self, process: asyncio.subprocess.Process) -> str:
        """Return why it ended; an empty word of ours means it hung, a lost socket that it died."""
        assert self._end is not None
        reason = self._end.result()
        if reason == _LOST:
            try:
                status = await asyncio.wait_for(process.wait(), _GRACE_S)
            except TimeoutError:
                return "closed its connection to the engine"
            await self._output.settle()
            where = self._output.crash()
            return f"its process {_ended(status)}" + (f" ({where})" if where else "")
        if reason:
            return reason
        where = ""
        if process.returncode is None and self._ready:
            process.send_signal(signal.SIGUSR1)
            where = await self._output.traceback(str(Path(self._assignment.kind)), _GRACE_S)
        what = type(self._in_flight[0]).__struct_config__.tag if self._in_flight else "its start"
        seconds = self._timeout_ns / 1e9 if self._ready else START_TIMEOUT_S
        hung = f"hung: no answer to {what} within {seconds:g} s"
        return f"{hung} ({where})" if where else hung

    def take(self, body: bytes) -> None:
        """Take one frame of the host's."""
        if self._end is None or self._end.done():
            return
        frame = self._decoder.decode(body)
        self._since_ns = self._clock.monotonic_ns()
        self._answers += 1
        match frame:
            case Ready():
                if frame.info != self.info:
                    self._fail("its file changed what it declares; enable it again")
                self._ready = True
                self._pump()
            case Answer():
                self._answered(frame)
            case Unfit() | Raised():
                self._fail(frame.reason)
            case _:
                assert_never(frame)

    def lost(self, reason: str) -> None:
        """Note that the host's socket ended, or what it sent was no frame."""
        self._fail(reason or _LOST)

    def _answered(self, frame: Answer) -> None:
        if not self._in_flight:
            self._fail("sent an answer to nothing")
            return
        del self._in_flight[0]
        for output in frame.outputs:
            if output.strategy_id != self.info.id:
                self._fail(f"spoke in the name of {output.strategy_id}")
                return
        if self._sink is not None:
            for output in frame.outputs:
                self._sink(output)
        self._pump()

    def _pump(self) -> None:
        if not self._ready or self._transport is None or self._end is None or self._end.done():
            return
        while self._pending and len(self._in_flight) < _WINDOW:
            key = next(iter(self._pending))
            if self._in_flight and isinstance(self._pending[key], BookInput):
                # A book waits here, where a newer one can still replace it.
                return
            message = self._pending.pop(key)
            if not self._in_flight:
                self._since_ns = self._clock.monotonic_ns()
            self._in_flight.append(message)
            frame: ToHost = Tell(message)
            self._transport.write(pack(frame))

    def _fail(self, reason: str) -> None:
        if self._end is not None and not self._end.done():
            self._end.set_result(reason)


_LOST: Final = "lost"


class _Channel(asyncio.Protocol):
    """The engine's end of the socket."""

    def __init__(self, runner: ProcessRunner) -> None:
        self._runner = runner
        self._reader = FrameReader()

    def data_received(self, data: bytes) -> None:
        """Cut what came into frames; anything else ends the strategy."""
        try:
            for body in self._reader.feed(data):
                self._runner.take(body)
        except (DataError, msgspec.DecodeError) as error:
            self._runner.lost(f"sent bytes that are no message: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        """The host is gone, or closed its end."""
        self._runner.lost("")


def _invocation(assignment: Assignment, fd: int) -> tuple[list[str], dict[str, str], str]:
    """Return command, environment and folder of a host: none of the engine's variables."""
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-P", "-m", "core.strategies.host"]
    command += ["--fd", str(fd), "--parent", str(os.getpid())]
    environment = {
        "PATH": os.defpath,
        "PYTHONPATH": root,
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        # Thread pools of numeric libraries would count against the memory cap.
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
    folder = (
        Path(assignment.kind).expanduser().resolve().parent if is_file(assignment.kind) else None
    )
    return command, environment, str(folder) if folder is not None and folder.is_dir() else "/"


def _first_frame(ours: socket.socket, start: Start, timeout_s: float) -> FromHost | None:
    reader = FrameReader()
    decoder: msgspec.msgpack.Decoder[FromHost] = msgspec.msgpack.Decoder(FromHost)
    ours.settimeout(timeout_s)
    try:
        ours.sendall(pack(start))
        while data := ours.recv(1 << 16):
            for body in reader.feed(data):
                return decoder.decode(body)
    except (BrokenPipeError, ConnectionResetError):
        return None
    return None


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _ended(status: int) -> str:
    if status < 0:
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = f"signal {-status}"
        hint = "; the system may have run out of memory" if name == "SIGKILL" else ""
        return f"was killed by {name}{hint}"
    return f"exited with status {status}"
