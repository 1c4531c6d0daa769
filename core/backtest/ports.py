"""What the kernel needs of the world, where the world is a file of bars."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from core.engine.demand import Series
from core.engine.kernel import Kernel
from core.model.errors import InvariantError
from core.model.ids import InstrumentId, ModelId, StrategyId, VenueName
from core.model.instruments import Instrument
from core.model.market import BookDelta, MarketEvent
from core.model.ports import DEFAULT_TRAITS, BookTraits, FrameKind, StrategyRunner, Verdict
from core.model.signals import Prediction
from core.strategies.inprocess import InProcessRunner


class NoPredictions:
    """Keeps nothing: a backtest of a strategy has no models."""

    def put(self, predictions: Sequence[Prediction]) -> None:
        """Forget them."""

    def recent(
        self, model_id: ModelId, instrument_id: InstrumentId, limit: int
    ) -> list[Prediction]:
        """Return nothing."""
        return []


class Imaged:
    """The rule of a book that only ever comes as whole images."""

    def splice(self, snapshot_id: int, delta: BookDelta) -> Verdict:
        """There are no deltas; one would be a gap."""
        return Verdict.GAP

    def follow(self, last_id: int, delta: BookDelta) -> Verdict:
        """There are no deltas; one would be a gap."""
        return Verdict.GAP

    def traits(self, instrument: Instrument) -> BookTraits:
        """Return that nothing is special."""
        return DEFAULT_TRAITS


class NoFrames:
    """The decoder of a venue that sends no frames: its events are made from bars."""

    def __init__(self, venue: VenueName) -> None:
        self.venue = venue
        self.rule = Imaged()

    def decode(
        self, kind: FrameKind, conn: int, ts_recv_ns: int, url: str, data: bytes
    ) -> Sequence[MarketEvent]:
        """Refuse: no frame can come from a file of bars.

        Raises:
            InvariantError: Always.
        """
        raise InvariantError(f"{self.venue}: a frame in a backtest over bars")

    def add_instruments(self, instruments: Collection[Instrument]) -> None:
        """Nothing to learn."""


class Stage:
    """Runs strategies within the kernel's own calls; `core.engine.kernel.Host`."""

    def __init__(self, runners: dict[StrategyId, InProcessRunner]) -> None:
        self._runners = runners
        self.kernel: Kernel | None = None
        self._asked: list[Series] = []

    def load_history(self, series: Series, start_ns: int, end_ns: int) -> None:
        """Note the wish; `answer` says there is none, once the kernel listens."""
        self._asked.append(series)

    def answer(self) -> None:
        """Answer every wish for history: there is nothing before the first bar."""
        assert self.kernel is not None
        while self._asked:
            self.kernel.on_history(self._asked.pop(), ())

    def start_strategy(self, strategy_id: StrategyId) -> StrategyRunner:
        """Attach a strategy to the kernel."""
        kernel, runner = self.kernel, self._runners[strategy_id]
        assert kernel is not None
        runner.attach(lambda output: kernel.on_strategy(strategy_id, output))
        return runner

    def stop_strategy(self, strategy_id: StrategyId) -> None:
        """Nothing runs beside the kernel."""

    def reconcile(self) -> None:
        """The simulated venue and the desk cannot differ."""

    def stop(self, reason: str) -> None:
        """The run ends with its bars."""
