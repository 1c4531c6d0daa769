"""Channels of one product and what is sent when."""

from __future__ import annotations

from typing import Final

from emulator.coinbase.venue import BATCH_MS, Coinbase, moment
from emulator.market.changes import Levels
from emulator.market.shard import TradeRow
from emulator.wire.numbers import Scale
from emulator.wire.tape import Tape
from emulator.wire.venue import Json

CHANNELS: Final = (
    "level2",
    "market_trades",
    "ticker",
    "ticker_batch",
    "candles",
    "status",
    "heartbeats",
)
_TRADES_MS: Final = 250
_BATCH_MS: Final = 5_000
_BAR: Final = "5m"
_BAR_MS: Final = 300_000
_FIRST_BARS: Final = 100
_FIRST_TRADES: Final = 50


class Pump:
    """One product's channels."""

    def __init__(self, venue: Coinbase, tape: Tape, scale: Scale) -> None:
        self.tape = tape
        self._venue = venue
        self._scale = scale
        self._changes = venue.changes[tape.symbol]
        self._pending: list[TradeRow] = []
        self._last_bar: tuple[int, ...] = ()

    def pump(self) -> None:
        """Send what is due."""
        venue, symbol, beat = self._venue, self.tape.symbol, self._venue.beat
        fresh = self.tape.trades()
        self._pending += fresh
        if beat.due(BATCH_MS):
            self._book()
        self._trades()
        quoted = self.tape.quote() is not None
        for channel, due in (
            ("ticker", bool(fresh) or (quoted and beat.due(1_000))),
            ("ticker_batch", beat.due(_BATCH_MS)),
        ):
            topic = f"{channel}:{symbol}"
            if not venue.topics.wanted(topic):
                continue
            new = venue.topics.fresh(topic)
            tickers = [venue.ticker(self.tape.shard)] if new or due else []
            if new:
                event: Json = {"type": "snapshot", "tickers": tickers}
                venue.tell(topic, channel, [event], "snapshot", symbol, to=new)
            if due:
                event = {"type": "update", "tickers": tickers}
                venue.tell(topic, channel, [event], "ticker", symbol)
        if venue.topics.wanted(f"candles:{symbol}"):
            self._candles()

    def _book(self) -> None:
        venue, symbol, changes = self._venue, self.tape.symbol, self._changes
        batch = changes.take(BATCH_MS)
        changes.settle(venue.market.now_ns)
        topic = f"level2:{symbol}"
        if not venue.topics.wanted(topic):
            return
        if batch and venue.struck("crossed_book", symbol):
            changes.cross(BATCH_MS, batch)
        settled, fresh = venue.topics.settled(topic), venue.topics.fresh(topic)
        if fresh and batch and venue.struck("delta_before_snapshot", symbol):
            settled = settled + fresh
        if batch and settled:
            event = self._event("update", batch.bid_levels(), batch.ask_levels())
            venue.tell(topic, "l2_data", [event], "book", symbol, to=settled)
        if fresh:
            shard = self.tape.shard
            event = self._event("snapshot", shard.bids(100_000), shard.asks(100_000))
            venue.tell(topic, "l2_data", [event], "snapshot", symbol, to=fresh)

    def _event(self, kind: str, bids: Levels, asks: Levels) -> Json:
        at = moment(self._venue.sent_ms(), digits=6)
        scale = self._scale
        return {
            "type": kind,
            "product_id": self.tape.symbol,
            "updates": [
                {
                    "side": side,
                    "event_time": at,
                    "price_level": scale.short_price(ticks),
                    "new_quantity": scale.short_size(lots),
                }
                for side, levels in (("bid", bids), ("offer", asks))
                for ticks, lots in levels
            ],
        }

    def _trades(self) -> None:
        """Send trades newest first; those who just came get the last ones before it."""
        venue, symbol, shard = self._venue, self.tape.symbol, self.tape.shard
        topic = f"market_trades:{symbol}"
        rows: list[TradeRow] = []
        if venue.beat.due(_TRADES_MS):
            rows, self._pending = self._pending, []
        if not venue.topics.wanted(topic):
            return
        settled = venue.topics.settled(topic)
        if venue.beat.due(_TRADES_MS):
            fresh = venue.topics.fresh(topic)
            if fresh:
                last = list(shard.trades)[-_FIRST_TRADES:]
                event: Json = {
                    "type": "snapshot",
                    "trades": [venue.trade(shard, row) for row in reversed(last)],
                }
                venue.tell(topic, "market_trades", [event], "snapshot", symbol, to=fresh)
        if rows and settled:
            trades = [venue.trade(shard, row) for row in reversed(rows)]
            event = {"type": "update", "trades": trades}
            venue.tell(topic, "market_trades", [event], "trade", symbol, to=settled)

    def _candles(self) -> None:
        venue, symbol, shard = self._venue, self.tape.symbol, self.tape.shard
        now_ms = venue.beat.now_ms
        topic = f"candles:{symbol}"
        closed = self.tape.closed(_BAR, now_ms)
        if closed is not None and not venue.struck("bar_never_closes", symbol):
            self._tell_bars(topic, "update", [closed])
        fresh = venue.topics.fresh(topic)
        if fresh:
            first = now_ms - _FIRST_BARS * _BAR_MS
            rows = [tuple(row) for row in shard.candles.rows(_BAR, first, now_ms).tolist()]
            event = {"type": "snapshot", "candles": [self._bar(row) for row in rows]}
            venue.tell(topic, "candles", [event], "snapshot", symbol, to=fresh)
        if venue.beat.due(1_000):
            forming = self.tape.forming(_BAR, now_ms)
            if forming != self._last_bar:
                self._last_bar = forming
                self._tell_bars(topic, "update", [forming])
                if venue.struck("bar_out_of_order", symbol):
                    self._tell_bars(topic, "update", [self.tape.forming(_BAR, now_ms, before=1)])

    def _tell_bars(self, topic: str, kind: str, bars: list[tuple[int, ...]]) -> None:
        event = {"type": kind, "candles": [self._bar(bar) for bar in bars]}
        self._venue.tell(topic, "candles", [event], "bar", self.tape.symbol)

    def _bar(self, bar: tuple[int, ...]) -> Json:
        return {**self._venue.candle(self.tape.shard, bar), "product_id": self.tape.symbol}
