"""Trades of the past, as the venue joins them or one by one, numbered as the stream's are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation
from typing import Final

import msgspec

from core.feeds.answers import ask, decoded
from core.model.errors import DataError
from core.model.instruments import Instrument
from core.model.market import Trade
from core.wire.http import HttpSession

PAGE: Final = 1000
"""Most rows the venue gives at once."""

_WINDOW_NS: Final = 3_600_000_000_000
"""The venue answers at most an hour where both ends are given."""

_MS: Final = 1_000_000


class _Row(msgspec.Struct):
    a: int
    p: str
    q: str
    f: int
    T: int
    m: bool


class _Single(msgspec.Struct):
    id: int
    price: str
    qty: str
    time: int
    isBuyerMaker: bool


class AggregateHistory:
    """Pages through a venue's aggregate trades, oldest first.

    Args:
        http: The venue's REST host.
        path: The endpoint.
        weight: Request weight of a page.
    """

    def __init__(self, http: HttpSession, *, path: str, weight: int) -> None:
        self._http = http
        self._path = path
        self._weight = weight

    async def trades(self, instrument: Instrument, start_ns: int, end_ns: int) -> list[Trade]:
        """Return the aggregate trades with start_ns <= event time < end_ns, oldest first.

        Raises:
            TemporaryError: The venue is away or asked for patience.
            DataError: Its answer is not what it documents.
        """
        found: list[Trade] = []
        while start_ns < end_ns:
            # Times find the first trade only: many may share one millisecond.
            stop_ns = min(end_ns, start_ns + _WINDOW_NS)
            first_ms, last_ms = -(-start_ns // _MS), -(-stop_ns // _MS) - 1
            times = (("startTime", str(first_ms)), ("endTime", str(last_ms)))
            rows = await self._page(instrument, times) if first_ms <= last_ms else []
            while rows:
                found += [row for row in rows if start_ns <= row.ts_event_ns < end_ns]
                if rows[-1].ts_event_ns >= end_ns or len(rows) < PAGE:
                    break
                rows = await self._page(instrument, (("fromId", str(rows[-1].trade_id + 1)),))
                stop_ns = end_ns
            start_ns = stop_ns
        return found

    async def first(self, instrument: Instrument, start_ns: int, end_ns: int) -> Trade | None:
        """Return the first aggregate trade with start_ns <= event time < end_ns, if there is one.

        Raises:
            TemporaryError: The venue is away or asks for patience.
            DataError: Its answer is not what it documents.
        """
        while start_ns < end_ns:
            stop_ns = min(end_ns, start_ns + _WINDOW_NS)
            first_ms, last_ms = -(-start_ns // _MS), -(-stop_ns // _MS) - 1
            times = (("startTime", str(first_ms)), ("endTime", str(last_ms)))
            rows = await self._page(instrument, times, 1) if first_ms <= last_ms else []
            if rows:
                return rows[0]
            start_ns = stop_ns
        return None

    async def _page(
        self, instrument: Instrument, place: tuple[tuple[str, str], ...], limit: int = 0
    ) -> list[Trade]:
        what = f"aggregate trades of {instrument.id}"
        params = (("symbol", instrument.venue_symbol), *place, ("limit", str(limit or PAGE)))
        reply = await ask(
            self._http, self._path, what=what, params=params, weight=self._weight
        )  # fmt: skip
        return list(map_aggregates(reply.body, instrument))


class SingleHistory:
    """Pages through a venue's single trades, found by the aggregate ones, which know their time.

    Args:
        http: The venue's REST host.
        path: The endpoint.
        weight: Request weight of a page.
        aggregates: Finds where a time begins.
    """

    def __init__(
        self, http: HttpSession, *, path: str, weight: int, aggregates: AggregateHistory
    ) -> None:
        self._http = http
        self._path = path
        self._weight = weight
        self._aggregates = aggregates

    async def trades(self, instrument: Instrument, start_ns: int, end_ns: int) -> list[Trade]:
        """Return the trades with start_ns <= event time < end_ns, oldest first.

        Raises:
            TemporaryError: The venue is away or asks for patience.
            DataError: Its answer is not what it documents.
        """
        first = await self._aggregates.first(instrument, start_ns, end_ns)
        found: list[Trade] = []
        number = first.first_trade_id if first is not None else 0
        while first is not None:
            rows = await self._page(instrument, number)
            found += [row for row in rows if start_ns <= row.ts_event_ns < end_ns]
            if not rows or len(rows) < PAGE or rows[-1].ts_event_ns >= end_ns:
                break
            number = rows[-1].trade_id + 1
        return found

    async def _page(self, instrument: Instrument, from_id: int) -> list[Trade]:
        params = (
            ("symbol", instrument.venue_symbol), ("fromId", str(from_id)), ("limit", str(PAGE)),
        )  # fmt: skip
        what = f"trades of {instrument.id}"
        reply = await ask(self._http, self._path, what=what, params=params, weight=self._weight)
        return list(map_singles(reply.body, instrument))


def map_aggregates(body: bytes, instrument: Instrument) -> Iterator[Trade]:
    """Yield the trades of an answer.

    ::

        [{"a":26129,"p":"0.01633102","q":"4.70443515","f":27781,"l":27781,"T":1498793709153,
          "m":true,"M":true}]

    Steps may have been finer in the past: what is no whole number of today's is rounded to the
    nearest.

    Raises:
        DataError: It is not that, or ids or times fall.
    """
    what = f"aggregate trades of {instrument.id}"
    rows = decoded(body, list[_Row], what)
    return _made(instrument, what, ((r.a, r.T, r.p, r.q, r.m, r.f) for r in rows))


def map_singles(body: bytes, instrument: Instrument) -> Iterator[Trade]:
    """Yield the trades of an answer, one by one.

    ::

        [{"id":28457,"price":"4.00000100","qty":"12.00000000","quoteQty":"48.000012",
          "time":1499865549590,"isBuyerMaker":true,"isBestMatch":true}]

    Raises:
        DataError: It is not that, or ids or times fall.
    """
    what = f"trades of {instrument.id}"
    rows = decoded(body, list[_Single], what)
    return _made(
        instrument, what, ((r.id, r.time, r.price, r.qty, r.isBuyerMaker, 0) for r in rows)
    )


def _made(
    instrument: Instrument, what: str, rows: Iterable[tuple[int, int, str, str, bool, int]]
) -> Iterator[Trade]:
    """Yield the trades of rows: id, time in ms, price, size, whether the buyer made, first id."""
    last_id, last_ms = -1, 0
    for number, ms, price_text, size_text, maker, first in rows:
        try:
            price, size = Decimal(price_text), Decimal(size_text)
        except InvalidOperation:
            raise DataError(f"{what}: price and size of {number} must be decimals") from None
        if not (price.is_finite() and size.is_finite() and price > 0 and size > 0):
            raise DataError(f"{what}: price and size must be above 0, were {price} and {size}")
        if number <= last_id or last_ms > ms:
            raise DataError(f"{what}: ids and times must rise, were {last_id} before {number}")
        last_id, last_ms = number, ms
        lots = max(1, int((size / instrument.size_lot).to_integral_value()))
        ticks = instrument.nearest_ticks(price)
        yield Trade(instrument.id, ms * _MS, 0, ticks, lots, maker, number, first)
