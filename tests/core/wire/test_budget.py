"""A request budget that several programs share, real ones among them."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from core.engine.clock import SimClock
from core.model.errors import StoreError
from core.wire.budget import Budgets, Role, Window
from core.wire.http import HttpSession
from core.wire.limits import WeightLimiter
from emulator.app import Emulator

CAPACITY = 100
WINDOW_S = 7 * 86_400.0
"""So long that no test sees its end."""


@pytest.fixture
def join(tmp_path: Path) -> Callable[..., WeightLimiter]:
    """Make limiters that share one budget, as programs do."""

    def make(role: Role = Role.LIVE, reserve: int = 20, **more: Any) -> WeightLimiter:
        clock = more.get("clock") or SimClock(10**18)
        budgets = Budgets(tmp_path, role=role, share=0.5, clock=clock, told=pytest.fail)
        limiter = WeightLimiter(
            clock=clock, capacity=CAPACITY, window_s=more.get("window_s", 60.0), reserve=reserve
        )
        window = budgets.window("api.venue:443", limiter.window_s)
        assert window is not None
        limiter.share(window)
        return limiter

    return make


def taken(limiter: WeightLimiter, weight: int = 1, **how: bool) -> int:
    """Take until there is no more, and return how much there was."""
    count = 0
    while not limiter.take(weight, **how):
        count += weight
    return count


def test_what_one_uses_the_other_cannot(join: Callable[..., WeightLimiter]) -> None:
    one, other = join(), join()
    assert taken(one) == 80
    assert other.take(1) > 0
    assert (one.used, other.used) == (80, 80)
    assert taken(other, urgent=True) == 20, "the reserve is left to orders, whose ever they are"
    assert one.take(1, urgent=True) > 0


def test_bulk_takes_its_share_while_something_live_is_there(
    join: Callable[..., WeightLimiter],
) -> None:
    live, bulk, other = join(), join(Role.BULK), join(Role.BULK)
    assert taken(bulk) == 50
    assert other.take(1) > 0, "the share is that of all bulk together"
    assert taken(live) == 30
    live.close()
    assert bulk.take(1) > 0, "what is used stays used"


def test_bulk_alone_takes_all_but_the_reserve(join: Callable[..., WeightLimiter]) -> None:
    live, bulk = join(), join(Role.BULK)
    assert taken(bulk) == 50
    live.close()
    assert taken(bulk) == 30


def test_live_that_asks_nothing_for_long_leaves_its_share(
    join: Callable[..., WeightLimiter],
) -> None:
    clock = SimClock(10**18)
    live, bulk = (
        join(clock=clock, window_s=WINDOW_S),
        join(Role.BULK, clock=clock, window_s=WINDOW_S),
    )
    assert taken(bulk) == 50
    clock.advance(121 * 10**9)
    assert taken(bulk) == 30
    assert live.take(1) > 0


def test_new_window_is_a_new_budget(join: Callable[..., WeightLimiter]) -> None:
    clock = SimClock(10**18)
    one, other = join(clock=clock), join(clock=clock)
    assert taken(one) == 80
    clock.advance(60 * 10**9)
    assert taken(other) == 80


def test_ban_holds_for_all(join: Callable[..., WeightLimiter]) -> None:
    one, other = join(), join(Role.BULK)
    one.block(30)
    assert 29 < other.take(1) <= 30
    assert 29 < other.take(1, urgent=True) <= 30


def test_venues_own_count_is_of_all_of_us_and_strangers(
    join: Callable[..., WeightLimiter],
) -> None:
    one, other = join(), join()
    assert one.take(10) == 0
    assert other.take(5) == 0
    one.observe(15)
    assert one.used == 15
    one.observe(60)
    assert one.used == 60
    assert taken(one) == 20


def test_place_of_one_that_is_gone_is_taken_and_its_use_still_counts(tmp_path: Path) -> None:
    clock = SimClock(10**18)
    budgets = Budgets(tmp_path, role=Role.LIVE, share=0.5, clock=clock, told=pytest.fail)
    for count in range(200):
        window = budgets.window("host", 60.0)
        assert window is not None
        window.add(1, 1)
        assert window.used(1)[0] == count + 1
        window.close()


def test_file_that_is_none_of_ours_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "host-60s.budget"
    path.write_bytes(b"x" * 100)
    window = Window(path, role=Role.LIVE, share=0.5, clock=SimClock(10**18))
    window.add(3, 7)
    assert window.used(3) == (7, 0, True)
    assert window.blocked_until_ns() == 0


def test_budget_that_cannot_be_shared_is_told_and_kept_alone(tmp_path: Path) -> None:
    told: list[str] = []
    (tmp_path / "file").write_text("")
    where = tmp_path / "file" / "below"
    budgets = Budgets(where, role=Role.BULK, share=0.5, clock=SimClock(1), told=told.append)
    assert budgets.window("host", 60.0) is None
    assert "other programs of this home are not seen" in told[0]
    with pytest.raises(StoreError, match="request budget"):
        Window(where / "x", role=Role.LIVE, share=0.5, clock=SimClock(1))


def test_venues_behind_one_host_have_a_budget_each(tmp_path: Path) -> None:
    clock = SimClock(10**18)
    budgets = Budgets(tmp_path, role=Role.LIVE, share=0.5, clock=clock, told=pytest.fail)
    limiters = []
    for path in ("/spot", "/spot/", "/futures"):
        limiters.append(WeightLimiter(clock=clock, capacity=CAPACITY, reserve=20))
        url = f"http://gateway:81{path}"
        HttpSession(url, clock=clock, timeout_s=5.0, limiter=limiters[-1]).share(budgets)
    assert taken(limiters[0]) == 80
    assert [limiter.used for limiter in limiters] == [80, 80, 0]


PROGRAM = textwrap.dedent("""
    import asyncio, json, sys
    from pathlib import Path
    from core.engine.clock import SystemClock
    from core.model.errors import RateLimited
    from core.wire.budget import Budgets, Role
    from core.wire.http import HttpSession
    from core.wire.limits import WeightLimiter

    async def main(folder, url, role, most):
        clock = SystemClock()
        budgets = Budgets(Path(folder), role=Role[role], share=0.5, clock=clock, told=print)
        limiter = WeightLimiter(clock=clock, capacity=100, window_s=7 * 86_400.0)
        http = HttpSession(url, clock=clock, timeout_s=5.0, limiter=limiter)
        http.share(budgets)
        sent = 0
        while True:
            try:
                while sent < int(most):
                    reply = await http.get("/api/v3/time")
                    assert reply.status == 200
                    sent += 1
                print(json.dumps(["done", sent]), flush=True)
            except RateLimited:
                print(json.dumps(["spent", sent]), flush=True)
            if not await asyncio.to_thread(sys.stdin.readline):
                return await http.close()

    asyncio.run(main(*sys.argv[1:]))
""")


class Program:
    """One program that asks as often as it may, then waits to be told to go on."""

    def __init__(self, child: asyncio.subprocess.Process) -> None:
        self.child = child

    async def says(self) -> list[Any]:
        assert self.child.stdout is not None
        async with asyncio.timeout(20):
            said: list[Any] = json.loads(await self.child.stdout.readline())
        return said

    async def go_on(self) -> list[Any]:
        assert self.child.stdin is not None
        self.child.stdin.write(b"\n")
        return await self.says()


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    made = Emulator(
        seed=1, api_key="k" * 32, api_secret="s" * 32, control_token="c", history_days=1, flow=False
    )
    await made.start()
    yield made
    await made.stop()


@pytest.mark.slow
async def test_two_programs_stay_below_the_limit_and_one_killed_frees_its_share(
    emulator: Emulator, tmp_path: Path
) -> None:
    children: list[asyncio.subprocess.Process] = []

    async def start(role: str, most: int) -> Program:
        pipe = asyncio.subprocess.PIPE
        words = ("-c", PROGRAM, str(tmp_path), f"http://127.0.0.1:{emulator.port}", role, str(most))
        child = await asyncio.create_subprocess_exec(
            sys.executable, *words, stdin=pipe, stdout=pipe
        )
        children.append(child)
        return Program(child)

    try:
        engine = await start("LIVE", 20)
        # Before it is there the others may take all that its own twenty would need.
        assert await engine.says() == ["done", 20]
        first, second = await asyncio.gather(start("BULK", 1000), start("BULK", 1000))
        bulk = [await first.says(), await second.says()]
        assert [word for word, _ in bulk] == ["spent", "spent"]
        assert bulk[0][1] + bulk[1][1] == 50, "together they have their share, whoever was quicker"
        assert await first.go_on() == bulk[0], "there is no more while the engine lives"
        engine.child.send_signal(signal.SIGKILL)
        await engine.child.wait()
        bulk = [await first.go_on(), await second.go_on()]
        assert bulk[0][1] + bulk[1][1] == 80, "with it gone the rest of the hundred is theirs"
        first.child.send_signal(signal.SIGKILL)
        await first.child.wait()
        assert await second.go_on() == bulk[1], "what a killed one used stays used"
        again = await start("LIVE", 1000)
        assert await again.says() == ["spent", 0]
    finally:
        for child in children:
            if child.returncode is None:
                child.kill()
                await child.wait()
