"""REST endpoints that need no key: time, listings, books, trades, bars and tickers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from emulator.binance.gate.errors import ApiError, missing
from emulator.binance.gate.params import Params
from emulator.binance.symbols import RATE_LIMITS, describe
from emulator.binance.venue import Venue
from emulator.binance.wire import Json
from emulator.clock import MS
from emulator.market.candles import INTERVALS
from emulator.market.history import DAY_MS, HOUR_MS
from emulator.market.shard import Shard

_MOST_ROWS: Final = 1_000
_MOST_LEVELS: Final = 5_000
_SLICE_DAYS: Final = 30


async def ping(venue: Venue, params: Params) -> Json:
    """Answer nothing."""
    return {}


async def time(venue: Venue, params: Params) -> Json:
    """Tell the venue's time."""
    return {"serverTime": venue.now_ms()}


async def exchange_info(venue: Venue, params: Params) -> Json:
    """List the symbols with their filters."""
    names = params.symbols()
    params.skip("permissions", "showPermissionSets", "symbolStatus")
    shards = [venue.shard(name) for name in names] if names else venue.market.shards.values()
    return {
        "timezone": "UTC",
        "serverTime": venue.now_ms(),
        "rateLimits": RATE_LIMITS,
        "exchangeFilters": [],
        "symbols": [
            # What is gone stays in the list.
            {**describe(shard.listing), "status": "TRADING" if shard.listed else "BREAK"}
            for shard in shards
        ],
    }


def depth_weight(params: Params) -> int:
    """Return what a depth request weighs."""
    limit = params.between("limit", 100, 1, _MOST_LEVELS)
    return 5 if limit <= 100 else 25 if limit <= 500 else 50 if limit <= 1_000 else 250


async def depth(venue: Venue, params: Params) -> Json:
    """Give a book image, a little behind the streams."""
    shard = venue.shard(params.symbol())
    limit = params.between("limit", 100, 1, _MOST_LEVELS)
    symbol = shard.listing.symbol
    frozen = venue.faults.take(("frozen_snapshot",), venue.now_ms(), symbol=symbol) is not None
    return venue.depths[symbol].snapshot(venue.market.now_ns, limit, frozen=frozen)


async def trades(venue: Venue, params: Params) -> list[Json]:
    """Give the newest trades, oldest first; ``fromId`` for older ones."""
    shard = venue.shard(params.symbol())
    limit = params.between("limit", 500, 1, _MOST_ROWS)
    from_id = params.integer("fromId")
    rows = list(shard.trades)
    older = [row for row in rows if from_id is not None and row.id >= from_id]
    rows = rows[-limit:] if from_id is None else older[:limit]
    writer = venue.writers[shard.listing.symbol]
    return [writer.trade_row(row) for row in rows]


async def aggregate_trades(venue: Venue, params: Params) -> list[Json]:
    """Give aggregate trades from an id, within times, or the newest."""
    shard = venue.shard(params.symbol())
    limit = params.between("limit", 500, 1, _MOST_ROWS)
    from_id = params.integer("fromId")
    start, end = params.integer("startTime"), params.integer("endTime")
    if from_id is not None and (start is not None or end is not None):
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    if start is not None and end is not None and end - start > HOUR_MS:
        raise ApiError(-1127, "More than 1 hours between startTime and endTime.")
    rows = list(shard.aggregates)
    if from_id is not None:
        rows = [row for row in rows if row.id >= from_id][:limit]
    elif start is not None or end is not None:
        rows = [
            row
            for row in rows
            if (start or 0) <= row.ts_ms <= (end if end is not None else 1 << 62)
        ]
        rows = rows[:limit] if start is not None else rows[-limit:]
    else:
        rows = rows[-limit:]
    writer = venue.writers[shard.listing.symbol]
    return [writer.aggregate_row(row) for row in rows]


async def klines(venue: Venue, params: Params) -> list[list[object]]:
    """Give bars: oldest first from ``startTime``, else the newest up to ``endTime``."""
    shard = venue.shard(params.symbol())
    interval = params.need("interval")
    if interval not in INTERVALS:
        raise ApiError(-1120, "Invalid interval.")
    limit = params.between("limit", 500, 1, _MOST_ROWS)
    start, end = params.integer("startTime"), params.integer("endTime")
    params.skip("timeZone")
    length = INTERVALS[interval]
    now_ms = venue.market.acted_ns // MS
    last = min(now_ms, end if end is not None else now_ms)
    first = start if start is not None else last - limit * length
    first = max(first, shard.candles.first_ms)
    if start is not None:
        last = min(last, first + limit * length)
    if length >= HOUR_MS:
        await _warm(shard, first, last)
    rows = shard.candles.rows(interval, first, last)
    rows = rows[:limit] if start is not None else rows[-limit:]
    writer = venue.writers[shard.listing.symbol]
    return [writer.kline_row(row, interval) for row in rows.tolist()]


async def _warm(shard: Shard, first_ms: int, last_ms: int) -> None:
    """Make the days a long range needs, a slice at a time, so that the streams go on."""
    start = max(first_ms, shard.candles.first_ms)
    while start < last_ms:
        shard.candles.warm(start, min(last_ms, start + _SLICE_DAYS * DAY_MS))
        start += _SLICE_DAYS * DAY_MS
        await asyncio.sleep(0)


async def average_price(venue: Venue, params: Params) -> Json:
    """Give the average price of the last five minutes."""
    shard = venue.shard(params.symbol())
    writer = venue.writers[shard.listing.symbol]
    return {
        "mins": 5,
        "price": writer.price(venue.average_ticks(shard)),
        "closeTime": shard.trades[-1].ts_ms if shard.trades else venue.now_ms(),
    }


def ticker_weight(params: Params) -> int:
    """Return what a 24 h ticker request weighs."""
    names = params.symbols()
    return 2 if names is not None and len(names) <= 20 else 80


async def ticker_24h(venue: Venue, params: Params) -> Any:
    """Give the figures of the last 24 hours."""
    short = (params.text("type") or "FULL") == "MINI"
    params.skip("symbolStatus")
    now_ms = venue.market.acted_ns // MS

    def write(shard: Shard) -> Json:
        writer = venue.writers[shard.listing.symbol]
        day = writer.day(shard.candles.last_day(now_ms), shard.trade_id)
        bid, ask = venue.top(shard)
        full = {
            "symbol": shard.listing.symbol,
            **day,
            "lastQty": writer.size(shard.trades[-1].lots if shard.trades else 0),
            "bidPrice": writer.price(bid[0]),
            "bidQty": writer.size(bid[1]),
            "askPrice": writer.price(ask[0]),
            "askQty": writer.size(ask[1]),
            "openTime": now_ms - DAY_MS,
            "closeTime": now_ms,
        }
        return {name: full[name] for name in _MINI} if short else full

    return _for_symbols(venue, params, write)


_MINI: Final = (
    "symbol",
    "openPrice",
    "highPrice",
    "lowPrice",
    "lastPrice",
    "volume",
    "quoteVolume",
    "openTime",
    "closeTime",
    "firstId",
    "lastId",
    "count",
)


async def ticker_price(venue: Venue, params: Params) -> Any:
    """Give last prices."""
    params.skip("symbolStatus")
    return _for_symbols(
        venue,
        params,
        lambda shard: {
            "symbol": shard.listing.symbol,
            "price": venue.writers[shard.listing.symbol].price(shard.candles.last_close),
        },
    )


async def book_ticker(venue: Venue, params: Params) -> Any:
    """Give best bids and asks."""
    params.skip("symbolStatus")

    def write(shard: Shard) -> Json:
        writer = venue.writers[shard.listing.symbol]
        bid, ask = venue.top(shard)
        return {
            "symbol": shard.listing.symbol,
            "bidPrice": writer.price(bid[0]),
            "bidQty": writer.size(bid[1]),
            "askPrice": writer.price(ask[0]),
            "askQty": writer.size(ask[1]),
        }

    return _for_symbols(venue, params, write)


def _for_symbols(venue: Venue, params: Params, write: Callable[[Shard], Json]) -> Any:
    """Answer with one object for ``symbol``, a list otherwise."""
    if (names := params.symbols()) is None:
        return [write(shard) for shard in venue.market.shards.values()]
    shards = [venue.shard(name) for name in names]
    if params.text("symbol") is not None:
        return write(shards[0])
    if not shards:
        raise missing("symbols")
    return [write(shard) for shard in shards]
