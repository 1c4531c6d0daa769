"""The instruments as the trading core sees them, also those the venue has not listed yet."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Final

from core.model.ids import InstrumentId, split_instrument_id
from core.model.instruments import Instrument

_STEP: Final = Decimal("1e-8")


def listed(
    instruments: Mapping[InstrumentId, Instrument], instrument_id: InstrumentId
) -> Instrument:
    """Return the listed instrument, or what its name alone says: base, quote and venue.

    A journal is replayed before any venue answers, and may name what is no longer listed; money
    must be booked all the same. Such a stand-in is not tradable.

    Raises:
        ConfigError: The name is no ``SYMBOL.venue``.
    """
    found = instruments.get(instrument_id)
    return _stand_in(instrument_id) if found is None else found


@lru_cache(maxsize=4096)
def _stand_in(instrument_id: InstrumentId) -> Instrument:
    symbol, venue = split_instrument_id(instrument_id)
    base, _, quote = symbol.partition("-")
    return Instrument(
        id=instrument_id,
        venue=venue,
        venue_symbol=symbol,
        base=base,
        quote=quote.partition("-")[0] or base,
        price_tick=_STEP,
        size_lot=_STEP,
        trading=False,
    )
