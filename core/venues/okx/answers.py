"""Judge what OKX says about orders, in answers and pushes, and tell it to the engine once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import msgspec

from core.model.errors import DataError
from core.model.facts import VenueWarned
from core.model.ids import ClientOrderId
from core.model.orders import Order, OrderState
from core.model.ports import VenueSink
from core.venues.okx.messages import (
    ACCOUNTS,
    ACKED,
    ALGOS,
    BOTHS,
    ORDERS,
    POSITIONS,
    AlgoRow,
    OrderRow,
    PositionRow,
)
from core.venues.okx.names import from_wire
from core.venues.okx.parse import (
    CANCELS,
    ENDINGS,
    algo_state,
    balance,
    decimal,
    maybe,
    name_of,
    order_state,
    pushed_fill,
    time_ns,
    venue_algo,
)
from core.venues.okx.rest import Verdict, verdict
from core.venues.symbols import Symbols
from core.venues.teller import Teller
from core.wire.http import HttpReply

_REMEMBERED: Final = 50_000
_BY_ORDERS: Final = frozenset({"snapshot", "filled"})
"""Reasons of moved balances that bring no bill of their own kind."""


class Answers:
    """Turn replies and pushes into order events."""

    def __init__(
        self,
        teller: Teller,
        *,
        symbols: Symbols,
        sink: VenueSink,
        on_moved: Callable[[], None],
    ) -> None:
        """`on_moved` is called when money moved without a fill, for the bill to be read."""
        self.teller = teller
        self._symbols = symbols
        self._sink = sink
        self._on_moved = on_moved
        self._placed_by: OrderedDict[ClientOrderId, str] = OrderedDict()

    def child(self, order: Order) -> str | None:
        """Return the venue's id of the order a trigger has placed, None where none has."""
        if order.triggered_ns and order.venue_order_id is not None:
            return order.venue_order_id
        return self._placed_by.get(order.id)

    def placed(self, order_id: ClientOrderId, reply: HttpReply) -> None:
        """Judge the answer to placing an order, plain or waiting."""
        told = verdict(reply, ACKED)
        row = told.row
        venue_id = row.algoId or row.ordId
        if told.done and venue_id:
            at_ns = time_ns(row.ts) if row.ts.isdecimal() else self.teller.now_ns()
            self.teller.accepted(order_id, venue_id, at_ns)
        elif told.decided and not told.done:
            self.teller.refused(order_id, told.code, told.words)
        else:
            self.teller.unknown(order_id, self._words(told))

    def canceled(self, order_id: ClientOrderId, reply: HttpReply) -> bool:
        """Judge the answer to a cancel; return whether the venue says there is nothing to cancel.

        That it was taken is no end yet: the venue says the end by a push, or when it is asked.
        """
        told = verdict(reply, ACKED)
        if told.done or not told.decided:
            return False
        self.teller.cancel_refused(order_id, told.code, told.words)
        return True

    def amended(self, order_id: ClientOrderId, reply: HttpReply) -> None:
        """Judge the answer to a change; how the order stands then comes as a push."""
        told = verdict(reply, ACKED)
        if told.decided and not told.done:
            self.teller.amend_refused(order_id, told.code, told.words)

    def triggered(self, order_id: ClientOrderId, waits: AlgoRow) -> None:
        """Tell that what waited has become an order."""
        child = waits.ordId or (waits.ordIdList[0] if waits.ordIdList else "")
        if child and child != "0":
            self._became(order_id, child, time_ns(waits.triggerTime or waits.uTime))

    def push(self, channel: str, raw: msgspec.Raw) -> None:
        """Take the rows of a private channel.

        Raises:
            DataError: They cannot be read.
        """
        try:
            if channel == "orders":
                for row in ORDERS.decode(raw):
                    self._order(row)
            elif channel in {"orders-algo", "algo-advance"}:
                for waits in ALGOS.decode(raw):
                    self._algo(waits)
            elif channel == "account":
                for account in ACCOUNTS.decode(raw):
                    rows = [balance(each, self.teller.venue) for each in account.details]
                    self.teller.balances(rows, time_ns(account.uTime))
            elif channel == "balance_and_position":
                if any(each.eventType not in _BY_ORDERS for each in BOTHS.decode(raw)):
                    self._on_moved()
            elif channel == "liquidation-warning":
                for held in POSITIONS.decode(raw):
                    self._warn(held)
        except msgspec.MsgspecError as error:
            raise DataError(f"{self.teller.venue} {channel}: {error}") from error

    def _order(self, row: OrderRow) -> None:
        order_id, teller = name_of(row), self.teller
        if not teller.once.ours(order_id):
            return
        at_ns = time_ns(row.uTime or row.cTime)
        state = order_state(row)
        if row.algoClOrdId and not row.clOrdId:
            self._became(order_id, row.ordId, at_ns)
        if state in {OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED}:
            teller.accepted(order_id, row.ordId, at_ns)
        if row.amendResult == "0":
            price = None if row.ordType == "market" else maybe(row.px, "px")
            size = decimal(row.sz, "sz")
            teller.amended(order_id, size=size, price=price, ts_event_ns=at_ns)
        elif row.amendResult not in {"", "0"}:
            teller.amend_refused(order_id, row.code, row.msg or "the venue could not change it")
        if row.tradeId and row.fillSz not in {"", "0"}:
            teller.filled(pushed_fill(row, teller.venue, self._symbols, teller.now_ns()))
        if state is OrderState.EXPIRED:
            why = row.cancelSourceReason or ENDINGS[row.cancelSource]
            filled = decimal(row.accFillSz, "accFillSz")
            teller.expired(order_id, why, at_ns, filled=filled, venue_order_id=row.ordId)
        elif state is OrderState.CANCELED:
            filled = decimal(row.accFillSz, "accFillSz")
            why = CANCELS.get(row.cancelSource, "")
            teller.canceled(order_id, at_ns, why, filled=filled, venue_order_id=row.ordId)

    def _algo(self, row: AlgoRow) -> None:
        order_id, teller = from_wire(row.algoClOrdId or row.algoId), self.teller
        if not teller.once.ours(order_id):
            return
        state, at_ns = algo_state(row), time_ns(row.uTime or row.cTime)
        if row.state in {"live", "pause"}:
            teller.accepted(order_id, row.algoId, at_ns)
            if row.amendResult == "0":
                stands = venue_algo(row, self._symbols)
                teller.amended(
                    order_id,
                    size=stands.size,
                    price=stands.price,
                    trigger_price=stands.trigger_price,
                    ts_event_ns=at_ns,
                )
        elif state is OrderState.EXPIRED:
            why = f"its trigger could not place it, code {row.failCode}"
            teller.expired(order_id, why, at_ns, venue_order_id=row.algoId)
        elif state is OrderState.CANCELED:
            teller.canceled(order_id, at_ns, venue_order_id=row.algoId)
        else:
            self.triggered(order_id, row)

    def _became(self, order_id: ClientOrderId, child: str, at_ns: int) -> None:
        if self._placed_by.get(order_id) == child:
            return
        self._placed_by[order_id] = child
        if len(self._placed_by) > _REMEMBERED:
            self._placed_by.popitem(last=False)
        # What was triggered had been taken, whether or not the answer ever came.
        self.teller.accepted(order_id, child, at_ns)
        self.teller.triggered(order_id, at_ns, child)

    def _warn(self, held: PositionRow) -> None:
        self._sink(
            VenueWarned(
                venue=self.teller.venue,
                text=(
                    f"{self._symbols.ours(held.instId)}: the position of {held.pos} is near "
                    f"liquidation, margin ratio {held.mgnRatio or 'not stated'}"
                ),
                ts_ns=self.teller.now_ns(),
            )
        )

    def _words(self, told: Verdict) -> str:
        return f"{told.words or 'no reason given'} (venue code {told.code})"
