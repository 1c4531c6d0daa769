"""A strategy in its own process may do what it likes; the engine hears what became of it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from core.engine.clock import SimClock, SystemClock
from core.model.errors import ConfigError, InvariantError
from core.model.signals import Signal, StrategyFailed, TargetPosition
from core.model.turns import TURN_NS, turns_of
from core.strategies import process
from core.strategies.inprocess import InProcessRunner
from core.strategies.process import ProcessRunner, describe

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits and PDEATHSIG are Linux's")

HEAD = "from core.strategies.api import *\nclass Mine(Strategy):\n    wants_book = True\n"


class Played:
    """A running strategy and what it said."""

    def __init__(self, runner: ProcessRunner) -> None:
        self.runner = runner
        self.said: list[object] = []
        self._more = asyncio.Event()
        self.task = asyncio.create_task(runner.run(self._hear))

    def _hear(self, output: object) -> None:
        self.said.append(output)
        self._more.set()

    async def until(self, count: int) -> list[object]:
        """Wait until it said so much."""
        async with asyncio.timeout(20):
            while len(self.said) < count:
                self._more.clear()
                await self._more.wait()
        return self.said

    async def failed(self) -> str:
        """Wait for its end and return why."""
        async with asyncio.timeout(20):
            await self.task
        failure = self.said[-1]
        assert isinstance(failure, StrategyFailed)
        return failure.reason


@pytest.fixture
async def play(settings, write):
    played: list[Played] = []

    def make(body: str = "", *, kind: str = "", clock=None, **more: object) -> Played:
        chosen = settings(
            kind or write(HEAD + textwrap.indent(textwrap.dedent(body), "    ")), **more
        )
        one = Played(ProcessRunner("mine", chosen, clock or SystemClock()))
        played.append(one)
        return one

    yield make
    for one in played:
        one.task.cancel()
    await asyncio.gather(*(one.task for one in played), return_exceptions=True)


async def test_answers_equal_those_of_the_in_process_runner(play, settings, bar) -> None:
    bars = [bar(n, {"rsi(14)": float(n * 37 % 101)}, warmup=n < 10) for n in range(300)]
    plain = InProcessRunner("mine", settings("rsi"))
    expected: list[object] = []
    plain.attach(expected.append)
    for message in bars:
        plain.send(message)
    one = play(kind="rsi")
    for message in bars:
        one.runner.send(message)
    assert await one.until(len(expected)) == expected
    assert len(expected) > 100
    assert one.runner.info == plain.info


async def test_raising_reports_its_own_line(play, bar) -> None:
    one = play("""
        def on_bar(self, bar):
            self.deeper()
        def deeper(self):
            raise KeyError("nothing here")
    """)
    one.runner.send(bar(1))
    path = one.runner._assignment.kind
    assert await one.failed() == f"KeyError: 'nothing here' ({path}, line 8, in deeper)"


async def test_an_endless_loop_is_stopped_and_the_place_is_named(play, bar) -> None:
    clock = SimClock()
    one = play(
        """
        def on_bar(self, bar):
            if bar.seq == 1:
                return self.signal(Direction.LONG)
            while True:
                pass
        """,
        clock=clock,
        reply_timeout_s=2.0,
    )
    one.runner.send(bar(1))
    await one.until(1)
    one.runner.send(bar(2))
    clock.advance(1_900_000_000)
    await asyncio.sleep(0)
    assert not one.task.done()
    clock.advance(200_000_000)
    path = one.runner._assignment.kind
    reason = await one.failed()
    assert reason.startswith(f"hung: no answer to bar within 2 s ({path}, line ")
    assert reason.endswith("in on_bar)")


async def test_eating_memory_ends_it_and_nothing_else(play, bar) -> None:
    one = play(
        """
        def on_bar(self, bar):
            hoard = []
            while True:
                hoard.append(bytearray(8 << 20))
        """,
        memory_mb=64,
        reply_timeout_s=10,
    )
    one.runner.send(bar(1))
    path = one.runner._assignment.kind
    reason = await one.failed()
    assert reason == f"memory: it wanted more than its 64 MB ({path}, line 8, in on_bar)"


async def test_sys_exit_is_an_end_with_its_status(play, bar) -> None:
    one = play("""
        def on_bar(self, bar):
            import sys
            sys.exit(3)
    """)
    one.runner.send(bar(1))
    assert await one.failed() == "its process exited with status 3"


async def test_sigkill_is_named(play, bar) -> None:
    one = play("""
        def on_bar(self, bar):
            import os, signal
            os.kill(os.getpid(), signal.SIGKILL)
    """)
    one.runner.send(bar(1))
    assert await one.failed() == (
        "its process was killed by SIGKILL; the system may have run out of memory"
    )


async def test_a_segfault_is_named_with_its_line(play, bar) -> None:
    one = play("""
        def on_bar(self, bar):
            import ctypes
            ctypes.string_at(0)
    """)
    one.runner.send(bar(1))
    reason = await one.failed()
    assert reason.startswith("its process was killed by SIGSEGV (")


async def test_garbage_on_its_socket_ends_it(play, bar) -> None:
    one = play("""
        def on_bar(self, bar):
            import os, sys
            fd = int(sys.argv[sys.argv.index("--fd") + 1])
            os.write(fd, b"hello, engine! " * 10)
            import time
            while True:
                time.sleep(1)
    """)
    one.runner.send(bar(1))
    assert (await one.failed()).startswith("sent bytes that are no message: frame length must be")


async def test_a_forged_frame_ends_it(play, bar) -> None:
    one = play("""
        def on_bar(self, bar):
            import os, sys
            fd = int(sys.argv[sys.argv.index("--fd") + 1])
            os.write(fd, b"\\x03\\x00\\x00\\x00\\x93\\x01\\x02")
    """)
    one.runner.send(bar(1))
    assert (await one.failed()).startswith("sent bytes that are no message: ")


async def test_speaking_for_another_strategy_ends_it(play, bar) -> None:
    one = play("""
        def on_bar(self, bar):
            import msgspec
            return msgspec.structs.replace(self.target(1), strategy_id="other")
    """)
    one.runner.send(bar(1))
    assert await one.failed() == "spoke in the name of other"
    assert len(one.said) == 1


async def test_prints_are_logged_within_bounds_and_disturb_nothing(play, bar, caplog) -> None:
    caplog.set_level("INFO", "clx.strategies")
    cut_off = asyncio.Event()
    caplog.handler.addFilter(lambda record: "left out" not in record.msg or cut_off.set() is None)
    one = play("""
        def on_bar(self, bar):
            for n in range(2000):
                print("line", n)
            return self.target(1)
    """)
    one.runner.send(bar(1))
    assert isinstance((await one.until(1))[0], TargetPosition)
    await asyncio.wait_for(cut_off.wait(), 10)
    assert "mine: line 0" in caplog.messages
    assert len(caplog.messages) == 501


async def test_its_environment_holds_nothing_of_ours(play, bar, monkeypatch) -> None:
    monkeypatch.setenv("CLX_VENUES__BINANCE__API_SECRET", "s3cret")
    one = play("""
        def on_bar(self, bar):
            import os
            held = sorted(os.environ)
            fds = sorted(int(n) for n in os.listdir("/proc/self/fd"))
            return self.signal(Direction.FLAT, reason=f"{held} {len(fds)} {os.nice(0)}")
    """)
    one.runner.send(bar(1))
    (said,) = await one.until(1)
    assert isinstance(said, Signal)
    names, count, nice = said.reason.rsplit(" ", 2)
    assert "SECRET" not in names
    assert "CLX" not in names
    assert int(count) == 5  # stdin, stdout, stderr, the socket, and the listing itself
    assert int(nice) == os.nice(0) + 5


@pytest.mark.skipif(
    (NOW := turns_of(0)) is None or not NOW.turn_ns,
    reason="Linux lets threads ask for turns from 6.12 on",
)
async def test_it_answers_soon_though_other_programs_have_the_cores(play, bar) -> None:
    one = play("""
        def on_bar(self, bar):
            from core.model.turns import turns_of
            return self.signal(Direction.FLAT, reason=str(turns_of(0).turn_ns))
    """)
    one.runner.send(bar(1))
    (said,) = await one.until(1)
    assert isinstance(said, Signal)
    assert int(said.reason) == TURN_NS


async def test_books_are_conflated_and_bars_and_fills_never(play, bar, book, fill) -> None:
    one = play("""
        def on_start(self):
            self.seen = []
        def on_bar(self, bar):
            self.seen.append(f"bar{bar.seq}")
            if bar.seq == 99:
                return self.signal(Direction.FLAT, reason=" ".join(self.seen))
        def on_book(self, book):
            self.seen.append(f"book{book.seq}")
        def on_fill(self, fill):
            self.seen.append(f"fill{fill.seq}")
    """)
    for seq in range(1, 31):
        one.runner.send(book(seq, 100.0 + seq))
        if seq % 10 == 0:
            one.runner.send(bar(seq))
            one.runner.send(fill(seq, 1.0))
    one.runner.send(bar(99))
    (said,) = await one.until(1)
    assert said.reason == "bar10 fill10 bar20 fill20 book30 bar30 fill30 bar99"


async def test_falling_hopelessly_behind_ends_it(play, bar, monkeypatch) -> None:
    monkeypatch.setattr(process, "MAX_PENDING", 20)
    one = play(kind="rsi")
    await asyncio.sleep(0)
    for seq in range(21):
        one.runner.send(bar(seq))
    assert await one.failed() == "fell behind: 21 inputs wait for it"


async def test_a_restart_with_history_knows_what_the_first_life_knew(play, bar) -> None:
    body = """
        warmup_bars = 50
        def on_start(self):
            self.sum = 0.0
        def on_bar(self, bar):
            self.sum += bar.close
            return self.signal(Direction.FLAT, reason=str(self.sum))
    """
    first = play(body)
    for n in range(50):
        first.runner.send(bar(n, close=float(n)))
    told = (await first.until(50))[-1].reason
    first.task.cancel()
    await asyncio.gather(first.task, return_exceptions=True)
    second = play(body)
    for n in range(49):
        second.runner.send(bar(n, close=float(n), warmup=True))
    second.runner.send(bar(49, close=49.0))
    assert [item.reason for item in await second.until(1)] == [told]


async def test_cancelling_ends_the_process(play, bar) -> None:
    one = play("""
        def on_bar(self, bar):
            import os
            return self.signal(Direction.FLAT, reason=str(os.getpid()))
    """)
    one.runner.send(bar(1))
    pid = int((await one.until(1))[0].reason)
    one.task.cancel()
    await asyncio.gather(one.task, return_exceptions=True)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    one.runner.send(bar(2))
    with pytest.raises(InvariantError, match="run twice"):
        await one.runner.run(one.said.append)


def test_the_engines_death_ends_a_looping_strategy(write, tmp_path) -> None:
    path = write(HEAD + "    def on_bar(self, bar):\n        while True: pass\n")
    pid_file = tmp_path / "pid"
    engine = textwrap.dedent(f"""
        import asyncio, os
        from core.engine.clock import SystemClock
        from core.model.market import Bar, Timeframe
        from core.model.settings import StrategySettings
        from core.model.signals import BarInput
        from core.strategies.process import ProcessRunner

        async def main():
            runner = ProcessRunner("mine", StrategySettings(kind={path!r}), SystemClock())
            bar = Bar("BTC-USDT.binance", Timeframe.M1, 0, 1, 1, 1, 1, 1, 1)
            runner.send(BarInput(seq=1, bar=bar, open=1.0, high=1.0, low=1.0, close=1.0,
                                 volume=1.0, indicators={{}}))
            task = asyncio.create_task(runner.run(print))
            while not runner._in_flight:
                await asyncio.sleep(0.01)
            kids = open(f"/proc/{{os.getpid()}}/task/{{os.getpid()}}/children").read()
            open({str(pid_file)!r}, "w").write(kids)
            os.kill(os.getpid(), 9)
        asyncio.run(main())
    """)
    root = str(Path(process.__file__).parents[2])
    subprocess.run([sys.executable, "-c", engine], cwd=root, check=False, timeout=30)
    pid = int(pid_file.read_text())
    end = os.pidfd_open(pid) if _alive(pid) else None
    if end is not None:
        import select

        assert select.select([end], [], [], 10)[0], "the strategy outlived its engine"
        os.close(end)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_file_that_changed_what_it_declares_is_not_run(play, write) -> None:
    one = play("title = 'one'")
    write(HEAD + "    title = 'two'\n")
    assert await one.failed() == "its file changed what it declares; enable it again"


def refused(settings: Callable[..., object], kind: str, **more: object) -> str:
    with pytest.raises(ConfigError) as error:
        describe("mine", settings(kind), **more)
    return str(error.value)


def test_describe_reads_a_file_without_running_it_here(settings, write) -> None:
    path = write("import sys\nsys.modules['tainted'] = sys\n" + HEAD + "    title = 'Yes'\n")
    assert describe("mine", settings(path)).title == "Yes"
    assert "tainted" not in sys.modules


def test_describe_tells_why_a_file_cannot_be_used(settings, write, tmp_path) -> None:
    path = write("1 / 0\n")
    assert refused(settings, path) == (
        f"strategy file {path}: ZeroDivisionError: division by zero ({path}, line 1, in <module>)"
    )
    assert refused(settings, str(tmp_path / "no.py")).endswith("does not exist")


def test_describe_gives_up_on_a_file_that_loops(settings, write) -> None:
    path = write("while True: pass\n")
    assert refused(settings, path, timeout_s=0.5) == (
        f"strategy file {path} was not ready after 0.5 s; does it loop while it is imported?"
    )


def test_describe_survives_a_file_that_kills_its_process(settings, write) -> None:
    path = write(f"import os\nos.kill(os.getpid(), {int(signal.SIGTERM)})\n")
    assert refused(settings, path) == "its process was killed by SIGTERM"
