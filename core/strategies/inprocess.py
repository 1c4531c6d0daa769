"""A strategy run right here, without a process of its own: for backtests and golden replays."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from core.model.signals import StrategyFailed, StrategyInfo, StrategyInput, StrategyOutput
from core.strategies.failure import failure
from core.strategies.stage import Assignment, Stage

if TYPE_CHECKING:
    from core.model.settings import StrategySettings


class InProcessRunner:
    """Answers within `send`, so the same inputs give the same outputs in the same order.

    It cannot stop a strategy that loops for ever or eats memory; live ones run in
    `core.strategies.process`.

    Raises:
        ConfigError: The strategy cannot be loaded or its parameters are wrong.
    """

    info: StrategyInfo

    def __init__(self, strategy_id: str, settings: StrategySettings) -> None:
        self._stage = Stage(Assignment.of(strategy_id, settings))
        self.info = self._stage.info
        self._sink: Callable[[StrategyOutput], None] | None = None
        self._early: deque[StrategyInput] = deque()
        """Inputs from before there was anyone to answer."""
        self._failed = asyncio.Event()

    def attach(self, sink: Callable[[StrategyOutput], None]) -> None:
        """Answer to `sink` from now on, inputs sent before included."""
        self._sink = sink
        while self._early:
            self._take(self._early.popleft())

    async def run(self, sink: Callable[[StrategyOutput], None]) -> None:
        """Answer to `sink` until cancelled or the strategy fails."""
        self.attach(sink)
        await self._failed.wait()

    def send(self, message: StrategyInput) -> None:
        """Run the hook for an input at once; the answers are at the sink when this returns."""
        if self._sink is None:
            self._early.append(message)
        else:
            self._take(message)

    def _take(self, message: StrategyInput) -> None:
        if self._sink is None or self._failed.is_set():
            return
        try:
            wanted = self._stage.handle(message)
        except Exception as error:
            # The strategy is a plug-in: whatever it raises ends it, and nothing else.
            self._failed.set()
            reason = failure(error, self._stage.source)
            ts_ns = self._stage.now_ns
            self._sink(StrategyFailed(strategy_id=self.info.id, reason=reason, ts_ns=ts_ns))
            return
        for output in wanted:
            self._sink(output)
