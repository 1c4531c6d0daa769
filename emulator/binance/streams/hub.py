"""Who listens to which stream, and what is sent to them at each tick."""

from __future__ import annotations

from typing import Any, Final

from emulator.binance.streams.depth import DepthFeed
from emulator.binance.wire import Json, Writer
from emulator.clock import MS
from emulator.faults import Faults
from emulator.market.candles import INTERVALS
from emulator.market.market import Market
from emulator.market.shard import Shard
from emulator.wire.tape import Beat, Tape
from emulator.wire.topics import Topics

_TOPS: Final = (5, 10, 20)
_FAST_MS: Final = 100
_SLOW_MS: Final = 1_000
_KLINE_MS: Final = 2_000


class Hub:
    """The public streams of all instruments; builds a message only when somebody listens."""

    def __init__(
        self, market: Market, depths: dict[str, DepthFeed], faults: Faults, topics: Topics
    ) -> None:
        self._market = market
        self._depths = depths
        self._faults = faults
        self._topics = topics
        self._pumps = [
            _Pump(shard, Writer(shard.listing), depths[symbol], self)
            for symbol, shard in market.shards.items()
        ]
        self._beat = Beat(market.acted_ns // MS)

    def rename(self) -> None:
        """Write the names instruments have now."""
        for pump in self._pumps:
            pump.rename()

    def wanted(self, name: str) -> bool:
        """Return whether anybody listens to a stream."""
        return self._topics.wanted(name)

    def publish(self, name: str, message: Any, channel: str = "", symbol: str = "") -> None:
        """Send a message to a stream's listeners."""
        self._topics.publish(name, message, channel=channel, symbol=symbol)

    def struck(self, kind: str, symbol: str) -> bool:
        """Return whether a fault strikes a symbol now."""
        if not self._faults.armed:
            return False
        return self._faults.take((kind,), self._beat.now_ms, symbol=symbol) is not None

    def tick(self, skew_ms: int) -> None:
        """Send what happened since the last tick, and what is due by the clock."""
        beat = self._beat
        beat.advance(now_ms := self._market.acted_ns // MS)
        sent_ms = self._market.now_ns // MS + skew_ms
        slow = beat.due(_SLOW_MS)
        klines = beat.due(_KLINE_MS)
        for pump in self._pumps:
            if not pump.shard.listed:
                continue
            pump.trades(sent_ms)
            pump.quote()
            pump.closed_bars(now_ms, sent_ms)
            if beat.due(_FAST_MS):
                self._depth(pump, _FAST_MS, sent_ms)
            if slow:
                self._depth(pump, _SLOW_MS, sent_ms)
                pump.tickers(now_ms, sent_ms)
                pump.forming_bars(now_ms, sent_ms, every_interval=klines)
        if slow:
            self._all_tickers(now_ms, sent_ms)

    def kline_streams(self, symbol: str) -> list[tuple[str, str]]:
        """Return (stream name, interval) of a symbol's kline streams that have listeners."""
        prefix = f"{symbol.lower()}@kline_"
        return [
            (name, name[len(prefix) :])
            for name in self._topics.starting(prefix)
            if name[len(prefix) :] in INTERVALS
        ]

    def _depth(self, pump: _Pump, speed_ms: int, sent_ms: int) -> None:
        feed, symbol = pump.depth, pump.symbol
        if self.struck("seq_reset", symbol):
            feed.renumber()
        batch = feed.take(speed_ms)
        feed.settle(self._market.now_ns)
        slow = speed_ms == _SLOW_MS
        names = (f"{pump.lower}@depth@{speed_ms}ms", *((f"{pump.lower}@depth",) if slow else ()))
        if batch and any(map(self.wanted, names)):
            if self.struck("crossed_book", symbol):
                feed.cross(speed_ms, batch)
            message = feed.message(batch, sent_ms)
            for name in filter(self.wanted, names):
                if self.struck("duplicate_depth", symbol):
                    self.publish(name, message)
                self.publish(name, message, "book", symbol)
        for levels in _TOPS:
            name = f"{pump.lower}@depth{levels}"
            for full in (f"{name}@{speed_ms}ms", name if slow else ""):
                if full and self.wanted(full):
                    self.publish(full, feed.top(levels), "depth", symbol)

    def _all_tickers(self, now_ms: int, sent_ms: int) -> None:
        if self.wanted("!miniTicker@arr"):
            tickers = [pump.mini_ticker(now_ms, sent_ms) for pump in self._pumps]
            self.publish("!miniTicker@arr", tickers, "ticker")


class _Pump:
    """One instrument's stream messages and how far each has been sent."""

    def __init__(self, shard: Shard, writer: Writer, depth: DepthFeed, hub: Hub) -> None:
        self.depth = depth
        self.shard = shard
        self._writer = writer
        self._hub = hub
        self._tape = Tape(shard)

    @property
    def symbol(self) -> str:
        """The symbol now."""
        return self.shard.listing.symbol

    @property
    def lower(self) -> str:
        """The symbol as stream names have it."""
        return self.symbol.lower()

    def rename(self) -> None:
        """Write the name the instrument has now."""
        self._writer.symbol = self.symbol

    def trades(self, sent_ms: int) -> None:
        """Send new trades and aggregate trades."""
        hub, tape, symbol = self._hub, self._tape, self.symbol
        fresh, merged = tape.trades(), tape.aggregates()
        if fresh and hub.wanted(name := f"{self.lower}@trade"):
            for row in fresh:
                hub.publish(name, self._writer.trade_event(row, sent_ms), "trade", symbol)
        if merged and hub.wanted(name := f"{self.lower}@aggTrade"):
            for aggregate in merged:
                event = self._writer.aggregate_event(aggregate, sent_ms)
                hub.publish(name, event, "trade", symbol)

    def quote(self) -> None:
        """Send the best bid and ask when they changed."""
        name = f"{self.lower}@bookTicker"
        if not self._hub.wanted(name):
            self._tape.forget_quote()
            return
        quote = self._tape.quote()
        if quote is not None:
            self._hub.publish(name, self.book_ticker(quote), "quote", self.symbol)

    def book_ticker(self, quote: tuple[int, int, int, int]) -> Json:
        """Write the best bid and ask for the stream."""
        bid, bid_lots, ask, ask_lots = quote
        writer = self._writer
        return {
            "u": self.depth.update_id,
            "s": self.symbol,
            "b": writer.price(bid),
            "B": writer.size(bid_lots),
            "a": writer.price(ask),
            "A": writer.size(ask_lots),
        }

    def closed_bars(self, now_ms: int, sent_ms: int) -> None:
        """Send each followed bar once more when it has closed."""
        last_id = self.shard.trade_id
        for name, interval in self._hub.kline_streams(self.symbol):
            row = self._tape.closed(interval, now_ms)
            if row is None or self._hub.struck("bar_never_closes", self.symbol):
                continue
            forming = self._tape.forming(interval, now_ms)
            event = self._writer.kline_event(
                row, interval, sent_ms, last_id - forming[7], closed=True
            )
            self._hub.publish(name, event, "bar", self.symbol)

    def forming_bars(self, now_ms: int, sent_ms: int, *, every_interval: bool) -> None:
        """Send the forming bars: 1s every second, the others every other second."""
        last_id = self.shard.trade_id
        for name, interval in self._hub.kline_streams(self.symbol):
            if every_interval or interval == "1s":
                row = self._tape.forming(interval, now_ms)
                event = self._writer.kline_event(row, interval, sent_ms, last_id, closed=False)
                self._hub.publish(name, event, "bar", self.symbol)
                if self._hub.struck("bar_out_of_order", self.symbol):
                    row = self._tape.forming(interval, now_ms, before=1)
                    event = self._writer.kline_event(row, interval, sent_ms, last_id, closed=False)
                    self._hub.publish(name, event, "bar", self.symbol)

    def tickers(self, now_ms: int, sent_ms: int) -> None:
        """Send the 24 h figures, short and long."""
        if self._hub.wanted(name := f"{self.lower}@miniTicker"):
            self._hub.publish(name, self.mini_ticker(now_ms, sent_ms), "ticker", self.symbol)
        if self._hub.wanted(name := f"{self.lower}@ticker"):
            self._hub.publish(name, self._ticker(now_ms, sent_ms), "ticker", self.symbol)

    def mini_ticker(self, now_ms: int, sent_ms: int) -> Json:
        """Write the short 24 h figures."""
        day = self._day(now_ms)
        return {
            "e": "24hrMiniTicker",
            "E": sent_ms,
            "s": self.symbol,
            "c": day["lastPrice"],
            "o": day["openPrice"],
            "h": day["highPrice"],
            "l": day["lowPrice"],
            "v": day["volume"],
            "q": day["quoteVolume"],
        }

    def _ticker(self, now_ms: int, sent_ms: int) -> Json:
        day = self._day(now_ms)
        quote = self.shard.top() or (0, 0, 0, 0)
        last = self.shard.trades[-1].lots if self.shard.trades else 0
        return {
            "e": "24hrTicker",
            "E": sent_ms,
            "s": self.symbol,
            "p": day["priceChange"],
            "P": day["priceChangePercent"],
            "w": day["weightedAvgPrice"],
            "x": day["prevClosePrice"],
            "c": day["lastPrice"],
            "Q": self._writer.size(last),
            "b": self._writer.price(quote[0]),
            "B": self._writer.size(quote[1]),
            "a": self._writer.price(quote[2]),
            "A": self._writer.size(quote[3]),
            "o": day["openPrice"],
            "h": day["highPrice"],
            "l": day["lowPrice"],
            "v": day["volume"],
            "q": day["quoteVolume"],
            "O": now_ms - 86_400_000,
            "C": now_ms,
            "F": day["firstId"],
            "L": day["lastId"],
            "n": day["count"],
        }

    def _day(self, now_ms: int) -> Json:
        return self._writer.day(self.shard.candles.last_day(now_ms), self.shard.trade_id)
