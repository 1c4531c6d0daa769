"""Cancels of one moment together: twenty plain orders or ten algo orders to a request.

Each row of the answer is judged for itself. What a row leaves open is left to the engine, which
asks how the order stands; what was refused before it was looked at goes once more by itself.

https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-cancel-multiple-orders
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

from core.model.orders import Order
from core.venues.errands import asked
from core.venues.okx.answers import Answers
from core.venues.okx.messages import ACKED
from core.venues.okx.names import to_wire
from core.venues.okx.parse import Body
from core.venues.okx.rest import TOO_MANY, OkxRest, verdicts
from core.venues.symbols import Symbols
from core.wire.http import HttpReply

PLAIN: Final = 20
WAITING: Final = 10
"""Orders to a request, as its paths take them."""

_log = logging.getLogger(__name__)


class BulkCancels:
    """Sends cancels of many orders, all of them ours, each named.

    Args:
        single: Cancels one order by a request of its own.
        late: Looks at an answer for words on our time stamp.
    """

    def __init__(
        self,
        rest: OkxRest,
        *,
        symbols: Symbols,
        answers: Answers,
        single: Callable[[Order], Awaitable[None]],
        late: Callable[[HttpReply], None],
    ) -> None:
        self._rest = rest
        self._symbols = symbols
        self._answers = answers
        self._single = single
        self._late = late

    def parts(self, orders: Sequence[Order]) -> list[list[Order]]:
        """Return orders as they go to requests: by instrument, and waiting ones apart."""
        sorts: dict[tuple[str, bool], list[Order]] = {}
        for order in orders:
            key = (order.intent.instrument_id, self._waits(order))
            sorts.setdefault(key, []).append(order)
        return [
            some[first : first + most]
            for (_, waits), some in sorts.items()
            for most in [WAITING if waits else PLAIN]
            for first in range(0, len(some), most)
        ]

    async def send(self, orders: Sequence[Order]) -> None:
        """Cancel some orders of one part."""
        if len(orders) == 1:
            await self._single(orders[0])
            return
        refused = self._answers.teller.cancel_refused

        def all_refused(code: str, reason: str) -> None:
            for order in orders:
                refused(order.id, code, reason)

        # Whether one has been triggered meanwhile is known by now, if it ever was.
        waits = self._waits(orders[0])
        reply = await asked(
            self._request(orders, waits=waits),
            refused=all_refused,
            lost=partial(_log.warning, "cancel of %d orders: %s", len(orders)),
        )
        if reply is None:
            return
        self._late(reply)
        told = verdicts(reply, ACKED, len(orders))
        for order, said in zip(orders, told, strict=True):
            if not said.decided or said.done:
                continue
            if waits or said.code in TOO_MANY or reply.status == 429:
                # It may have been triggered a moment ago, or was not looked at.
                await self._single(order)
            else:
                refused(order.id, said.code, said.words)

    async def _request(self, orders: Sequence[Order], *, waits: bool) -> HttpReply:
        body = [self._named(order, waits=waits) for order in orders]
        path = "trade/cancel-algos" if waits else "trade/cancel-batch-orders"
        return await self._rest.send(path, body, patient=True)

    def _named(self, order: Order, *, waits: bool) -> Body:
        body: Body = {"instId": self._symbols.wire(order.intent.instrument_id)}
        child = self._answers.child(order)
        if waits:
            body["algoClOrdId"] = to_wire(order.id)
        elif child is None:
            body["clOrdId"] = to_wire(order.id)
        else:
            body["ordId"] = child
        return body

    def _waits(self, order: Order) -> bool:
        return order.intent.type.conditional and self._answers.child(order) is None
