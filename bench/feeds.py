"""Every venue's recorded capture: bytes to event with the book applied, beside the peers.

Ours is the product's own way: the venue's decoder and `MarketState.apply`, which also builds bars,
keeps trades and checks sequence and checksum. cryptofeed's handler and ccxt.pro's get the same
messages as text, as far as each can read the capture; what a peer does not read is left out for
both. Messages of more than `HEAVY` levels are book images or nearly so: they are told by the level.

The floor is a message of which nothing is read: a decoder that calls an empty kernel, which makes
one quote, and the market that takes it. Below it no message of ours can be as long as Python calls
the kernels; what a message costs beyond is the reading, the book and more than one event.

All take turns, and a ratio is the median of the rounds' own ratios: what else the machine does
meanwhile slows the neighbours of one round alike. Ours alone take `TURNS`, all venues one after the
other in each: a round of one is over in milliseconds, and whoever shares the processor's caches is
busy for longer, so rounds in a row would all be quick or all be slow. Times are the thread's own on
the processor, for the peers as well: other programs count no more than by the caches they take.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import gc
import io
import itertools
import logging
import os
import re
import statistics
import time
import types
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

import msgspec
import numba

from core.backtest.replay import unlisted
from core.engine import market as market_module
from core.engine.compiled import entry
from core.engine.made import Made, one, quote, taken
from core.engine.market import MarketState
from core.feeds import levels
from core.feeds.decoder import FeedDecoder
from core.feeds.registry import make_decoder
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.market import BookDelta, BookSnapshot, MarketEvent
from core.model.ports import FrameKind
from core.wire.tape_reader import TapeFrame, TapeReader

ROUNDS = 7
TURNS = 21
HEAVY = 60
TARGET_US = 2.0
LEVEL_US = 0.2
CAPTURES = {
    "binance": "binance_spot/capture_mixed_20211012",
    "binance_usdm": "binance_usdm/capture_mixed_20210722",
    "bybit": "bybit_v5/capture_linear_20260809",
    "coinbase": "coinbase_advanced/capture_btc_eth_20260809_first_half",
    "coinbase_exchange": "coinbase_exchange/capture_level2_20210417_a",
    "deribit": "deribit/capture_options_20210722",
    "kucoin": "kucoin/capture_level2_20210425_a",
    "okx": "okx/capture_tbt10_20210722",
}
CRYPTOFEED = {"bybit": "Bybit", "coinbase": "Coinbase", "okx": "OKX"}
"""The venues whose captures cryptofeed 2.4 reads: of Coinbase it knows the Advanced protocol only,
Kraken's first one only, and Binance, Deribit and KuCoin it asks for images over REST first."""
CCXT = {"bybit": "bybit", "coinbase": "coinbase", "deribit": "deribit", "okx": "okx"}
UNSUMMED = re.compile(rb'"checksum":-?[1-9][0-9]*')
"""ccxt.pro verifies no checksum of OKX, which since 2026 writes 0: so both get zeros."""

_NOWHERE: Final = -1
"""A connection that the capture does not know."""

Kind: TypeAlias = tuple[str, ...]


def run() -> list[dict[str, object]]:
    """Measure each venue, and each peer that reads its capture, in turn."""
    folder = recorded()
    if folder is None:
        return [_missing()]
    market_module.warm()
    levels.warm()
    logging.disable(logging.CRITICAL)
    captures = [Capture(kind, folder / f"{name}.jsonl.zst") for kind, name in CAPTURES.items()]
    floors: list[float] = []
    readings: list[list[tuple[float, float]]] = [[] for _ in captures]
    for _ in range(TURNS):
        floors.append(_floor())
        for capture, mine in zip(captures, readings, strict=True):
            mine.append(capture.ours())
    floor = min(floors)
    rows: list[dict[str, object]] = [
        {
            "name": "floor: a kernel called, a quote made and taken", "ours": floor, "peer": None,
            "ratio": None, "target": "-", "unit": "us/message", "ok": True,
        }
    ]  # fmt: skip
    try:
        for capture, mine in zip(captures, readings, strict=True):
            rows += _venue(capture, mine, floor)
    finally:
        logging.disable(logging.NOTSET)
    return rows


def recorded() -> Path | None:
    """Return the folder of recorded data, None where it is not."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("CLX_RECORDED_DATA", default))
    return folder if folder.is_dir() else None


def _missing() -> dict[str, object]:
    return {
        "name": "captures (no recorded data: set CLX_RECORDED_DATA)", "ours": None, "peer": None,
        "ratio": None, "target": "-", "unit": "", "ok": False,
    }  # fmt: skip


@numba.njit  # type: ignore[untyped-decorator]  # numba is untyped
def _nothing_read(frame: bytes, name: int, conn: int, recv: Any) -> Any:
    return one(quote(name, conn, taken(recv), 1, 1, 2, 1, 3))


@cache
def _empty() -> Callable[[bytes, int, int, int], Sequence[MarketEvent]]:
    compiled: Callable[[bytes, int, int, int], Sequence[MarketEvent]]
    compiled = entry(_nothing_read, b"{}", 1, 1, Made())
    return compiled


class _Floor(FeedDecoder):
    """A decoder that makes a quote of everything, unread."""

    def __init__(self, item: Instrument) -> None:
        super().__init__(item.venue, make_decoder("binance").rule, [item])
        self._name = item.id
        self._place = id(self._name)
        self._tell = _empty()

    def decode(
        self, kind: FrameKind, conn: int, ts_recv_ns: int, url: str, data: bytes
    ) -> Sequence[MarketEvent]:
        if kind == "recv":
            return self._tell(data, self._place, conn, ts_recv_ns)
        return ()

    def message(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        return ()

    def answer(self, ts_recv_ns: int, url: str, data: bytes) -> Sequence[MarketEvent]:
        return ()

    def sent(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        return ()

    def label(
        self, kind: FrameKind, url: str, data: bytes, events: Sequence[MarketEvent]
    ) -> Sequence[str]:
        return ()


def _floor() -> float:
    """Return microseconds of a message of which nothing is read."""
    item = unlisted("BTCUSDT", VenueName("binance"))
    assert item is not None
    decoder = _Floor(item)
    market = MarketState([item], {decoder.venue: decoder.rule}, eager=True)
    decode, apply = decoder.decode, market.apply
    frames = [("recv", 1, number, "", b"{}") for number in range(1000)]
    with _quiet():
        started = time.thread_time()
        for kind, conn, ts_ns, url, data in frames:
            for event in decode(kind, conn, ts_ns, url, data):  # type: ignore[arg-type]  # a kind
                apply(event)
        return (time.thread_time() - started) / len(frames) * 1e6


def _venue(
    capture: Capture, readings: Sequence[tuple[float, float]], floor: float
) -> list[dict[str, object]]:
    kind = capture.kind
    light = min(few for few, _ in readings)
    middle = statistics.median(few for few, _ in readings)
    rows: list[dict[str, object]] = [
        {
            "name": f"{kind}: {capture.light:,} messages, {capture.light_levels:,} levels, "
            f"{capture.light_told:,} events, {light / floor:.1f} floors, median {middle:.2f}",
            "ours": light, "peer": None, "ratio": None, "target": f"<= {TARGET_US:g} us",
            "unit": "us/message", "ok": light <= TARGET_US,
        }
    ]  # fmt: skip
    if capture.levels:
        heavy = min(many for _, many in readings)
        rows.append(
            {
                "name": f"{kind}: book images, {capture.levels:,} levels", "ours": heavy,
                "peer": None, "ratio": None, "target": f"<= {LEVEL_US:g} us a level",
                "unit": "us/level", "ok": heavy <= LEVEL_US,
            }
        )  # fmt: skip
    if kind in CRYPTOFEED:
        rows.append(_against(capture, "cryptofeed", _Cryptofeed(capture), 8.0))
    if kind in CCXT:
        unsummed = capture.without_checksums()
        rows.append(_against(unsummed, "ccxt.pro", _Ccxt(unsummed), 20.0))
    return rows


def _against(capture: Capture, name: str, peer: Peer, target: float) -> dict[str, object]:
    known = peer.kinds()
    theirs, mine = [], []
    for number in range(ROUNDS):
        # Every other round goes backwards, so that none is always first.
        for turn in (0, 1)[:: -1 if number % 2 else 1]:
            if turn:
                theirs.append(peer.read(known))
            else:
                mine.append(capture.all_of(known))
    books = _same_books(capture, peer)
    ratio = statistics.median(a / b for a, b in zip(theirs, mine, strict=True))
    count = sum(kind in known for kind in capture.kinds)
    share = f"{count:,} of {len(capture.texts):,} messages, {books} books alike"
    return {
        "name": f"{capture.kind}: {share}, against {name}",
        "ours": min(mine) / count * 1e6, "peer": min(theirs) / count * 1e6,
        "ratio": ratio, "target": f">= {target:g}x", "unit": "us/message", "ok": ratio >= target,
    }  # fmt: skip


def _same_books(capture: Capture, peer: Peer) -> int:
    """Return how many books the peer holds; each must have our best prices."""
    count = 0
    for item in capture.instruments:
        theirs = peer.top(item)
        if theirs is None:
            continue
        mine = capture.market.top(item.id) if capture.market.trusted(item.id) else None
        if mine is None or tuple(float(item.price(ticks)) for ticks in mine) != theirs:
            raise AssertionError(f"the books of {item.id} differ at the end: {mine}, {theirs}")
        count += 1
    return count


class Capture:
    """One recording, read and taught beforehand."""

    def __init__(self, kind: str, path: Path) -> None:
        self.kind = kind
        self.frames = list(TapeReader(path).frames())
        self._finer: dict[str, tuple[int, int]] = {}
        self._primer: bytes | None = None
        self._prepare()

    def _prepare(self) -> None:
        for _ in range(3):
            decoder = self._made()
            counts, labels, told = [], [], []
            for frame in self.frames:
                events = _decoded(decoder, frame)
                counts.append(_levels_of(events))
                told.append(len(events))
                labels.append(tuple(decoder.label("recv", "", frame.data, events)))
            if not decoder.off_step:
                break
            self._finer |= decoder.off_step
        self._taught = decoder
        books = [frame.data for frame, count in zip(self.frames, counts, strict=True) if count]
        self._primer = min(books, key=len, default=None)
        self._counts = counts
        self.instruments = list(decoder.instruments.values())
        self.market = MarketState([], {})
        """As the last reading left it."""
        received = [at for at, frame in enumerate(self.frames) if frame.kind == "recv"]
        self.kinds: list[Kind] = [labels[at] for at in received]
        self.texts = [self.frames[at].data.decode() for at in received]
        self.levels = sum(counts[at] for at in received if counts[at] > HEAVY)
        few = [at for at in received if counts[at] <= HEAVY]
        self.light = len(few)
        self.light_levels = sum(counts[at] for at in few)
        self.light_told = sum(told[at] for at in few)

    def without_checksums(self) -> Capture:
        """Return the same recording as the venue would send it today, if it has ended them."""
        if not any(UNSUMMED.search(frame.data) for frame in self.frames):
            return self
        other = copy.copy(self)
        other.frames = [
            msgspec.structs.replace(frame, data=UNSUMMED.sub(b'"checksum":0', frame.data))
            for frame in self.frames
        ]
        other._prepare()
        return other

    def decoder(self) -> FeedDecoder:
        """Return a fresh decoder that counts finely enough and remembers texts."""
        made = self._made()
        made.add_instruments(self.instruments)
        if self._primer is not None:
            # What a decoder prepares of a whole listing at its first book is no message's cost.
            made.decode("recv", _NOWHERE, 0, "", self._primer)
        for key in made.instruments:
            mine, known = made.of(key), self._taught.of(key)
            mine.prices.update(known.prices)
            mine.sizes.update(known.sizes)
        return made

    def _made(self) -> FeedDecoder:
        made = make_decoder(self.kind)
        assert isinstance(made, FeedDecoder)
        made.unlisted = lambda symbol: unlisted(symbol, made.venue)
        made.finer = self._finer
        return made

    def ours(self) -> tuple[float, float]:
        """Return microseconds a message of few levels, and a level of messages of many."""
        counts = self._counts

        def part(at: int) -> int:
            return 0 if self.frames[at].kind != "recv" else 1 + (counts[at] > HEAVY)

        _, light, heavy = self._read(part, 3)
        return light / self.light * 1e6, heavy / max(1, self.levels) * 1e6

    def all_of(self, known: set[Kind]) -> float:
        """Return the seconds the messages of some kinds take; the others are read, not timed."""
        counted = iter([kind in known for kind in self.kinds])
        parts = [frame.kind == "recv" and next(counted) for frame in self.frames]
        return self._read(lambda at: int(parts[at]), 2)[1]

    def _read(self, part: Callable[[int], int], parts: int) -> list[float]:
        """Read everything and return the seconds of each part of the frames."""
        decoder = self.decoder()
        self.market = market = MarketState(
            self.instruments, {decoder.venue: decoder.rule}, eager=True, lend=decoder.lend
        )
        decode, apply = decoder.decode, market.apply
        spent = [0.0] * parts
        stretches = [
            (number, [_parts(self.frames[at]) for at in stretch])
            for number, stretch in itertools.groupby(range(len(self.frames)), part)
        ]
        with _quiet():
            for number, frames in stretches:
                started = time.thread_time()
                for kind, conn, ts_ns, url, data in frames:
                    for event in decode(kind, conn, ts_ns, url, data):
                        apply(event)
                spent[number] += time.thread_time() - started
        return spent


def _parts(frame: TapeFrame) -> tuple[Any, int, int, str, bytes]:
    return frame.kind, frame.conn, frame.ts_ns, frame.url, frame.data


def _decoded(decoder: FeedDecoder, frame: TapeFrame) -> Sequence[MarketEvent]:
    return decoder.decode(*_parts(frame))


def _levels_of(events: Sequence[MarketEvent]) -> int:
    return sum(
        len(event.bids) + len(event.asks)
        for event in events
        if isinstance(event, BookDelta | BookSnapshot)
    )


class Peer(Protocol):
    """Another reader of a capture."""

    def kinds(self) -> set[Kind]:
        """Return the kinds of message of which it says something."""

    def read(self, known: set[Kind]) -> float:
        """Read every message and return the seconds those of the known kinds took."""

    def top(self, item: Instrument) -> tuple[float, float] | None:
        """Return the best prices of a book after `read`, None where it holds none."""


class _Cryptofeed:
    def __init__(self, capture: Capture) -> None:
        import cryptofeed.exchanges
        from cryptofeed.symbols import Symbols

        self._capture = capture
        self._kind = getattr(cryptofeed.exchanges, CRYPTOFEED[capture.kind])
        self._names = {
            _plain(item): item for item in capture.instruments if item.kind.value != "index"
        }
        Symbols.set(
            self._kind.id,
            {name: item.venue_symbol for name, item in self._names.items()},
            {
                "instrument_type": {name: _type(item) for name, item in self._names.items()},
                "tick_size": {name: str(item.price_tick) for name, item in self._names.items()},
            },
        )
        self._told = 0

    def _feed(self) -> Any:
        from cryptofeed.defines import CANDLES, FUNDING, L2_BOOK, OPEN_INTEREST, TICKER, TRADES

        async def take(*event: object) -> None:
            self._told += 1

        all_ = (L2_BOOK, TICKER, TRADES, CANDLES, FUNDING, OPEN_INTEREST)
        wanted = [channel for channel in all_ if channel in self._kind.websocket_channels]
        return self._kind(
            symbols=list(self._names), channels=wanted, callbacks=dict.fromkeys(wanted, take),
            checksum_validation=True, candle_closed_only=False,
        )  # fmt: skip

    def kinds(self) -> set[Kind]:
        feed, found = self._feed(), set()

        async def loop() -> None:
            for kind, text in zip(self._capture.kinds, self._capture.texts, strict=True):
                before = self._told
                await feed.message_handler(text, _LINE, 1.0)
                if self._told > before:
                    found.add(kind)

        asyncio.run(loop())
        return found

    def read(self, known: set[Kind]) -> float:
        feed = self._last = self._feed()
        stretches = _stretches(self._capture, known)

        async def loop() -> float:
            spent = 0.0
            handle = feed.message_handler
            for counted, texts in stretches:
                started = time.thread_time()
                for text in texts:
                    await handle(text, _LINE, 1.0)
                if counted:
                    spent += time.thread_time() - started
            return spent

        with _quiet():
            return asyncio.run(loop())

    def top(self, item: Instrument) -> tuple[float, float] | None:
        book = self._last._l2_book.get(_plain(item))
        if book is None or not len(book.book.bids) or not len(book.book.asks):
            return None
        return float(book.book.bids.index(0)[0]), float(book.book.asks.index(0)[0])


_LINE = types.SimpleNamespace(
    uuid="bench", address="wss://stream.bybit.com/v5/public/linear", subscription={}
)
"""What cryptofeed looks up of a connection."""


class _Ccxt:
    def __init__(self, capture: Capture) -> None:
        self._capture = capture

    def kinds(self) -> set[Kind]:
        found: set[Kind] = set()

        async def body() -> None:
            async with self._exchange() as (_, client):
                told = 0
                resolve = client.resolve

                def noted(result: object, name: object) -> object:
                    nonlocal told
                    told += 1
                    return resolve(result, name)

                client.resolve = noted
                for kind, text in zip(self._capture.kinds, self._capture.texts, strict=True):
                    before = told
                    client.handle_text_or_binary_message(text)
                    if told > before:
                        found.add(kind)

        asyncio.run(body())
        return found

    def read(self, known: set[Kind]) -> float:
        stretches = _stretches(self._capture, known)

        async def body() -> float:
            spent = 0.0
            async with self._exchange() as (self._last, client):
                handle = client.handle_text_or_binary_message
                with _quiet():
                    for counted, texts in stretches:
                        started = time.thread_time()
                        for text in texts:
                            handle(text)
                        if counted:
                            spent += time.thread_time() - started
            return spent

        return asyncio.run(body())

    def top(self, item: Instrument) -> tuple[float, float] | None:
        book = self._last.orderbooks.get(self._last.safe_symbol(item.venue_symbol))
        if book is None:
            return None
        book.limit()
        if not book["bids"] or not book["asks"]:
            return None
        return float(book["bids"][0][0]), float(book["asks"][0][0])

    @contextlib.asynccontextmanager
    async def _exchange(self) -> AsyncIterator[tuple[Any, Any]]:
        import ccxt.pro

        exchange = getattr(ccxt.pro, CCXT[self._capture.kind])()
        try:
            exchange.set_markets(
                [
                    exchange.safe_market_structure(_market(item))
                    for item in self._capture.instruments
                ]
            )
            client = exchange.client("wss://example.invalid/v5/public/linear")
            _subscribe(exchange, client, self._capture)
            with contextlib.redirect_stdout(io.StringIO()):
                yield exchange, client
        finally:
            await exchange.close()


def _stretches(capture: Capture, known: set[Kind]) -> list[tuple[bool, list[str]]]:
    pairs = zip(capture.kinds, capture.texts, strict=True)
    return [
        (counted, [text for _, text in stretch])
        for counted, stretch in itertools.groupby(pairs, lambda pair: pair[0] in known)
    ]


def _plain(item: Instrument) -> str:
    if item.kind.value == "spot":
        return f"{item.base}-{item.quote}"
    return f"{item.base}-{item.quote}-{item.venue_symbol}"


def _type(item: Instrument) -> str:
    return {"future": "futures"}.get(item.kind.value, item.kind.value)


def _subscribe(exchange: Any, client: Any, capture: Capture) -> None:
    """Make ccxt believe it asked for the books, or it leaves their messages unread."""
    for item in capture.instruments:
        symbol = exchange.safe_symbol(item.venue_symbol)
        for name in (f"orderbook:{symbol}", f"books-l2-tbt:{symbol}", f"books:{symbol}"):
            client.subscriptions[name] = {"limit": 400, "symbol": symbol}


def _market(item: Instrument) -> dict[str, object]:
    spot = item.kind.value == "spot"
    symbol = (
        f"{item.base}/{item.quote}" if spot else f"{item.base}/{item.quote}:{item.venue_symbol}"
    )
    return {
        "id": item.venue_symbol, "symbol": symbol, "base": item.base, "quote": item.quote,
        "baseId": item.base, "quoteId": item.quote, "type": "spot" if spot else "swap",
        "spot": spot, "swap": not spot, "contract": not spot, "linear": not spot, "active": True,
        "contractSize": 1.0, "settle": item.quote, "settleId": item.quote,
        "precision": {"price": float(item.price_tick), "amount": float(item.size_lot)},
        "limits": {},
    }  # fmt: skip


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the garbage collector off, with nothing left for it to do."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
