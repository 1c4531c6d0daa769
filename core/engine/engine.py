"""The engine's outside: one loop that feeds the kernel and keeps everything around it alive.

::

    starting: compiling kernels 3/4 ─► starting: reading the journal ─► starting: loading models
      ─► starting: waiting for binance ─► reconciling ─► running ─► stopping
"""

from __future__ import annotations

import asyncio
import functools
import logging
import random
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Final, Protocol, runtime_checkable

from core.engine import handlers, lives, market
from core.engine.arrears import Owes, settle
from core.engine.demand import Series
from core.engine.digest import ClientView
from core.engine.history import HistoryLoader, Library
from core.engine.kernel import Kernel
from core.engine.lookups import LookUps, named
from core.engine.supervise import Supervisor
from core.indicators import kernel as indicators
from core.model.accounts import Balance, EntryKind, Position
from core.model.commands import (
    Command,
    Done,
    GetChart,
    GetOrderLife,
    GetQuality,
    Reconcile,
    Request,
    Tier,
)
from core.model.errors import ClxError, ConfigError, InvariantError, TemporaryError
from core.model.facts import VenueConnected, VenueEvent
from core.model.ids import InstrumentId, ModelId, StrategyId, VenueName
from core.model.instruments import Instrument
from core.model.market import Bar, Timeframe
from core.model.orders import Order
from core.model.ports import (
    Clock,
    Feed,
    FrameKind,
    Journal,
    PredictionStore,
    Predictor,
    StrategyRunner,
    Tape,
    Venue,
)
from core.model.settings import Settings
from core.model.signals import StrategyFailed, StrategyInfo, StrategyOutput
from core.model.views import EngineSnapshot, Fact, FeedChanged, Mode, VenueChanged
from core.trading.reconcile import Reconciler

_log: Final = logging.getLogger(__name__)

TIMER_S: Final = 0.1
LISTING_S: Final = 6 * 3600.0
"""How often a venue is asked again what it lists."""
PATIENCE_S: Final = 5.0
"""How long a query waits for an instrument nobody looked at before."""

ENGINE_KERNELS: Final[Mapping[str, Callable[[], object]]] = {
    "books and bars": market.warm,
    "indicators": indicators.warm,
}


class Engine:
    """Runs a kernel: feeds, venues, strategies, histories and the timer as supervised tasks.

    Args:
        instruments: What is known before any venue answers, such as a kept listing.
        tape: Where raw frames go before they are decoded; None keeps none.
        strategies: Builds each strategy's runner; called again for every start.
        predictors: Builds each model; called once, in a thread.
        library: Where bars and quality records are kept; None keeps none.
        kernels: Further compiled kernels to make ready before the first tick, by name.
        seed: Seeds the jitter of back-offs, nothing else.

    What is put into `background` before `run` runs as long as the engine does, by name.
    """

    _seen_ns: int = 0
    """When an engine was last known to run before this one, 0: never."""
    _asks: int = 0

    def __init__(
        self,
        *,
        settings: Settings,
        clock: Clock,
        feeds: Mapping[VenueName, Feed],
        venues: Mapping[VenueName, Venue],
        instruments: Collection[Instrument],
        journal: Journal,
        predictions: PredictionStore,
        tape: Tape | None,
        strategies: Mapping[StrategyId, Callable[[], StrategyRunner]],
        predictors: Mapping[ModelId, Callable[[], Predictor]],
        session: str,
        mode: Mode,
        version: str,
        kernels: Mapping[str, Callable[[], object]] | None = None,
        library: Library | None = None,
        seed: int = 0,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._feeds = feeds
        self._venues = venues
        self._tape = tape
        self._journal = journal
        self._library = library
        self._session = session
        self._version = version
        self._kernels = {**ENGINE_KERNELS, **(kernels or {})}
        self._rng = random.Random(seed)  # noqa: S311  jitter, not secrets
        self._strategies = dict(strategies)
        self._predictors = dict(predictors)
        self._built: dict[ModelId, Predictor | ClxError] = {}
        self._spare: dict[StrategyId, StrategyRunner] = {}
        """Runners built to learn what they declare, not run yet."""
        self._runners: dict[StrategyId, asyncio.Task[None]] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._recovered = False
        self._news = asyncio.Event()
        self._stopping = asyncio.Event()
        self.stop_reason = ""
        self.background: dict[str, Callable[[], Awaitable[None]]] = {}
        self.supervisor = Supervisor(self._told, self._rng, clock)
        self.kernel = Kernel(
            settings=settings,
            clock=clock,
            decoders={name: feed.decoder for name, feed in feeds.items()},
            feeds=feeds,
            venues=venues,
            instruments=instruments,
            journal=journal,
            predictions=predictions,
            infos={name: self._info(name) for name in self._strategies},
            predictors={name: functools.partial(self._model, name) for name in predictors},
            host=self,
            session=session,
            mode=mode,
            version=version,
        )
        self._loader = HistoryLoader(
            feeds,
            self.kernel.listing.instrument,
            library=library,
            clock=clock,
            rng=self._rng,
            arrived=self._on_history,
            told=self._told,
        )
        known = self.kernel.market.__contains__
        self._lookups = LookUps(feeds, known, self._on_found, self._told, self._rng)
        self.kernel.on_unlisted = self._lookups.wish
        self._reconciler = Reconciler(self.kernel.desk, venues, clock, settings)
        self.kernel.log.on_fact(self._on_fact)
        if library is not None:
            self.kernel.on_closed = library.take
            if library.follower is not None:
                self.kernel.follow_with(library.follower)
        if tape is not None:
            self.kernel.line.tape_dropped = lambda: tape.dropped

    # -- running ---------------------------------------------------------------------------

    async def run(self) -> None:
        """Run until `stop` or cancelled.

        Raises:
            StoreError: The journal cannot be trusted.
            ConfigError: The journal belongs to another mode.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                main = tasks.create_task(self._start())
                await self._stopping.wait()
                self._phase("stopping")
                main.cancel()
                raise _Stopped
        except BaseExceptionGroup as group:
            rest = group.split(_Stopped)[1]
            if rest is not None:
                raise _first(rest) from group
            _log.info("stopped: %s", self.stop_reason)
        finally:
            self._tasks = None

    def stop(self, reason: str) -> None:
        """End `run` soon; open orders stay at the venue."""
        self.stop_reason = self.stop_reason or reason
        self._stopping.set()

    async def _start(self) -> None:
        kernel, keep = self.kernel, self.supervisor.keep
        assert self._tasks is not None
        await self._warm()
        self._phase("starting: reading the journal")
        kernel.recover()
        marks = kernel.desk.books.equity_marks
        self._seen_ns = marks[-1].ts_ns if marks else 0
        self._recovered = True
        await self._load_models()
        spawn = self._tasks.create_task
        for name, feed in self._feeds.items():
            spawn(keep(f"feed {name}", functools.partial(self._run_feed, feed)))
            spawn(keep(f"listing {name}", functools.partial(self._keep_listed, feed)))
        spawn(keep("history", self._loader.run))
        spawn(keep("look-ups", self._lookups.run))
        spawn(keep("timer", self._tick))
        for what, work in self.background.items():
            spawn(keep(what, work))
        if self._library is not None:
            spawn(keep("library", functools.partial(self._library.run, self.kernel.quality_now)))
        for name, venue in self._venues.items():
            spawn(self._open_venue(name, venue))
        await self._until(self._needed_listed)
        self._phase("reconciling")
        spawn(keep("reconciliation", self._reconciler.run))
        await self._until(self._needed_reconciled)
        self._phase("running")
        kernel.enable_strategies()

    async def _open_venue(self, name: VenueName, venue: Venue) -> None:
        """Run a venue as soon as it is known what it lists."""
        kernel = self.kernel
        if name in self._feeds:
            await self._until(lambda: name in kernel.listing.venues)
        elif isinstance(venue, _Resumes):
            await self._until(self._needed_listed)
        # A local venue can only take its orders back once it knows their instruments.
        if isinstance(venue, _Resumes):
            mine = [order for order in kernel.desk.orders() if order.venue == name]
            held = [item for item in kernel.desk.balances() if item.venue == name]
            positions = [item for item in kernel.desk.positions() if item.venue == name]
            venue.restore(mine, held, [item for item in positions if item.size])
            if isinstance(venue, Owes) and name in self._feeds and self._seen_ns:
                assert self._tasks is not None
                names = [item.instrument_id for item in positions if item.size]
                owed = functools.partial(self._settle_arrears, name, venue, names)
                self._tasks.create_task(self.supervisor.keep(f"funding of {name}", owed))
        await self.supervisor.keep(
            f"venue {name}", functools.partial(venue.run, self._on_venue_event)
        )

    async def _settle_arrears(
        self, name: VenueName, venue: Owes, held: Sequence[InstrumentId]
    ) -> None:
        """Have an account that lives here pay the funding of the time nobody ran."""
        kernel, end_ns = self.kernel, self._clock.now_ns()
        await self._until(lambda: kernel.desk.links.view(name).connected)
        items = [kernel.listing.instrument(item) for item in held]
        await settle(
            self._feeds[name],
            venue,
            items,
            (self._seen_ns, end_ns),
            functools.partial(kernel.desk.books.booked, name, EntryKind.FUNDING),
            told=functools.partial(self._told, "funding"),
            rng=self._rng,
        )
        await self._stopping.wait()

    async def _warm(self) -> None:
        """Compile or load every kernel in a thread, so that the first tick does not wait."""
        for count, (name, warm) in enumerate(self._kernels.items()):
            progress = f"{count + 1}/{len(self._kernels)}"
            self._phase(f"starting: compiling kernels {progress} ({name})")
            await asyncio.to_thread(warm)

    async def _load_models(self) -> None:
        for model_id, build in self._predictors.items():
            self._phase(f"starting: loading model {model_id}")
            try:
                self._built[model_id] = await asyncio.to_thread(build)
            except ClxError as error:
                self._built[model_id] = error
            except Exception as error:
                _log.exception("model %s cannot be built", model_id)
                self._built[model_id] = InvariantError(f"cannot be built: {error!r}")
            self.kernel.load_model(model_id)

    async def _run_feed(self, feed: Feed) -> None:
        venue, tape, take = feed.venue, self._tape, self.kernel.on_frame
        if tape is None:
            await feed.run(functools.partial(take, venue))
            return
        write = tape.write

        def sink(kind: FrameKind, conn: int, ts_recv_ns: int, url: str, data: bytes, /) -> None:
            write(venue, kind, conn, ts_recv_ns, url, data)
            take(venue, kind, conn, ts_recv_ns, url, data)

        await feed.run(sink)

    async def _keep_listed(self, feed: Feed) -> None:
        while True:
            try:
                listed = await feed.instruments()
            except ClxError as error:
                if not self._needed_listed():
                    self._phase(f"starting: waiting for {feed.venue}: {error}")
                raise
            # The venue's adapter starts with the listing, and must know whatever is held then.
            self.kernel.add_instruments([*listed, *await self._held_besides(feed.venue, listed)])
            self._check_watchlist(feed.venue)
            self._rouse()
            await asyncio.sleep(LISTING_S)

    async def _held_besides(
        self, venue: VenueName, listed: Collection[Instrument]
    ) -> list[Instrument]:
        """Return what is watched or held of a venue and missing in its listing."""
        there = {item.id for item in listed}
        wanted = dict.fromkeys((*self.kernel.watchlist, *self.kernel.at_stake()))
        missing = [name for name in wanted if name.rpartition(".")[2] == venue]
        return await self._lookups.find([name for name in missing if name not in there])

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TIMER_S)
            self.kernel.on_timer(self._clock.now_ns())

    def _at_stake(self) -> set[VenueName]:
        """Return the venues with positions or open orders of ours: nothing goes on without them."""
        names = {VenueName(name.rpartition(".")[2]) for name in self.kernel.at_stake()}
        return names & self._feeds.keys()

    def _needed_listed(self) -> bool:
        """Return whether money is accounted for and one market is there; others join as they come.

        What is not there yet cannot be traded: the risk gate wants a venue reconciled first.
        """
        listed = self.kernel.listing.venues
        return listed >= self._at_stake() and (bool(listed) or not self._feeds)

    def _needed_reconciled(self) -> bool:
        """Return whether what is at stake was compared; one that asks stays closed for entries."""
        views = self.kernel.desk.venues()
        done = {view.venue for view in views if view.reconciled_ns or view.asks}
        every = {view.venue for view in self.kernel.desk.venues()}
        return done >= self._at_stake() & every and (bool(done) or not every)

    def _check_watchlist(self, venue: VenueName) -> None:
        for name in self.kernel.watchlist:
            if name.rpartition(".")[2] == venue:
                try:
                    self.kernel.listing.instrument(name)
                except ConfigError as error:
                    self._told("watchlist", f"{error} (settings: engine.watchlist)")

    # -- what clients see (link.server.EngineFace) ------------------------------------------

    @property
    def session(self) -> str:
        """This run's name."""
        return self._session

    @property
    def version(self) -> str:
        """The program's version."""
        return self._version

    def snapshot(self) -> EngineSnapshot:
        """Return everything a client starts from."""
        return self.kernel.snapshot()

    async def execute(self, request: Request) -> Any:
        """Carry out a command and return the result its class declares.

        Raises:
            ClxError: The command was refused.
        """
        command = request.command
        reads = command.tier is Tier.READ and command.name not in handlers.OF_THE_JOURNAL
        if not (self._recovered or reads or command.name == "stop_engine"):
            phase = self.kernel.line.phase
            raise TemporaryError(f"the engine is not ready ({phase}); try again in a moment")
        if isinstance(command, Reconcile):
            found = await self._reconciler.reconcile()
            return Done(text="; ".join(found) or "no differences")
        if isinstance(command, GetOrderLife):
            return await lives.tell(self.kernel, self._journal, self._venues.values(), command)
        if isinstance(command, GetQuality) and self._library is not None:
            names = command.instruments or self.kernel.followed()
            today = await self._library.whole(handlers.execute(self.kernel, request))
            return (*today, *await self._library.quality(names, command.days))
        await self._look_up(command)
        await self._bring(command)
        return handlers.execute(self.kernel, request)

    def open_view(self) -> ClientView:
        """Start a client's look at the market."""
        return self.kernel.open_view()

    def on_fact(self, sink: Callable[[int, Fact], None]) -> int:
        """Have every fact from now on given to `sink`; return the last one's number so far."""
        return self.kernel.log.on_fact(sink)

    def tell(self, source: str, text: str) -> None:
        """Raise an alert of something around the engine; its words up to a colon are its kind."""
        kind = text.partition(": ")[0]
        self.kernel.log.alert("warning", source, text, self._clock.now_ns(), topic=kind)

    def on_clients(self, count: int) -> None:
        """Take note of how many clients are attached."""
        self.kernel.line.clients = count

    async def _look_up(self, command: Command) -> None:
        """Learn what a command names and no listing has; what is known may go on without."""
        names = named(command)
        try:
            await self._lookups.bring(names)
        except ClxError as error:
            known = self.kernel.listing.instruments
            if not all(name in known for name in names):
                raise
            self._told("look-up", str(error))

    async def _bring(self, command: Command) -> None:
        """Subscribe what a command reads and nobody looks at, and wait a little for it to come.

        An order waits for prices alone, and only where nobody has looked before.
        """
        names = [name for name in handlers.reads_market(command) if name in self.kernel.market]
        timeframe = command.timeframe if isinstance(command, GetChart) else Timeframe.M15
        series = [(name, timeframe) for name in names]
        if command.tier is Tier.TRADE:
            names, series = [name for name in names if name not in self.kernel.followed()], []
        if self._here(names, series):
            return
        self._asks += 1
        who = f"query {self._asks}"
        self.kernel.wants.want(who, names, series)
        self.kernel.refresh()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._until(lambda: self._here(names, series))
        except TimeoutError:
            _log.info("%s did not come within %g s", ", ".join(names), PATIENCE_S)
        finally:
            # It lingers for the next query of the same.
            self.kernel.wants.demand.drop(who)

    def _here(self, names: Sequence[InstrumentId], series: Sequence[Series]) -> bool:
        kernel = self.kernel
        trusted = all(kernel.market.trusted(name) for name in names)
        return trusted and all(kernel.wants.loaded(need) for need in series)

    # -- what the kernel asks (core.engine.kernel.Host) -------------------------------------

    def load_history(self, series: Series, start_ns: int, end_ns: int) -> None:
        """Fetch closed bars in the background."""
        self._loader.request(series, start_ns, end_ns)

    def start_strategy(self, strategy_id: StrategyId) -> StrategyRunner:
        """Run a strategy as a task.

        Raises:
            ConfigError: It cannot be built, or the engine is not running.
        """
        if self._tasks is None:
            raise ConfigError("the engine is not running")
        self.stop_strategy(strategy_id)
        runner = self._spare.pop(strategy_id, None) or self._strategies[strategy_id]()
        self._runners[strategy_id] = self._tasks.create_task(self._play(strategy_id, runner))
        return runner

    def stop_strategy(self, strategy_id: StrategyId) -> None:
        """End a strategy's task."""
        task = self._runners.pop(strategy_id, None)
        if task is not None:
            task.cancel()

    async def _play(self, strategy_id: StrategyId, runner: StrategyRunner) -> None:
        def sink(output: StrategyOutput) -> None:
            # The words of a runner that was replaced meanwhile are void.
            if self._runners.get(strategy_id) is task:
                self.kernel.on_strategy(strategy_id, output)

        task = asyncio.current_task()
        try:
            await runner.run(sink)
            why = "it ended by itself"
        except ClxError as error:
            why = str(error)
        except Exception as error:
            _log.exception("strategy %s failed", strategy_id)
            why = f"its runner failed: {error!r}"
        sink(StrategyFailed(strategy_id=strategy_id, reason=why, ts_ns=self._clock.now_ns()))

    # -- within ----------------------------------------------------------------------------

    def _info(self, strategy_id: StrategyId) -> StrategyInfo | str:
        try:
            runner = self._strategies[strategy_id]()
        except ClxError as error:
            return str(error)
        self._spare[strategy_id] = runner
        return runner.info

    def _model(self, model_id: ModelId) -> Predictor:
        built = self._built[model_id]
        if isinstance(built, ClxError):
            raise built
        return built

    def _on_history(self, series: Series, bars: Sequence[Bar]) -> None:
        self.kernel.on_history(series, bars)
        self._rouse()

    def _on_found(self, instruments: list[Instrument]) -> None:
        self.kernel.add_instruments(instruments)
        self._rouse()

    def _on_venue_event(self, event: VenueEvent) -> None:
        self.kernel.on_venue_event(event)
        if isinstance(event, VenueConnected):
            self._tell_private(event.venue)
        self._rouse()

    def _tell_private(self, name: VenueName) -> None:
        """Have clients told how fills of a venue arrive."""
        venue, table = self._venues.get(name), self._settings.venues.get(name)
        market = (table.market or table.kind.removeprefix("ccxt:")) if table is not None else ""
        listed = self.kernel.listing.instruments.values()
        item = next((item for item in listed if item.venue in {name, market}), None)
        item = item or next(iter(listed), None)
        if venue is not None and item is not None:
            can = venue.abilities(item)
            self.kernel.desk.links.private(name, can.private, can.switch)
        if isinstance(venue, _Described):
            self.kernel.desk.links.simulated(name, venue.described())

    def _on_fact(self, _: int, fact: Fact) -> None:
        if isinstance(fact, FeedChanged | VenueChanged):
            self._rouse()

    def _rouse(self) -> None:
        """Have everybody who waits for the engine's state look again."""
        self._news.set()
        self._news = asyncio.Event()

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self._news.wait()

    def _phase(self, phase: str) -> None:
        self.kernel.line.phase = phase
        self.kernel.line.tell(self._clock.now_ns())

    def _told(self, name: str, why: str) -> None:
        self.kernel.log.alert("warning", name, why, self._clock.now_ns(), topic=name)


@runtime_checkable
class _Resumes(Protocol):
    """A venue without a memory of its own, such as paper: the journal is its memory."""

    name: VenueName

    def restore(
        self,
        orders: Collection[Order],
        balances: Collection[Balance],
        positions: Collection[Position],
    ) -> None:
        """Take over from an earlier session, before `run`."""
        ...


@runtime_checkable
class _Described(Protocol):
    """A venue that only simulates one."""

    def described(self) -> str:
        """Say in words what is simulated, and how."""
        ...


class _Stopped(Exception):
    """Unwinds the task group when the engine is asked to stop."""


def _first(group: BaseException) -> BaseException:
    """Return the first single error of a group."""
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group
