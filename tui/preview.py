"""What an order would mean, in words, from a ticket's text and the replica alone.

The engine's own checks come beside it through a dry run; here is only what can be said at once.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, TypeAlias

from msgspec import Struct, field

from core.model.errors import ConfigError
from core.model.grammar import parse_number
from core.model.instruments import Instrument
from core.model.views import BookView
from link.replica import Replica

SideName: TypeAlias = Literal["buy", "sell"]


class TicketText(Struct, frozen=True):
    """A ticket's fields as typed."""

    side: SideName
    type: str
    size: str
    price: str
    time_in_force: str = "gtc"
    post_only: bool = False
    reduce_only: bool = False


class Draft(Struct, frozen=True):
    """A ticket's fields as understood; `errors` by field, empty when it may be sent."""

    side: SideName
    type: str
    size: Decimal | None
    price: Decimal | None
    time_in_force: str
    post_only: bool
    reduce_only: bool
    errors: dict[str, str] = field(default_factory=dict)


class Preview(Struct, frozen=True):
    """One line of words per field; empty where nothing can be said yet."""

    size: str = ""
    price: str = ""
    after: str = ""


def read(text: TicketText, instrument: Instrument) -> Draft:
    """Understand a ticket; what cannot be understood becomes an error, never a default."""
    errors: dict[str, str] = {}
    size = _checked(text.size, "size", instrument, errors)
    price = None
    if text.type == "limit":
        price = _checked(text.price, "price", instrument, errors)
    elif text.post_only:
        errors["post"] = "a market order cannot be post-only"
    if text.post_only and text.time_in_force != "gtc":
        errors["post"] = f"post-only rests in the book; {text.time_in_force} never does"
    return Draft(
        text.side,
        text.type,
        size,
        price,
        text.time_in_force,
        text.post_only,
        text.reduce_only,
        errors,
    )


def preview(draft: Draft, instrument: Instrument, replica: Replica) -> Preview:
    """Say what the order would cost, where it would stand and what would be held after it."""
    book = replica.book
    if book is not None and book.instrument_id != instrument.id:
        book = None
    return Preview(
        size=_cost(draft, instrument, replica, book),
        price=_place(draft, instrument, replica, book),
        after=_after(draft, instrument, replica),
    )


def _checked(
    text: str, what: str, instrument: Instrument, errors: dict[str, str]
) -> Decimal | None:
    try:
        value = parse_number(text, what)
        if what == "price":
            return instrument.price(instrument.ticks(value))
        lots = instrument.lots(value)
    except ConfigError as error:
        errors[what] = str(error)
        return None
    if value < instrument.min_size:
        errors[what] = f"size must be at least {instrument.min_size}, was {value}"
    return instrument.size(lots)


def _cost(draft: Draft, instrument: Instrument, replica: Replica, book: BookView | None) -> str:
    price = draft.price if draft.price is not None else _touch(draft.side, instrument, book)
    if draft.size is None or price is None:
        return ""
    cost = draft.size * price
    about = "~ " if draft.price is None else "= "
    words = f"{about}{cost:,.2f} {instrument.quote}"
    if replica.equity > 0:
        words += f"  {cost / replica.equity:.1%} of equity"
    return words


def _touch(side: SideName, instrument: Instrument, book: BookView | None) -> Decimal | None:
    """Return the price a market order would meet first."""
    levels = None if book is None else (book.asks if side == "buy" else book.bids)
    return instrument.price(levels[0][0]) if levels else None


def _place(draft: Draft, instrument: Instrument, replica: Replica, book: BookView | None) -> str:
    if draft.type == "market":
        return "taken at the best prices"
    if draft.price is None:
        return ""
    quote = replica.quotes.get(instrument.id)
    words = []
    if quote is not None and quote.last_ticks:
        apart = draft.price - instrument.price(quote.last_ticks)
        if apart:
            words.append(f"{abs(apart):,f} {'above' if apart > 0 else 'below'} last")
        else:
            words.append("at last")
    if book is not None:
        words.append(_queue(draft, instrument, book))
    return "   ".join(word for word in words if word)


def _queue(draft: Draft, instrument: Instrument, book: BookView) -> str:
    if draft.price is None:
        return ""
    ticks = instrument.ticks(draft.price)
    own, other = (book.bids, book.asks) if draft.side == "buy" else (book.asks, book.bids)
    sign = 1 if draft.side == "buy" else -1
    if other and (ticks - other[0][0]) * sign >= 0:
        return "crosses the spread" if not draft.post_only else "crosses: post-only would refuse"
    ahead = sum(lots for level, lots in own if level == ticks)
    if ahead:
        return f"queue ahead ~{instrument.size(ahead):f}"
    if own and (ticks - own[0][0]) * sign > 0:
        return "new best price"
    return "" if own and (ticks - own[-1][0]) * sign < 0 else "first at its price"


def _after(draft: Draft, instrument: Instrument, replica: Replica) -> str:
    if draft.size is None:
        return ""
    held = replica.position_in(instrument.id)
    size = held.size if held is not None else Decimal(0)
    size += draft.size if draft.side == "buy" else -draft.size
    if not size:
        return "flat"
    return f"{'long' if size > 0 else 'short'} {abs(size).normalize():f} {instrument.base}"
