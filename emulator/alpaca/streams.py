"""What is sent of one symbol and when; no message carries a sequence."""

from __future__ import annotations

from typing import Final

from emulator.alpaca.instruments import TEST_SYMBOL
from emulator.alpaca.venue import Alpaca, moment
from emulator.market.shard import Shard, TradeRow
from emulator.wire.tape import Tape
from emulator.wire.venue import Json

STOCK: Final[dict[str, str]] = {
    "trades": "t",
    "quotes": "q",
    "bars": "b",
    "updatedBars": "u",
    "dailyBars": "d",
    "statuses": "s",
    "lulds": "l",
    "corrections": "c",
    "cancelErrors": "x",
}
"""Channels of stock feeds and the type of their messages."""
CRYPTO: Final[dict[str, str]] = {
    "trades": "t",
    "quotes": "q",
    "orderbooks": "o",
    "bars": "b",
    "updatedBars": "u",
    "dailyBars": "d",
}
FEEDS: Final[dict[str, str]] = {
    "v2/iex": "stock",
    "v2/sip": "stock",
    "v2/delayed_sip": "stock",
    "v2/test": "stock",
    "v1beta3/crypto/us": "spot",
}
"""The feeds by path, and the kind of instrument each shows."""
_EXCHANGES: Final = "VPQZK"
_LATE_MS: Final = 30_000
_DAY: Final = {"stock": "1d-5", "spot": "1d"}


def shows(feed: str, shard: Shard) -> bool:
    """Return whether a feed has an instrument."""
    listing = shard.listing
    if (listing.symbol == TEST_SYMBOL) != (feed == "v2/test"):
        return False
    return listing.kind == FEEDS[feed]


class Pump:
    """One symbol's messages on every feed that has it."""

    def __init__(self, venue: Alpaca, tape: Tape) -> None:
        self.tape = tape
        self._venue = venue
        self._changes = venue.changes[tape.symbol]
        self._feeds = [feed for feed in FEEDS if shows(feed, tape.shard)]
        self._amended: dict[int, int] = {}

    def pump(self, sent_ms: int) -> None:
        """Send what is due."""
        venue, shard, beat = self._venue, self.tape.shard, self._venue.beat
        for row in self.tape.trades():
            for feed in self._feeds:
                exchange = "V" if feed == "v2/iex" else _EXCHANGES[row.id % len(_EXCHANGES)]
                self._tell(feed, "trades", lambda x=exchange: venue.trade(shard, row, exchange=x))  # noqa: B023  (called at once)
        quote = self.tape.quote()
        if quote is not None:
            venue.quotes[self.tape.symbol].append((sent_ms, quote))
            for feed in self._feeds:
                self._tell(feed, "quotes", lambda: venue.quote(shard, quote, sent_ms))
        if beat.due(100):
            self._book(sent_ms)
        self._bars(beat.now_ms)

    def _tell(self, feed: str, channel: str, make: object, kind: str = "") -> None:
        topic = f"{feed}|{channel}:{self.tape.symbol}"
        if self._venue.topics.wanted(topic):
            assert callable(make)
            code = CRYPTO.get(channel) or STOCK[channel]
            message = [{"T": code, "S": self.tape.symbol, **make()}]
            self._venue.topics.publish(
                topic, message, channel=kind or _CHANNEL_KINDS[channel], symbol=self.tape.symbol
            )

    def _book(self, sent_ms: int) -> None:
        venue, shard, symbol = self._venue, self.tape.shard, self.tape.symbol
        batch = self._changes.take(100)
        self._changes.settle(venue.market.now_ns)
        for feed in self._feeds:
            topic = f"{feed}|orderbooks:{symbol}"
            if shard.listing.kind == "stock" or not venue.topics.wanted(topic):
                continue
            if batch and venue.struck("crossed_book", symbol):
                self._changes.cross(100, batch)
            settled, fresh = venue.topics.settled(topic), venue.topics.fresh(topic)
            if fresh and batch and venue.struck("delta_before_snapshot", symbol):
                settled = settled + fresh
            head = {"T": "o", "S": symbol, "t": moment(sent_ms)}
            if batch and settled:
                rows = venue.book(shard, batch.bid_levels(), batch.ask_levels())
                venue.topics.publish(
                    topic, [{**head, **rows}], channel="book", symbol=symbol, to=settled
                )
            if venue.struck("seq_reset", symbol):
                fresh = settled + fresh
            if fresh:
                rows = venue.book(shard, shard.bids(100_000), shard.asks(100_000))
                venue.topics.publish(
                    topic,
                    [{**head, **rows, "r": True}],
                    channel="snapshot",
                    symbol=symbol,
                    to=fresh,
                )

    def _bars(self, now_ms: int) -> None:
        venue, shard = self._venue, self.tape.shard
        closed = self.tape.closed("1m", now_ms)
        if closed is not None and not venue.struck("bar_never_closes", self.tape.symbol):
            # A stock's minute without trades has no bar.
            if closed[7] or shard.listing.kind != "stock":
                for feed in self._feeds:
                    self._tell(feed, "bars", lambda: venue.bar(shard, closed))
            day = self.tape.forming(_DAY[FEEDS[self._feeds[0]]], now_ms)
            for feed in self._feeds:
                self._tell(feed, "dailyBars", lambda: venue.bar(shard, day))
        if venue.beat.due(1_000) and self._amended:
            self._late_bars(now_ms)

    def _late_bars(self, now_ms: int) -> None:
        """Send bars whose trades were corrected once more, half a minute after they closed."""
        venue, shard = self._venue, self.tape.shard
        for opened in [at for at in self._amended if now_ms >= at + 60_000 + _LATE_MS]:
            del self._amended[opened]
            bar = shard.candles.latest("1m", opened)
            for feed in self._feeds:
                self._tell(feed, "updatedBars", lambda bar=bar: venue.bar(shard, bar))

    def correct(self, *, cancel: bool) -> bool:
        """Correct or cancel the last trade; False when there is none."""
        shard = self.tape.shard
        if not shard.trades or shard.listing.kind != "stock":
            return False
        row = shard.trades[-1]
        lots = row.lots if cancel else row.lots // 2
        shard.candles.amend(row.ts_ms, -lots, row.price_ticks, -1 if cancel else 0)
        self._amended[row.ts_ms // 60_000 * 60_000] = row.id
        make = self._cancelled if cancel else self._corrected
        for feed in self._feeds:
            channel = "cancelErrors" if cancel else "corrections"
            self._tell(feed, channel, lambda: make(row))
        return True

    def _corrected(self, row: TradeRow) -> Json:
        price = self._venue.scales[self.tape.symbol].price_number(row.price_ticks)
        return {
            "t": moment(row.ts_ms),
            "x": "V",
            "oi": row.id,
            "op": price,
            "os": row.lots,
            "oc": ["@"],
            "ci": row.id + 1_000_000_000,
            "cp": price,
            "cs": row.lots - row.lots // 2,
            "cc": ["@"],
            "z": "C",
        }

    def _cancelled(self, row: TradeRow) -> Json:
        price = self._venue.scales[self.tape.symbol].price_number(row.price_ticks)
        return {
            "t": moment(row.ts_ms),
            "i": row.id,
            "x": "V",
            "p": price,
            "s": row.lots,
            "a": "C",
            "z": "C",
        }

    def status(self, sent_ms: int) -> None:
        """Tell a halt or its end."""
        halted = self.tape.shard.halted
        told = {
            "t": moment(sent_ms),
            "sc": "H" if halted else "T",
            "sm": "Trading Halt" if halted else "Trading Resumption",
            "rc": "T12" if halted else "",
            "rm": "Trading Halted; For information requested by NASDAQ" if halted else "",
            "z": "C",
        }
        for feed in self._feeds:
            self._tell(feed, "statuses", lambda: told)


_CHANNEL_KINDS: Final = {
    "trades": "trade",
    "quotes": "quote",
    "bars": "bar",
    "updatedBars": "bar",
    "dailyBars": "bar",
    "statuses": "status",
    "lulds": "status",
    "corrections": "trade",
    "cancelErrors": "trade",
    "orderbooks": "book",
}
