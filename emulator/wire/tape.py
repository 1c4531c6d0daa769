"""What happened in one instrument since the last look, and which beats of the clock have passed."""

from __future__ import annotations

from emulator.market.candles import bucket_of, close_ms
from emulator.market.shard import AggregateRow, Shard, TradeRow

Bar = tuple[int, ...]
Quote = tuple[int, int, int, int]


class Beat:
    """Tells which regular moments lie between the last look and now."""

    def __init__(self, now_ms: int) -> None:
        self.before_ms = now_ms
        self.now_ms = now_ms

    def advance(self, now_ms: int) -> None:
        """Look again."""
        self.before_ms, self.now_ms = self.now_ms, now_ms

    def due(self, every_ms: int) -> bool:
        """Return whether a multiple of a time has passed."""
        return self.now_ms // every_ms > self.before_ms // every_ms


class Tape:
    """One instrument's news; each is told once."""

    def __init__(self, shard: Shard) -> None:
        self.shard = shard
        self._trade_id = shard.trade_id
        self._aggregate_id = shard.aggregates[-1].id if shard.aggregates else 0
        self._quote: Quote | None = None
        self._bars: dict[str, int] = {}

    @property
    def symbol(self) -> str:
        """The instrument's name now."""
        return self.shard.listing.symbol

    def trades(self) -> list[TradeRow]:
        """Return new trades, oldest first."""
        if self.shard.trade_id == self._trade_id:
            return []
        fresh = self.shard.trades_since(self._trade_id)
        self._trade_id = self.shard.trade_id
        return fresh

    def aggregates(self) -> list[AggregateRow]:
        """Return new aggregate trades, oldest first."""
        rows = self.shard.aggregates
        if not rows or rows[-1].id == self._aggregate_id:
            return []
        fresh = self.shard.aggregates_since(self._aggregate_id)
        self._aggregate_id = rows[-1].id
        return fresh

    def quote(self) -> Quote | None:
        """Return best bid, its lots, best ask, its lots, when they changed."""
        quote = self.shard.top()
        if quote is None or quote == self._quote:
            return None
        self._quote = quote
        return quote

    def forget_quote(self) -> None:
        """Tell the quote again at the next look, changed or not."""
        self._quote = None

    def closed(self, interval: str, now_ms: int) -> Bar | None:
        """Return the bar that has closed since the last look, if one has."""
        opened = self._bars.get(interval)
        if opened is None:
            self._bars[interval] = bucket_of(now_ms, interval)
            return None
        if now_ms <= close_ms(opened, interval):
            return None
        self._bars[interval] = bucket_of(now_ms, interval)
        return self.shard.candles.latest(interval, opened)

    def forming(self, interval: str, now_ms: int, *, before: int = 0) -> Bar:
        """Return the bar of now, or the one some bars ago."""
        return self.shard.candles.latest(interval, now_ms, before=before)
