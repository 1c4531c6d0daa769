"""Alpaca's truth in the suite's words: our ids, one row an order, shares among the balances."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec

from core.model.ids import ClientOrderId
from core.venues.alpaca.names import named
from core.venues.alpaca.parse import execution_id
from core.venues.conformance.control import Control
from core.venues.conformance.truth import AccountTruth, BalanceTruth, FillTruth, Oracle, OrderTruth

_NO_LIMIT: Final = 10_000_000


class AlpacaControl(Control):
    """Control of an emulated Alpaca; its paper account is the one that is traded."""

    async def mend(self) -> None:
        """Disarm every fault; requests stay unlimited, so that cases need not wait."""
        await super().mend()
        await self.arm("weight_limit", value=_NO_LIMIT)

    async def account(self) -> AccountTruth:
        """Return everything of the paper account."""
        told = await self._ask("GET", f"oracle?venue={self.venue}", Oracle)
        return in_our_words(told.accounts[0])


def in_our_words(account: AccountTruth) -> AccountTruth:
    """Return an account as an engine should have it.

    Legs and what was put in an order's place carry our ids; fills tell neither fee nor role, for
    the venue does not: what they cost shows in the balances alone.
    """
    ours = _ids(account.orders)
    orders: dict[ClientOrderId, OrderTruth] = {}
    for row in account.orders:
        order_id = ours[row.id]
        earlier = orders.get(order_id)
        before = earlier.filled if earlier is not None else Decimal(0)
        orders[order_id] = msgspec.structs.replace(
            row,
            client_id=order_id,
            parent="",
            filled=before + row.filled,
            size=f"{before + Decimal(row.size):f}",
        )
    balances = {
        row.symbol.partition("/")[0]: BalanceTruth(total=row.size) for row in account.positions
    }
    return msgspec.structs.replace(
        account,
        orders=list(orders.values()),
        fills=[_fill(row, ours[row.order_id]) for row in account.fills],
        positions=[],
        balances=account.balances | balances,
    )


def _ids(rows: Sequence[OrderTruth]) -> dict[str, ClientOrderId]:
    """Return our id of each order by the venue's."""
    by_id = {row.id: row for row in rows}
    ours: dict[str, ClientOrderId] = {}
    for row in rows:
        ids = named(row.client_id)
        head = by_id.get(row.parent)
        rest = named(head.client_id)[1:] if head is not None else ()
        if head is None or not rest or ids[0] in rest:
            ours[row.id] = ids[0]
        elif len(rest) == 1:
            ours[row.id] = rest[0]
        else:
            ours[row.id] = rest[0] if row.type == "limit" else rest[1]
    return ours


def _fill(row: FillTruth, order_id: ClientOrderId) -> FillTruth:
    return msgspec.structs.replace(
        row,
        id=execution_id(row.id),
        client_id=order_id,
        fee=Decimal(0),
        maker=False,
    )
