"""Judge what Binance spot says about orders, and tell it to the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial

import msgspec

from core.model.accounts import Balance, EntryKind
from core.model.errors import DataError
from core.model.facts import CashMoved
from core.model.ids import ClientOrderId
from core.model.orders import Order, OrderIntent, OrderState
from core.venues.binance.messages import (
    AMEND_REPLY,
    BALANCE_UPDATE,
    CANCEL_REPLY,
    CANCELED_LIST,
    EXECUTION,
    LIST_REPLY,
    LIST_STATUS,
    ORDER_REPLY,
    POSITION,
    Canceled,
    ErrorBody,
    ExecutionReport,
    OrderReply,
)
from core.venues.binance.parse import (
    CONDITIONAL,
    MS,
    amount,
    order_state,
    reply_fill,
    reported_fill,
)
from core.venues.binance.rest import decode, error_of
from core.venues.binance.verdicts import is_undecided, refusal, words
from core.venues.symbols import Symbols
from core.venues.teller import Teller
from core.wire.http import HttpReply


class Answers:
    """Turns replies and stream events into order events."""

    def __init__(
        self,
        *,
        symbols: Symbols,
        teller: Teller,
        later: Callable[[Callable[[], None]], None],
    ) -> None:
        """`later` has something done in a moment, if nobody stops us before."""
        self._symbols = symbols
        self._teller = teller
        self._later = later
        self._given_up: dict[int, ExecutionReport] = {}
        """By list, the order that ended because the other one acts, until that was told."""

    # -- replies ---------------------------------------------------------------------------

    def placed(self, intent: OrderIntent, reply: HttpReply) -> None:
        """Judge the answer to placing an order."""
        order_id = intent.client_order_id
        if reply.status != 200:
            self._not_placed((order_id,), reply)
            return
        try:
            placed = decode(ORDER_REPLY, reply)
            state = order_state(placed.status)
        except DataError as error:
            self._teller.unknown(order_id, str(error))
            return
        self._took(intent, placed, state)

    def listed(self, intents: Sequence[OrderIntent], reply: HttpReply) -> None:
        """Judge the answer to placing a list; what filled at once is for the stream to tell."""
        ids = [intent.client_order_id for intent in intents]
        if reply.status != 200:
            self._not_placed(ids, reply)
            return
        try:
            reports = {row.client_order_id: row for row in decode(LIST_REPLY, reply).order_reports}
            states = {name: order_state(row.status) for name, row in reports.items()}
        except DataError as error:
            reports, states = {}, {}
            for order_id in ids:
                self._teller.unknown(order_id, str(error))
        for order_id in ids:
            row = reports.get(order_id)
            if row is None:
                self._teller.unknown(order_id, "the venue's answer does not name it")
                continue
            self._teller.accepted(order_id, str(row.order_id), row.transact_time * MS)
            if states[order_id] is OrderState.EXPIRED:
                self._expired(
                    order_id,
                    row.status,
                    row.time_in_force,
                    row.transact_time,
                    filled=row.executed_qty,
                )

    def canceled(self, order_id: ClientOrderId, reply: HttpReply) -> None:
        """Judge the answer to a cancel; silence means: ask the venue."""
        if reply.status == 200:
            for row in _ended(reply):
                if row.status == "CANCELED":
                    name = ClientOrderId(row.orig_client_order_id)
                    self._teller.canceled(
                        name,
                        row.transact_time * MS,
                        filled=row.executed_qty,
                        venue_order_id=None if row.order_id is None else str(row.order_id),
                    )
            return
        body = error_of(reply)
        if not is_undecided(reply, body):
            self._teller.cancel_refused(order_id, *refusal(reply, body))

    def amended(self, order: Order, reply: HttpReply) -> None:
        """Judge the answer to an amend; silence means: ask the venue."""
        if reply.status == 200:
            try:
                answer = decode(AMEND_REPLY, reply)
            except DataError:
                return
            self._teller.amended(
                order.id,
                size=answer.amended_order.qty,
                price=amount(answer.amended_order.price),
                ts_event_ns=answer.transact_time * MS,
            )
            return
        body = error_of(reply)
        if not is_undecided(reply, body):
            self._teller.amend_refused(order.id, *refusal(reply, body))

    def _not_placed(self, order_ids: Sequence[ClientOrderId], reply: HttpReply) -> None:
        body: ErrorBody | None = error_of(reply)
        undecided = is_undecided(reply, body)
        for order_id in order_ids:
            if undecided:
                self._teller.unknown(order_id, words(reply, body))
            else:
                self._teller.refused(order_id, *refusal(reply, body))

    def _took(self, intent: OrderIntent, placed: OrderReply, state: OrderState) -> None:
        order_id, time_ms = intent.client_order_id, placed.transact_time
        if state is OrderState.REJECTED:
            reason = "the venue rejected it without a reason"
            self._teller.refused(order_id, placed.status, reason)
            return
        self._teller.accepted(order_id, str(placed.order_id), time_ms * MS)
        now_ns = self._teller.now_ns()
        for fill in placed.fills:
            self._teller.filled(
                reply_fill(fill, intent, placed.order_id, self._teller.venue, time_ms, now_ns)
            )
        if state is OrderState.EXPIRED:
            self._expired(
                order_id, placed.status, intent.time_in_force, time_ms, filled=placed.executed_qty
            )
        elif state is OrderState.CANCELED:
            self._teller.canceled(order_id, time_ms * MS, filled=placed.executed_qty)

    # -- the stream ------------------------------------------------------------------------

    def event(self, kind: str, raw: msgspec.Raw) -> None:
        """Take one event of the user stream.

        Raises:
            DataError: It cannot be read.
        """
        try:
            match kind:
                case "executionReport":
                    self._executed(EXECUTION.decode(raw))
                case "outboundAccountPosition":
                    self._balances(raw)
                case "listStatus":
                    self._list_status(raw)
                case "balanceUpdate":
                    self._moved(raw)
        except msgspec.MsgspecError as error:
            raise DataError(f"{self._teller.venue} {kind}: {error}") from error

    def _executed(self, report: ExecutionReport) -> None:
        # On a cancel `c` names the cancel and `C` the order.
        name = report.original_client_order_id or report.client_order_id
        if not self._teller.once.ours(name):
            return
        order_id, ts_event_ns = ClientOrderId(name), report.time_ms * MS
        match report.execution:
            case "NEW":
                self._teller.accepted(order_id, str(report.order_id), ts_event_ns)
                self._triggered(order_id, report)
            case "TRADE":
                # Binance also sends trades of nothing, to say that an order ended in matching.
                self._triggered(order_id, report)
                if report.last_size:
                    self._teller.filled(
                        reported_fill(
                            report,
                            order_id,
                            self._teller.venue,
                            self._symbols,
                            self._teller.now_ns(),
                        )
                    )
                self._expired_if_so(order_id, report)
            case "REPLACED":
                self._replaced(order_id, report)
            case "CANCELED":
                self._teller.canceled(
                    order_id,
                    ts_event_ns,
                    filled=report.filled,
                    venue_order_id=str(report.order_id),
                )
            case "REJECTED":
                self._teller.refused(order_id, report.reject_reason, "the venue rejected it")
            case "EXPIRED" if report.list_id >= 0 and not report.filled:
                # The venue tells the end of one of an OCO before what the other did, but it is
                # that which explains it: told alone it would look as if the pair was given up.
                self._given_up[report.list_id] = report
                self._later(partial(self._give_up, report.list_id))
            case "EXPIRED" | "TRADE_PREVENTION":
                self._expired_if_so(order_id, report)
        waiting = self._given_up.get(report.list_id)
        if waiting is not None and waiting.order_id != report.order_id:
            self._give_up(report.list_id)

    def _give_up(self, list_id: int) -> None:
        """Tell the end of the order of a list that gave way, if that is still to be told."""
        report = self._given_up.pop(list_id, None)
        if report is not None:
            name = report.original_client_order_id or report.client_order_id
            self._expired_if_so(ClientOrderId(name), report)

    def _triggered(self, order_id: ClientOrderId, report: ExecutionReport) -> None:
        """Tell of a conditional order that works: it is in the book, or trades."""
        works = report.working_ms > 0 or report.last_size > 0
        if report.kind in CONDITIONAL and works:
            self._teller.accepted(order_id, str(report.order_id), report.time_ms * MS)
            self._teller.triggered(order_id, (report.working_ms or report.time_ms) * MS)

    def _replaced(self, order_id: ClientOrderId, report: ExecutionReport) -> None:
        self._teller.amended(
            order_id,
            size=report.size,
            price=amount(report.price),
            trigger_price=amount(report.stop_price),
            ts_event_ns=report.time_ms * MS,
        )

    def _expired_if_so(self, order_id: ClientOrderId, report: ExecutionReport) -> None:
        # Self-trade prevention may only shrink an order; it has ended when its state says so.
        if order_state(report.status) is OrderState.EXPIRED:
            reason = "" if report.reject_reason == "NONE" else report.reject_reason
            self._expired(
                order_id,
                report.status,
                report.time_in_force,
                report.time_ms,
                reason,
                filled=report.filled,
                venue_order_id=str(report.order_id),
            )

    def _expired(
        self,
        order_id: ClientOrderId,
        status: str,
        time_in_force: str,
        time_ms: int,
        reason: str = "",
        *,
        filled: Decimal | None,
        venue_order_id: str | None = None,
    ) -> None:
        if status == "EXPIRED_IN_MATCH":
            reason = "self-trade prevention"
        told = reason or f"the venue ended it ({time_in_force.lower()})"
        self._teller.expired(
            order_id, told, time_ms * MS, filled=filled, venue_order_id=venue_order_id
        )

    def _list_status(self, raw: msgspec.Raw) -> None:
        """Take it that a list was refused; whatever else becomes of one its orders tell."""
        told = LIST_STATUS.decode(raw)
        if told.L == "ALL_DONE":
            self._give_up(told.g)
        if told.L == "REJECT":
            for row in told.O:
                if self._teller.once.ours(row.c):
                    reason = "the venue rejected the list it is of"
                    self._teller.refused(ClientOrderId(row.c), told.r, reason)

    def _balances(self, raw: msgspec.Raw) -> None:
        told = POSITION.decode(raw)
        rows = (
            Balance(venue=self._teller.venue, asset=row.a, total=row.f + row.l, held=row.l)
            for row in told.B
        )
        self._teller.balances(rows, told.E * MS)

    def _moved(self, raw: msgspec.Raw) -> None:
        told = BALANCE_UPDATE.decode(raw)
        self._teller.cash(
            CashMoved(
                venue=self._teller.venue,
                asset=told.a,
                amount=told.d,
                kind=EntryKind.TRANSFER,
                flow_id=f"{told.a}-{told.T}-{told.d}",
                ts_event_ns=told.T * MS,
                ts_ns=self._teller.now_ns(),
            )
        )


def _ended(reply: HttpReply) -> list[Canceled]:
    """Return the orders a cancel ended: one, or all of its list; none if it cannot be read."""
    try:
        return [decode(CANCEL_REPLY, reply)]
    except DataError:
        pass
    try:
        return decode(CANCELED_LIST, reply).order_reports
    except DataError:
        return []
