"""What becomes of an intent on its way: sent as it is or in plainer words, held, or refused."""

from __future__ import annotations

from typing import Literal

import msgspec

from core.model.abilities import VenueAbilities
from core.model.instruments import Instrument
from core.model.orders import Link, OrderIntent, OrderType, PositionSide, Role, TimeInForce
from core.trading.form import Denial

Waits = Literal["", "trigger", "parent", "replace"]


def waits_for(intent: OrderIntent, instrument: Instrument, abilities: VenueAbilities) -> Waits:
    """Return what the engine must wait for before it sends an order, empty: nothing.

    Of two exits of a holding only one can rest at the venue, for each would lock the same asset:
    the stop stays here unless the venue links them itself.
    """
    if intent.replaces is not None:
        return "replace"
    if intent.parent_id is not None:
        return "parent"
    return "trigger" if holds_trigger(intent, instrument, abilities) else ""


def holds_trigger(intent: OrderIntent, instrument: Instrument, abilities: VenueAbilities) -> bool:
    """Return whether the engine watches a conditional order's trigger, not the venue."""
    if not intent.type.conditional:
        return False
    linked = intent.link in {Link.OCO, Link.BRACKET} and intent.link not in abilities.links
    shares = linked and not instrument.derivative and intent.role is Role.STOP
    return (
        shares
        or intent.type not in abilities.types
        or intent.trigger_by not in abilities.triggers
        or (intent.type is OrderType.TRAILING_STOP and not _trails_there(intent, abilities))
    )


def _trails_there(intent: OrderIntent, abilities: VenueAbilities) -> bool:
    """Return whether the venue can follow at just this distance, from where the market is now."""
    if intent.trigger_price is not None:
        return False
    if intent.trail_pct is None:
        return abilities.trail_prices
    if abilities.trail_pct is None:
        return False
    least, most, step = abilities.trail_pct
    return least <= intent.trail_pct <= most and not intent.trail_pct % step


def lacks(intent: OrderIntent, abilities: VenueAbilities) -> Denial | None:
    """Return what the venue lacks for an order and the engine cannot do in its place."""
    if intent.post_only and not abilities.post_only:
        return Denial("post_only", "the venue has no post-only orders")
    net = intent.position_side is PositionSide.NET
    if abilities.hedging is not None and abilities.hedging is net:
        held = "apart: say which, long or short" if abilities.hedging else "as one: say neither"
        return Denial(
            "position_side",
            f"the account holds long and short {held}, was {intent.position_side}; "
            "if that was changed at the venue, `clx reconcile` reads it anew",
        )
    if intent.extended_hours and (denial := _outside(intent, abilities)) is not None:
        return denial
    if intent.display_size is not None and not abilities.iceberg:
        return Denial("display_size", "the venue has no iceberg orders")
    tif = intent.time_in_force
    if not lives_there(tif, abilities) and not _goes_by_day(intent, abilities):
        known = ", ".join(sorted(abilities.times))
        return Denial("time_in_force", f"the venue has no {tif} orders, only {known}")
    return None


def _outside(intent: OrderIntent, abilities: VenueAbilities) -> Denial | None:
    """Return why an order cannot trade outside of regular hours."""
    if not abilities.extended_hours:
        return Denial("extended_hours", "the venue has none for this instrument; drop ext")
    tif = intent.time_in_force
    if intent.type is OrderType.LIMIT and tif in {TimeInForce.DAY, TimeInForce.GTC}:
        if intent.link is Link.NONE:
            return None
        return Denial("extended_hours", f"an order of a group ({intent.link}) has regular hours")
    return Denial(
        "extended_hours", f"only limit orders of day or gtc have them, was {intent.type} {tif}"
    )


def lives_there(tif: TimeInForce, abilities: VenueAbilities) -> bool:
    """Return whether orders of a life can rest at the venue; the engine ends GTD ones itself."""
    if tif is TimeInForce.GTD and TimeInForce.GTC in abilities.times:
        return True
    return tif in abilities.times


def _goes_by_day(intent: OrderIntent, abilities: VenueAbilities) -> bool:
    """Return whether an order at market may be sent for the day, where the venue has no other life.

    It trades at once, or at the next opening: how much longer it might live makes no difference.
    """
    lives = intent.time_in_force in {TimeInForce.GTC, TimeInForce.IOC}
    return lives and not intent.type.limited and TimeInForce.DAY in abilities.times


def wire_form(
    intent: OrderIntent, abilities: VenueAbilities, *, triggered: bool = False
) -> OrderIntent:
    """Return an order as the venue gets it, once what the engine does itself is left out."""
    changes: dict[str, object] = {}
    if triggered and intent.type.conditional:
        changes["type"] = OrderType.LIMIT if intent.type.limited else OrderType.MARKET
        changes["trigger_price"] = changes["trail"] = changes["trail_pct"] = None
    if intent.reduce_only and not abilities.reduce_only:
        changes["reduce_only"] = False
    if not lives_there(intent.time_in_force, abilities) and _goes_by_day(intent, abilities):
        changes["time_in_force"] = TimeInForce.DAY
    if ends_here(intent, abilities):
        changes["time_in_force"] = TimeInForce.GTC
        changes["expire_ns"] = 0
    return msgspec.structs.replace(intent, **changes) if changes else intent


def ends_here(intent: OrderIntent, abilities: VenueAbilities) -> bool:
    """Return whether the engine ends a GTD order, not the venue."""
    return intent.time_in_force is TimeInForce.GTD and TimeInForce.GTD not in abilities.times
