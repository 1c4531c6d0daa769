"""The journal's records of one order, in words a person reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from core.model.facts import JournalRecord
from core.model.ids import ClientOrderId
from core.model.inspection import ChecksPassed, LifeStep
from core.model.orders import (
    AmendRejected,
    AmendSubmitted,
    CancelRejected,
    CancelSubmitted,
    OrderAccepted,
    OrderAmended,
    OrderCanceled,
    OrderDenied,
    OrderExpired,
    OrderFilled,
    OrderHeld,
    OrderIntent,
    OrderRejected,
    OrderReleased,
    OrderSubmitted,
    OrderTriggered,
    OrderUnknown,
    TimeInForce,
    TriggerMoved,
)

_WAITS = {
    "trigger": "its trigger",
    "parent": "fills of its entry",
    "replace": "the end of the order it replaces",
    "siblings": "the cancels of its siblings",
}
_PASSED = "all passed"
_FORGOTTEN = f"{_PASSED}; their figures are not kept any more"
_DURABLE = "; durable in the journal before any byte was sent"
_HELD = "; durable in the journal"


def steps_of(
    order_id: ClientOrderId,
    records: Iterable[tuple[int, JournalRecord]],
    passed: Iterable[ChecksPassed] = (),
) -> Iterator[LifeStep]:
    """Yield what the records say of one order; those of other orders are passed over.

    What the gate saw of it stands with the record it was let through for.
    """
    seen = {checks.ts_ns: checks for checks in passed}
    for seq, record in records:
        if getattr(record, "client_order_id", None) == order_id:
            yield from _told(seq, record, seen.pop(record.ts_ns, None))


def _told(seq: int, record: JournalRecord, seen: ChecksPassed | None) -> Iterator[LifeStep]:
    ts_ns = record.ts_ns
    venue_ns = getattr(record, "ts_event_ns", 0)

    def checks(more: str = "") -> LifeStep:
        words = _FORGOTTEN if seen is None else f"{_PASSED}: {seen.text}"
        limits = () if seen is None else seen.limits
        return LifeStep(ts_ns=ts_ns, seq=seq, what="checks", text=words + more, limits=limits)

    def step(what: str, text: str) -> LifeStep:
        return LifeStep(ts_ns=ts_ns, venue_ns=venue_ns, seq=seq, what=what, text=text)

    match record:
        case OrderSubmitted(intent=intent):
            yield step("intent", intent_words(intent))
            yield checks(_DURABLE)
        case OrderHeld(intent=intent):
            yield step("intent", intent_words(intent))
            yield checks(_HELD)
            yield step("held", f"by the engine, until {_WAITS[record.waits]}")
        case OrderDenied(intent=intent):
            yield step("intent", intent_words(intent))
            yield step("denied", f"{record.rule}: {record.reason}; nothing was sent")
        case OrderFilled():
            yield step("fill", _fill_words(record))
        case _:
            if seen is not None:
                yield checks()
            yield step(*_plain(record))


def _plain(record: JournalRecord) -> tuple[str, str]:  # noqa: C901  one case per record
    match record:
        case OrderAccepted():
            return "accepted", f"the venue has it as {record.venue_order_id}"
        case OrderRejected():
            return "rejected", f"by the venue, code {record.code}: {record.reason}"
        case OrderUnknown():
            return "unknown", f"{record.reason}; the venue is asked by client order id"
        case OrderReleased():
            size = f", {record.size:f} of it" if record.size is not None else ""
            return "released", f"{record.reason}{size}"
        case OrderTriggered():
            return "triggered", _named("by the venue", record.venue_order_id)
        case TriggerMoved():
            return "trailed", f"its trigger is now {record.trigger_price:f}"
        case AmendSubmitted():
            changed = _changes(record.size, record.price, record.trigger_price)
            return "amend", f"asked for by {record.origin}: {changed}"
        case OrderAmended():
            changed = _changes(record.size, record.price, record.trigger_price)
            return "amended", _named(f"stands with {changed}", record.venue_order_id)
        case AmendRejected():
            return "amend refused", f"code {record.code}: {record.reason}; it stands as it was"
        case CancelSubmitted():
            return "cancel", f"asked for by {record.origin}"
        case CancelRejected():
            return "cancel refused", f"code {record.code}: {record.reason}"
        case OrderCanceled():
            return "canceled", _ended(record.reason or "out of the book", record.filled)
        case OrderExpired():
            return "expired", _ended(record.reason, record.filled)
        case _:
            return type(record).__name__, ""


def intent_words(intent: OrderIntent) -> str:
    """Return what was wanted, by whom and why, in one line."""
    words = [intent.side.value.upper(), f"{intent.size:f}", intent.instrument_id]
    words.append(intent.type.value.replace("_", " "))
    words += [f"@ {intent.price:f}"] if intent.price is not None else []
    if intent.trigger_price is not None:
        words.append(f"trigger {intent.trigger_price:f} ({intent.trigger_by.value})")
    if intent.trail is not None or intent.trail_pct is not None:
        words.append(f"trail {intent.trail:f}" if intent.trail else f"trail {intent.trail_pct:f}%")
    words += [intent.time_in_force.value] if intent.time_in_force is not TimeInForce.GTC else []
    manners = ("post_only", "extended_hours", "reduce_only")
    words += [name for name in manners if getattr(intent, name)]
    words += [f"show {intent.display_size:f}"] if intent.display_size is not None else []
    words += [f"account {intent.account}"] if intent.account is not None else []
    words += [f"{intent.link.value} {intent.role.value}".strip()] if intent.link else []
    words += [f"replaces {intent.replaces}"] if intent.replaces is not None else []
    who = f"strategy {intent.strategy_id}" if intent.strategy_id else intent.origin
    reason = f": {intent.reason}" if intent.reason else ""
    return f"{' '.join(words)}, by {who}{reason}".replace("_", "-")


def _fill_words(fill: OrderFilled) -> str:
    words = f"{fill.size:f} @ {fill.price:f}, fee {fill.fee:f} {fill.fee_asset}"
    words += ", maker" if fill.maker else ", taker"
    words += f", execution {fill.execution_id}"
    return words + (", worked out from the filled total" if fill.inferred else "")


def _changes(size: Decimal | None, price: Decimal | None, trigger: Decimal | None) -> str:
    named = (("size", size), ("price", price), ("trigger", trigger))
    return ", ".join(f"{name} {value:f}" for name, value in named if value is not None)


def _ended(words: str, filled: Decimal | None) -> str:
    return f"{words}, {filled:f} filled in all" if filled else words


def _named(words: str, venue_order_id: str | None) -> str:
    return f"{words}, as {venue_order_id}" if venue_order_id else words
