"""Names people type for orders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from core.model.errors import ConfigError, did_you_mean
from core.model.orders import Order

_SHORTEST: Final = 4
"""Letters at the end of an id that may stand for it."""


def find_order(orders: Sequence[Order], name: str) -> Order:
    """Return the order of an id, or of the end of one where only one has it.

    Raises:
        ConfigError: There is none, or more than one.
    """
    exact = [order for order in orders if order.id == name]
    found = exact or [
        order for order in orders if len(name) >= _SHORTEST and order.id.endswith(name)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(order.id for order in found[:5])
        raise ConfigError(f"{name!r} is the end of {len(found)} orders: {ids}; write more of it")
    near = did_you_mean(name, [order.id for order in orders])
    raise ConfigError(f"no order {name!r} is known{near}; `clx orders --all` lists them")
