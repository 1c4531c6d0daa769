"""Past trades from Coinbase Advanced Trade: the newest of a time in whole seconds.

An answer that is full may have left out older ones, so a stretch is halved until its answers are
not. https://docs.cdp.coinbase.com, "Get Public Market Trades".
"""

from __future__ import annotations

from typing import Final

import msgspec

from core.feeds.answers import ask, decoded
from core.feeds.coinbase.history import REMEDIES
from core.feeds.decoder import Known
from core.feeds.stamps import Stamps
from core.model.errors import DataError
from core.model.instruments import Instrument
from core.model.market import Trade
from core.model.stores import PastTrades
from core.wire.http import HttpSession

PAGE: Final = 250
"""Most trades of an answer."""

_S: Final = 1_000_000_000


class _Row(msgspec.Struct):
    trade_id: str
    price: str
    size: str
    time: str
    side: str


class _Answer(msgspec.Struct):
    trades: list[_Row]


class TradeHistory:
    """Reads ``/api/v3/brokerage/market/products/{id}/ticker``."""

    def __init__(self, http: HttpSession) -> None:
        self._http = http
        self._stamps = Stamps()

    async def trades(self, instrument: Instrument, start_ns: int, end_ns: int) -> PastTrades:
        """Return the trades with start_ns <= event time < end_ns, oldest first.

        Raises:
            TemporaryError: The venue is away or asks for patience.
            DataError: Its answer is not what it documents.
        """
        found: dict[int, Trade] = {}
        since_ns = start_ns
        stretches = [(start_ns // _S, -(-end_ns // _S))]
        while stretches:
            start_s, end_s = stretches.pop()
            rows = await self._page(instrument, start_s, end_s)
            if len(rows) >= PAGE and end_s - start_s > 1:
                middle_s = (start_s + end_s) // 2
                stretches += [(middle_s, end_s), (start_s, middle_s)]
                continue
            if len(rows) >= PAGE:
                # More within a second than it tells: what is older is not whole.
                since_ns = min(end_ns, end_s * _S)
            found |= {row.trade_id: row for row in rows if start_ns <= row.ts_event_ns < end_ns}
        return PastTrades([found[number] for number in sorted(found)], since_ns)

    async def _page(self, instrument: Instrument, start_s: int, end_s: int) -> list[Trade]:
        what = f"trades of {instrument.id}"
        path, params = question(instrument, start_s, end_s)
        reply = await ask(self._http, path, what=what, params=params, remedies=REMEDIES)
        return map_trades(reply.body, instrument, self._stamps)


def question(
    instrument: Instrument, start_s: int, end_s: int
) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return path and parameters that ask for the trades of a time in seconds."""
    path = f"/api/v3/brokerage/market/products/{instrument.venue_symbol}/ticker"
    return path, (("limit", str(PAGE)), ("start", str(start_s)), ("end", str(end_s)))


def map_trades(body: bytes, instrument: Instrument, stamps: Stamps) -> list[Trade]:
    """Return the trades of an answer in its order, newest first; the side is the resting order's.

    ::

        {"trades":[{"trade_id":"34b080bf","product_id":"BTC-USD","price":"140.91","size":"4",
          "time":"2021-05-31T09:59:59.000Z","side":"BUY","exchange":""}],"best_bid":"291.13"}

    Raises:
        DataError: It is not that, or an id is no number.
    """
    what = f"trades of {instrument.id}"
    known = Known(instrument)
    found: list[Trade] = []
    for row in decoded(body, _Answer, what).trades:
        if row.side not in ("BUY", "SELL") or not (
            row.trade_id.isdigit() and len(row.trade_id) < 19
        ):
            raise DataError(f"{what}: a side and a number are needed, was {row}"[:240])
        price, lots = known.prices.nearest(row.price), known.sizes.nearest(row.size)
        ts_ns, sold = stamps.ns(row.time), row.side == "BUY"
        found.append(Trade(known.id, ts_ns, 0, price, lots, sold, int(row.trade_id)))
    return found
