"""Whether an engine's books say what the oracle says: orders, fills, positions and money."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from core.model.ids import InstrumentId, VenueName
from core.model.orders import Order, OrderState
from core.trading.books import Books
from core.venues.conformance.truth import AccountTruth, FillTruth, OrderTruth

_OPEN: Final = frozenset({OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED})
_STATES: Final[Mapping[str, frozenset[OrderState]]] = {
    "untriggered": _OPEN,
    "open": _OPEN,
    "partially_filled": frozenset({OrderState.PARTIALLY_FILLED}),
    "filled": frozenset({OrderState.FILLED}),
    "canceled": frozenset({OrderState.CANCELED}),
    "expired": frozenset({OrderState.EXPIRED}),
    "rejected": frozenset({OrderState.REJECTED, OrderState.EXPIRED}),
}
_NEVER_SENT: Final = frozenset({OrderState.DENIED, OrderState.HELD})


def disagreements(
    books: Books, venue: VenueName, account: AccountTruth, symbols: Mapping[str, InstrumentId]
) -> Iterator[str]:
    """Yield what the books and the oracle do not say alike.

    `symbols` gives our instrument for the oracle's spelling.
    """
    children = {row.parent: row for row in account.orders if row.parent}
    roots: dict[str, list[OrderTruth]] = defaultdict(list)
    for row in account.orders:
        if not row.parent:
            roots[row.client_id].append(row)
    ours = {item.order.id: item.order for item in books.orders.all()}
    for client_id, rows in roots.items():
        if len(rows) > 1:
            yield f"order {client_id} was sent {len(rows)} times"
        if client_id not in ours:
            yield f"the venue has an order {client_id!r} that nobody asked for"
    for order in ours.values():
        if order.venue == venue:
            found = roots.get(order.id, [None])[-1]
            child = children.get(found.id) if found is not None else None
            yield from _order(order, found, child)
    yield from _fills(books, venue, account)
    yield from _positions(books, venue, account, symbols)
    for asset in sorted({*account.balances, *(a for v, a, _ in books.ledger.totals())}):
        told = account.balances.get(asset)
        theirs = told.total if told is not None else Decimal(0)
        if books.ledger.total(venue, asset) != theirs:
            yield f"{asset}: we hold {books.ledger.total(venue, asset)}, the venue {theirs}"


def _order(order: Order, found: OrderTruth | None, child: OrderTruth | None) -> Iterator[str]:
    if found is None:
        if order.state not in _NEVER_SENT | {OrderState.REJECTED, OrderState.CANCELED}:
            yield f"order {order.id} is {order.state} here, the venue never had it"
        if order.state is OrderState.CANCELED and order.venue_order_id is not None:
            yield f"order {order.id} is canceled here, the venue never had it"
        return
    stands = child if child is not None else found
    if order.state not in _STATES.get(stands.state, frozenset({order.state})):
        yield f"order {order.id} is {order.state} here and {stands.state} at the venue"
    if order.filled != stands.filled:
        yield f"order {order.id} filled {order.filled} here and {stands.filled} at the venue"
    if order.state in _OPEN and stands.size and order.intent.size != Decimal(stands.size):
        yield f"order {order.id} is of {order.intent.size} here and {stands.size} at the venue"
    price = order.intent.price
    if order.state in _OPEN and price is not None and price != Decimal(stands.price or 0):
        yield f"order {order.id} is at {price} here and at {stands.price} at the venue"


def _fills(books: Books, venue: VenueName, account: AccountTruth) -> Iterator[str]:
    theirs: dict[str, FillTruth] = {f"{row.symbol} {row.id}": row for row in account.fills}
    ids = {row.id for row in account.fills}
    ours = [fill for fill in books.fills if fill.venue == venue]
    for fill in ours:
        if fill.inferred:
            yield f"a fill of {fill.client_order_id} was worked out, not told"
        elif fill.execution_id not in ids:
            yield f"fill {fill.execution_id} of {fill.client_order_id} is not the venue's"
    booked = {fill.execution_id: fill for fill in ours}
    if len(booked) != sum(not fill.inferred for fill in ours):
        yield "a fill is booked twice"
    for row in theirs.values():
        mine = booked.get(row.id)  # type: ignore[call-overload]  # an execution id is text
        if mine is None:
            yield f"fill {row.id} of {row.client_id} is not booked"
            continue
        for name, we, they in (
            ("price", mine.price, row.price),
            ("size", mine.size, row.size),
            ("fee", mine.fee, row.fee),
            ("maker", mine.maker, row.maker),
            ("side", mine.side.value, row.side),
            ("position side", mine.position_side.value, row.position_side),
        ):
            if we != they:
                yield f"fill {row.id}: {name} is {we} here and {they} at the venue"
        if row.fee and mine.fee_asset != row.fee_asset:
            yield f"fill {row.id}: fee is in {mine.fee_asset} here, in {row.fee_asset} there"
        if mine.realised is not None and mine.realised != row.realized:
            yield f"fill {row.id}: realised is {mine.realised} here, {row.realized} at the venue"


def _positions(
    books: Books, venue: VenueName, account: AccountTruth, symbols: Mapping[str, InstrumentId]
) -> Iterator[str]:
    theirs = {
        (str(symbols.get(row.symbol, row.symbol)), row.side): row.size
        for row in account.positions
        if row.size
    }
    ours = {
        (str(key[0]), key[1].value): size for key, size in books.account.contracts(venue) if size
    }
    for place in sorted(theirs.keys() | ours.keys()):
        we, they = ours.get(place, Decimal(0)), theirs.get(place, Decimal(0))
        if we != they:
            yield f"position {place[0]} {place[1]}: {we} here and {they} at the venue"
