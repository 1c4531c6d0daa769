"""Any exchange of ccxt as a venue: submit, change, cancel, ask, and follow.

::

    submit ──task──► create_order ──┬─ an id ────────────────────► Accepted
                                    ├─ InvalidOrder, no funds... ► Rejected, ccxt's error
                                    ├─ connect failed ───────────► Rejected NOT_SENT
                                    └─ timeout, reset, 5xx ──────► Unknown
    streams, or asking by id ──────────────────────────────────► fills and ends, each told once
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Collection, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, Final

import msgspec

from core.model.abilities import VenueAbilities
from core.model.errors import ConfigError, DataError, InvariantError, TemporaryError, VenueError
from core.model.ids import InstrumentId, VenueName, VenueOrderId
from core.model.instruments import Instrument
from core.model.orders import (
    AmendSubmitted,
    Order,
    OrderIntent,
    OrderState,
    OrderType,
    VenueOrder,
)
from core.model.ports import Clock, VenueSink
from core.model.settings import VenueSettings
from core.venues.ccxt_pro.account import AccountReader
from core.venues.ccxt_pro.client import CcxtClient
from core.venues.ccxt_pro.follow import Follower
from core.venues.ccxt_pro.parse import Row, number, order_call, time_ns
from core.venues.ccxt_pro.spelling import spelling_of
from core.venues.ccxt_pro.switch import Switch, way_of
from core.venues.ccxt_pro.ways import abilities, features, ways_of
from core.venues.errands import NOT_SENT, Errands, asked
from core.venues.kinds import market_of, switch_words
from core.venues.offset import ClockOffset
from core.venues.reading import ReadsAccount
from core.venues.standing import Standing
from core.venues.symbols import Symbols
from core.venues.teller import Teller
from core.wire.backoff import Backoff
from core.wire.budget import Budgets
from core.wire.witness import Seen, Shelf

_log = logging.getLogger(__name__)

POLL_S: Final = 2.0
"""How often living orders are asked for where no stream tells them."""
GRACE_S: Final = 2.0
"""How long a watch must not fail to be taken to stand."""
_CLOCK_EVERY_S: Final = 60.0
_CLOCK_PAUSE_S: Final = 0.1
_MAYBE_FILLED: Final = frozenset({"OrderNotFound", "OrderNotCached", "InvalidOrder"})


class CcxtVenue(ReadsAccount[AccountReader]):
    """Orders and account of one account at an exchange; `core.model.ports.Venue`."""

    def __init__(
        self,
        name: VenueName,
        settings: VenueSettings,
        *,
        clock: Clock,
        rng: random.Random,
        instruments: Collection[Instrument] = (),
        poll_s: float = POLL_S,
        grace_s: float = GRACE_S,
        paced: bool = True,
    ) -> None:
        """Prepare; ccxt is imported by `run`, or when abilities are asked for.

        Only what has no limits may be asked without being `paced`.

        Raises:
            ConfigError: A key is missing, or ccxt does not know the exchange.
        """
        exchange = (settings.kind or name).removeprefix("ccxt:")
        self.name = name
        self.market = market_of(name, settings)
        self._settings = settings
        self._clock = clock
        self._rng = rng
        self._poll_s = poll_s
        self._grace_s = grace_s
        self._exchange = exchange
        self._ways = ways_of(exchange)
        self._spelling = spelling_of(exchange)
        self._client = CcxtClient(name, exchange, settings, clock=clock, paced=paced)
        self._symbols = Symbols(name, self.market)
        self._instruments: dict[InstrumentId, Instrument] = {}
        self.add_instruments(instruments)
        self._account = AccountReader(
            name,
            self._client,
            ways=self._ways,
            spelling=self._spelling,
            clock=clock,
            symbols=self._symbols,
        )
        self._teller: Teller | None = None
        self._errands: Errands | None = None
        self._follower: Follower | None = None

    def __repr__(self) -> str:
        return f"CcxtVenue({self.name!r}, {self._client!r})"

    def share(self, budgets: Budgets) -> None:
        """Count requests together with all programs of the home that ask the exchange."""
        self._client.share(budgets)

    def traffic(self, order: Order) -> list[Seen]:
        """Return what went over the wire about an order; may read files, in any thread."""
        wire = self._spelling.wire(order.id)
        return self._client.witness.find((order.id, wire, order.venue_order_id or ""))

    def remember(self, shelf: Shelf) -> None:
        """Keep what goes over the wire beyond the end of the process."""
        self._client.witness.shelf = shelf

    def add_instruments(self, instruments: Collection[Instrument]) -> None:
        """Teach it what is traded; orders for others are refused unsent."""
        self._symbols.add(instruments)
        self._instruments.update({item.id: item for item in instruments})

    def abilities(self, instrument: Instrument) -> VenueAbilities:
        """Return what the adapter uses of the exchange with an instrument."""
        self._client.load()
        way, seconds = way_of(self._client), self._settings.dead_man_s
        return abilities(
            self._client.ccxt,
            self._exchange,
            instrument,
            dead_man=way is not None and seconds > 0,
            switch=switch_words(seconds, by_symbol=way.by_symbol) if way else "",
            streams=self._streams(),
        )

    async def run(self, sink: VenueSink) -> None:
        """Follow the account until cancelled.

        Orders still waiting for an answer when it ends become Unknown.
        """
        standing = Standing(self.name, clock=self._clock, sink=sink)
        if self._teller is None or self._errands is None:
            self._teller = Teller(self.name, clock=self._clock, sink=sink)
            self._errands = Errands(self.name, self._teller)
        self._follower = Follower(
            self._client,
            self._account,
            ways=self._ways,
            symbols=self._symbols,
            teller=self._teller,
            standing=standing,
            rng=self._rng,
            poll_s=self._poll_s,
            grace_s=self._grace_s,
        )
        try:
            async with self._errands.open() as tasks:
                await self._learn_markets(standing)
                tasks.create_task(self._follower.run())
                tasks.create_task(self._keep_time(standing))
                switch = self._switch(sink)
                if switch is not None:
                    self._follower.changed = switch.look
                    tasks.create_task(switch.run())
        finally:
            await self._client.close()

    def submit(self, intent: OrderIntent) -> None:
        """Start sending an order; its outcome follows at the sink, never within this call.

        Raises:
            InvariantError: The venue was never run, so there is no sink.
        """
        self._running()[1].place([intent.client_order_id], partial(self._place, intent))

    def submit_group(self, intents: Sequence[OrderIntent]) -> None:
        """Take no group whole.

        Raises:
            InvariantError: Always: `abilities` names no link.
        """
        raise InvariantError(f"{self.name} takes no groups, was sent {len(intents)} orders")

    def cancel(self, order: Order) -> None:
        """Start cancelling; what became of the order is asked for afterwards.

        Raises:
            InvariantError: The venue was never run, so there is no sink.
        """
        self._running()[1].cancel(order.id, partial(self._cancel, order))

    def amend(self, order: Order, change: AmendSubmitted) -> None:
        """Start a change of an order where it stands.

        Raises:
            InvariantError: The venue was never run, so there is no sink.
        """
        self._running()[1].amend(order.id, partial(self._amend, order, change))

    async def find_order(self, order: Order) -> VenueOrder | None:
        """Ask for an order; None when the exchange knows none.

        Raises:
            TemporaryError: The exchange did not answer; nothing is known.
        """
        found = await self._account.find_order(order)
        if found is not None and self._teller is not None:
            self._teller.once.adopt(order.id)
            if self._follower is not None and not found.state.terminal:
                self._follower.living(_placed_as(order, found.venue_order_id))
        return found

    # -- errands ---------------------------------------------------------------------------

    async def _place(self, intent: OrderIntent) -> None:
        teller, _, follower = self._running()
        order_id = intent.client_order_id
        order = Order(
            intent=intent,
            venue=self.name,
            state=OrderState.SUBMITTED,
            ts_submitted_ns=self._clock.now_ns(),
            ts_updated_ns=self._clock.now_ns(),
        )

        def refused(code: str, reason: str) -> None:
            teller.refused(order_id, code, reason)
            follower.gone(order_id)

        def lost(reason: str) -> None:
            teller.unknown(order_id, reason)
            follower.hurry()

        try:
            symbol, kind, side, size, price, params = self._call(intent)
        except (ConfigError, TemporaryError) as error:
            refused(NOT_SENT, str(error))
            return
        follower.living(order)
        try:
            question = self._client.ccxt.create_order(symbol, kind, side, size, price, params)
            row = await asked(self._client.act("an order", question), refused=refused, lost=lost)
        except VenueError as error:
            refused(error.code, error.reason)
            return
        if row is not None:
            await self._took(order, row)

    def _call(self, intent: OrderIntent) -> tuple[str, str, str, str, str | None, dict[str, Any]]:
        """Return the arguments of the order, made sure of to be what the exchange will read.

        Raises:
            ConfigError: The exchange has no such order, or ccxt would change its figures.
        """
        instrument = self._symbols.instrument(intent.instrument_id)
        self._account.follow(instrument)
        market = self._client.market(instrument)
        by_cost = bool(
            features(self._client.ccxt, instrument, "createOrder").get("marketBuyRequiresPrice")
        )
        name = self._spelling.wire(intent.client_order_id)
        call = order_call(intent, market, name, self._ways, by_cost=by_cost)
        ccxt, symbol = self._client.ccxt, call[0]
        self._same("size", intent.size, ccxt.amount_to_precision, symbol)
        for what, value in (("price", intent.price), ("trigger_price", intent.trigger_price)):
            if value is not None and intent.type is not OrderType.TRAILING_STOP:
                self._same(what, value, ccxt.price_to_precision, symbol)
        return call

    def _same(self, what: str, value: Decimal, round_it: Any, symbol: str) -> None:
        """Refuse a figure that ccxt would cut to the exchange's steps without a word.

        Raises:
            ConfigError: It would be another figure.
        """
        try:
            cut = Decimal(str(round_it(symbol, number(value))))
        except Exception as error:
            raise ConfigError(f"{what} of {symbol} was {value}: {error}") from None
        if cut != value:
            raise ConfigError(f"{what} must be in steps of {symbol}, was {value}, nearest is {cut}")

    async def _took(self, order: Order, row: Row) -> None:
        teller, _, follower = self._running()
        if not row.get("id"):
            teller.unknown(order.id, "ccxt tells no id of the order")
            follower.hurry()
            return
        venue_order_id = str(row["id"])
        self._account.note(venue_order_id, order.id)
        if row.get("status") == "rejected":
            teller.refused(order.id, "rejected", "the venue rejected it without a reason")
            follower.gone(order.id)
            return
        teller.accepted(order.id, venue_order_id, time_ns(row, "timestamp"))
        placed = _placed_as(order, venue_order_id)
        follower.living(placed)
        # What trades at once is told by no answer in a form that can be trusted.
        if row.get("status") != "open" or not order.intent.type.limited:
            await self._look(placed)

    async def _look(self, order: Order) -> None:
        """Ask what became of an order; who gets no answer is told by the next look."""
        follower = self._running()[2]
        try:
            await follower.check(order)
        except TemporaryError as error:
            _log.info("%s", error)
            follower.hurry()

    async def _cancel(self, order: Order) -> None:
        teller, _, follower = self._running()
        follower.living(order)
        refused = partial(teller.cancel_refused, order.id)
        lost = partial(_log.warning, "cancel of %s: %s", order.id)
        try:
            symbol = str(self._market(order)["symbol"])
            venue_order_id, params = await self._named(order)
            question = self._client.ccxt.cancel_order(venue_order_id, symbol, params)
            row = await asked(self._client.act("a cancel", question), refused=refused, lost=lost)
        except (ConfigError, TemporaryError, DataError) as error:
            refused(NOT_SENT, str(error))
            return
        except VenueError as error:
            if error.code in _MAYBE_FILLED and await self._ended(order):
                return
            refused(error.code, error.reason)
            return
        if row is not None:
            await self._look(order)

    async def _ended(self, order: Order) -> bool:
        """Return whether an order that cannot be cancelled has ended, and tell how."""
        try:
            found = await self._running()[2].check(order)
        except TemporaryError as error:
            _log.info("%s", error)
            return False
        return found is not None and found.state.terminal

    async def _amend(self, order: Order, change: AmendSubmitted) -> None:
        teller = self._running()[0]
        refused = partial(teller.amend_refused, order.id)
        lost = partial(_log.warning, "change of %s: %s", order.id)
        size = change.size if change.size is not None else order.intent.size
        price = change.price if change.price is not None else order.intent.price
        try:
            symbol = str(self._market(order)["symbol"])
            if change.trigger_price is not None or order.intent.type.conditional:
                raise ConfigError("ccxt changes size and price of plain orders only")
            self._same("size", size, self._client.ccxt.amount_to_precision, symbol)
            if price is not None:
                self._same("price", price, self._client.ccxt.price_to_precision, symbol)
            venue_order_id, params = await self._named(order)
            question = self._client.ccxt.edit_order(
                venue_order_id,
                symbol,
                "limit",
                order.intent.side.value,
                number(size),
                None if price is None else number(price),
                params,
            )
            row = await asked(self._client.act("a change", question), refused=refused, lost=lost)
        except (ConfigError, TemporaryError, DataError) as error:
            refused(NOT_SENT, str(error))
            return
        except VenueError as error:
            refused(error.code, error.reason)
            return
        if row is not None:
            now = str(row.get("id") or venue_order_id or order.venue_order_id)
            self._account.note(now, order.id)
            teller.amended(
                order.id,
                size=size,
                price=price,
                ts_event_ns=time_ns(row, "lastUpdateTimestamp", "timestamp")
                or self._clock.now_ns(),
                venue_order_id=now,
            )
            await self._look(_placed_as(order, now))

    async def _named(self, order: Order) -> tuple[str | None, dict[str, Any]]:
        """Return how a request names an order: by the exchange's id, else by the client's.

        Raises:
            TemporaryError: The exchange had to be asked and did not answer.
            VenueError: It knows no such order.
        """
        if order.venue_order_id is not None:
            return order.venue_order_id, {}
        if self._ways.cancels_by_client_id:
            return None, {"clientOrderId": self._spelling.wire(order.id)}
        found = await self._account.find_order(order)
        if found is None:
            raise VenueError("OrderNotFound", "the venue knows no such order")
        return found.venue_order_id, {}

    def _market(self, order: Order) -> Row:
        return self._client.market(self._symbols.instrument(order.intent.instrument_id))

    # -- beside ----------------------------------------------------------------------------

    async def _learn_markets(self, standing: Standing) -> None:
        backoff = Backoff(self._rng)
        while True:
            try:
                await self._client.open(self._instruments.values())
                return
            except (TemporaryError, VenueError) as error:
                standing.stream_down(str(error))
                await asyncio.sleep(backoff.next_s())

    async def _keep_time(self, standing: Standing) -> None:
        """Follow the exchange's clock: ccxt signs with it, and a large skew is told."""
        offset = ClockOffset()
        while self._client.does("fetchTime"):
            try:
                asked_ns = self._clock.now_ns()
                there_ms = await self._client.read("time", self._client.ccxt.fetch_time())
                answered_ns = self._clock.now_ns()
            except (TemporaryError, VenueError) as error:
                _log.info("%s: its time is not known, %s", self.name, error)
            else:
                if isinstance(there_ms, int):
                    offset.take(asked_ns, there_ms, answered_ns)
                    self._client.ccxt.options["timeDifference"] = -offset.ms
                    standing.clock_skew(offset.surely_ms, self._settings.recv_window_ms // 2)
            if self._client.off_time.is_set():
                offset.doubt()
            self._client.off_time.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOCK_EVERY_S):
                    await self._client.off_time.wait()
            # A clock that is off refuses everything until it is known: one question in this time.
            await asyncio.sleep(_CLOCK_PAUSE_S)

    def _switch(self, sink: VenueSink) -> Switch | None:
        way, follower = way_of(self._client), self._follower
        if way is None or follower is None or not self._settings.dead_man_s:
            return None
        return Switch(
            self.name,
            self._client,
            way,
            seconds=self._settings.dead_man_s,
            living=follower.instruments,
            symbol=self._name_of,
            clock=self._clock,
            sink=sink,
        )

    def _name_of(self, instrument_id: InstrumentId) -> str:
        return str(self._client.market(self._symbols.instrument(instrument_id))["id"])

    def _streams(self) -> bool:
        return self._client.does("watchOrders") or self._client.does("watchMyTrades")

    def _running(self) -> tuple[Teller, Errands, Follower]:
        if self._teller is None or self._errands is None or self._follower is None:
            raise InvariantError(f"{self.name}: an order before run")
        return self._teller, self._errands, self._follower


def _placed_as(order: Order, venue_order_id: str) -> Order:
    """Return an order with its id at the exchange."""
    return msgspec.structs.replace(order, venue_order_id=VenueOrderId(venue_order_id))
