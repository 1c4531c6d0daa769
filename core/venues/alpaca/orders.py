"""Orders as the venue has them: one of ours may be a chain of the venue's, each replacing the last.

::

    clxt-0001 ──replaced_by──► clxt-0001.lx5k2m9a ──replaced_by──► clxt-0001.lx5k2mzz
      filled 3                   filled 2                            open, 5 left: 5 of 10 filled
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec

from core.model.errors import TemporaryError, VenueError
from core.model.ids import ClientOrderId, VenueOrderId
from core.model.orders import Order, OrderState, VenueOrder
from core.venues.alpaca.messages import ORDER, ORDERS, OrderRow
from core.venues.alpaca.names import Names
from core.venues.alpaca.parse import moment, order_state, order_time, order_type, side_of
from core.venues.alpaca.rest import AlpacaRest, Param
from core.venues.symbols import Symbols

PAGE: Final = 500
_MOST_PAGES: Final = 200
_LONGEST_CHAIN: Final = 10_000
_REMEMBERED: Final = 20_000
_LEEWAY_NS: Final = 60_000_000_000
_NONE: Final = Decimal(0)


class Chain(msgspec.Struct, frozen=True):
    """An order of ours, as the venue's orders that carried it make it."""

    last: OrderRow
    """The one that stands."""
    before: Decimal
    """What the others have filled."""


class OrderBook:
    """Finds orders; remembers those that were replaced, for they change no more."""

    def __init__(self, rest: AlpacaRest, names: Names) -> None:
        self._rest = rest
        self._names = names
        self._replaced: OrderedDict[str, OrderRow] = OrderedDict()

    async def chain(self, order: Order) -> Chain | None:
        """Ask for an order of ours; None is the venue's definite "no such order".

        Raises:
            TemporaryError: The venue did not answer; nothing is known.
            VenueError: It refused to say.
        """
        row = await self._row(order)
        return None if row is None else await self.follow(row)

    async def follow(self, row: OrderRow) -> Chain:
        """Go from any order of a chain to its end, and count what was filled before.

        Raises:
            TemporaryError: The venue did not answer; nothing is known.
            VenueError: It refused to say.
        """
        for _ in range(_LONGEST_CHAIN):
            if row.status != "replaced" or not row.replaced_by:
                break
            self._remember(row)
            row = await self._by_id(row.replaced_by)
        before, earlier = _NONE, row.replaces
        while earlier:
            found = self._replaced.get(earlier) or await self._by_id(earlier)
            self._remember(found)
            before += found.filled_qty
            earlier = found.replaces
        return Chain(row, before)

    async def listed(
        self, status: str, *, nested: bool = False, since_ns: int = 0
    ) -> list[OrderRow]:
        """Return the account's orders of a status, oldest first, all pages.

        Raises:
            TemporaryError: The venue did not answer.
            VenueError: It refused to say.
        """
        rows: list[OrderRow] = []
        where: list[Param] = [("after", moment(since_ns))] if since_ns else []
        for _ in range(_MOST_PAGES):
            params = [
                ("status", status),
                ("limit", str(PAGE)),
                ("direction", "asc"),
                ("nested", "true" if nested else "false"),
                *where,
            ]
            page = await self._rest.read("/v2/orders", params, ORDERS)
            rows += page
            if len(page) < PAGE:
                return rows
            where = [("after_order_id", page[-1].id)]
        raise TemporaryError(f"more than {_MOST_PAGES * PAGE} {status} orders")

    async def learn_groups(self, since_ns: int) -> None:
        """Learn the names of the legs of groups sent since a time.

        Raises:
            TemporaryError: The venue did not answer.
            VenueError: It refused to say.
        """
        for row in await self.listed("all", nested=True, since_ns=since_ns):
            self._names.learn(row)

    async def _row(self, order: Order) -> OrderRow | None:
        found: OrderRow
        try:
            if order.venue_order_id is not None:
                found = await self._by_id(order.venue_order_id)
                self._names.note(found.id, order.id)
                return found
            params = [("client_order_id", str(order.id))]
            found = await self._rest.read("/v2/orders:by_client_order_id", params, ORDER)
            self._names.learn(found)
            return found
        except VenueError as error:
            if error.code != "404":
                raise
        if not order.intent.group_id or order.venue_order_id is not None:
            return None
        since_ns = max(1, order.ts_submitted_ns - _LEEWAY_NS)
        for row in await self.listed("all", nested=True, since_ns=since_ns):
            self._names.learn(row)
            for each in flat([row]):
                if self._names.of(each) == order.id:
                    return each
        return None

    async def _by_id(self, venue_order_id: str) -> OrderRow:
        row = await self._rest.read(f"/v2/orders/{venue_order_id}", [("nested", "true")], ORDER)
        self._names.learn(row)
        return row

    def _remember(self, row: OrderRow) -> None:
        self._replaced[row.id] = row
        if len(self._replaced) > _REMEMBERED:
            self._replaced.popitem(last=False)


def venue_order(
    chain: Chain, order_id: ClientOrderId, symbols: Symbols, *, known: bool = False
) -> VenueOrder:
    """Make an order of a chain; `known` is whether the venue took it once.

    Raises:
        DataError: A status, type or side is none the venue documents.
    """
    row = chain.last
    state = order_state(row)
    if state is OrderState.ACCEPTED and chain.before:
        state = OrderState.PARTIALLY_FILLED
    if state is OrderState.REJECTED and (known or chain.before):
        # Taken first and refused by the exchange behind it later: that is an end, not a refusal.
        state = OrderState.EXPIRED
    return VenueOrder(
        client_order_id=order_id,
        venue_order_id=VenueOrderId(row.id),
        instrument_id=symbols.ours(row.symbol),
        side=side_of(row.side),
        type=order_type(row),
        price=row.limit_price,
        size=chain.before + (row.qty if row.qty is not None else row.filled_qty),
        filled=chain.before + row.filled_qty,
        state=state,
        ts_event_ns=order_time(row),
        trigger_price=row.stop_price,
        average_price=row.filled_avg_price if not chain.before else None,
    )


def flat(rows: Sequence[OrderRow]) -> list[OrderRow]:
    """Return orders and the legs within them."""
    return [each for row in rows for each in (row, *(row.legs or ()))]
