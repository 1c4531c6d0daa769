"""The public REST endpoints of Advanced Trade, under ``/market`` and without it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from emulator.clock import MS
from emulator.coinbase.instruments import describe
from emulator.coinbase.venue import Coinbase, moment
from emulator.market.candles import INTERVALS
from emulator.market.shard import Shard
from emulator.wire.rest import Call, Refusal, Route
from emulator.wire.venue import Json

_BARS: Final[dict[str, str]] = {
    "ONE_MINUTE": "1m",
    "FIVE_MINUTE": "5m",
    "FIFTEEN_MINUTE": "15m",
    "THIRTY_MINUTE": "30m",
    "ONE_HOUR": "1h",
    "TWO_HOUR": "2h",
    "FOUR_HOUR": "4h",
    "SIX_HOUR": "6h",
    "ONE_DAY": "1d",
}
_MOST_BARS: Final = 350
_MOST_TRADES: Final = 1_000
_Handler = Callable[[Coinbase, Call], Any]


def table(venue: Coinbase) -> list[Route]:
    """Return the endpoints."""
    return [Route(path=path, handler=_of(venue, handler)) for path, handler in _TABLE]


def _of(venue: Coinbase, handler: _Handler) -> Callable[[Call], Awaitable[Any]]:
    async def serve(call: Call) -> Any:
        return handler(venue, call)

    return serve


def _refused(status: int, error: str, words: str) -> Refusal:
    return Refusal(status, {"error": error, "error_details": words, "message": words})


def _shard(venue: Coinbase, name: str | None) -> Shard:
    shard = venue.product(name or "")
    if shard is None:
        raise _refused(404, "NOT_FOUND", "valid product_id is required")
    return shard


def _integer(call: Call, name: str, default: int | None = None) -> int:
    text = call.params.get(name)
    if text is None and default is not None:
        return default
    if text is None or not text.isdigit():
        raise _refused(400, "INVALID_ARGUMENT", f"{name} argument is invalid")
    return int(text)


def _time(venue: Coinbase, call: Call) -> Json:
    now_ms = venue.now_ms()
    return {
        "iso": moment(now_ms, digits=0).replace(".Z", "Z"),
        "epochSeconds": str(now_ms // 1_000),
        "epochMillis": str(now_ms),
    }


def _products(venue: Coinbase, call: Call) -> Json:
    """List the products; futures are none of ours."""
    if call.params.get("product_type", "SPOT") not in ("SPOT", "UNKNOWN_PRODUCT_TYPE"):
        return {"products": [], "num_products": 0}
    wanted = call.request.query.getall("product_ids", [])
    told = [
        describe(shard, venue.scales[shard.listing.symbol], quote)
        for shard in venue.shards()
        for quote in ("USD", "USDC")
    ]
    found = [row for row in told if not wanted or row["product_id"] in wanted]
    return {"products": found, "num_products": len(found)}


def _product(venue: Coinbase, call: Call) -> Json:
    name = call.path("product_id")
    shard = _shard(venue, name)
    return describe(shard, venue.scales[shard.listing.symbol], name.rpartition("-")[2])


def _candles(venue: Coinbase, call: Call) -> Json:
    """Give candles newest first, between two times in seconds."""
    shard = _shard(venue, call.path("product_id"))
    interval = _BARS.get(call.params.get("granularity", ""))
    if interval is None:
        raise _refused(400, "INVALID_ARGUMENT", "granularity argument is invalid")
    start, end = _integer(call, "start") * 1_000, _integer(call, "end") * 1_000
    length = INTERVALS[interval]
    if (end - start) // length > _MOST_BARS:
        raise _refused(
            400, "INVALID_ARGUMENT", f"number of candles requested should be less than {_MOST_BARS}"
        )
    limit = min(_MOST_BARS, _integer(call, "limit", _MOST_BARS))
    start = max(start, shard.candles.first_ms)
    end = min(end, venue.market.acted_ns // MS)
    rows = shard.candles.rows(interval, start, end).tolist() if end >= start else []
    return {"candles": [venue.candle(shard, row) for row in reversed(rows[-limit:])]}


def _ticker(venue: Coinbase, call: Call) -> Json:
    """Give the last trades, newest first, and the best prices."""
    shard = _shard(venue, call.path("product_id"))
    limit = min(_MOST_TRADES, _integer(call, "limit", 100))
    start, end = _integer(call, "start", 0) * 1_000, _integer(call, "end", 1 << 40) * 1_000
    rows = [row for row in shard.trades if start <= row.ts_ms <= end][-limit:]
    scale = venue.scales[shard.listing.symbol]
    bid, _, ask, _ = shard.top() or (0, 0, 0, 0)
    return {
        "trades": [
            {**venue.trade(shard, row), "bid": "", "ask": "", "exchange": ""}
            for row in reversed(rows)
        ],
        "best_bid": scale.short_price(bid),
        "best_ask": scale.short_price(ask),
    }


def _book(venue: Coinbase, call: Call) -> Json:
    name = call.params.get("product_id")
    shard = _shard(venue, name)
    limit = _integer(call, "limit", 100_000)
    image = venue.image(shard, limit)
    scale = venue.scales[shard.listing.symbol]
    bid, _, ask, _ = shard.top() or (0, 0, 0, 0)
    middle = scale.price_number(bid + ask) / 2
    return {
        "pricebook": {
            "product_id": name,
            "bids": [{"price": p, "size": q} for p, q in scale.short_levels(image.bids)],
            "asks": [{"price": p, "size": q} for p, q in scale.short_levels(image.asks)],
            "time": moment(venue.now_ms(), digits=6),
        },
        "last": scale.short_price(shard.candles.last_close),
        "mid_market": f"{middle:.3f}",
        "spread_bps": f"{(ask - bid) / (bid or 1) * 1e4:.4f}",
        "spread_absolute": scale.short_price(ask - bid),
    }


def _best(venue: Coinbase, call: Call) -> Json:
    wanted = call.request.query.getall("product_ids", [])
    names = wanted or [shard.listing.symbol for shard in venue.shards()]
    books = []
    for name in names:
        shard = _shard(venue, name)
        scale = venue.scales[shard.listing.symbol]
        told = {"product_id": name, "time": moment(venue.now_ms(), digits=6)}
        for side, levels in (("bids", shard.bids(1)), ("asks", shard.asks(1))):
            told[side] = [  # type: ignore[assignment]  # names and levels in one object
                {"price": p, "size": q} for p, q in scale.short_levels(levels)
            ]
        books.append(told)
    return {"pricebooks": books}


def _fiat(venue: Coinbase, call: Call) -> Json:
    return {"data": [{"id": "USD", "name": "US Dollar", "min_size": "0.01000000"}]}


def _crypto(venue: Coinbase, call: Call) -> Json:
    """List the coins, as the consumer API does."""
    coins = [
        {
            "asset_id": f"coin-{shard.listing.base.lower()}",
            "code": shard.listing.base,
            "name": shard.listing.base,
            "color": "#F7931A",
            "sort_index": 100 + index,
            "exponent": 8,
            "type": "crypto",
            "address_regex": "",
        }
        for index, shard in enumerate(venue.shards())
    ]
    return {"data": coins}


def _rates(venue: Coinbase, call: Call) -> Json:
    """Give what a dollar buys."""
    rates = {"USD": "1.0", "USDC": "1.0"}
    for shard in venue.shards():
        price = venue.scales[shard.listing.symbol].price_number(shard.candles.last_close)
        rates[shard.listing.base] = f"{1 / price:.12f}"
    return {"data": {"currency": "USD", "rates": rates}}


_BASE: Final = "/api/v3/brokerage"
_TABLE: Final[tuple[tuple[str, _Handler], ...]] = (
    ("/v2/currencies", _fiat),
    ("/v2/currencies/crypto", _crypto),
    ("/v2/exchange-rates", _rates),
    (f"{_BASE}/time", _time),
    (f"{_BASE}/best_bid_ask", _best),
    *(
        (f"{_BASE}{market}{path}", handler)
        for market in ("/market", "")
        for path, handler in (
            ("/products", _products),
            ("/products/{product_id}", _product),
            ("/products/{product_id}/candles", _candles),
            ("/products/{product_id}/ticker", _ticker),
            ("/product_book", _book),
        )
    ),
)
