"""The newest trades from Bybit; it tells nothing older of any single trade."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from core.feeds.answers import ask, decoded
from core.feeds.bybit.frames import Answer
from core.feeds.bybit.history import category
from core.feeds.bybit.refusals import check
from core.feeds.decoder import Known
from core.feeds.newest import as_far_as
from core.model.errors import ConfigError, DataError
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Trade
from core.model.stores import PastTrades
from core.wire.http import HttpSession

PAGE: Final = 1000
PAGE_SPOT: Final = 60
"""Most rows of an answer, all there is."""


class _Row(msgspec.Struct):
    execId: str
    price: str
    size: str
    side: str
    time: str


class _Rows(msgspec.Struct):
    rows: list[_Row] = msgspec.field(name="list")


class TradeHistory:
    """Reads ``/v5/market/recent-trade``.

    Args:
        http: The venue's REST host.
        number: Makes the id of a trade as the stream's decoder does.
    """

    def __init__(self, http: HttpSession, number: Callable[[str], int]) -> None:
        self._http = http
        self._number = number

    async def trades(self, instrument: Instrument, start_ns: int, end_ns: int) -> PastTrades:
        """Return the trades with start_ns <= event time < end_ns as far as it remembers them.

        Raises:
            TemporaryError: The venue is away or asks for patience.
            DataError: Its answer is not what it documents.
            ConfigError: It is an option, whose trades come by coin alone.
        """
        if instrument.kind is InstrumentKind.OPTION:
            raise ConfigError(f"{instrument.venue} tells no past trades of the option alone")
        what = f"trades of {instrument.id}"
        limit = PAGE_SPOT if instrument.kind is InstrumentKind.SPOT else PAGE
        params = (
            ("category", category(instrument)), ("symbol", instrument.venue_symbol),
            ("limit", str(limit)),
        )  # fmt: skip
        reply = await ask(self._http, "/v5/market/recent-trade", what=what, params=params)
        check(reply.body, what)
        rows = decoded(reply.body, Answer[_Rows], what).result.rows
        known = Known(instrument)
        found = [self._made(row, known, what) for row in rows]
        return as_far_as(found, start_ns, end_ns, whole=len(rows) < limit)

    def _made(self, row: _Row, known: Known, what: str) -> Trade:
        """Return a row's trade.

        ::

            {"execId":"2100000000007764263","symbol":"BTCUSDT","price":"16618.49","size":"0.00012",
             "side":"Buy","time":"1672052955758","isBlockTrade":false,"isRPITrade":true}
        """
        if row.side not in ("Buy", "Sell") or not (row.time.isdigit() and len(row.time) < 15):
            raise DataError(f"{what}: a side and a time in ms are needed, was {row}"[:240])
        price, lots = known.prices.nearest(row.price), known.sizes.nearest(row.size)
        ts_ns, sold = int(row.time) * 1_000_000, row.side == "Sell"
        return Trade(known.id, ts_ns, 0, price, lots, sold, self._number(row.execId))
