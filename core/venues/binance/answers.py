"""Judge what the venue says about orders, and tell it to the engine once."""

from __future__ import annotations

import msgspec

from core.model.accounts import Balance
from core.model.errors import DataError
from core.model.facts import BalancesReported
from core.model.ids import ClientOrderId, VenueName, VenueOrderId
from core.model.orders import (
    CancelRejected,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderIntent,
    OrderRejected,
    OrderState,
    OrderUnknown,
)
from core.model.ports import Clock, VenueSink
from core.venues.binance.messages import (
    CANCEL_REPLY,
    EXECUTION,
    ORDER_REPLY,
    POSITION,
    ErrorBody,
    ExecutionReport,
    OrderReply,
)
from core.venues.binance.parse import MS, order_state, reply_fill, reported_fill
from core.venues.binance.rest import decode, error_of
from core.venues.once import OnceSink
from core.venues.symbols import Symbols
from core.wire.http import HttpReply

_UNDECIDED = frozenset({-1000, -1001, -1006, -1007})
"""Errors that leave the outcome open, whatever the HTTP status."""

_DUPLICATE = "Duplicate order sent."
"""An order of this very id is open: the refusal proves that it lives."""


class Answers:
    """Turn replies and stream events into order events."""

    def __init__(
        self, venue: VenueName, *, clock: Clock, symbols: Symbols, sink: VenueSink
    ) -> None:
        self._venue = venue
        self._clock = clock
        self._symbols = symbols
        self._sink = sink
        self.once = OnceSink(sink)

    def refused(self, order_id: ClientOrderId, code: str, reason: str) -> None:
        """Tell that an order is definitely not at the venue."""
        self.once.rejected(
            OrderRejected(
                client_order_id=order_id, code=code, reason=reason, ts_ns=self._clock.now_ns()
            )
        )

    def unknown(self, order_id: ClientOrderId, reason: str) -> None:
        """Tell that an order may or may not be at the venue."""
        self.once.unknown(
            OrderUnknown(client_order_id=order_id, reason=reason, ts_ns=self._clock.now_ns())
        )

    def cancel_refused(self, order_id: ClientOrderId, code: str, reason: str) -> None:
        """Tell that a cancel was not carried out."""
        self._sink(
            CancelRejected(
                client_order_id=order_id, code=code, reason=reason, ts_ns=self._clock.now_ns()
            )
        )

    def placed(self, intent: OrderIntent, reply: HttpReply) -> None:
        """Judge the answer to placing an order."""
        order_id = intent.client_order_id
        if reply.status == 200:
            try:
                placed = decode(ORDER_REPLY, reply)
                state = order_state(placed.status)
            except DataError as error:
                self.unknown(order_id, str(error))
                return
            self._took(intent, placed, state)
            return
        body = error_of(reply)
        if _is_undecided(reply, body):
            words = f"{body.msg} (venue code {body.code})" if body else "no reason given"
            self.unknown(order_id, f"status {reply.status}: {words}")
        else:
            code, reason = _refusal(reply, body)
            self.refused(order_id, code, reason)

    def canceled(self, order_id: ClientOrderId, reply: HttpReply) -> None:
        """Judge the answer to a cancel; silence means: ask the venue."""
        if reply.status == 200:
            try:
                answer = decode(CANCEL_REPLY, reply)
            except DataError:
                return
            if answer.status == "CANCELED":
                self.once.ended(
                    OrderCanceled(
                        client_order_id=order_id,
                        ts_event_ns=answer.transact_time * MS,
                        ts_ns=self._clock.now_ns(),
                    )
                )
            return
        body = error_of(reply)
        if not _is_undecided(reply, body):
            self.cancel_refused(order_id, *_refusal(reply, body))

    def event(self, kind: str, raw: msgspec.Raw) -> None:
        """Take one event of the user stream.

        Raises:
            DataError: It cannot be read.
        """
        try:
            if kind == "executionReport":
                self._executed(EXECUTION.decode(raw))
            elif kind == "outboundAccountPosition":
                self._balances(raw)
        except msgspec.MsgspecError as error:
            raise DataError(f"{self._venue} {kind}: {error}") from error

    def _took(self, intent: OrderIntent, placed: OrderReply, state: OrderState) -> None:
        order_id = intent.client_order_id
        if state is OrderState.REJECTED:
            self.refused(order_id, placed.status, "the venue rejected it without a reason")
            return
        now_ns = self._clock.now_ns()
        self.once.accepted(
            OrderAccepted(
                client_order_id=order_id,
                venue_order_id=VenueOrderId(str(placed.order_id)),
                ts_event_ns=placed.transact_time * MS,
                ts_ns=now_ns,
            )
        )
        for fill in placed.fills:
            self.once.filled(
                reply_fill(fill, intent, placed.order_id, self._venue, placed.transact_time, now_ns)
            )
        if state is OrderState.EXPIRED:
            self._expired(order_id, placed.status, intent.time_in_force, placed.transact_time)
        elif state is OrderState.CANCELED:
            self.once.ended(
                OrderCanceled(
                    client_order_id=order_id,
                    ts_event_ns=placed.transact_time * MS,
                    ts_ns=now_ns,
                )
            )

    def _executed(self, report: ExecutionReport) -> None:
        # On a cancel `c` names the cancel and `C` the order.
        name = report.original_client_order_id or report.client_order_id
        if not self.once.ours(name):
            return
        order_id = ClientOrderId(name)
        now_ns = self._clock.now_ns()
        match report.execution:
            case "NEW":
                self.once.accepted(
                    OrderAccepted(
                        client_order_id=order_id,
                        venue_order_id=VenueOrderId(str(report.order_id)),
                        ts_event_ns=report.time_ms * MS,
                        ts_ns=now_ns,
                    )
                )
            case "TRADE":
                # Binance also sends trades of nothing, to say that an order ended in matching.
                if report.last_size:
                    self.once.filled(
                        reported_fill(report, order_id, self._venue, self._symbols, now_ns)
                    )
                self._expired_if_so(order_id, report)
            case "CANCELED":
                self.once.ended(
                    OrderCanceled(
                        client_order_id=order_id, ts_event_ns=report.time_ms * MS, ts_ns=now_ns
                    )
                )
            case "REJECTED":
                self.refused(order_id, report.reject_reason, "the venue rejected it")
            case "EXPIRED" | "TRADE_PREVENTION":
                self._expired_if_so(order_id, report)

    def _expired_if_so(self, order_id: ClientOrderId, report: ExecutionReport) -> None:
        # Self-trade prevention may only shrink an order; it has ended when its state says so.
        if order_state(report.status) is OrderState.EXPIRED:
            self._expired(order_id, report.status, report.time_in_force, report.time_ms)

    def _expired(
        self, order_id: ClientOrderId, status: str, time_in_force: str, time_ms: int
    ) -> None:
        reason = (
            "self-trade prevention"
            if status == "EXPIRED_IN_MATCH"
            else f"the venue ended it ({time_in_force.lower()})"
        )
        self.once.ended(
            OrderExpired(
                client_order_id=order_id,
                reason=reason,
                ts_event_ns=time_ms * MS,
                ts_ns=self._clock.now_ns(),
            )
        )

    def _balances(self, raw: msgspec.Raw) -> None:
        position = POSITION.decode(raw)
        self._sink(
            BalancesReported(
                venue=self._venue,
                balances=tuple(
                    Balance(venue=self._venue, asset=row.a, total=row.f + row.l, held=row.l)
                    for row in position.B
                ),
                ts_event_ns=position.E * MS,
                ts_ns=self._clock.now_ns(),
            )
        )


def _is_undecided(reply: HttpReply, body: ErrorBody | None) -> bool:
    """Return whether a status other than 200 leaves open what became of the request."""
    if reply.status in {403, 418, 429}:
        # The firewall and the rate limiter stand in front of the exchange.
        return False
    if reply.status >= 500 or body is None:
        return True
    return body.code in _UNDECIDED or body.msg == _DUPLICATE


def _refusal(reply: HttpReply, body: ErrorBody | None) -> tuple[str, str]:
    if body is not None:
        return str(body.code), body.msg
    wait = f", come back in {reply.retry_after_s:g} s" if reply.retry_after_s else ""
    return str(reply.status), f"the venue lets nothing through (status {reply.status}{wait})"
