"""Deribit channels: their names and what is sent when.

::

    book.{instrument}.{raw|100ms|agg2}           book.{instrument}.{group}.{depth}.{100ms|agg2}
    trades.{instrument}.{interval}               trades.{kind}.{currency}.{interval}
    ticker.{instrument}.{interval}               incremental_ticker.{instrument}
    quote.{instrument}                           chart.trades.{instrument}.{resolution}
    perpetual.{instrument}.{interval}            markprice.options.{index}
    deribit_price_index.{index}                  deribit_volatility_index.{index}
    instrument.state.{kind}.{currency}           platform_state
"""

from __future__ import annotations

from typing import Any, Final

from emulator.deribit.instruments import currency, kind_of
from emulator.deribit.methods import RESOLUTIONS
from emulator.deribit.venue import FAST_MS, INTERVALS, SLOW_MS, Deribit
from emulator.deribit.wire import Writer
from emulator.market.shard import TradeRow
from emulator.wire.tape import Tape
from emulator.wire.venue import Json

_KINDS: Final = ("future", "option", "spot", "any")
_GROUPS: Final = ("none", "1", "2", "5", "10", "25", "100", "250")
_DEPTHS: Final = ("1", "10", "20")


def known(venue: Deribit, channel: str) -> bool:
    """Return whether there is such a channel."""
    head, *rest = channel.split(".")
    match head:
        case "platform_state":
            return not rest
        case "book":
            listed = len(rest) in (2, 4) and venue.find(rest[0]) is not None
            grouped = len(rest) == 2 or (rest[1] in _GROUPS and rest[2] in _DEPTHS)
            return listed and grouped and rest[-1] in INTERVALS
        case "trades" if len(rest) == 3:
            return rest[0] in _KINDS and rest[2] in INTERVALS
        case "trades" | "ticker" | "perpetual":
            return len(rest) == 2 and venue.find(rest[0]) is not None and rest[1] in INTERVALS
        case "quote" | "incremental_ticker":
            return len(rest) == 1 and venue.find(rest[0]) is not None
        case "chart":
            return (
                len(rest) == 3
                and rest[0] == "trades"
                and venue.find(rest[1]) is not None
                and rest[2] in RESOLUTIONS
            )
        case "deribit_price_index" | "deribit_volatility_index":
            return len(rest) == 1 and rest[0] in venue.indices()
        case "markprice":
            return len(rest) == 2 and rest[0] == "options" and rest[1] in venue.indices()
        case "instrument":
            return len(rest) == 3 and rest[0] == "state" and rest[1] in _KINDS
    return False


class Pump:
    """One instrument's channels."""

    def __init__(self, venue: Deribit, tape: Tape, writer: Writer) -> None:
        self.tape = tape
        self._venue = venue
        self._topics = venue.topics
        self._writer = writer
        self._changes = venue.changes[tape.symbol]
        self._known: dict[str, tuple[set[int], set[int]]] = {}
        self._pending: dict[str, list[TradeRow]] = {name: [] for name in INTERVALS}
        self._told: Json = {}

    def pump(self, sent_ms: int) -> None:
        """Send what is due."""
        venue, symbol = self._venue, self.tape.symbol
        beat = venue.beat
        fresh = self.tape.trades()
        if venue.struck("seq_reset", symbol):
            self._changes.renumber()
        quote = self.tape.quote() is not None
        for name, every in INTERVALS.items():
            if fresh:
                self._pending[name] += fresh
            if not beat.due(every):
                continue
            if self._pending[name]:
                self._trades(name, sent_ms)
            self._book(name, every, sent_ms)
            self._state(f"ticker.{symbol}.{name}", quote or every > FAST_MS, sent_ms, "ticker")
            topic = f"perpetual.{symbol}.{name}"
            future = self._writer.future
            if every >= SLOW_MS and future is not None and self._topics.wanted(topic):
                data = {
                    "timestamp": sent_ms,
                    "interest": future.funding_rate,
                    "index_price": self._writer.index(),
                }
                venue.tell(topic, data, "ticker", symbol)
        if quote or self._topics.fresh(f"quote.{symbol}"):
            topic = f"quote.{symbol}"
            if self._topics.wanted(topic):
                venue.tell(topic, self._writer.quote(sent_ms), "quote", symbol)
        if beat.due(SLOW_MS):
            self._increment(sent_ms)
        self._bars(sent_ms)
        self._changes.settle(venue.market.now_ns)

    def _state(self, topic: str, due: bool, sent_ms: int, kind: str) -> None:
        if not self._topics.wanted(topic):
            return
        fresh = self._topics.fresh(topic)
        if due or fresh:
            data = self._writer.ticker(sent_ms)
            self._venue.tell(topic, data, kind, self.tape.symbol, to=None if due else fresh)

    def _increment(self, sent_ms: int) -> None:
        """Send what changed in the ticker, and all of it to new listeners."""
        topic = f"incremental_ticker.{self.tape.symbol}"
        if not self._topics.wanted(topic):
            return
        settled, fresh = self._topics.settled(topic), self._topics.fresh(topic)
        ticker = self._writer.ticker(sent_ms)
        changed = {name: value for name, value in ticker.items() if self._told.get(name) != value}
        keys = {"timestamp": sent_ms, "instrument_name": self.tape.symbol}
        self._told = ticker
        data: Any = {"type": "change", **changed, **keys}
        self._venue.tell(topic, data, "ticker", self.tape.symbol, to=settled)
        data = {"type": "snapshot", **ticker}
        self._venue.tell(topic, data, "ticker", self.tape.symbol, to=fresh)

    def _trades(self, name: str, sent_ms: int) -> None:
        rows, self._pending[name] = self._pending[name], []
        listing, symbol = self.tape.shard.listing, self.tape.symbol
        topics = [f"trades.{symbol}.{name}"] + [
            f"trades.{kind}.{of}.{name}"
            for kind in (kind_of(listing), "any")
            for of in (currency(listing), "any")
        ]
        wanted = [topic for topic in topics if self._topics.wanted(topic)]
        if wanted:
            data = [self._writer.trade(row, sent_ms) for row in rows]
            for topic in wanted:
                self._venue.tell(topic, data, "trade", symbol)

    def _book(self, name: str, every: int, sent_ms: int) -> None:
        venue, symbol, changes, shard = (
            self._venue, self.tape.symbol, self._changes, self.tape.shard,
        )  # fmt: skip
        batch = changes.take(every)
        topic = f"book.{symbol}.{name}"
        if self._topics.wanted(topic):
            settled, fresh = self._topics.settled(topic), self._topics.fresh(topic)
            if batch and venue.struck("crossed_book", symbol):
                changes.cross(every, batch)
            if fresh and batch and venue.struck("delta_before_snapshot", symbol):
                settled = settled + fresh
            known_prices = self._known.setdefault(topic, (set(), set()))
            if batch and settled:
                data = self._writer.change(batch, known_prices, sent_ms)
                venue.tell(topic, data, "book", symbol, to=settled)
            if fresh:
                data = self._writer.snapshot(changes.update_id, sent_ms)
                venue.tell(topic, data, "snapshot", symbol, to=fresh)
                self._known[topic] = (
                    {ticks for ticks, _ in shard.bids(100_000)},
                    {ticks for ticks, _ in shard.asks(100_000)},
                )
        elif topic in self._known:
            del self._known[topic]
        self._tops(name, sent_ms, changed=bool(batch))

    def _tops(self, name: str, sent_ms: int, *, changed: bool) -> None:
        prefix, symbol = f"book.{self.tape.symbol}.", self.tape.symbol
        for topic in self._topics.starting(prefix):
            if not topic.endswith(f".{name}"):
                continue
            parts = topic[len(prefix) :].split(".")
            if len(parts) != 3:
                continue
            fresh = self._topics.fresh(topic)
            if changed or fresh:
                data = self._writer.top(int(parts[1]), self._changes.update_id, sent_ms)
                to = None if changed else fresh
                self._venue.tell(topic, data, "depth", symbol, to=to)

    def _bars(self, sent_ms: int) -> None:
        venue, symbol, now_ms = self._venue, self.tape.symbol, self._venue.beat.now_ms
        prefix = f"chart.trades.{symbol}."
        for topic in self._topics.starting(prefix):
            interval = RESOLUTIONS[topic[len(prefix) :]]
            bars = []
            closed = self.tape.closed(interval, now_ms)
            if closed is not None and not venue.struck("bar_never_closes", symbol):
                bars.append(closed)
            if venue.beat.due(SLOW_MS) or self._topics.fresh(topic):
                bars.append(self.tape.forming(interval, now_ms))
                if venue.struck("bar_out_of_order", symbol):
                    bars.append(self.tape.forming(interval, now_ms, before=1))
            price = self._writer.scale.price_number
            for opened, o, h, low, c, lots, notional, *_ in bars:
                volume, cost = self._writer.volume(lots, notional, c)
                data = {
                    "tick": opened,
                    "open": price(o),
                    "high": price(h),
                    "low": price(low),
                    "close": price(c),
                    "volume": volume,
                    "cost": cost,
                }
                venue.tell(topic, data, "bar", symbol)


def send_indices(venue: Deribit, sent_ms: int) -> None:
    """Send index prices, volatility indices and the options' mark prices."""
    for name, price in venue.indices().items():
        topic = f"deribit_price_index.{name}"
        if venue.topics.wanted(topic):
            data: Any = {"timestamp": sent_ms, "price": price, "index_name": name}
            venue.tell(topic, data, "ticker", name)
        chain = venue.market.chains.get(f"{name.partition('_')[0].upper()}USDT")
        topic = f"deribit_volatility_index.{name}"
        if chain is not None and venue.topics.wanted(topic):
            data = {
                "timestamp": sent_ms,
                "volatility": round(100 * chain.atm, 2),
                "index_name": name,
            }
            venue.tell(topic, data, "ticker", name)
        topic = f"markprice.options.{name}"
        if venue.topics.wanted(topic):
            rows = []
            for shard in venue.of("any", "option"):
                writer = venue.writers[shard.listing.symbol]
                if writer.chain is not None and writer.index_name() == name:
                    greeks = writer.chain.price(shard.listing, sent_ms)
                    rows.append(
                        {
                            "timestamp": sent_ms,
                            "instrument_name": shard.listing.symbol,
                            "mark_price": round(greeks.price, 6),
                            "iv": round(greeks.iv, 4),
                        }
                    )
            venue.tell(topic, rows, "ticker", name)
