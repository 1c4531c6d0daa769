"""Where an account of cross margin would be closed by force, worked out here.

Everything an account holds of the asset a contract pays in stands behind it: the money, the open
profit, less the margin that must stay behind its other contracts. What else a venue may count, such
as other coins, is not: the true price can only be farther away.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final, NamedTuple, TypeAlias

from core.model.ids import VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.orders import PositionSide
from core.model.tiers import MarginTiers
from core.trading.account import Account
from core.trading.net import Net

TiersOf: TypeAlias = Callable[[Instrument], MarginTiers | None]
"""None: nothing is known of an instrument's margin."""
_ZERO: Final = Decimal(0)


class Kept(NamedTuple):
    """What has to stay behind a position, and where it would be closed."""

    maintenance: Decimal
    """In the asset it pays in."""
    price: Decimal | None
    """None: nowhere."""


def kept_behind(
    account: Account,
    venue: VenueName,
    instrument: Instrument,
    side: PositionSide,
    net: Net,
    tiers_of: TiersOf,
    spent: Decimal = _ZERO,
) -> Kept | None:
    """Return what holds of a position, also of one there may be; None: something is not known.

    `net` is the position as it would be; `spent` is what getting there costs, such as fees, and
    negative where it brings something in.
    """
    tiers, mark = tiers_of(instrument), account.mark(instrument)
    if tiers is None or not mark or instrument.kind is InstrumentKind.OPTION:
        return None
    asset = instrument.pays_in
    spare = account.money(venue, asset) - spent
    for item, where, other in account.open_contracts(venue):
        if (item.id, where) == (instrument.id, side) or item.pays_in != asset:
            continue
        price, terms = account.mark(item), tiers_of(item)
        if not price or item.kind is InstrumentKind.OPTION or terms is None:
            return None
        size = abs(other.size)
        spare += other.unrealised(price)
        spare -= terms.maintenance(item, size, other.worth(size, price))
    size = abs(net.size)
    worth = net.worth(size, mark)
    kept = tiers.maintenance(instrument, size, worth)
    if not size:
        return Kept(kept, None)
    met = tiers.liquidation_worth(instrument, net.size, net.cost, worth, spare)
    if not met:
        return Kept(kept, None)
    units = size * instrument.contract_size
    price = units / met if instrument.inverse else met / units
    return Kept(kept, price.quantize(instrument.price_tick.normalize() / 10))
