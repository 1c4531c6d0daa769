"""Risk limits of Bybit: ``GET /v5/market/risk-limit``."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from core.feeds.answers import decoded
from core.feeds.bybit.frames import Answer
from core.model.errors import DataError
from core.model.instruments import Instrument
from core.model.tiers import MarginTiers, Tier, checked

_HUNDRED: Final = Decimal(100)
_ROUNDED: Final = Decimal("0.05")
"""Leverages are cut to two places, so their product with the margin is not quite 1."""


class _Row(msgspec.Struct):
    symbol: str
    riskLimitValue: Decimal
    maintenanceMargin: Decimal
    initialMargin: Decimal
    maxLeverage: Decimal
    mmDeduction: str = ""


class _Rows(msgspec.Struct):
    rows: list[_Row] = msgspec.field(name="list")


def read_tiers(body: bytes, instrument: Instrument, what: str) -> MarginTiers | None:
    """Return an instrument's tiers out of an answer, None where it lists none of it.

    ::

        {"retCode":0,"retMsg":"OK","result":{"category":"linear","list":[{"id":1,"symbol":
          "BTCUSDT","riskLimitValue":"2000000","maintenanceMargin":"0.005","initialMargin":"0.01",
          "isLowestRisk":1,"maxLeverage":"100.00","mmDeduction":""}, ...]}, ...}

    Limits are in the asset profit is paid in: ``150`` of ``BTCUSD`` are BTC. The documentation's
    own example has both rates in per cent (``"0.5"``, ``"1"`` beside a leverage of 100), answers
    have fractions: initial margin times leverage is 1 or 100 and tells which. Tiers without a
    deduction, as the lowest one is, have their rate on the whole position.

    Raises:
        DataError: It is not that, or the tiers make no sense.
    """
    rows = decoded(body, Answer[_Rows], what).result.rows
    mine = [row for row in rows if row.symbol == instrument.venue_symbol]
    if not mine:
        return None
    mine.sort(key=lambda row: row.riskLimitValue)
    table = MarginTiers(
        instrument_id=instrument.id,
        measure="worth",
        tiers=tuple(
            Tier(
                up_to=row.riskLimitValue,
                rate=row.maintenanceMargin / _unit(row, what),
                deduction=_deduction(row, what),
                max_leverage=row.maxLeverage,
            )
            for row in mine
        ),
        said=f"{instrument.venue}'s risk limits",
    )
    return checked(table, what)


def _unit(row: _Row, what: str) -> Decimal:
    """Return what rates are in: 1, or 100 where they are per cent."""
    whole = row.initialMargin * row.maxLeverage
    for unit in (Decimal(1), _HUNDRED):
        if abs(whole / unit - 1) <= _ROUNDED:
            return unit
    raise DataError(
        f"{what}: an initial margin of {row.initialMargin} does not go with a leverage of "
        f"{row.maxLeverage}"
    )


def _deduction(row: _Row, what: str) -> Decimal:
    try:
        return Decimal(row.mmDeduction or "0")
    except ArithmeticError:
        raise DataError(f"{what}: mmDeduction must be a number, was {row.mmDeduction!r}") from None
