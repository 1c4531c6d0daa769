"""Closed bars of the past from OKX candles.

The venue answers newest first, and names its pages the other way round: `after` asks for what is
older than a time, `before` for what is newer. ``/market/candles`` knows the newest 1440 rows only,
``/market/history-candles`` the years before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from core.feeds.answers import ask, decoded
from core.feeds.candles import aligned, join_bars, text_bar
from core.feeds.okx.frames import Answer, Candle
from core.feeds.okx.refusals import refuse
from core.model.errors import DataError
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Bar, Timeframe
from core.model.ports import Clock
from core.wire.http import HttpSession

PAGE: Final = 100
"""Most rows of a page that every version of the venue gives."""

RECENT: Final = 1440
"""Newest rows, which the quicker endpoint knows."""

_BARS: Final = {
    Timeframe.S1: "1s",
    Timeframe.M1: "1m",
    Timeframe.M5: "5m",
    Timeframe.M15: "15m",
    Timeframe.H1: "1H",
    Timeframe.H4: "4H",
    # "1D" would open at midnight of Hong Kong.
    Timeframe.D1: "1Dutc",
}
_MS: Final = 1_000_000


class CandleHistory:
    """Pages through the venue's candles, from new to old."""

    def __init__(self, http: HttpSession, clock: Clock, headers: Mapping[str, str]) -> None:
        self._http = http
        self._clock = clock
        self._headers = headers

    async def bars(
        self, instrument: Instrument, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> list[Bar]:
        """Return closed bars with start_ns <= open time < end_ns, oldest first.

        Periods without volume give no bar. Bars of 5 s are joined from those of 1 s, of which the
        venue keeps three months.

        Raises:
            TemporaryError: The venue is away or asks for patience.
            DataError: Its answer is not what it documents.
        """
        source = Timeframe.S1 if timeframe is Timeframe.S5 else timeframe
        start_ns, end_ns = aligned(timeframe, start_ns, end_ns, self._clock.now_ns())
        found: list[Bar] = []
        cursor_ns = end_ns
        while cursor_ns > start_ns:
            rows = await self._page(instrument, source, start_ns, cursor_ns)
            if not rows:
                break
            oldest_ns = cursor_ns
            for row in rows:
                bar = _bar(row, instrument, source)
                if bar.ts_open_ns >= oldest_ns:
                    raise DataError(
                        f"candles of {instrument.id} {timeframe}: rows must be newest first and "
                        f"older than {oldest_ns // _MS}, was {str(row)[:80]}"
                    )
                oldest_ns = bar.ts_open_ns
                if bar.ts_open_ns >= start_ns and bar.volume_lots and row[-1] != "0":
                    found.append(bar)
            cursor_ns = oldest_ns
        found.reverse()
        return found if source is timeframe else list(join_bars(found, timeframe))

    async def _page(
        self, instrument: Instrument, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> list[Candle]:
        what = f"candles of {instrument.id} {timeframe}"
        age = (self._clock.now_ns() - end_ns) // timeframe.ns
        index = "index-" if instrument.kind is InstrumentKind.INDEX else ""
        newest = age + PAGE < RECENT
        reply = await ask(
            self._http,
            f"/api/v5/market/{'' if newest else 'history-'}{index}candles",
            what=what,
            params=(
                ("instId", instrument.venue_symbol.removeprefix("index:")),
                ("bar", _BARS[timeframe]),
                ("after", str(end_ns // _MS)),
                ("before", str(start_ns // _MS - 1)),
                ("limit", str(PAGE)),
            ),
            headers=self._headers,
        )
        answer = decoded(reply.body, Answer[Candle], what)
        refuse(answer.code, answer.msg, what)
        return answer.data


def _bar(row: Candle, instrument: Instrument, timeframe: Timeframe) -> Bar:
    """Return the bar of a row.

    ::

        ["1625097600000","33528.6","33870.0","33528.6","33783.9","778.838","0","0","1"]

    Of an index there is no volume: ``[ts, o, h, l, c, confirm]``.
    """
    # An index is never without a price, so one stands for "there was something".
    stated = (*row[:5], "1") if len(row) == 6 else row
    return text_bar(instrument, timeframe, stated, _MS)
