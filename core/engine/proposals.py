"""Strategies: what they are told, and what becomes of what they say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Final, Protocol, assert_never

import numpy as np

from core.engine.banks import Banks, run
from core.engine.demand import Series
from core.engine.factlog import FactLog
from core.engine.listing import Listing
from core.engine.market import MarketState
from core.engine.scale import Ohlcv
from core.engine.stake import Stake
from core.indicators.bank import Bank
from core.indicators.catalogue import output_names
from core.model.errors import ClxError, ConfigError, did_you_mean
from core.model.ids import ClientOrderId, InstrumentId, OriginKind, StrategyId, client_order_id
from core.model.market import Bar, Side, Timeframe
from core.model.orders import Order, OrderFilled, OrderIntent, OrderType
from core.model.ports import Clock, StrategyRunner
from core.model.settings import StrategySettings
from core.model.signals import (
    BarInput,
    BookInput,
    FillInput,
    HoldingInput,
    Signal,
    StrategyCancel,
    StrategyFailed,
    StrategyInfo,
    StrategyIntent,
    StrategyOutput,
    TargetPosition,
)
from core.model.views import SignalRaised, StrategyChanged, StrategyView

BOOK_LEVELS: Final = 20
MAX_OWNED: Final = 100_000
"""Orders remembered with their strategy."""


class OrderDesk(Protocol):
    """What strategies need of the trading desk; everything goes through its risk gate."""

    def submit(self, intent: OrderIntent) -> Order:
        """Let an order through, or return it denied."""
        ...

    def cancel(self, client_order_id: ClientOrderId, origin: OriginKind) -> Order:
        """Ask for an order's cancellation."""
        ...


class Strategy:
    """One strategy and how it does."""

    def __init__(self, strategy_id: StrategyId, info: StrategyInfo) -> None:
        self.id = strategy_id
        self.declare(info)
        self.runner: StrategyRunner | None = None
        self.state = "off"
        self.enabled = False
        self.signals = 0
        self.orders = 0
        self.last_signal: Signal | None = None
        self.stakes: dict[InstrumentId, Stake] = {}
        self.warm: set[InstrumentId] = set()
        self.book_ids: dict[InstrumentId, int] = {}

    def declare(self, info: StrategyInfo) -> None:
        """Take what its code says it needs."""
        self.info = info
        self.outputs = output_names(info.indicators)

    def view(self) -> StrategyView:
        """Return it as clients see it."""
        return StrategyView(
            info=self.info,
            enabled=self.enabled,
            state=self.state,
            signals=self.signals,
            orders=self.orders,
            realised_pnl=sum((stake.realised for stake in self.stakes.values()), Decimal(0)),
            last_signal=self.last_signal,
        )

    def series(self) -> list[Series]:
        """Return the bar histories it needs."""
        return [(name, self.info.timeframe) for name in self.info.instruments]


class Proposals:
    """All strategies: told of bars, books and their own fills; heard; never trusted.

    Args:
        infos: What each strategy declares, or the words why it cannot be used.
        start: Builds and runs a strategy's runner.
        stop: Ends a runner.
        failed: Told of each strategy stopped for cause.
    """

    def __init__(
        self,
        infos: Mapping[StrategyId, StrategyInfo | str],
        settings: Mapping[str, StrategySettings],
        *,
        market: MarketState,
        banks: Banks,
        listing: Listing,
        log: FactLog,
        clock: Clock,
        desk: OrderDesk,
        start: Callable[[StrategyId], StrategyRunner],
        stop: Callable[[StrategyId], None],
        failed: Callable[[Strategy, str], None],
    ) -> None:
        self._market = market
        self._banks = banks
        self._listing = listing
        self._log = log
        self._clock = clock
        self._desk = desk
        self._start = start
        self._stop = stop
        self._failed = failed
        self._counter = 0
        self._owner: dict[ClientOrderId, Strategy] = {}
        self._open: dict[ClientOrderId, Order] = {}
        self._all: dict[StrategyId, Strategy] = {}
        for strategy_id, info in infos.items():
            self._all[strategy_id] = _declared(strategy_id, info, settings)

    # -- on and off ------------------------------------------------------------------------

    def views(self) -> tuple[StrategyView, ...]:
        """Return all strategies as clients see them."""
        return tuple(item.view() for item in self._all.values())

    def find(self, strategy_id: str) -> Strategy:
        """Return a strategy.

        Raises:
            ConfigError: There is none of this name; the nearest known one is named.
        """
        found = self._all.get(StrategyId(strategy_id))
        if found is None:
            hint = did_you_mean(strategy_id, self._all)
            raise ConfigError(f"unknown strategy {strategy_id!r}{hint}")
        return found

    def enable(self, strategy: Strategy) -> None:
        """Start a strategy; its history is still to be given with `warm`.

        Raises:
            ConfigError: It cannot be started; says why.
        """
        if strategy.enabled:
            return
        runner = self._start(strategy.id)
        try:
            for instrument_id in runner.info.instruments:
                self._listing.instrument(instrument_id)
            for series in ((name, runner.info.timeframe) for name in runner.info.instruments):
                self._banks.require(series, runner.info.indicators)
        except ConfigError:
            self._stop(strategy.id)
            raise
        strategy.runner = runner
        strategy.declare(runner.info)
        strategy.enabled = True
        strategy.state = "starting"
        strategy.warm.clear()
        self._changed(strategy)

    def disable(self, strategy: Strategy, state: str = "off") -> list[ClientOrderId]:
        """Stop a strategy and return its open orders, which stay."""
        if strategy.enabled:
            strategy.enabled = False
            strategy.runner = None
            self._stop(strategy.id)
        strategy.state = state
        self._changed(strategy)
        return [key for key in self._open if self._owner[key] is strategy]

    def series(self) -> list[Series]:
        """Return the bar histories the enabled strategies need."""
        return [need for item in self._all.values() if item.enabled for need in item.series()]

    # -- what they are told ----------------------------------------------------------------

    def warm(self, series: Series, cause_seq: int) -> None:
        """Give a series' history to the enabled strategies that still wait for it."""
        for strategy in self._all.values():
            if strategy.enabled and series in strategy.series() and series[0] not in strategy.warm:
                self._warm(strategy, series, cause_seq)

    def on_bar(self, bar: Bar, ohlcv: Ohlcv, cause_seq: int) -> None:
        """Tell the strategies of a closed or revised bar, with the indicators as after it."""
        outputs: dict[str, float] | None = None
        for strategy in self._all.values():
            if (
                strategy.runner is None
                or bar.timeframe is not strategy.info.timeframe
                or bar.instrument_id not in strategy.warm
            ):
                continue
            if outputs is None:
                scale = self._listing.scale(bar.instrument_id)
                outputs = self._banks.on_bar(bar, ohlcv, scale)
            strategy.runner.send(
                _bar_input(
                    bar, ohlcv, {name: outputs[name] for name in strategy.outputs}, cause_seq
                )
            )

    def on_tick(self, cause_seq: int) -> None:
        """Tell the strategies that want books of those that changed and can be trusted."""
        for strategy in self._all.values():
            if strategy.runner is None or not strategy.info.wants_book:
                continue
            for instrument_id in strategy.info.instruments:
                last_id = self._market.book(instrument_id).last_id
                changed = strategy.book_ids.get(instrument_id) != last_id
                if changed and self._market.trusted(instrument_id):
                    strategy.book_ids[instrument_id] = last_id
                    strategy.runner.send(self._book_input(instrument_id, cause_seq))

    def on_order(self, order: Order) -> None:
        """Keep track of the strategies' open orders."""
        strategy_id = order.intent.strategy_id
        if strategy_id is None or strategy_id not in self._all:
            return
        strategy = self._all[strategy_id]
        self._own(order.id, strategy)
        if order.state.terminal:
            self._open.pop(order.id, None)
        else:
            self._open[order.id] = order

    def on_fill(self, fill: OrderFilled, cause_seq: int, *, live: bool = True) -> None:
        """Book a fill to its strategy, and tell it when it runs."""
        strategy = self._owner.get(fill.client_order_id)
        if strategy is None:
            return
        stake = strategy.stakes.setdefault(fill.instrument_id, Stake())
        stake.take(fill, self._listing.instrument(fill.instrument_id))
        if not live:
            return
        if strategy.runner is not None:
            strategy.runner.send(
                FillInput(
                    seq=cause_seq,
                    instrument_id=fill.instrument_id,
                    client_order_id=fill.client_order_id,
                    side=fill.side,
                    price=float(fill.price),
                    size=float(fill.size),
                    position=float(stake.size),
                    ts_event_ns=fill.ts_event_ns,
                )
            )
        self._changed(strategy)

    # -- what they say ---------------------------------------------------------------------

    def on_output(self, strategy_id: StrategyId, output: StrategyOutput) -> None:
        """Take what a runner says; it speaks for its own strategy only, and only while enabled."""
        strategy = self._all.get(strategy_id)
        if strategy is None or not strategy.enabled:
            return
        if isinstance(output, StrategyFailed):
            self.fail(strategy, output.reason)
            return
        try:
            self._check(strategy, output)
            self._act(strategy, output)
        except ClxError as error:
            self._log.alert("warning", f"strategy {strategy_id}", str(error), self._clock.now_ns())

    def fail(self, strategy: Strategy, reason: str) -> None:
        """Stop a strategy for cause."""
        self.disable(strategy, f"failed: {reason}")
        self._failed(strategy, reason)
        self._log.alert("error", f"strategy {strategy.id}", reason, self._clock.now_ns())

    def _act(self, strategy: Strategy, output: StrategyOutput) -> None:
        match output:
            case Signal():
                strategy.signals += 1
                strategy.last_signal = output
                self._log.emit(SignalRaised(signal=output))
                self._changed(strategy)
            case TargetPosition():
                self._aim(strategy, output)
            case StrategyIntent():
                self._submit(strategy, self._explicit(strategy, output))
            case StrategyCancel():
                if self._owner.get(output.client_order_id) is not strategy:
                    raise ConfigError(f"{output.client_order_id} is not an order of {strategy.id}")
                self._desk.cancel(output.client_order_id, "strat")
            case StrategyFailed():
                pass
            case _:
                assert_never(output)

    def _check(self, strategy: Strategy, output: StrategyOutput) -> None:
        if isinstance(output, StrategyCancel | StrategyFailed):
            return
        if output.instrument_id not in strategy.info.instruments:
            raise ConfigError(
                f"{output.instrument_id} is not among the instruments {strategy.id} declared:"
                f" {', '.join(strategy.info.instruments)}"
            )
        if not 0 <= output.confidence <= 1:
            raise ConfigError(f"confidence must be 0 to 1, was {output.confidence}")
        if isinstance(output, TargetPosition | StrategyIntent) and not output.size.is_finite():
            raise ConfigError(f"size must be a number, was {output.size}")

    def _aim(self, strategy: Strategy, target: TargetPosition) -> None:
        """Submit the one market order that leads from here to the target, if any does."""
        instrument = self._listing.instrument(target.instrument_id)
        stake = strategy.stakes.get(target.instrument_id)
        held = stake.size if stake is not None else Decimal(0)
        coming = sum(
            (
                order.intent.side.sign * order.remaining
                for key, order in self._open.items()
                if self._owner[key] is strategy
                and order.intent.instrument_id == target.instrument_id
            ),
            Decimal(0),
        )
        difference = target.size - held - coming
        lots = instrument.floor_lots(abs(difference))
        top = self._market.top(target.instrument_id)
        if lots == 0 or top is None:
            return
        size = instrument.size(lots)
        if size < instrument.min_size or size * instrument.price(top[0]) < instrument.min_notional:
            return
        nearer = abs(held + difference) < abs(held) and held * (held + difference) >= 0
        self._submit(
            strategy,
            OrderIntent(
                client_order_id=self._next_id(),
                instrument_id=target.instrument_id,
                side=Side.BUY if difference > 0 else Side.SELL,
                type=OrderType.MARKET,
                size=size,
                reduce_only=nearer,
                origin="strat",
                strategy_id=strategy.id,
                reason=target.reason,
                confidence=target.confidence,
                cause_seq=target.cause_seq,
            ),
        )

    def _explicit(self, strategy: Strategy, wish: StrategyIntent) -> OrderIntent:
        return OrderIntent(
            client_order_id=self._next_id(),
            instrument_id=wish.instrument_id,
            side=wish.side,
            type=wish.type,
            size=wish.size,
            price=wish.price,
            time_in_force=wish.time_in_force,
            post_only=wish.post_only,
            reduce_only=wish.reduce_only,
            origin="strat",
            strategy_id=strategy.id,
            reason=wish.reason,
            confidence=wish.confidence,
            cause_seq=wish.cause_seq,
        )

    def _submit(self, strategy: Strategy, intent: OrderIntent) -> None:
        self._own(intent.client_order_id, strategy)
        strategy.orders += 1
        self._desk.submit(intent)
        self._changed(strategy)

    def _own(self, order_id: ClientOrderId, strategy: Strategy) -> None:
        """Remember whose order it is; the oldest ended ones are forgotten, open ones never."""
        self._owner.setdefault(order_id, strategy)
        if len(self._owner) > MAX_OWNED:
            ended = [key for key in self._owner if key not in self._open and key != order_id]
            for key in ended[: MAX_OWNED // 2]:
                del self._owner[key]

    def _next_id(self) -> ClientOrderId:
        self._counter += 1
        return client_order_id("strat", self._clock.now_ns(), self._counter)

    # -- inputs ----------------------------------------------------------------------------

    def _warm(self, strategy: Strategy, series: Series, cause_seq: int) -> None:
        instrument_id, timeframe = series
        strategy.warm.add(instrument_id)
        runner, scale = strategy.runner, self._listing.scale(instrument_id)
        stake = strategy.stakes.get(instrument_id)
        if runner is not None and stake is not None and stake.size:
            held = HoldingInput(seq=cause_seq, instrument_id=instrument_id, position=stake.size)
            runner.send(held)
        columns = self._market.bars(instrument_id, timeframe)
        count = min(strategy.info.warmup_bars, len(columns.ts_open_ns))
        if runner is not None and count:
            bank = Bank(strategy.outputs)
            values = run(bank, columns, scale)[:, -count:]
            prices = np.array(scale.columns(columns))[:, -count:]
            whole = [getattr(columns, name)[-count:].tolist() for name in columns.__struct_fields__]
            for place, row in enumerate(zip(*whole, strict=True)):
                bar = Bar(instrument_id, timeframe, *row)
                ohlcv = prices[:, place].tolist()
                outputs = dict(zip(bank.names, values[:, place].tolist(), strict=True))
                runner.send(_bar_input(bar, ohlcv, outputs, cause_seq, warmup=True))
        if len(strategy.warm) == len(strategy.info.instruments):
            strategy.state = "running"
            self._changed(strategy)

    def _book_input(self, instrument_id: InstrumentId, cause_seq: int) -> BookInput:
        scale = self._listing.scale(instrument_id)
        bids, asks = self._market.book(instrument_id).top(BOOK_LEVELS)
        last = self._market.feed_view(instrument_id).last_event_ns
        return BookInput(
            seq=cause_seq,
            instrument_id=instrument_id,
            ts_event_ns=last,
            bids=[(scale.price(ticks), scale.size(lots)) for ticks, lots in bids.tolist()],
            asks=[(scale.price(ticks), scale.size(lots)) for ticks, lots in asks.tolist()],
        )

    def _changed(self, strategy: Strategy) -> None:
        self._log.emit(StrategyChanged(strategy=strategy.view()))


def _declared(
    strategy_id: StrategyId, info: StrategyInfo | str, settings: Mapping[str, StrategySettings]
) -> Strategy:
    if isinstance(info, StrategyInfo):
        return Strategy(strategy_id, info)
    wanted = settings.get(strategy_id)
    strategy = Strategy(
        strategy_id,
        StrategyInfo(
            id=strategy_id,
            title=strategy_id,
            help=info,
            instruments=tuple(InstrumentId(name) for name in wanted.instruments) if wanted else (),
            timeframe=wanted.timeframe if wanted else Timeframe.M1,
        ),
    )
    strategy.state = f"failed: {info}"
    return strategy


def _bar_input(
    bar: Bar, ohlcv: Sequence[float], outputs: dict[str, float], seq: int, *, warmup: bool = False
) -> BarInput:
    opened, high, low, close, volume = ohlcv
    return BarInput(
        seq=seq,
        bar=bar,
        open=opened,
        high=high,
        low=low,
        close=close,
        volume=volume,
        indicators=outputs,
        warmup=warmup,
    )
