"""Bars of the past from Kraken: the newest 720 from OHLC, older ones from its trades."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final, TypeAlias

import msgspec

from core.feeds.answers import ask, decoded
from core.feeds.candles import aligned, make_bar
from core.feeds.decoder import Known
from core.model.errors import ConfigError, DataError, TemporaryError
from core.model.instruments import Instrument
from core.model.market import Bar, Timeframe, Trade
from core.model.ports import Clock
from core.wire.http import HttpSession

PAGE: Final = 720
"""Most rows of OHLC, always the newest ones, whatever `since` says."""

TRADES_PAGE: Final = 1000
MAX_PAGES: Final = 2000
"""Pages of trades in one question; the venue gives about one a second."""

REMEDIES: Final = {403: "the venue blocks this address: wait, or move"}
"""What to do about a definite no."""

_MINUTES: Final = {
    Timeframe.M1: 1,
    Timeframe.M5: 5,
    Timeframe.M15: 15,
    Timeframe.H1: 60,
    Timeframe.H4: 240,
    Timeframe.D1: 1440,
}
_PASSING: Final = (
    "EAPI:Rate limit",
    "EService:",
    "EGeneral:Temporary lockout",
    "EGeneral:Internal",
)

_TradeRow: TypeAlias = tuple[str, str, Decimal, str, str, str, Annotated[int, msgspec.Meta(ge=0)]]
"""Price, size, time in seconds, ``b`` or ``s`` of the taker, ``m`` or ``l``, nothing, id."""


class _Answer(msgspec.Struct, gc=False):
    error: list[str] = []
    result: dict[str, msgspec.Raw] = {}


async def call(
    http: HttpSession, method: str, params: Sequence[tuple[str, str]], what: str
) -> tuple[str, bytes, dict[str, msgspec.Raw]]:
    """Ask a public method and return URL, body and result; errors come with status 200.

    Raises:
        TemporaryError: The venue is away or asks for patience.
        DataError: It said no, or answered with no JSON.
    """
    reply = await ask(
        http, f"/0/public/{method}", what=what, params=params, remedies=REMEDIES
    )  # fmt: skip
    try:
        answer = msgspec.json.decode(reply.body, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{what}: {error}") from None
    if answer.error:
        words = f"{what}: the venue said {', '.join(answer.error)[:160]}"
        if any(error.startswith(_PASSING) for error in answer.error):
            raise TemporaryError(words)
        raise DataError(f"{words}; is the pair still listed?")
    return reply.url, reply.body, answer.result


class KrakenHistory:
    """Reads ``/0/public/OHLC`` and pages through ``/0/public/Trades``."""

    def __init__(self, http: HttpSession, clock: Clock) -> None:
        self._http = http
        self._clock = clock

    async def bars(
        self, instrument: Instrument, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> list[Bar]:
        """Return closed bars with start_ns <= open time < end_ns, oldest first.

        What lies before the newest 720 bars is made of single trades, which takes long.

        Raises:
            TemporaryError: The venue is away or asks for patience.
            DataError: Its answer is not what it documents, or the stretch has too many trades.
            ConfigError: The venue has no bars of this length.
        """
        if timeframe not in _MINUTES:
            raise ConfigError(
                f"kraken has no {timeframe} bars of {instrument.id}; take {', '.join(_MINUTES)}"
            )
        now_ns = self._clock.now_ns()
        start_ns, end_ns = aligned(timeframe, start_ns, end_ns, now_ns)
        if start_ns >= end_ns:
            return []
        # One row less than the venue has: the oldest might fall out while we ask.
        reach_ns = now_ns // timeframe.ns * timeframe.ns - (PAGE - 2) * timeframe.ns
        split_ns = min(max(start_ns, reach_ns), end_ns)
        found: list[Bar] = []
        if start_ns < split_ns:
            trades = await self.trades(instrument, start_ns, split_ns)
            found = bars_of(trades, instrument, timeframe)
        if split_ns < end_ns:
            rows = await self._newest(instrument, timeframe, split_ns)
            found += [bar for bar in rows if split_ns <= bar.ts_open_ns < end_ns]
        return found

    async def trades(self, instrument: Instrument, start_ns: int, end_ns: int) -> list[Trade]:
        """Return the trades with start_ns <= time < end_ns, oldest first.

        Raises:
            TemporaryError: The venue is away or asks for patience.
            DataError: Its answer is not what it documents, or there are too many.
        """
        what = f"trades of {instrument.id}"
        found: dict[int, Trade] = {}
        known = Known(instrument)
        cursor = max(0, start_ns - 1)
        for _ in range(MAX_PAGES):
            params = (
                ("pair", rest_name(instrument)),
                ("since", str(cursor)),
                ("count", str(TRADES_PAGE)),
            )
            _, _, result = await call(self._http, "Trades", params, what)
            last = _cursor(result, what)
            trades = [map_trade(row, known) for row in _rows(result, list[_TradeRow], what)]
            found |= {
                trade.trade_id: trade for trade in trades if start_ns <= trade.ts_event_ns < end_ns
            }
            if len(trades) < TRADES_PAGE or trades[-1].ts_event_ns >= end_ns or last <= cursor:
                return [found[number] for number in sorted(found)]
            cursor = last
        raise DataError(
            f"{what}: more than {MAX_PAGES * TRADES_PAGE} trades; ask for a shorter stretch"
        )

    async def _newest(
        self, instrument: Instrument, timeframe: Timeframe, start_ns: int
    ) -> list[Bar]:
        what = f"bars of {instrument.id}"
        params = (
            ("pair", rest_name(instrument)),
            ("interval", str(_MINUTES[timeframe])),
            ("since", str(start_ns // 1_000_000_000 - 1)),
        )
        _, _, result = await call(self._http, "OHLC", params, what)
        rows = _rows(result, list[tuple[int, str, str, str, str, str, str, int]], what)
        return map_rows(rows, instrument, timeframe)


def rest_name(instrument: Instrument) -> str:
    """Return what REST calls a pair: ``XXBTZUSD`` of ``BTC/USD``."""
    return instrument.aliases[0] if instrument.aliases else instrument.venue_symbol


def map_rows(
    rows: Sequence[tuple[int, str, str, str, str, str, str, int]],
    instrument: Instrument,
    timeframe: Timeframe,
) -> list[Bar]:
    """Return the bars of OHLC rows that have a trade; the last row is still open.

    ::

        [1616662740,"52591.9","52599.9","52591.8","52599.9","52599.1","0.11091626",5]

    Raises:
        DataError: A row is not that.
    """
    bars: list[Bar] = []
    for open_s, first, high, low, last, _, volume, count in rows:
        if not count:
            continue
        try:
            prices = (Decimal(first), Decimal(high), Decimal(low), Decimal(last))
            size = Decimal(volume)
        except InvalidOperation:
            raise DataError(f"bar of {instrument.id} at {open_s}: values are no numbers") from None
        bars.append(make_bar(instrument, timeframe, open_s * 1_000_000_000, prices, size, count))
    if any(bar.ts_open_ns % timeframe.ns for bar in bars):
        raise DataError(f"bars of {instrument.id} must open on multiples of {timeframe}")
    return sorted(bars, key=lambda bar: bar.ts_open_ns)


def map_trade(row: _TradeRow, known: Known) -> Trade:
    """Return a row of Trades.

    ::

        ["30243.40000","0.34507674",1688669597.827797,"b","m","",61044952]

    Raises:
        DataError: It is not that.
    """
    price, size, seconds, side, _, _, number = row
    if side not in ("b", "s") or not seconds.is_finite() or not 0 < seconds < 9_000_000_000:
        raise DataError(f"trade {number} of {known.id} must have a side and a time: {row!r}"[:200])
    ts_ns = int(seconds * 1_000_000_000)
    ticks, lots = known.prices.nearest(price), known.sizes.nearest(size)
    return Trade(known.id, ts_ns, 0, ticks, lots, side == "s", number)


def map_trades(body: bytes, known: Known) -> list[Trade]:
    """Return the trades of an answer of Trades, oldest first.

    Raises:
        DataError: It is not that.
    """
    what = f"trades of {known.id}"
    rows = _rows(decoded(body, _Answer, what).result, list[_TradeRow], what)
    return [map_trade(row, known) for row in rows]


def bars_of(trades: Sequence[Trade], instrument: Instrument, timeframe: Timeframe) -> list[Bar]:
    """Return the bars of trades in order."""
    bars: dict[int, Bar] = {}
    for trade in trades:
        opened = trade.ts_event_ns // timeframe.ns * timeframe.ns
        price = trade.price_ticks
        bar = bars.get(opened)
        if bar is None:
            bars[opened] = Bar(
                instrument.id, timeframe, opened, price, price, price, price, trade.size_lots, 1
            )
            continue
        bars[opened] = msgspec.structs.replace(
            bar,
            high_ticks=max(bar.high_ticks, price),
            low_ticks=min(bar.low_ticks, price),
            close_ticks=price,
            volume_lots=bar.volume_lots + trade.size_lots,
            trades=bar.trades + 1,
        )
    return list(bars.values())


def _cursor(result: dict[str, msgspec.Raw], what: str) -> int:
    text = bytes(result.get("last", msgspec.Raw())).strip(b'"')
    if not text.isdigit() or len(text) > 20:
        raise DataError(f"{what}: last must be a time in nanoseconds, was {text[:40]!r}")
    return int(text)


def _rows(result: dict[str, msgspec.Raw], kind: Any, what: str) -> Any:
    """Return the rows of the one pair an answer holds beside its cursor."""
    raws = [raw for name, raw in result.items() if name != "last"]
    if len(raws) != 1:
        raise DataError(f"{what}: the answer must be of one pair, was of {len(raws)}")
    return decoded(raws[0], kind, what)
