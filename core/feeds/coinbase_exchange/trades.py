"""All past trades from Coinbase Exchange, which finds them by id: none is left out.

A time is found by asking for single trades between two whose times are known.
"""

from __future__ import annotations

from typing import Final

import msgspec

from core.feeds.answers import ask, decoded
from core.feeds.coinbase_exchange.history import REMEDIES, TRADES_PAGE
from core.feeds.decoder import Known
from core.feeds.stamps import Stamps
from core.model.errors import DataError
from core.model.instruments import Instrument
from core.model.market import Trade
from core.model.stores import PastTrades
from core.wire.http import HttpSession

_PATIENCE_S: Final = 5.0
"""How long one answer waits for the budget of a second."""


class _Row(msgspec.Struct):
    trade_id: int
    price: str
    size: str
    side: str
    time: str


class TradeHistory:
    """Pages through ``/products/{id}/trades``, from old to new."""

    def __init__(self, http: HttpSession) -> None:
        self._http = http
        self._stamps = Stamps()
        self._ends: dict[str, Trade] = {}
        """The newest trade of the last answer, by symbol: the next stretch begins there."""

    async def trades(self, instrument: Instrument, start_ns: int, end_ns: int) -> PastTrades:
        """Return the trades with start_ns <= event time < end_ns, oldest first.

        Raises:
            TemporaryError: The venue is away or asks for patience.
            DataError: Its answer is not what it documents.
        """
        number = await self._first(instrument, start_ns)
        found: list[Trade] = []
        while number:
            rows = await self._page(instrument, number + TRADES_PAGE, TRADES_PAGE)
            fresh = [row for row in rows if row.trade_id >= number]
            found += [row for row in fresh if start_ns <= row.ts_event_ns < end_ns]
            if not fresh or fresh[-1].ts_event_ns >= end_ns:
                break
            number = fresh[-1].trade_id + 1
        if found:
            self._ends[instrument.venue_symbol] = found[-1]
        return PastTrades(found, start_ns)

    async def _first(self, instrument: Instrument, start_ns: int) -> int:
        """Return the id of the first trade at or after a time, 0 where there is none."""
        newest = await self._page(instrument, 0, 1)
        if not newest or newest[0].ts_event_ns < start_ns:
            return 0
        low, low_ns = 0, 0
        high, high_ns = newest[0].trade_id, newest[0].ts_event_ns
        known = self._ends.get(instrument.venue_symbol)
        if known is not None and known.ts_event_ns < start_ns:
            low, low_ns = known.trade_id, known.ts_event_ns
            rows = await self._page(instrument, low + 2, 1)
            if rows and rows[0].trade_id == low + 1 and rows[0].ts_event_ns >= start_ns:
                return low + 1
        # Ids before `low` are too old, `high` is not; trades come about evenly, and where they do
        # not, every other guess is the middle.
        for count in range(200):
            if high - low <= 1:
                break
            guess = (low + high) // 2
            if low_ns and not count % 2:
                part = (start_ns - low_ns) / (high_ns - low_ns or 1)
                guess = min(max(low + 1, low + int((high - low) * part)), high - 1)
            rows = await self._page(instrument, guess + 1, 1)
            if not rows or rows[0].ts_event_ns < start_ns:
                low, low_ns = guess, rows[0].ts_event_ns if rows else 0
            else:
                high, high_ns = min(rows[0].trade_id, guess), rows[0].ts_event_ns
        return high

    async def _page(self, instrument: Instrument, before: int, limit: int) -> list[Trade]:
        """Return the trades just before an id, the newest ones of all for 0; oldest first."""
        params = (("limit", str(limit)), *((("after", str(before)),) if before else ()))
        reply = await ask(
            self._http,
            f"/products/{instrument.venue_symbol}/trades",
            what=f"trades of {instrument.id}",
            params=params,
            remedies=REMEDIES,
            patience_s=_PATIENCE_S,
        )
        return map_trades(reply.body, instrument, self._stamps)


def map_trades(body: bytes, instrument: Instrument, stamps: Stamps) -> list[Trade]:
    """Return the trades of an answer, oldest first; the side is the resting order's.

    ::

        [{"time":"2014-11-07T22:19:28.578544Z","trade_id":74,"price":"10.00000000",
          "size":"0.01000000","side":"buy"}]

    Raises:
        DataError: It is not that.
    """
    what = f"trades of {instrument.id}"
    known = Known(instrument)
    found: list[Trade] = []
    for row in decoded(body, list[_Row], what):
        if row.side not in ("buy", "sell"):
            raise DataError(f"{what}: side must be buy or sell, was {row.side[:20]!r}")
        price, lots = known.prices.nearest(row.price), known.sizes.nearest(row.size)
        ts_ns, sold = stamps.ns(row.time), row.side == "buy"
        found.append(Trade(known.id, ts_ns, 0, price, lots, sold, row.trade_id))
    return sorted(found, key=lambda trade: trade.trade_id)
