"""Our client order ids in Alpaca's, and back: of groups sent whole, and of orders replaced.

Alpaca gives the legs of a group ids of its own and a replaced order a new one; up to 128 characters
of ours are kept with the order that is sent. So that nothing must be remembered over a restart::

    clxt-0001~clxt-0001-t~clxt-0001-s     a group: entry, target, stop, as far as it has them
    clxt-0001.lx5k2m9a                    what stands in the place of clxt-0001

Whoever gives an order an id of his own does so with letters that leave both marks free, so what is
in that form is read as ours; the engine leaves alone what it never sent.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from core.model.ids import ClientOrderId, origin_of
from core.venues.alpaca.messages import OrderRow

_WITH: Final = "~"
_AGAIN: Final = "."
_OURS: Final = re.compile(r"([\w-]{1,32}(?:~[\w-]{1,32}){0,2})(?:\.[0-9a-z]{8,9})?", re.ASCII)
"""Up to three ids of ours, and when what was sent so was replaced, in ms and to the base of 36."""
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_REMEMBERED: Final = 50_000


def group_name(order_ids: Sequence[ClientOrderId]) -> str:
    """Return the client id of a group sent whole."""
    return _WITH.join(order_ids)


def replaced_name(name: str, ts_ms: int) -> str:
    """Return the client id of what stands from a time on in the place of what was sent so."""
    text = ""
    while ts_ms:
        ts_ms, digit = divmod(ts_ms, 36)
        text = _DIGITS[digit] + text
    return f"{name}{_AGAIN}{text}"


def named(client_id: str) -> tuple[ClientOrderId, ...]:
    """Return the orders of ours a client id names; another's is left as it is."""
    found = _OURS.fullmatch(client_id)
    if found is None:
        return (ClientOrderId(client_id),)
    return tuple(map(ClientOrderId, found[1].split(_WITH)))


class Names:
    """Knows what the venue's ids stand for, as far as it was told."""

    def __init__(self) -> None:
        self._ours: OrderedDict[str, ClientOrderId] = OrderedDict()
        """Legs of groups by the venue's id."""
        self._groups: OrderedDict[ClientOrderId, str] = OrderedDict()
        """What groups were sent as, by the order that was sent."""

    def sent_as(self, order_id: ClientOrderId) -> str:
        """Return the client id an order was first sent with, as far as it was told."""
        return self._groups.get(order_id, order_id)

    def learn(self, row: OrderRow) -> bool:
        """Note the legs of an order; return whether it told any that was not known."""
        ids = named(row.client_order_id)
        fresh = False
        if len(ids) > 1:
            self._groups[ids[0]] = group_name(ids)
            if len(self._groups) > _REMEMBERED:
                self._groups.popitem(last=False)
        for leg in row.legs or ():
            mine = _leg_name(ids, leg)
            if mine is not None and self._ours.get(leg.id) != mine:
                fresh = True
                self.note(leg.id, mine)
        return fresh

    def note(self, venue_order_id: str, order_id: ClientOrderId) -> None:
        """Note which order of ours one of the venue's is."""
        self._ours[venue_order_id] = order_id
        if len(self._ours) > _REMEMBERED:
            self._ours.popitem(last=False)

    def of(self, row: OrderRow) -> ClientOrderId:
        """Return our id of an order, the venue's client id where we know none."""
        return self._ours.get(row.id) or named(row.client_order_id)[0]

    def lacks(self, row: OrderRow) -> bool:
        """Return whether an order may be a leg of ours whose name is still to be learned."""
        linked = row.order_class in {"bracket", "oco", "oto"}
        alone = len(named(row.client_order_id)) == 1 and origin_of(row.client_order_id) is None
        return linked and alone and row.id not in self._ours


def _leg_name(ids: Sequence[ClientOrderId], leg: OrderRow) -> ClientOrderId | None:
    """Return which of a group's orders a leg is: the target has a limit alone."""
    rest = ids[1:]
    if len(rest) < 2:
        return rest[0] if rest else None
    return rest[0] if leg.type == "limit" else rest[1]
