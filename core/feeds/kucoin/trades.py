"""The newest hundred trades from KuCoin; it tells nothing older of any single trade."""

from __future__ import annotations

from typing import Final

import msgspec

from core.feeds.answers import ask, decoded
from core.feeds.decoder import Known
from core.feeds.kucoin.frames import Answer
from core.feeds.kucoin.refusals import refuse
from core.feeds.newest import as_far_as
from core.model.errors import DataError
from core.model.instruments import Instrument
from core.model.market import Trade
from core.model.stores import PastTrades
from core.wire.http import HttpSession

PAGE: Final = 100
"""Rows of an answer, all there is."""

WEIGHT: Final = 3


class _Row(msgspec.Struct):
    sequence: str
    price: str
    size: str
    side: str
    time: int


class TradeHistory:
    """Reads ``/api/v1/market/histories``."""

    def __init__(self, http: HttpSession) -> None:
        self._http = http

    async def trades(self, instrument: Instrument, start_ns: int, end_ns: int) -> PastTrades:
        """Return the trades with start_ns <= event time < end_ns as far as it remembers them.

        Raises:
            TemporaryError: The venue is away or asks for patience.
            DataError: Its answer is not what it documents.
        """
        what = f"trades of {instrument.id}"
        path, params = "/api/v1/market/histories", (("symbol", instrument.venue_symbol),)
        reply = await ask(self._http, path, what=what, params=params, weight=WEIGHT)
        answer = decoded(reply.body, Answer[list[_Row]], what)
        refuse(answer.code, answer.msg, what)
        known, rows = Known(instrument), answer.data or []
        found = [_made(row, known, what) for row in rows]
        return as_far_as(found, start_ns, end_ns, whole=len(rows) < PAGE)


def _made(row: _Row, known: Known, what: str) -> Trade:
    """Return a row's trade.

    ::

        {"sequence":"10976028003549185","price":"67122","size":"0.000025","side":"buy",
         "time":1729177117877000000}
    """
    if row.side not in ("buy", "sell") or not (row.sequence.isdigit() and len(row.sequence) < 20):
        raise DataError(f"{what}: a side and a sequence are needed, was {row}"[:240])
    price, lots = known.prices.nearest(row.price), known.sizes.nearest(row.size)
    return Trade(known.id, row.time, 0, price, lots, row.side == "sell", int(row.sequence))
