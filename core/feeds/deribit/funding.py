"""Funding that ran up at Deribit, by the hour: ``public/get_funding_rate_history``."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from core.feeds.answers import decoded
from core.model.funding import FundingPaid, whole_second


class _Hour(msgspec.Struct):
    timestamp: int
    interest_1h: Decimal
    index_price: Decimal


class _Hours(msgspec.Struct):
    result: list[_Hour]


def read_funding(body: bytes, what: str) -> list[FundingPaid]:
    """Return the payments of an answer, oldest first: each is of the hour that ended then.

    ::

        {"jsonrpc":"2.0","result":[{"timestamp":1569891600000,"index_price":8222.87,
          "prev_index_price":8305.72,"interest_8h":-0.00009234260068476106,
          "interest_1h":-4.739622041017375e-7}]}

    Raises:
        DataError: It is not that.
    """
    rows = decoded(body, _Hours, what).result
    return sorted(
        (
            FundingPaid(whole_second(row.timestamp), row.interest_1h, row.index_price)
            for row in rows
        ),
        key=lambda paid: paid.at_ns,
    )
