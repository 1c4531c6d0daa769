"""Every venue's recorded capture: bytes to event with the book applied, beside the peers.

Ours is the product's own way: the venue's decoder and `MarketState.apply`, which also builds bars,
keeps trades and checks sequence and checksum. cryptofeed's handler and ccxt.pro's get the same
messages as text, as far as each can read the capture; what a peer does not read is left out for
both. Messages of more than `HEAVY` levels are book images or nearly so: they are told by the level.
The first message of a kind of an instrument makes what all that follow use. A day spreads that over
millions, a capture of some seconds over ten or a thousand, so it is told with them and without.

The floor is a message of which nothing is read: a decoder that calls an empty kernel, which makes
one quote, and the market that takes it. What a message costs beyond is the reading, the book and
more than one event; below it are changes of books alone, of which no event is made. Neither is one
of what the market has its decoder only write down, quotes and marks that nobody acts upon among it,
see `core.engine.best` and `slate`.

A message comes from the socket, which has just written it: so each is copied, a batch of them at a
time, before it is timed, for the peers as well. Left where they were since the recording was read
they would have to come from memory one by one, the more so as the collector has been through all of
it: three times 75 ns a message that nobody pays who receives them.

All take turns, and a ratio is the median of the rounds' own ratios: what else the machine does
meanwhile slows the neighbours of one round alike. Ours alone take `TURNS`, all venues one after the
other in each: a round of one is over in milliseconds, and whoever shares the processor's caches is
busy for longer, so rounds in a row would all be quick or all be slow. Times are the thread's own on
the processor, for the peers as well: other programs count no more than by the caches they take.
"""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numba

from bench.captures import Capture, quiet, recorded
from bench.peers import CCXT, CRYPTOFEED, Ccxt, Cryptofeed, Peer
from core.backtest.replay import unlisted
from core.engine import market as market_module
from core.engine.called import called
from core.engine.made import one, quote, taken
from core.engine.market import MarketState
from core.feeds import levels
from core.feeds.decoder import FeedDecoder
from core.feeds.registry import make_decoder
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.market import MarketEvent
from core.model.ports import FrameKind

ROUNDS = 7
SHORT, SHORT_ROUNDS = 500, 41
"""A capture of fewer messages is read in a tenth of a millisecond, so its rounds vary more."""
TURNS = 21
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
    readings: list[list[tuple[float, float, float]]] = [[] for _ in captures]
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
    compiled = called(_nothing_read, 2)
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
    with quiet():
        frames = [("recv", 1, 1000 + number, "", b"{}") for number in range(1000)]
        started = time.thread_time()
        for kind, conn, ts_ns, url, data in frames:
            for event in decode(kind, conn, ts_ns, url, data):  # type: ignore[arg-type]  # a kind
                apply(event)
        return (time.thread_time() - started) / len(frames) * 1e6


def _venue(
    capture: Capture, readings: Sequence[tuple[float, float, float]], floor: float
) -> list[dict[str, object]]:
    kind = capture.kind
    light, later, heavy = (min(column) for column in zip(*readings, strict=True))
    middle = statistics.median(few for few, _, _ in readings)
    rows: list[dict[str, object]] = [
        {
            "name": f"{kind}: {capture.light:,} messages, {capture.light_levels:,} levels, "
            f"{capture.light_told:,} events, {light / floor:.1f} floors, median {middle:.2f}",
            "ours": light, "peer": None, "ratio": None, "target": f"<= {TARGET_US:g} us",
            "unit": "us/message", "ok": light <= TARGET_US,
        },
        {
            "name": f"{kind}: the {capture.later:,} of them that are no first ones", "ours": later,
            "peer": None, "ratio": None, "target": f"<= {TARGET_US:g} us", "unit": "us/message",
            "ok": later <= TARGET_US,
        },
    ]  # fmt: skip
    if capture.levels:
        rows.append(
            {
                "name": f"{kind}: book images, {capture.levels:,} levels", "ours": heavy,
                "peer": None, "ratio": None, "target": f"<= {LEVEL_US:g} us a level",
                "unit": "us/level", "ok": heavy <= LEVEL_US,
            }
        )  # fmt: skip
    if kind in CRYPTOFEED:
        rows.append(_against(capture, "cryptofeed", Cryptofeed(capture), 8.0))
    if kind in CCXT:
        unsummed = capture.without_checksums()
        if unsummed is capture:
            rows.append(_against(capture, "ccxt.pro", Ccxt(capture), 20.0))
        else:
            rows.append(_unsummed(unsummed))
            for some, name in ((unsummed, "sums of 0"), (capture, "sums it does not verify")):
                rows.append(_against(some, f"ccxt.pro, {name}", Ccxt(some), 20.0))
    return rows


def _unsummed(capture: Capture) -> dict[str, object]:
    light = min(capture.ours()[0] for _ in range(TURNS))
    return {
        "name": f"{capture.kind}: the same with checksums of 0, as sent since 2026", "ours": light,
        "peer": None, "ratio": None, "target": f"<= {TARGET_US:g} us", "unit": "us/message",
        "ok": light <= TARGET_US,
    }  # fmt: skip


def _against(capture: Capture, name: str, peer: Peer, target: float) -> dict[str, object]:
    known = peer.kinds()
    theirs, mine = [], []
    for number in range(ROUNDS if len(capture.texts) >= SHORT else SHORT_ROUNDS):
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
