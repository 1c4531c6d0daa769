"""What a watchdog may do itself at the venues: cancel our orders, and close what we hold.

The engine is dead when this runs, so its journal is read, and written, here: the gate closed first,
then each closing order before it is sent, so that the next engine knows them. `ExitsOnly` is all
there is of a venue; it makes its orders itself, out of positions, and no other can be given to it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Final, Literal, NoReturn, TypeAlias, TypeVar

import msgspec

from clx.compose import Assembly
from core.engine.local import LearnsInstruments
from core.model.accounts import RiskState
from core.model.errors import ClxError, ConfigError, TemporaryError
from core.model.facts import RiskStateChanged, VenueEvent
from core.model.ids import ClientOrderId, InstrumentId, VenueName, client_order_id
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Side
from core.model.orders import (
    OrderIntent,
    OrderState,
    OrderSubmitted,
    OrderType,
    PositionSide,
    TimeInForce,
)
from core.model.ports import Clock, Feed, Journal, Venue
from core.model.views import ReferenceView
from core.model.wording import counted
from core.trading.books import Books
from core.trading.tracked import Tracked

Action: TypeAlias = Literal["cancel", "flatten"]
_T = TypeVar("_T")
_PATIENCE_S: Final = 15.0
_PAUSE_S: Final = 0.2
_OVERLAP_NS: Final = 60_000_000_000
_GONE: Final = frozenset({OrderState.HELD, OrderState.DENIED})


class _NoMarkets:
    """Marks of an engine that is not there: nothing is known of any market."""

    def top(self, instrument_id: InstrumentId) -> tuple[int, int] | None:
        """Return that no price is known."""
        return None

    def trusted(self, instrument_id: InstrumentId) -> bool:
        """Return that nothing is trusted."""
        return False

    def last(self, instrument_id: InstrumentId) -> int | None:
        """Return that no trade is known."""
        return None

    def reference(self, instrument_id: InstrumentId) -> ReferenceView | None:
        """Return that nothing was said."""
        return None


class Held(msgspec.Struct, frozen=True):
    """A position to close."""

    instrument: Instrument
    side: PositionSide
    size: Decimal
    """Signed."""


class ExitsOnly:
    """A venue at which orders can be cancelled and positions closed, and nothing opened."""

    def __init__(self, venue: Venue, write: Callable[[OrderSubmitted], None], clock: Clock) -> None:
        self.name = venue.name
        self._venue = venue
        self._write = write
        self._clock = clock

    async def cancel(self, ours: Sequence[Tracked]) -> tuple[int, int]:
        """Cancel orders; return how many were there, and how many still are after a while."""
        known = {item.order.id: item.order for item in ours}
        there = await self._there(known.keys())
        for order_id in there:
            self._venue.cancel(known[order_id])
        left = there
        async with _patience():
            while left:
                await asyncio.sleep(_PAUSE_S)
                left = await self._there(known.keys())
        return len(there), len(left)

    async def held(self, books: Books, listed: Sequence[Instrument]) -> list[Held]:
        """Return what is open: contracts as the venue states them, holdings as we booked them."""
        by_id = {item.id: item for item in listed}
        found = [
            Held(by_id[item.instrument_id], item.side, item.size)
            for item in await _asked(self._venue.positions)
            if item.size and item.instrument_id in by_id
        ]
        free = {item.asset: item.free for item in await _asked(self._venue.balances)}
        for name, side, venue, size in books.account.open_nets():
            instrument = by_id.get(name)
            if venue != self.name or instrument is None or instrument.derivative:
                continue
            found.append(Held(instrument, side, min(size, free.get(instrument.base, Decimal(0)))))
        return found

    async def catch_up(self, books: Books, names: Sequence[InstrumentId]) -> None:
        """Book executions that the journal does not have; they are told to the next engine too."""
        since_ns = max(0, books.last_ts_ns - _OVERLAP_NS)
        for name in names:
            async with asyncio.timeout(_PATIENCE_S):
                for fill in await self._venue.fills(name, since_ns):
                    books.project(fill)

    def close(self, held: Held) -> ClientOrderId | None:
        """Send what closes a position at market; None: it is less than can be traded."""
        lots = held.instrument.floor_lots(abs(held.size))
        sells = held.size > 0
        spot_short = held.size < 0 and held.instrument.kind is InstrumentKind.SPOT
        if not lots or spot_short:
            return None
        now_ns = self._clock.now_ns()
        intent = OrderIntent(
            client_order_id=client_order_id("engine", now_ns, secrets.randbits(40)),
            instrument_id=held.instrument.id,
            side=Side.SELL if sells else Side.BUY,
            type=OrderType.MARKET,
            size=held.instrument.size(lots),
            time_in_force=TimeInForce.IOC,
            reduce_only=True,
            position_side=held.side,
            account=self.name,
            origin="engine",
            reason="the watchdog closes it: the engine hangs",
        )
        self._write(OrderSubmitted(intent=intent, venue=self.name, ts_ns=now_ns))
        if not self._venue.abilities(held.instrument).reduce_only:
            intent = msgspec.structs.replace(intent, reduce_only=False)
        self._venue.submit(intent)
        return intent.client_order_id

    async def _there(self, wanted: Collection[ClientOrderId]) -> list[ClientOrderId]:
        return [
            item.client_order_id
            for item in await _asked(self._venue.open_orders)
            if item.client_order_id in wanted
        ]


async def rescue(assembly: Assembly, action: Action) -> str:
    """Cancel our open orders and, if asked to, close our positions; return what was done.

    Raises:
        ClxError: A venue does not answer, or the journal cannot be read or written.
    """
    if assembly.settings.mode == "paper":
        return "paper orders ended with the engine"
    journal = assembly.journal()
    try:
        return await _Rescue(assembly, journal).run(action)
    finally:
        journal.close()


async def rescue_with(assembly: Assembly, action: Action, passphrase: str) -> str:
    """Do as `rescue` does, with the key file's passphrase as the engine was given it."""
    if passphrase:
        from store.secrets.accounts import open_accounts

        assembly.secrets = open_accounts(
            assembly.settings.keys, assembly.paths, assembly.redactor, lambda _: passphrase
        )
    return await rescue(assembly, action)


class _Rescue:
    def __init__(self, assembly: Assembly, journal: Journal) -> None:
        self._assembly = assembly
        self._journal = journal
        self._listed: dict[InstrumentId, Instrument] = {}
        settings = assembly.settings
        self._books = Books(
            self._listed, _NoMarkets(), settings.engine.equity_asset, Decimal(0), settings.risk
        )

    async def run(self, action: Action) -> str:
        """Do it at every venue that holds something of ours."""
        for _, record in self._journal.read():
            self._books.project(record)
        now_ns = self._assembly.clock.now_ns()
        reason = f"kill ({action}) by the watchdog: the engine could not be brought back"
        closed = RiskStateChanged(
            state=RiskState.REDUCING, reason=reason, origin="engine", ts_ns=now_ns, kill=action
        )
        self._journal.append([closed])
        feeds = self._assembly.feeds()
        try:
            await self._list(feeds)
        finally:
            for feed in feeds.values():
                await feed.close()
        venues = self._assembly.venues(_no_engine)
        words = [await self._one(name, venue, action) for name, venue in venues.items()]
        return "; ".join(word for word in words if word) or "nothing of ours is open anywhere"

    async def _list(self, feeds: dict[VenueName, Feed]) -> None:
        """Learn the instruments of what is ours."""
        names = {item.order.intent.instrument_id for item in self._books.orders.open()}
        names |= {name for name, *_ in self._books.account.open_nets()}
        for venue in {VenueName(name.rpartition(".")[2]) for name in names}:
            feed = feeds.get(venue)
            if feed is None:
                raise ConfigError(f"no feed {venue} is set up, so its symbols are not known")
            for item in await _asked(feed.instruments):
                if item.id in names:
                    self._listed[item.id] = item

    async def _one(self, name: VenueName, venue: Venue, action: Action) -> str:
        ours = [
            item
            for item in self._books.orders.open()
            if item.order.venue == name and item.order.state not in _GONE
        ]
        mine = sorted(
            {item.order.intent.instrument_id for item in ours}
            | {net[0] for net in self._books.account.open_nets() if net[2] == name}
        )
        if not mine:
            return ""
        listed = [self._listed[item] for item in mine if item in self._listed]
        if isinstance(venue, LearnsInstruments):
            venue.add_instruments(listed)
        exits = ExitsOnly(venue, self._write, self._assembly.clock)
        async with _running(venue):
            there, left = await exits.cancel(ours)
            text = f"{name}: cancelled {there - left} of {counted(there, 'order')}"
            if action == "cancel":
                return text
            await exits.catch_up(self._books, mine)
            closed = [exits.close(held) for held in await exits.held(self._books, listed)]
            sent = [order_id for order_id in closed if order_id is not None]
            over = await self._settled(exits, listed, len(sent))
            closing = counted(len(sent), "closing order")
            return f"{text}, sent {closing}, {counted(over, 'position')} left"

    async def _settled(self, exits: ExitsOnly, listed: Sequence[Instrument], sent: int) -> int:
        """Wait until the positions are gone, and return how many are not."""
        left: list[Held] = []
        if not sent:
            return 0
        async with _patience():
            while True:
                await asyncio.sleep(_PAUSE_S)
                await exits.catch_up(self._books, [item.id for item in listed])
                found = await exits.held(self._books, listed)
                left = [item for item in found if item.instrument.floor_lots(abs(item.size))]
                if not left:
                    return 0
        return len(left)

    def _write(self, record: OrderSubmitted) -> None:
        """Write an order down before it is sent, also in what we know."""
        self._journal.append([record])
        self._books.project(record)


@asynccontextmanager
async def _running(venue: Venue) -> AsyncIterator[None]:
    """Keep a venue's connection up for a while."""

    def heard(_: VenueEvent) -> None:
        """Leave what it says to the next engine, which asks for all of it."""

    task = asyncio.create_task(venue.run(heard), name=f"venue {venue.name}")
    await asyncio.sleep(0)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def _patience() -> AsyncIterator[None]:
    """Let something go on for a while, and go on without it."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            yield
    except TimeoutError:
        return


async def _asked(question: Callable[[], Awaitable[list[_T]]]) -> list[_T]:
    """Ask until it is answered, or patience ends.

    Raises:
        TemporaryError: No answer came.
    """
    last: ClxError | None = None
    async with _patience():
        while True:
            try:
                return await question()
            except TemporaryError as error:
                last = error
                await asyncio.sleep(_PAUSE_S)
    raise TemporaryError(f"no answer within {_PATIENCE_S:g} s: {last}")


def _no_engine() -> NoReturn:
    """Refuse: only paper venues ask an engine for its market."""
    raise ConfigError("there is no engine to ask")
