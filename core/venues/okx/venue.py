"""OKX as a venue: spot, swaps and futures of one account.

::

    submit ──errand──► POST trade/order, order-algo ──┬─ sCode 0 ───────► Accepted
                                                      ├─ sCode, code ───► Rejected, the venue's code
                                                      ├─ not sent ──────► Rejected NOT_SENT
                                                      └─ 5xx, silence ──► Unknown
    private socket ── orders, account, balance_and_position ──┐
    business socket ─ orders-algo, algo-advance ──────────────┴──► the same events; each told once
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Collection, Sequence
from decimal import Decimal
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from core.model.abilities import VenueAbilities
from core.model.errors import (
    DataError,
    InvariantError,
    OutcomeUnknown,
    TemporaryError,
    VenueError,
)
from core.model.ids import ClientOrderId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.orders import (
    AmendSubmitted,
    Order,
    OrderIntent,
    OrderType,
    TimeInForce,
    VenueOrder,
)
from core.model.ports import Clock, VenueSink
from core.model.settings import VenueSettings
from core.venues.errands import Errands, asked
from core.venues.kinds import account_name, hosts_of, market_of, switch_words
from core.venues.okx.account import AccountReader
from core.venues.okx.answers import Answers
from core.venues.okx.bulk import BulkCancels
from core.venues.okx.deadman import DeadMan, check_seconds
from core.venues.okx.messages import ACKED, AlgoRow
from core.venues.okx.names import to_wire
from core.venues.okx.parse import (
    Body,
    algo_body,
    amend_algo_body,
    amend_body,
    order_body,
    trigger_prices,
)
from core.venues.okx.rest import TOO_MANY, OkxRest, stated, verdict
from core.venues.okx.stream import Channel, PrivateSocket
from core.venues.reading import ReadsAccount
from core.venues.standing import Standing
from core.venues.symbols import Symbols
from core.venues.teller import Teller
from core.wire.budget import Budgets
from core.wire.http import HttpReply
from core.wire.limits import AttemptLimiter
from core.wire.witness import Seen, Shelf

_log = logging.getLogger(__name__)

HOSTS: Final = {
    "live": ("https://www.okx.com", "wss://ws.okx.com:8443/ws/v5"),
    "demo": ("https://www.okx.com", "wss://wspap.okx.com:8443/ws/v5"),
}
"""REST and socket address of each environment; regions have hosts of their own."""
_PRIVATE: Final[tuple[Channel, ...]] = (
    {"channel": "orders", "instType": "ANY"},
    {"channel": "account"},
    {"channel": "balance_and_position"},
    {"channel": "liquidation-warning", "instType": "ANY"},
)
_BUSINESS: Final[tuple[Channel, ...]] = (
    {"channel": "orders-algo", "instType": "ANY"},
    {"channel": "algo-advance", "instType": "ANY"},
)
"""Trailing stops are told by the second only."""
_KEEP_WARM_S: Final = 10.0
_LOOK_BACK_NS: Final = 120 * 1_000_000_000
"""How far back bills are read when money moved; what was read before is booked once."""
_PAUSE_S: Final = 0.4
_TRIES: Final = 8
_PLAIN_TYPES: Final = frozenset({OrderType.MARKET, OrderType.LIMIT})
_AMENDED: Final = frozenset(OrderType) - {OrderType.TRAILING_STOP}
_TRAILS: Final = (Decimal("0.1"), Decimal(100), Decimal("0.01"))
"""Least, most and step of a trailing stop's distance in per cent."""
_TIMES: Final = frozenset({TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK})


class OkxVenue(ReadsAccount[AccountReader]):
    """Orders and account of one OKX account; `core.model.ports.Venue`."""

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
            ConfigError: A key is missing, a URL is none, or the dead-man time is not the venue's.
        """
        self.name = name
        self.market = market_of(name, settings)
        rest_url, socket_url = hosts_of(name, settings, HOSTS)
        self._rest_url = rest_url
        self._socket_url = socket_url.removesuffix("/private").removesuffix("/business")
        self._clock = clock
        self._settings = settings
        self._rng = rng
        self._dead_man_s = check_seconds(name, settings.dead_man_s)
        self._symbols = Symbols(name, self.market)
        self._symbols.add(instruments)
        demo = settings.environment == "demo"
        self._rest = OkxRest(rest_url, settings, clock=clock, name=name, demo=demo)
        self._account = AccountReader(
            name,
            self._rest,
            clock=clock,
            symbols=self._symbols,
            on_triggered=self._found_triggered,
        )
        self._attempts = AttemptLimiter(clock=clock, attempts=3, window_s=1.5)
        self._hedged: bool | None = None
        self._down: set[str] = set()
        self._answers: Answers | None = None
        self._errands: Errands | None = None
        self._cancels: list[Order] = []
        """What is to be cancelled in this moment."""
        self._standing: Standing | None = None
        self._moved = asyncio.Event()

    def __repr__(self) -> str:
        return f"OkxVenue({self.name!r}, {self._rest!r})"

    def traffic(self, order: Order) -> list[Seen]:
        """Return what went over the wire about an order; may read files, in any thread."""
        return self._rest.witness.find((order.id, to_wire(order.id), order.venue_order_id or ""))

    def remember(self, shelf: Shelf) -> None:
        """Keep what goes over the wire beyond the end of the process."""
        self._rest.witness.shelf = shelf

    def share(self, budgets: Budgets) -> None:
        """Count requests and attempts to connect together with other programs of this home."""
        self._rest.quota.share(budgets, account_name(self._rest_url, self._settings))
        self._attempts.share(budgets, urlsplit(self._socket_url).netloc)

    def add_instruments(self, instruments: Collection[Instrument]) -> None:
        """Teach it the venue's symbols; orders for others are refused unsent."""
        self._symbols.add(instruments)

    async def run(self, sink: VenueSink) -> None:
        """Stay logged in on both sockets and keep a connection warm, until cancelled.

        Orders still waiting for an answer when it ends become Unknown.
        """
        if self._answers is None or self._errands is None:
            teller = Teller(self.name, clock=self._clock, sink=sink)
            self._answers = Answers(
                teller, symbols=self._symbols, sink=sink, on_moved=self._moved.set
            )
            self._errands = Errands(self.name, teller)
        self._standing = Standing(self.name, clock=self._clock, sink=sink)
        self._down = {"private", "business"}
        try:
            async with self._errands.open() as tasks:
                tasks.create_task(self._socket("private", _PRIVATE, self._answers).run())
                tasks.create_task(self._socket("business", _BUSINESS, self._answers).run())
                tasks.create_task(self._keep_time())
                tasks.create_task(self._read_bills(self._answers))
                if self._dead_man_s:
                    switch = DeadMan(
                        self.name, self._rest, self._dead_man_s, clock=self._clock, sink=sink
                    )
                    tasks.create_task(switch.run())
        finally:
            await self._rest.close()

    def abilities(self, instrument: Instrument) -> VenueAbilities:
        """Return what the adapter uses of the venue."""
        contract = instrument.derivative
        option = instrument.kind is InstrumentKind.OPTION
        return VenueAbilities(
            types=_PLAIN_TYPES if option else frozenset(OrderType),
            times=_TIMES,
            triggers=trigger_prices(instrument),
            amend="any",
            amend_types=_AMENDED,
            post_only=True,
            trail_prices=not option,
            trail_pct=None if option else _TRAILS,
            reduce_only=contract,
            hedging=self._hedged if contract else False,
            dead_man=bool(self._dead_man_s),
            switch=switch_words(self._dead_man_s),
        )

    def submit(self, intent: OrderIntent) -> None:
        """Start sending an order; its outcome follows at the sink, never within this call.

        Raises:
            InvariantError: The venue was never run, so there is no sink.
        """
        answers, errands = self._running()
        errands.place([intent.client_order_id], partial(self._place, answers, intent))

    def submit_group(self, intents: Sequence[OrderIntent]) -> None:
        """Take no group whole: an OCO of the venue is one order with one name, ours are two.

        Raises:
            InvariantError: Always: `abilities` names no link.
        """
        raise InvariantError(f"{self.name} takes no groups, was sent {len(intents)} orders")

    def cancel(self, order: Order) -> None:
        """Start cancelling, together with what is cancelled in the same moment.

        The end follows as a push.

        Raises:
            InvariantError: The venue was never run, so there is no sink.
        """
        self._running()
        if not self._cancels:
            asyncio.get_running_loop().call_soon(self._send_cancels)
        self._cancels.append(order)

    def amend(self, order: Order, change: AmendSubmitted) -> None:
        """Start changing size, price or trigger; how it stands then follows as a push.

        Raises:
            InvariantError: The venue was never run, so there is no sink.
        """
        answers, errands = self._running()
        errands.amend(order.id, partial(self._amend, answers, order, change))

    async def set_hedging(self, hedging: bool) -> None:
        """Let the account hold long and short apart, or net them.

        Raises:
            TemporaryError: The venue did not answer.
            VenueError: It refused, as it does while there are orders or positions.
        """
        mode = "long_short_mode" if hedging else "net_mode"
        try:
            reply = await self._rest.send(
                "account/set-position-mode", {"posMode": mode}, patient=True
            )
        except (OutcomeUnknown, DataError) as error:
            raise TemporaryError(str(error)) from error
        code, words = stated(reply)
        if code != "0":
            raise VenueError(code or str(reply.status), words)
        self._hedged = hedging

    async def find_order(self, order: Order) -> VenueOrder | None:
        """Ask by client order id; None when the venue knows none.

        Right after placing, OKX may say "no such order" (51603) of one that lives, and it forgets
        orders that were cancelled unfilled after two hours. The engine therefore believes None
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
            self._resample_if_late(reply)

    async def _send_order(self, intent: OrderIntent) -> HttpReply:
        instrument = self._symbols.instrument(intent.instrument_id)
        if intent.type.conditional:
            return await self._rest.send("trade/order-algo", algo_body(intent, instrument))
        return await self._rest.send("trade/order", order_body(intent, instrument))

    def _send_cancels(self) -> None:
        answers, errands = self._running()
        wanted, self._cancels = self._cancels, []
        bulk = BulkCancels(
            self._rest,
            symbols=self._symbols,
            answers=answers,
            single=partial(self._cancel, answers),
            late=self._resample_if_late,
        )
        for part in bulk.parts(wanted):
            errands.cancel_many([order.id for order in part], partial(bulk.send, part))

    async def _cancel(self, answers: Answers, order: Order) -> None:
        waits = order.intent.type.conditional and answers.child(order) is None
        nothing = await self._send_cancel(answers, order, waits=waits)
        if not (nothing and waits):
            return
        # It may have been triggered a moment ago, and its order is in the book now.
        try:
            found = await self._account.find_algo(order)
        except TemporaryError as error:
            _log.info("cancel of %s: %s", order.id, error)
            return
        if found is not None:
            answers.triggered(order.id, found)
        if answers.child(order) is not None:
            await self._send_cancel(answers, order, waits=False)

    async def _send_cancel(self, answers: Answers, order: Order, *, waits: bool) -> bool:
        """Send a cancel; return whether the venue says that there is nothing to cancel."""
        for tries in range(_TRIES):
            reply = await asked(
                self._cancel_request(answers, order, waits=waits),
                refused=partial(answers.teller.cancel_refused, order.id),
                lost=partial(_log.warning, "cancel of %s: %s", order.id),
            )
            if reply is None:
                return False
            too_many = reply.status == 429 or verdict(reply, ACKED).code in TOO_MANY
            if not too_many or tries == _TRIES - 1:
                self._resample_if_late(reply)
                return answers.canceled(order.id, reply)
            # Refused before it was looked at: asking again sends no second cancel.
            await asyncio.sleep(_PAUSE_S)
        return False

    async def _cancel_request(self, answers: Answers, order: Order, *, waits: bool) -> HttpReply:
        body: Body = {"instId": self._symbols.wire(order.intent.instrument_id)}
        if waits:
            body["algoClOrdId"] = to_wire(order.id)
            return await self._rest.send("trade/cancel-algos", [body], patient=True)
        child = answers.child(order)
        if child is None:
            body["clOrdId"] = to_wire(order.id)
        else:
            body["ordId"] = child
        return await self._rest.send("trade/cancel-order", body, patient=True)

    async def _amend(self, answers: Answers, order: Order, change: AmendSubmitted) -> None:
        reply = await asked(
            self._send_amend(answers, order, change),
            refused=partial(answers.teller.amend_refused, order.id),
            lost=partial(_log.warning, "change of %s: %s", order.id),
        )
        if reply is not None:
            answers.amended(order.id, reply)
            self._resample_if_late(reply)

    async def _send_amend(
        self, answers: Answers, order: Order, change: AmendSubmitted
    ) -> HttpReply:
        symbol = self._symbols.wire(order.intent.instrument_id)
        if order.intent.type.conditional and answers.child(order) is None:
            return await self._rest.send(
                "trade/amend-algos", amend_algo_body(order, change, symbol)
            )
        return await self._rest.send("trade/amend-order", amend_body(order, change, symbol))

    def _resample_if_late(self, reply: HttpReply) -> None:
        late = b'"50102"' in reply.body or b'"51149"' in reply.body
        if late and self._errands is not None:
            self._rest.offset.doubt()
            self._errands.run(self._sample_time)

    def _found_triggered(self, order_id: ClientOrderId, waits: AlgoRow) -> None:
        if self._answers is not None:
            self._answers.triggered(order_id, waits)

    def _socket(self, path: str, channels: Sequence[Channel], answers: Answers) -> PrivateSocket:
        return PrivateSocket(
            self._rest,
            f"{self._socket_url}/{path}",
            channels,
            clock=self._clock,
            rng=self._rng,
            timeout_s=self._settings.timeout_s,
            attempts=self._attempts,
            on_up=partial(self._socket_up, path),
            on_down=partial(self._socket_down, path),
            on_push=answers.push,
        )

    def _socket_up(self, path: str) -> None:
        self._down.discard(path)
        if not self._down and self._standing is not None:
            self._standing.stream_up()

    def _socket_down(self, path: str, reason: str) -> None:
        self._down.add(path)
        if self._standing is not None:
            self._standing.stream_down(reason)

    async def _read_bills(self, answers: Answers) -> None:
        """Book what moved without a fill as soon as the venue says that something did."""
        while True:
            await self._moved.wait()
            self._moved.clear()
            try:
                for moved in await self.cash_flows(self._clock.now_ns() - _LOOK_BACK_NS):
                    answers.teller.cash(moved)
            except TemporaryError as error:
                # The next comparison of the engine reads them.
                _log.info("%s: %s", self.name, error)

    async def _keep_time(self) -> None:
        """Follow the venue's clock and the account's mode; it keeps connections warm."""
        while True:
            await asyncio.gather(self._sample_time(), self._sample_time())
            try:
                self._hedged = await self._account.hedged()
            except TemporaryError as error:
                _log.info("%s: its mode is not known, %s", self.name, error)
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

    def _running(self) -> tuple[Answers, Errands]:
        if self._answers is None or self._errands is None:
            raise InvariantError(f"{self.name}: submit or cancel before run")
        return self._answers, self._errands
