"""How OKX writes its messages: numbers as short strings, times as text."""

from __future__ import annotations

import zlib
from typing import Final

from emulator.market.candles import close_ms
from emulator.market.history import DAY_MS
from emulator.market.perps import Future, Liquidation
from emulator.market.shard import AggregateRow, Shard, TradeRow
from emulator.okx.instruments import family, inst_type
from emulator.wire.numbers import Scale
from emulator.wire.tape import Bar, Quote
from emulator.wire.venue import Json

BARS: Final[dict[str, str]] = {
    "1s": "1s",
    "1m": "1m",
    "3m": "3m",
    "5m": "5m",
    "15m": "15m",
    "30m": "30m",
    "1H": "1h",
    "2H": "2h",
    "4H": "4h",
    "6H": "6h+8",
    "12H": "12h+8",
    "1D": "1d+8",
    "1W": "1w+8",
    "6Hutc": "6h",
    "12Hutc": "12h",
    "1Dutc": "1d",
    "2Dutc": "2d",
    "3Dutc": "3d",
    "1Wutc": "1w",
    "1Mutc": "1M",
}
"""The venue's bar names; those of six hours and more without ``utc`` open by Hong Kong's clock."""
_CHECKED: Final = 25
Levels = list[tuple[int, int]]


class Writer:
    """Writes one instrument's messages."""

    def __init__(self, shard: Shard, scale: Scale) -> None:
        self.shard = shard
        self._scale = scale

    @property
    def symbol(self) -> str:
        """The instrument's id now."""
        return self.shard.listing.symbol

    def level(self, ticks: int, lots: int, *, bid: bool) -> list[str]:
        """Write a level: price, size, "0", number of orders."""
        orders = self.shard.orders_at(ticks, bid=bid)
        return [self._scale.short_price(ticks), self._scale.short_size(lots), "0", str(orders)]

    def levels(self, levels: Levels, *, bid: bool) -> list[list[str]]:
        """Write levels."""
        return [self.level(ticks, lots, bid=bid) for ticks, lots in levels]

    def checksum(self) -> int:
        """Return the signed CRC32 of the best 25 levels of both sides, side by side."""
        scale = self._scale
        bids, asks = self.shard.bids(_CHECKED), self.shard.asks(_CHECKED)
        parts: list[str] = []
        for index in range(_CHECKED):
            for levels in (bids, asks):
                if index < len(levels):
                    ticks, lots = levels[index]
                    parts += (scale.short_price(ticks), scale.short_size(lots))
        value = zlib.crc32(":".join(parts).encode())
        return value - (1 << 32) if value >> 31 else value

    def bar(self, bar: Bar | list[int], interval: str, now_ms: int) -> list[str]:
        """Write a candle: the last column tells whether it has closed."""
        opened, o, h, low, c, lots, notional, *_ = bar
        scale = self._scale
        base, quote = self.amounts(lots, notional, c)
        volumes = [scale.short_size(lots), base, quote]
        if inst_type(self.shard.listing) == "SPOT":
            volumes = [scale.short_size(lots), quote, quote]
        closed = "1" if now_ms > close_ms(opened, interval) else "0"
        prices = [scale.short_price(ticks) for ticks in (o, h, low, c)]
        return [str(opened), *prices, *volumes, closed]

    def amounts(self, lots: int, notional: int, last: int) -> tuple[str, str]:
        """Return a volume in base and in quote."""
        scale, listing = self._scale, self.shard.listing
        size = scale.size_number(lots)
        if listing.inverse:
            average = scale.price_number(notional // lots if lots else last)
            quote = size * listing.contract
            return f"{quote / average:.8f}", f"{quote:g}"
        if listing.contract == 1.0:
            return scale.short_size(lots), scale.worth(notional)
        worth = scale.worth_number(notional) * listing.contract
        return f"{size * listing.contract:.8g}", f"{worth:.6f}"

    def trade(self, row: AggregateRow) -> Json:
        """Write an aggregate trade: `tradeId` is its last one, `count` how many it holds."""
        return {
            "instId": self.symbol,
            "tradeId": str(row.last_id),
            "px": self._scale.short_price(row.price_ticks),
            "sz": self._scale.short_size(row.lots),
            "side": "sell" if row.buyer_is_maker else "buy",
            "ts": str(row.ts_ms),
            "count": str(row.last_id - row.first_id + 1),
            "source": "0",
            "seqId": row.last_id,
        }

    def fill(self, row: TradeRow) -> Json:
        """Write a single trade."""
        return {
            "instId": self.symbol,
            "tradeId": str(row.id),
            "px": self._scale.short_price(row.price_ticks),
            "sz": self._scale.short_size(row.lots),
            "side": "sell" if row.buyer_is_maker else "buy",
            "ts": str(row.ts_ms),
            "source": "0",
        }

    def ticker(self, now_ms: int, quote: Quote) -> Json:
        """Write the figures of the last 24 hours."""
        shard, scale = self.shard, self._scale
        _, o, h, low, c, lots, notional, *_ = shard.candles.last_day(now_ms)
        base, in_quote = self.amounts(lots, notional, c)
        spot = inst_type(shard.listing) == "SPOT"
        starts = []
        for interval in ("1d", "1d+8"):
            rows = shard.candles.rows(interval, now_ms - DAY_MS + 1, now_ms)
            starts.append(scale.short_price(int(rows[-1, 1]) if len(rows) else o))
        bid, bid_lots, ask, ask_lots = quote
        return {
            "instType": inst_type(shard.listing),
            "instId": self.symbol,
            "last": scale.short_price(shard.candles.last_close),
            "lastSz": scale.short_size(shard.trades[-1].lots if shard.trades else 0),
            "askPx": scale.short_price(ask),
            "askSz": scale.short_size(ask_lots),
            "bidPx": scale.short_price(bid),
            "bidSz": scale.short_size(bid_lots),
            "open24h": scale.short_price(o),
            "high24h": scale.short_price(h),
            "low24h": scale.short_price(low),
            "sodUtc0": starts[0],
            "sodUtc8": starts[1],
            "volCcy24h": in_quote if spot else base,
            "vol24h": scale.short_size(lots),
            "ts": str(now_ms),
        }

    def mark(self, future: Future, now_ms: int) -> Json:
        """Write the mark price."""
        return {
            "instType": "SWAP",
            "instId": self.symbol,
            "markPx": self._scale.round_price(future.mark),
            "ts": str(now_ms),
        }

    def funding(self, future: Future, now_ms: int) -> Json:
        """Write the running interval's funding rate and the last one paid."""
        paid = future.last_funding
        return {
            "formulaType": "withRate",
            "fundingRate": f"{future.funding_rate:.10f}",
            "fundingTime": str(future.next_funding_ms),
            "impactValue": "20000",
            "instId": self.symbol,
            "instType": "SWAP",
            "interestRate": "0.0001",
            "maxFundingRate": "0.00300",
            "method": "current_period",
            "minFundingRate": "-0.00300",
            "nextFundingRate": "",
            "nextFundingTime": str(future.next_funding_ms + 28_800_000),
            "premium": f"{future.mark / future.index - 1:.10f}",
            "prevFundingTime": str(paid.ts_ms),
            "settFundingRate": f"{paid.rate:.10f}",
            "settState": "settled",
            "ts": str(now_ms),
        }

    def open_interest(self, future: Future, now_ms: int) -> Json:
        """Write the open interest in contracts, base and quote."""
        scale, listing = self._scale, self.shard.listing
        size = scale.size_number(future.open_lots)
        worth = size * listing.contract * (1.0 if listing.inverse else future.mark)
        return {
            "instId": self.symbol,
            "instType": "SWAP",
            "oi": scale.short_size(future.open_lots),
            "oiCcy": f"{worth / future.mark:.8f}",
            "oiUsd": f"{worth:.4f}",
            "ts": str(now_ms),
        }

    def liquidation(self, told: Liquidation) -> Json:
        """Write a position closed by force."""
        listing = self.shard.listing
        return {
            "details": [
                {
                    "bkLoss": "0",
                    "bkPx": self._scale.short_price(told.bankrupt_ticks),
                    "ccy": "",
                    "posSide": "long" if told.long else "short",
                    "side": "sell" if told.long else "buy",
                    "sz": self._scale.short_size(told.lots),
                    "ts": str(told.ts_ms),
                }
            ],
            "instFamily": family(listing),
            "instId": self.symbol,
            "instType": "SWAP",
            "uly": family(listing),
        }

    def price_limit(self, now_ms: int) -> Json:
        """Write the band orders must be within."""
        last, scale = self.shard.candles.last_close, self._scale
        return {
            "instId": self.symbol,
            "instType": inst_type(self.shard.listing),
            "buyLmt": scale.short_price(last * 102 // 100),
            "sellLmt": scale.short_price(last * 98 // 100),
            "enabled": True,
            "ts": str(now_ms),
        }
