"""One instrument's exchange floor: the engine, its trades, its candles and its update ids."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from core.model.market import Side
from core.venues.matching import (
    CROWD,
    LevelChanged,
    MatchEvent,
    MatchingEngine,
    Traded,
)
from emulator.clock import MS
from emulator.market.candles import Candles
from emulator.market.listings import Listing

_BUY: Final = Side.BUY
_SELL: Final = Side.SELL
_TRADES_KEPT: Final = 12_000
_TRADES_KEPT_ELSEWHERE: Final = 4_000
"""At the venues besides the leading one, which trade less."""


class TradeRow(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A public trade."""

    id: int
    price_ticks: int
    lots: int
    ts_ms: int
    buyer_is_maker: bool
    taker_id: int


class AggregateRow(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The trades of one taker at one price."""

    id: int
    price_ticks: int
    lots: int
    first_id: int
    last_id: int
    ts_ms: int
    buyer_is_maker: bool


class LevelRow(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A level's new total, with the venue's update id."""

    update_id: int
    ts_ns: int
    side: Side
    price_ticks: int
    lots: int

    @property
    def bid(self) -> bool:
        """Whether it is a level of the bids."""
        return self.side is _BUY


class Shard:
    """Applies the engine's events: counts ids, keeps the logs, hands private events on."""

    def __init__(self, listing: Listing, candles: Candles, start_ns: int) -> None:
        self.listing = listing
        self.candles = candles
        self.engine = MatchingEngine()
        self.halted = False
        """The crowd neither trades nor quotes here."""
        self.closed = False
        """Outside its hours: the crowd has gone home."""
        self.listed = True
        """False: the instrument is gone from the venue's lists and streams."""
        self.coarse = 1
        """The tick size now, against the listing's; a fault changes it."""
        self.private: Callable[[Shard, MatchEvent, int], None] | None = None
        """Told of every event of an order that is not the crowd's: (shard, event, trade id)."""
        self.on_level: Callable[[LevelRow], None] | None = None
        """Told of every level change, in order."""
        self.last_ns = start_ns
        # Counting from the start's milliseconds, no id of an earlier run is given again: to a
        # client that remembers, the same trade id would be the same trade.
        first_id = start_ns // MS
        self.update_id = first_id
        self.trade_id = first_id
        kept = _TRADES_KEPT_ELSEWHERE if listing.venue else _TRADES_KEPT
        self.trades: deque[TradeRow] = deque(maxlen=kept)
        self.aggregates: deque[AggregateRow] = deque(maxlen=kept)
        self.crowd_gone: list[tuple[int, Side]] = []
        """Crowd orders (id, side) that were filled since the crowd last looked."""
        self._aggregate_id = first_id
        self._order_id = first_id

    @property
    def last_ticks(self) -> int:
        """The last trade's price, or the last bar's where nobody traded yet."""
        return self.trades[-1].price_ticks if self.trades else self.candles.last_close

    def tick_at(self, price_ticks: int) -> int:
        """Return the tick size at a price, against the listing's."""
        above = self.listing.tick_above
        return above[1] * self.coarse if above and price_ticks >= above[0] else self.coarse

    def bids(self, levels: int) -> list[tuple[int, int]]:
        """Return bids as (price ticks, lots), best first."""
        return self.engine.depth(_BUY, levels)

    def asks(self, levels: int) -> list[tuple[int, int]]:
        """Return asks as (price ticks, lots), best first."""
        return self.engine.depth(_SELL, levels)

    def top(self) -> tuple[int, int, int, int] | None:
        """Return best bid, its lots, best ask, its lots; None while a side is empty."""
        bids, asks = self.engine.depth(_BUY, 1), self.engine.depth(_SELL, 1)
        return (*bids[0], *asks[0]) if bids and asks else None

    def orders_at(self, ticks: int, *, bid: bool) -> int:
        """Return how many orders rest at a price."""
        return len(self.engine.at(_BUY if bid else _SELL, ticks))

    def trades_since(self, trade_id: int) -> list[TradeRow]:
        """Return trades with a greater id, oldest first."""
        fresh = []
        for row in reversed(self.trades):
            if row.id <= trade_id:
                break
            fresh.append(row)
        fresh.reverse()
        return fresh

    def aggregates_since(self, aggregate_id: int) -> list[AggregateRow]:
        """Return aggregate trades with a greater id, oldest first."""
        fresh = []
        for row in reversed(self.aggregates):
            if row.id <= aggregate_id:
                break
            fresh.append(row)
        fresh.reverse()
        return fresh

    def next_order_id(self) -> int:
        """Return an order id nobody has."""
        self._order_id += 1
        return self._order_id

    def stamp(self, ts_ns: int) -> int:
        """Return a time for an operation: the one given, but never before the last one."""
        if ts_ns > self.last_ns:
            self.last_ns = ts_ns
        return self.last_ns

    def apply(self, events: Sequence[MatchEvent], ts_ns: int) -> None:
        """Book the events of one engine call made at a time from `stamp`."""
        on_level, private = self.on_level, self.private
        trades: list[TradeRow] = []
        for event in events:
            if isinstance(event, LevelChanged):
                self.update_id += 1
                if on_level is not None:
                    on_level(
                        LevelRow(self.update_id, ts_ns, event.side, event.price_ticks, event.lots)
                    )
            elif isinstance(event, Traded):
                trades.append(self._trade(event, ts_ns // MS))
                if private is not None and (
                    event.maker_owner != CROWD or event.taker_owner != CROWD
                ):
                    private(self, event, self.trade_id)
            elif private is not None and event.owner != CROWD:
                private(self, event, -1)
        if trades:
            self._aggregate(trades)

    def _trade(self, event: Traded, ts_ms: int) -> TradeRow:
        self.trade_id += 1
        buyer_takes = event.taker_side is _BUY
        row = TradeRow(
            self.trade_id,
            event.price_ticks,
            event.lots,
            ts_ms,
            not buyer_takes,
            event.taker_id,
        )
        self.trades.append(row)
        self.candles.trade(ts_ms, event.price_ticks, event.lots, buyer_takes=buyer_takes)
        if event.maker_left == 0 and event.maker_owner == CROWD:
            self.crowd_gone.append((event.maker_id, event.taker_side.opposite))
        return row

    def _aggregate(self, trades: list[TradeRow]) -> None:
        first = trades[0]
        lots = 0
        last = first
        for row in trades:
            if row.price_ticks != first.price_ticks:
                self._close_aggregate(first, last, lots)
                first, lots = row, 0
            lots += row.lots
            last = row
        self._close_aggregate(first, last, lots)

    def _close_aggregate(self, first: TradeRow, last: TradeRow, lots: int) -> None:
        self._aggregate_id += 1
        self.aggregates.append(
            AggregateRow(
                self._aggregate_id,
                first.price_ticks,
                lots,
                first.id,
                last.id,
                first.ts_ms,
                first.buyer_is_maker,
            )
        )
