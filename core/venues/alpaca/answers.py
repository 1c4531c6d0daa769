"""Judge what Alpaca says about orders, and tell it to the engine once."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from decimal import Decimal
from typing import Final, TypeVar

import msgspec

from core.model.errors import DataError
from core.model.ids import ClientOrderId, ExecutionId, VenueOrderId
from core.model.orders import AmendSubmitted, Order, OrderFilled, OrderState
from core.venues.alpaca.messages import ORDER, Account, ErrorBody, OrderRow, Update
from core.venues.alpaca.names import Names
from core.venues.alpaca.parse import nanoseconds, order_state, order_time, side_of
from core.venues.alpaca.rest import decode, error_of
from core.venues.symbols import Symbols
from core.venues.teller import Teller
from core.wire.http import HttpReply

_FRONT: Final = frozenset({403, 418, 429})
"""The firewall and the rate limiter stand in front of the venue; so do its own refusals."""
_TAKEN: Final = "client_order_id must be unique"
"""An order of this very id is known: the refusal proves that it lives, or lived."""
_HELD_BACK: Final = 512
_REMEMBERED: Final = 10_000


_Kept = TypeVar("_Kept")


class _Change(msgspec.Struct, frozen=True):
    """A change on its way: what is to stand once the venue has replaced an order."""

    order_id: ClientOrderId
    size: Decimal


class Answers:
    """Turn replies and updates into order events."""

    def __init__(self, teller: Teller, *, symbols: Symbols, names: Names) -> None:
        self._tell = teller
        self._symbols = symbols
        self._names = names
        self._early: deque[Update] = deque(maxlen=_HELD_BACK)
        """Updates of legs whose names are still to be learned."""
        self._changes: OrderedDict[str, _Change] = OrderedDict()
        """By the client id of the order that is to stand instead."""
        self._instead: OrderedDict[str, OrderRow] = OrderedDict()
        """The answers to changes, by the id of the order that is to be replaced."""
        self._gone: OrderedDict[str, None] = OrderedDict()
        """Orders that were replaced before the answer to the change came."""
        self._before: OrderedDict[str, Decimal] = OrderedDict()
        """What the orders that were replaced have filled, by the id of the one that stands."""

    # -- answers to requests ---------------------------------------------------------------

    def placed(self, order_ids: Sequence[ClientOrderId], reply: HttpReply) -> None:
        """Judge the answer to placing an order, or a group: its legs come inside."""
        if reply.status == 200:
            try:
                row = decode(ORDER, reply)
                order_state(row)
            except DataError as error:
                self._unknown(order_ids, str(error))
                return
            self._took(order_ids, row)
            return
        body = error_of(reply)
        if is_undecided(reply, body):
            words = body.message if body else "no reason given"
            self._unknown(order_ids, f"status {reply.status}: {words}")
        else:
            for order_id in order_ids:
                self._tell.refused(order_id, *refusal(reply, body))

    def cancel_answered(self, order_id: ClientOrderId, reply: HttpReply) -> None:
        """Judge the answer to a cancel that no more can be done about; 204 only promises one."""
        body = error_of(reply)
        if reply.status != 204 and not is_undecided(reply, body):
            self._tell.cancel_refused(order_id, *refusal(reply, body))

    def expect_change(self, order: Order, change: AmendSubmitted, client_id: str) -> None:
        """Note a change that is about to be sent, and the client id it is sent with."""
        size = change.size if change.size is not None else order.intent.size
        _keep(self._changes, client_id, _Change(order.id, size))

    def changed(self, order_id: ClientOrderId, old_id: str, reply: HttpReply) -> None:
        """Judge the answer to a change: the order is replaced once the market says so."""
        if reply.status == 200:
            try:
                row = decode(ORDER, reply)
            except DataError:
                return
            self._names.note(row.id, order_id)
            _keep(self._instead, old_id, row)
            if old_id in self._gone:
                self._amended(row)
            return
        body = error_of(reply)
        if not is_undecided(reply, body):
            self._tell.amend_refused(order_id, *refusal(reply, body))

    # -- the stream ------------------------------------------------------------------------

    def update(self, update: Update) -> None:
        """Take one step of an order.

        Raises:
            DataError: It cannot be right.
        """
        row = update.order
        if self._names.learn(row):
            self.catch_up()
        if self._names.lacks(row):
            self._early.append(update)
            return
        order_id = self._names.of(row)
        if self._tell.once.ours(order_id):
            self._step(order_id, update)

    def catch_up(self) -> None:
        """Tell what was held back, for names may have been learned meanwhile."""
        early, self._early = self._early, deque(maxlen=_HELD_BACK)
        for update in early:
            if self._names.lacks(update.order):
                self._early.append(update)
            elif self._tell.once.ours(self._names.of(update.order)):
                self._step(self._names.of(update.order), update)

    def _step(self, order_id: ClientOrderId, update: Update) -> None:
        row, at_ns = update.order, nanoseconds(update.timestamp) if update.timestamp else 0
        match update.event:
            case "new" | "accepted" | "pending_new" | "held":
                if row.replaces:
                    self._amended(row)
                else:
                    self._tell.accepted(order_id, row.id, at_ns)
            case "fill" | "partial_fill":
                self._tell.filled(self._fill(order_id, update, at_ns))
            case "canceled":
                filled = self._filled(row)
                self._tell.canceled(order_id, at_ns, filled=filled, venue_order_id=row.id)
            case "expired":
                why, filled = f"the venue ended it ({row.time_in_force})", self._filled(row)
                self._tell.expired(order_id, why, at_ns, filled=filled, venue_order_id=row.id)
            case "rejected" if row.replaces:
                words = "the order it became was refused"
                self._tell.amend_refused(order_id, "rejected", words)
            case "rejected":
                self._tell.refused(order_id, "rejected", "the venue rejected it")
                # It was told to be there before: what is left is its end.
                why = "the venue rejected it after its ack"
                self._tell.expired(order_id, why, at_ns, filled=self._filled(row))
            case "replaced":
                self._replaced(row)
            case "order_replace_rejected":
                self._tell.amend_refused(order_id, "replace_rejected", "the venue refused it")
            case "order_cancel_rejected":
                self._tell.cancel_refused(order_id, "cancel_rejected", "the venue refused it")
            # The others (done_for_day, stopped, calculated, suspended, pending...) end nothing.

    def _took(self, order_ids: Sequence[ClientOrderId], row: OrderRow) -> None:
        legs = row.legs or []
        if self._names.learn(row):
            self.catch_up()
        if len(order_ids) != 1 + len(legs):
            # The answer does not say what became of the legs: the venue is to be asked.
            self._unknown(order_ids[1:], f"answered with {len(legs)} legs")
        for each in (row, *legs):
            order_id = self._names.of(each)
            if order_state(each) is OrderState.REJECTED:
                self._tell.refused(order_id, "rejected", "the venue rejected it without a reason")
            elif order_id in order_ids:
                self._tell.accepted(order_id, each.id, order_time(each))

    def _filled(self, row: OrderRow) -> Decimal | None:
        """Return what an order and those it replaced have filled, None where that is not known."""
        before = self._before.get(row.id) if row.replaces else Decimal(0)
        return None if before is None or row.filled is None else before + row.filled

    def _replaced(self, row: OrderRow) -> None:
        filled = self._filled(row)
        if row.replaced_by and filled is not None:
            _keep(self._before, row.replaced_by, filled)
        instead = self._instead.get(row.id)
        if instead is not None:
            self._amended(instead)
        else:
            _keep(self._gone, row.id, None)

    def _amended(self, row: OrderRow) -> None:
        """Tell that an order stands in another's place, if we had it put there."""
        change = self._changes.get(row.client_order_id)
        if change is None:
            return
        self._names.note(row.id, change.order_id)
        self._tell.amended(
            change.order_id,
            size=change.size,
            price=row.limit_price,
            trigger_price=row.stop_price,
            ts_event_ns=order_time(row),
            venue_order_id=row.id,
        )

    def _fill(self, order_id: ClientOrderId, update: Update, at_ns: int) -> OrderFilled:
        price, qty = update.price, update.qty
        if not update.execution_id or price is None or qty is None or qty <= 0 or price <= 0:
            raise DataError(
                f"a fill needs execution_id, price and qty, was {update.execution_id!r} "
                f"price={price} qty={qty} (order {order_id})"
            )
        ours = self._symbols.ours(update.order.symbol)
        return OrderFilled(
            client_order_id=order_id,
            venue=self._tell.venue,
            instrument_id=ours,
            venue_order_id=VenueOrderId(update.order.id),
            execution_id=ExecutionId(update.execution_id),
            side=side_of(update.order.side),
            price=price,
            size=qty,
            # What it cost comes later, as an activity of the account.
            fee=Decimal(0),
            fee_asset=self._symbols.quote(ours),
            maker=False,
            ts_event_ns=at_ns,
            ts_ns=self._tell.now_ns(),
        )

    def _unknown(self, order_ids: Sequence[ClientOrderId], reason: str) -> None:
        for order_id in order_ids:
            self._tell.unknown(order_id, reason)


def is_undecided(reply: HttpReply, body: ErrorBody | None) -> bool:
    """Return whether a status other than that of success leaves open what became of a request."""
    if reply.status in _FRONT:
        return False
    if reply.status >= 500 or body is None:
        return True
    return _TAKEN in body.message


def refusal(reply: HttpReply, body: ErrorBody | None) -> tuple[str, str]:
    """Return the venue's code and words of a refusal."""
    if body is not None:
        return str(body.code or reply.status), body.message
    wait = f", come back in {reply.retry_after_s:g} s" if reply.retry_after_s else ""
    return str(reply.status), f"the venue lets nothing through (status {reply.status}{wait})"


def blocked(account: Account) -> str:
    """Return why an account cannot trade, empty when it can."""
    words = [] if account.status == "ACTIVE" else [f"its status is {account.status}"]
    words += ["trading is blocked"] if account.trading_blocked else []
    words += ["the account is blocked"] if account.account_blocked else []
    words += ["its owner has suspended trading"] if account.trade_suspended_by_user else []
    return ", ".join(words)


def _keep(store: OrderedDict[str, _Kept], key: str, value: _Kept) -> None:
    store[key] = value
    if len(store) > _REMEMBERED:
        store.popitem(last=False)
