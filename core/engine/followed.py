"""One instrument as its feed shows it: trust, book, newest trades, bars, and how it went."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from core.engine import bars as _bars
from core.engine import best
from core.engine.bars import (
    BAR,
    CLOSED_AT,
    INDEX,
    PERIODS,
    TIMEFRAMES,
    WAITS,
    BarBuilder,
    Rows,
    make_bar,
)
from core.engine.consequences import DataFault, HistoryNeeded, MarketOutput, TradesNeeded
from core.engine.gate import Gate
from core.engine.missing import MissingIds, is_aged, is_known, numbered_anew
from core.engine.quality import Tally
from core.engine.reference import Known
from core.engine.series import BarSeries
from core.engine.steady import QUOTES, RECV
from core.engine.vigil import Vigil
from core.model.instruments import Instrument
from core.model.market import (
    Bar,
    BookDelta,
    BookSnapshot,
    CheckedDelta,
    DayTicker,
    FeedStatus,
    Liquidation,
    MarkPrice,
    OpenInterest,
    OptionGreeks,
    Quote,
    Timeframe,
    Trade,
    TradeCanceled,
    TradesAbsent,
)
from core.model.ports import SequenceRule
from core.model.stores import TradeHole
from core.model.views import QualityView

if TYPE_CHECKING:
    from hashlib import _Hash

MAX_TRADES: Final = 1000
"""Public trades kept per instrument."""

_ENDED: Final = tuple(
    tuple((i, TIMEFRAMES[i], CLOSED_AT[i]) for i in range(8) if flags >> i & 1)
    for flags in range(256)
)
"""Of each combination of flags the timeframes, and where a builder has what ended."""

_PARTS: Final = (Timeframe.H4, Timeframe.H1, Timeframe.M15, Timeframe.M5, Timeframe.M1)
_IDS: Final = 4 * MAX_TRADES
_ANY_PRICE: Final = (-1, 1 << 62)
_BAND: Final = 4
"""A price is believed within a quarter of the last one, up or down."""

_BAND_TICKS: Final = 100
"""Below so many ticks a price moves by large parts of itself, so no band is laid."""

_BAND_AGE_NS: Final = 60_000_000_000
"""A last trade older than this says little of the next."""

_PAUSE_NS: Final = 2_000_000_000
"""A timer this late means that we slept, not the venue."""


ROUTED: Final = (
    Trade, BookDelta, CheckedDelta, BookSnapshot, TradeCanceled, TradesAbsent, MarkPrice,
    OpenInterest, OptionGreeks, DayTicker, Liquidation,
)  # fmt: skip
"""The kinds of events that `Followed.handlers` has something for."""


class Followed:
    """What is known of one instrument.

    Args:
        instrument: Its steps; replaced when the venue changes other things.
        rule: The venue's sequence rule.
        eager: Take a book delta for a subscription; for captures that do not record any.
        history_bars: Closed bars kept per timeframe.
        known: What keeps its marks, tickers and the like.
    """

    __slots__ = (
        "_add",
        "_block",
        "_booked",
        "_chained",
        "_consecutive",
        "_figures",
        "_high",
        "_history_bars",
        "_joined",
        "_kept",
        "_known",
        "_low",
        "_name",
        "_place",
        "_plain",
        "_raw_trades",
        "_refilled",
        "_seen_ids",
        "_seen_order",
        "builder",
        "gate",
        "instrument",
        "last_trade_id",
        "missing",
        "quoted",
        "quotes_told",
        "series",
        "tally",
        "trades",
        "vigil",
    )

    def __init__(
        self,
        instrument: Instrument,
        rule: SequenceRule,
        *,
        eager: bool,
        history_bars: int,
        known: Known | None = None,
    ) -> None:
        traits = rule.traits(instrument)
        self.instrument = instrument
        self.gate = Gate(instrument.id, rule, traits, eager=eager)
        self._figures = self.gate.figures
        self.builder = BarBuilder(instrument.id)
        # Reached by every trade, so each is kept at hand.
        self._name = instrument.id
        self._known = known or Known()
        self._add = self.builder.add
        self._place = self.builder.place
        self._block = self.builder.block
        self.trades: deque[Trade] = deque(maxlen=MAX_TRADES)
        self.quoted: Quote | None = None
        """The newest quote that was told; `MarketState` sets it."""
        self.quotes_told = 0
        """Quotes told so far."""
        self.last_trade_id = 0
        self.missing = MissingIds()
        """Ids the stream left out, which the venue may still tell."""
        self._refilled: Trade | None = None
        """The newest trade of those."""
        self.tally = Tally()
        self.vigil = Vigil(booked=traits.has_book)
        self.series: dict[Timeframe, BarSeries] = {}
        """Closed bars of each timeframe that any were asked or heard of, in that order."""
        self._kept: list[BarSeries | None] = [None] * len(TIMEFRAMES)
        self._history_bars = history_bars
        self._booked = traits.has_book
        self._consecutive = traits.consecutive_trades
        self._chained = traits.chained_trades
        self._seen_ids: set[int] | None = None if traits.ordered_trades else set()
        """Ids of the newest trades where they come in no order."""
        self._seen_order: deque[int] = deque()
        """The same, oldest first."""
        self._raw_trades = False
        """Single trades come in, so aggregates of the same trades are not counted."""
        self._plain = False
        """Trades of rising ids come in beside a book, all of them `_joined` or none."""
        self._joined = False
        """Aggregates come in, and no single trades."""
        self._low, self._high = _ANY_PRICE
        """Ticks between which the next trade is believed."""

    # -- events in -------------------------------------------------------------------------

    def handlers(self) -> dict[type, Callable[[Any], Sequence[MarketOutput]]]:
        """Return what takes each kind of event that names the instrument."""
        gate, known = self.gate, self._known
        return {
            Trade: self.on_trade,
            BookDelta: gate.on_delta,
            CheckedDelta: gate.on_checked,
            BookSnapshot: gate.on_snapshot,
            TradeCanceled: self.on_canceled,
            TradesAbsent: self.on_absent,
            MarkPrice: known.on_mark,
            OpenInterest: known.on_interest,
            OptionGreeks: known.on_greeks,
            DayTicker: self.on_ticker,
            Liquidation: self.on_liquidation,
        }

    def on_ticker(self, event: DayTicker) -> Sequence[MarketOutput]:
        """Take the venue's statistics; some providers have a last price and nothing else."""
        self._known.on_ticker(event)
        return () if self._booked else self.gate.heard(event.ts_recv_ns)

    def on_liquidation(self, event: Liquidation) -> Sequence[MarketOutput]:
        """Take a forced order."""
        return self._known.on_liquidation(event, self.instrument)

    def heard(self, ts_recv_ns: int) -> Sequence[MarketOutput]:
        """Take a quote as a sign of life, where there is no book to wait for."""
        return () if self._booked else self.gate.heard(ts_recv_ns)

    def on_trade(self, trade: Trade) -> Sequence[MarketOutput]:
        """Take a trade, unless it is known: close and revise bars, and notice what is missing."""
        number = trade.trade_id
        price = trade.price_ticks
        if (
            self._plain
            and number == self.last_trade_id + 1
            and self._low <= price <= self._high
            and bool(trade.first_trade_id) is self._joined
        ):
            # Nearly always: the very next one, at a price near the one before.
            self.last_trade_id = number
            found: Sequence[MarketOutput] = ()
        else:
            judged = self._judge(trade)
            if judged is None:
                return ()
            found = judged
        recv_ns = trade.ts_recv_ns
        self._figures[RECV] = recv_ns
        self.tally.trades += 1
        self.trades.append(trade)
        flags = self._add(self._place, trade.ts_event_ns, recv_ns, price, trade.size_lots)
        if not flags:
            return found
        if flags > 0xFF:
            return self._bars_of(flags, trade, found)
        # Whole bars, which the kernel has kept already.
        name, block = self._name, self._block
        out = list(found)
        for _, timeframe, place in _ENDED[flags]:
            opened, first, high, low, last, volume, trades = BAR(block, place)
            out.append(
                Bar(name, timeframe, opened, first, high, low, last, volume, trades, recv_ns)
            )
        return out

    def _judge(self, trade: Trade) -> list[MarketOutput] | None:
        """Return what is wrong with a trade, None for one that is known or does not count."""
        self._figures[RECV] = trade.ts_recv_ns
        last_id = self.last_trade_id
        found: list[MarketOutput] = []
        if trade.first_trade_id:
            if self._raw_trades:
                return None
            self._joined = True
            self._plain = self._booked and self._seen_ids is None
        elif not self._raw_trades:
            self._raw_trades = True
            self._joined = False
            self._plain = self._booked and self._seen_ids is None
            last_id = 0
        if self._seen_ids is not None:
            if not self._is_new(trade.trade_id):
                return None
        elif trade.trade_id > last_id:
            self.last_trade_id = trade.trade_id
            first = (self._chained and trade.first_trade_id) or trade.trade_id
            if (self._consecutive or self._chained) and 0 < last_id < first - 1:
                found += self._hole(trade, last_id, first)
        else:
            earlier = self._earlier(trade, last_id)
            if earlier is None:
                return None
            found += earlier
        if not self._low <= trade.price_ticks <= self._high:
            found += self._off_band(trade)
        if not self._booked:
            found += self.gate.heard(trade.ts_recv_ns)
        return found

    def _earlier(self, trade: Trade, last_id: int) -> Sequence[MarketOutput] | None:
        """Return what an id behind the newest one says, None for a trade that is known."""
        if self.missing and self._fills(trade):
            self._refilled = trade
        elif is_known(self.trades, trade, chained=self._chained) or (
            self._consecutive and is_aged(self.trades, trade)
        ):
            self.tally.duplicates += 1
            return None
        elif (self._consecutive or self._chained) and numbered_anew(self.trades, trade, last_id):
            return self._anew(trade, last_id)
        return ()

    def on_absent(self, event: TradesAbsent) -> Sequence[MarketOutput]:
        """Wait no longer for trades of which the venue itself says that there are none."""
        self.tally.refilled += self.missing.absent(event.first_id, event.last_id)
        return ()

    def on_canceled(self, event: TradeCanceled) -> Sequence[MarketOutput]:
        """Take a trade back: bars that held it are the venue's to state."""
        gone = next((trade for trade in self.trades if trade.trade_id == event.trade_id), None)
        ts = gone.ts_event_ns if gone is not None else event.ts_event_ns
        if gone is not None:
            place = self.trades.index(gone)
            del self.trades[place]
            if event.corrected is not None:
                self.trades.insert(place, event.corrected)
        self.builder.interrupt()
        name = self.instrument.id
        text = f"the venue took trade {event.trade_id} back"
        out: list[MarketOutput] = [DataFault(name, event.ts_recv_ns, "trade canceled", text)]
        for timeframe in self.series:
            opened = ts - ts % timeframe.ns
            if opened + timeframe.ns <= event.ts_recv_ns:
                out.append(HistoryNeeded(name, timeframe, opened, opened + timeframe.ns))
        return out

    def on_timer(
        self, now_ns: int, passed_ns: int, grace_ns: int, stale_after_ns: int
    ) -> list[MarketOutput]:
        """Close bars that are over, learn habits, notice silence, lay the band of the next price.

        `passed_ns` is the time since the last call.
        """
        out: list[MarketOutput] = []
        if self.trades:
            flags = self.builder.on_timer(now_ns, grace_ns)
            if flags:
                self._close(flags, now_ns, out)
        gate = self.gate
        if gate.status is FeedStatus.UNSUBSCRIBED:
            return out
        if self.missing:
            out += [TradesNeeded(self._name, hole) for hole in self.missing.due(now_ns)]
        if passed_ns > _PAUSE_NS:
            self.vigil.restart(now_ns)
        if gate.status is FeedStatus.LIVE:
            self.tally.live_ns += passed_ns
        else:
            self.tally.stale_ns += passed_ns
        self.vigil.look((gate.deltas, self.quotes, self.tally.trades), now_ns)
        self._low, self._high = self._believable(now_ns)
        silence = self.vigil.silence(now_ns, gate.last_recv_ns, stale_after_ns)
        out.extend(gate.on_timer(now_ns, silence))
        if gate.status is not FeedStatus.LIVE:
            plea = self.vigil.plea(now_ns, stale_after_ns)
            if plea is not None:
                out.extend(gate.plead(*plea))
        return out

    def lost(self, now_ns: int, reason: str) -> Sequence[MarketOutput]:
        """Note that the connection went: trades may be missing, and the book is old."""
        self.builder.interrupt()
        self.vigil.lost(now_ns)
        if self.gate.status is not FeedStatus.UNSUBSCRIBED:
            self.tally.outages += 1
        return self.gate.distrust(now_ns, reason)

    def joined(self, now_ns: int, reason: str) -> Sequence[MarketOutput]:
        """Start anew because it was subscribed.

        Trades before are nobody's loss, unless a lost connection is only joined again.
        """
        self.builder.interrupt()
        self.vigil.joined(now_ns, (self.gate.deltas, self.quotes, self.tally.trades))
        if self.gate.status is FeedStatus.UNSUBSCRIBED:
            self.last_trade_id = 0
            self.missing.clear()
        return self.gate.subscribe(now_ns, reason)

    # -- what is known ---------------------------------------------------------------------

    @property
    def quote(self) -> Quote | None:
        """Best bid and ask."""
        self.quoted = found = best.newest(self._figures, self._name, self.quoted)
        return found

    @property
    def quotes(self) -> int:
        """Quotes so far, told or left on the desk."""
        return self.quotes_told + self._figures[QUOTES]

    def of(self, timeframe: Timeframe) -> BarSeries:
        """Return the closed bars of a timeframe, an empty series at first."""
        return self._series_of(INDEX[timeframe])

    def with_history(self, timeframe: Timeframe, row: Rows) -> Rows:
        """Return a partial forming bar joined with the closed shorter bars before our trades."""
        opened = int(row[_bars.OPEN_TS])
        first_seen = int(row[_bars.FIRST_TS])
        limit = first_seen - first_seen % Timeframe.M1.ns
        cursor = opened
        parts: list[Rows] = []
        for shorter in _PARTS:
            if shorter.ns >= timeframe.ns or shorter not in self.series:
                continue
            rows = self.series[shorter].rows_between(cursor, limit - shorter.ns + 1)
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

    def quality(self, offset_ns: int, stale_after_s: float) -> QualityView:
        """Return the counts since the instrument was first followed, of no day in particular."""
        gate, tally, vigil = self.gate, self.tally, self.vigil
        newest = (self.quote, self.trades[-1] if self.trades else None)
        stamped = [item for item in newest if item is not None and item.ts_event_ns]
        delay_ns = min((i.ts_recv_ns - i.ts_event_ns + offset_ns for i in stamped), default=0)
        return QualityView(
            instrument_id=self.instrument.id,
            day="",
            status=gate.status,
            reason=gate.reason,
            unchecked=gate.traits.unchecked,
            live_s=tally.live_ns / 1e9,
            stale_s=tally.stale_ns / 1e9,
            frames=gate.deltas + self.quotes + tally.trades,
            trades=tally.trades,
            gaps=gate.gaps,
            resyncs=gate.resyncs,
            crossed=gate.crossings,
            outages=tally.outages,
            resubscribed=tally.resubscribed,
            rejected=tally.rejected,
            checksum_ok=gate.checks_ok,
            checksum_bad=gate.checks_bad,
            late_trades=tally.late_trades,
            trade_holes=tally.trade_holes,
            trades_refilled=tally.refilled,
            duplicates=tally.duplicates,
            off_band=tally.off_band,
            rate_per_s=vigil.rate_per_s,
            silence_s=vigil.limit_s(stale_after_s),
            clock_offset_ms=offset_ns / 1e6,
            delay_ms=delay_ns / 1e6,
        )

    def digest(self, into: _Hash) -> None:
        """Add book, ids, status, quote and bars to a hash; nothing where nothing was seen."""
        gate = self.gate
        if gate.status is FeedStatus.UNSUBSCRIBED and not self.trades and not self.quote:
            return
        quote, trade = self.quote, self.trades[-1] if self.trades else None
        head = (
            self.instrument.id, gate.status.value, gate.synced, gate.gaps, gate.resyncs,
            gate.book.last_id, quote.update_id if quote else 0, quote.bid_ticks if quote else 0,
            quote.ask_ticks if quote else 0, trade.trade_id if trade else 0,
        )  # fmt: skip
        into.update(repr(head).encode())
        into.update(gate.book.image())
        into.update(self.builder.image())
        for timeframe in TIMEFRAMES:
            if timeframe in self.series:
                into.update(self.series[timeframe].image())

    # -- within ----------------------------------------------------------------------------

    def _is_new(self, trade_id: int) -> bool:
        """Remember an id of a venue whose ids come in no order."""
        seen = self._seen_ids
        assert seen is not None
        if trade_id in seen:
            self.tally.duplicates += 1
            return False
        seen.add(trade_id)
        self._seen_order.append(trade_id)
        if len(seen) > _IDS:
            seen.remove(self._seen_order.popleft())
        return True

    def _hole(self, trade: Trade, last_id: int, first_id: int) -> Sequence[MarketOutput]:
        """Count trades that never came, and ask for them.

        Bars that were still forming are fetched from the venue's history; closed ones are revised
        when the trades come.
        """
        if numbered_anew(self.trades, trade, last_id):
            return self._anew(trade, last_id)
        if not self.missing.believe(self.tally.trades):
            return ()
        first, last = last_id + 1, first_id - 1
        before_ns = self.trades[-1].ts_event_ns if self.trades else trade.ts_event_ns
        hole = TradeHole(first, last, min(before_ns, trade.ts_event_ns), trade.ts_event_ns + 1)
        self.missing.add(first, last)
        self.tally.trade_holes += hole.trades
        self.builder.interrupt()
        what = "one trade" if hole.trades == 1 else f"{hole.trades} trades"
        text = f"{what} between {last_id} and {first_id} never came"
        name = trade.instrument_id
        told = DataFault(name, trade.ts_recv_ns, "trade hole", text)
        if self._chained:
            # The venue tells joined ones in parts: those of one that is only late count double.
            self.missing.owe(hole, trade.ts_recv_ns)
            return (told,)
        return told, TradesNeeded(name, hole)

    def _anew(self, trade: Trade, last_id: int) -> Sequence[MarketOutput]:
        """Go on with the ids a venue gives anew; the bars are the venue's to state."""
        self.last_trade_id = trade.trade_id
        self.missing.clear()
        self.builder.interrupt()
        text = f"ids went from {last_id} to {trade.trade_id}: the venue numbers anew, none counted"
        return (DataFault(trade.instrument_id, trade.ts_recv_ns, "trade ids", text),)

    def _fills(self, trade: Trade) -> bool:
        """Return whether a trade was missing, and wait for it no longer."""
        taken = self.missing.take(trade.trade_id, trade.first_trade_id if self._chained else 0)
        self.tally.refilled += taken
        return taken > 0

    def _off_band(self, trade: Trade) -> Sequence[MarketOutput]:
        self.tally.off_band += 1
        item = self.instrument
        price = item.price(trade.price_ticks)
        text = f"trade {trade.trade_id} at {price:f} is over 25 % away from the one before"
        # From here the new price is the measure: a true jump must not be doubted trade by trade.
        self._low, self._high = _ANY_PRICE
        return (
            DataFault(item.id, trade.ts_recv_ns, "off band", text),
            *self.gate.doubt(trade.ts_recv_ns, "price off band"),
        )

    def _believable(self, now_ns: int) -> tuple[int, int]:
        last = self.trades[-1] if self.trades else None
        if last is None or last.price_ticks < _BAND_TICKS:
            return _ANY_PRICE
        if now_ns - last.ts_recv_ns > _BAND_AGE_NS:
            return _ANY_PRICE
        wide = last.price_ticks // _BAND
        return last.price_ticks - wide, last.price_ticks + wide

    def _bars_of(
        self, flags: int, trade: Trade, found: Sequence[MarketOutput]
    ) -> list[MarketOutput]:
        out = list(found)
        self._close(flags, trade.ts_recv_ns, out)
        late = flags >> 8 & 0xFF
        if late:
            self.tally.late_trades += 1
            self._revise(late, trade, out)
        return out

    def _close(self, flags: int, ts_recv_ns: int, out: list[MarketOutput]) -> None:
        name = self._name
        for index, timeframe, place in _ENDED[(flags | flags >> 16) & 0xFF]:
            if flags >> index & 1:
                if flags >> index & WAITS:
                    self._series_of(index).append(self.builder.closed_row(index))
                out.append(make_bar(name, timeframe, BAR(self._block, place), ts_recv_ns))
            else:
                opened, period = self.builder.closed(index)[_bars.OPEN_TS], PERIODS[index]
                newest = self._series_of(index).newest_open_ns
                start = newest + period if 0 <= newest < opened else opened
                out.append(HistoryNeeded(name, timeframe, start, opened + period))

    def _series_of(self, index: int) -> BarSeries:
        series = self._kept[index]
        if series is None:
            series = BarSeries(self._history_bars, self.builder.kept(index))
            self._kept[index] = self.series[TIMEFRAMES[index]] = series
        return series

    def _revise(self, flags: int, trade: Trade, out: list[MarketOutput]) -> None:
        ts = trade.ts_event_ns
        # A trade that was missing lacks in bars that closed before it was missed; where one is not
        # there, the venue's is on its way, which has it.
        refilled = trade is self._refilled
        for index, timeframe, _ in _ENDED[flags]:
            opened = ts - ts % PERIODS[index]
            if not (refilled or self.builder.whole(opened)):
                continue
            series = self._series_of(index)
            price, lots = trade.price_ticks, trade.size_lots
            revised = series.revise(opened, ts, price, lots, make=not refilled)
            if revised is not None:
                row, revision = revised
                name = self.instrument.id
                out.append(make_bar(name, timeframe, row, trade.ts_recv_ns, revision))


def new_hash() -> _Hash:
    """Return the hash that digests are made with."""
    return hashlib.sha256()
