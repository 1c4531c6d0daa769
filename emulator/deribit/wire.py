"""How Deribit writes its messages: JSON numbers, and change ids that skip."""

from __future__ import annotations

import math
from typing import Final

from emulator.deribit.instruments import index_name
from emulator.market.changes import Batch
from emulator.market.history import DAY_MS
from emulator.market.options import Chain, implied
from emulator.market.perps import Future
from emulator.market.shard import Shard, TradeRow
from emulator.wire.numbers import Scale
from emulator.wire.venue import Json

_STRIDE: Final = 3
_YEAR_MS: Final = 365 * DAY_MS
Levels = list[tuple[int, int]]


def change_id(number: int) -> int:
    """Return the venue's id of a book change: rising, but not by one."""
    return number * _STRIDE + number % 2


class Writer:
    """Writes one instrument's messages."""

    def __init__(
        self,
        shard: Shard,
        scale: Scale,
        future: Future | None,
        chain: Chain | None,
        number: int,
    ) -> None:
        self.shard = shard
        self.scale = scale
        self.future = future
        self.chain = chain
        self._number = number

    @property
    def symbol(self) -> str:
        """The instrument's name now."""
        return self.shard.listing.symbol

    def index(self) -> float:
        """Return the index price."""
        if self.future is not None:
            return round(self.future.index, 2)
        assert self.chain is not None
        return round(self.chain.underlying, 2)

    def mark(self, now_ms: int) -> float:
        """Return the mark price."""
        if self.future is not None:
            return round(self.future.mark, self.scale.price_decimals + 1)
        assert self.chain is not None
        return round(self.chain.price(self.shard.listing, now_ms).price, 6)

    def levels(self, levels: Levels) -> list[list[float]]:
        """Write levels as price and amount."""
        scale = self.scale
        return [[scale.price_number(ticks), scale.size_number(lots)] for ticks, lots in levels]

    def snapshot(self, number: int, now_ms: int) -> Json:
        """Write the whole book."""
        return {
            "type": "snapshot",
            "timestamp": now_ms,
            "instrument_name": self.symbol,
            "change_id": change_id(number),
            "bids": [["new", *row] for row in self.levels(self.shard.bids(100_000))],
            "asks": [["new", *row] for row in self.levels(self.shard.asks(100_000))],
        }

    def change(self, batch: Batch, known: tuple[set[int], set[int]], now_ms: int) -> Json:
        """Write a batch; `known` holds the prices of bids and asks before it, and is renewed."""
        return {
            "type": "change",
            "timestamp": now_ms,
            "prev_change_id": change_id(batch.prev),
            "instrument_name": self.symbol,
            "change_id": change_id(batch.last),
            "bids": self._changes(batch.bid_levels(), known[0]),
            "asks": self._changes(batch.ask_levels(), known[1]),
        }

    def _changes(self, levels: Levels, known: set[int]) -> list[list[object]]:
        scale = self.scale
        rows: list[list[object]] = []
        for ticks, lots in levels:
            if not lots and ticks not in known:
                continue  # it came and went within the batch
            what = "delete" if not lots else "change" if ticks in known else "new"
            known.add(ticks) if lots else known.discard(ticks)
            rows.append([what, scale.price_number(ticks), scale.size_number(lots)])
        return rows

    def top(self, levels: int, number: int, now_ms: int) -> Json:
        """Write a book of some levels for the grouped channels."""
        return {
            "timestamp": now_ms,
            "instrument_name": self.symbol,
            "change_id": change_id(number),
            "bids": self.levels(self.shard.bids(levels)),
            "asks": self.levels(self.shard.asks(levels)),
        }

    def trade(self, row: TradeRow, now_ms: int) -> Json:
        """Write a trade."""
        amount = self.scale.size_number(row.lots)
        told: Json = {
            "trade_seq": row.id,
            "trade_id": self.own_trade_id(row.id),
            "timestamp": row.ts_ms,
            "tick_direction": 0 if not row.buyer_is_maker else 2,
            "price": self.scale.price_number(row.price_ticks),
            "mark_price": self.mark(now_ms),
            "instrument_name": self.symbol,
            "index_price": self.index(),
            "direction": "sell" if row.buyer_is_maker else "buy",
            "contracts": amount / max(1.0, self.scale.size_number(1)),
            "amount": amount,
        }
        if self.future is not None and (forced := self.future.forced(row.taker_id)):
            told["liquidation"] = forced
        if self.chain is not None:
            told["iv"] = round(100 * self._iv(row.price_ticks, now_ms), 2)
            told["contracts"] = amount
        return told

    def own_trade_id(self, number: int) -> str:
        """Return a trade's id, the same that everybody is told."""
        told, base = self._trade_id(number), self.shard.listing.base
        return told if base == "BTC" else f"{base}-{told}"

    def _trade_id(self, number: int) -> str:
        return str(number % 10**10 * 64 + self._number % 64)

    def _iv(self, ticks: int, now_ms: int) -> float:
        listing = self.shard.listing
        assert self.chain is not None
        greeks = self.chain.price(listing, now_ms)
        years = max(0.0, listing.expiry_ms - now_ms) / _YEAR_MS
        price = self.scale.price_number(ticks)
        return implied(price, greeks.forward, listing.strike, years, call=listing.call)

    def quote(self, now_ms: int) -> Json:
        """Write the best bid and ask; zeros where nobody quotes."""
        scale = self.scale
        bids, asks = self.shard.bids(1) or [(0, 0)], self.shard.asks(1) or [(0, 0)]
        return {
            "timestamp": now_ms,
            "instrument_name": self.symbol,
            "best_bid_price": scale.price_number(bids[0][0]),
            "best_bid_amount": scale.size_number(bids[0][1]),
            "best_ask_price": scale.price_number(asks[0][0]),
            "best_ask_amount": scale.size_number(asks[0][1]),
        }

    def ticker(self, now_ms: int) -> Json:
        """Write everything there is to know of an instrument at once."""
        scale, shard = self.scale, self.shard
        _, o, h, low, c, lots, notional, *_ = shard.candles.last_day(now_ms)
        volume, usd = self.volume(lots, notional, c)
        mark = self.mark(now_ms)
        step = 10.0**-scale.price_decimals
        told: Json = {
            **self.quote(now_ms),
            "state": "closed" if shard.halted else "open",
            "stats": {
                "volume": volume,
                "volume_usd": usd,
                "price_change": round((c - o) / o * 100, 4),
                "low": scale.price_number(low),
                "high": scale.price_number(h),
            },
            "index_price": self.index(),
            "last_price": scale.price_number(shard.candles.last_close),
            "settlement_price": scale.price_number(o),
            "min_price": max(step, round(mark * 0.985 / step) * step),
            "max_price": round(mark * 1.015 / step + 1) * step,
            "mark_price": mark,
            "estimated_delivery_price": self.index(),
            "open_interest": 0.0,
        }
        if self.future is not None:
            self._of_future(told, self.future)
        if self.chain is not None:
            self._of_option(told, self.chain, now_ms)
        return told

    def _of_future(self, told: Json, future: Future) -> None:
        told["open_interest"] = self.scale.size_number(future.open_lots)
        if future.perpetual:
            told["funding_8h"] = future.last_funding.rate
            told["current_funding"] = future.funding_rate
            told["interest_value"] = round(future.funding_rate * 100, 8)

    def _of_option(self, told: Json, chain: Chain, now_ms: int) -> None:
        shard = self.shard
        greeks = chain.price(shard.listing, now_ms)
        day = shard.listing.symbol.split("-")[1]
        told["open_interest"] = round(100 + 50 * math.sin(shard.listing.strike), 1)
        told["mark_iv"] = round(100 * greeks.iv, 2)
        for side, levels in (("bid", shard.bids(1)), ("ask", shard.asks(1))):
            iv = self._iv(levels[0][0], now_ms) if levels else 0.0
            told[f"{side}_iv"] = round(100 * iv, 2)
        told["underlying_price"] = round(greeks.forward, 4)
        told["underlying_index"] = f"{shard.listing.base}-{day}"
        told["interest_rate"] = 0.0
        told["greeks"] = {
            "delta": round(greeks.delta, 5),
            "gamma": round(greeks.gamma, 8),
            "vega": round(greeks.vega, 5),
            "theta": round(greeks.theta, 5),
            "rho": round(greeks.rho, 5),
        }

    def volume(self, lots: int, notional: int, last: int) -> tuple[float, float]:
        """Return a volume in base and in dollars."""
        scale, listing = self.scale, self.shard.listing
        size = scale.size_number(lots)
        if listing.inverse:
            average = scale.price_number(notional // lots if lots else last)
            return round(size / average, 8), size
        worth = scale.worth_number(notional)
        return size, round(worth * (self.index() if self.chain is not None else 1.0), 4)

    def summary(self, now_ms: int) -> Json:
        """Write what a book summary says."""
        ticker, listing = self.ticker(now_ms), self.shard.listing
        bid, ask = ticker["best_bid_price"], ticker["best_ask_price"]
        told = {
            "instrument_name": self.symbol,
            "base_currency": listing.base,
            "quote_currency": listing.quote,
            "creation_timestamp": now_ms,
            "high": ticker["stats"]["high"],
            "low": ticker["stats"]["low"],
            "last": ticker["last_price"],
            "volume": ticker["stats"]["volume"],
            "volume_usd": ticker["stats"]["volume_usd"],
            "price_change": ticker["stats"]["price_change"],
            "bid_price": bid or None,
            "ask_price": ask or None,
            "mid_price": 0.5 * (bid + ask) if bid and ask else None,
            "mark_price": ticker["mark_price"],
            "open_interest": ticker["open_interest"],
            "estimated_delivery_price": ticker["estimated_delivery_price"],
        }
        for name in ("funding_8h", "current_funding", "mark_iv", "underlying_price",
                     "underlying_index", "interest_rate"):  # fmt: skip
            if name in ticker:
                told[name] = ticker[name]
        return told

    def index_name(self) -> str:
        """Return the name of the index it settles by."""
        return index_name(self.shard.listing)
