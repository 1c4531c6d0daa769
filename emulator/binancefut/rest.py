"""The public REST endpoints of USD-M: ``/fapi/v1``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from emulator.binance.gate.errors import ApiError, bad_symbol
from emulator.binance.gate.params import Params
from emulator.binancefut.instruments import RATE_LIMITS, describe
from emulator.binancefut.venue import BinanceFutures
from emulator.binancefut.wire import update_id
from emulator.clock import MS
from emulator.market.candles import INTERVALS
from emulator.market.history import DAY_MS, HOUR_MS
from emulator.market.perps import FUNDING_MS
from emulator.market.shard import Shard
from emulator.wire.rest import Call, Route
from emulator.wire.venue import Json

_LEVELS: Final = (5, 10, 20, 50, 100, 500, 1_000)
_MOST_BARS: Final = 1_500
_MOST_ROWS: Final = 1_000
_Handler = Callable[[BinanceFutures, Params], Any]


def table(venue: BinanceFutures) -> list[Route]:
    """Return the endpoints with their weights."""
    return [
        Route(path=f"/fapi/v1/{path}", handler=_of(venue, handler), cost=_weighed(weight))
        for path, weight, handler in _TABLE
    ]


def _of(venue: BinanceFutures, handler: _Handler) -> Callable[[Call], Awaitable[Any]]:
    async def serve(call: Call) -> Any:
        params = _params(call)
        answer = handler(venue, params)
        params.finish()
        return answer

    return serve


def _params(call: Call) -> Params:
    return Params.of_query(call.request.raw_path.partition("?")[2], call.body.decode())


def _weighed(weight: float | Callable[[Params], float]) -> float | Callable[[Call], float]:
    if isinstance(weight, (int, float)):
        return weight
    return lambda call: weight(_params(call))


def _shard(venue: BinanceFutures, params: Params, name: str = "symbol") -> Shard:
    shard = venue.find(params.symbol(name))
    if shard is None:
        raise bad_symbol()
    return shard


def _each(venue: BinanceFutures, params: Params, write: Callable[[Shard], Json]) -> Any:
    """Answer with one object for ``symbol``, a list otherwise."""
    if params.text("symbol") is not None:
        return write(_shard(venue, params))
    return [write(shard) for shard in venue.shards()]


def _ping(venue: BinanceFutures, params: Params) -> Json:
    return {}


def _time(venue: BinanceFutures, params: Params) -> Json:
    return {"serverTime": venue.now_ms()}


def _exchange_info(venue: BinanceFutures, params: Params) -> Json:
    return {
        "timezone": "UTC",
        "serverTime": venue.now_ms(),
        "futuresType": "U_MARGINED",
        "rateLimits": RATE_LIMITS,
        "exchangeFilters": [],
        "assets": [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "-10000"}],
        "symbols": [
            describe(shard, venue.scales[shard.listing.symbol]) for shard in venue.shards()
        ],
    }


def _depth_weight(params: Params) -> float:
    limit = params.between("limit", 500, 1, _MOST_ROWS)
    return 2 if limit <= 50 else 5 if limit <= 100 else 10 if limit <= 500 else 20


def _depth(venue: BinanceFutures, params: Params) -> Json:
    shard = _shard(venue, params)
    limit = params.between("limit", 500, 1, _MOST_ROWS)
    if limit not in _LEVELS:
        raise ApiError(-4021, f"{limit} is not valid depth limit.")
    image = venue.image(shard, limit)
    scale = venue.scales[shard.listing.symbol]
    return {
        "lastUpdateId": update_id(image.update_id),
        "E": venue.now_ms(),
        "T": venue.now_ms() - 3,
        "bids": scale.levels(image.bids),
        "asks": scale.levels(image.asks),
    }


def _trades(venue: BinanceFutures, params: Params) -> list[Json]:
    shard = _shard(venue, params)
    limit = params.between("limit", 500, 1, _MOST_ROWS)
    from_id = params.integer("fromId")
    writer = venue.writers[shard.listing.symbol]
    rows = list(shard.trades)[-limit:] if from_id is None else shard.trades_since(from_id - 1)
    return [writer.trade_row(row) for row in rows[:limit]]


def _aggregates(venue: BinanceFutures, params: Params) -> list[Json]:
    shard = _shard(venue, params)
    limit = params.between("limit", 500, 1, _MOST_ROWS)
    from_id, start, end = map(params.integer, ("fromId", "startTime", "endTime"))
    if start is not None and end is not None and end - start > HOUR_MS:
        raise ApiError(-4166, "Search window is restricted to recent 1 hours.")
    rows = list(shard.aggregates) if from_id is None else shard.aggregates_since(from_id - 1)
    rows = [row for row in rows if (start or 0) <= row.ts_ms <= (end or 1 << 62)]
    newest = from_id is None and start is None
    writer = venue.writers[shard.listing.symbol]
    return [writer.aggregate_row(row) for row in (rows[-limit:] if newest else rows[:limit])]


def _bars_weight(params: Params) -> float:
    limit = params.between("limit", 500, 1, _MOST_BARS)
    return 1 if limit < 100 else 2 if limit < 500 else 5 if limit <= 1_000 else 10


def _klines(venue: BinanceFutures, params: Params) -> list[list[object]]:
    return _bars(venue, params, _shard(venue, params))


def _continuous(venue: BinanceFutures, params: Params) -> list[list[object]]:
    if params.need("contractType") != "PERPETUAL":
        raise ApiError(-1130, "Data sent for parameter 'contractType' is not valid.")
    return _bars(venue, params, _shard(venue, params, "pair"))


def _bars(venue: BinanceFutures, params: Params, shard: Shard) -> list[list[object]]:
    interval = params.need("interval")
    if interval not in INTERVALS or interval == "1s":
        raise ApiError(-1120, "Invalid interval.")
    limit = params.between("limit", 500, 1, _MOST_BARS)
    start, end = params.integer("startTime"), params.integer("endTime")
    length = INTERVALS[interval]
    last = min(venue.market.acted_ns // MS, end if end is not None else 1 << 62)
    first = max(start if start is not None else last - limit * length, shard.candles.first_ms)
    if start is not None:
        last = min(last, first + limit * length)
    rows = shard.candles.rows(interval, first, last).tolist()
    writer = venue.writers[shard.listing.symbol]
    kept = rows[:limit] if start is not None else rows[-limit:]
    return [writer.bar_row(row, interval) for row in kept]


def _premium_weight(params: Params) -> float:
    return 1 if params.text("symbol") else 10


def _premium(venue: BinanceFutures, params: Params) -> Any:
    now_ms = venue.now_ms()

    def write(shard: Shard) -> Json:
        symbol = shard.listing.symbol
        return venue.writers[symbol].premium(venue.futures[symbol], now_ms)

    return _each(venue, params, write)


def _funding(venue: BinanceFutures, params: Params) -> list[Json]:
    """Give funding paid, oldest first: the newest ones when no times are given."""
    wanted = [_shard(venue, params)] if params.text("symbol") is not None else venue.shards()
    limit = params.between("limit", 100, 1, _MOST_ROWS)
    start, end = params.integer("startTime"), params.integer("endTime")
    now_ms = venue.market.acted_ns // MS
    last = min(now_ms, end if end is not None else now_ms) // FUNDING_MS
    first = -(-start // FUNDING_MS) if start is not None else last - limit + 1
    rows: list[Json] = []
    for shard in wanted:
        symbol, future = shard.listing.symbol, venue.futures[shard.listing.symbol]
        oldest = -(-shard.candles.first_ms // FUNDING_MS) + 1
        for slot in range(max(first, oldest), last + 1)[:limit]:
            paid = future.funding_at(slot * FUNDING_MS)
            rows.append(
                {
                    "symbol": symbol,
                    "fundingTime": paid.ts_ms,
                    "fundingRate": f"{paid.rate:.8f}",
                    "markPrice": f"{paid.mark:.8f}",
                }
            )
    rows.sort(key=lambda row: int(row["fundingTime"]))
    return rows[:limit] if start is not None else rows[-limit:]


def _funding_info(venue: BinanceFutures, params: Params) -> list[Json]:
    return [
        {
            "symbol": shard.listing.symbol,
            "adjustedFundingRateCap": "0.00300000",
            "adjustedFundingRateFloor": "-0.00300000",
            "fundingIntervalHours": 8,
            "disclaimer": False,
        }
        for shard in venue.shards()
    ]


def _open_interest(venue: BinanceFutures, params: Params) -> Json:
    shard = _shard(venue, params)
    symbol = shard.listing.symbol
    return {
        "symbol": symbol,
        "openInterest": venue.scales[symbol].size(venue.futures[symbol].open_lots),
        "time": venue.now_ms(),
    }


def _ticker_weight(params: Params) -> float:
    return 1 if params.text("symbol") else 40


def _ticker(venue: BinanceFutures, params: Params) -> Any:
    now_ms = venue.market.acted_ns // MS

    def write(shard: Shard) -> Json:
        writer = venue.writers[shard.listing.symbol]
        return {
            "symbol": shard.listing.symbol,
            **writer.day(shard.candles.last_day(now_ms), shard.trade_id),
            "lastQty": writer.size(shard.trades[-1].lots if shard.trades else 0),
            "openTime": now_ms - DAY_MS,
            "closeTime": now_ms,
        }

    return _each(venue, params, write)


def _price(venue: BinanceFutures, params: Params) -> Any:
    def write(shard: Shard) -> Json:
        symbol = shard.listing.symbol
        price = venue.scales[symbol].price(shard.candles.last_close)
        return {"symbol": symbol, "price": price, "time": venue.now_ms()}

    return _each(venue, params, write)


def _book_ticker(venue: BinanceFutures, params: Params) -> Any:
    def write(shard: Shard) -> Json:
        scale = venue.scales[shard.listing.symbol]
        bid, bid_lots, ask, ask_lots = shard.top() or (0, 0, 0, 0)
        return {
            "symbol": shard.listing.symbol,
            "bidPrice": scale.price(bid),
            "bidQty": scale.size(bid_lots),
            "askPrice": scale.price(ask),
            "askQty": scale.size(ask_lots),
            "time": venue.now_ms(),
            "lastUpdateId": update_id(venue.changes[shard.listing.symbol].update_id),
        }

    return _each(venue, params, write)


_TABLE: Final[tuple[tuple[str, float | Callable[[Params], float], _Handler], ...]] = (
    ("ping", 1, _ping),
    ("time", 1, _time),
    ("exchangeInfo", 1, _exchange_info),
    ("depth", _depth_weight, _depth),
    ("trades", 5, _trades),
    ("historicalTrades", 20, _trades),
    ("aggTrades", 20, _aggregates),
    ("klines", _bars_weight, _klines),
    ("continuousKlines", _bars_weight, _continuous),
    ("premiumIndex", _premium_weight, _premium),
    ("fundingRate", 1, _funding),
    ("fundingInfo", 1, _funding_info),
    ("openInterest", 1, _open_interest),
    ("ticker/24hr", _ticker_weight, _ticker),
    ("ticker/price", 1, _price),
    ("ticker/bookTicker", 2, _book_ticker),
)
