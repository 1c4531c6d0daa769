"""How the venue writes numbers and messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from emulator.market.candles import close_ms
from emulator.market.listings import E8, Listing
from emulator.market.shard import AggregateRow, TradeRow

Json = dict[str, Any]
"""A message as it goes on the wire."""

_FILLER: Final = "0"


def amount(value_e8: int) -> str:
    """Write an amount of 1e-8 units with 8 decimals, as the venue always does.

    ``6165000000000`` becomes ``61650.00000000``.
    """
    if value_e8 < 0:
        return f"-{-value_e8 // E8}.{-value_e8 % E8:08d}"
    return f"{value_e8 // E8}.{value_e8 % E8:08d}"


class Writer:
    """Writes one instrument's prices, sizes and public messages."""

    def __init__(self, listing: Listing) -> None:
        self.symbol = listing.symbol
        self._tick = listing.tick_e8
        self._lot = listing.lot_e8
        self._notional = listing.notional_e8

    def price(self, ticks: int) -> str:
        """Write a price."""
        value = ticks * self._tick
        return f"{value // E8}.{value % E8:08d}"

    def size(self, lots: int) -> str:
        """Write a size."""
        value = lots * self._lot
        return f"{value // E8}.{value % E8:08d}"

    def quote(self, notional: int) -> str:
        """Write a value given in ticks times lots."""
        return amount(notional * self._notional)

    def levels(self, levels: Sequence[tuple[int, int]]) -> list[list[str]]:
        """Write book levels."""
        price, size = self.price, self.size
        return [[price(ticks), size(lots)] for ticks, lots in levels]

    def trade_event(self, row: TradeRow, now_ms: int) -> Json:
        """Write a trade for the stream."""
        return {
            "e": "trade",
            "E": now_ms,
            "s": self.symbol,
            "t": row.id,
            "p": self.price(row.price_ticks),
            "q": self.size(row.lots),
            "T": row.ts_ms,
            "m": row.buyer_is_maker,
            "M": True,
        }

    def trade_row(self, row: TradeRow) -> Json:
        """Write a trade for REST."""
        return {
            "id": row.id,
            "price": self.price(row.price_ticks),
            "qty": self.size(row.lots),
            "quoteQty": self.quote(row.price_ticks * row.lots),
            "time": row.ts_ms,
            "isBuyerMaker": row.buyer_is_maker,
            "isBestMatch": True,
        }

    def aggregate_row(self, row: AggregateRow) -> Json:
        """Write an aggregate trade for REST; the stream adds its own head."""
        return {
            "a": row.id,
            "p": self.price(row.price_ticks),
            "q": self.size(row.lots),
            "f": row.first_id,
            "l": row.last_id,
            "T": row.ts_ms,
            "m": row.buyer_is_maker,
            "M": True,
        }

    def aggregate_event(self, row: AggregateRow, now_ms: int) -> Json:
        """Write an aggregate trade for the stream."""
        return {"e": "aggTrade", "E": now_ms, "s": self.symbol, **self.aggregate_row(row)}

    def kline_row(self, row: Sequence[int], interval: str) -> list[object]:
        """Write a bar for REST: 12 columns."""
        opened, o, h, low, c, lots, notional, trades, buy_lots, buy_notional = row
        return [
            opened,
            self.price(o),
            self.price(h),
            self.price(low),
            self.price(c),
            self.size(lots),
            close_ms(opened, interval),
            self.quote(notional),
            trades,
            self.size(buy_lots),
            self.quote(buy_notional),
            _FILLER,
        ]

    def kline_event(
        self, row: Sequence[int], interval: str, now_ms: int, last_id: int, *, closed: bool
    ) -> Json:
        """Write a bar for the stream; `last_id` is the id of its last trade."""
        opened, o, h, low, c, lots, notional, trades, buy_lots, buy_notional = row
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
                "o": self.price(o),
                "c": self.price(c),
                "h": self.price(h),
                "l": self.price(low),
                "v": self.size(lots),
                "n": trades,
                "x": closed,
                "q": self.quote(notional),
                "V": self.size(buy_lots),
                "Q": self.quote(buy_notional),
                "B": _FILLER,
            },
        }

    def day(self, row: Sequence[int], last_id: int) -> Json:
        """Write the figures of the last 24 hours, by their REST names."""
        _, o, h, low, c, lots, notional, trades, _, _ = row
        average = notional // lots if lots else c
        change = c - o
        return {
            "priceChange": amount(change * self._tick),
            "priceChangePercent": f"{change / o * 100:.3f}",
            "weightedAvgPrice": self.price(average),
            "prevClosePrice": self.price(o),
            "lastPrice": self.price(c),
            "openPrice": self.price(o),
            "highPrice": self.price(h),
            "lowPrice": self.price(low),
            "volume": self.size(lots),
            "quoteVolume": self.quote(notional),
            "firstId": last_id - trades + 1 if trades else -1,
            "lastId": last_id if trades else -1,
            "count": trades,
        }
