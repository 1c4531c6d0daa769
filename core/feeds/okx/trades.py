"""Single trades of the last three months from OKX, newest first.

`after` asks for what is older than an id or a time, `before` for what is newer than an id.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from core.feeds.answers import ask, decoded
from core.feeds.decoder import Known
from core.feeds.dialect import Answer
from core.feeds.okx import frames
from core.feeds.okx.frames import Trade as Row
from core.feeds.okx.refusals import refuse
from core.model.errors import DataError, TemporaryError
from core.model.instruments import Instrument
from core.model.market import Trade
from core.model.stores import PastTrades, TradeHole
from core.wire.http import HttpReply, HttpSession

PATH: Final = "/api/v5/market/history-trades"
PAGE: Final = 100
"""Most rows of an answer."""

_BY_ID, _BY_TIME = "1", "2"
_MS: Final = 1_000_000


class TradeHistory:
    """Pages through ``/api/v5/market/history-trades``, from new to old."""

    def __init__(self, http: HttpSession, headers: Mapping[str, str]) -> None:
        self._http = http
        self._headers = headers

    async def trades(self, instrument: Instrument, start_ns: int, end_ns: int) -> PastTrades:
        """Return the trades with start_ns <= event time < end_ns, oldest first.

        Raises:
            TemporaryError: The venue is away or asks for patience.
            DataError: Its answer is not what it documents.
        """
        found: list[Trade] = []
        rows = await self._page(instrument, _BY_TIME, -(-end_ns // _MS))
        while rows:
            found += [row for row in rows if start_ns <= row.ts_event_ns < end_ns]
            oldest = rows[-1]
            if oldest.ts_event_ns < start_ns:
                return PastTrades(found[::-1], start_ns)
            rows = await self._page(instrument, _BY_ID, oldest.trade_id)
            if rows and rows[0].trade_id >= oldest.trade_id:
                raise DataError(f"trades of {instrument.id}: asked for those before {oldest}")
        # The venue's memory ended; of the same time as its oldest trade there may have been more.
        return PastTrades(found[::-1], found[-1].ts_event_ns + _MS if found else end_ns)

    async def missed(self, instrument: Instrument, hole: TradeHole) -> Answer:
        """Ask for the trades of a hole of less than a page, and the one after it.

        The latter is known: where the answer lacks it, the venue's history is not there yet.

        Raises:
            TemporaryError: The venue is away, asks for patience or does not know them yet.
            DataError: Its answer is not what it documents.
        """
        newest = hole.last_id + 1
        bounds = ("before", str(hole.first_id - 1)), ("after", str(newest + 1))
        reply, rows = await self._asked(instrument, ("type", _BY_ID), *bounds)
        if not rows or rows[0].tradeId != newest:
            raise TemporaryError(f"trade {newest} of {instrument.id} is not in the history yet")
        return Answer(reply.url, reply.body)

    async def _page(self, instrument: Instrument, kind: str, after: int) -> list[Trade]:
        _, rows = await self._asked(instrument, ("type", kind), ("after", str(after)))
        return map_trades(rows, instrument)

    async def _asked(
        self, instrument: Instrument, *bounds: tuple[str, str]
    ) -> tuple[HttpReply, list[Row]]:
        what = f"trades of {instrument.id}"
        params = ("instId", instrument.venue_symbol), *bounds, ("limit", str(PAGE))
        reply = await ask(self._http, PATH, what=what, params=params, headers=self._headers)
        answer = decoded(reply.body, frames.Answer[Row], what, strict=False)
        refuse(answer.code, answer.msg, what)
        return reply, answer.data


def map_trades(rows: list[Row], instrument: Instrument) -> list[Trade]:
    """Return the trades of rows in their order, newest first.

    ::

        {"instId":"BTC-USDT","side":"sell","sz":"0.00001","source":"0","px":"29963.2",
         "tradeId":"242720720","ts":"1654161646974"}

    Raises:
        DataError: A row is not that, or ids rise.
    """
    known = Known(instrument)
    found: list[Trade] = []
    for row in rows:
        if row.side not in ("buy", "sell"):
            raise DataError(f"trade {row.tradeId}: side must be buy or sell, was {row.side[:20]!r}")
        if found and row.tradeId >= found[-1].trade_id:
            raise DataError(f"trades of {instrument.id} must be newest first, was {row.tradeId}")
        price, lots = known.prices.nearest(row.px), known.sizes.nearest(row.sz)
        sold = row.side == "sell"
        found.append(Trade(known.id, row.ts * _MS, 0, price, lots, sold, row.tradeId))
    return found
