"""KuCoin topics of one instrument and what is sent when."""

from __future__ import annotations

from typing import Final

from emulator.kucoin.venue import BARS, KuCoin
from emulator.market.changes import Batch, Changes
from emulator.market.shard import LevelRow, Shard
from emulator.wire.numbers import Scale
from emulator.wire.tape import Tape
from emulator.wire.venue import Json

_DEPTHS: Final = (5, 50)
TOPICS: Final = (
    "/market/level2",
    "/market/match",
    "/market/ticker",
    "/market/snapshot",
    "/market/candles",
    "/spotMarket/level1",
    "/spotMarket/level2Depth5",
    "/spotMarket/level2Depth50",
)


class Numbered(Changes):
    """Keeps the sequence number of each changed level as well."""

    def __init__(self, seed: int, shard: Shard, speeds: tuple[int, ...]) -> None:
        super().__init__(seed, shard, speeds)
        self._rows: dict[tuple[bool, int], int] = {}

    def _on_level(self, row: LevelRow) -> None:
        super()._on_level(row)
        self._rows[(row.bid, row.price_ticks)] = row.update_id

    def numbers(self) -> dict[tuple[bool, int], int]:
        """Return (is a bid, price) to the sequence of its change, since this was asked last."""
        rows, self._rows = self._rows, {}
        return rows


class Pump:
    """One instrument's topics."""

    def __init__(self, venue: KuCoin, tape: Tape, changes: Numbered, scale: Scale) -> None:
        self.tape = tape
        self._venue = venue
        self._changes = changes
        self._scale = scale

    def pump(self, sent_ms: int) -> None:
        """Send what is due."""
        venue, symbol, beat = self._venue, self.tape.symbol, self._venue.beat
        wanted = venue.topics.wanted
        fills, topic = self.tape.trades(), f"/market/match:{symbol}"
        if fills and wanted(topic):
            for row in fills:
                data = venue.match(self.tape.shard, row)
                venue.publish(topic, "trade.l3match", data, "trade", symbol)
        quote, topic = self.tape.quote(), f"/spotMarket/level1:{symbol}"
        if quote is not None and wanted(topic):
            bid, bid_lots, ask, ask_lots = quote
            data = {
                "asks": [self._scale.short_price(ask), self._scale.short_size(ask_lots)],
                "bids": [self._scale.short_price(bid), self._scale.short_size(bid_lots)],
                "timestamp": sent_ms,
            }
            venue.publish(topic, "level1", data, "quote", symbol)
        if beat.due(100):
            self._books(sent_ms)
            self._ticker(sent_ms)
        self._bars(sent_ms)
        topic = f"/market/snapshot:{symbol}"
        if beat.due(2_000) and wanted(topic):
            data = {"sequence": str(self._changes.update_id), "data": self.snapshot(sent_ms)}
            venue.publish(topic, "trade.snapshot", data, "ticker", symbol)

    def _books(self, sent_ms: int) -> None:
        venue, symbol, changes = self._venue, self.tape.symbol, self._changes
        if venue.struck("seq_reset", symbol):
            changes.renumber()
        batch, numbers = changes.take(100), changes.numbers()
        changes.settle(venue.market.now_ns)
        if not batch:
            return
        topic = f"/market/level2:{symbol}"
        if venue.topics.wanted(topic):
            if venue.struck("crossed_book", symbol):
                changes.cross(100, batch)
            data = {
                "changes": {
                    "asks": self._rows(batch, numbers, bid=False),
                    "bids": self._rows(batch, numbers, bid=True),
                },
                "sequenceEnd": batch.last,
                "sequenceStart": batch.first,
                "symbol": symbol,
                "time": sent_ms,
            }
            venue.publish(topic, "trade.l2update", data, "book", symbol)
        shard = self.tape.shard
        for depth in _DEPTHS:
            topic = f"/spotMarket/level2Depth{depth}:{symbol}"
            if venue.topics.wanted(topic):
                data = {
                    "asks": self._scale.short_levels(shard.asks(depth)),
                    "bids": self._scale.short_levels(shard.bids(depth)),
                    "timestamp": sent_ms,
                }
                venue.publish(topic, "level2", data, "depth", symbol)

    def _rows(
        self, batch: Batch, numbers: dict[tuple[bool, int], int], *, bid: bool
    ) -> list[list[str]]:
        """Write changed levels as price, size, sequence; oldest change first."""
        levels = batch.bids if bid else batch.asks
        base, scale = self._changes.base, self._scale
        rows = [
            (numbers.get((bid, ticks), batch.last + base) - base, ticks, lots)
            for ticks, lots in levels.items()
        ]
        return [
            [scale.short_price(ticks), scale.short_size(lots), str(number)]
            for number, ticks, lots in sorted(rows)
        ]

    def _ticker(self, sent_ms: int) -> None:
        venue, symbol = self._venue, self.tape.symbol
        topics = [
            (f"/market/ticker:{symbol}", "trade.ticker"),
            ("/market/ticker:all", symbol),
        ]
        wanted = [(topic, subject) for topic, subject in topics if venue.topics.wanted(topic)]
        if wanted:
            data = self.ticker(sent_ms)
            for topic, subject in wanted:
                venue.publish(topic, subject, data, "ticker", symbol)

    def ticker(self, sent_ms: int) -> Json:
        """Write best prices and the last trade."""
        shard, scale = self.tape.shard, self._scale
        bid, bid_lots, ask, ask_lots = shard.top() or (0, 0, 0, 0)
        return {
            "bestAsk": scale.short_price(ask),
            "bestAskSize": scale.short_size(ask_lots),
            "bestBid": scale.short_price(bid),
            "bestBidSize": scale.short_size(bid_lots),
            "price": scale.short_price(shard.candles.last_close),
            "sequence": str(shard.trade_id),
            "size": scale.short_size(shard.trades[-1].lots if shard.trades else 0),
            "time": sent_ms,
        }

    def snapshot(self, sent_ms: int) -> Json:
        """Write the figures of the last 24 hours as numbers."""
        shard, scale = self.tape.shard, self._scale
        listing = shard.listing
        _, o, h, low, c, lots, notional, *_ = shard.candles.last_day(sent_ms)
        bid, bid_lots, ask, ask_lots = shard.top() or (0, 0, 0, 0)
        return {
            "askSize": scale.size_number(ask_lots),
            "averagePrice": scale.price_number(notional // lots if lots else c),
            "baseCurrency": listing.base,
            "bidSize": scale.size_number(bid_lots),
            "board": 1,
            "buy": scale.price_number(bid),
            "changePrice": scale.price_number(c - o),
            "changeRate": round((c - o) / o, 4),
            "close": scale.price_number(c),
            "datetime": sent_ms,
            "high": scale.price_number(h),
            "lastTradedPrice": scale.price_number(shard.candles.last_close),
            "low": scale.price_number(low),
            "makerCoefficient": 1.0,
            "makerFeeRate": 0.001,
            "marginTrade": True,
            "mark": 0,
            "market": "USDS",
            "markets": ["USDS"],
            "open": scale.price_number(o),
            "quoteCurrency": listing.quote,
            "sell": scale.price_number(ask),
            "sort": 100,
            "symbol": listing.symbol,
            "symbolCode": listing.symbol,
            "takerCoefficient": 1.0,
            "takerFeeRate": 0.001,
            "trading": not shard.halted,
            "vol": scale.size_number(lots),
            "volValue": round(scale.worth_number(notional), 4),
        }

    def stats(self, sent_ms: int) -> Json:
        """Write the figures of the last 24 hours for REST."""
        shard, scale = self.tape.shard, self._scale
        _, o, h, low, c, lots, notional, *_ = shard.candles.last_day(sent_ms)
        bid, bid_lots, ask, ask_lots = shard.top() or (0, 0, 0, 0)
        return {
            "symbol": self.tape.symbol,
            "buy": scale.short_price(bid),
            "bestBidSize": scale.short_size(bid_lots),
            "sell": scale.short_price(ask),
            "bestAskSize": scale.short_size(ask_lots),
            "changeRate": f"{(c - o) / o:.4f}",
            "changePrice": f"{scale.price_number(c - o):.{scale.price_decimals}f}",
            "high": scale.short_price(h),
            "low": scale.short_price(low),
            "vol": scale.short_size(lots),
            "volValue": scale.worth(notional),
            "last": scale.short_price(shard.candles.last_close),
            "averagePrice": scale.short_price(notional // lots if lots else c),
            "takerFeeRate": "0.001",
            "makerFeeRate": "0.001",
            "takerCoefficient": "1",
            "makerCoefficient": "1",
        }

    def _bars(self, sent_ms: int) -> None:
        venue, symbol, now_ms = self._venue, self.tape.symbol, self._venue.beat.now_ms
        prefix = f"/market/candles:{symbol}_"
        for topic in venue.topics.starting(prefix):
            if topic[len(prefix) :] not in BARS:
                continue
            interval = BARS[topic[len(prefix) :]]
            closed = self.tape.closed(interval, now_ms)
            bars = []
            if closed is not None and not venue.struck("bar_never_closes", symbol):
                bars.append(("trade.candles.update", closed))
                bars.append(("trade.candles.add", self.tape.forming(interval, now_ms)))
            elif venue.beat.due(1_000):
                bars.append(("trade.candles.update", self.tape.forming(interval, now_ms)))
                if venue.struck("bar_out_of_order", symbol):
                    old = self.tape.forming(interval, now_ms, before=1)
                    bars.append(("trade.candles.update", old))
            for subject, bar in bars:
                row = venue.bar(self.tape.shard, bar)
                data = {"symbol": symbol, "candles": row, "time": sent_ms * 1_000_000}
                venue.publish(topic, subject, data, "bar", symbol)
