"""Deribit as a venue: futures, perpetuals and options of one account, over one socket.

::

    submit ──errand──► private/buy, private/sell ──┬─ order ─────────► Accepted, fills, Expired
                                                   ├─ error ─────────► Rejected, the venue's code
                                                   ├─ no session ────► Rejected NOT_SENT
                                                   └─ no answer ─────► Unknown
    user.changes.any.any.raw, user.portfolio.any ─────────────────────► the same; each told once

Orders go over the socket, for only orders of a connection are cancelled by the venue when that
connection is lost; and a frame is never sent again by a library.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Collection, Sequence
from functools import partial
from typing import Final

from core.model.abilities import VenueAbilities
from core.model.errors import InvariantError, RateLimited, TemporaryError
from core.model.facts import DeadManSet
from core.model.ids import VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Side
from core.model.orders import (
    AmendSubmitted,
    Order,
    OrderIntent,
    OrderType,
    TimeInForce,
    TriggerBy,
    VenueOrder,
)
from core.model.ports import Clock, VenueSink
from core.model.settings import VenueSettings
from core.venues.deribit.account import AccountReader
from core.venues.deribit.answers import Answers
from core.venues.deribit.messages import OrderRow
from core.venues.deribit.parse import Json, edit_params, filed_under, name_of, order_params
from core.venues.deribit.rpc import Reply, RpcSocket
from core.venues.errands import Errands, asked
from core.venues.kinds import account_name, hosts_of, market_of, switch_words
from core.venues.reading import ReadsAccount
from core.venues.standing import Standing
from core.venues.symbols import Symbols
from core.venues.teller import Teller
from core.wire.budget import Budgets
from core.wire.pace import Pace
from core.wire.witness import Seen, Shelf

_log = logging.getLogger(__name__)

HOSTS: Final = {
    "live": ("https://www.deribit.com/api/v2", "wss://www.deribit.com/ws/api/v2"),
    "testnet": ("https://test.deribit.com/api/v2", "wss://test.deribit.com/ws/api/v2"),
}
"""REST and socket address of each environment, which have accounts of their own."""
CHANNELS: Final = ("user.changes.any.any.raw", "user.portfolio.any")
_LOOK_BACK_NS: Final = 120 * 1_000_000_000
"""How far back the log is read when money moved; what was read before is booked once."""
_LOOK_PAUSE_S: Final = 5.0
_AMENDED: Final = frozenset(OrderType) - {OrderType.TRAILING_STOP}
_TIMES: Final = frozenset({TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK})
_PLAIN_TYPES: Final = frozenset({OrderType.MARKET, OrderType.LIMIT})
_SHARE: Final = 0.8
"""Of what the venue allows: programs elsewhere may use the same key."""
_ARMED: Final = "cancels what this connection has placed when it is lost"


class DeribitVenue(ReadsAccount[AccountReader]):
    """Orders and account of one Deribit account; `core.model.ports.Venue`."""

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

        Any `dead_man_s` but 0 has the venue cancel what a connection placed once that is lost; how
        long that takes is the venue's: its heartbeat is lost within half a minute.

        Raises:
            ConfigError: A key is missing or a URL is none.
        """
        self.name = name
        self.market = market_of(name, settings)
        _, socket_url = hosts_of(name, settings, HOSTS)
        self._clock = clock
        self._settings = settings
        self._symbols = Symbols(name, self.market)
        self._symbols.add(instruments)
        self._cancels = settings.dead_man_s > 0
        self._rpc = RpcSocket(
            socket_url,
            settings,
            CHANNELS,
            name=name,
            cancels=self._cancels,
            clock=clock,
            rng=rng,
        )
        # The least that any account is allowed; the account's own figures are read when it is up.
        self._matching = Pace(clock=clock, rate=5.0, burst=20.0, part=_SHARE)
        self._reading = Pace(clock=clock, rate=20.0, burst=100.0, part=_SHARE)
        self._socket_url = socket_url
        self._account = AccountReader(
            name,
            self._rpc,
            clock=clock,
            symbols=self._symbols,
            pace=self._reading,
            on_found=self._found,
        )
        self._answers: Answers | None = None
        self._errands: Errands | None = None
        self._standing: Standing | None = None
        self._sink: VenueSink | None = None
        self._dead_man = ""
        self._moved = asyncio.Event()

    def __repr__(self) -> str:
        return f"DeribitVenue({self.name!r}, {self._rpc!r})"

    def traffic(self, order: Order) -> list[Seen]:
        """Return what went over the wire about an order; may read files, in any thread."""
        return self._rpc.witness.find((order.id, order.venue_order_id or ""))

    def remember(self, shelf: Shelf) -> None:
        """Keep what goes over the wire beyond the end of the process."""
        self._rpc.witness.shelf = shelf

    def share(self, budgets: Budgets) -> None:
        """Keep the account's credits and the attempts to connect together with other programs."""
        account = account_name(self._socket_url, self._settings)
        self._matching.share(budgets, f"{account}-matching")
        self._reading.share(budgets, f"{account}-reading")
        self._rpc.share(budgets)

    def add_instruments(self, instruments: Collection[Instrument]) -> None:
        """Teach it the venue's symbols; orders for others are refused unsent."""
        self._symbols.add(instruments)

    async def run(self, sink: VenueSink) -> None:
        """Stay logged in until cancelled.

        Orders still waiting for an answer when it ends become Unknown.
        """
        if self._answers is None or self._errands is None:
            teller = Teller(self.name, clock=self._clock, sink=sink)
            self._answers = Answers(teller, symbols=self._symbols, on_moved=self._moved.set)
            self._errands = Errands(self.name, teller)
        self._sink = sink
        standing = self._standing = Standing(self.name, clock=self._clock, sink=sink)
        self._rpc.on_up = self._up
        self._rpc.on_down = self._down
        self._rpc.on_push = self._answers.push
        self._rpc.on_time = partial(self._judge_clock, standing)
        async with self._errands.open() as tasks:
            tasks.create_task(self._rpc.run())
            tasks.create_task(self._read_log(self._answers))

    def abilities(self, instrument: Instrument) -> VenueAbilities:
        """Return what the adapter uses of the venue."""
        trigger = instrument.derivative and instrument.kind is not InstrumentKind.OPTION
        return VenueAbilities(
            types=frozenset(OrderType) if trigger else _PLAIN_TYPES,
            times=_TIMES,
            triggers=frozenset(TriggerBy) if trigger else frozenset({TriggerBy.LAST}),
            amend="any",
            amend_types=_AMENDED,
            post_only=True,
            reduce_only=instrument.derivative,
            iceberg=trigger,
            trail_prices=trigger,
            dead_man=self._cancels,
            switch=switch_words(self._settings.dead_man_s),
        )

    def submit(self, intent: OrderIntent) -> None:
        """Start sending an order; its outcome follows at the sink, never within this call.

        Raises:
            InvariantError: The venue was never run, so there is no sink.
        """
        answers, errands = self._running()
        errands.place([intent.client_order_id], partial(self._place, answers, intent))

    def submit_group(self, intents: Sequence[OrderIntent]) -> None:
        """Take no group whole; the engine links what it sends one by one.

        Raises:
            InvariantError: Always: `abilities` names no link.
        """
        raise InvariantError(f"{self.name} takes no groups, was sent {len(intents)} orders")

    def cancel(self, order: Order) -> None:
        """Start cancelling, by label where a trigger may have given the order another id.

        Raises:
            InvariantError: The venue was never run, so there is no sink.
        """
        answers, errands = self._running()
        errands.cancel(order.id, partial(self._cancel, answers, order))

    def amend(self, order: Order, change: AmendSubmitted) -> None:
        """Start changing size, price or trigger.

        Raises:
            InvariantError: The venue was never run, so there is no sink.
        """
        answers, errands = self._running()
        errands.amend(order.id, partial(self._amend, answers, order, change))

    async def find_order(self, order: Order) -> VenueOrder | None:
        """Ask by label; None when the venue knows none.

        Labels are not unique to the venue; ours are, for an id is made once and sent once. Right
        after placing, an order may be missing from the list; the engine therefore believes None
        only when it is said twice, with more than the time between in which it could be placed.

        Raises:
            TemporaryError: The venue did not answer; nothing is known.
        """
        found = await self._account.find_order(order)
        if found is not None and self._answers is not None:
            self._answers.teller.once.adopt(order.id)
        return found

    async def _place(self, answers: Answers, intent: OrderIntent) -> None:
        order_id, teller = intent.client_order_id, answers.teller
        reply = await asked(
            self._send_order(intent),
            refused=partial(teller.refused, order_id),
            lost=partial(teller.unknown, order_id),
        )
        if reply is not None:
            answers.placed(order_id, reply)

    async def _send_order(self, intent: OrderIntent) -> Reply:
        symbol = self._symbols.wire(intent.instrument_id)
        params = order_params(intent, symbol)
        delay_s = self._matching.take()
        if delay_s:
            raise RateLimited("local-limit", f"request budget of {self.name} is spent", delay_s)
        params["valid_until"] = self._rpc.now_ms() + self._settings.recv_window_ms
        method = "private/buy" if intent.side is Side.BUY else "private/sell"
        return await self._rpc.call(method, params)

    async def _cancel(self, answers: Answers, order: Order) -> None:
        reply = await asked(
            self._send_cancel(answers, order),
            refused=partial(answers.teller.cancel_refused, order.id),
            lost=partial(_log.warning, "cancel of %s: %s", order.id),
        )
        if reply is not None:
            answers.canceled(order.id, reply)

    async def _send_cancel(self, answers: Answers, order: Order) -> Reply:
        venue_id = answers.venue_id(order.id) or order.venue_order_id
        params: Json = {"order_id": venue_id}
        method = "private/cancel"
        if order.intent.type.conditional or venue_id is None:
            instrument = self._symbols.instrument(order.intent.instrument_id)
            params = {"label": order.id, "currency": filed_under(instrument)}
            method = "private/cancel_by_label"
        # Over its limit the venue ends the session, and with it whatever else is on its way.
        await self._matching.wait()
        return await self._rpc.call(method, params)

    async def _amend(self, answers: Answers, order: Order, change: AmendSubmitted) -> None:
        reply = await asked(
            self._send_amend(answers, order, change),
            refused=partial(answers.teller.amend_refused, order.id),
            lost=partial(_log.warning, "change of %s: %s", order.id),
        )
        if reply is not None:
            answers.amended(order.id, reply)

    async def _send_amend(self, answers: Answers, order: Order, change: AmendSubmitted) -> Reply:
        params = edit_params(order, change)
        venue_id = answers.venue_id(order.id) or order.venue_order_id
        method = "private/edit"
        if venue_id is None:
            method = "private/edit_by_label"
            params["label"] = order.id
            params["instrument_name"] = self._symbols.wire(order.intent.instrument_id)
        else:
            params["order_id"] = venue_id
        await self._matching.wait()
        params["valid_until"] = self._rpc.now_ms() + self._settings.recv_window_ms
        return await self._rpc.call(method, params)

    def _found(self, row: OrderRow) -> None:
        """Keep an order's present id, and tell that it was triggered if it was."""
        answers = self._answers
        if answers is not None and answers.teller.once.ours(name_of(row)) and row.trigger_order_id:
            answers.stands(row)

    def _up(self) -> None:
        if self._standing is not None and self._errands is not None:
            self._judge_clock(self._standing)
            self._standing.stream_up()
            self._errands.run(self._learn_limits)
        self._tell_dead_man(_ARMED if self._cancels else "")

    def _down(self, reason: str) -> None:
        self._tell_dead_man("")
        if self._standing is not None:
            self._standing.stream_down(reason)

    def _judge_clock(self, standing: Standing) -> None:
        standing.clock_skew(self._rpc.offset.surely_ms, self._settings.recv_window_ms // 2)

    def _tell_dead_man(self, state: str) -> None:
        if state != self._dead_man and self._sink is not None:
            self._dead_man = state
            self._sink(DeadManSet(venue=self.name, state=state, ts_ns=self._clock.now_ns()))

    async def _learn_limits(self) -> None:
        """Take the account's own limits in place of the least there are."""
        try:
            parts = await self._account.summaries()
        except TemporaryError as error:
            _log.info("%s: its limits are not known, %s", self.name, error)
            return
        for part in parts:
            limits = part.limits
            if limits is None:
                continue
            engine, reads = limits.matching_engine, limits.non_matching_engine
            if engine is not None and engine.trading is not None and engine.trading.total:
                self._matching.set(engine.trading.total.rate, engine.trading.total.burst)
            if reads is not None:
                # In requests of the cheapest kind; ours are no dearer than that.
                self._reading.set(min(reads.rate, 20.0), min(reads.burst, 100.0))
            return

    async def _read_log(self, answers: Answers) -> None:
        """Book what moved without a fill soon after a balance changed."""
        while True:
            await self._moved.wait()
            self._moved.clear()
            try:
                for moved in await self.cash_flows(self._clock.now_ns() - _LOOK_BACK_NS):
                    answers.teller.cash(moved)
            except TemporaryError as error:
                # The next comparison of the engine reads them.
                _log.info("%s: %s", self.name, error)
            await asyncio.sleep(_LOOK_PAUSE_S)

    def _running(self) -> tuple[Answers, Errands]:
        if self._answers is None or self._errands is None:
            raise InvariantError(f"{self.name}: submit or cancel before run")
        return self._answers, self._errands
