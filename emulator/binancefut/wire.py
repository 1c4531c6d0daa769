"""How Binance USD-M numbers and writes its messages."""

from __future__ import annotations

from typing import Final

from emulator.market.candles import close_ms
from emulator.market.changes import Batch, Levels
from emulator.market.perps import Future, Liquidation
from emulator.market.shard import AggregateRow, Shard, TradeRow
from emulator.wire.numbers import Scale
from emulator.wire.tape import Bar, Quote
from emulator.wire.venue import Json

_STRIDE: Final = 7
_JITTER: Final = 5
_HASH: Final = 2_654_435_761


def update_id(number: int) -> int:
    """Return the venue's id of a book change: rising, with holes as ids are shared by all books."""
    return number * _STRIDE + (number * _HASH >> 9) % _JITTER


class Writer:
    """Writes one symbol's messages."""

    def __init__(self, shard: Shard, scale: Scale) -> None:
        self._shard = shard
        self._scale = scale

    @property
    def symbol(self) -> str:
        """The symbol now."""
        return self._shard.listing.symbol

    def depth(self, batch: Batch, bids: Levels, asks: Levels, now_ms: int) -> Json:
        """Write a batch: ``pu`` is the ``u`` of the one before, ``U`` is not ``pu`` plus one."""
        return {
            "e": "depthUpdate",
            "E": now_ms,
            "T": max(now_ms - 2, 0),
            "s": self.symbol,
            "U": update_id(batch.first),
            "u": update_id(batch.last),
            "pu": update_id(batch.prev),
            "b": self._scale.levels(bids),
            "a": self._scale.levels(asks),
            "st": 1,
        }

    def quote(self, quote: Quote, number: int, now_ms: int) -> Json:
        """Write the best bid and ask."""
        bid, bid_lots, ask, ask_lots = quote
        scale = self._scale
        return {
            "e": "bookTicker",
            "u": update_id(number),
            "s": self.symbol,
            "b": scale.price(bid),
            "B": scale.size(bid_lots),
            "a": scale.price(ask),
            "A": scale.size(ask_lots),
            "T": now_ms - 1,
            "E": now_ms,
            "st": 1,
            "ps": self.symbol,
        }

    def trade(self, row: TradeRow, now_ms: int) -> Json:
        """Write a trade."""
        return {
            "e": "trade",
            "E": now_ms,
            "T": row.ts_ms,
            "s": self.symbol,
            "t": row.id,
            "p": self._scale.price(row.price_ticks),
            "q": self._scale.size(row.lots),
            "X": "MARKET",
            "m": row.buyer_is_maker,
            "st": 1,
        }

    def aggregate(self, row: AggregateRow, now_ms: int) -> Json:
        """Write an aggregate trade for the stream."""
        return {
            "e": "aggTrade",
            "E": now_ms,
            "s": self.symbol,
            **self.aggregate_row(row),
            "st": 1,
        }

    def aggregate_row(self, row: AggregateRow) -> Json:
        """Write an aggregate trade for REST."""
        return {
            "a": row.id,
            "p": self._scale.price(row.price_ticks),
            "q": self._scale.size(row.lots),
            "f": row.first_id,
            "l": row.last_id,
            "T": row.ts_ms,
            "m": row.buyer_is_maker,
        }

    def trade_row(self, row: TradeRow) -> Json:
        """Write a trade for REST."""
        return {
            "id": row.id,
            "price": self._scale.price(row.price_ticks),
            "qty": self._scale.size(row.lots),
            "quoteQty": self._scale.worth(row.price_ticks * row.lots),
            "time": row.ts_ms,
            "isBuyerMaker": row.buyer_is_maker,
        }

    def bar_row(self, bar: Bar | list[int], interval: str) -> list[object]:
        """Write a bar for REST: 12 columns."""
        opened, o, h, low, c, lots, notional, trades, buy_lots, buy_notional = bar
        scale = self._scale
        return [
            opened,
            scale.price(o),
            scale.price(h),
            scale.price(low),
            scale.price(c),
            scale.size(lots),
            close_ms(opened, interval),
            scale.worth(notional),
            trades,
            scale.size(buy_lots),
            scale.worth(buy_notional),
            "0",
        ]

    def bar(self, bar: Bar, interval: str, now_ms: int, last_id: int, *, closed: bool) -> Json:
        """Write a bar for the stream; `last_id` is the id of its last trade."""
        opened, o, h, low, c, lots, notional, trades, buy_lots, buy_notional = bar
        scale = self._scale
        return {
            "e": "kline",
            "E": now_ms,
            "s": self.symbol,
            "k": {
                "t": opened,
                "T": close_ms(opened, interval),
                "s": self.symbol,
                "i": interval,
                "f": last_id - trades + 1 if trades else -1,
                "L": last_id if trades else -1,
                "o": scale.price(o),
                "c": scale.price(c),
                "h": scale.price(h),
                "l": scale.price(low),
                "v": scale.size(lots),
                "n": trades,
                "x": closed,
                "q": scale.worth(notional),
                "V": scale.size(buy_lots),
                "Q": scale.worth(buy_notional),
                "B": "0",
            },
            "st": 1,
        }

    def mark(self, future: Future, now_ms: int) -> Json:
        """Write mark price and funding."""
        return {
            "e": "markPriceUpdate",
            "E": now_ms,
            "s": self.symbol,
            "p": f"{future.mark:.8f}",
            "ap": f"{future.mark:.8f}",
            "P": f"{future.index:.8f}",
            "i": f"{future.index:.8f}",
            "r": f"{future.funding_rate:.8f}",
            "T": future.next_funding_ms,
            "st": 1,
        }

    def premium(self, future: Future, now_ms: int) -> Json:
        """Write mark price and funding for REST."""
        return {
            "symbol": self.symbol,
            "markPrice": f"{future.mark:.8f}",
            "indexPrice": f"{future.index:.8f}",
            "estimatedSettlePrice": f"{future.index:.8f}",
            "lastFundingRate": f"{future.funding_rate:.8f}",
            "interestRate": "0.00010000",
            "nextFundingTime": future.next_funding_ms,
            "time": now_ms,
        }

    def liquidation(self, told: Liquidation, now_ms: int) -> Json:
        """Write a forced order."""
        scale = self._scale
        return {
            "e": "forceOrder",
            "E": now_ms,
            "o": {
                "s": self.symbol,
                "S": "SELL" if told.long else "BUY",
                "o": "LIMIT",
                "f": "IOC",
                "q": scale.size(told.lots),
                "p": scale.price(told.bankrupt_ticks),
                "ap": scale.price(told.average_ticks),
                "X": "FILLED",
                "l": scale.size(told.lots),
                "z": scale.size(told.lots),
                "T": told.ts_ms,
            },
            "st": 1,
        }

    def day(self, bar: Bar, last_id: int) -> Json:
        """Write the figures of the last 24 hours, by their REST names."""
        _, o, h, low, c, lots, notional, trades, _, _ = bar
        scale = self._scale
        change = scale.price(abs(c - o))
        return {
            "priceChange": f"-{change}" if c < o else change,
            "priceChangePercent": f"{(c - o) / o * 100:.3f}",
            "weightedAvgPrice": scale.price(notional // lots if lots else c),
            "lastPrice": scale.price(c),
            "openPrice": scale.price(o),
            "highPrice": scale.price(h),
            "lowPrice": scale.price(low),
            "volume": scale.size(lots),
            "quoteVolume": scale.worth(notional),
            "firstId": last_id - trades + 1 if trades else -1,
            "lastId": last_id if trades else -1,
            "count": trades,
        }

    def size(self, lots: int) -> str:
        """Write a size."""
        return self._scale.size(lots)
