"""The public REST endpoints of KuCoin, and the bullet that opens a socket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from emulator.clock import MS
from emulator.kucoin.instruments import describe
from emulator.kucoin.venue import BARS
from emulator.market.candles import length_ms
from emulator.market.shard import Shard
from emulator.wire.rest import Call, Refusal, Route
from emulator.wire.venue import Json

if TYPE_CHECKING:
    from emulator.kucoin.exchange import KuCoinExchange

_MOST_BARS: Final = 1_500
_MOST_TRADES: Final = 100
PING_MS: Final = 18_000


def table(venue: KuCoinExchange) -> list[Route]:
    """Return the endpoints with their weights."""
    made = [
        Route(path=path, handler=_of(venue, handler), cost=weight)
        for path, weight, handler in _TABLE
    ]
    bullet = _of(venue, _bullet)
    return [*made, Route(method="POST", path="/api/v1/bullet-public", handler=bullet, cost=10)]


def _of(
    venue: KuCoinExchange, handler: Callable[[KuCoinExchange, Call], Any]
) -> Callable[[Call], Awaitable[Any]]:
    async def serve(call: Call) -> Any:
        return handler(venue, call)

    return serve


def _refused(code: str, msg: str, status: int = 200) -> Refusal:
    return Refusal(status, {"code": code, "msg": msg})


def _shard(venue: KuCoinExchange, name: str | None) -> Shard:
    if not name:
        raise _refused("400100", "symbol: must not be blank", 400)
    shard = venue.find(name)
    if shard is None:
        raise _refused("900001", "The trading pair does not exist.", 400)
    return shard


def _bullet(venue: KuCoinExchange, call: Call) -> Json:
    return {
        "token": venue.issue(),
        "instanceServers": [
            {
                "endpoint": venue.urls(call.request.host)["ws"],
                "encrypt": False,
                "protocol": "websocket",
                "pingInterval": PING_MS,
                "pingTimeout": 10_000,
            }
        ],
    }


def _timestamp(venue: KuCoinExchange, call: Call) -> int:
    return venue.now_ms()


def _status(venue: KuCoinExchange, call: Call) -> Json:
    return {"status": "open", "msg": ""}


def _symbols(venue: KuCoinExchange, call: Call) -> list[Json]:
    return [describe(shard, venue.scales[shard.listing.symbol]) for shard in venue.shards()]


def _symbol(venue: KuCoinExchange, call: Call) -> Json:
    shard = _shard(venue, call.path("symbol"))
    return describe(shard, venue.scales[shard.listing.symbol])


def _opened(venue: KuCoinExchange, call: Call) -> bool:
    """Tell that the account trades at high frequency, as every new one does."""
    venue.check(call)
    return True


def _margin_symbols(venue: KuCoinExchange, call: Call) -> Json:
    return {"timestamp": venue.now_ms(), "items": []}


def _isolated_symbols(venue: KuCoinExchange, call: Call) -> list[Json]:
    return []


def _currencies(venue: KuCoinExchange, call: Call) -> list[Json]:
    names = dict.fromkeys(
        name for shard in venue.shards() for name in (shard.listing.base, shard.listing.quote)
    )
    return [
        {
            "currency": name,
            "name": name,
            "fullName": name,
            "precision": 8,
            "confirms": None,
            "contractAddress": None,
            "isMarginEnabled": True,
            "isDebitEnabled": True,
            "chains": [],
        }
        for name in names
    ]


def _level2(venue: KuCoinExchange, call: Call) -> Json:
    """Give the whole book; the venue asks for a key here."""
    venue.check(call)
    return _book(venue, call, 100_000)


def _part(venue: KuCoinExchange, call: Call) -> Json:
    size = call.path("size")
    if size not in ("20", "100"):
        raise _refused("404", "Not Found", 404)
    return _book(venue, call, int(size))


def _book(venue: KuCoinExchange, call: Call, levels: int) -> Json:
    shard = _shard(venue, call.params.get("symbol"))
    image = venue.image(shard, levels)
    scale = venue.scales[shard.listing.symbol]
    return {
        "time": venue.now_ms(),
        "sequence": str(image.update_id),
        "bids": scale.short_levels(image.bids),
        "asks": scale.short_levels(image.asks),
    }


def _level1(venue: KuCoinExchange, call: Call) -> Json:
    shard = _shard(venue, call.params.get("symbol"))
    return venue.pumps[shard.listing.symbol].ticker(venue.now_ms())


def _candles(venue: KuCoinExchange, call: Call) -> list[list[str]]:
    """Give candles newest first between two times in seconds, the later one excluded."""
    shard = _shard(venue, call.params.get("symbol"))
    interval = BARS.get(call.params.get("type", ""))
    if interval is None:
        raise _refused("400100", "type: incorrect candle type", 400)
    now_ms = venue.market.acted_ns // MS
    end = _seconds(call, "endAt", now_ms // 1_000 + 1)
    length = length_ms(interval)
    last = min(now_ms, end * 1_000 - 1)
    start = _seconds(call, "startAt", 0) * 1_000
    first = max(start, last - _MOST_BARS * length, shard.candles.first_ms)
    if first > last:
        return []
    rows = shard.candles.rows(interval, first, last).tolist()[-_MOST_BARS:]
    return [venue.bar(shard, row) for row in reversed(rows)]


def _seconds(call: Call, name: str, default: int) -> int:
    text = call.params.get(name) or "0"
    if not text.isdigit():
        raise _refused("400100", f"{name}: must be a number", 400)
    return int(text) or default


def _histories(venue: KuCoinExchange, call: Call) -> list[Json]:
    shard = _shard(venue, call.params.get("symbol"))
    scale = venue.scales[shard.listing.symbol]
    return [
        {
            "sequence": str(row.id),
            "price": scale.short_price(row.price_ticks),
            "size": scale.short_size(row.lots),
            "side": "sell" if row.buyer_is_maker else "buy",
            "time": row.ts_ms * 1_000_000,
        }
        for row in list(shard.trades)[-_MOST_TRADES:]
    ]


def _stats(venue: KuCoinExchange, call: Call) -> Json:
    shard = _shard(venue, call.params.get("symbol"))
    now_ms = venue.market.acted_ns // MS
    return {"time": now_ms, **venue.pumps[shard.listing.symbol].stats(now_ms)}


def _all_tickers(venue: KuCoinExchange, call: Call) -> Json:
    now_ms = venue.market.acted_ns // MS
    return {
        "time": now_ms,
        "ticker": [
            {**pump.stats(now_ms), "symbolName": pump.tape.symbol}
            for pump in venue.pumps.values()
            if pump.tape.shard.listed
        ],
    }


_TABLE: Final[tuple[tuple[str, int, Callable[[KuCoinExchange, Call], Any]], ...]] = (
    ("/api/v1/timestamp", 3, _timestamp),
    ("/api/v1/status", 3, _status),
    ("/api/v1/symbols", 4, _symbols),
    ("/api/v2/symbols", 4, _symbols),
    ("/api/v2/symbols/{symbol}", 4, _symbol),
    ("/api/v3/currencies", 3, _currencies),
    ("/api/v1/hf/accounts/opened", 2, _opened),
    ("/api/v3/margin/symbols", 3, _margin_symbols),
    ("/api/v1/isolated/symbols", 3, _isolated_symbols),
    ("/api/v3/market/orderbook/level2", 3, _level2),
    ("/api/v1/market/orderbook/level2_{size}", 2, _part),
    ("/api/v1/market/orderbook/level1", 2, _level1),
    ("/api/v1/market/candles", 3, _candles),
    ("/api/v1/market/histories", 3, _histories),
    ("/api/v1/market/stats", 15, _stats),
    ("/api/v1/market/allTickers", 15, _all_tickers),
)
