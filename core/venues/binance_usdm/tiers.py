"""Leverage brackets of USD-M as margin tiers."""

from __future__ import annotations

from decimal import Decimal

from core.model.errors import DataError
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.tiers import MarginTiers, Tier, checked
from core.venues.binance_usdm.messages import BracketsRow


def bracket_tiers(row: BracketsRow, instrument: Instrument, account: VenueName) -> MarginTiers:
    """Make tiers of a symbol's brackets, whose caps are notionals in the quote.

    Raises:
        DataError: They leave a gap, or make no sense.
    """
    what = f"leverage brackets of {instrument.id}"
    brackets = sorted(row.brackets, key=lambda each: each.bracket)
    end = Decimal(0)
    for each in brackets:
        if each.notional_floor != end:
            raise DataError(
                f"{what}, bracket {each.bracket}: must begin at {end}, was {each.notional_floor}"
            )
        end = each.notional_cap
    table = MarginTiers(
        instrument_id=instrument.id,
        measure="worth",
        tiers=tuple(
            Tier(
                up_to=each.notional_cap,
                rate=each.maint_margin_ratio,
                deduction=each.cum,
                max_leverage=each.initial_leverage,
            )
            for each in brackets
        ),
        said=f"brackets of the account {account}",
    )
    return checked(table, what)
