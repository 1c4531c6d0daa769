"""Margin of Deribit's perpetuals and futures; no endpoint tells it, its help pages do.

::

    initial      1 / max_leverage + growth * coins
    maintenance  half of 1 / max_leverage + growth * coins

"Linear Perpetual" (support.deribit.com): 2 % and 1 % + 0.005 % a BTC, which is listed with a
leverage of 50; 4 % and 2 % + 0.0005 % a SOL, listed with 25. Of other coins the growth is not
stated there, and none is counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from core.model.instruments import Instrument, InstrumentKind
from core.model.tiers import MarginTiers, Tier, checked

GROWTH: Final[Mapping[str, Decimal]] = MappingProxyType(
    {"BTC": Decimal("0.00005"), "SOL": Decimal("0.000005")}
)
"""By coin what a rate grows by with each coin held."""
_KINDS: Final = (InstrumentKind.PERPETUAL, InstrumentKind.FUTURE)
_TWO: Final = Decimal(2)


def margin_of(instrument: Instrument) -> MarginTiers | None:
    """Return what is demanded of a contract, None of an option or where no leverage is listed.

    Raises:
        DataError: The leverage listed makes no sense.
    """
    if instrument.kind not in _KINDS or not instrument.max_leverage:
        return None
    growth = GROWTH.get(instrument.base)
    said = f"{instrument.venue}'s formula"
    if growth is None:
        said += f"; how it grows with size is not known for {instrument.base}"
    table = MarginTiers(
        instrument_id=instrument.id,
        measure="worth",
        tiers=(
            Tier(
                up_to=None,
                rate=1 / instrument.max_leverage / _TWO,
                max_leverage=instrument.max_leverage,
            ),
        ),
        growth=growth or Decimal(0),
        said=said,
    )
    return checked(table, f"margin of {instrument.id}")
