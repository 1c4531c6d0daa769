"""Binance spot as a venue: submit, cancel, ask, and listen.

::

    cancel ──── one ──────► DELETE /order
             └─ many ─────► order.cancel on the stream's socket, frame by frame

    submit ──task──► POST /order ──┬─ 200 ──────────────► Accepted, fills, Expired
                                   ├─ refused ──────────► Rejected, the venue's code
                                   ├─ connect failed ───► Rejected NOT_SENT
                                   └─ no answer, 5xx ───► Unknown
    user stream ─── executionReport ─────────────────────► the same events; each is told once
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from core.model.abilities import VenueAbilities
from core.model.errors import InvariantError, TemporaryError
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.orders import AmendSubmitted, Order, OrderIntent, VenueOrder
from core.model.ports import Clock, VenueSink
from core.model.settings import VenueSettings
from core.venues.binance.account import AccountReader
from core.venues.binance.answers import Answers
from core.venues.binance.bulk import BulkCancels
from core.venues.binance.rest import BinanceRest
from core.venues.binance.stream import UserStream
from core.venues.binance.wording import ABILITIES, amend_params, oco_params, order_params
from core.venues.errands import Errands, asked
from core.venues.kinds import hosts_of, market_of
from core.venues.reading import ReadsAccount
from core.venues.standing import Standing
from core.venues.symbols import Symbols
from core.venues.teller import Teller
from core.wire.budget import Budgets
from core.wire.http import HttpReply
from core.wire.limits import CONNECTS, CONNECTS_S, AttemptLimiter
from core.wire.witness import Seen, Shelf

_log = logging.getLogger(__name__)

HOSTS: Final = {
    "live": ("https://api.binance.com", "wss://ws-api.binance.com:443/ws-api/v3"),
    "demo": ("https://demo-api.binance.com", "wss://demo-ws-api.binance.com/ws-api/v3"),
    "testnet": (
        "https://testnet.binance.vision",
        "wss://ws-api.testnet.binance.vision/ws-api/v3",
    ),
}
"""REST and WS-API address of each environment."""

_KEEP_WARM_S: Final = 10.0
_MOMENT_S: Final = 0.3
"""Reports of one thing that happened come closer together than this."""


class BinanceVenue(ReadsAccount[AccountReader]):
    """Orders and account of one Binance spot account; `core.model.ports.Venue`."""

    def __init__(
        self,
        name: VenueName,
        settings: VenueSettings,
        *,
        clock: Clock,
        rng: random.Random,
        instruments: Collection[Instrument] = (),
    ) -> None:
        """Prepare; nothing is opened before `run`.

        Raises:
            ConfigError: A key is missing or a URL is none.
        """
        self.name = name
        self.market = market_of(name, settings)
        rest_url, self._ws_api_url = hosts_of(name, settings, HOSTS)
        self._clock = clock
        self._settings = settings
        self._symbols = Symbols(name, self.market)
        self._symbols.add(instruments)
        self._rest = BinanceRest(rest_url, settings, clock=clock, name=name)
        self._account = AccountReader(name, self._rest, clock=clock, symbols=self._symbols)
        self._rng = rng
        self._teller: Teller | None = None
        self._errands: Errands | None = None
        self._answers: Answers | None = None
        self._standing: Standing | None = None
        self._bulk: BulkCancels | None = None
        self._cancels: list[Order] = []
        """Asked for within this turn of the loop."""
        self._attempts = AttemptLimiter(clock=clock, attempts=CONNECTS, window_s=CONNECTS_S)

    def __repr__(self) -> str:
        return f"BinanceVenue({self.name!r}, {self._rest!r})"

    def traffic(self, order: Order) -> list[Seen]:
        """Return what went over the wire about an order; may read files, in any thread."""
        return self._rest.witness.find((order.id, order.venue_order_id or ""))

    def remember(self, shelf: Shelf) -> None:
        """Keep what goes over the wire beyond the end of the process."""
        self._rest.witness.shelf = shelf

    def share(self, budgets: Budgets) -> None:
        """Keep the request budget together with the feed's and other programs' of this home."""
        self._rest.share(budgets)
        self._attempts.share(budgets, urlsplit(self._ws_api_url).netloc)

    def add_instruments(self, instruments: Collection[Instrument]) -> None:
        """Teach it the venue's symbols; orders for others are refused unsent."""
        self._symbols.add(instruments)

    async def run(self, sink: VenueSink) -> None:
        """Stay subscribed to the account and keep a connection warm, until cancelled.

        Orders still waiting for an answer when it ends become Unknown.
        """
        if self._teller is None:
            self._teller = Teller(self.name, clock=self._clock, sink=sink)
            self._errands = Errands(self.name, self._teller)
            self._answers = Answers(
                symbols=self._symbols, teller=self._teller, later=self._do_later
            )
        _, errands, answers = self._running()
        standing = self._standing = Standing(self.name, clock=self._clock, sink=sink)
        stream = UserStream(
            self._rest,
            self._ws_api_url,
            clock=self._clock,
            rng=self._rng,
            timeout_s=self._settings.timeout_s,
            attempts=self._attempts,
            on_up=standing.stream_up,
            on_down=standing.stream_down,
            on_event=answers.event,
        )
        self._bulk = BulkCancels(
            self._rest,
            stream,
            clock=self._clock,
            symbols=self._symbols,
            answers=answers,
            timeout_s=self._settings.timeout_s,
        )
        try:
            async with errands.open() as tasks:
                tasks.create_task(stream.run())
                tasks.create_task(self._keep_time())
        finally:
            await self._rest.close()

    def submit(self, intent: OrderIntent) -> None:
        """Start sending an order; its outcome follows at the sink, never within this call.

        Raises:
            InvariantError: The venue was never run, so there is no sink.
        """
        _, errands, _ = self._running()
        errands.place((intent.client_order_id,), lambda: self._place(intent))

    def submit_group(self, intents: Sequence[OrderIntent]) -> None:
        """Start sending an OCO as an order list.

        Raises:
            InvariantError: The venue was never run, so there is no sink.
        """
        _, errands, _ = self._running()
        ids = [intent.client_order_id for intent in intents]
        errands.place(ids, lambda: self._place_list(intents))

    def cancel(self, order: Order) -> None:
        """Start cancelling by client order id; an order of a list takes the others with it.

        Raises:
            InvariantError: The venue was never run, so there is no sink.
        """
        self._running()
        self._cancels.append(order)
        if len(self._cancels) == 1:
            asyncio.get_running_loop().call_soon(self._send_cancels)

    def amend(self, order: Order, change: AmendSubmitted) -> None:
        """Start making an order smaller where it stands.

        Raises:
            InvariantError: The venue was never run, so there is no sink.
        """
        _, errands, _ = self._running()
        errands.amend(order.id, lambda: self._amend(order, change))

    def abilities(self, instrument: Instrument) -> VenueAbilities:
        """Return what the adapter uses of the venue."""
        return ABILITIES

    async def find_order(self, order: Order) -> VenueOrder | None:
        """Ask by client order id; None when the venue knows none.

        Right after placing, Binance may say "no such order" (-2013) of one that lives. The
        engine therefore believes None only when it is said twice, with more than that
        visibility delay between.

        Raises:
            TemporaryError: The venue did not answer; nothing is known.
        """
        found = await self._account.find_order(order)
        if found is not None and self._teller is not None:
            self._teller.once.adopt(order.id)
        return found

    async def _place(self, intent: OrderIntent) -> None:
        teller, _, answers = self._running()
        order_id = intent.client_order_id

        async def send() -> HttpReply:
            params = order_params(intent, self._symbols.wire(intent.instrument_id))
            return await self._rest.send("POST", "/api/v3/order", params)

        reply = await asked(
            send(),
            refused=partial(teller.refused, order_id),
            lost=partial(teller.unknown, order_id),
        )
        if reply is not None:
            answers.placed(intent, reply)

    async def _place_list(self, intents: Sequence[OrderIntent]) -> None:
        teller, _, answers = self._running()
        ids = [intent.client_order_id for intent in intents]

        async def send() -> HttpReply:
            params = oco_params(intents, self._symbols.wire(intents[0].instrument_id))
            return await self._rest.send("POST", "/api/v3/orderList/oco", params)

        def refused(code: str, reason: str) -> None:
            for order_id in ids:
                teller.refused(order_id, code, reason)

        def lost(reason: str) -> None:
            for order_id in ids:
                teller.unknown(order_id, reason)

        reply = await asked(send(), refused=refused, lost=lost)
        if reply is not None:
            answers.listed(intents, reply)

    def _send_cancels(self) -> None:
        """Send what was asked for in this turn: a few line by line, many over the socket."""
        _, errands, _ = self._running()
        wanted, self._cancels = self._cancels, []
        bulk = self._bulk
        if bulk is not None and bulk.fits(wanted):
            errands.cancel_many(
                [order.id for order in wanted], partial(self._cancel_all, bulk, wanted)
            )
            return
        for order in wanted:
            errands.cancel(order.id, partial(self._cancel, order))

    async def _cancel_all(self, bulk: BulkCancels, orders: Sequence[Order]) -> None:
        _, errands, _ = self._running()
        for order in await bulk.send(orders):
            errands.cancel(order.id, partial(self._cancel, order))

    async def _cancel(self, order: Order) -> None:
        teller, _, answers = self._running()

        async def send() -> HttpReply:
            symbol = self._symbols.wire(order.intent.instrument_id)
            params = [("symbol", symbol), ("origClientOrderId", order.id)]
            return await self._rest.send("DELETE", "/api/v3/order", params)

        reply = await asked(
            send(),
            refused=partial(teller.cancel_refused, order.id),
            lost=partial(_log.warning, "cancel of %s: %s", order.id),
        )
        if reply is not None:
            answers.canceled(order.id, reply)

    async def _amend(self, order: Order, change: AmendSubmitted) -> None:
        teller, _, answers = self._running()

        async def send() -> HttpReply:
            params = amend_params(order, change, self._symbols.wire(order.intent.instrument_id))
            return await self._rest.send("PUT", "/api/v3/order/amend/keepPriority", params)

        reply = await asked(
            send(),
            refused=partial(teller.amend_refused, order.id),
            lost=partial(_log.warning, "amend of %s: %s", order.id),
        )
        if reply is not None:
            answers.amended(order, reply)

    def _do_later(self, work: Callable[[], None]) -> None:
        """Do something in a moment, unless we are stopped before."""

        async def wait() -> None:
            await asyncio.sleep(_MOMENT_S)
            work()

        _, errands, _ = self._running()
        errands.run(wait)

    async def _keep_time(self) -> None:
        """Follow the venue's clock; the same requests keep two connections warm."""
        while True:
            await asyncio.gather(self._sample_time(), self._sample_time())
            await asyncio.sleep(_KEEP_WARM_S)

    async def _sample_time(self) -> None:
        try:
            await self._rest.sync_time()
        except TemporaryError as error:
            _log.info("%s: its time is not known, %s", self.name, error)
            return
        if self._standing is not None:
            bound_ms = self._settings.recv_window_ms // 2
            self._standing.clock_skew(self._rest.offset.surely_ms, bound_ms)

    def _running(self) -> tuple[Teller, Errands, Answers]:
        if self._teller is None or self._errands is None or self._answers is None:
            raise InvariantError(f"{self.name}: submit or cancel before run")
        return self._teller, self._errands, self._answers
