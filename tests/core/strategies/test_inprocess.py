"""The runner without a process: synchronous and deterministic."""

from __future__ import annotations

import asyncio

from core.model.signals import Signal, StrategyFailed, TargetPosition
from core.strategies.inprocess import InProcessRunner


def test_answers_are_there_when_send_returns(settings, bar) -> None:
    runner = InProcessRunner("rsi", settings("rsi"))
    heard: list[object] = []
    runner.attach(heard.append)
    runner.send(bar(1, {"rsi(14)": 50.0}))
    assert heard == []
    runner.send(bar(2, {"rsi(14)": 20.0}))
    assert [type(item) for item in heard] == [Signal, TargetPosition]


async def test_inputs_before_run_are_answered_first(settings, bar) -> None:
    runner = InProcessRunner("rsi", settings("rsi"))
    runner.send(bar(1, {"rsi(14)": 20.0}))
    heard: list[object] = []
    running = asyncio.create_task(runner.run(heard.append))
    await asyncio.sleep(0)
    runner.send(bar(2, {"rsi(14)": 80.0}))
    assert [item.cause_seq for item in heard] == [1, 1, 2, 2]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_raising_ends_it_with_the_line(settings, write, bar) -> None:
    path = write("""\
        from core.strategies.api import Strategy
        class Mine(Strategy):
            def on_bar(self, bar):
                raise ValueError("no luck")
    """)
    runner = InProcessRunner("mine", settings(path))
    heard: list[object] = []
    running = asyncio.create_task(runner.run(heard.append))
    await asyncio.sleep(0)
    runner.send(bar(1))
    runner.send(bar(2))
    await running
    assert heard == [
        StrategyFailed(
            strategy_id="mine",
            reason=f"ValueError: no luck ({path}, line 4, in on_bar)",
            ts_ns=2 * 60_000_000_000,
        )
    ]


def test_same_inputs_give_the_same_outputs(settings, bar) -> None:
    def play() -> list[object]:
        runner = InProcessRunner("rsi", settings("rsi"))
        heard: list[object] = []
        runner.attach(heard.append)
        for place in range(200):
            runner.send(bar(place, {"rsi(14)": float(place * 37 % 101)}, warmup=place < 20))
        return heard

    assert play() == play()
    assert len(play()) > 50
