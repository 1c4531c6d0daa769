"""Everything known of the market: books, quotes, trades and bars, as a pure function of events.

``apply`` takes what a decoder made of a frame, ``on_timer`` takes the time; both return what
follows from it, in order. Nothing here reads a clock, waits or does input or output.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from core.engine import bars as _bars
from core.engine import book as _book
from core.engine.bars import INDEX, TIMEFRAMES, BarBuilder, Rows, make_bar, make_forming
from core.engine.book import OrderBook
from core.engine.gate import Gate, ResyncNeeded
from core.engine.series import BarSeries, Columns
from core.model.errors import ConfigError
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import (
    Bar,
    BookDelta,
    BookSnapshot,
    FeedConnected,
    FeedDisconnected,
    FeedStatus,
    FeedStatusChanged,
    FormingBar,
    MarketEvent,
    Quote,
    Timeframe,
    Trade,
)
from core.model.ports import SequenceRule
from core.model.views import FeedView

__all__ = [
    "DayStats",
    "HistoryNeeded",
    "MarketOutput",
    "MarketState",
    "ResyncNeeded",
    "warm",
]

MAX_TRADES: Final = 1000
"""Public trades kept per instrument."""

_ENDED: Final = tuple(
    tuple(index for index in range(len(TIMEFRAMES)) if flags >> index & 1) for flags in range(256)
)
"""The timeframes of each combination of flags."""

_DAY_NS: Final = Timeframe.D1.ns
_PARTS: Final = (Timeframe.H4, Timeframe.H1, Timeframe.M15, Timeframe.M5, Timeframe.M1)


class HistoryNeeded(msgspec.Struct, frozen=True):
    """A bar ended whose trades were not all seen: fetch these bars and give them to `seed_bars`."""

    instrument_id: InstrumentId
    timeframe: Timeframe
    start_ns: int
    end_ns: int
    """Bars with start_ns <= open time < end_ns are missing."""


class DayStats(msgspec.Struct, frozen=True):
    """The last 24 hours in ticks and lots, in steps of 15 minutes; zeros while nothing is known."""

    open_ticks: int = 0
    high_ticks: int = 0
    low_ticks: int = 0
    volume_lots: int = 0


MarketOutput: TypeAlias = Bar | FeedStatusChanged | ResyncNeeded | HistoryNeeded


class _Market:
    """One instrument."""

    __slots__ = (
        "builder",
        "events",
        "gate",
        "instrument",
        "last_trade_id",
        "quote",
        "raw_trades",
        "series",
        "trades",
    )

    def __init__(self, instrument: Instrument, rule: SequenceRule, eager: bool) -> None:
        self.instrument = instrument
        self.gate = Gate(instrument.id, rule, eager=eager)
        self.builder = BarBuilder(instrument.id)
        self.series: dict[Timeframe, BarSeries] = {}
        self.trades: deque[Trade] = deque(maxlen=MAX_TRADES)
        self.quote: Quote | None = None
        self.last_trade_id = 0
        self.raw_trades = False
        """Single trades come in, so aggregates of the same trades are not counted."""


class MarketState:
    """The market as seen through its feeds; also the `Marks` of the trading core.

    Args:
        instruments: What may be seen; more can be added later.
        rules: The sequence rule of each venue.
        stale_after_s: Silence after which an instrument is stale.
        history_bars: Closed bars kept per instrument and timeframe.
        grace_ms: Time after a bar's end, by the venue's clock, at which the timer closes it.
        eager: Take a book delta for a subscription; for captures that do not record any.
    """

    def __init__(
        self,
        instruments: Collection[Instrument],
        rules: Mapping[VenueName, SequenceRule],
        *,
        stale_after_s: float = 10.0,
        history_bars: int = 1000,
        grace_ms: int = 250,
        eager: bool = False,
    ) -> None:
        self._rules = dict(rules)
        self._eager = eager
        self._stale_after_ns = int(stale_after_s * 1e9)
        self._history_bars = history_bars
        self._grace_ns = grace_ms * 1_000_000
        self._markets: dict[InstrumentId, _Market] = {}
        self._handlers: dict[type, Callable[[Any], Sequence[MarketOutput]]] = {
            BookSnapshot: self._on_snapshot,
            FeedConnected: self._on_connected,
            FeedDisconnected: self._on_disconnected,
            FeedStatusChanged: self._on_status,
        }
        self.add_instruments(instruments)

    # -- events in -------------------------------------------------------------------------

    def apply(self, event: MarketEvent) -> Sequence[MarketOutput]:
        """Take one market event and return what follows from it, in order.

        - `Bar`: a bar closed (revision 0), or a closed one was corrected by a late trade.
        - `FeedStatusChanged`: an instrument's data became trusted or not.
        - `ResyncNeeded`: have the feed request a book image.
        - `HistoryNeeded`: closed bars could not be built from trades; fetch and seed them.

        Bars of the venue's own candle stream and rejected frames change nothing here. An event of
        an instrument that was never added is ignored.
        """
        # Nearly all events are of these three kinds: spare them the detour.
        if type(event) is Quote:
            market = self._markets.get(event.instrument_id)
            if market is not None:
                market.quote = event
                market.gate.last_recv_ns = event.ts_recv_ns
            return ()
        if type(event) is Trade:
            return self._on_trade(event)
        if type(event) is BookDelta:
            market = self._markets.get(event.instrument_id)
            return market.gate.on_delta(event) if market is not None else ()
        handler = self._handlers.get(type(event))
        return handler(event) if handler is not None else ()

    def on_timer(self, now_ns: int) -> Sequence[MarketOutput]:
        """Take the time (UTC): close bars that are over, notice silence, ask again for images.

        Call it a few times a second. Same results as `apply`.
        """
        out: list[MarketOutput] = []
        for market in self._markets.values():
            if market.trades:
                flags = market.builder.on_timer(now_ns, self._grace_ns)
                if flags:
                    self._close(market, flags, now_ns, out)
            if market.gate.status is not FeedStatus.UNSUBSCRIBED:
                out.extend(market.gate.on_timer(now_ns, self._stale_after_ns))
        return out

    def add_instruments(self, instruments: Collection[Instrument]) -> None:
        """Learn instruments; one whose steps changed starts anew, for its ticks mean other prices.

        Raises:
            ConfigError: There is no sequence rule for an instrument's venue.
        """
        for instrument in instruments:
            rule = self._rules.get(instrument.venue)
            if rule is None:
                raise ConfigError(f"no feed is configured for {instrument.id}")
            known = self._markets.get(instrument.id)
            if known is not None and _same_steps(known.instrument, instrument):
                known.instrument = instrument
                continue
            self._markets[instrument.id] = _Market(instrument, rule, self._eager)

    def seed_bars(
        self, instrument_id: InstrumentId, timeframe: Timeframe, bars: Sequence[Bar]
    ) -> list[Bar]:
        """Merge closed bars of the venue's history; where both exist, bars built here win.

        Bars not yet over and bars without trades are left out, so give whole answers of
        `Feed.history`. Returns the bars that came after the oldest one known before, oldest
        first: a hole filled (revision 1) or a newer closed bar (revision 0). Indicators over
        this series must be built again from `bars` afterwards.
        """
        market = self._market(instrument_id)
        forming = market.builder.forming(INDEX[timeframe])
        before = int(forming[_bars.OPEN_TS]) if forming is not None else 1 << 62
        return self._series(market, timeframe).seed(bars, before)

    # -- the market as it is ---------------------------------------------------------------

    def __contains__(self, instrument_id: InstrumentId) -> bool:
        return instrument_id in self._markets

    def instruments(self) -> Iterator[Instrument]:
        """Iterate over all instruments known, in the order they were added."""
        return (market.instrument for market in self._markets.values())

    def instrument(self, instrument_id: InstrumentId) -> Instrument:
        """Return an instrument.

        Raises:
            ConfigError: It is not known.
        """
        return self._market(instrument_id).instrument

    def book(self, instrument_id: InstrumentId) -> OrderBook:
        """Return the book; empty after a gap, and only good while `trusted`."""
        return self._market(instrument_id).gate.book

    def top(self, instrument_id: InstrumentId) -> tuple[int, int] | None:
        """Return best bid and ask in ticks, the last known while stale, None if never known.

        The newer of the book and the quote stream, which runs ahead of a book sent every 100 ms.
        """
        market = self._markets.get(instrument_id)
        if market is None:
            return None
        quote = market.quote
        gate = market.gate
        if quote is not None and quote.update_id > gate.book.last_id:
            return quote.bid_ticks, quote.ask_ticks
        return gate.top

    def trusted(self, instrument_id: InstrumentId) -> bool:
        """Return whether the instrument's data is live and in sequence."""
        market = self._markets.get(instrument_id)
        return market is not None and market.gate.status is FeedStatus.LIVE

    def status(self, instrument_id: InstrumentId) -> FeedStatus:
        """Return the trust in an instrument's data."""
        return self._market(instrument_id).gate.status

    def feed_view(self, instrument_id: InstrumentId) -> FeedView:
        """Return the trust in an instrument's data with its reason and counts."""
        gate = self._market(instrument_id).gate
        return FeedView(
            instrument_id=instrument_id,
            status=gate.status,
            reason=gate.reason,
            last_event_ns=gate.last_recv_ns,
            gaps=gate.gaps,
            resyncs=gate.resyncs,
        )

    def quote(self, instrument_id: InstrumentId) -> Quote | None:
        """Return the newest quote."""
        return self._market(instrument_id).quote

    def last_trade(self, instrument_id: InstrumentId) -> Trade | None:
        """Return the newest trade."""
        trades = self._market(instrument_id).trades
        return trades[-1] if trades else None

    def trades(self, instrument_id: InstrumentId) -> deque[Trade]:
        """Return the newest trades, oldest first, at most `MAX_TRADES`; do not change it."""
        return self._market(instrument_id).trades

    def bars(
        self, instrument_id: InstrumentId, timeframe: Timeframe, limit: int | None = None
    ) -> Columns:
        """Return closed bars as equal columns, oldest first; no trade, no bar."""
        return self._series(self._market(instrument_id), timeframe).columns(limit)

    def bars_version(self, instrument_id: InstrumentId, timeframe: Timeframe) -> int:
        """Return a number that changes whenever `bars` does."""
        return self._series(self._market(instrument_id), timeframe).version

    def forming(self, instrument_id: InstrumentId, timeframe: Timeframe) -> FormingBar | None:
        """Return the bar still being built.

        Of a bar that began before the subscription the earlier part comes from the closed shorter
        bars of the history, to the minute.
        """
        market = self._market(instrument_id)
        row = market.builder.forming(INDEX[timeframe])
        if row is None:
            return None
        if not market.builder.whole(int(row[_bars.OPEN_TS])):
            row = self._with_history(market, timeframe, row)
        return make_forming(instrument_id, timeframe, row)

    def day_stats(self, instrument_id: InstrumentId) -> DayStats:
        """Return open, high, low and volume of the last 24 hours."""
        market = self._market(instrument_id)
        forming = self.forming(instrument_id, Timeframe.M15)
        series = self._series(market, Timeframe.M15)
        newest = forming.ts_open_ns if forming is not None else series.newest_open_ns
        rows = series.rows_between(newest - _DAY_NS + Timeframe.M15.ns, newest + 1)
        stats = [
            DayStats(
                int(rows[_bars.OPEN, 0]),
                int(rows[_bars.HIGH].max()),
                int(rows[_bars.LOW].min()),
                int(rows[_bars.VOLUME].sum()),
            )
        ] if rows.shape[1] else []  # fmt: skip
        if forming is not None:
            stats.append(
                DayStats(
                    forming.open_ticks, forming.high_ticks, forming.low_ticks, forming.volume_lots
                )
            )
        if not stats:
            return DayStats()
        return DayStats(
            stats[0].open_ticks,
            max(item.high_ticks for item in stats),
            min(item.low_ticks for item in stats),
            sum(item.volume_lots for item in stats),
        )

    def state_digest(self) -> bytes:
        """Return a sha256 over books, ids, statuses, quotes and bars; the same on any machine."""
        digest = hashlib.sha256()
        for name in sorted(self._markets):
            market = self._markets[name]
            gate = market.gate
            if gate.status is FeedStatus.UNSUBSCRIBED and not market.trades and not market.quote:
                continue
            quote, trade = market.quote, market.trades[-1] if market.trades else None
            head = (
                name, gate.status.value, gate.synced, gate.gaps, gate.resyncs, gate.book.last_id,
                quote.update_id if quote else 0, quote.bid_ticks if quote else 0,
                quote.ask_ticks if quote else 0, trade.trade_id if trade else 0,
            )  # fmt: skip
            digest.update(repr(head).encode())
            digest.update(gate.book.image())
            digest.update(market.builder.image())
            for timeframe in TIMEFRAMES:
                if timeframe in market.series:
                    digest.update(market.series[timeframe].image())
        return digest.digest()

    # -- handlers --------------------------------------------------------------------------

    def _on_trade(self, trade: Trade) -> Sequence[MarketOutput]:
        market = self._markets.get(trade.instrument_id)
        if market is None:
            return ()
        market.gate.last_recv_ns = trade.ts_recv_ns
        if trade.first_trade_id:
            if market.raw_trades:
                return ()
        elif not market.raw_trades:
            market.raw_trades = True
        if trade.trade_id > market.last_trade_id:
            market.last_trade_id = trade.trade_id
        elif _known(market.trades, trade):
            return ()
        market.trades.append(trade)
        flags = market.builder.on_trade(trade)
        if not flags:
            return ()
        out: list[MarketOutput] = []
        self._close(market, flags, trade.ts_recv_ns, out)
        late = flags >> 8 & 0xFF
        if late:
            self._revise(market, late, trade, out)
        return out

    def _on_snapshot(self, image: BookSnapshot) -> Sequence[MarketOutput]:
        market = self._markets.get(image.instrument_id)
        return market.gate.on_snapshot(image) if market is not None else ()

    def _on_connected(self, event: FeedConnected) -> Sequence[MarketOutput]:
        out: list[MarketOutput] = []
        for market in self._on(event):
            if market.gate.status is not FeedStatus.UNSUBSCRIBED:
                market.builder.interrupt()
                out.extend(market.gate.subscribe(event.ts_recv_ns, "connected"))
        return out

    def _on_disconnected(self, event: FeedDisconnected) -> Sequence[MarketOutput]:
        out: list[MarketOutput] = []
        for market in self._on(event):
            market.builder.interrupt()
            out.extend(market.gate.distrust(event.ts_recv_ns, f"disconnected: {event.reason}"))
        return out

    def _on_status(self, event: FeedStatusChanged) -> Sequence[MarketOutput]:
        market = self._markets.get(event.instrument_id)
        if market is None:
            return ()
        market.builder.interrupt()
        match event.status:
            case FeedStatus.SYNCING:
                return market.gate.subscribe(event.ts_recv_ns, event.reason)
            case FeedStatus.UNSUBSCRIBED:
                return market.gate.unsubscribe(event.ts_recv_ns)
            case _:  # Trust is only ever won here, so a feed can take it but not give it.
                return market.gate.distrust(event.ts_recv_ns, event.reason)

    # -- bars ------------------------------------------------------------------------------

    def _close(self, market: _Market, flags: int, ts_recv_ns: int, out: list[MarketOutput]) -> None:
        for index in _ENDED[(flags | flags >> 16) & 0xFF]:
            timeframe = TIMEFRAMES[index]
            flag = flags >> index
            closed = market.builder.closed(index)
            row = closed.tolist()
            opened = row[_bars.OPEN_TS]
            series = self._series(market, timeframe)
            newest = series.newest_open_ns
            if not flag & 1:
                start = newest + timeframe.ns if 0 <= newest < opened else opened
                out.append(
                    HistoryNeeded(market.instrument.id, timeframe, start, opened + timeframe.ns)
                )
            elif opened > newest:
                series.append(closed, opened)
                out.append(make_bar(market.instrument.id, timeframe, row, ts_recv_ns))

    def _revise(self, market: _Market, flags: int, trade: Trade, out: list[MarketOutput]) -> None:
        ts = trade.ts_event_ns
        for index, timeframe in enumerate(TIMEFRAMES):
            opened = ts - ts % timeframe.ns
            if not flags >> index & 1 or not market.builder.whole(opened):
                continue
            revised = self._series(market, timeframe).revise(
                opened, ts, trade.price_ticks, trade.size_lots
            )
            if revised is not None:
                row, revision = revised
                out.append(
                    make_bar(market.instrument.id, timeframe, row, trade.ts_recv_ns, revision)
                )

    def _with_history(self, market: _Market, timeframe: Timeframe, row: Rows) -> Rows:
        """Return a partial forming bar joined with the closed shorter bars before our trades."""
        opened = int(row[_bars.OPEN_TS])
        first_seen = int(row[_bars.FIRST_TS])
        limit = first_seen - first_seen % Timeframe.M1.ns
        cursor = opened
        parts: list[Rows] = []
        for shorter in _PARTS:
            if shorter.ns >= timeframe.ns or shorter not in market.series:
                continue
            rows = market.series[shorter].rows_between(cursor, limit - shorter.ns + 1)
            if rows.shape[1]:
                parts.append(rows)
                cursor = int(rows[_bars.OPEN_TS, -1]) + shorter.ns
        if not parts:
            return row
        joined = row.copy()
        joined[_bars.OPEN] = parts[0][_bars.OPEN, 0]
        for rows in parts:
            joined[_bars.HIGH] = max(joined[_bars.HIGH], rows[_bars.HIGH].max())
            joined[_bars.LOW] = min(joined[_bars.LOW], rows[_bars.LOW].min())
            joined[_bars.VOLUME] += rows[_bars.VOLUME].sum()
            joined[_bars.TRADES] += rows[_bars.TRADES].sum()
        return joined

    def _series(self, market: _Market, timeframe: Timeframe) -> BarSeries:
        series = market.series.get(timeframe)
        if series is None:
            series = market.series[timeframe] = BarSeries(self._history_bars)
        return series

    def _on(self, event: FeedConnected | FeedDisconnected) -> Sequence[_Market]:
        """Return the instruments of a connection, or of the whole venue where that is unknown."""
        if event.instrument_ids is None:
            every = self._markets.values()
            return [market for market in every if market.instrument.venue == event.venue]
        return [self._markets[name] for name in event.instrument_ids if name in self._markets]

    def _market(self, instrument_id: InstrumentId) -> _Market:
        market = self._markets.get(instrument_id)
        if market is None:
            raise ConfigError(f"unknown instrument {instrument_id!r}")
        return market


def _same_steps(one: Instrument, other: Instrument) -> bool:
    return one.price_tick == other.price_tick and one.size_lot == other.size_lot


def _known(trades: deque[Trade], trade: Trade) -> bool:
    return bool(trade.trade_id) and any(
        item.trade_id == trade.trade_id for item in reversed(trades)
    )


def warm() -> None:
    """Compile or load every kernel of the market state."""
    _book.warm()
    _bars.warm()
