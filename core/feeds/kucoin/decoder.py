"""KuCoin frames to market events.

A message's topic decides how it is read. Topics that are read are those of the spot market; the
futures of the venue are another market with hosts and numbers of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from decimal import Decimal
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qs, urlsplit

import msgspec
import numpy as np

from core.feeds.decoder import FeedDecoder, Known
from core.feeds.hosts import clock_sample
from core.feeds.kucoin import frames
from core.feeds.kucoin.forms import FORMS
from core.feeds.kucoin.refusals import GOOD, remedy
from core.feeds.kucoin.rule import KucoinRule
from core.feeds.kucoin.symbols import parse_symbols
from core.feeds.kucoin.told import QUOTED_NS, UPDATED, compiled
from core.feeds.scanner import FULL, Scanner
from core.feeds.sides import NO_LEVELS, NOTHING, SideReader, has_zero, plan_of
from core.feeds.slips import DESK
from core.model.errors import DataError
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.market import (
    BookDelta,
    BookSnapshot,
    DayTicker,
    Levels,
    MarketEvent,
    Quote,
    Trade,
    VenueBar,
)
from core.model.ports import FrameKind

KUCOIN: Final = VenueName("kucoin")

BARS: Final = {
    "1min": "1m", "3min": "3m", "5min": "5m", "15min": "15m", "30min": "30m", "1hour": "1h",
    "2hour": "2h", "4hour": "4h", "6hour": "6h", "8hour": "8h", "12hour": "12h", "1day": "1d",
    "1week": "1w", "1month": "1M",
}  # fmt: skip
"""The venue's names of candle lengths, and ours."""

UPDATES: Final = "/market/level2"
IMAGES: Final = "/spotMarket/level2Depth50"

_TOPIC: Final = b'"topic":"'
_MS: Final = 1_000_000

_Reader: TypeAlias = Callable[[int, bytes], Sequence[MarketEvent]]


class KucoinKnown(Known):
    """What decoding needs of one instrument, and what its frames told."""

    __slots__ = ("imaged_ns", "plan")

    def __init__(self, instrument: Instrument) -> None:
        super().__init__(instrument)
        self.plan = plan_of(self)
        self.imaged_ns = 0
        """Venue time of the newest image of the stream: two connections may send them."""

    def lend(self, place: int) -> None:
        """Have the kernel take changes of the book to the desk at a place, 0: tell them."""
        self.plan.slip[DESK] = place

    @property
    def quoted_ns(self) -> int:
        """Venue time of the newest quote: two topics tell it, one of them late."""
        return self.plan.slip[QUOTED_NS]

    @quoted_ns.setter
    def quoted_ns(self, ts_ns: int) -> None:
        self.plan.slip[QUOTED_NS] = ts_ns

    @property
    def updated(self) -> bool:
        """Whether updates of the whole book come in, so images of a few levels do not count."""
        return self.plan.slip[UPDATED] == 1

    @updated.setter
    def updated(self, updated: bool) -> None:
        self.plan.slip[UPDATED] = updated


class KucoinDecoder(FeedDecoder):
    """Decodes stream frames, REST answers and our own requests.

    Args:
        venue: The name events carry.
        instruments: Tick and lot sizes; listings on the tape teach more.
    """

    def __init__(self, venue: VenueName = KUCOIN, instruments: Collection[Instrument] = ()) -> None:
        self._scanner = Scanner(
            FORMS, lambda: [self._of(name).plan for name in self.instruments], compiled()
        )
        super().__init__(venue, KucoinRule(), instruments)
        self._sides = SideReader(self.off_step)
        self._rows = msgspec.json.Decoder(list[frames.Row], strict=False).decode
        self._outer = msgspec.json.Decoder(frames.Outer).decode
        self._update_frame = _frame(frames.Update)
        self._depth_frame = _frame(frames.Depth)
        self._best_frame = _frame(frames.Best)
        self._ticker_frame = _frame(frames.Ticker)
        self._match_frame = _frame(frames.Match)
        self._candle_frame = _frame(frames.Candles)
        self._day_frame = _frame(frames.Snapshot)
        self._topics: dict[bytes, _Reader] = {
            b"/market/level2": self._update,
            b"/spotMarket/level2Depth5": self._depth,
            b"/spotMarket/level2Depth50": self._depth,
            b"/spotMarket/level1": self._best,
            b"/market/ticker": self._ticker,
            b"/market/match": self._match,
            b"/market/candles": self._candle,
            b"/market/snapshot": self._day,
        }

    def make_known(self, instrument: Instrument) -> KucoinKnown:
        """Return what decoding needs of an instrument."""
        return KucoinKnown(instrument)

    def add_instruments(self, instruments: Collection[Instrument]) -> None:
        """Teach it tick and lot sizes; a symbol it does not know is a `FrameRejected`."""
        super().add_instruments(instruments)
        self._scanner.heed(self.changes)

    def decode(
        self, kind: FrameKind, conn: int, ts_recv_ns: int, url: str, data: bytes
    ) -> Sequence[MarketEvent]:
        """Return the frame's events in order; a frame it cannot read gives `FrameRejected`."""
        if kind == "recv":
            scanner = self._scanner
            events: Sequence[MarketEvent] | None
            events = scanner.tell(data, scanner.place, conn, ts_recv_ns)
            if events is not None:
                return events
            if scanner.found(scanner.place)[0] == FULL and scanner.renew():
                return self.decode(kind, conn, ts_recv_ns, url, data)
        return super().decode(kind, conn, ts_recv_ns, url, data)

    def message(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Read a message of the stream.

        Raises:
            DataError: It is not what the venue documents.
            msgspec.DecodeError: It is not JSON of the documented shape.
        """
        start = data.find(_TOPIC)
        if start >= 0:
            start += len(_TOPIC)
            read = self._topics.get(data[start : data.find(b":", start)])
            if read is not None:
                return read(ts_recv_ns, data)
        return self._other(ts_recv_ns, data)

    def _other(self, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Read a frame in any spelling, or say what is wrong with it."""
        outer = self._outer(data)
        match outer.type:
            case "welcome" | "ack" | "pong" | "ping":
                return ()
            case "error":
                code = bytes(outer.code).decode().strip('"')[:20]
                words = bytes(outer.data).decode()[:200]
                return self.reject(
                    ts_recv_ns, f"the venue refused with code {code}: {words}; {remedy(code)}", data
                )
            case "message":
                pass
            case kind:
                raise DataError(f"type {kind[:40]!r} is not one the venue documents")
        channel = outer.topic.partition(":")[0]
        read = self._topics.get(channel.encode())
        if read is None:
            raise DataError(f"topic {channel[:40]!r} is not one of market data we follow")
        return read(ts_recv_ns, data)

    # -- books -----------------------------------------------------------------------------

    def _update(self, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Read an update of several changes, or in any spelling."""
        update = self._update_frame(data).data
        known = self._of(update.symbol)
        first, last = update.sequenceStart, update.sequenceEnd
        if first > last:
            raise DataError(f"sequence must rise, was {first} to {last}")
        known.updated = True
        several = first != last
        return (
            BookDelta(
                known.id, update.time * _MS, ts_recv_ns, first, last, -1,
                self._changed(bytes(update.changes.bids), known, several),
                self._changed(bytes(update.changes.asks), known, several),
            ),
        )  # fmt: skip

    def _changed(self, raw: bytes, known: KucoinKnown, several: bool) -> Levels:
        """Return changed levels in the order of their sequence, without those at price 0."""
        if raw == NOTHING:
            return NO_LEVELS
        levels = self._sides.any_side(raw, known.plan)
        if several and len(levels) > 1:
            # Rows come by price; of two of one price the later one must win.
            order = np.argsort([row.sequence for row in self._rows(raw)], kind="stable")
            levels = levels[order]
        if has_zero(raw):
            levels = NO_LEVELS if len(levels) == 1 else levels[levels[:, 0] != 0]
        return levels

    def _depth(self, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        frame = self._depth_frame(data)
        known = self._of(_symbol(frame.topic))
        image, side = frame.data, self._sides.side
        ts_ns = image.timestamp * _MS
        if known.updated or ts_ns < known.imaged_ns:
            return ()
        known.imaged_ns = ts_ns
        return (
            BookSnapshot(
                known.id, ts_ns, ts_recv_ns, 0, side(bytes(image.bids), known.plan),
                side(bytes(image.asks), known.plan), True,
            ),
        )  # fmt: skip

    # -- other topics ------------------------------------------------------------------------

    def _best(self, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        frame = self._best_frame(data)
        known = self._of(_symbol(frame.topic))
        best = frame.data
        ts_ns = best.timestamp * _MS
        if best.bids is None or best.asks is None or ts_ns < known.quoted_ns:
            # Half a quote is none.
            return ()
        known.quoted_ns = ts_ns
        prices = known.prices
        bid_lots, ask_lots = self._sides.resting(known, best.bids.size, best.asks.size)
        return (
            Quote(
                known.id, ts_ns, ts_recv_ns, prices[best.bids.price], bid_lots,
                prices[best.asks.price], ask_lots, 0,
            ),
        )  # fmt: skip

    def _ticker(self, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        frame = self._ticker_frame(data)
        symbol = _symbol(frame.topic)
        known = self._of(frame.subject if symbol == "all" else symbol)
        best = frame.data
        ts_ns = best.time * _MS
        if ts_ns < known.quoted_ns:
            return ()
        if not (best.bestBid and best.bestBidSize and best.bestAsk and best.bestAskSize):
            return ()
        known.quoted_ns = ts_ns
        prices = known.prices
        bid_lots, ask_lots = self._sides.resting(known, best.bestBidSize, best.bestAskSize)
        return (
            Quote(
                known.id, ts_ns, ts_recv_ns, prices[best.bestBid], bid_lots,
                prices[best.bestAsk], ask_lots, best.sequence,
            ),
        )  # fmt: skip

    def _match(self, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        trade = self._match_frame(data).data
        known = self._of(trade.symbol)
        price, size = known.prices[trade.price], known.sizes[trade.size]
        if not price or not size:
            raise DataError(f"trade {trade.sequence} must have a price and a size above 0")
        if trade.side not in ("buy", "sell"):
            raise DataError(f"side must be buy or sell, was {trade.side[:40]!r}")
        return (
            Trade(
                known.id, trade.time, ts_recv_ns, price, size, trade.side == "sell",
                trade.sequence,
            ),
        )  # fmt: skip

    def _candle(self, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Read a candle; the venue never says that one is closed."""
        frame = self._candle_frame(data)
        known, row = self._of(frame.data.symbol), frame.data.candles
        if len(row) < 6 or not (row[0].isdigit() and row[0].isascii() and len(row[0]) < 11):
            raise DataError(f"candle must be [s, o, c, h, l, volume, ...], was {str(row)[:80]}")
        bar = frame.topic.rpartition("_")[2]
        opened, first, last, high, low, volume = row[:6]
        prices = known.prices
        return (
            VenueBar(
                known.id, BARS.get(bar, bar), int(opened) * 1_000 * _MS, ts_recv_ns, prices[first],
                prices[high], prices[low], prices[last], known.sizes[volume], False,
            ),
        )  # fmt: skip

    def _day(self, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        day = self._day_frame(data).data.data
        return (
            DayTicker(
                instrument_id=self._of(day.symbol).id,
                ts_event_ns=day.datetime * _MS,
                ts_recv_ns=ts_recv_ns,
                last=_finite(day.lastTradedPrice),
                open=_finite(day.open),
                high=_finite(day.high),
                low=_finite(day.low),
                volume=_finite(day.vol),
                quote_volume=_finite(day.volValue),
            ),
        )

    # -- REST answers, requests and connections ----------------------------------------------

    def answer(self, ts_recv_ns: int, url: str, data: bytes) -> Sequence[MarketEvent]:
        """Read a REST answer by its URL; answers that hold no market events give none.

        Raises:
            DataError: It is not what the venue documents.
            msgspec.DecodeError: It is not JSON of the documented shape.
        """
        parts = urlsplit(url)
        endpoint = parts.path.rpartition("/")[2]
        if endpoint == "symbols":
            self.add_instruments(parse_symbols(data, self.venue))
        elif endpoint == "timestamp":
            answer = msgspec.json.decode(data, type=frames.Answer[frames.Ms])
            return clock_sample(self.venue, url, ts_recv_ns, _good(answer) * _MS)
        elif endpoint.startswith("level2"):
            symbol = parse_qs(parts.query).get("symbol", [""])[0]
            return self._image(ts_recv_ns, symbol, data)
        return ()

    def _image(self, ts_recv_ns: int, symbol: str, data: bytes) -> Sequence[MarketEvent]:
        known, side = self._of(symbol), self._sides.side
        image = _good(msgspec.json.decode(data, type=frames.Answer[frames.Image], strict=False))
        return (
            BookSnapshot(
                known.id, image.time * _MS, ts_recv_ns, image.sequence,
                side(bytes(image.bids), known.plan), side(bytes(image.asks), known.plan),
            ),
        )  # fmt: skip

    def sent(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Read a request of ours."""
        request = msgspec.json.decode(data, type=frames.Request)
        channel, _, names = request.topic.partition(":")
        if channel.encode() not in self._topics:
            return ()
        pairs = [(name.partition("_")[0], channel) for name in names.split(",")]
        if request.type == "subscribe":
            return self.carry(conn, ts_recv_ns, pairs)
        if request.type == "unsubscribe":
            return self.release(conn, ts_recv_ns, pairs)
        return ()

    def label(
        self, kind: FrameKind, url: str, data: bytes, events: Sequence[MarketEvent]
    ) -> Sequence[str]:
        """Return a message's subject such as ``trade.l2update``, its type, or the frame's kind."""
        if kind != "recv":
            return (kind,)
        try:
            outer = self._outer(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return ("rejected",)
        return (outer.subject or outer.type or "other",)

    def _of(self, symbol: str) -> KucoinKnown:
        known = self._known.get(symbol)
        if type(known) is KucoinKnown:
            return known
        known = self.of(symbol)
        assert isinstance(known, KucoinKnown)
        return known


def _frame(body: Any) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(frames.Frame[body], strict=False).decode


def _symbol(topic: str) -> str:
    return topic.partition(":")[2]


def _finite(value: Decimal | None) -> Decimal | None:
    if value is not None and not value.is_finite():
        raise DataError(f"statistics must be numbers, was {value}")
    return value


def _good(answer: frames.Answer[Any]) -> Any:
    if answer.code != GOOD or answer.data is None:
        raise DataError(
            f"the venue answered code {answer.code[:20]}: {answer.msg[:200]}; {remedy(answer.code)}"
        )
    return answer.data
