"""Who listens to which stream, and what is sent to them at each tick."""

from __future__ import annotations

from typing import Any, Final

import orjson

from core.model.market import Side
from emulator.binance.streams.connection import Connection
from emulator.binance.streams.depth import DepthFeed
from emulator.binance.wire import Json, Writer
from emulator.clock import MS
from emulator.faults import Faults
from emulator.market.candles import INTERVALS, bucket_of, close_ms
from emulator.market.market import Market
from emulator.market.shard import Shard

_BUY: Final = Side.BUY
_SELL: Final = Side.SELL
_TOPS: Final = (5, 10, 20)
_FAST_MS: Final = 100
_SLOW_MS: Final = 1_000
_KLINE_MS: Final = 2_000


class Hub:
    """The public streams of all instruments; builds a message only when somebody listens."""

    def __init__(self, market: Market, depths: dict[str, DepthFeed], faults: Faults) -> None:
        self.connections: set[Connection] = set()
        self._market = market
        self._depths = depths
        self._faults = faults
        self._listeners: dict[str, dict[Connection, None]] = {}
        self._pumps = {
            symbol: _Pump(shard, Writer(shard.listing), depths[symbol], self)
            for symbol, shard in market.shards.items()
        }
        self._done_ms = market.acted_ns // MS

    def subscribe(self, connection: Connection, name: str) -> None:
        """Add a listener; a name that no stream has is accepted and stays silent."""
        connection.streams[name] = None
        self._listeners.setdefault(name, {})[connection] = None

    def unsubscribe(self, connection: Connection, name: str) -> None:
        """Remove a listener."""
        connection.streams.pop(name, None)
        listeners = self._listeners.get(name)
        if listeners is not None:
            listeners.pop(connection, None)
            if not listeners:
                del self._listeners[name]

    def leave(self, connection: Connection) -> None:
        """Forget a connection."""
        self.connections.discard(connection)
        for name in tuple(connection.streams):
            self.unsubscribe(connection, name)

    def wanted(self, name: str) -> bool:
        """Return whether anybody listens to a stream."""
        return name in self._listeners

    def publish(self, name: str, message: Any) -> None:
        """Send a message to a stream's listeners, wrapped for those who want it combined."""
        raw = orjson.dumps(message)
        wrapped: bytes | None = None
        for connection in tuple(self._listeners.get(name, ())):
            if connection.combined:
                if wrapped is None:
                    wrapped = b'{"stream":"%s","data":%s}' % (name.encode(), raw)
                connection.send(wrapped)
            else:
                connection.send(raw)

    def tick(self, skew_ms: int) -> None:
        """Send what happened since the last tick, and what is due by the clock."""
        now_ms = self._market.acted_ns // MS
        sent_ms = self._market.now_ns // MS + skew_ms
        before, self._done_ms = self._done_ms, now_ms
        fast = now_ms // _FAST_MS > before // _FAST_MS
        slow = now_ms // _SLOW_MS > before // _SLOW_MS
        klines = now_ms // _KLINE_MS > before // _KLINE_MS
        for pump in self._pumps.values():
            pump.trades(sent_ms)
            pump.quote()
            pump.closed_bars(now_ms, sent_ms)
            if fast:
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
            for name in self._listeners
            if name.startswith(prefix) and name[len(prefix) :] in INTERVALS
        ]

    def _depth(self, pump: _Pump, speed_ms: int, sent_ms: int) -> None:
        feed, symbol = pump.depth, pump.symbol
        message = feed.message(speed_ms, sent_ms)
        feed.settle(self._market.now_ns)
        names = (f"{pump.lower}@depth@{speed_ms}ms",) + (
            (f"{pump.lower}@depth",) if speed_ms == _SLOW_MS else ()
        )
        for name in names:
            if message is not None and self.wanted(name):
                if self._faults.take(("gap",), sent_ms, symbol=symbol):
                    continue
                if self._faults.take(("duplicate_depth",), sent_ms, symbol=symbol):
                    self.publish(name, message)
                self.publish(name, message)
        for levels in _TOPS:
            name = f"{pump.lower}@depth{levels}"
            for full in (f"{name}@{speed_ms}ms", name if speed_ms == _SLOW_MS else ""):
                if full and self.wanted(full):
                    self.publish(full, feed.top(levels))

    def _all_tickers(self, now_ms: int, sent_ms: int) -> None:
        if self.wanted("!miniTicker@arr"):
            pumps = self._pumps.values()
            self.publish("!miniTicker@arr", [p.mini_ticker(now_ms, sent_ms) for p in pumps])


class _Pump:
    """One instrument's stream messages and how far each has been sent."""

    def __init__(self, shard: Shard, writer: Writer, depth: DepthFeed, hub: Hub) -> None:
        self.symbol = shard.listing.symbol
        self.lower = self.symbol.lower()
        self.depth = depth
        self._shard = shard
        self._writer = writer
        self._hub = hub
        self._trade_id = shard.trade_id
        self._aggregate_id = shard.aggregates[-1].id if shard.aggregates else 0
        self._quote: tuple[int, int, int, int] | None = None
        self._bars: dict[str, int] = {}

    def trades(self, sent_ms: int) -> None:
        """Send new trades and aggregate trades."""
        shard, hub = self._shard, self._hub
        if shard.trade_id == self._trade_id:
            return
        if hub.wanted(name := f"{self.lower}@trade"):
            fresh = []
            for row in reversed(shard.trades):
                if row.id <= self._trade_id:
                    break
                fresh.append(row)
            for row in reversed(fresh):
                hub.publish(name, self._writer.trade_event(row, sent_ms))
        if hub.wanted(name := f"{self.lower}@aggTrade"):
            merged = []
            for aggregate in reversed(shard.aggregates):
                if aggregate.id <= self._aggregate_id:
                    break
                merged.append(aggregate)
            for aggregate in reversed(merged):
                hub.publish(name, self._writer.aggregate_event(aggregate, sent_ms))
        self._trade_id = shard.trade_id
        self._aggregate_id = shard.aggregates[-1].id

    def quote(self) -> None:
        """Send the best bid and ask when they changed."""
        name = f"{self.lower}@bookTicker"
        if not self._hub.wanted(name):
            self._quote = None
            return
        quote = self._top()
        if quote is not None and quote != self._quote:
            self._quote = quote
            self._hub.publish(name, self.book_ticker(quote))

    def book_ticker(self, quote: tuple[int, int, int, int]) -> Json:
        """Write the best bid and ask for the stream."""
        bid, bid_lots, ask, ask_lots = quote
        writer = self._writer
        return {
            "u": self._shard.update_id,
            "s": self.symbol,
            "b": writer.price(bid),
            "B": writer.size(bid_lots),
            "a": writer.price(ask),
            "A": writer.size(ask_lots),
        }

    def closed_bars(self, now_ms: int, sent_ms: int) -> None:
        """Send each followed bar once more when it has closed."""
        candles, last_id = self._shard.candles, self._shard.trade_id
        for name, interval in self._hub.kline_streams(self.symbol):
            opened = self._bars.get(name)
            if opened is None:
                self._bars[name] = bucket_of(now_ms, interval)
            elif now_ms > close_ms(opened, interval):
                forming = candles.latest(interval, now_ms)
                row = candles.latest(interval, opened)
                event = self._writer.kline_event(
                    row, interval, sent_ms, last_id - forming[7], closed=True
                )
                self._bars[name] = forming[0]
                self._hub.publish(name, event)

    def forming_bars(self, now_ms: int, sent_ms: int, *, every_interval: bool) -> None:
        """Send the forming bars: 1s every second, the others every other second."""
        candles, last_id = self._shard.candles, self._shard.trade_id
        for name, interval in self._hub.kline_streams(self.symbol):
            if every_interval or interval == "1s":
                row = candles.latest(interval, now_ms)
                event = self._writer.kline_event(row, interval, sent_ms, last_id, closed=False)
                self._hub.publish(name, event)

    def tickers(self, now_ms: int, sent_ms: int) -> None:
        """Send the 24 h figures, short and long."""
        if self._hub.wanted(name := f"{self.lower}@miniTicker"):
            self._hub.publish(name, self.mini_ticker(now_ms, sent_ms))
        if self._hub.wanted(name := f"{self.lower}@ticker"):
            self._hub.publish(name, self._ticker(now_ms, sent_ms))

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
        quote = self._top() or (0, 0, 0, 0)
        last = self._shard.trades[-1].lots if self._shard.trades else 0
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
        return self._writer.day(self._shard.candles.last_day(now_ms), self._shard.trade_id)

    def _top(self) -> tuple[int, int, int, int] | None:
        bids = self._shard.engine.depth(_BUY, 1)
        asks = self._shard.engine.depth(_SELL, 1)
        return (*bids[0], *asks[0]) if bids and asks else None
