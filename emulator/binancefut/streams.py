"""The public streams of USD-M, which root serves which, and what is sent when."""

from __future__ import annotations

from typing import Any, Final

from emulator.binancefut.wire import Writer
from emulator.faults import Faults
from emulator.market.candles import INTERVALS
from emulator.market.changes import Changes
from emulator.market.perps import Future, Liquidation
from emulator.wire.tape import Beat, Tape
from emulator.wire.topics import Topics
from emulator.wire.venue import Json

SPEEDS_MS: Final = (100, 250, 500)
_TOPS: Final = (5, 10, 20)
_SECOND_MS: Final = 1_000
_MARK_MS: Final = 3_000
_BAR_MS: Final = 250
_PUBLIC: Final = ("bookTicker", "depth", "rpiDepth", "trade")
_MARKET: Final = (
    "aggTrade",
    "kline",
    "continuousKline",
    "markPrice",
    "ticker",
    "miniTicker",
    "forceOrder",
    "compositeIndex",
    "contractInfo",
    "assetIndex",
    "tradingSession",
)


def serves(root: str, name: str) -> bool:
    """Return whether a routed root (``public``, ``market``, ``private``) carries a stream."""
    kind = name.partition("@")[2] if not name.startswith("!") else name[1:]
    kinds = {"public": _PUBLIC, "market": _MARKET}.get(root, ())
    return any(kind.startswith(each) for each in kinds)


class Streams:
    """Builds a message only when somebody listens."""

    def __init__(self, topics: Topics, faults: Faults, beat: Beat) -> None:
        self._topics = topics
        self._faults = faults
        self._beat = beat

    def publish(self, names: tuple[str, ...], make: Any, channel: str, symbol: str) -> None:
        """Make a message once if any of the streams is wanted, and send it to their listeners."""
        wanted = [name for name in names if self._topics.wanted(name)]
        if wanted:
            message = make()
            for name in wanted:
                self._topics.publish(name, message, channel=channel, symbol=symbol)

    def struck(self, kind: str, symbol: str) -> bool:
        """Return whether a fault strikes a symbol now."""
        if not self._faults.armed:
            return False
        return self._faults.take((kind,), self._beat.now_ms, symbol=symbol) is not None

    def wanted(self, name: str) -> bool:
        """Return whether anybody listens to a stream."""
        return self._topics.wanted(name)

    def intervals(self, lower: str) -> list[tuple[str, str]]:
        """Return (stream name, interval) of a symbol's followed bars."""
        prefix = f"{lower}@kline_"
        return [
            (name, name[len(prefix) :])
            for name in self._topics.starting(prefix)
            if name[len(prefix) :] in INTERVALS
        ]


class Pump:
    """One symbol's streams."""

    def __init__(
        self, tape: Tape, changes: Changes, future: Future, writer: Writer, streams: Streams
    ) -> None:
        self.tape = tape
        self.writer = writer
        self.future = future
        self._changes = changes
        self._streams = streams
        self._forced: Liquidation | None = None
        future.on_liquidation = self._on_liquidation

    def _on_liquidation(self, _: Future, told: Liquidation) -> None:
        """Keep only the newest of each second, as the venue does."""
        self._forced = told

    def pump(self, beat: Beat, now_ns: int, sent_ms: int) -> None:
        """Send what is due."""
        streams, writer, symbol = self._streams, self.writer, self.tape.symbol
        lower = symbol.lower()
        for row in self.tape.trades():
            streams.publish(
                (f"{lower}@trade",), lambda row=row: writer.trade(row, sent_ms), "trade", symbol
            )
        for merged in self.tape.aggregates():
            streams.publish(
                (f"{lower}@aggTrade",),
                lambda row=merged: writer.aggregate(row, sent_ms),
                "trade",
                symbol,
            )
        quotes = (f"{lower}@bookTicker", "!bookTicker")
        if any(map(streams.wanted, quotes)) and (quote := self.tape.quote()) is not None:
            number = self._changes.update_id
            streams.publish(quotes, lambda: writer.quote(quote, number, sent_ms), "quote", symbol)
        if streams.struck("seq_reset", symbol):
            self._changes.renumber()
        for speed in SPEEDS_MS:
            if beat.due(speed):
                self._depth(lower, speed, sent_ms)
        self._changes.settle(now_ns)
        self._bars(lower, beat, sent_ms)
        if beat.due(_SECOND_MS):
            self._second(lower, beat, sent_ms)

    def _depth(self, lower: str, speed: int, sent_ms: int) -> None:
        streams, symbol, changes = self._streams, self.tape.symbol, self._changes
        batch = changes.take(speed)
        if not batch:
            return
        named = ("", "@250ms") if speed == 250 else (f"@{speed}ms",)
        names = tuple(f"{lower}@depth{suffix}" for suffix in named)
        if any(map(streams.wanted, names)):
            if streams.struck("crossed_book", symbol):
                changes.cross(speed, batch)
            streams.publish(
                names,
                lambda: self.writer.depth(batch, batch.bid_levels(), batch.ask_levels(), sent_ms),
                "book",
                symbol,
            )
        shard = self.tape.shard
        for top in _TOPS:
            streams.publish(
                tuple(f"{lower}@depth{top}{suffix}" for suffix in named),
                lambda top=top: self.writer.depth(batch, shard.bids(top), shard.asks(top), sent_ms),
                "depth",
                symbol,
            )

    def _bars(self, lower: str, beat: Beat, sent_ms: int) -> None:
        streams, symbol, last_id = self._streams, self.tape.symbol, self.tape.shard.trade_id
        for name, interval in streams.intervals(lower):
            closed = self.tape.closed(interval, beat.now_ms)
            forming = self.tape.forming(interval, beat.now_ms)
            if closed is not None and not streams.struck("bar_never_closes", symbol):
                event = self.writer.bar(
                    closed, interval, sent_ms, last_id - forming[7], closed=True
                )
                streams.publish((name,), lambda event=event: event, "bar", symbol)
            if beat.due(_BAR_MS):
                event = self.writer.bar(forming, interval, sent_ms, last_id, closed=False)
                streams.publish((name,), lambda event=event: event, "bar", symbol)
                if streams.struck("bar_out_of_order", symbol):
                    old = self.tape.forming(interval, beat.now_ms, before=1)
                    event = self.writer.bar(old, interval, sent_ms, last_id, closed=False)
                    streams.publish((name,), lambda event=event: event, "bar", symbol)

    def _second(self, lower: str, beat: Beat, sent_ms: int) -> None:
        streams, writer, symbol, future = self._streams, self.writer, self.tape.symbol, self.future
        marks: tuple[str, ...] = (f"{lower}@markPrice@1s",)
        if beat.due(_MARK_MS):
            marks = (*marks, f"{lower}@markPrice")
        streams.publish(marks, lambda: writer.mark(future, sent_ms), "ticker", symbol)
        forced, self._forced = self._forced, None
        if forced is not None:
            streams.publish(
                (f"{lower}@forceOrder", "!forceOrder@arr"),
                lambda: writer.liquidation(forced, sent_ms),
                "liquidation",
                symbol,
            )
        streams.publish(
            (f"{lower}@miniTicker",), lambda: self.mini_ticker(beat, sent_ms), "ticker", symbol
        )
        streams.publish((f"{lower}@ticker",), lambda: self.ticker(beat, sent_ms), "ticker", symbol)

    def mini_ticker(self, beat: Beat, sent_ms: int) -> Json:
        """Write the short 24 h figures."""
        day = self._day(beat)
        return {
            "e": "24hrMiniTicker",
            "E": sent_ms,
            "s": self.tape.symbol,
            "c": day["lastPrice"],
            "o": day["openPrice"],
            "h": day["highPrice"],
            "l": day["lowPrice"],
            "v": day["volume"],
            "q": day["quoteVolume"],
            "st": 1,
            "ps": self.tape.symbol,
        }

    def ticker(self, beat: Beat, sent_ms: int) -> Json:
        """Write the long 24 h figures."""
        day, now_ms = self._day(beat), beat.now_ms
        return {
            "e": "24hrTicker",
            "E": sent_ms,
            "s": self.tape.symbol,
            "p": day["priceChange"],
            "P": day["priceChangePercent"],
            "w": day["weightedAvgPrice"],
            "c": day["lastPrice"],
            "Q": day["lastQty"],
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
            "st": 1,
            "ps": self.tape.symbol,
        }

    def _day(self, beat: Beat) -> Json:
        shard = self.tape.shard
        last = shard.trades[-1].lots if shard.trades else 0
        return {
            **self.writer.day(shard.candles.last_day(beat.now_ms), shard.trade_id),
            "lastQty": self.writer.size(last),
        }
