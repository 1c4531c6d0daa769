"""Wires an engine from settings: the only place that knows every concrete class."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import random
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import clx
from clx.accounts import (
    check_live_keys,
    inline_keys,
    keyed,
    learn_settings,
    without_keys,
    without_venue_keys,
)
from clx.margins import KeyedTiers, keep_margins, tellers
from clx.modes import MODES, check_modes, unfed
from clx.roundtrips import RoundTripKeeper
from clx.sim import EmulatorAddress, account_of, market_file, pointed_at
from clx.warm import kernels
from core.engine.clock import SystemClock
from core.engine.engine import Engine
from core.engine.kernel import Kernel
from core.feeds.registry import make_feed
from core.history.library import MarketLibrary
from core.model.audit import AuditRecord
from core.model.credentials import SecretStore
from core.model.errors import ClxError
from core.model.ids import InstrumentId, ModelId, StrategyId, VenueName
from core.model.instruments import Instrument
from core.model.market import Levels
from core.model.ports import Clock, Feed, Journal, Predictor, StrategyRunner, Venue
from core.model.redaction import Redactor
from core.model.settings import Settings, StrategySettings, VenueSettings
from core.model.views import Fact, InstrumentsChanged, QuoteLine
from core.strategies.process import ProcessRunner
from core.venues.kinds import market_of
from core.venues.liquidity import Ladder, Level
from core.venues.paper import PaperVenue
from core.venues.registry import make_venue
from core.wire.budget import Budgets, Role
from core.wire.loopback import LOOPBACK
from core.wire.tape import TapeWriter
from link.audited import AuditedFace
from link.peer import this_client
from link.server import LinkServer
from store.audit.writer import AuditLog
from store.journal import SqliteJournal
from store.market import MarketStore
from store.paths import Paths
from store.predictions import SqlitePredictions
from store.roundtrips import RoundTripStore
from store.tiers import TierStore
from store.traffic import CheckShelf, TrafficLog, VenueShelf
from store.watchlist import Watched, load_watched, load_watchlist, save_watched

if TYPE_CHECKING:
    from core.venues.binance_usdm.venue import BinanceUsdmVenue

_log: Final = logging.getLogger(__name__)

KEPT_MARKETS: Final = 5
"""Simulated markets whose journal and data are kept, the present one included."""

PAPER_DEPTH: Final = 100
"""Levels a side that a paper taker can reach."""


class Assembly:
    """The parts of an engine, before they are put together; tests replace some."""

    def __init__(
        self,
        settings: Settings,
        paths: Paths,
        emulator: EmulatorAddress | None,
        redactor: Redactor | None = None,
    ) -> None:
        """Check what only the whole of the settings can tell.

        Args:
            settings: As read, with whatever keys they hold.
            paths: Where things are kept.
            emulator: The simulated market of SIM mode.
            redactor: The one that the process's log goes through; it learns every secret here.

        Raises:
            ConfigError: Settings contradict each other.
        """
        self.redactor = redactor or Redactor()
        settings = _with_watchlist(settings, paths)
        learn_settings(self.redactor, settings)
        self.inline_keys = inline_keys(settings)
        """Settings that hold a secret in the clear, for a warning."""
        self.emulator = emulator
        settings = pointed_at(settings, emulator) if emulator else settings
        learn_settings(self.redactor, settings)
        self._venue_tables = settings.venues
        """With their keys; only `venues` may look."""
        self.settings = without_venue_keys(settings)
        self.paths = paths
        self.clock: Clock = SystemClock()
        self.mode = MODES[settings.mode]
        self.session = secrets.token_hex(4)
        check_modes(settings)

    def journal(self) -> Journal:
        """Open the journal of this account: money of different modes never mixes.

        An emulator's account lives as long as its process, so each one has a journal of its own;
        those of markets long gone are removed, the newest few are kept.
        """
        journal = SqliteJournal(self._journal_file(), self.redactor)
        if self.emulator is not None:
            _forget_old_markets(self.paths, KEPT_MARKETS)
        return journal

    def _journal_file(self) -> Path:
        if self.emulator is None:
            return self.paths.journal(self.settings.mode)
        return self.paths.journal(f"sim-{account_of(self.emulator)}")

    def budgets(self) -> Budgets:
        """Return the venues' request budgets, shared with downloads of the shell."""
        return Budgets(
            self.paths.runtime / "budgets",
            role=Role.LIVE,
            share=self.settings.engine.download_share,
            clock=self.clock,
            told=_log.warning,
        )

    def feeds(self) -> dict[VenueName, Feed]:
        """Build the feeds."""
        budgets = self.budgets()
        return {
            VenueName(name): make_feed(
                VenueName(name),
                table,
                clock=self.clock,
                rng=self._rng(),
                data=self.paths.data,
                budgets=budgets,
            )
            for name, table in self.settings.feeds.items()
        }

    def market_store(self) -> MarketStore:
        """Open the store of bars and quality records: a simulated market has one of its own."""
        return MarketStore(market_file(self.paths, self.emulator))

    def library(
        self, store: MarketStore, feeds: Mapping[VenueName, Feed], engine: Callable[[], Engine]
    ) -> MarketLibrary:
        """Build the shelf the engine keeps its market data on."""

        def instrument(name: InstrumentId) -> Instrument:
            return engine().kernel.listing.instrument(name)

        return MarketLibrary(
            store.bars,
            store.quality,
            feeds,
            trades=store.trades if self.settings.store.keep_trades else None,
            instrument=instrument,
            clock=self.clock,
            rng=self._rng(),
            told=lambda text: engine().tell("market data", text),
            tidy=functools.partial(store.retention.apply, self.settings.store),
        )

    def venues(self, engine: Callable[[], Engine]) -> dict[VenueName, Venue]:
        """Build the venues: one per feed on paper, else those of the settings."""
        if self.settings.mode == "paper":
            return {
                VenueName(name): PaperVenue(
                    self.settings.paper,
                    clock=self.clock,
                    depth=functools.partial(_depth, engine),
                    name=VenueName(name),
                    feeds=self.settings.feeds,
                    trips=self.round_trips.of(VenueName(name)),
                    tiers=lambda: engine().kernel.desk.books.account.tiers,
                )
                for name in self.settings.feeds
            }
        if self.settings.mode == "live":
            real = {name: table for name, table in self._venue_tables.items() if _is_real(table)}
            if real:
                check_live_keys(real, self.secrets, now_ns=self.clock.now_ns())
        venues = {
            VenueName(name): make_venue(
                VenueName(name),
                keyed(name, table, self.secrets) if table.account else table,
                clock=self.clock,
                rng=self._rng(),
            )
            for name, table in self._venue_tables.items()
        }
        budgets = self.budgets()
        for name, venue in venues.items():
            venue.share(budgets)
            venue.remember(VenueShelf(self.traffic, name))
        return dict(venues)

    def margin_accounts(self) -> dict[VenueName, list[KeyedTiers]]:
        """Return the accounts that paper asks for their margin tiers, where feeds tell none."""
        found: dict[VenueName, list[KeyedTiers]] = {}
        for name, table in self._venue_tables.items():
            keys = bool(table.account) or bool(table.api_key.get_secret_value())
            if self.settings.mode == "paper" and keys and (table.kind or name) == "binance_usdm":
                make = functools.partial(self._usdm, VenueName(name), table)
                found.setdefault(market_of(name, table), []).append(KeyedTiers(make))
        return found

    def _usdm(self, name: VenueName, table: VenueSettings) -> BinanceUsdmVenue:
        from core.venues.binance_usdm.venue import BinanceUsdmVenue

        clear = keyed(name, table, self.secrets) if table.account else table
        venue = BinanceUsdmVenue(name, clear, clock=self.clock, rng=self._rng())
        venue.share(self.budgets())
        return venue

    def tier_store(self) -> TierStore | None:
        """Return where margin tiers are kept; those of play money are not."""
        play = self.settings.mode == "live" and not all(map(_is_real, self._venue_tables.values()))
        if self.settings.mode == "sim" or play:
            return None
        return TierStore(self.paths.margin_tiers)

    @functools.cached_property
    def round_trips(self) -> RoundTripStore:
        """How long venues took to answer before now."""
        return RoundTripStore(self.paths.round_trips)

    @functools.cached_property
    def traffic(self) -> TrafficLog:
        """What goes over the wire for orders, beside the journal of the same money."""
        return TrafficLog(
            self._journal_file().with_suffix(".wire"), self.redactor, told=_log.warning
        )

    def strategies(self) -> dict[StrategyId, Callable[[], StrategyRunner]]:
        """Build each strategy's factory; one process per start."""
        return {
            StrategyId(name): functools.partial(
                ProcessRunner, name, from_config_folder(table, self.paths), self.clock
            )
            for name, table in self.settings.strategies.items()
        }

    def predictors(self) -> dict[ModelId, Callable[[], Predictor]]:
        """Build each enabled model's factory; without models onnxruntime is never imported."""
        if not any(table.enabled for table in self.settings.models.values()):
            return {}
        from core.ai.registry import load_predictor

        watchlist = tuple(InstrumentId(item) for item in self.settings.engine.watchlist)
        return {
            ModelId(name): functools.partial(
                load_predictor,
                ModelId(name),
                table,
                tuple(InstrumentId(item) for item in table.instruments) or watchlist,
            )
            for name, table in self.settings.models.items()
            if table.enabled
        }

    def tape(self, told: Callable[[str], None] | None = None) -> TapeWriter | None:
        """Open the tape, if wanted; `told` hears from its thread when the disk takes nothing."""
        if not self.settings.engine.tape:
            return None
        return TapeWriter(
            self.paths.tapes,
            max_bytes=self.settings.engine.tape_max_mb << 20,
            redactor=self.redactor,
            told=told,
        )

    @functools.cached_property
    def secrets(self) -> SecretStore:
        """The accounts; opened, and so unlocked, when a venue's table names one."""
        from store.secrets.accounts import open_accounts

        return open_accounts(self.settings.keys, self.paths, self.redactor)

    def audit(self, told: Callable[[str], None] | None = None) -> AuditLog:
        """Open the log of who did what; `told` hears from its thread when it cannot be written."""
        table = self.settings.audit
        return AuditLog(
            self.paths.audit,
            self.redactor,
            max_bytes=table.file_mb << 20,
            keep=table.files,
            told=told,
        )

    @staticmethod
    def _rng() -> random.Random:
        return random.Random(secrets.randbits(64))  # noqa: S311  jitters back-off, no secret


@contextlib.asynccontextmanager
async def open_engine(assembly: Assembly) -> AsyncIterator[tuple[Engine, LinkServer]]:
    """Put an engine together behind its doorway; closes what it opened.

    The socket is bound before anything else is touched: a second engine fails here.

    Raises:
        ConfigError: Another engine runs, or a setting is wrong.
        StoreError: The journal cannot be opened or trusted.
    """
    settings, paths = assembly.settings, assembly.paths
    holder: list[Engine] = []
    teller = functools.partial(_teller, lambda: holder[0], asyncio.get_running_loop())
    async with contextlib.AsyncExitStack() as stack:
        journal = assembly.journal()
        stack.callback(journal.close)
        predictions = SqlitePredictions(paths.data / "predictions.sqlite")
        stack.callback(predictions.close)
        tape = assembly.tape(teller("tape"))
        if tape is not None:
            stack.callback(tape.close)
        feeds = assembly.feeds()
        for feed in feeds.values():
            stack.push_async_callback(feed.close)
        store = assembly.market_store()
        stack.callback(store.close)
        venues = assembly.venues(lambda: holder[0])
        engine = Engine(
            settings=without_keys(settings),
            clock=assembly.clock,
            feeds=feeds,
            venues=venues,
            instruments=(),
            journal=journal,
            predictions=predictions,
            tape=tape,
            strategies=assembly.strategies(),
            predictors=assembly.predictors(),
            session=assembly.session,
            mode=assembly.mode,
            version=clx.__version__,
            kernels=kernels({table.kind or name for name, table in settings.feeds.items()}),
            library=assembly.library(store, feeds, lambda: holder[0]),
        )
        holder.append(engine)
        engine.kernel.desk.passed.remember(CheckShelf(assembly.traffic))
        stack.callback(assembly.traffic.close)
        _keep_margins(engine, assembly, stack, feeds, venues)
        stack.callback(RoundTripKeeper(engine, assembly.round_trips, settings).close)
        _warn_of_keys(engine, assembly)
        for text in unfed(settings):
            engine.tell("watchlist", text)
        if assembly.emulator is not None and assembly.emulator.label:
            text = f"the market is {assembly.emulator.label}; docs/emulator.md says which fail"
            engine.kernel.log.alert("info", "market", text, assembly.clock.now_ns())
        _restore_groups(engine, paths)
        engine.on_fact(functools.partial(_keep_watched, paths, settings.engine.watchlist))
        audit = assembly.audit(teller("audit log"))
        stack.callback(audit.close)
        audit.note(
            AuditRecord(
                ts_ns=assembly.clock.now_ns(),
                origin="engine",
                what="engine.start",
                parameters={"session": assembly.session, "mode": assembly.mode},
                outcome=f"clx {clx.__version__}",
                client=this_client(),
            )
        )
        server = LinkServer(
            AuditedFace(engine, audit, assembly.clock),
            paths.socket,
            backlog=settings.engine.client_backlog,
            redactor=assembly.redactor,
        )
        server.bind()
        yield engine, server


def _teller(
    engine: Callable[[], Engine], loop: asyncio.AbstractEventLoop, source: str
) -> Callable[[str], None]:
    """Return what something with a thread of its own tells its alerts to."""

    def tell(text: str) -> None:
        loop.call_soon_threadsafe(lambda: engine().tell(source, text))

    return tell


def _keep_margins(
    engine: Engine,
    assembly: Assembly,
    stack: contextlib.AsyncExitStack,
    feeds: Mapping[VenueName, Feed],
    venues: Mapping[VenueName, Venue],
) -> None:
    besides = assembly.margin_accounts()
    for account in (one for some in besides.values() for one in some):
        stack.push_async_callback(account.close)
    asked = tellers(feeds, venues, assembly.settings, besides)
    keep_margins(engine, assembly.tier_store(), asked, assembly.settings, assembly.clock)


async def serve(engine: Engine, server: LinkServer) -> None:
    """Run an engine and its doorway until the engine is stopped.

    An engine nobody can reach must not go on unseen: when the doorway fails, the engine stops.
    """
    doorway = asyncio.create_task(server.run(), name="doorway")
    doorway.add_done_callback(lambda _: engine.stop("the doorway closed"))
    publisher = _publisher(engine)
    try:
        await engine.run()
    finally:
        doorway.cancel()
        if publisher is not None:
            publisher.cancel()
            await asyncio.gather(publisher, return_exceptions=True)
        (outcome,) = await asyncio.gather(doorway, return_exceptions=True)
    if isinstance(outcome, Exception):
        raise outcome


class _Prices:
    """An engine's market, as the publisher of datagrams reads it."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def watched(self) -> Sequence[InstrumentId]:
        """Return the instruments followed, those on the watchlist first."""
        known = [name for name in self._kernel.watchlist if name in self._kernel.market]
        return list(dict.fromkeys((*known, *self._kernel.followed())))

    def instrument(self, name: InstrumentId) -> Instrument:
        """Return a followed instrument."""
        return self._kernel.listing.instrument(name)

    def line(self, name: InstrumentId) -> QuoteLine:
        """Return a followed instrument's line as of now."""
        return self._kernel.quotes.line(name, self._kernel.clock.now_ns())


def _publisher(engine: Engine) -> asyncio.Task[None] | None:
    """Publish prices as datagrams, if wanted; what ends it is an alert, never the engine's end."""
    kernel = engine.kernel
    if not kernel.settings.udp.enabled:
        return None
    from api.udp import UdpPublisher

    async def publish() -> None:
        try:
            await UdpPublisher(
                kernel.settings.udp,
                _Prices(kernel),
                clock=kernel.clock,
                told=functools.partial(engine.tell, "udp"),
            ).run()
        except ClxError as error:
            engine.tell("udp", str(error))

    return asyncio.create_task(publish(), name="udp")


def _with_watchlist(settings: Settings, paths: Paths) -> Settings:
    """Return settings with the watchlist a person has edited, where there is one."""
    kept = load_watchlist(paths.watchlist)
    if kept is None:
        return settings
    engine = settings.engine.model_copy(update={"watchlist": kept})
    return settings.model_copy(update={"engine": engine})


def _warn_of_keys(engine: Engine, assembly: Assembly) -> None:
    if assembly.inline_keys:
        engine.tell(
            "keys",
            f"{', '.join(assembly.inline_keys)}: in config.toml or the environment others may read"
            ' them; give them to `clx keys add` and name the account: account = "..."',
        )


def _is_real(table: VenueSettings) -> bool:
    """Return whether a venue's money is real: not play money, nor an emulator on this computer."""
    host = urlsplit(table.rest_url).hostname
    return table.environment == "live" and host not in LOOPBACK


def _restore_groups(engine: Engine, paths: Paths) -> None:
    kept = load_watched(paths.watchlist)
    if kept is not None:
        engine.kernel.groups.restore(kept.groups)


def _keep_watched(paths: Paths, before: tuple[str, ...], _: int, fact: Fact) -> None:
    if isinstance(fact, InstrumentsChanged):
        now = Watched(fact.watchlist, fact.groups)
        default = Watched(tuple(InstrumentId(name) for name in before))
        if now != (load_watched(paths.watchlist) or default):
            save_watched(paths.watchlist, now)


def _forget_old_markets(paths: Paths, keep: int) -> None:
    for kind in ("journal-sim-*.sqlite", "market-sim-*.sqlite"):
        found = sorted(paths.data.glob(kind), key=lambda path: path.stat().st_mtime)
        for old in found[:-keep]:
            shutil.rmtree(old.with_suffix(".wire"), ignore_errors=True)
            for part in paths.data.glob(f"{old.name}*"):
                part.unlink(missing_ok=True)


def _depth(engine: Callable[[], Engine], instrument_id: InstrumentId) -> Ladder | None:
    """Read the live book for paper fills; None while it is not to be trusted."""
    market = engine().kernel.market
    if not market.trusted(instrument_id):
        return None
    bids, asks = market.book(instrument_id).top(PAPER_DEPTH)
    return _levels(bids), _levels(asks)


def _levels(side: Levels) -> list[Level]:
    return [(ticks, lots) for ticks, lots in side.tolist()]


def from_config_folder(table: StrategySettings, paths: Paths) -> StrategySettings:
    """Return a strategy's table with a relative file made absolute: it lies beside config.toml."""
    if not table.kind.endswith(".py"):
        return table
    return table.model_copy(update={"kind": str(paths.config / Path(table.kind).expanduser())})
