"""The engine's inside: every input is an event, every output a fact or a call on a port.

::

    frame ─► decoder ─► market ─► bar ─► predictions ─► strategies ─► desk ─► venue
    timer ─────────────► market, desk          history ─► market, models, strategies
    venue event ───────► desk ─► strategies    command ─► desk, demand, queries

Synchronous and deterministic: the same inputs in the same order, with the same settings, give the
same orders and the same `state_hash`. Nothing here waits, reads a clock of its own or opens a file.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

from core.engine.banks import Banks
from core.engine.demand import Series
from core.engine.digest import ClientView
from core.engine.factlog import FactLog
from core.engine.forecasts import Forecasts
from core.engine.groups import Groups
from core.engine.listing import Listing
from core.engine.local import FollowsMarket, FollowsTrades, Locals, TakesDesks, market_of
from core.engine.market import (
    DataFault,
    HistoryNeeded,
    MarketOutput,
    MarketState,
    ResyncNeeded,
    TradesNeeded,
)
from core.engine.portfolio import Portfolio
from core.engine.proposals import Proposals, Strategy
from core.engine.quotes import QuoteBoard
from core.engine.statusline import StatusLine
from core.engine.steady import Desk
from core.engine.wants import DAY_BARS, FeedControl, Wants
from core.model.errors import ConfigError
from core.model.facts import VenueEvent
from core.model.ids import ClientOrderId, InstrumentId, ModelId, StrategyId, VenueName
from core.model.instruments import Instrument
from core.model.market import (
    Bar,
    FeedNotice,
    FeedStatusChanged,
    FrameRejected,
    MarketEvent,
    MarkPrice,
    Quote,
    Timeframe,
    Trade,
)
from core.model.ports import (
    Clock,
    Decoder,
    FrameKind,
    Journal,
    PredictionStore,
    Predictor,
    StrategyRunner,
    Venue,
)
from core.model.settings import Settings
from core.model.signals import StrategyInfo, StrategyOutput
from core.model.views import (
    EngineSnapshot,
    Fact,
    FeedChanged,
    FeedView,
    FillAdded,
    InstrumentsChanged,
    Mode,
    OrderChanged,
    QualityView,
    StatusChanged,
    View,
)
from core.trading.desk import TradingDesk

_SECOND_NS: Final = 1_000_000_000


class Host(Protocol):
    """What the kernel asks of whoever runs it; every call returns at once."""

    def load_history(self, series: Series, start_ns: int, end_ns: int) -> None:
        """Fetch closed bars and give them to `Kernel.on_history`, if with an empty answer."""
        ...

    def start_strategy(self, strategy_id: StrategyId) -> StrategyRunner:
        """Run a strategy, its outputs going to `Kernel.on_strategy`.

        Raises:
            ConfigError: It cannot be built.
        """
        ...

    def stop_strategy(self, strategy_id: StrategyId) -> None:
        """End a strategy's runner."""
        ...

    def stop(self, reason: str) -> None:
        """End the engine soon."""
        ...


class Kernel:
    """Composes market, models, strategies and trading desk.

    Args:
        decoders: One per feed; frames of other venues are a bug.
        feeds: The steering of live feeds; empty in a replay.
        infos: What each strategy declares, or the words why it cannot be used.
        predictors: How each model is built; built by `load_model`.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        clock: Clock,
        decoders: Mapping[VenueName, Decoder],
        feeds: Mapping[VenueName, FeedControl],
        venues: Mapping[VenueName, Venue],
        instruments: Collection[Instrument],
        journal: Journal,
        predictions: PredictionStore,
        infos: Mapping[StrategyId, StrategyInfo | str],
        predictors: Mapping[ModelId, Callable[[], Predictor]],
        host: Host,
        session: str,
        mode: Mode,
        version: str,
    ) -> None:
        self.settings, self.clock = settings, clock
        self.host = host
        self.log = FactLog()
        self.listing = Listing()
        self.watchlist = tuple(InstrumentId(name) for name in settings.engine.watchlist)
        self.groups = Groups()
        self._told: set[InstrumentId] = set()
        """Instruments whose steps clients were told."""
        self.seq = 0
        """Counts the events taken; what follows from one carries its number as its cause."""
        self._decoders = decoders
        self._locals = Locals(venues.values())
        self.market = MarketState(
            (),
            {name: decoder.rule for name, decoder in decoders.items()},
            stale_after_s=settings.engine.stale_after_s,
            history_bars=max(DAY_BARS, settings.engine.history_bars),
            lend=self._lend,
        )
        self.market.heed(None if self._locals.quoted else ())
        self.quotes = QuoteBoard(self.market)
        self.desk = TradingDesk(
            settings=settings,
            journal=journal,
            clock=clock,
            venues=venues,
            instruments=self.listing.instruments,
            marks=self.market,
            emit=self._emit,
            session=session,
            mode=mode,
        )
        self.desk.books.on_instrument = self._remember
        self.portfolio = Portfolio(self.desk, self.listing.instruments)
        self.forecasts = Forecasts(predictors, settings.models, predictions, self.log)
        self.proposals = self._make_proposals(infos)
        self.wants = Wants(
            self.market,
            self.listing,
            feeds,
            history_bars=settings.engine.history_bars,
            follow=self._follow,
            load=host.load_history,
        )
        self.line = StatusLine(
            self.desk,
            self.log,
            session=session,
            version=version,
            mode=mode,
            started_ns=clock.now_ns(),
        )
        self.line.straight = self.market.straight
        self._followed: frozenset[Series] = frozenset()
        self.on_closed: Callable[[Bar], None] | None = None
        """Told of every bar built here that closed or was revised."""
        self.on_unlisted: Callable[[Collection[InstrumentId]], None] | None = None
        """Told what clients look at that no venue has listed."""
        self._views = self._second_ns = 0
        self._outputs: deque[tuple[StrategyId, StrategyOutput]] = deque()
        self._busy = False
        self.add_instruments(instruments)

    def _lend(self, instrument: Instrument, desk: Desk) -> None:
        """Have a decoder take changes of a book that go on as ever where the gate would."""
        decoder = self._decoders[instrument.venue]
        if isinstance(decoder, TakesDesks):
            decoder.lend(instrument, desk)

    def _make_proposals(self, infos: Mapping[StrategyId, StrategyInfo | str]) -> Proposals:
        return Proposals(
            infos,
            self.settings.strategies,
            market=self.market,
            banks=Banks(self.market),
            listing=self.listing,
            log=self.log,
            clock=self.clock,
            desk=self.desk,
            start=self.host.start_strategy,
            stop=self.host.stop_strategy,
            failed=self._strategy_failed,
        )

    # -- start -----------------------------------------------------------------------------

    def recover(self) -> None:
        """Rebuild orders, money and strategies' stakes from the journal.

        Raises:
            StoreError: A record cannot be trusted.
            ConfigError: The journal belongs to another mode.
        """
        self.desk.recover(self.line.now().version)
        # Clients are let in before the journal is read, and its records are told as no facts.
        self.log.emit(StatusChanged(status=self.line.now()), anew=True)
        for order in self.desk.orders(include_ended=True):
            self.proposals.on_order(order)
        for fill in self.desk.fills(limit=1 << 30):
            self.proposals.on_fill(fill, self.seq, live=False)

    def load_model(self, model_id: ModelId) -> None:
        """Build a model and let it follow the watchlist; one that fails is shown as refused."""
        self.forecasts.load(model_id, self.watchlist, self.clock.now_ns())
        self.refresh()

    def enable_strategies(self) -> None:
        """Start the strategies that were on: as the journal says, else as the settings say."""
        switched = self.desk.enabled_strategies()
        for view in self.proposals.views():
            name = view.info.id
            settings = self.settings.strategies.get(name)
            if switched.get(name, settings is not None and settings.enabled):
                try:
                    self.enable(self.proposals.find(name))
                except ConfigError as error:
                    self.proposals.fail(self.proposals.find(name), str(error))

    def add_instruments(self, instruments: Collection[Instrument]) -> None:
        """Learn what a venue lists; what is wanted of it is subscribed."""
        if not instruments:
            return
        self.market.add_instruments(instruments)
        self.listing.add(instruments)
        for venue in sorted({instrument.venue for instrument in instruments}):
            mine = [item for item in instruments if item.venue == venue]
            self._decoders[venue].add_instruments(mine)
        for pupil in self._locals.pupils:
            follows = isinstance(pupil, FollowsMarket)
            pupil.add_instruments(
                [item for item in instruments if follows or item.venue == market_of(pupil)]
            )
        self.tell_instruments()
        self.refresh()

    def _remember(self, instrument: Instrument) -> None:
        """Learn an instrument of the journal's; its account is asked about it, listed or not."""
        self.listing.remember(instrument)
        for pupil in self._locals.pupils:
            if not isinstance(pupil, FollowsMarket) and instrument.venue == market_of(pupil):
                pupil.add_instruments([instrument])

    # -- events in -------------------------------------------------------------------------

    def on_frame(
        self, venue: VenueName, kind: FrameKind, conn: int, ts_recv_ns: int, url: str, data: bytes
    ) -> None:
        """Take a raw frame: decode it and apply what it says."""
        self.line.frames += 1
        watched, heeded = self.desk.guard.watched, self.market.heeded
        if (watched or heeded) and heeded is not None and heeded != watched.keys():
            # A held trigger acts upon prices as they come.
            self.market.heed(watched.keys())
        self.on_market(self._decoders[venue].decode(kind, conn, ts_recv_ns, url, data))

    def on_market(self, events: Iterable[MarketEvent]) -> None:
        """Take market events."""
        self.seq += 1
        apply, tell = self.market.apply, self._locals.tell
        watched = self.desk.guard.watched
        for event in events:
            self.line.events += 1
            tell(event)
            outputs = apply(event)
            if outputs:
                self._follow(outputs)
            elif type(event) is FrameRejected:
                self._rejected(event)
            if watched and isinstance(event, Trade | Quote | MarkPrice):
                self.desk.guard.on_market(event.instrument_id, self.clock.now_ns())
        if self._outputs:
            self._settle()

    def on_timer(self, now_ns: int) -> None:
        """Take the time, a few times a second."""
        self.seq += 1
        self._follow(self.market.on_timer(now_ns))
        self.desk.on_timer(now_ns)
        self.portfolio.on_timer(now_ns)
        self.proposals.on_tick(self.seq)
        if now_ns - self._second_ns >= _SECOND_NS or now_ns < self._second_ns:
            self._second_ns = now_ns
            self.refresh()
        self.line.tell(now_ns)
        self._settle()

    def on_venue_event(self, event: VenueEvent) -> None:
        """Take what a venue says of orders and balances."""
        self.seq += 1
        self.desk.on_venue_event(event)
        self._settle()

    def on_strategy(self, strategy_id: StrategyId, output: StrategyOutput) -> None:
        """Take what a strategy says; acted upon once the present event is done with."""
        self._outputs.append((strategy_id, output))
        self._settle()

    def on_history(self, series: Series, bars: Sequence[Bar]) -> None:
        """Take closed bars that were asked for; an empty answer is one."""
        self.seq += 1
        instrument_id, timeframe = series
        if instrument_id not in self.market:
            return
        added = self.market.seed_bars(instrument_id, timeframe, bars)
        if self.wants.arrived(series):
            self._warm(series)
        elif self.wants.loaded(series):
            for bar in added:
                self._closed(bar)
        self._settle()

    def refresh(self) -> None:
        """Have subscribed and fetched what watchlist, models, strategies and money need now."""
        day = [(name, Timeframe.M15) for name in self.watchlist]
        models, strategies = self.forecasts.series(), self.proposals.series()
        self.wants.want("watchlist", self.watchlist, day)
        self.wants.want("models", (), models)
        self.wants.want("strategies", (), strategies)
        self.wants.want("trading", self.at_stake())
        self._followed = frozenset((*models, *strategies))
        self.wants.settle(self.clock.now_ns())
        if not self.wants.demand.active <= self._told:
            self.tell_instruments()

    # -- clients ---------------------------------------------------------------------------

    def open_view(self) -> ClientView:
        """Start a client's look at the market."""
        self._views += 1
        who = f"view {self._views}"

        def wanted(view: View | None) -> None:
            if view is None:
                self.wants.demand.drop(who)
            else:
                focus = [view.focus] if view.focus is not None else []
                names = [*view.quotes, *focus]
                series = [(name, Timeframe.M15) for name in names]
                frames = [view.timeframe, *(wish.timeframe for wish in view.charts)]
                series += [(name, frame) for name in focus for frame in frames]
                self.wants.want(who, names, series)
            self.refresh()

        return ClientView(self, wanted, self.on_unlisted)

    def feed_views(self) -> tuple[FeedView, ...]:
        """Return the trust in every instrument subscribed."""
        return tuple(self.market.feed_view(name) for name in sorted(self.wants.demand.active))

    def quality_of(self, names: Iterable[InstrumentId], days: int) -> tuple[QualityView, ...]:
        """Return today's quality records, and of days before what was kept, newest day first."""
        now_ns = self.clock.now_ns()
        today = [self.market.quality(name, now_ns) for name in names if name in self.market]
        return tuple(today)

    def follow_with(self, follower: FollowsTrades) -> None:
        """Tell something of every trade from now on, as venues of ours are told."""
        self._locals.takers.append(follower)

    def followed(self) -> list[InstrumentId]:
        """Return the instruments subscribed now."""
        return sorted(self.wants.demand.active)

    def quality_now(self) -> list[QualityView]:
        """Return the quality records to keep: of days that ended, then of today."""
        today = self.quality_of(self.followed(), 1)
        return [*self.market.finished_days(), *today]

    def snapshot(self) -> EngineSnapshot:
        """Return everything a client starts from."""
        ended = [order for order in self.desk.orders(include_ended=True) if order.state.terminal]
        return EngineSnapshot(
            seq=self.log.seq,
            status=self.line.now(),
            instruments=self._needed(),
            watchlist=self.watchlist,
            groups=self.groups.views(),
            orders=(*ended[-500:], *self.desk.orders()),
            fills=self.desk.fills(500),
            positions=self.desk.positions(),
            balances=self.desk.balances(),
            equity=self.desk.equity(),
            day_pnl=self.desk.day_pnl(),
            limits=self.desk.limits(),
            feeds=self.feed_views(),
            venues=self.desk.venues(),
            strategies=self.proposals.views(),
            models=self.forecasts.views(),
            signals=tuple(self.log.signals),
            alerts=tuple(self.log.alerts),
            executors=self.desk.executors.views(self.clock.now_ns())[-200:],
        )

    def state_hash(self) -> str:
        """Return a sha256 over the market and the trading state, the same on any machine."""
        both = self.market.state_digest() + self.desk.state_digest()
        return hashlib.sha256(both).hexdigest()

    # -- what commands do ------------------------------------------------------------------

    def act(self, action: Callable[[], Any]) -> Any:
        """Run a command's action as an event of its own."""
        self.seq += 1
        try:
            return action()
        finally:
            self._settle()
            self.line.tell(self.clock.now_ns())

    def enable(self, strategy: Strategy) -> None:
        """Start a strategy and give it the history there is.

        Raises:
            ConfigError: It cannot be started; says why.
        """
        if strategy.enabled:
            return
        self.proposals.enable(strategy)
        self.desk.toggle_strategy(strategy.id, enabled=True)
        self.refresh()
        for series in strategy.series():
            if self.wants.loaded(series):
                self.proposals.warm(series, self.seq)

    def disable(self, strategy: Strategy, reason: str) -> list[ClientOrderId]:
        """Stop a strategy and return its open orders, which stay."""
        was_enabled = strategy.enabled
        open_orders = self.proposals.disable(strategy)
        if was_enabled:
            self.desk.toggle_strategy(strategy.id, enabled=False, reason=reason)
        self.refresh()
        return open_orders

    def set_watchlist(self, watchlist: Sequence[InstrumentId]) -> None:
        """Replace the watchlist."""
        self.watchlist = tuple(dict.fromkeys(watchlist))
        self.forecasts.watched(self.watchlist)
        self.tell_instruments()
        self.refresh()

    def tell_instruments(self) -> None:
        """Tell clients the watchlist, the groups and the steps of what they may show."""
        self.log.emit(
            InstrumentsChanged(
                instruments=self._needed(),
                watchlist=self.watchlist,
                groups=self.groups.views(),
            )
        )

    # -- within ----------------------------------------------------------------------------

    def _follow(self, outputs: Iterable[MarketOutput]) -> None:
        for output in outputs:
            match output:
                case Bar():
                    self._closed(output)
                    if self.on_closed is not None:
                        self.on_closed(output)
                case FeedStatusChanged():
                    view = self.market.feed_view(output.instrument_id)
                    self.log.emit(FeedChanged(feed=view))
                case ResyncNeeded():
                    self.wants.resync(output)
                case HistoryNeeded():
                    series = (output.instrument_id, output.timeframe)
                    self.wants.refetch(series, output.start_ns, output.end_ns)
                case FeedNotice():
                    topic = f"{output.kind} {output.instrument_id or ''}"
                    source = f"feed {output.venue}"
                    self.log.alert("warning", source, output.text, output.ts_recv_ns, topic=topic)
                case TradesNeeded():
                    self.wants.refill(output.instrument_id, output.hole)
                case DataFault():
                    source = f"data {output.instrument_id}"
                    self.log.alert(
                        "warning", source, output.text, output.ts_recv_ns, topic=output.kind
                    )

    def _closed(self, bar: Bar) -> None:
        series = (bar.instrument_id, bar.timeframe)
        if series not in self._followed or not self.wants.loaded(series):
            return
        ohlcv = self.listing.scale(bar.instrument_id).bar(bar)
        if bar.revision:
            self.proposals.on_bar(bar, ohlcv, self.seq)
            return
        self.forecasts.on_bar(bar, ohlcv, self.clock.now_ns())
        self.proposals.on_bar(bar, ohlcv, self.seq)

    def _warm(self, series: Series) -> None:
        if not self.forecasts.ready(series):
            instrument_id, timeframe = series
            columns = self.market.bars(instrument_id, timeframe)
            names = columns.__struct_fields__
            rows = zip(*(getattr(columns, name).tolist() for name in names), strict=True)
            bars = [Bar(instrument_id, timeframe, *row) for row in rows]
            scale = self.listing.scale(instrument_id)
            seeds = [(bar, scale.bar(bar)) for bar in bars]
            self.forecasts.seed(seeds, self.clock.now_ns())
        self.proposals.warm(series, self.seq)

    def _emit(self, fact: Fact) -> None:
        """Pass the desk's facts on, and book them to the strategies they belong to."""
        self.log.emit(fact)
        if isinstance(fact, FillAdded):
            self.proposals.on_fill(fact.fill, self.seq)
        elif isinstance(fact, OrderChanged):
            self.proposals.on_order(fact.order)

    def _settle(self) -> None:
        """Act on what strategies said, one after the other, never within another's event."""
        if self._busy:
            return
        self._busy = True
        try:
            while self._outputs:
                strategy_id, output = self._outputs.popleft()
                self.seq += 1
                self.proposals.on_output(strategy_id, output)
        finally:
            self._busy = False

    def _strategy_failed(self, strategy: Strategy, reason: str) -> None:
        self.desk.toggle_strategy(strategy.id, enabled=False, reason=reason)

    def _rejected(self, event: FrameRejected) -> None:
        self.line.rejected += 1
        text = f"frame skipped: {event.reason}: {event.sample}"
        self.log.alert("warning", f"feed {event.venue}", text, event.ts_recv_ns, topic="frame")

    def at_stake(self) -> list[InstrumentId]:
        """Return what must be marked to the market whoever looks: positions and open orders."""
        names = {item.instrument_id for item in self.desk.positions() if item.size}
        names |= {order.intent.instrument_id for order in self.desk.orders()}
        return sorted(names)

    def _needed(self) -> tuple[Instrument, ...]:
        """Return the instruments clients must know: venues list thousands, few are ever shown."""
        known = self.listing.instruments
        held = {item.instrument_id for item in self.desk.positions()}
        held |= {order.intent.instrument_id for order in self.desk.orders(include_ended=True)}
        self._told |= held | {*self.watchlist, *self.groups.names(), *self.wants.demand.active}
        return tuple(known[name] for name in sorted(self._told) if name in known)
