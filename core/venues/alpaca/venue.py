"""Alpaca as a venue: shares, coins and options; submit, change, cancel, ask, and listen.

::

    submit ──task──► POST /v2/orders ──┬─ 200 ──────────────► Accepted
                                       ├─ refused ──────────► Rejected, the venue's code
                                       ├─ connect failed ───► Rejected NOT_SENT
                                       └─ no answer, 5xx ───► Unknown
    amend ──────────► PATCH /v2/orders/ID ── a new order in the old one's place ──► Amended
    trade_updates ── new, fill, canceled, replaced... ───────► the same events; each is told once
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from core.model.abilities import VenueAbilities
from core.model.errors import InvariantError, TemporaryError, VenueError
from core.model.facts import VenueWarned
from core.model.ids import ClientOrderId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.orders import (
    AmendSubmitted,
    Link,
    Order,
    OrderIntent,
    OrderType,
    TimeInForce,
    VenueOrder,
)
from core.model.ports import Clock, VenueSink
from core.model.settings import VenueSettings
from core.venues.alpaca.account import AccountReader
from core.venues.alpaca.answers import Answers, blocked
from core.venues.alpaca.names import Names, replaced_name
from core.venues.alpaca.orders import Chain
from core.venues.alpaca.parse import change_body, group_body, order_body
from core.venues.alpaca.rest import AlpacaRest
from core.venues.alpaca.stream import UpdateStream
from core.venues.alpaca.symbols import AlpacaSymbols
from core.venues.errands import NOT_SENT, Errands, asked
from core.venues.kinds import hosts_of, market_of
from core.venues.reading import ReadsAccount
from core.venues.standing import Standing
from core.venues.teller import Teller
from core.wire.budget import Budgets
from core.wire.http import HttpReply
from core.wire.limits import CONNECTS, CONNECTS_S, AttemptLimiter
from core.wire.witness import Seen, Shelf

_log = logging.getLogger(__name__)

HOSTS: Final = {
    "live": ("https://api.alpaca.markets", "wss://api.alpaca.markets/stream"),
    "demo": ("https://paper-api.alpaca.markets", "wss://paper-api.alpaca.markets/stream"),
}
"""REST and stream address of each environment; Alpaca calls its demo paper."""

_ORDERS: Final = "/v2/orders"
_GONE: Final = frozenset({404, 422})
"""An order that cannot be cancelled: it has ended, or another stands in its place."""

_SHARES: Final = VenueAbilities(
    types=frozenset(
        {
            OrderType.MARKET,
            OrderType.LIMIT,
            OrderType.STOP,
            OrderType.STOP_LIMIT,
            OrderType.TRAILING_STOP,
        }
    ),
    times=frozenset({TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK}),
    links=frozenset({Link.OCO, Link.OTO, Link.BRACKET}),
    amend="any",
    post_only=False,
    extended_hours=True,
)
_COINS: Final = VenueAbilities(
    types=frozenset({OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_LIMIT}),
    times=frozenset({TimeInForce.GTC, TimeInForce.IOC}),
    amend="any",
    post_only=False,
)
_OPTIONS: Final = VenueAbilities(
    times=frozenset({TimeInForce.DAY}),
    amend="any",
    post_only=False,
)
_ABILITIES: Final[Mapping[InstrumentKind, VenueAbilities]] = {
    InstrumentKind.STOCK: _SHARES,
    InstrumentKind.OPTION: _OPTIONS,
}


class AlpacaVenue(ReadsAccount[AccountReader]):
    """Orders and account of one Alpaca account; `core.model.ports.Venue`."""

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
        rest_url, self._stream_url = hosts_of(name, settings, HOSTS)
        self._clock = clock
        self._settings = settings
        self._rng = rng
        self._symbols = AlpacaSymbols(name, self.market)
        self._symbols.add(instruments)
        self._names = Names()
        self._rest = AlpacaRest(rest_url, settings, clock=clock, name=name)
        self._account = AccountReader(
            name, self._rest, clock=clock, symbols=self._symbols, names=self._names
        )
        self._teller: Teller | None = None
        self._answers: Answers | None = None
        self._errands: Errands | None = None
        self._warned = ""
        self._attempts = AttemptLimiter(clock=clock, attempts=CONNECTS, window_s=CONNECTS_S)

    def __repr__(self) -> str:
        return f"AlpacaVenue({self.name!r}, {self._rest!r})"

    def traffic(self, order: Order) -> list[Seen]:
        """Return what went over the wire about an order; may read files, in any thread."""
        return self._rest.witness.find((order.id, order.venue_order_id or ""))

    def remember(self, shelf: Shelf) -> None:
        """Keep what goes over the wire beyond the end of the process."""
        self._rest.witness.shelf = shelf

    def share(self, budgets: Budgets) -> None:
        """Keep the request budget together with other programs' of this home."""
        self._rest.share(budgets)
        self._attempts.share(budgets, urlsplit(self._stream_url).netloc)

    def add_instruments(self, instruments: Collection[Instrument]) -> None:
        """Teach it the venue's symbols; orders for others are refused unsent."""
        self._symbols.add(instruments)

    async def run(self, sink: VenueSink) -> None:
        """Stay subscribed to the account's orders, until cancelled.

        Orders still waiting for an answer when it ends become Unknown.
        """
        if self._teller is None or self._answers is None or self._errands is None:
            self._teller = Teller(self.name, clock=self._clock, sink=sink)
            self._answers = Answers(self._teller, symbols=self._symbols, names=self._names)
            self._errands = Errands(self.name, self._teller)
        standing = Standing(self.name, clock=self._clock, sink=sink)
        look = partial(self._look_at_account, sink)
        errands = self._errands

        def up() -> None:
            standing.stream_up()
            errands.run(look)

        stream = UpdateStream(
            self._rest,
            self._stream_url,
            clock=self._clock,
            rng=self._rng,
            timeout_s=self._settings.timeout_s,
            attempts=self._attempts,
            on_up=up,
            on_down=standing.stream_down,
            on_update=self._answers.update,
        )
        try:
            async with self._errands.open() as tasks:
                tasks.create_task(stream.run())
        finally:
            await self._rest.close()

    def abilities(self, instrument: Instrument) -> VenueAbilities:
        """Return what the adapter uses of the venue for shares, coins or options."""
        return _ABILITIES.get(instrument.kind, _COINS)

    def submit(self, intent: OrderIntent) -> None:
        """Start sending an order; its outcome follows at the sink, never within this call.

        Raises:
            InvariantError: The venue was never run, so there is no sink.
        """
        answers, errands = self._running()
        ids = [intent.client_order_id]

        def body() -> dict[str, object]:
            instrument = self._symbols.instrument(intent.instrument_id)
            return order_body(intent, instrument, intent.client_order_id)

        errands.place(ids, partial(self._place, answers, ids, body))

    def submit_group(self, intents: Sequence[OrderIntent]) -> None:
        """Start sending a bracket, OCO or OTO whole; an outcome of each order follows.

        Raises:
            InvariantError: The venue was never run, so there is no sink.
        """
        answers, errands = self._running()
        ids = [intent.client_order_id for intent in intents]

        def body() -> dict[str, object]:
            instrument = self._symbols.instrument(intents[0].instrument_id)
            return group_body(intents, instrument)

        errands.place(ids, partial(self._place, answers, ids, body))

    def cancel(self, order: Order) -> None:
        """Start cancelling, by whatever id the order has at the venue by then.

        Raises:
            InvariantError: The venue was never run, so there is no sink.
        """
        answers, errands = self._running()
        errands.cancel(order.id, partial(self._cancel, answers, order))

    def amend(self, order: Order, change: AmendSubmitted) -> None:
        """Start replacing an order by another of the same kind; it keeps our id.

        Raises:
            InvariantError: The venue was never run, so there is no sink.
        """
        answers, errands = self._running()
        errands.amend(order.id, partial(self._amend, answers, order, change))

    async def find_order(self, order: Order) -> VenueOrder | None:
        """Ask for an order; None when the venue knows none.

        Raises:
            TemporaryError: The venue did not answer; nothing is known.
        """
        found = await self._account.find_order(order)
        if self._answers is not None and self._teller is not None:
            self._answers.catch_up()
            if found is not None:
                self._teller.once.adopt(order.id)
        return found

    # -- errands ---------------------------------------------------------------------------

    async def _place(
        self,
        answers: Answers,
        ids: Sequence[ClientOrderId],
        body: Callable[[], dict[str, object]],
    ) -> None:
        teller = self._told()

        def refused(code: str, reason: str) -> None:
            for order_id in ids:
                teller.refused(order_id, code, reason)

        def lost(reason: str) -> None:
            for order_id in ids:
                teller.unknown(order_id, reason)

        async def send() -> HttpReply:
            return await self._rest.send("POST", _ORDERS, body())

        reply = await asked(send(), refused=refused, lost=lost)
        if reply is not None:
            answers.placed(ids, reply)

    async def _cancel(self, answers: Answers, order: Order) -> None:
        refused = partial(self._told().cancel_refused, order.id)
        lost = partial(_log.warning, "cancel of %s: %s", order.id)
        venue_order_id: str | None = order.venue_order_id
        if venue_order_id is None:
            chain = await self._chain(order, refused)
            if chain is None:
                return
            venue_order_id = chain.last.id
        reply = await asked(
            self._rest.send("DELETE", f"{_ORDERS}/{venue_order_id}"), refused=refused, lost=lost
        )
        if reply is None:
            return
        if reply.status in _GONE:
            # It may have been replaced by a change whose answer we never saw.
            chain = await self._chain(order, refused)
            if chain is None:
                return
            if chain.last.id != venue_order_id:
                path = f"{_ORDERS}/{chain.last.id}"
                reply = await asked(self._rest.send("DELETE", path), refused=refused, lost=lost)
        if reply is not None:
            answers.cancel_answered(order.id, reply)

    async def _amend(self, answers: Answers, order: Order, change: AmendSubmitted) -> None:
        refused = partial(self._told().amend_refused, order.id)
        venue_order_id: str | None = order.venue_order_id
        before = Decimal(0)
        if venue_order_id is None or (change.size is not None and order.filled):
            # Of what was filled, the venue counts only what it filled since the last change.
            chain = await self._chain(order, refused)
            if chain is None:
                return
            venue_order_id, before = chain.last.id, chain.before
        name = self._names.sent_as(order.id)
        client_id = replaced_name(name, self._clock.now_ns() // 1_000_000)
        answers.expect_change(order, change, client_id)
        body = change_body(change, client_id, before)
        reply = await asked(
            self._rest.send("PATCH", f"{_ORDERS}/{venue_order_id}", body),
            refused=refused,
            lost=partial(_log.warning, "change of %s: %s", order.id),
        )
        if reply is not None:
            answers.changed(order.id, venue_order_id, reply)

    async def _chain(self, order: Order, refused: Callable[[str, str], None]) -> Chain | None:
        """Ask where an order stands; None once it was told why that is not known."""
        try:
            chain = await self._account.orders.chain(order)
        except (TemporaryError, VenueError) as error:
            refused(NOT_SENT, f"the venue could not be asked for its id, {error}")
            return None
        if chain is None:
            refused("404", "the venue knows no such order")
        return chain

    async def _look_at_account(self, sink: VenueSink) -> None:
        """Say when the account cannot trade, once for each reason."""
        try:
            account = await self._account.account()
        except TemporaryError as error:
            _log.info("%s: its account's state is not known, %s", self.name, error)
            return
        words = blocked(account)
        if words and words != self._warned:
            text = f"{self.name} takes no orders: {words}"
            sink(VenueWarned(venue=self.name, text=text, ts_ns=self._clock.now_ns()))
        self._warned = words

    def _running(self) -> tuple[Answers, Errands]:
        if self._answers is None or self._errands is None:
            raise InvariantError(f"{self.name}: an order before run")
        return self._answers, self._errands

    def _told(self) -> Teller:
        if self._teller is None:
            raise InvariantError(f"{self.name}: an order before run")
        return self._teller
