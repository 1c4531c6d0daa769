"""Closed bars of the past from KuCoin candles.

The venue answers newest first, at most 1500 rows of a time range in seconds, and writes close
before high. Pages are ranges that cannot hold more, so nothing hangs on which rows it would drop.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from core.feeds.answers import ask, decoded
from core.feeds.candles import aligned, offered, text_bar
from core.feeds.kucoin.frames import Answer
from core.feeds.kucoin.refusals import refuse
from core.feeds.windows import windowed
from core.model.instruments import Instrument
from core.model.market import Bar, Timeframe
from core.model.ports import Clock
from core.wire.http import HttpSession

PAGE: Final = 1500
"""Most rows of an answer."""

WEIGHT: Final = 3

_BARS: Final = {
    Timeframe.M1: "1min",
    Timeframe.M5: "5min",
    Timeframe.M15: "15min",
    Timeframe.H1: "1hour",
    Timeframe.H4: "4hour",
    Timeframe.D1: "1day",
}
_S: Final = 1_000_000_000
_ORDER: Final = (1, 3, 4, 2)
"""Rows are ``[s, open, close, high, low, volume, turnover]``."""


class CandleHistory:
    """Pages through the venue's candles, from new to old."""

    def __init__(self, http: HttpSession, clock: Clock) -> None:
        self._http = http
        self._clock = clock

    async def bars(
        self, instrument: Instrument, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> list[Bar]:
        """Return closed bars with start_ns <= open time < end_ns, oldest first.

        The venue leaves out periods without a trade.

        Raises:
            TemporaryError: The venue is away or asks for patience.
            DataError: Its answer is not what it documents.
            ConfigError: It has no bars of this length; the shortest are of a minute.
        """
        length = offered(_BARS, timeframe, instrument)
        start_ns, end_ns = aligned(timeframe, start_ns, end_ns, self._clock.now_ns())
        page = partial(self._page, instrument, timeframe, length)
        return await windowed(page, start_ns, end_ns, timeframe.ns, PAGE)

    async def _page(
        self, instrument: Instrument, timeframe: Timeframe, length: str, start_ns: int, end_ns: int
    ) -> dict[int, Bar]:
        what = f"candles of {instrument.id} {timeframe}"
        reply = await ask(
            self._http,
            "/api/v1/market/candles",
            what=what,
            params=(
                ("symbol", instrument.venue_symbol),
                ("type", length),
                ("startAt", str(start_ns // _S)),
                ("endAt", str(end_ns // _S)),
            ),
            weight=WEIGHT,
        )
        answer = decoded(reply.body, Answer[list[list[str]]], what)
        refuse(answer.code, answer.msg, what)
        # Whether a range holds its end is not documented.
        bars = [text_bar(instrument, timeframe, row, _S, _ORDER) for row in answer.data or ()]
        return {bar.ts_open_ns: bar for bar in bars if start_ns <= bar.ts_open_ns < end_ns}
