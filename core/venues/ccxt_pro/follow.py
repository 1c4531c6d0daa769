"""How the account's events arrive: by ccxt's streams where it has them, else by asking.

::

    watch_orders ────┬─ an end, a fill we lack ──► pull the fills, then tell the end
    watch_my_trades ─┴─ whole fills, exact as text ──► tell them
    every few seconds ── each living order of ours ──► ask by its id ──► the same

What a stream leaves out (a fee, an id, numbers as text) is read from REST; no fill is computed.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Any, Final

from core.model.errors import ConfigError, DataError, TemporaryError, VenueError
from core.model.ids import ClientOrderId, InstrumentId
from core.model.instruments import Instrument
from core.model.orders import Order, OrderState, VenueOrder
from core.venues.ccxt_pro.account import AccountReader
from core.venues.ccxt_pro.client import CcxtClient, plain
from core.venues.ccxt_pro.parse import Row, cost_of, exact, fill, time_ns
from core.venues.ccxt_pro.ways import Ways
from core.venues.standing import Standing
from core.venues.symbols import Symbols
from core.venues.teller import Teller
from core.wire.backoff import Backoff

_log = logging.getLogger(__name__)

_WATCH_S: Final = 300.0
"""A watch that gives nothing for this long is begun anew: ccxt may have lost it silently."""
_STREAMS: Final = (("watchOrders", "watch_orders"), ("watchMyTrades", "watch_my_trades"))
_REMEMBERED: Final = 50_000
_OVERLAP_NS: Final = 30_000_000_000
_PULL_AGAIN_S: Final = (0.3, 1.0, 3.0)
"""Exchanges list a fill a moment after they say it."""


class Follower:
    """Knows the living orders, and tells what becomes of them."""

    def __init__(
        self,
        client: CcxtClient,
        account: AccountReader,
        *,
        ways: Ways,
        symbols: Symbols,
        teller: Teller,
        standing: Standing,
        rng: random.Random,
        poll_s: float,
        grace_s: float,
    ) -> None:
        """`poll_s` is how often is asked where no stream tells.

        A watch that has not failed for `grace_s` is taken to stand; ccxt does not say that it does.
        """
        self._client = client
        self._account = account
        self._ways = ways
        self._symbols = symbols
        self._tell = teller
        self._standing = standing
        self._rng = rng
        self._poll_s = poll_s
        self._grace_s = grace_s
        self._living: dict[ClientOrderId, Order] = {}
        self._filled: dict[ClientOrderId, Decimal] = {}
        self._pulled_ns: dict[InstrumentId, int] = {}
        self._counted: OrderedDict[tuple[InstrumentId, str], None] = OrderedDict()
        self._locks: dict[InstrumentId, asyncio.Lock] = {}
        self._wake = asyncio.Event()
        self.changed: Callable[[], None] = _nobody
        """Called when other orders live than before."""

    # -- orders ----------------------------------------------------------------------------

    def living(self, order: Order) -> None:
        """Note an order that is, or may be, at the exchange."""
        known = self._living.get(order.id)
        if known is None or order.venue_order_id is not None:
            self._living[order.id] = order
            self._filled.setdefault(order.id, Decimal(0))
            at = order.intent.instrument_id
            since_ns = order.ts_submitted_ns - _OVERLAP_NS
            self._pulled_ns[at] = min(self._pulled_ns.get(at, since_ns), since_ns)
        if known is None:
            self.changed()

    def gone(self, order_id: ClientOrderId) -> None:
        """Note that an order has ended, or never was."""
        if self._living.pop(order_id, None) is not None:
            self.changed()
        self._filled.pop(order_id, None)

    def instruments(self) -> frozenset[InstrumentId]:
        """Return the instruments of living orders."""
        return frozenset(order.intent.instrument_id for order in self._living.values())

    def hurry(self) -> None:
        """Ask at once, not only when it is time."""
        self._wake.set()

    async def check(self, order: Order) -> VenueOrder | None:
        """Ask for an order and tell what became of it.

        Raises:
            TemporaryError: The exchange did not answer.
        """
        found = await self._account.find_order(order)
        if found is not None:
            await self.settle(found)
        return found

    async def settle(self, found: VenueOrder) -> None:
        """Tell an order's fills, and its end: once all of them are told, or cannot be had now.

        Raises:
            TemporaryError: The exchange did not answer.
        """
        order_id = found.client_order_id
        if self._tell.once.ours(order_id) and found.state is not OrderState.REJECTED:
            self._tell.accepted(order_id, found.venue_order_id, found.ts_event_ns)
        for pause_s in (0.0, *_PULL_AGAIN_S):
            if found.filled <= self._filled.get(order_id, Decimal(0)):
                break
            await asyncio.sleep(pause_s)
            await self.pull(found.instrument_id)
        told = found.filled <= self._filled.get(order_id, Decimal(0))
        if told or found.state is not OrderState.FILLED:
            self._end(found)

    async def pull(self, instrument_id: InstrumentId) -> None:
        """Read what was filled since the last look, and tell what is ours.

        Raises:
            TemporaryError: The exchange did not answer.
        """
        async with self._locks.setdefault(instrument_id, asyncio.Lock()):
            now_ns = self._tell.now_ns()
            since_ns = self._pulled_ns.get(instrument_id, now_ns - _OVERLAP_NS)
            fills = await self._account.fills(instrument_id, since_ns)
            for each in fills:
                if self._tell.once.ours(each.client_order_id):
                    self._count(each.client_order_id, instrument_id, each.execution_id, each.size)
                    self._tell.filled(each)
            oldest = [
                order.ts_submitted_ns - _OVERLAP_NS
                for order in self._living.values()
                if order.intent.instrument_id == instrument_id
            ]
            self._pulled_ns[instrument_id] = min([now_ns - _OVERLAP_NS, *oldest])

    def _count(
        self, order_id: ClientOrderId, instrument_id: InstrumentId, name: str, size: Decimal
    ) -> None:
        key = (instrument_id, name)
        if key not in self._counted:
            self._counted[key] = None
            if len(self._counted) > _REMEMBERED:
                self._counted.popitem(last=False)
            self._filled[order_id] = self._filled.get(order_id, Decimal(0)) + size

    def _end(self, found: VenueOrder) -> None:
        order_id = found.client_order_id
        match found.state:
            case OrderState.CANCELED:
                self._tell.canceled(
                    order_id,
                    found.ts_event_ns,
                    filled=found.filled,
                    venue_order_id=found.venue_order_id,
                )
            case OrderState.EXPIRED:
                self._tell.expired(
                    order_id,
                    "the venue ended it",
                    found.ts_event_ns,
                    filled=found.filled,
                    venue_order_id=found.venue_order_id,
                )
            case OrderState.REJECTED:
                self._tell.refused(order_id, "rejected", "the venue rejected it")
                why = "the venue rejected it later"
                self._tell.expired(order_id, why, found.ts_event_ns, filled=found.filled)
        if found.state.terminal:
            self.gone(order_id)

    # -- running ---------------------------------------------------------------------------

    async def run(self) -> None:
        """Follow the account until cancelled."""
        streams = [each for each in _STREAMS if self._client.does(each[0])]
        async with asyncio.TaskGroup() as tasks:
            if streams:
                down: set[str] = set()
                for name, call in streams:
                    tasks.create_task(self._watch(name, call, down))
            tasks.create_task(self._poll(streams=bool(streams)))

    async def _watch(self, name: str, call: str, down: set[str]) -> None:
        """Follow one stream; whatever ccxt raises is told, and the watch is begun anew."""
        backoff = Backoff(self._rng)
        take: Callable[[Row], Awaitable[None]] = (
            self._on_order if name == "watchOrders" else self._on_trade
        )
        down.add(name)
        while True:
            watch = asyncio.ensure_future(getattr(self._client.ccxt, call)())
            try:
                rows = await self._next(watch, name, down)
                for row in rows:
                    await take(row)
            except (TemporaryError, VenueError, DataError) as error:
                _log.info("%s of %s: %s", name, self._client.exchange, error)
                self.hurry()
            except Exception as error:
                # A library of a hundred exchanges can fail in any way.
                down.add(name)
                self._standing.stream_down(f"{name}: {plain(error)}")
                self.hurry()
                await asyncio.sleep(backoff.next_s())
            else:
                backoff.reset()
            finally:
                if not watch.done():
                    watch.cancel()

    async def _next(self, watch: asyncio.Future[Any], name: str, down: set[str]) -> Sequence[Row]:
        if name in down:
            done, _ = await asyncio.wait([watch], timeout=self._grace_s)
            if not done or watch.exception() is None:
                down.discard(name)
                if not down:
                    self._standing.stream_up()
        async with asyncio.timeout(_WATCH_S):
            rows: Sequence[Row] = await watch
        return rows

    async def _poll(self, *, streams: bool) -> None:
        """Ask for each living order, rarely where a stream tells them."""
        backoff = Backoff(self._rng)
        while True:
            try:
                if not streams:
                    await self._client.read("balances", self._client.ccxt.fetch_balance())
                    self._standing.stream_up()
                pause_s = self._poll_s * (5 if streams else 1)
                if await self._check_all():
                    backoff.reset()
                else:
                    pause_s = max(pause_s, backoff.next_s())
            except (TemporaryError, VenueError) as error:
                pause_s = backoff.next_s()
                if not streams:
                    self._standing.stream_down(str(error))
            self._wake.clear()
            try:
                async with asyncio.timeout(pause_s):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _check_all(self) -> bool:
        """Ask for each living order; return whether all were answered."""
        answered = True
        for order in list(self._living.values()):
            if order.id in self._living:
                try:
                    await self.check(order)
                except TemporaryError as error:
                    answered = False
                    _log.info("%s", error)
        return answered

    # -- streams ---------------------------------------------------------------------------

    async def _on_order(self, row: Row) -> None:
        order_id = self._account.ours(row)
        if not self._tell.once.ours(order_id) or not row.get("id"):
            return
        order = self._living.get(order_id)
        self._account.note(str(row["id"]), order_id)
        status, filled = row.get("status"), exact(row.get("filled"), "filled") or Decimal(0)
        if status == "open" and filled <= self._filled.get(order_id, Decimal(0)):
            self._tell.accepted(order_id, str(row["id"]), time_ns(row, "timestamp"))
        elif status == "open" and order is not None and self._ways.stream_fills:
            # Its fill comes by the other stream, or with the next look.
            self._tell.accepted(order_id, str(row["id"]), 0)
        elif order is not None:
            # Only a whole answer tells how it ended, and what of it was filled.
            await self.check(order)

    async def _on_trade(self, row: Row) -> None:
        order_id = self._account.known(str(row.get("order")))
        instrument = self._instrument(row)
        if instrument is None:
            return
        if order_id is None or not self._ways.stream_fills:
            await self.pull(instrument.id)
            return
        if not self._tell.once.ours(order_id):
            return
        quote = instrument.pays_in
        if cost_of(row, quote) is None:
            await self.pull(instrument.id)
            return
        made = fill(
            row,
            order_id,
            instrument.id,
            self._tell.venue,
            quote=quote,
            ts_ns=self._tell.now_ns(),
        )
        self._count(order_id, instrument.id, made.execution_id, made.size)
        self._tell.filled(made)

    def _instrument(self, row: Row) -> Instrument | None:
        try:
            return self._symbols.instrument(self._account.instrument_of(row))
        except ConfigError:
            return None


def _nobody() -> None:
    pass
