"""Funding that USD-M has settled: ``GET /fapi/v1/fundingRate``."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from core.feeds.answers import decoded
from core.model.funding import FundingPaid, whole_second


class _Row(msgspec.Struct):
    fundingTime: int
    fundingRate: Decimal
    markPrice: str = ""


def read_funding(body: bytes, what: str) -> list[FundingPaid]:
    """Return the payments of an answer, oldest first; old ones have no mark price.

    ::

        [{"symbol":"BTCUSDT","fundingRate":"-0.03750000","fundingTime":1570608000000,
          "markPrice":"34287.54619963"}]

    Raises:
        DataError: It is not that.
    """
    return [
        FundingPaid(
            whole_second(row.fundingTime),
            row.fundingRate,
            Decimal(row.markPrice) if row.markPrice else None,
        )
        for row in decoded(body, list[_Row], what)
    ]
