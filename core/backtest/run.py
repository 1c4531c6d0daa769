"""Runs a strategy over history with the live engine's own kernel, ledger and risk gate."""

from __future__ import annotations

import hashlib
from array import array
from collections import deque
from collections.abc import Callable
from decimal import Decimal

import msgspec

from core.backtest.history import History
from core.backtest.market import CLOSE_NS, BarMarket
from core.backtest.ports import NoFrames, NoPredictions, Stage
from core.backtest.statistics import Statistics, measure
from core.engine.clock import SimClock
from core.engine.kernel import Kernel
from core.model.errors import ConfigError
from core.model.facts import VenueEvent
from core.model.ids import StrategyId, VenueName
from core.model.orders import OrderFilled
from core.model.settings import Settings, StrategySettings
from core.model.views import AlertRaised, Fact, OrderChanged
from core.strategies.inprocess import InProcessRunner
from core.trading.recorder import MemoryJournal
from core.venues.sim import SimVenue

PROGRESS_BARS = 500

NEVER_S = 1e9
"""Thirty years: a file of bars is never silent."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to run, beside the history and the settings."""

    strategy_id: StrategyId
    strategy: StrategySettings
    half_spread_bps: Decimal = Decimal("0.5")
    seed: int = 0
    """Kept with the report; nothing in a run over bars is random."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a run."""

    statistics: Statistics
    ts_ns: array[int]
    """Close times, one a bar."""
    equity: array[float]
    """Account value at each close, in the quote asset."""
    closes: array[float]
    fills: tuple[OrderFilled, ...]
    orders: int
    denied: int
    alerts: tuple[str, ...]
    final_position: Decimal
    state_hash: str
    orders_sha256: str
    """Of every journal record, in order: equal runs have equal ones."""


class Backtest:
    """One run; `step` takes a bar, so a caller can show progress and stop in between."""

    def __init__(self, settings: Settings, plan: Plan, history: History) -> None:
        """Put the engine together.

        Raises:
            ConfigError: The strategy or its parameters are wrong, or its bars are not these.
        """
        instrument, timeframe = history.instrument, history.timeframe
        strategy = plan.strategy.model_copy(
            update={"instruments": (instrument.id,), "timeframe": timeframe}
        )
        runner = InProcessRunner(plan.strategy_id, strategy)
        if runner.info.timeframe is not timeframe:
            raise ConfigError(
                f"strategy {plan.strategy_id} takes {runner.info.timeframe.value} bars, "
                f"the history has {timeframe.value}"
            )
        self.history = history
        self._settings = _for_history(settings, plan, strategy, history)
        self._clock = SimClock(history.bars[0].ts_open_ns)
        self._venue = SimVenue(
            instrument.venue,
            self._settings.paper,
            clock=self._clock,
            instruments=[instrument],
            feeds=self._settings.feeds,
        )
        self._journal = MemoryJournal()
        self._stage = Stage({plan.strategy_id: runner})
        self._told: deque[VenueEvent] = deque()
        self._denied = 0
        self._alerts: deque[str] = deque(maxlen=20)
        self._market = BarMarket(
            instrument,
            half_spread_bps=plan.half_spread_bps,
            latency_ns=int(self._settings.paper.latency_ms * 1e6),
        )
        self._ts_ns, self._equity, self._closes = array("q"), array("d"), array("d")
        self._held_bars = 0
        self.kernel = self._build(plan, runner)
        self._open(instrument.venue)

    def run(self, progress: Callable[[int, int], None] | None = None) -> Result:
        """Take every bar; `progress` is told (bars done, bars in all)."""
        bars = self.history.bars
        for count in range(len(bars)):
            self.step(count)
            if progress is not None and count % PROGRESS_BARS == 0:
                progress(count, len(bars))
        self._at(bars[-1].ts_open_ns + self.history.timeframe.ns + CLOSE_NS)
        if progress is not None:
            progress(len(bars), len(bars))
        return self.result()

    def step(self, index: int) -> None:
        """Live through bar number `index`."""
        bar, kernel, clock = self.history.bars[index], self.kernel, self._clock
        clock.set(max(clock.now_ns(), bar.ts_open_ns))
        kernel.on_market(self._market.opening(bar))
        self._pump()
        # The bar before closes here: strategies speak, their orders meet this bar's open.
        self._at(bar.ts_open_ns + CLOSE_NS)
        for event in self._market.within(bar):
            clock.set(max(clock.now_ns(), event.ts_recv_ns))
            kernel.on_market((event,))
            self._pump()
        self._note(bar.ts_open_ns + bar.timeframe.ns, bar.close_ticks)

    def result(self) -> Result:
        """Measure what has been run so far."""
        kernel = self.kernel
        fills = kernel.desk.fills(limit=1 << 30)
        name = self.history.instrument.id
        position = next((p for p in kernel.desk.positions() if p.instrument_id == name), None)
        encoded = msgspec.msgpack.encode([record for _, record in self._journal.read()])
        return Result(
            statistics=measure(
                self._ts_ns,
                self._equity,
                self._closes,
                fills,
                self._held_bars,
                float(position.fees) if position else 0.0,
            ),
            ts_ns=self._ts_ns,
            equity=self._equity,
            closes=self._closes,
            fills=fills,
            orders=len(kernel.desk.orders(include_ended=True)) - self._denied,
            denied=self._denied,
            alerts=tuple(self._alerts),
            final_position=position.size if position else Decimal(0),
            state_hash=kernel.state_hash(),
            orders_sha256=hashlib.sha256(encoded).hexdigest(),
        )

    # -- within ----------------------------------------------------------------------------

    def _build(self, plan: Plan, runner: InProcessRunner) -> Kernel:
        venue = self.history.instrument.venue
        return Kernel(
            settings=self._settings,
            clock=self._clock,
            decoders={venue: NoFrames(venue)},
            feeds={},
            venues={venue: self._venue},
            instruments=[self.history.instrument],
            journal=self._journal,
            predictions=NoPredictions(),
            infos={plan.strategy_id: runner.info},
            predictors={},
            host=self._stage,
            session="backtest",
            mode="SIM",
            version="backtest",
        )

    def _open(self, venue: VenueName) -> None:
        kernel = self._stage.kernel = self.kernel
        kernel.log.on_fact(self._on_fact)
        kernel.recover()
        self._stage.answer()
        self._venue.connect(self._told.append)
        self._pump()
        kernel.desk.reconciled(venue)
        kernel.enable_strategies()
        self._stage.answer()

    def _at(self, ts_ns: int) -> None:
        self._clock.set(max(self._clock.now_ns(), ts_ns))
        self.kernel.on_timer(self._clock.now_ns())
        self._stage.answer()
        self._pump()

    def _pump(self) -> None:
        while self._told:
            self.kernel.on_venue_event(self._told.popleft())

    def _note(self, ts_ns: int, close_ticks: int) -> None:
        held = any(item.size for item in self.kernel.desk.positions())
        self._held_bars += held
        self._ts_ns.append(ts_ns)
        self._equity.append(float(self.kernel.desk.equity()))
        self._closes.append(float(self.history.instrument.price(close_ticks)))

    def _on_fact(self, _: int, fact: Fact) -> None:
        if isinstance(fact, OrderChanged):
            self._denied += fact.order.state.value == "denied"
        elif isinstance(fact, AlertRaised):
            self._alerts.append(fact.alert.text)


def _for_history(
    settings: Settings, plan: Plan, strategy: StrategySettings, history: History
) -> Settings:
    """Return the user's settings, narrowed to one strategy on one instrument.

    The account is the paper one in the asset the instrument pays in, and pays fees in it. Bars know
    no milliseconds, so the latency is a fixed one. Silence is judged by the length of the bars:
    between two of them nothing can be heard.

    Raises:
        ConfigError: The instrument pays in a coin of which the paper account has none.
    """
    instrument = history.instrument
    asset = instrument.pays_in
    opening = settings.paper.balances.get(asset)
    if opening is None and asset == instrument.base:
        raise ConfigError(
            f"{instrument.id} pays in {asset}, paper.balances holds "
            f"{', '.join(settings.paper.balances) or 'nothing'}; "
            f"say there how much {asset} it begins with"
        )
    if opening is None:
        opening = next(iter(settings.paper.balances.values()), Decimal(100_000))
    return settings.model_copy(
        update={
            "mode": "sim",
            "engine": settings.engine.model_copy(
                update={
                    "watchlist": (instrument.id,),
                    "equity_asset": asset,
                    "stale_after_s": NEVER_S,
                }
            ),
            "paper": settings.paper.model_copy(
                update={
                    "balances": {asset: opening},
                    "fee_asset": "quote",
                    "latency": "fixed",
                }
            ),
            "strategies": {plan.strategy_id: strategy.model_copy(update={"enabled": True})},
            "models": {},
        }
    )
