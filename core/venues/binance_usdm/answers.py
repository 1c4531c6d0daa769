"""Judge what USD-M says about orders, and tell it to the engine."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from core.model.accounts import Balance
from core.model.errors import DataError
from core.model.facts import VenueWarned
from core.model.ids import ClientOrderId
from core.model.orders import Order, OrderState
from core.model.ports import VenueSink
from core.venues.binance.parse import MS, amount
from core.venues.binance.rest import decode, error_of
from core.venues.binance.verdicts import is_undecided, refusal, words
from core.venues.binance_usdm.account import Children
from core.venues.binance_usdm.messages import (
    ACCOUNT_UPDATE,
    ALGO_REPLY,
    ALGO_UPDATE,
    BATCH,
    MARGIN_CALL,
    ORDER,
    ORDER_UPDATE,
    AlgoUpdate,
    Event,
    OrderRow,
    OrderUpdate,
)
from core.venues.binance_usdm.parse import ALGO, CONDITIONAL, order_state, reported_fill
from core.venues.symbols import Symbols
from core.venues.teller import Teller
from core.wire.http import HttpReply

_FORCED: Final = ("autoclose-", "adl_autoclose", "settlement_autoclose-")
"""How the client ids of orders begin that the venue closes positions with."""
_MOST_IN_CALL: Final = 3
_REMEMBERED: Final = 50_000


class Answers:
    """Turns replies and stream events into order events."""

    def __init__(
        self,
        *,
        symbols: Symbols,
        teller: Teller,
        children: Children,
        sink: VenueSink,
        on_flow: Callable[[int], None],
    ) -> None:
        """`on_flow` is told that money moved without a fill, and when (venue's ms)."""
        self._symbols = symbols
        self._teller = teller
        self._children = children
        self._sink = sink
        self._on_flow = on_flow
        self._waiting: OrderedDict[str, int] = OrderedDict()
        """Conditional orders of ours, and the number of the order each became, 0 before that."""

    # -- replies ---------------------------------------------------------------------------

    def placed(self, order_id: ClientOrderId, reply: HttpReply) -> None:
        """Judge the answer to a plain order; its fills are for the stream to tell."""
        if reply.status != 200:
            self._not_placed(order_id, reply)
            return
        try:
            row = decode(ORDER, reply)
            state = order_state(row.status)
        except DataError as error:
            self._teller.unknown(order_id, str(error))
            return
        if state is OrderState.REJECTED:
            reason = "the venue rejected it without a reason"
            self._teller.refused(order_id, row.status, reason)
            return
        ts_event_ns = (row.time or row.update_time) * MS
        self._teller.accepted(order_id, str(row.order_id), ts_event_ns)
        self._ended(order_id, row, state)

    def armed(self, order_id: ClientOrderId, reply: HttpReply) -> None:
        """Judge the answer to a conditional order."""
        if reply.status != 200:
            self._not_placed(order_id, reply)
            return
        try:
            row = decode(ALGO_REPLY, reply)
        except DataError as error:
            self._teller.unknown(order_id, str(error))
            return
        ts_event_ns = (row.create_time or row.update_time) * MS
        self._wait(order_id)
        self._teller.accepted(order_id, f"{ALGO}{row.algo_id}", ts_event_ns)

    def amended(self, order: Order, reply: HttpReply) -> None:
        """Judge the answer to an amend; silence means: ask the venue."""
        if reply.status == 200:
            try:
                row = decode(ORDER, reply)
                state = order_state(row.status)
            except DataError:
                return
            self._teller.amended(
                order.id,
                size=row.orig_qty,
                price=amount(row.price),
                ts_event_ns=row.update_time * MS,
            )
            self._ended(order.id, row, state)
            return
        body = error_of(reply)
        if not is_undecided(reply, body):
            self._teller.amend_refused(order.id, *refusal(reply, body))

    def canceled(self, order_id: ClientOrderId, reply: HttpReply) -> None:
        """Judge the answer to the cancel of one order; silence means: ask the venue."""
        if reply.status == 200:
            try:
                row = decode(ORDER, reply)
            except DataError:
                return
            if row.status == "CANCELED":
                self._teller.canceled(
                    order_id,
                    row.update_time * MS,
                    filled=row.executed_qty,
                    venue_order_id=str(row.order_id),
                )
            return
        body = error_of(reply)
        if not is_undecided(reply, body):
            self._teller.cancel_refused(order_id, *refusal(reply, body))

    def canceled_batch(self, order_ids: Sequence[ClientOrderId], reply: HttpReply) -> None:
        """Judge the answer to a batch of cancels, one row for each order asked about."""
        if reply.status == 200:
            try:
                rows = decode(BATCH, reply)
            except DataError:
                return
            for order_id, row in zip(order_ids, rows, strict=False):
                if row.status == "CANCELED":
                    self._teller.canceled(
                        order_id,
                        row.update_time * MS,
                        filled=row.executed_qty,
                        venue_order_id=None if row.order_id is None else str(row.order_id),
                    )
                elif row.code:
                    self._teller.cancel_refused(order_id, str(row.code), row.msg)
            return
        body = error_of(reply)
        if not is_undecided(reply, body):
            for order_id in order_ids:
                self._teller.cancel_refused(order_id, *refusal(reply, body))

    def _not_placed(self, order_id: ClientOrderId, reply: HttpReply) -> None:
        body = error_of(reply)
        if is_undecided(reply, body):
            self._teller.unknown(order_id, words(reply, body))
        else:
            self._teller.refused(order_id, *refusal(reply, body))

    def _ended(self, order_id: ClientOrderId, row: OrderRow, state: OrderState) -> None:
        """Tell of an end that nothing was filled before; else the stream tells both in order."""
        if row.executed_qty:
            return
        if state is OrderState.EXPIRED:
            self._teller.expired(order_id, _why(row.status), row.update_time * MS)
        elif state is OrderState.CANCELED:
            self._teller.canceled(order_id, row.update_time * MS)

    # -- the stream ------------------------------------------------------------------------

    def event(self, event: Event) -> None:
        """Take one event of the account.

        Raises:
            DataError: It cannot be read.
        """
        try:
            match event.e:
                case "ORDER_TRADE_UPDATE":
                    self._updated(ORDER_UPDATE.decode(event.o))
                case "ALGO_UPDATE":
                    self._waited(ALGO_UPDATE.decode(event.o), event.T)
                case "ACCOUNT_UPDATE":
                    self._moved(event)
                case "MARGIN_CALL":
                    self._called(event)
        except msgspec.MsgspecError as error:
            raise DataError(f"{self._teller.venue} {event.e}: {error}") from error

    def _updated(self, told: OrderUpdate) -> None:
        name = self._children.name(told.order_id) or told.client_order_id
        if name.startswith(_FORCED):
            self._forced(told)
            return
        if not self._teller.once.ours(name):
            return
        order_id, ts_event_ns = ClientOrderId(name), told.time_ms * MS
        if name in self._waiting or told.original_type in CONDITIONAL:
            self._fired(order_id, told)
        match told.execution:
            case "NEW":
                self._teller.accepted(order_id, str(told.order_id), ts_event_ns)
            case "TRADE" | "CALCULATED":
                if told.last_size:
                    self._teller.filled(
                        reported_fill(
                            told,
                            order_id,
                            self._teller.venue,
                            self._symbols,
                            self._teller.now_ns(),
                        )
                    )
                self._expired_if_so(order_id, told)
            case "AMENDMENT":
                self._teller.amended(
                    order_id,
                    size=told.size,
                    price=amount(told.price),
                    ts_event_ns=ts_event_ns,
                )
            case "CANCELED":
                self._teller.canceled(
                    order_id, ts_event_ns, filled=told.filled, venue_order_id=str(told.order_id)
                )
            case "REJECTED":
                self._teller.refused(order_id, told.status, "the venue rejected it")
            case "EXPIRED" | "TRADE_PREVENTION":
                self._expired_if_so(order_id, told)

    def _fired(self, order_id: ClientOrderId, told: OrderUpdate) -> None:
        """Take it that a conditional order has become this one."""
        self._children.note(told.order_id, order_id)
        self._teller.accepted(order_id, str(told.order_id), told.time_ms * MS)
        if self._waiting.get(order_id) != told.order_id:
            self._waiting[order_id] = told.order_id
            self._teller.triggered(order_id, told.time_ms * MS, str(told.order_id))

    def _wait(self, order_id: ClientOrderId) -> None:
        """Remember a conditional order."""
        self._waiting.setdefault(order_id, 0)
        if len(self._waiting) > _REMEMBERED:
            self._waiting.popitem(last=False)

    def _expired_if_so(self, order_id: ClientOrderId, told: OrderUpdate) -> None:
        # Self-trade prevention may only shrink an order; it has ended when its state says so.
        if order_state(told.status) is OrderState.EXPIRED:
            why = _why(told.status, told.time_in_force)
            self._teller.expired(
                order_id,
                why,
                told.time_ms * MS,
                filled=told.filled,
                venue_order_id=str(told.order_id),
            )

    def _waited(self, told: AlgoUpdate, time_ms: int) -> None:
        """Take what became of a conditional order; once it fired, its order tells the rest."""
        if not self._teller.once.ours(told.client_algo_id):
            return
        order_id, ts_event_ns = ClientOrderId(told.client_algo_id), time_ms * MS
        if told.status not in {"REJECTED", "EXPIRED", "CANCELED"}:
            self._teller.accepted(order_id, f"{ALGO}{told.algo_id}", ts_event_ns)
            self._wait(order_id)
        match told.status:
            case "TRIGGERED" | "FINISHED":
                fired_ns = (told.trigger_ms or time_ms) * MS
                if not told.order_id:
                    self._teller.triggered(order_id, fired_ns)
                elif self._waiting.get(order_id) != int(told.order_id):
                    self._waiting[order_id] = int(told.order_id)
                    self._children.note(int(told.order_id), order_id)
                    self._teller.triggered(order_id, fired_ns, told.order_id)
            case "CANCELED":
                self._teller.canceled(
                    order_id, ts_event_ns, told.reason, venue_order_id=f"{ALGO}{told.algo_id}"
                )
            case "EXPIRED" | "REJECTED":
                reason = told.reason or "the venue gave no reason"
                words = f"its trigger was touched, but no order came of it: {reason}"
                self._teller.expired(
                    order_id, words, ts_event_ns, venue_order_id=f"{ALGO}{told.algo_id}"
                )

    def _forced(self, told: OrderUpdate) -> None:
        if told.last_size:
            instrument_id = self._symbols.ours(told.symbol)
            self._warn(
                f"{instrument_id}: {told.side.lower()} {told.last_size:f} at {told.last_price:f} "
                f"by the venue itself ({told.client_order_id}): a position was closed by force"
            )

    def _moved(self, event: Event) -> None:
        told = ACCOUNT_UPDATE.decode(event.a)
        rows = (Balance(venue=self._teller.venue, asset=row.a, total=row.wb) for row in told.B)
        self._teller.balances(rows, event.E * MS)
        if told.m != "ORDER":
            self._on_flow(event.T)

    def _called(self, event: Event) -> None:
        rows = MARGIN_CALL.decode(event.p)
        held = ", ".join(
            f"{row.pa} {self._symbols.ours(row.s)} ({row.ps.lower()}) needs {row.mm}"
            for row in rows[:_MOST_IN_CALL]
        )
        more = f" and {len(rows) - _MOST_IN_CALL} more" if len(rows) > _MOST_IN_CALL else ""
        self._warn(f"margin call: {held}{more}; add margin or reduce, or it will be liquidated")

    def _warn(self, text: str) -> None:
        self._sink(VenueWarned(venue=self._teller.venue, text=text, ts_ns=self._teller.now_ns()))


def _why(status: str, time_in_force: str = "") -> str:
    if status == "EXPIRED_IN_MATCH":
        return "self-trade prevention"
    return f"the venue ended it ({time_in_force.lower() or 'its time in force'})"
