"""What a venue can do with orders of one instrument; what it cannot, the engine does or refuses."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from core.model.orders import Link, OrderType, TimeInForce, TriggerBy


class VenueAbilities(msgspec.Struct, frozen=True, kw_only=True):
    """A venue's own order types and services, as the adapter really uses them."""

    types: frozenset[OrderType] = frozenset({OrderType.MARKET, OrderType.LIMIT})
    """Types the venue holds itself; of the others the engine holds the trigger."""
    times: frozenset[TimeInForce] = frozenset({TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK})
    """Others are refused, save GTD, which the engine ends by a cancel."""
    triggers: frozenset[TriggerBy] = frozenset({TriggerBy.LAST})
    """Prices the venue holds a trigger against."""
    links: frozenset[Link] = frozenset()
    """Groups the venue holds whole; of the others the engine does the linking."""
    amend: Literal["no", "smaller", "any"] = "no"
    """`smaller`: only the size, and only down; `any`: size, price and trigger. What the venue
    cannot amend, the engine cancels and sends anew. A smaller size at the same price keeps its
    place in the queue."""
    amend_types: frozenset[OrderType] = frozenset(OrderType)
    """Types whose orders it can amend."""
    post_only: bool = True
    extended_hours: bool = False
    """It has regular hours, and limit orders that also trade outside of them."""
    reduce_only: bool = False
    """False: the engine's own check alone stands behind it."""
    iceberg: bool = False
    trail_prices: bool = False
    """Trailing stops may be at a distance in price."""
    trail_pct: tuple[Decimal, Decimal, Decimal] | None = None
    """Least, most and step of a trailing stop's distance in per cent; None: no such distances."""
    hedging: bool | None = False
    """Long and short positions are held apart; None while the venue has not told."""
    dead_man: bool = False
    """The venue cancels everything when it does not hear from us; armed and renewed while live."""
    switch: str = ""
    """How the venue's dead-man switch stands while nothing is armed; empty: it has none."""
    private: Literal["native stream", "ccxt stream", "polling", "engine"] = "native stream"
    """How fills arrive."""


PLAIN = VenueAbilities()
"""Market and limit orders, and no more."""
