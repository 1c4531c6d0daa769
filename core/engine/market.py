"""Everything known of the market: books, quotes, trades and bars, as a pure function of events.

``apply`` takes what a decoder made of a frame, ``on_timer`` takes the time; both return what
follows from it, in order. Nothing here reads a clock, waits or does input or output.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from core.engine import bars as _bars
from core.engine import book as _book
from core.engine import day as _day
from core.engine.activity import Activity, parse_rule
from core.engine.bars import INDEX, make_forming
from core.engine.book import OrderBook
from core.engine.consequences import DataFault, HistoryNeeded, MarketOutput, TradesNeeded
from core.engine.day import DayStats
from core.engine.followed import ROUTED, Followed, new_hash
from core.engine.gate import Gate, ResyncNeeded
from core.engine.quality import Clocks, QualityLog
from core.engine.reference import References
from core.engine.series import Columns
from core.engine.steady import BEST, RECV, Desk
from core.model.errors import ConfigError
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import (
    ActivityBar,
    Bar,
    BookDelta,
    CheckedDelta,
    ClockSample,
    FeedConnected,
    FeedDisconnected,
    FeedNotice,
    FeedStatus,
    FeedStatusChanged,
    FormingBar,
    FrameRejected,
    MarketEvent,
    Quote,
    SequenceBroken,
    Side,
    Timeframe,
    Trade,
)
from core.model.ports import SequenceRule
from core.model.views import FeedView, QualityView, ReferenceView

__all__ = [
    "DataFault",
    "DayStats",
    "HistoryNeeded",
    "MarketOutput",
    "MarketState",
    "ResyncNeeded",
    "TradesNeeded",
    "warm",
]

_DAY_NS: Final = Timeframe.D1.ns
_LIVE: Final = FeedStatus.LIVE


class MarketState:
    """The market as seen through its feeds; also the `Marks` of the trading core.

    Args:
        instruments: What may be seen; more can be added later.
        rules: The sequence rule of each venue.
        stale_after_s: Silence after which an instrument is stale.
        history_bars: Closed bars kept per instrument and timeframe.
        grace_ms: Time after a bar's end, by the venue's clock, at which the timer closes it.
        eager: Take a book delta for a subscription; for captures that do not record any.
        lend: Given each followed instrument with the desk of its book, for its venue's decoder to
            take changes there that go on as ever instead of telling them as events.
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
        lend: Callable[[Instrument, Desk], None] | None = None,
    ) -> None:
        self._rules = dict(rules)
        self._eager = eager
        self._lend = lend
        self._stale_after_ns = int(stale_after_s * 1e9)
        self._history_bars = history_bars
        self._grace_ns = grace_ms * 1_000_000
        self._listed: dict[InstrumentId, Instrument] = {}
        # Venues list thousands; what is never followed costs no book.
        self._markets: dict[InstrumentId, Followed] = {}
        self._gates: dict[InstrumentId, Gate] = {}
        """Of each market, at hand for every change of a book."""
        self._timer_ns = 0
        self.references = References()
        """Marks, funding, open interest and the like."""
        self.clocks = Clocks()
        """The venues' clocks beside ours."""
        self.heeded: frozenset[InstrumentId] | None = frozenset()
        """Instruments whose quotes and marks are acted upon as they come, None: all."""
        self._quality = QualityLog()
        self._activity = Activity()
        self._routes: dict[type, dict[InstrumentId, Callable[[Any], Sequence[MarketOutput]]]] = {
            kind: {} for kind in ROUTED
        }
        """By kind of event that names an instrument, what takes it for each one followed."""
        self._handlers: dict[type, Callable[[Any], Sequence[MarketOutput]]] = {
            SequenceBroken: self._on_broken,
            ClockSample: self._on_clock,
            FrameRejected: self._on_rejected,
            FeedNotice: self._on_notice,
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
        - `ResyncNeeded`: have the feed request a book image, or see to what does not speak.
        - `FeedNotice`: something a person should read.
        - `TradesNeeded`: have the feed fetch trades that never came; they come as late ones.
        - `HistoryNeeded`: closed bars could not be built from trades; fetch and seed them.

        Bars of the venue's own candle stream and rejected frames change nothing here. An event of
        an instrument that was never added is ignored.
        """
        try:
            # Quotes and changes of books are many and leave little to do: spare them the detour.
            if type(event) is Quote:
                market = self._markets[event.instrument_id]
                market.quoted = event
                market.quotes_told += 1
                gate = market.gate
                figures = gate.figures
                figures[RECV] = event.ts_recv_ns
                figures[BEST] = 0
                return () if gate.status is _LIVE else market.heard(event.ts_recv_ns)
            if type(event) is BookDelta:
                gate = self._gates[event.instrument_id]
                return () if gate.step(gate.place, event) else gate.on_delta(event)
            if type(event) is CheckedDelta:
                gate = self._gates[event.instrument_id]
                return () if gate.checked(gate.place, event) else gate.on_checked(event)
            routes = self._routes.get(type(event))
            if routes is not None:
                return routes[event.instrument_id](event)  # type: ignore[union-attr, index]  # these name one
        except KeyError:
            # Quicker than to ask before; any other key that is missing is a fault of ours.
            name: InstrumentId | None = getattr(event, "instrument_id", None)
            if name is None or name in self._markets:
                raise
            return self.apply(event) if self._open(name) is not None else ()
        handler = self._handlers.get(type(event))
        return handler(event) if handler is not None else ()

    def on_timer(self, now_ns: int) -> Sequence[MarketOutput]:
        """Take the time (UTC): close bars that are over, notice silence, ask again for images.

        Call it a few times a second. Same results as `apply`.
        """
        before_ns, self._timer_ns = self._timer_ns, now_ns
        passed_ns = now_ns - before_ns if 0 < before_ns < now_ns else 0
        out: list[MarketOutput] = []
        for market in self._markets.values():
            if market.trades or market.gate.status is not FeedStatus.UNSUBSCRIBED:
                out += market.on_timer(now_ns, passed_ns, self._grace_ns, self._stale_after_ns)
        self._activity.look(self._markets)
        return out

    def add_instruments(self, instruments: Collection[Instrument]) -> None:
        """Learn instruments; one whose steps changed starts anew, for its ticks mean other prices.

        Raises:
            ConfigError: There is no sequence rule for an instrument's venue.
        """
        for instrument in instruments:
            if instrument.venue not in self._rules:
                raise ConfigError(f"no feed is configured for {instrument.id}")
            self._listed[instrument.id] = instrument
            known = self._markets.get(instrument.id)
            if known is None:
                continue
            if instrument.same_steps(known.instrument):
                known.instrument = instrument
            else:
                self._markets[instrument.id] = self._made(instrument)

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
        return market.of(timeframe).seed(bars, before)

    def heed(self, names: Collection[InstrumentId] | None) -> None:
        """Have quotes and marks of these instruments told as events, None: of all.

        Of others kernels that were lent a desk only leave them there, and nothing is told.
        """
        self.heeded = None if names is None else frozenset(names)
        for name, market in self._markets.items():
            desk = market.gate.desk
            desk.spare(spared=desk.shown and self._is_spared(name))

    # -- the market as it is ---------------------------------------------------------------

    def __contains__(self, instrument_id: InstrumentId) -> bool:
        return instrument_id in self._listed

    def instruments(self) -> Iterator[Instrument]:
        """Iterate over all instruments known, in the order they were added."""
        return iter(self._listed.values())

    def followed(self) -> Iterator[Instrument]:
        """Iterate over the instruments anything was ever asked or heard of, in that order."""
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

        The newer of the book and the quote stream, which runs ahead of a book sent every 100 ms;
        where there is no book, the quote.
        """
        market = self._markets.get(instrument_id)
        if market is None:
            return None
        quote = market.quote
        gate = market.gate
        newer = quote is not None and quote.update_id > gate.book.last_id
        if quote is not None and (newer or not gate.traits.has_book):
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

    def quality(self, instrument_id: InstrumentId, now_ns: int) -> QualityView:
        """Return how good the instrument's data was today, UTC, since it was first followed."""
        market = self._market(instrument_id)
        offset_ns = self.clocks.offset_ns(market.instrument.venue)
        grown = market.quality(offset_ns, self._stale_after_ns / 1e9)
        return self._quality.day(grown, now_ns)

    def finished_days(self) -> list[QualityView]:
        """Return the quality records of days that ended since the last call."""
        return self._quality.take_finished()

    def straight(self) -> int:
        """Return how many changes of books were taken without an event."""
        return sum(gate.straight for gate in self._gates.values())

    def checksums(self) -> tuple[int, int]:
        """Return how many checksums of venues were met, and how many were not."""
        gates = [market.gate for market in self._markets.values()]
        return sum(gate.checks_ok for gate in gates), sum(gate.checks_bad for gate in gates)

    def quote(self, instrument_id: InstrumentId) -> Quote | None:
        """Return the newest quote."""
        return self._market(instrument_id).quote

    def last_trade(self, instrument_id: InstrumentId) -> Trade | None:
        """Return the newest trade."""
        trades = self._market(instrument_id).trades
        return trades[-1] if trades else None

    def last(self, instrument_id: InstrumentId) -> int | None:
        """Return the ticks of the newest trade, None if none is known."""
        market = self._markets.get(instrument_id)
        return market.trades[-1].price_ticks if market is not None and market.trades else None

    def reference(self, instrument_id: InstrumentId) -> ReferenceView | None:
        """Return mark and index price, funding and the like, None where nothing was said."""
        return self.references.view(instrument_id)

    def shown_lots(
        self, instrument_id: InstrumentId, side: Side, to_ticks: int, enough: int
    ) -> int | None:
        """Return the lots a side of the book shows up to a price, None where no book is kept."""
        market = self._markets.get(instrument_id)
        if market is None or not market.gate.traits.has_book:
            return None
        return market.gate.book.shown(to_ticks, enough, bid=side is Side.BUY)

    def closes(self, instrument_id: InstrumentId) -> tuple[Sequence[int], Sequence[int]]:
        """Return open times and closes in ticks of closed bars of 15 minutes, oldest first."""
        market = self._markets.get(instrument_id)
        if market is None:
            return (), ()
        bars = market.of(Timeframe.M15).columns()
        return bars.ts_open_ns.tolist(), bars.close.tolist()

    def clock_offset_ns(self, venue: VenueName) -> int:
        """Return the venue's time minus ours, the median of the newest samples, 0 unknown."""
        return self.clocks.offset_ns(venue)

    def trades(self, instrument_id: InstrumentId) -> deque[Trade]:
        """Return the newest trades, oldest first, at most `MAX_TRADES`; do not change it."""
        return self._market(instrument_id).trades

    def bars(
        self, instrument_id: InstrumentId, timeframe: Timeframe, limit: int | None = None
    ) -> Columns:
        """Return closed bars as equal columns, oldest first; no trade, no bar."""
        return self._market(instrument_id).of(timeframe).columns(limit)

    def activity_bars(
        self, instrument_id: InstrumentId, rule: str, limit: int
    ) -> Sequence[ActivityBar]:
        """Return closed bars cut by trades, volume or money, oldest first.

        Raises:
            ConfigError: The instrument is not known, or the rule is none for it.
        """
        return self._activity.bars(self._market(instrument_id), parse_rule(rule), limit)

    def bars_version(self, instrument_id: InstrumentId, timeframe: Timeframe) -> int:
        """Return a number that changes whenever `bars` does."""
        return self._market(instrument_id).of(timeframe).version

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
            row = market.with_history(timeframe, row)
        return make_forming(instrument_id, timeframe, row)

    def day_stats(self, instrument_id: InstrumentId) -> DayStats:
        """Return open, high, low and volume of the last 24 hours, in steps of 15 minutes.

        Bars tell them where they reach back that far, else the venue's own figures; what neither
        tells is 0, as the figures of an hour would be taken for those of a day.
        """
        market = self._market(instrument_id)
        forming = self.forming(instrument_id, Timeframe.M15)
        series = market.of(Timeframe.M15)
        newest = forming.ts_open_ns if forming is not None else series.newest_open_ns
        start = newest - _DAY_NS + Timeframe.M15.ns
        rows = series.rows_between(start, newest + 1)
        listed_ns = market.instrument.listed_ns
        reach = series.rows_between(0, start + 1).shape[1] or listed_ns >= start - Timeframe.M15.ns
        if reach and (rows.shape[1] or forming is not None):
            return _day.of_bars(rows, forming)
        ticker = self.references.ticker(instrument_id)
        return _day.UNKNOWN if ticker is None else _day.of_ticker(ticker, market.instrument)

    def state_digest(self) -> bytes:
        """Return a sha256 over books, ids, statuses, quotes and bars; the same on any machine."""
        digest = new_hash()
        for name in sorted(self._markets):
            self._markets[name].digest(digest)
        return digest.digest()

    # -- handlers --------------------------------------------------------------------------

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
            out.extend(market.lost(event.ts_recv_ns, f"disconnected: {event.reason}"))
        return out

    def _on_status(self, event: FeedStatusChanged) -> Sequence[MarketOutput]:
        market = self._find(event.instrument_id)
        if market is None:
            return ()
        market.builder.interrupt()
        match event.status:
            case FeedStatus.SYNCING:
                return market.joined(event.ts_recv_ns, event.reason)
            case FeedStatus.UNSUBSCRIBED:
                return market.gate.unsubscribe(event.ts_recv_ns)
            case _:  # Trust is only ever won here, so a feed can take it but not give it.
                return market.gate.distrust(event.ts_recv_ns, event.reason)

    def _on_broken(self, event: SequenceBroken) -> Sequence[MarketOutput]:
        out: list[MarketOutput] = []
        ids = (event.expected_id, event.received_id)
        for name in event.instrument_ids:
            market = self._find(name)
            if market is not None:
                market.builder.interrupt()
                out.extend(market.gate.broken(event.ts_recv_ns, event.reason, *ids))
        return out

    def _on_clock(self, sample: ClockSample) -> Sequence[MarketOutput]:
        news = self.clocks.add(sample)
        if not news:
            return ()
        notice = FeedNotice(
            venue=sample.venue, ts_recv_ns=sample.ts_recv_ns, kind="clock", text=news
        )
        return (notice,)

    def _on_notice(self, notice: FeedNotice) -> Sequence[MarketOutput]:
        market = self._markets.get(notice.instrument_id) if notice.instrument_id else None
        if market is not None and notice.kind == "unheard":
            market.tally.resubscribed += 1
        if market is not None and notice.kind == "listing":
            why = notice.text.partition(": ")[0]
            return (*market.gate.explain(notice.ts_recv_ns, why), notice)
        return (notice,)

    def _on_rejected(self, event: FrameRejected) -> Sequence[MarketOutput]:
        market = self._markets.get(event.instrument_id) if event.instrument_id else None
        if market is not None:
            market.tally.rejected += 1
        return ()

    def _on(self, event: FeedConnected | FeedDisconnected) -> Sequence[Followed]:
        """Return the instruments of a connection, or of the whole venue where that is unknown."""
        if event.instrument_ids is None:
            every = self._markets.values()
            return [market for market in every if market.instrument.venue == event.venue]
        return [market for name in event.instrument_ids if (market := self._find(name))]

    def _market(self, instrument_id: InstrumentId) -> Followed:
        market = self._markets.get(instrument_id) or self._open(instrument_id)
        if market is None:
            raise ConfigError(f"unknown instrument {instrument_id!r}")
        return market

    def _find(self, instrument_id: InstrumentId) -> Followed | None:
        return self._markets.get(instrument_id) or self._open(instrument_id)

    def _open(self, instrument_id: InstrumentId) -> Followed | None:
        """Begin to follow an instrument that is listed."""
        instrument = self._listed.get(instrument_id)
        if instrument is None:
            return None
        market = self._markets[instrument_id] = self._made(instrument)
        return market

    def _is_spared(self, name: InstrumentId) -> bool:
        return self.heeded is not None and name not in self.heeded

    def _made(self, instrument: Instrument) -> Followed:
        market = Followed(
            instrument,
            self._rules[instrument.venue],
            eager=self._eager,
            history_bars=self._history_bars,
            known=self.references.of(instrument.id),
        )
        self._gates[instrument.id] = market.gate
        if self._lend is not None:
            if market.gate.traits.has_book:
                # Where there is none, statistics are a sign of life.
                market.gate.desk.show(self.references.of(instrument.id).lend(instrument.id))
                market.gate.desk.spare(spared=self._is_spared(instrument.id))
            self._lend(instrument, market.gate.desk)
        for kind, handler in market.handlers().items():
            self._routes[kind][instrument.id] = handler
        return market


def warm() -> None:
    """Compile or load every kernel of the market state."""
    _book.warm()
    _bars.warm()
