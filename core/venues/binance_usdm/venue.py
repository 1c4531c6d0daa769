"""Binance USD-M futures as a venue: submit, amend, cancel, ask, and listen.

::

    plain order ──► POST /order ─────┐
    conditional ──► POST /algoOrder ─┴─ 200 ──────────► Accepted
                                     ├─ refused ──────► Rejected, the venue's code
                                     ├─ not sent ─────► Rejected NOT_SENT
                                     └─ no answer, 5xx► Unknown
    stream ── ORDER_TRADE_UPDATE ────► fills, ends       ALGO_UPDATE ──► Triggered, ends
           └─ ACCOUNT_UPDATE (funding..) ──► /income ──► CashMoved
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Collection, Sequence
from functools import partial
from typing import Final
from urllib.parse import urlsplit

import orjson

from core.model.abilities import VenueAbilities
from core.model.accounts import VenuePosition
from core.model.errors import InvariantError, TemporaryError
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.orders import AmendSubmitted, Order, OrderIntent, PositionSide, VenueOrder
from core.model.ports import Clock, VenueSink
from core.model.settings import VenueSettings
from core.model.tiers import MarginTiers
from core.venues.binance.parse import MS
from core.venues.binance.rest import BinanceRest, error_of
from core.venues.binance_usdm.account import AccountReader, Children
from core.venues.binance_usdm.answers import Answers
from core.venues.binance_usdm.deadman import DeadMan, watched
from core.venues.binance_usdm.parse import ALGO
from core.venues.binance_usdm.stream import ListenStream
from core.venues.binance_usdm.wording import abilities, algo_params, amend_params, order_params
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
    "live": ("https://fapi.binance.com", "wss://fstream.binance.com/private"),
    "demo": ("https://demo-fapi.binance.com", "wss://demo-fstream.binance.com"),
    "testnet": ("https://testnet.binancefuture.com", "wss://fstream.binancefuture.com"),
}
"""REST host and root of the account's stream of each environment."""

WEIGHT_PER_MINUTE: Final = 2400
_KEEP_WARM_S: Final = 10.0
_MOST_CANCELS: Final = 10
"""Orders that one request cancels."""
_FLOW_TRIES: Final = 5
_FLOW_PAUSE_S: Final = 1.0
"""The income lags the news of it a little."""
_UNKNOWN_ORDER: Final = frozenset({-2011, -2013})


class BinanceUsdmVenue(ReadsAccount[AccountReader]):
    """Orders and account of one USD-M account; `core.model.ports.Venue`."""

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
        self._settings = settings
        self._clock = clock
        self._rng = rng
        self._symbols = Symbols(name, self.market)
        self._symbols.add(instruments)
        self._rest = BinanceRest(
            rest_url,
            settings,
            clock=clock,
            name=name,
            root="/fapi/v1",
            weight_per_minute=WEIGHT_PER_MINUTE,
        )
        self._children = Children()
        self._account = AccountReader(
            name, self._rest, clock=clock, symbols=self._symbols, children=self._children
        )
        self._hedging: bool | None = None
        """Whether the account holds long and short apart; None: not asked yet."""
        self._cancels: dict[str, list[Order]] = {}
        self._teller: Teller | None = None
        self._errands: Errands | None = None
        self._answers: Answers | None = None
        self._dead_man: DeadMan | None = None
        self._standing: Standing | None = None
        self._attempts = AttemptLimiter(clock=clock, attempts=CONNECTS, window_s=CONNECTS_S)

    def __repr__(self) -> str:
        return f"BinanceUsdmVenue({self.name!r}, {self._rest!r})"

    def traffic(self, order: Order) -> list[Seen]:
        """Return what went over the wire about an order; may read files, in any thread."""
        return self._rest.witness.find((order.id, order.venue_order_id or ""))

    def remember(self, shelf: Shelf) -> None:
        """Keep what goes over the wire beyond the end of the process."""
        self._rest.witness.shelf = shelf

    def share(self, budgets: Budgets) -> None:
        """Keep the request budget together with the feed's and other programs' of this home."""
        self._rest.share(budgets)
        self._attempts.share(budgets, urlsplit(self._stream_url).netloc)

    def add_instruments(self, instruments: Collection[Instrument]) -> None:
        """Teach it the venue's symbols; orders for others are refused unsent."""
        self._symbols.add(instruments)

    async def tiers(self, instruments: Collection[Instrument]) -> list[MarginTiers]:
        """Fetch the account's leverage brackets of some contracts; `run` need not have begun.

        Raises:
            TemporaryError: The venue did not answer.
            DataError: They make no sense.
        """
        return await self._account.tiers(instruments)

    async def close(self) -> None:
        """Release the connections of an account that was only asked; `run` does so itself."""
        await self._rest.close()

    def abilities(self, instrument: Instrument) -> VenueAbilities:
        """Return what the adapter uses of the venue, in the mode the account is in."""
        return abilities(hedging=self._hedging, dead_man_s=self._settings.dead_man_s)

    async def run(self, sink: VenueSink) -> None:
        """Stay connected to the account and keep a connection warm, until cancelled.

        Orders still waiting for an answer when it ends become Unknown, and the dead-man switch,
        where it is armed, fires in its time.
        """
        if self._teller is None:
            self._prepare(sink)
        _, errands, answers = self._running()
        standing = self._standing = Standing(self.name, clock=self._clock, sink=sink)
        stream = ListenStream(
            self._rest,
            self._stream_url,
            clock=self._clock,
            rng=self._rng,
            attempts=self._attempts,
            on_up=self._up,
            on_down=standing.stream_down,
            on_event=answers.event,
        )
        try:
            async with errands.open() as tasks:
                tasks.create_task(stream.run())
                tasks.create_task(self._keep_time())
                if self._dead_man is not None:
                    tasks.create_task(self._dead_man.run())
        finally:
            await self._rest.close()

    def _prepare(self, sink: VenueSink) -> None:
        dead_man = self._dead_man = DeadMan(
            self.name,
            self._rest,
            seconds=self._settings.dead_man_s,
            clock=self._clock,
            sink=sink,
        )
        sink = watched(sink, dead_man.take)
        self._teller = Teller(self.name, clock=self._clock, sink=sink)
        self._errands = Errands(self.name, self._teller)
        self._answers = Answers(
            symbols=self._symbols,
            teller=self._teller,
            children=self._children,
            sink=sink,
            on_flow=self._on_flow,
        )

    # -- orders ----------------------------------------------------------------------------

    def submit(self, intent: OrderIntent) -> None:
        """Start sending an order; its outcome follows at the sink, never within this call.

        Raises:
            InvariantError: The venue was never run, so there is no sink.
        """
        _, errands, _ = self._running()
        errands.place((intent.client_order_id,), lambda: self._place(intent))

    def submit_group(self, intents: Sequence[OrderIntent]) -> None:
        """Take no group whole.

        Raises:
            InvariantError: Always: `abilities` names no link.
        """
        raise InvariantError(f"{self.name} takes no groups, was sent {len(intents)} orders")

    def cancel(self, order: Order) -> None:
        """Start cancelling; what is cancelled in the same moment goes in one request.

        Raises:
            InvariantError: The venue was never run, so there is no sink.
        """
        _, errands, _ = self._running()
        if _waits(order):
            errands.cancel(order.id, lambda: self._cancel_waiting(order))
            return
        if order.intent.type.conditional:
            errands.cancel(order.id, lambda: self._cancel([order]))
            return
        if not self._cancels:
            asyncio.get_running_loop().call_soon(self._send_cancels)
        self._cancels.setdefault(order.intent.instrument_id, []).append(order)

    def amend(self, order: Order, change: AmendSubmitted) -> None:
        """Start changing price and size of a limit order.

        Raises:
            InvariantError: The venue was never run, so there is no sink.
        """
        _, errands, _ = self._running()
        errands.amend(order.id, lambda: self._amend(order, change))

    async def set_hedging(self, hedging: bool) -> None:
        """Let the account hold long and short apart, or net them.

        Raises:
            TemporaryError: The venue did not answer.
            InvariantError: It refused, as it does while there are orders or positions.
        """
        params = [("dualSidePosition", "true" if hedging else "false")]
        reply = await self._rest.send("POST", "/fapi/v1/positionSide/dual", params)
        if reply.status != 200 and b"-4059" not in reply.body:
            raise InvariantError(f"{self.name}: {reply.body[:200].decode(errors='replace')}")
        self._hedging = hedging

    # -- questions -------------------------------------------------------------------------

    async def find_order(self, order: Order) -> VenueOrder | None:
        """Ask by client order id; None when the venue knows none.

        Right after placing, Binance may say "no such order" (-2013) of one that lives. The
        engine therefore believes None only when it is said twice, with more than that
        visibility delay between.

        Raises:
            TemporaryError: The venue did not answer; nothing is known.
        """
        found = await self._account.find_order(order)
        if found is not None:
            self._adopt(found)
            self._tell_fired(order, found)
        return found

    async def positions(self) -> list[VenuePosition]:
        """Return the open positions, and learn how the account holds them by now.

        That can be changed at the venue while nothing is open, and no stream tells it.

        Raises:
            TemporaryError: The venue did not answer.
        """
        held = await super().positions()
        if held:
            self._hedging = held[0].side is not PositionSide.NET
        else:
            self._hedging = await self._account.hedging()
        return held

    async def open_orders(self) -> list[VenueOrder]:
        """Return every open and every waiting order of the account, ours or not.

        Raises:
            TemporaryError: The venue did not answer.
        """
        found = await super().open_orders()
        for order in found:
            self._adopt(order)
        return found

    # -- within ----------------------------------------------------------------------------

    async def _place(self, intent: OrderIntent) -> None:
        teller, _, answers = self._running()
        order_id = intent.client_order_id
        waits = intent.type.conditional

        async def send() -> HttpReply:
            symbol = self._symbols.wire(intent.instrument_id)
            # After a restart what protects may go out before the stream is up.
            hedging = await self._learn_mode()
            if waits:
                params = algo_params(intent, symbol, hedging=hedging)
                return await self._rest.send("POST", "/fapi/v1/algoOrder", params)
            params = order_params(intent, symbol, hedging=hedging)
            if self._dead_man is not None:
                self._dead_man.opened(order_id, symbol)
            return await self._rest.send("POST", "/fapi/v1/order", params)

        reply = await asked(
            send(),
            refused=partial(teller.refused, order_id),
            lost=partial(teller.unknown, order_id),
        )
        if reply is not None:
            (answers.armed if waits else answers.placed)(order_id, reply)

    async def _amend(self, order: Order, change: AmendSubmitted) -> None:
        teller, _, answers = self._running()

        async def send() -> HttpReply:
            params = amend_params(order, change, self._symbols.wire(order.intent.instrument_id))
            return await self._rest.send("PUT", "/fapi/v1/order", params)

        reply = await asked(
            send(),
            refused=partial(teller.amend_refused, order.id),
            lost=partial(_log.warning, "amend of %s: %s", order.id),
        )
        if reply is not None:
            answers.amended(order, reply)

    def _send_cancels(self) -> None:
        """Send what was cancelled in this moment, each symbol's orders together."""
        _, errands, _ = self._running()
        wanted, self._cancels = self._cancels, {}
        for orders in wanted.values():
            for first in range(0, len(orders), _MOST_CANCELS):
                some = orders[first : first + _MOST_CANCELS]
                work = partial(self._cancel if len(some) == 1 else self._cancel_batch, some)
                for order in some[1:]:
                    errands.cancel(order.id, _nothing)
                errands.cancel(some[0].id, work)

    async def _cancel(self, orders: Sequence[Order]) -> None:
        teller, _, answers = self._running()
        (order,) = orders
        reply = await asked(
            self._send_cancel(order, _which(order)),
            refused=partial(teller.cancel_refused, order.id),
            lost=partial(_log.warning, "cancel of %s: %s", order.id),
        )
        if reply is not None:
            answers.canceled(order.id, reply)

    async def _cancel_batch(self, orders: Sequence[Order]) -> None:
        teller, _, answers = self._running()

        async def send() -> HttpReply:
            names = orjson.dumps([order.id for order in orders]).decode()
            params = [
                ("symbol", self._symbols.wire(orders[0].intent.instrument_id)),
                ("origClientOrderIdList", names),
            ]
            return await self._rest.send("DELETE", "/fapi/v1/batchOrders", params)

        def refused(code: str, reason: str) -> None:
            for order in orders:
                teller.cancel_refused(order.id, code, reason)

        reply = await asked(
            send(),
            refused=refused,
            lost=partial(_log.warning, "cancel of %d orders: %s", len(orders)),
        )
        if reply is not None:
            answers.canceled_batch([order.id for order in orders], reply)

    async def _cancel_waiting(self, order: Order) -> None:
        """Cancel a conditional order; one that has fired meanwhile is cancelled as what it is."""
        teller, _, answers = self._running()
        reply = await asked(
            self._rest.send("DELETE", "/fapi/v1/algoOrder", [("clientAlgoId", order.id)]),
            refused=partial(teller.cancel_refused, order.id),
            lost=partial(_log.warning, "cancel of %s: %s", order.id),
        )
        if reply is None:
            return
        if reply.status == 200:
            teller.canceled(order.id, self._rest.timestamp_ms() * MS)
            return
        body = error_of(reply)
        if body is not None and body.code in _UNKNOWN_ORDER:
            try:
                row = await self._account.find_algo(order)
            except TemporaryError as error:
                _log.warning("cancel of %s: %s", order.id, error)
                return
            if row is not None and row.actual_order_id:
                teller.triggered(order.id, row.trigger_time * MS, row.actual_order_id)
                child = await asked(
                    self._send_cancel(order, ("orderId", row.actual_order_id)),
                    refused=partial(teller.cancel_refused, order.id),
                    lost=partial(_log.warning, "cancel of %s: %s", order.id),
                )
                if child is not None:
                    answers.canceled(order.id, child)
                return
        answers.canceled(order.id, reply)

    async def _send_cancel(self, order: Order, which: tuple[str, str]) -> HttpReply:
        params = [("symbol", self._symbols.wire(order.intent.instrument_id)), which]
        return await self._rest.send("DELETE", "/fapi/v1/order", params)

    def _adopt(self, found: VenueOrder) -> None:
        """Note an order of ours that the venue says lives."""
        teller, _, _ = self._running()
        name = found.client_order_id
        if found.state.terminal or not teller.once.ours(name):
            return
        teller.once.adopt(name)
        if self._dead_man is not None and not found.venue_order_id.startswith(ALGO):
            self._dead_man.opened(name, self._symbols.wire(found.instrument_id))

    def _tell_fired(self, order: Order, found: VenueOrder) -> None:
        """Tell of a conditional order whose own order was found in its place."""
        teller, _, _ = self._running()
        if order.intent.type.conditional and not found.type.conditional and _waits(order):
            if not found.state.terminal:
                teller.accepted(order.id, found.venue_order_id, found.ts_event_ns)
            teller.triggered(order.id, found.ts_event_ns, found.venue_order_id)

    def _on_flow(self, time_ms: int) -> None:
        """Money moved without a fill: ask for the rows that say why, by which it is booked once."""
        _, errands, _ = self._running()
        errands.run(lambda: self._tell_flows(time_ms * MS))

    async def _tell_flows(self, since_ns: int) -> None:
        teller, _, _ = self._running()
        for attempt in range(_FLOW_TRIES):
            if attempt:
                await asyncio.sleep(_FLOW_PAUSE_S)
            try:
                flows = await self._account.cash_flows(since_ns)
            except TemporaryError as error:
                _log.info("%s: %s", self.name, error)
                continue
            for flow in flows:
                teller.cash(flow)
            if flows:
                return

    async def _learn_mode(self) -> bool:
        """Return how positions are held; it is asked for once.

        Raises:
            TemporaryError: The venue did not answer; without that no order can be worded.
        """
        if self._hedging is None:
            self._hedging = await self._account.hedging()
        return self._hedging

    async def _up(self) -> None:
        """Learn anew how positions are held, then say that the stream is up.

        Raises:
            TemporaryError: The venue did not answer.
        """
        self._hedging = await self._account.hedging()
        if self._standing is not None:
            self._standing.stream_up()

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


async def _nothing() -> None:
    """Do nothing: another order's request carries this one's."""


def _which(order: Order) -> tuple[str, str]:
    """Return how an order is named: one that a conditional order became by the venue's number."""
    number = order.venue_order_id or ""
    fired = order.intent.type.conditional and number.isdigit()
    return ("orderId", number) if fired else ("origClientOrderId", order.id)


def _waits(order: Order) -> bool:
    """Return whether an order is a conditional one that has not fired, as far as we know."""
    return order.intent.type.conditional and not order.triggered_ns
