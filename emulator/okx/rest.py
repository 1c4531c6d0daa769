"""The public REST endpoints of OKX: HTTP 200 with a code inside, lists newest first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from emulator.clock import MS
from emulator.market.candles import length_ms
from emulator.market.perps import FUNDING_MS, Future
from emulator.market.shard import Shard
from emulator.okx.instruments import family, position_tiers
from emulator.okx.streams import listed
from emulator.okx.venue import Okx
from emulator.okx.wire import BARS
from emulator.wire.numbers import digits
from emulator.wire.rest import Call, Refusal, Route
from emulator.wire.venue import Json

_NEWEST_BARS: Final = 1_440
_MOST_BARS: Final = 300
_MOST_TRADES: Final = 500
_MOST_FAMILIES: Final = 5
_Handler = Callable[[Okx, Call], Any]


def table(venue: Okx) -> list[Route]:
    """Return the endpoints with how many requests each allows in two seconds."""
    return [
        Route(path=f"/api/v5/{path}", handler=_of(venue, handler), cost=allowed)
        for path, allowed, handler in _TABLE
    ]


def _of(venue: Okx, handler: _Handler) -> Callable[[Call], Awaitable[Any]]:
    async def serve(call: Call) -> Any:
        return handler(venue, call)

    return serve


def _refused(code: str, msg: str) -> Refusal:
    """Return an error as the venue tells it: with HTTP 200 for what was asked wrongly."""
    return Refusal(200, {"code": code, "msg": msg, "data": []})


def _shard(venue: Okx, call: Call) -> Shard:
    name = call.params.get("instId")
    if not name:
        raise _refused("50014", "Parameter instId cannot be empty.")
    shard = venue.find(name)
    if shard is None:
        raise _refused("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")
    return shard


def _integer(call: Call, name: str, default: int, most: int) -> int:
    text = call.params.get(name, "")
    if not text:
        return default
    if not digits(text):
        raise _refused("51000", f"Parameter {name} error")
    return min(int(text), most)


def _time(venue: Okx, call: Call) -> list[Json]:
    return [{"ts": str(venue.now_ms())}]


def _instruments(venue: Okx, call: Call) -> list[Json]:
    kind = call.params.get("instType")
    if not kind:
        raise _refused("50014", "Parameter instType cannot be empty.")
    if kind not in ("SPOT", "SWAP", "MARGIN", "FUTURES", "OPTION"):
        raise _refused("51000", "Parameter instType error")
    name = call.params.get("instId")
    rows = listed(venue, kind)
    found = [row for row in rows if name in (None, row["instId"])]
    if name and not found:
        raise _refused("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")
    return found


def _books(venue: Okx, call: Call) -> list[Json]:
    shard = _shard(venue, call)
    levels = max(1, _integer(call, "sz", 1, 400))
    image = venue.image(shard, levels)
    writer = venue.writers[shard.listing.symbol]
    return [
        {
            "asks": writer.levels(image.asks, bid=False),
            "bids": writer.levels(image.bids, bid=True),
            "ts": str(venue.now_ms()),
            "seqId": image.update_id,
        }
    ]


def _candles(venue: Okx, call: Call) -> list[list[str]]:
    return _bars(venue, call, oldest=_NEWEST_BARS)


def _history(venue: Okx, call: Call) -> list[list[str]]:
    return _bars(venue, call, oldest=None)


def _bars(venue: Okx, call: Call, *, oldest: int | None) -> list[list[str]]:
    """Give candles newest first: ``after`` asks for older ones than a time, ``before`` newer."""
    shard = _shard(venue, call)
    interval = BARS.get(call.params.get("bar") or "1m")
    if interval is None:
        raise _refused("51000", "Parameter bar error")
    limit = max(1, _integer(call, "limit", 100, _MOST_BARS))
    now_ms = venue.market.acted_ns // MS
    after = _integer(call, "after", now_ms + 1, 1 << 62)
    before = _integer(call, "before", -1, 1 << 62)
    last = min(now_ms, after - 1)
    length = length_ms(interval)
    first = max(shard.candles.first_ms, before + 1, last - (limit + 1) * length)
    if oldest is not None:
        first = max(first, now_ms - oldest * length)
    if first > last:
        return []
    rows = shard.candles.rows(interval, first, last).tolist()[-limit:]
    writer = venue.writers[shard.listing.symbol]
    return [writer.bar(row, interval, now_ms) for row in reversed(rows)]


def _trades(venue: Okx, call: Call) -> list[Json]:
    shard = _shard(venue, call)
    limit = max(1, _integer(call, "limit", 100, _MOST_TRADES))
    writer = venue.writers[shard.listing.symbol]
    rows = list(shard.trades)
    after = _integer(call, "after", 1 << 62, 1 << 62)
    before = _integer(call, "before", 0, 1 << 62)
    if call.params.get("type") == "2":
        rows = [row for row in rows if before < row.ts_ms < after]
    else:
        rows = [row for row in rows if before < row.id < after]
    return [writer.fill(row) for row in reversed(rows[-limit:])]


def _ticker(venue: Okx, call: Call) -> list[Json]:
    shard = _shard(venue, call)
    return [_told(venue, shard)]


def _tickers(venue: Okx, call: Call) -> list[Json]:
    kind = call.params.get("instType", "")
    told = [_told(venue, shard) for shard in venue.shards()]
    return [row for row in told if row["instType"] == kind]


def _told(venue: Okx, shard: Shard) -> Json:
    writer = venue.writers[shard.listing.symbol]
    return writer.ticker(venue.market.acted_ns // MS, shard.top() or (0, 0, 0, 0))


def _futures(venue: Okx, call: Call) -> list[tuple[str, Future]]:
    name = call.params.get("instId")
    if name and name != "ANY":
        shard = _shard(venue, call)
        if shard.listing.kind != "perpetual":
            raise _refused("51000", "Parameter instId error")
        return [(name, venue.futures[name])]
    return [(name, future) for name, future in venue.futures.items() if future.shard.listed]


def _funding(venue: Okx, call: Call) -> list[Json]:
    now_ms = venue.now_ms()
    return [venue.writers[name].funding(future, now_ms) for name, future in _futures(venue, call)]


def _funding_history(venue: Okx, call: Call) -> list[Json]:
    name, future = _futures(venue, call)[0]
    limit = max(1, _integer(call, "limit", 400, 400))
    now_ms = venue.market.acted_ns // MS
    after = min(_integer(call, "after", now_ms + 1, 1 << 62), now_ms + 1)
    before = max(_integer(call, "before", -1, 1 << 62), future.shard.candles.first_ms)
    rows: list[Json] = []
    slot = (after - 1) // FUNDING_MS * FUNDING_MS
    while slot > before and len(rows) < limit:
        paid = future.funding_at(slot)
        rows.append(
            {
                "formulaType": "withRate",
                "fundingRate": f"{paid.rate:.10f}",
                "fundingTime": str(slot),
                "instId": name,
                "instType": "SWAP",
                "method": "current_period",
                "realizedRate": f"{paid.rate:.10f}",
            }
        )
        slot -= FUNDING_MS
    return rows


def _open_interest(venue: Okx, call: Call) -> list[Json]:
    now_ms = venue.now_ms()
    return [
        venue.writers[name].open_interest(future, now_ms) for name, future in _futures(venue, call)
    ]


def _mark(venue: Okx, call: Call) -> list[Json]:
    now_ms = venue.now_ms()
    return [venue.writers[name].mark(future, now_ms) for name, future in _futures(venue, call)]


def _index(venue: Okx, call: Call) -> list[Json]:
    name = call.params.get("instId")
    names = venue.indices() if not name else [name]
    if any(each not in venue.indices() for each in names):
        raise _refused("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")
    ts = str(venue.now_ms())
    return [{"instId": each, "idxPx": venue.index_price(each), "ts": ts} for each in names]


def _price_limit(venue: Okx, call: Call) -> list[Json]:
    shard = _shard(venue, call)
    return [venue.writers[shard.listing.symbol].price_limit(venue.now_ms())]


def _tiers(venue: Okx, call: Call) -> list[Json]:
    """Tell the tiers of families of perpetuals, in contracts."""
    kind, mode = call.params.get("instType"), call.params.get("tdMode")
    if not kind:
        raise _refused("50014", "Parameter instType cannot be empty.")
    if kind not in ("MARGIN", "SWAP", "FUTURES", "OPTION"):
        raise _refused("51000", "Parameter instType error")
    if mode not in ("cross", "isolated"):
        raise _refused("51000", "Parameter tdMode error")
    asked = call.params.get("instFamily") or call.params.get("uly")
    if not asked:
        raise _refused("50015", "Either parameter uly or instFamily is required.")
    families = asked.split(",")
    if len(families) > _MOST_FAMILIES:
        raise _refused("51000", "Parameter instFamily error")
    wanted = call.params.get("tier")
    return [
        row
        for product in venue.house.products.values()
        if not product.spot and kind == "SWAP" and family(product.shard.listing) in families
        for row in position_tiers(product)
        if wanted in (None, "", row["tier"])
    ]


def _status(venue: Okx, call: Call) -> list[Json]:
    return []


_TABLE: Final[tuple[tuple[str, int, _Handler], ...]] = (
    ("public/time", 10, _time),
    ("public/instruments", 20, _instruments),
    ("market/books", 40, _books),
    ("market/books-full", 10, _books),
    ("market/candles", 40, _candles),
    ("market/history-candles", 20, _history),
    ("market/trades", 100, _trades),
    ("market/history-trades", 20, _trades),
    ("market/ticker", 20, _ticker),
    ("market/tickers", 20, _tickers),
    ("market/index-tickers", 20, _index),
    ("public/funding-rate", 20, _funding),
    ("public/funding-rate-history", 10, _funding_history),
    ("public/open-interest", 20, _open_interest),
    ("public/mark-price", 10, _mark),
    ("public/price-limit", 20, _price_limit),
    ("public/position-tiers", 10, _tiers),
    ("system/status", 1, _status),
)
