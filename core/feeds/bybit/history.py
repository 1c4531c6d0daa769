"""Closed bars of the past from Bybit klines: newest first, 1000 rows at most, times in ms."""

from __future__ import annotations

from functools import partial
from typing import Final

import msgspec

from core.feeds.answers import ask, decoded
from core.feeds.bybit.frames import Answer
from core.feeds.bybit.refusals import check
from core.feeds.candles import aligned, text_bar
from core.feeds.windows import windowed
from core.model.errors import ConfigError
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Bar, Timeframe
from core.model.ports import Clock
from core.wire.http import HttpSession

PAGE: Final = 1000
"""Most rows of an answer."""

_BARS: Final = {
    Timeframe.M1: "1",
    Timeframe.M5: "5",
    Timeframe.M15: "15",
    Timeframe.H1: "60",
    Timeframe.H4: "240",
    Timeframe.D1: "D",
}
_MS: Final = 1_000_000


class _Rows(msgspec.Struct):
    rows: list[list[str]] = msgspec.field(name="list")


def category(instrument: Instrument) -> str:
    """Return the venue's name of an instrument's market, and of its socket."""
    if instrument.kind is InstrumentKind.SPOT:
        return "spot"
    if instrument.kind is InstrumentKind.OPTION:
        return "option"
    return "inverse" if instrument.inverse else "linear"


class KlineHistory:
    """Pages through ``GET /v5/market/kline``, from new to old."""

    def __init__(self, http: HttpSession, clock: Clock) -> None:
        self._http = http
        self._clock = clock

    async def bars(
        self, instrument: Instrument, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> list[Bar]:
        """Return closed bars with start_ns <= open time < end_ns, oldest first.

        Periods without volume give no bar.

        Raises:
            TemporaryError: The venue is away or asks for patience.
            DataError: Its answer is not what it documents.
            ConfigError: It has no bars of this length, or none of options.
        """
        if timeframe not in _BARS or instrument.kind is InstrumentKind.OPTION:
            raise ConfigError(
                f"{instrument.venue} has no {timeframe} bars of {instrument.id}; it has "
                f"{', '.join(_BARS)} of all but options"
            )
        start_ns, end_ns = aligned(timeframe, start_ns, end_ns, self._clock.now_ns())
        page = partial(self._page, instrument, timeframe)
        return await windowed(page, start_ns, end_ns, timeframe.ns, PAGE)

    async def _page(
        self, instrument: Instrument, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> dict[int, Bar]:
        what = f"klines of {instrument.id} {timeframe}"
        reply = await ask(
            self._http,
            "/v5/market/kline",
            what=what,
            params=(
                ("category", category(instrument)),
                ("symbol", instrument.venue_symbol),
                ("interval", _BARS[timeframe]),
                ("start", str(start_ns // _MS)),
                ("end", str(end_ns // _MS - 1)),
                ("limit", str(PAGE)),
            ),
            remedies={403: "the address asked too often: wait ten minutes, or use another"},
        )
        check(reply.body, what)
        answer = decoded(reply.body, Answer[_Rows], what)
        bars = [text_bar(instrument, timeframe, row, _MS) for row in answer.result.rows]
        return {bar.ts_open_ns: bar for bar in bars if start_ns <= bar.ts_open_ns < end_ns}
