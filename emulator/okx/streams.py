"""OKX channels: which path serves which, what they take, and what is sent when."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from emulator.market.perps import Future, Liquidation
from emulator.okx.instruments import describe, inst_type
from emulator.okx.venue import Okx
from emulator.okx.wire import BARS, Writer
from emulator.wire.connection import Connection
from emulator.wire.tape import Tape
from emulator.wire.venue import Json

_BOOKS: Final[dict[str, int]] = {"books": 400, "books-l2-tbt": 400, "books50-l2-tbt": 50}
LOGIN_ONLY: Final = ("books-l2-tbt", "books50-l2-tbt")
_OF_INSTRUMENT: Final = (
    *_BOOKS, "books5", "bbo-tbt", "trades", "tickers", "price-limit",
)  # fmt: skip
_OF_SWAP: Final = ("mark-price", "funding-rate", "open-interest")
_OF_TYPE: Final = ("instruments", "liquidation-orders")


def topic_of(venue: Okx, path: str, arg: object) -> str | None:
    """Return the topic of a subscription argument, None where the path has no such channel.

    ``{"channel": "books", "instId": "BTC-USDT"}`` becomes ``books:BTC-USDT``.
    """
    if not isinstance(arg, dict):
        return None
    channel, name = str(arg.get("channel", "")), str(arg.get("instId", ""))
    shard = venue.find(name)
    business = channel == "trades-all" or channel.startswith("candle")
    if business != (path == "business"):
        return None
    if channel in _OF_TYPE:
        kind = str(arg.get("instType", ""))
        return f"{channel}:{kind}" if kind in ("SPOT", "SWAP", "ANY") else None
    if channel == "index-tickers":
        return f"{channel}:{name}" if name in venue.indices() else None
    if channel == "status" and not name:
        return channel
    if shard is None:
        return None
    if channel in _OF_SWAP and shard.listing.kind != "perpetual":
        return None
    known = channel in _OF_INSTRUMENT or channel in _OF_SWAP or channel == "trades-all"
    if not known and channel.removeprefix("candle") not in BARS:
        return None
    return f"{channel}:{name}"


class Pump:
    """One instrument's channels."""

    def __init__(self, venue: Okx, tape: Tape, writer: Writer, future: Future | None) -> None:
        self.tape = tape
        self._venue = venue
        self._topics = venue.topics
        self._writer = writer
        self._future = future
        self._changes = venue.changes[tape.symbol]
        self._sent_id = self._changes.update_id
        self._sent_ms = 0
        self._forced: Liquidation | None = None
        if future is not None:
            future.on_liquidation = self._on_liquidation

    def _on_liquidation(self, _: Future, told: Liquidation) -> None:
        """Keep one a second, as the venue does."""
        self._forced = told

    def pump(self, sent_ms: int) -> None:
        """Send what is due."""
        symbol, beat = self.tape.symbol, self._venue.beat
        merged, fills = self.tape.aggregates(), self.tape.trades()
        if merged and self._topics.wanted(topic := f"trades:{symbol}"):
            for aggregate in merged:
                self._venue.tell(topic, [self._writer.trade(aggregate)], "trade", symbol)
        if fills and self._topics.wanted(topic := f"trades-all:{symbol}"):
            for row in fills:
                self._venue.tell(topic, [self._writer.fill(row)], "trade", symbol)
        quote = self.tape.quote()
        self._state("bbo-tbt", "quote", quote is not None, lambda: [self._best(sent_ms)])
        if beat.due(100):
            self._books(sent_ms)
            self._state("tickers", "ticker", True, lambda: [self._ticker(sent_ms)])
        self._bars(sent_ms)
        slow = beat.due(1_000)
        self._state("price-limit", "ticker", slow, lambda: [self._writer.price_limit(sent_ms)])
        if self._future is not None:
            self._of_future(self._future, sent_ms, slow=slow)
        if slow and self._forced is not None:
            forced, self._forced = self._forced, None
            for name in ("SWAP", "ANY"):
                self._venue.tell(
                    f"liquidation-orders:{name}",
                    [self._writer.liquidation(forced)],
                    "liquidation",
                    symbol,
                )

    def _of_future(self, future: Future, sent_ms: int, *, slow: bool) -> None:
        writer, beat = self._writer, self._venue.beat
        self._state("mark-price", "ticker", beat.due(200), lambda: [writer.mark(future, sent_ms)])
        self._state(
            "open-interest",
            "ticker",
            beat.due(3_000),
            lambda: [writer.open_interest(future, sent_ms)],
        )
        self._state(
            "funding-rate", "ticker", beat.due(30_000), lambda: [writer.funding(future, sent_ms)]
        )

    def _state(self, channel: str, kind: str, due: bool, make: Callable[[], Any]) -> None:
        """Send a state to everyone when it is due, and to new listeners at once."""
        topic = f"{channel}:{self.tape.symbol}"
        if not self._topics.wanted(topic):
            return
        fresh = self._topics.fresh(topic)
        if due or fresh:
            to = None if due else fresh
            self._venue.tell(topic, make(), kind, self.tape.symbol, to=to)

    def _ticker(self, sent_ms: int) -> Json:
        return self._writer.ticker(sent_ms, self.tape.shard.top() or (0, 0, 0, 0))

    def _best(self, sent_ms: int) -> Json:
        return self._top(1, sent_ms)

    def _top(self, levels: int, sent_ms: int) -> Json:
        shard, writer = self.tape.shard, self._writer
        return {
            "asks": writer.levels(shard.asks(levels), bid=False),
            "bids": writer.levels(shard.bids(levels), bid=True),
            "instId": self.tape.symbol,
            "ts": str(sent_ms),
            "seqId": self._changes.update_id,
        }

    def _books(self, sent_ms: int) -> None:
        """Send one update to those who have the book, and a snapshot to those who just came."""
        venue, symbol, changes = self._venue, self.tape.symbol, self._changes
        if venue.struck("seq_reset", symbol):
            changes.renumber()
        batch = changes.take(100)
        changes.settle(venue.market.now_ns)
        if batch:
            self._state("books5", "depth", True, lambda: [self._top(5, sent_ms)])
        topics = [f"{channel}:{symbol}" for channel in _BOOKS]
        wanted = [topic for topic in topics if self._topics.wanted(topic)]
        if not wanted:
            return
        if batch and venue.struck("crossed_book", symbol):
            changes.cross(100, batch)
        idle = not batch and sent_ms - self._sent_ms >= venue.keep_alive_ms
        for topic in wanted:
            settled, fresh = self._topics.settled(topic), self._topics.fresh(topic)
            if fresh and batch and venue.struck("delta_before_snapshot", symbol):
                settled = settled + fresh
            if (batch or idle) and settled:
                prev = batch.prev if batch else changes.update_id
                data = self._book(batch.bid_levels(), batch.ask_levels(), prev, sent_ms)
                venue.tell(topic, [data], "book", symbol, action="update", to=settled)
            if fresh:
                depth = _BOOKS[topic.partition(":")[0]]
                shard = self.tape.shard
                data = self._book(shard.bids(depth), shard.asks(depth), -1, sent_ms)
                venue.tell(topic, [data], "snapshot", symbol, action="snapshot", to=fresh)
        if batch or idle:
            self._sent_ms = sent_ms

    def _book(
        self, bids: list[tuple[int, int]], asks: list[tuple[int, int]], prev: int, sent_ms: int
    ) -> Json:
        venue, symbol = self._venue, self.tape.symbol
        checksum = self._writer.checksum() if venue.legacy_checksum else 0
        if venue.struck("checksum_mismatch", symbol):
            checksum ^= 0x5A5A
        return {
            "asks": self._writer.levels(asks, bid=False),
            "bids": self._writer.levels(bids, bid=True),
            "ts": str(sent_ms),
            "checksum": checksum,
            "seqId": self._changes.update_id,
            "prevSeqId": prev,
        }

    def _bars(self, sent_ms: int) -> None:
        venue, symbol = self._venue, self.tape.symbol
        now_ms = venue.beat.now_ms
        for topic in venue.bar_topics(symbol):
            bar = topic.partition(":")[0].removeprefix("candle")
            interval = BARS[bar]
            closed = self.tape.closed(interval, now_ms)
            if closed is not None and not venue.struck("bar_never_closes", symbol):
                row = self._writer.bar(closed, interval, now_ms)
                venue.tell(topic, [row], "bar", symbol)
            fresh = self._topics.fresh(topic)
            if venue.beat.due(1_000) or fresh:
                row = self._writer.bar(self.tape.forming(interval, now_ms), interval, now_ms)
                to = None if venue.beat.due(1_000) else fresh
                venue.tell(topic, [row], "bar", symbol, to=to)
                if venue.struck("bar_out_of_order", symbol):
                    old = self.tape.forming(interval, now_ms, before=1)
                    venue.tell(topic, [self._writer.bar(old, interval, now_ms)], "bar", symbol)


def listed(venue: Okx, kind: str) -> list[Json]:
    """Return the instruments of a type (``ANY`` for all) as they are told."""
    return [
        describe(shard, venue.scales[shard.listing.symbol], number)
        for number, shard in enumerate(venue.shards())
        if kind in ("ANY", inst_type(shard.listing))
    ]


def send_lists(venue: Okx, to: list[Connection] | None, kind: str) -> None:
    """Send the list of instruments of a type."""
    venue.tell(f"instruments:{kind}", listed(venue, kind), "instruments", "", to=to)
