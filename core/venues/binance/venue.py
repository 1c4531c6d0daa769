"""Binance spot as a venue: submit, cancel, ask, and listen.

::

    submit ──task──► POST /order ──┬─ 2xx ──────────────► Accepted, fills, Expired
                                   ├─ refused ──────────► Rejected, the venue's code
                                   ├─ connect failed ───► Rejected NOT_SENT
                                   └─ no answer, 5xx ───► Unknown
    user stream ─── executionReport ─────────────────────► the same events; each is told once
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Collection, Sequence
from functools import partial
from typing import Final

from core.model.abilities import PLAIN, VenueAbilities
from core.model.accounts import Balance, VenuePosition
from core.model.errors import (
    ConfigError,
    DataError,
    InvariantError,
    OutcomeUnknown,
    RateLimited,
    TemporaryError,
)
from core.model.facts import CashMoved
from core.model.ids import ClientOrderId, InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.orders import AmendSubmitted, Order, OrderFilled, OrderIntent, VenueOrder
from core.model.ports import Clock, VenueSink
from core.model.settings import VenueSettings
from core.venues.binance.account import AccountReader
from core.venues.binance.answers import Answers
from core.venues.binance.parse import order_params
from core.venues.binance.rest import BinanceRest
from core.venues.binance.stream import UserStream
from core.venues.kinds import hosts_of, market_of
from core.venues.standing import Standing
from core.venues.symbols import Symbols
from core.wire.budget import Budgets
from core.wire.witness import Seen

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


class BinanceVenue:
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
        self._answers: Answers | None = None
        self._standing: Standing | None = None
        self._tasks: asyncio.TaskGroup | None = None

    def __repr__(self) -> str:
        return f"BinanceVenue({self.name!r}, {self._rest!r})"

    def traffic(self, words: str) -> list[Seen]:
        """Return what went over the wire lately that has these words in it."""
        return self._rest.witness.find(words)

    def share(self, budgets: Budgets) -> None:
        """Keep the request budget together with the feed's and other programs' of this home."""
        self._rest.share(budgets)

    def add_instruments(self, instruments: Collection[Instrument]) -> None:
        """Teach it the venue's symbols; orders for others are refused unsent."""
        self._symbols.add(instruments)

    async def run(self, sink: VenueSink) -> None:
        """Stay subscribed to the account and keep a connection warm, until cancelled.

        Orders still waiting for an answer when it ends become Unknown.
        """
        if self._answers is None:
            self._answers = Answers(self.name, clock=self._clock, symbols=self._symbols, sink=sink)
        standing = self._standing = Standing(self.name, clock=self._clock, sink=sink)
        stream = UserStream(
            self._rest,
            self._ws_api_url,
            clock=self._clock,
            rng=self._rng,
            timeout_s=self._settings.timeout_s,
            on_up=standing.stream_up,
            on_down=standing.stream_down,
            on_event=self._answers.event,
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                tasks.create_task(stream.run())
                tasks.create_task(self._keep_time())
        finally:
            self._tasks = None
            await self._rest.close()

    def submit(self, intent: OrderIntent) -> None:
        """Start sending an order; its outcome follows at the sink, never within this call.

        Raises:
            InvariantError: The venue was never run, so there is no sink.
        """
        answers = self._running()
        answers.once.expect(intent.client_order_id)
        if self._tasks is None:
            asyncio.get_running_loop().call_soon(
                answers.refused, intent.client_order_id, "NOT_SENT", f"{self.name} is stopped"
            )
        else:
            task = self._tasks.create_task(self._place(answers, intent))
            task.add_done_callback(partial(_owe_no_answer, answers, intent.client_order_id))

    def cancel(self, order: Order) -> None:
        """Start cancelling by client order id.

        Raises:
            InvariantError: The venue was never run, so there is no sink.
        """
        answers = self._running()
        answers.once.adopt(order.id)
        if self._tasks is None:
            asyncio.get_running_loop().call_soon(
                answers.cancel_refused, order.id, "NOT_SENT", f"{self.name} is stopped"
            )
        else:
            self._tasks.create_task(self._cancel(answers, order))

    def abilities(self, instrument: Instrument) -> VenueAbilities:
        """Return what the adapter uses of the venue."""
        return PLAIN

    def submit_group(self, intents: Sequence[OrderIntent]) -> None:
        """Take no group whole.

        Raises:
            InvariantError: Always: `abilities` names no link.
        """
        raise InvariantError(f"{self.name} takes no groups, was sent {len(intents)} orders")

    def amend(self, order: Order, change: AmendSubmitted) -> None:
        """Amend nothing.

        Raises:
            InvariantError: Always: `abilities` says that it cannot.
        """
        raise InvariantError(f"{self.name} does not amend, was asked to change {order.id}")

    async def find_order(self, order: Order) -> VenueOrder | None:
        """Ask by client order id; None when the venue knows none.

        Right after placing, Binance may say "no such order" (-2013) of one that lives. The
        engine therefore believes None only when it is said twice, with more than that
        visibility delay between.

        Raises:
            TemporaryError: The venue did not answer; nothing is known.
        """
        found = await self._account.find_order(order)
        if found is not None and self._answers is not None:
            self._answers.once.adopt(order.id)
        return found

    async def open_orders(self) -> list[VenueOrder]:
        """Return every open order of the account, ours or not.

        Raises:
            TemporaryError: The venue did not answer.
        """
        return await self._account.open_orders()

    async def fills(self, instrument_id: InstrumentId, since_ns: int) -> list[OrderFilled]:
        """Return the account's executions since a time, oldest first, ours or not.

        Raises:
            TemporaryError: The venue did not answer.
        """
        return await self._account.fills(instrument_id, since_ns)

    async def balances(self) -> list[Balance]:
        """Return what the account holds; assets it has none of are left out.

        Raises:
            TemporaryError: The venue did not answer.
        """
        return await self._account.balances()

    async def positions(self) -> list[VenuePosition]:
        """Return none: a spot account has holdings."""
        return []

    async def cash_flows(self, since_ns: int) -> list[CashMoved]:
        """Return none: deposits show in the balances."""
        return []

    async def _place(self, answers: Answers, intent: OrderIntent) -> None:
        order_id = intent.client_order_id
        try:
            params = order_params(intent, self._symbols.wire(intent.instrument_id))
            reply = await self._rest.send("POST", "/api/v3/order", params)
        except (ConfigError, TemporaryError) as error:
            answers.refused(order_id, "NOT_SENT", str(error))
        except RateLimited as error:
            answers.refused(order_id, error.code, f"{error.reason}, {error.retry_after_s:.1f} s")
        except (OutcomeUnknown, DataError) as error:
            answers.unknown(order_id, str(error))
        else:
            answers.placed(intent, reply)
            self._resample_if_late(reply.body)

    async def _cancel(self, answers: Answers, order: Order) -> None:
        try:
            symbol = self._symbols.wire(order.intent.instrument_id)
            params = [("symbol", symbol), ("origClientOrderId", order.id)]
            reply = await self._rest.send("DELETE", "/api/v3/order", params)
        except (ConfigError, TemporaryError) as error:
            answers.cancel_refused(order.id, "NOT_SENT", str(error))
        except RateLimited as error:
            answers.cancel_refused(
                order.id, error.code, f"{error.reason}, {error.retry_after_s:.1f} s"
            )
        except (OutcomeUnknown, DataError) as error:
            _log.warning("cancel of %s: %s", order.id, error)
        else:
            answers.canceled(order.id, reply)
            self._resample_if_late(reply.body)

    def _resample_if_late(self, body: bytes) -> None:
        if b"-1021" in body and self._tasks is not None:
            self._tasks.create_task(self._sample_time())

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
            self._standing.clock_skew(self._rest.offset_ms, self._settings.recv_window_ms // 2)

    def _running(self) -> Answers:
        if self._answers is None:
            raise InvariantError(f"{self.name}: submit or cancel before run")
        return self._answers


def _owe_no_answer(answers: Answers, order_id: ClientOrderId, task: asyncio.Task[None]) -> None:
    """Settle an order whose task ended without an outcome, also before it began."""
    if task.cancelled() or task.exception() is not None:
        answers.unknown(order_id, "stopped while waiting for the venue's answer")
