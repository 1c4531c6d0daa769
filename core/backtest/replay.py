"""Replay a tape or a recorded capture through the product's own decoder and market state."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final, cast
from urllib.parse import parse_qs, urlsplit

import msgspec

from core.backtest.replay_report import (
    BarRow,
    Checksums,
    Gap,
    InstrumentReport,
    Rejected,
    ReplayReport,
)
from core.engine.gate import CROSSED, GAP
from core.engine.market import MarketOutput, MarketState
from core.feeds.binance.parse import BinanceDecoder
from core.model.errors import ConfigError, StoreError, did_you_mean
from core.model.ids import VenueName, instrument_id
from core.model.instruments import Instrument
from core.model.market import (
    Bar,
    BookDelta,
    BookSnapshot,
    FeedConnected,
    FeedDisconnected,
    FeedStatus,
    FeedStatusChanged,
    FrameRejected,
    MarketEvent,
    Quote,
    Timeframe,
    Trade,
    VenueBar,
)
from core.model.ports import Clock, FrameKind
from core.wire.tape_reader import TapeFrame, TapeReader

VENUES: Final = {"binance": VenueName("binance"), "binance_spot": VenueName("binance")}
"""Names taken by ``--venue``, and the venue whose feed code reads the tape."""

MAX_REJECTED: Final = 10_000
"""Rejections listed; a tape of pure rubbish must not fill the memory."""

_TIMER_NS: Final = 250_000_000
_TOP: Final = 5
_STEP: Final = Decimal("0.00000001")
_KINDS: Final = frozenset({"recv", "send", "http", "connect", "disconnect"})
_STREAM: Final = re.compile(rb'\{"stream":"([A-Za-z0-9]{1,40})@')
_SYMBOL: Final = re.compile(rb'"s":"([A-Z0-9]{1,40})"')
_QUOTES: Final = (
    "USDT", "FDUSD", "USDC", "TUSD", "BUSD", "BTC", "ETH", "BNB", "EUR", "GBP", "TRY", "BRL", "AUD",
    "USD", "JPY",
)  # fmt: skip


class Replay:
    """One tape's way through decoder and market state, frame by frame."""

    def __init__(
        self,
        decoder: BinanceDecoder,
        bars: Timeframe | None = None,
        finer: Collection[str] = (),
    ) -> None:
        """Take the feed code, what bars to report, and symbols to count in eight decimals."""
        self._decoder = decoder
        self._bars = bars
        self.finer = frozenset(finer)
        self.damage: list[StoreError] = []
        self.market = MarketState(
            decoder.instruments.values(), {decoder.venue: decoder.rule}, eager=True
        )
        self._events: Counter[str] = Counter()
        self._frames = 0
        self._rejected: list[Rejected] = []
        self._gaps: dict[str, list[Gap]] = {}
        self._closed: dict[str, dict[int, Bar]] = {}
        self._symbols: dict[str, None] = {}
        self._next_timer_ns = 0

    @property
    def off_step(self) -> frozenset[str]:
        """The symbols that have to be counted finer, empty when all frames fitted."""
        missed = self._decoder.off_step
        return self.finer | missed.keys() if missed else frozenset()

    def feed(self, frame: TapeFrame) -> None:
        """Take the next frame; the time moves on with it, as the engine's timer would."""
        self._frames += 1
        if frame.ts_ns >= self._next_timer_ns:
            self._next_timer_ns = (frame.ts_ns // _TIMER_NS + 1) * _TIMER_NS
            self._take(self.market.on_timer(frame.ts_ns), frame.line)
        if frame.kind not in _KINDS:
            self.reject(frame.line, f"frame kind {frame.kind!r} is not one of this venue's feed")
            return
        url = self._prepare(frame)
        events = self._decoder.decode(
            cast("FrameKind", frame.kind), frame.conn, frame.ts_ns, url, frame.data
        )
        self._count(frame, url, events)
        if frame.kind == "http" and "exchangeInfo" in url:
            known, self._symbols = self._symbols, {}
            for symbol in known:
                self._know(symbol)
        for event in events:
            if isinstance(event, FrameRejected):
                self.reject(frame.line, event.reason)
            else:
                self._take(self.market.apply(event), frame.line)

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
            for item in self.market.instruments()
            if self.market.status(item.id) is not FeedStatus.UNSUBSCRIBED
            or self.market.quote(item.id)
            or self.market.last_trade(item.id)
        ]
        report = ReplayReport(
            frames=self._frames,
            events=dict(sorted(self._events.items())),
            checksums=Checksums(),
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

    def _prepare(self, frame: TapeFrame) -> str:
        """Make symbols known that no listing on the tape named, and find an image's symbol."""
        if frame.kind == "recv":
            named = _STREAM.match(frame.data) or _SYMBOL.search(frame.data[:200])
            if named is not None:
                self._know(named[1].decode().upper())
        elif frame.kind == "connect":
            for stream in _query(frame.url, "streams").split("/"):
                self._know(stream.partition("@")[0].upper())
        elif frame.kind == "http":
            symbol = _query(frame.url, "symbol")
            if not symbol and frame.data.startswith(b'{"lastUpdateId"'):
                # Some recorders did not keep the URL of the image.
                if len(self._symbols) != 1:
                    return frame.url
                symbol = next(iter(self._symbols))
                self._know(symbol)
                return f"/api/v3/depth?symbol={symbol}"
            self._know(symbol)
        return frame.url

    def _know(self, symbol: str) -> None:
        if not symbol or symbol in self._symbols or not symbol.isalnum():
            return
        self._symbols[symbol] = None
        if symbol not in self._decoder.instruments or symbol in self.finer:
            self._decoder.add_instruments([unlisted(symbol, self._decoder.venue)])
        self.market.add_instruments([self._decoder.instruments[symbol]])

    def _count(self, frame: TapeFrame, url: str, events: Sequence[MarketEvent]) -> None:
        kinds = [_wire_kind(event) for event in events]
        if frame.kind == "http" and not events:
            kinds = [f"http:{url}"]
        self._events.update(kind for kind in kinds if kind)

    def _take(self, outputs: Sequence[MarketOutput], line: int) -> None:
        for output in outputs:
            if isinstance(output, Bar):
                if output.timeframe is self._bars:
                    self._closed.setdefault(output.instrument_id, {})[output.ts_open_ns] = output
            elif isinstance(output, FeedStatusChanged) and output.reason in (GAP, CROSSED):
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


def guess_venue(path: Path) -> str:
    """Return the venue whose feed recorded a tape, from its first frames.

    Raises:
        ConfigError: It cannot be told, or is one whose feed clx does not have.
        StoreError: The file cannot be read.
    """
    for count, frame in enumerate(TapeReader(path).frames(lambda line, error: None)):
        host = urlsplit(frame.url).hostname or ""
        if "binance" in host and not host.startswith(("fapi", "dapi", "fstream", "dstream")):
            return "binance"
        if _STREAM.match(frame.data) and b'"pu":' not in frame.data:
            return "binance"
        if count >= 200:
            break
    raise ConfigError(
        f"{path}: the venue cannot be told from the frames; say --venue ({', '.join(VENUES)})"
    )


def make_decoder(venue: str) -> BinanceDecoder:
    """Return the feed code for a venue.

    Raises:
        ConfigError: There is none; the nearest known name is given.
    """
    name = VENUES.get(venue)
    if name is None:
        raise ConfigError(f"unknown venue {venue!r}{did_you_mean(venue, VENUES)}")
    return BinanceDecoder(name)


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
    venue = venue or guess_venue(path)
    run = _at_once(path, venue, bars, (), progress)
    while run.off_step:
        # Orders older than a listing's present step may rest at finer sizes: count finer.
        run = _at_once(path, venue, bars, run.off_step, progress)
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
    finer: Collection[str],
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


def _wire_kind(event: MarketEvent) -> str:
    match event:
        case Trade():
            return "aggTrade" if event.first_trade_id else "trade"
        case Quote():
            return "bookTicker"
        case BookDelta():
            return "depthUpdate"
        case BookSnapshot():
            return "http depth snapshot"
        case VenueBar():
            return "kline"
        case FeedConnected():
            return "connect"
        case FeedDisconnected():
            return "disconnect"
        case _:
            return ""


def _row(item: Instrument, bar: Bar) -> BarRow:
    return (
        bar.ts_open_ns // 1_000_000,
        item.price(bar.open_ticks),
        item.price(bar.high_ticks),
        item.price(bar.low_ticks),
        item.price(bar.close_ticks),
        item.size(bar.volume_lots),
    )


def _query(url: str, name: str) -> str:
    return parse_qs(urlsplit(url).query).get(name, [""])[0]
