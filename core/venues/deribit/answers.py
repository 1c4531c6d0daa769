"""Judge what Deribit says about orders, in answers and pushes, and tell it to the engine once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from core.model.errors import DataError
from core.model.ids import ClientOrderId
from core.model.orders import OrderState
from core.venues.deribit.messages import (
    CHANGES,
    ORDER,
    PLACED,
    SUMMARY,
    OrderRow,
    RpcError,
    TradeRow,
)
from core.venues.deribit.parse import (
    MS,
    TRIGGERED,
    balance,
    fill_of,
    name_of,
    order_state,
    price_of,
)
from core.venues.deribit.rpc import Reply, words_of
from core.venues.symbols import Symbols
from core.venues.teller import Teller

_UNDECIDED: Final = frozenset({10040, 10047, 11094, 11095, 13888})
"""Errors after which an order may be there: retry, full queue, internal error, timed out."""
_REMEMBERED: Final = 50_000
_NO_REASON: Final = "the venue ended it"

Stand = tuple[Decimal | None, Decimal | None, Decimal | None]


class Answers:
    """Turn answers and pushes into order events."""

    def __init__(self, teller: Teller, *, symbols: Symbols, on_moved: Callable[[], None]) -> None:
        """`on_moved` is called when a balance changed, for the log to be read."""
        self.teller = teller
        self._symbols = symbols
        self._on_moved = on_moved
        self._stands: OrderedDict[ClientOrderId, Stand] = OrderedDict()
        self._ids: OrderedDict[ClientOrderId, str] = OrderedDict()
        self._balances: dict[str, Decimal] = {}

    def venue_id(self, order_id: ClientOrderId) -> str | None:
        """Return the venue's id of an order as last told; a triggered one has another."""
        return self._ids.get(order_id)

    def placed(self, order_id: ClientOrderId, reply: Reply) -> None:
        """Judge the answer to placing an order."""
        if reply.error is not None:
            if reply.error.code in _UNDECIDED:
                self.teller.unknown(order_id, words_of(reply.error))
            else:
                self.teller.refused(order_id, *_refusal(reply.error))
            return
        try:
            told = PLACED.decode(reply.result)
            self.told(told.trades, [told.order])
        except (msgspec.MsgspecError, DataError) as error:
            self.teller.unknown(order_id, f"unreadable answer, {error}")

    def canceled(self, order_id: ClientOrderId, reply: Reply) -> None:
        """Judge the answer to a cancel; silence means: ask the venue.

        By id it says how the order stands, by label how many orders it was.
        """
        if reply.error is not None:
            if reply.error.code not in _UNDECIDED:
                self.teller.cancel_refused(order_id, *_refusal(reply.error))
            return
        raw = bytes(reply.result)
        try:
            if not raw.startswith(b"{"):
                if msgspec.json.decode(raw, type=int) == 0:
                    words = "the venue has no open order of this label"
                    self.teller.cancel_refused(order_id, "11044", words)
                return
            self.told((), [ORDER.decode(raw)])
        except (msgspec.MsgspecError, DataError):
            return

    def amended(self, order_id: ClientOrderId, reply: Reply) -> None:
        """Judge the answer to a change."""
        if reply.error is not None:
            if reply.error.code not in _UNDECIDED:
                self.teller.amend_refused(order_id, *_refusal(reply.error))
            return
        try:
            told = PLACED.decode(reply.result)
            row = told.order
            self._stands.pop(order_id, None)
            self._told_amended(order_id, row, _stand(row))
            self.told(told.trades, [row])
        except (msgspec.MsgspecError, DataError):
            # Taken all the same; how the order stands is asked.
            return

    def push(self, channel: str, raw: msgspec.Raw) -> None:
        """Take the data of a private channel.

        Raises:
            DataError: They cannot be read.
        """
        try:
            if channel.startswith("user.changes."):
                changes = CHANGES.decode(raw)
                self.told(changes.trades, changes.orders)
            elif channel.startswith("user.portfolio."):
                part = SUMMARY.decode(raw)
                stands = balance(part, self.teller.venue)
                before = self._balances.get(part.currency)
                self._balances[part.currency] = part.balance
                self.teller.balances([stands], self.teller.now_ns())
                if before not in {None, part.balance}:
                    self._on_moved()
        except msgspec.MsgspecError as error:
            raise DataError(f"{self.teller.venue} {channel}: {error}") from error

    def told(self, trades: Sequence[TradeRow], orders: Sequence[OrderRow]) -> None:
        """Tell of orders and their trades: that they live, what they filled, how they ended.

        Raises:
            DataError: A field is none the venue documents.
        """
        ours = [row for row in orders if self.teller.once.ours(name_of(row))]
        for row in ours:
            self.stands(row)
        for trade in trades:
            if self.teller.once.ours(name_of(trade)):
                fill = fill_of(trade, self.teller.venue, self._symbols, self.teller.now_ns())
                self.teller.filled(fill)
        for row in ours:
            self._ended(row)

    def stands(self, row: OrderRow) -> None:
        """Tell that an order lives, was triggered, or stands changed.

        Raises:
            DataError: A field is none the venue documents.
        """
        order_id, at_ns = name_of(row), row.last_update_timestamp * MS
        if row.order_state in {TRIGGERED, "rejected"}:
            return  # of the order it has become, a row of its own tells
        self._remember(order_id, row)
        if row.order_state == "cancelled" and not row.trigger_order_id:
            return
        self.teller.accepted(order_id, row.order_id, at_ns)
        if row.trigger_order_id:
            self.teller.triggered(order_id, at_ns, row.order_id)
            return
        stand = _stand(row)
        if row.replaced and self._stands.get(order_id) not in {None, stand}:
            self._told_amended(order_id, row, stand)
        self._note(order_id, stand)

    def _ended(self, row: OrderRow) -> None:
        order_id, at_ns = name_of(row), row.last_update_timestamp * MS
        state = order_state(row)
        if state is OrderState.REJECTED:
            reason = row.reject_reason or "the venue rejected it"
            if self.venue_id(order_id) is None:
                self.teller.refused(order_id, "rejected", reason)
            else:
                self.teller.expired(order_id, reason, at_ns, filled=row.filled_amount)
        elif state is OrderState.EXPIRED:
            self.teller.expired(
                order_id,
                self._why(row),
                at_ns,
                filled=row.filled_amount,
                venue_order_id=row.order_id,
            )
        elif state is OrderState.CANCELED:
            reason = "the connection was lost" if "disconnect" in row.cancel_reason else ""
            self.teller.canceled(
                order_id,
                at_ns,
                reason,
                filled=row.filled_amount,
                venue_order_id=row.order_id,
            )

    def _why(self, row: OrderRow) -> str:
        if row.cancel_reason != "other":
            return f"{_NO_REASON} ({row.cancel_reason})"
        times = {"immediate_or_cancel": "ioc", "fill_or_kill": "fok"}
        words = times.get(row.time_in_force)
        return f"{_NO_REASON} ({words})" if words else _NO_REASON

    def _told_amended(self, order_id: ClientOrderId, row: OrderRow, stand: Stand) -> None:
        size, price, trigger = stand
        if size is None:
            return
        self.teller.amended(
            order_id,
            size=size,
            price=price,
            trigger_price=trigger,
            ts_event_ns=row.last_update_timestamp * MS,
        )

    def _remember(self, order_id: ClientOrderId, row: OrderRow) -> None:
        self._ids[order_id] = row.order_id
        self._ids.move_to_end(order_id)
        if len(self._ids) > _REMEMBERED:
            self._ids.popitem(last=False)

    def _note(self, order_id: ClientOrderId, stand: Stand) -> None:
        self._stands[order_id] = stand
        if len(self._stands) > _REMEMBERED:
            self._stands.popitem(last=False)


def _stand(row: OrderRow) -> Stand:
    return row.amount, price_of(row), row.trigger_price


def _refusal(error: RpcError) -> tuple[str, str]:
    more = bytes(error.data).decode(errors="replace") if bytes(error.data) else ""
    return str(error.code), f"{error.message} {more[:120]}".strip()
