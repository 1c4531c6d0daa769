"""Funding that Bybit has settled: ``GET /v5/market/funding/history``."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from core.feeds.answers import decoded
from core.feeds.bybit.frames import Answer
from core.model.funding import FundingPaid, whole_second

PAGE = 200
"""Most rows of an answer."""


class _Row(msgspec.Struct):
    fundingRate: Decimal
    fundingRateTimestamp: str


class _Rows(msgspec.Struct):
    rows: list[_Row] = msgspec.field(name="list")


def read_funding(body: bytes, what: str) -> list[FundingPaid]:
    """Return the payments of an answer, oldest first.

    ::

        {"retCode":0,"retMsg":"OK","result":{"category":"linear","list":[{"symbol":"ETHPERP",
          "fundingRate":"0.0001","fundingRateTimestamp":"1672041600000"}]}, ...}

    Raises:
        DataError: It is not that.
    """
    rows = decoded(body, Answer[_Rows], what).result.rows
    return sorted(
        (FundingPaid(whole_second(int(row.fundingRateTimestamp)), row.fundingRate) for row in rows),
        key=lambda paid: paid.at_ns,
    )
