"""Funding that OKX has settled: ``GET /api/v5/public/funding-rate-history``."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from core.feeds.answers import decoded
from core.model.funding import FundingPaid, whole_second

PAGE = 100
"""Most rows of an answer."""


class _Row(msgspec.Struct):
    fundingTime: str
    fundingRate: Decimal
    realizedRate: str = ""


class _Page(msgspec.Struct):
    data: list[_Row]


def read_funding(body: bytes, what: str) -> list[FundingPaid]:
    """Return the payments of an answer, oldest first; what was paid is the realized rate.

    ::

        {"code":"0","msg":"","data":[{"fundingRate":"0.000227985782722","fundingTime":
          "1703059200000","instId":"BTC-USD-SWAP","realizedRate":"0.0002279755647389", ...}]}

    Raises:
        DataError: It is not that.
    """
    rows = decoded(body, _Page, what).data
    return sorted(
        (
            FundingPaid(
                whole_second(int(row.fundingTime)),
                Decimal(row.realizedRate) if row.realizedRate else row.fundingRate,
            )
            for row in rows
        ),
        key=lambda paid: paid.at_ns,
    )
