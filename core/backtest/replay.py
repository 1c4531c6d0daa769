"""Replay a tape or a recorded capture through the product's own decoder and market state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final, TypeAlias, cast

import msgspec

from core.backtest.replay_report import (
    BarRow,
    Checksums,
    Gap,
    InstrumentReport,
    Rejected,
    ReplayReport,
)
from core.engine.gate import LOST
from core.engine.market import MarketOutput, MarketState
from core.feeds.registry import guess_kind, make_decoder
from core.model.errors import StoreError
from core.model.ids import InstrumentId, VenueName, instrument_id
from core.model.instruments import Instrument
from core.model.market import (
    Bar,
    FeedStatus,
    FeedStatusChanged,
    FrameRejected,
    Timeframe,
)
from core.model.ports import Clock, FrameKind, TapeDecoder
from core.wire.tape_reader import TapeFrame, TapeReader

MAX_REJECTED: Final = 10_000
"""Rejections listed; a tape of pure rubbish must not fill the memory."""

MAX_READINGS: Final = 6
"""Times a tape is read to find out how fine its prices and sizes are."""

_TIMER_NS: Final = 250_000_000
_TOP: Final = 5
_STEP: Final = Decimal("0.00000001")
_KINDS: Final = frozenset({"recv", "send", "http", "connect", "disconnect", "notice"})
_QUOTES: Final = (
    "USDT", "FDUSD", "USDC", "TUSD", "BUSD", "BTC", "ETH", "BNB", "EUR", "GBP", "TRY", "BRL", "AUD",
    "USD", "JPY",
)  # fmt: skip

Needs: TypeAlias = dict[str, tuple[int, int]]
"""Decimal places of price and size by venue symbol."""


class Replay:
    """One tape's way through decoder and market state, frame by frame."""

    def __init__(
        self, decoder: TapeDecoder, bars: Timeframe | None = None, finer: Needs | None = None
    ) -> None:
        """Take the feed code, what bars to report, and symbols that must be counted finer."""
        self._decoder = decoder
        self._bars = bars
        self.finer = dict(finer or {})
        decoder.finer = self.finer
        decoder.unlisted = lambda symbol: unlisted(symbol, decoder.venue)
        self.damage: list[StoreError] = []
        self.market = MarketState((), {decoder.venue: decoder.rule}, eager=True)
        self._events: Counter[str] = Counter()
        self._frames = 0
        self._rejected: list[Rejected] = []
        self._gaps: dict[InstrumentId, list[Gap]] = {}
        self._faults: Counter[str] = Counter()
        self._closed: dict[InstrumentId, dict[int, Bar]] = {}
        self._known: dict[str, Instrument] = {}
        self._next_timer_ns = 0

    @property
    def needs(self) -> Needs:
        """The decimals that symbols turned out to need, empty when all frames fitted."""
        missed = self._decoder.off_step
        if not missed:
            return {}
        joined = dict(self.finer)
        for symbol, (price, size) in missed.items():
            before = joined.get(symbol, (0, 0))
            joined[symbol] = (max(before[0], price), max(before[1], size))
        return joined

    def feed(self, frame: TapeFrame) -> None:
        """Take the next frame; the time moves on with it, as the engine's timer would."""
        if frame.kind == "cut":
            return
        self._frames += 1
        if frame.ts_ns >= self._next_timer_ns:
            self._next_timer_ns = (frame.ts_ns // _TIMER_NS + 1) * _TIMER_NS
            self._take(self.market.on_timer(frame.ts_ns), frame.line)
        if frame.kind not in _KINDS:
            self.reject(frame.line, f"frame kind {frame.kind!r} is not one of a feed")
            return
        kind = cast("FrameKind", frame.kind)
        events = self._decoder.decode(kind, frame.conn, frame.ts_ns, frame.url, frame.data)
        refused = [event for event in events if isinstance(event, FrameRejected)]
        if not refused:
            self._events.update(self._decoder.label(kind, frame.url, frame.data, events))
        if kind == "http" or any(
            name is not None and name not in self.market
            for name in (getattr(event, "instrument_id", None) for event in events)
        ):
            self._learn()
        for rejected in refused:
            self.reject(frame.line, rejected.reason)
        for event in events:
            if not isinstance(event, FrameRejected):
                self._take(self.market.apply(event), frame.line)

    def _learn(self) -> None:
        """Teach the market what the decoder knows by now."""
        taught = self._decoder.instruments
        fresh = [item for symbol, item in taught.items() if self._known.get(symbol) is not item]
        self._known = dict(taught)
        self.market.add_instruments(fresh)

    def reject(self, line: int, reason: str) -> None:
        """Note a line that could not be used."""
        if len(self._rejected) < MAX_REJECTED:
            self._rejected.append(Rejected(line=line, reason=reason))

    def damaged(self, line: int, error: StoreError) -> None:
        """Note a line of the file that holds no frame."""
        self.reject(line, str(error))
        self.damage.append(error)

    def report(self) -> ReplayReport:
        """Return what was found so far."""
        seen = [
            item
            for item in self.market.followed()
            if self.market.status(item.id) is not FeedStatus.UNSUBSCRIBED
            or self.market.quote(item.id)
            or self.market.last_trade(item.id)
        ]
        good, bad = self.market.checksums()
        report = ReplayReport(
            frames=self._frames,
            events=dict(sorted(self._events.items())),
            checksums=Checksums(ok=good, bad=bad),
            rejected=self._rejected,
            instruments={
                item.venue_symbol: self._describe(item)
                for item in sorted(seen, key=lambda item: item.venue_symbol)
            },
            state_hash=self.market.state_digest().hex(),
        )
        if self._bars is None:
            return report
        rows = {
            item.venue_symbol: [
                _row(item, bar) for _, bar in sorted(self._closed.get(item.id, {}).items())
            ]
            for item in seen
        }
        return msgspec.structs.replace(report, bars=rows)

    def _take(self, outputs: Sequence[MarketOutput], line: int) -> None:
        for output in outputs:
            if isinstance(output, Bar):
                if output.timeframe is self._bars:
                    self._closed.setdefault(output.instrument_id, {})[output.ts_open_ns] = output
            elif isinstance(output, FeedStatusChanged) and output.reason in LOST:
                self._gaps.setdefault(output.instrument_id, []).append(
                    Gap(
                        line=line,
                        reason=output.reason,
                        expected_id=output.expected_id,
                        received_id=output.received_id,
                    )
                )

    def _describe(self, item: Instrument) -> InstrumentReport:
        book = self.market.book(item.id)
        view = self.market.feed_view(item.id)
        bids, asks = (
            [(f"{item.price(price):f}", f"{item.size(lots):f}") for price, lots in side.tolist()]
            for side in book.top(_TOP)
        )
        return InstrumentReport(
            bids=bids,
            asks=asks,
            n_bids=book.n_bids,
            n_asks=book.n_asks,
            last_id=book.last_id,
            crossed=book.crossed,
            status=view.status.name.lower(),
            reason=view.reason,
            gaps=self._gaps.get(item.id, []),
            resyncs=view.resyncs,
        )


def unlisted(symbol: str, venue: VenueName) -> Instrument:
    """Return an instrument for a symbol whose steps the tape does not tell: eight decimals."""
    quote = next((q for q in _QUOTES if symbol.endswith(q) and symbol != q), "")
    base = symbol.removesuffix(quote)
    return Instrument(
        id=instrument_id(f"{base}-{quote}" if quote else symbol, venue),
        venue=venue,
        venue_symbol=symbol,
        base=base,
        quote=quote,
        price_tick=_STEP,
        size_lot=_STEP,
    )


async def replay(
    path: Path,
    *,
    venue: str = "",
    speed: float | None = None,
    bars: Timeframe | None = None,
    clock: Clock,
    sleep: Callable[[float], Awaitable[None]],
    progress: Callable[[float], None] = lambda fraction: None,
    on_damage: Callable[[StoreError], None] = lambda error: None,
) -> ReplayReport:
    """Replay a whole tape.

    Args:
        path: A tape of ours or a recorded capture.
        venue: Whose feed code reads it; empty to guess.
        speed: Multiple of the original timing, after one pass as fast as it goes that finds
            what steps the tape needs; None for that pass alone.
        bars: Which closed bars the report shall hold.
        clock: Paces a replay with a speed.
        sleep: Waits, in seconds.
        progress: Told now and then what part of the file is done.
        on_damage: Told each damaged line of the file; such lines are rejected, not raised.

    Raises:
        ConfigError: The venue is unknown or cannot be told.
        StoreError: The file cannot be read.
    """
    venue = venue or guess_kind(path)
    run = _at_once(path, venue, bars, {}, progress)
    for _ in range(MAX_READINGS):
        needs = run.needs
        if not needs or needs == run.finer:
            break
        # Orders older than a listing's present step may rest at finer sizes: count finer.
        run = _at_once(path, venue, bars, needs, progress)
    if speed is not None:
        run = Replay(make_decoder(venue), bars, run.finer)
        await _paced(path, run, speed, clock, sleep, progress)
    for error in run.damage:
        on_damage(error)
    return run.report()


def _at_once(
    path: Path,
    venue: str,
    bars: Timeframe | None,
    finer: Needs,
    progress: Callable[[float], None],
) -> Replay:
    run = Replay(make_decoder(venue), bars, finer)
    reader = TapeReader(path)
    for frame in _frames(reader, run):
        run.feed(frame)
        if not frame.line & 0xFF:
            progress(reader.fraction)
    return run


async def _paced(
    path: Path,
    run: Replay,
    speed: float,
    clock: Clock,
    sleep: Callable[[float], Awaitable[None]],
    progress: Callable[[float], None],
) -> None:
    reader = TapeReader(path)
    started_ns, first_ns = clock.monotonic_ns(), 0
    for frame in _frames(reader, run):
        first_ns = first_ns or frame.ts_ns
        due_s = (frame.ts_ns - first_ns) / speed / 1e9
        ahead_s = due_s - (clock.monotonic_ns() - started_ns) / 1e9
        if ahead_s > 0:
            await sleep(ahead_s)
        run.feed(frame)
        progress(reader.fraction)
    progress(1.0)


def _frames(reader: TapeReader, run: Replay) -> Iterator[TapeFrame]:
    return reader.frames(run.damaged)


def _row(item: Instrument, bar: Bar) -> BarRow:
    return (
        bar.ts_open_ns // 1_000_000,
        item.price(bar.open_ticks),
        item.price(bar.high_ticks),
        item.price(bar.low_ticks),
        item.price(bar.close_ticks),
        item.size(bar.volume_lots),
    )
