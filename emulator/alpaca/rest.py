"""Alpaca's REST endpoints: bars, trades and quotes by page, the latest of each, clock, assets."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from emulator.alpaca.account import account, whitelists
from emulator.alpaca.hours import NEW_YORK, is_open, session, turns
from emulator.alpaca.instruments import TEST_SYMBOL, describe
from emulator.clock import MS
from emulator.market.candles import length_ms
from emulator.market.history import DAY_MS
from emulator.market.shard import Shard
from emulator.wire.rest import Call, Refusal, Route
from emulator.wire.venue import Json

if TYPE_CHECKING:
    from emulator.alpaca.venue import Alpaca

_FRAMES: Final[dict[str, str]] = {
    "1Min": "1m", "3Min": "3m", "5Min": "5m", "10Min": "10m", "15Min": "15m", "30Min": "30m",
    "1Hour": "1h", "2Hour": "2h", "3Hour": "3h", "4Hour": "4h", "6Hour": "6h", "8Hour": "8h",
    "12Hour": "12h", "1Day": "1d", "1Week": "1w", "1Month": "1M",
}  # fmt: skip
_SHORT: Final = {"T": "Min", "H": "Hour", "D": "Day", "W": "Week", "M": "Month"}
_MOST_ROWS: Final = 10_000
_Handler = Callable[["Alpaca", Call], Any]
_Items = Callable[["Alpaca", Call, Shard, int, int], list[tuple[int, Json]]]


def table(venue: Alpaca) -> list[Route]:
    """Return the endpoints."""
    return [
        Route(path=path, handler=_of(venue, handler, checked=not path.startswith("/v1beta3")))
        for path, handler in _TABLE
    ]


def common_table(venue: Alpaca) -> list[Route]:
    """Return the endpoints the hosts of trading have too: clock, calendar, assets."""
    return [
        Route(path=path, handler=_of(venue, handler, checked=True))
        for path, handler in _TABLE
        if not path.startswith(("/v2/stocks", "/v1beta3"))
    ]


def _of(venue: Alpaca, handler: _Handler, *, checked: bool) -> Callable[[Call], Awaitable[Any]]:
    async def serve(call: Call) -> Any:
        if checked:
            venue.check(call)  # crypto data alone is for everybody
        return handler(venue, call)

    return serve


def _bad(words: str) -> Refusal:
    return Refusal(400, {"message": words})


def _stock(call: Call) -> bool:
    return "/stocks/" in call.request.path


def _shards(venue: Alpaca, call: Call) -> list[Shard]:
    """Return the instruments asked for, in order of their names."""
    text = call.request.match_info.get("symbol") or call.params.get("symbols") or ""
    names = sorted({name for name in text.split(",") if name})
    if not names:
        raise _bad("symbols is required")
    kind = "stock" if _stock(call) else "spot"
    found = [venue.find(name) for name in names]
    return [shard for shard in found if shard is not None and shard.listing.kind == kind]


def _time(call: Call, name: str, default: int, *, end: bool = False) -> int:
    """Return a time (RFC 3339, or a day) in ms."""
    text = call.params.get(name)
    if not text:
        return default
    try:
        if len(text) == 10:
            day = dt.datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)
            return int((day + dt.timedelta(days=1 if end else 0)).timestamp() * 1_000)
        at = dt.datetime.fromisoformat(text)
        return int((at if at.tzinfo else at.replace(tzinfo=dt.UTC)).timestamp() * 1_000)
    except ValueError:
        raise _bad(f"invalid {name}: {text!r}") from None


def _page(name: str, items: _Items) -> _Handler:
    """Return a handler that gives items of several symbols, a page at a time.

    The items of one symbol come after those of the one before; the token says where to go on.
    """

    def serve(venue: Alpaca, call: Call) -> Json:
        shards = _shards(venue, call)
        limit = call.params.get("limit", "1000")
        if not limit.isdigit() or not 1 <= int(limit) <= _MOST_ROWS:
            raise _bad(f"invalid limit: {limit}")
        now_ms = venue.market.acted_ns // MS
        start = _time(call, "start", now_ms // DAY_MS * DAY_MS)
        end = min(now_ms, _time(call, "end", now_ms, end=True))
        falling = call.params.get("sort") == "desc"
        symbol, key = _token(call)
        left, told, after = int(limit), {}, None
        for shard in shards:
            mine = shard.listing.symbol
            if mine < symbol:
                continue
            rows = items(venue, call, shard, start, end)
            if falling:
                rows.reverse()
            if mine == symbol:
                rows = [row for row in rows if (row[0] < key if falling else row[0] > key)]
            if rows and not left:
                break
            if rows:
                told[mine] = [row for _, row in rows[:left]]
                after = f"{mine}|{rows[:left][-1][0]}"
                if len(rows) > left:
                    left = 0
                    break
                left -= len(rows)
        else:
            after = None
        token = base64.b64encode(after.encode()).decode() if after else None
        if "symbol" in call.request.match_info:
            one = call.path("symbol")
            return {"symbol": one, name: told.get(one, []), "next_page_token": token}
        return {name: told, "next_page_token": token}

    return serve


def _token(call: Call) -> tuple[str, int]:
    text = call.params.get("page_token")
    if not text:
        return "", 0
    try:
        symbol, _, key = base64.b64decode(text, validate=True).decode().rpartition("|")
        return symbol, int(key)
    except (binascii.Error, ValueError):
        raise _bad("invalid page_token") from None


def _frame(call: Call) -> str:
    text = call.params.get("timeframe", "")
    if text and text[-1] in _SHORT and text[:-1].isdigit():
        text = text[:-1] + _SHORT[text[-1]]
    interval = _FRAMES.get(text)
    if interval is None:
        raise _bad(f"invalid timeframe: {text}")
    return "1d-5" if interval == "1d" and _stock(call) else interval


def _bars(venue: Alpaca, call: Call, shard: Shard, start: int, end: int) -> list[tuple[int, Json]]:
    interval = _frame(call)
    start = max(start, shard.candles.first_ms)
    if end < start:
        return []
    rows = shard.candles.rows(interval, start, end).tolist()
    if shard.listing.kind == "stock":
        rows = [row for row in rows if row[7]]
        if venue.keeps_hours and length_ms(interval) < DAY_MS:
            rows = [row for row in rows if is_open(row[0])]
    return [(row[0], venue.bar(shard, row)) for row in rows]


def _trades(
    venue: Alpaca, call: Call, shard: Shard, start: int, end: int
) -> list[tuple[int, Json]]:
    rows = [row for row in shard.trades if start <= row.ts_ms <= end]
    return [(row.id, venue.trade(shard, row)) for row in rows]


def _quotes(
    venue: Alpaca, call: Call, shard: Shard, start: int, end: int
) -> list[tuple[int, Json]]:
    rows = [row for row in venue.quotes[shard.listing.symbol] if start <= row[0] <= end]
    # Two quotes of one millisecond are told apart by their place.
    return [
        (at * 1_000 + index % 1_000, venue.quote(shard, quote, at))
        for index, (at, quote) in enumerate(rows)
    ]


def _latest(name: str, one: str, make: Callable[[Alpaca, Shard], Json | None]) -> _Handler:
    def serve(venue: Alpaca, call: Call) -> Json:
        told = {shard.listing.symbol: make(venue, shard) for shard in _shards(venue, call)}
        told = {symbol: row for symbol, row in told.items() if row is not None}
        if "symbol" in call.request.match_info:
            symbol = call.path("symbol")
            if symbol not in told:
                raise Refusal(404, {"message": f"no {one} found for {symbol}"})
            return {"symbol": symbol, one: told[symbol]}
        return {name: told}

    return serve


def _last_trade(venue: Alpaca, shard: Shard) -> Json | None:
    return venue.trade(shard, shard.trades[-1]) if shard.trades else None


def _last_quote(venue: Alpaca, shard: Shard) -> Json | None:
    top = shard.top()
    return venue.quote(shard, top, venue.market.acted_ns // MS) if top is not None else None


def _last_bar(venue: Alpaca, shard: Shard) -> Json:
    now_ms = venue.market.acted_ns // MS
    return venue.bar(shard, shard.candles.latest("1m", now_ms, before=1))


def _last_book(venue: Alpaca, shard: Shard) -> Json:
    image = venue.image(shard, 100_000)
    at = venue.now_ms()
    return {"t": _moment(at), **venue.book(shard, image.bids, image.asks)}


def _moment(ms: int) -> str:
    return dt.datetime.fromtimestamp(ms / 1_000, dt.UTC).isoformat().replace("+00:00", "Z")


def _snapshot(venue: Alpaca, shard: Shard) -> Json:
    now_ms = venue.market.acted_ns // MS
    day = "1d-5" if shard.listing.kind == "stock" else "1d"
    told = {
        "latestTrade": _last_trade(venue, shard),
        "latestQuote": _last_quote(venue, shard),
        "minuteBar": _last_bar(venue, shard),
        "dailyBar": venue.bar(shard, shard.candles.latest(day, now_ms)),
        "prevDailyBar": venue.bar(shard, shard.candles.latest(day, now_ms, before=1)),
    }
    return {name: value for name, value in told.items() if value is not None}


def _snapshots(venue: Alpaca, call: Call) -> Json:
    told = {shard.listing.symbol: _snapshot(venue, shard) for shard in _shards(venue, call)}
    return told if _stock(call) else {"snapshots": told}


def _clock(venue: Alpaca, call: Call) -> Json:
    now_ms = venue.now_ms()
    opening, closing = turns(now_ms)
    return {
        "timestamp": dt.datetime.fromtimestamp(now_ms / 1_000, NEW_YORK).isoformat(),
        "is_open": is_open(now_ms) if venue.keeps_hours else True,
        "next_open": opening.isoformat(),
        "next_close": closing.isoformat(),
    }


def _calendar(venue: Alpaca, call: Call) -> list[Json]:
    now_ms = venue.now_ms()
    first = _time(call, "start", now_ms - 30 * DAY_MS)
    last = _time(call, "end", now_ms + 30 * DAY_MS, end=True) - 1
    day = dt.datetime.fromtimestamp(first / 1_000, NEW_YORK).date()
    end = dt.datetime.fromtimestamp(last / 1_000, NEW_YORK).date()
    told = []
    while day <= end:
        hours = session(day)
        if hours is not None:
            told.append(
                {
                    "date": day.isoformat(),
                    "open": f"{hours[0]:%H:%M}",
                    "close": f"{hours[1]:%H:%M}",
                    "session_open": "0400",
                    "session_close": "2000",
                    "settlement_date": (day + dt.timedelta(days=1)).isoformat(),
                }
            )
        day += dt.timedelta(days=1)
    return told


def _assets(venue: Alpaca, call: Call) -> list[Json]:
    told = [describe(shard, venue.scales[shard.listing.symbol]) for shard in venue.shards()]
    kind = call.params.get("asset_class")
    return [
        row for row in told if kind in (None, "", row["class"]) and row["symbol"] != TEST_SYMBOL
    ]


def _asset(venue: Alpaca, call: Call) -> Json:
    name = call.path("name")
    for row in _assets(venue, call):
        if name in (row["id"], row["symbol"], str(row["symbol"]).replace("/", "")):
            return row
    raise Refusal(404, {"code": 40410000, "message": f"asset not found for {name}"})


_COINS: Final = "/v1beta3/crypto/us"
_TABLE: Final[tuple[tuple[str, _Handler], ...]] = (
    ("/v2/stocks/bars", _page("bars", _bars)),
    ("/v2/stocks/trades", _page("trades", _trades)),
    ("/v2/stocks/quotes", _page("quotes", _quotes)),
    ("/v2/stocks/bars/latest", _latest("bars", "bar", _last_bar)),
    ("/v2/stocks/trades/latest", _latest("trades", "trade", _last_trade)),
    ("/v2/stocks/quotes/latest", _latest("quotes", "quote", _last_quote)),
    ("/v2/stocks/snapshots", _snapshots),
    ("/v2/stocks/{symbol}/bars", _page("bars", _bars)),
    ("/v2/stocks/{symbol}/trades", _page("trades", _trades)),
    ("/v2/stocks/{symbol}/quotes", _page("quotes", _quotes)),
    ("/v2/stocks/{symbol}/bars/latest", _latest("bars", "bar", _last_bar)),
    ("/v2/stocks/{symbol}/trades/latest", _latest("trades", "trade", _last_trade)),
    ("/v2/stocks/{symbol}/quotes/latest", _latest("quotes", "quote", _last_quote)),
    (f"{_COINS}/bars", _page("bars", _bars)),
    (f"{_COINS}/trades", _page("trades", _trades)),
    (f"{_COINS}/quotes", _page("quotes", _quotes)),
    (f"{_COINS}/latest/bars", _latest("bars", "bar", _last_bar)),
    (f"{_COINS}/latest/trades", _latest("trades", "trade", _last_trade)),
    (f"{_COINS}/latest/quotes", _latest("quotes", "quote", _last_quote)),
    (f"{_COINS}/latest/orderbooks", _latest("orderbooks", "orderbook", _last_book)),
    (f"{_COINS}/snapshots", _snapshots),
    ("/v2/clock", _clock),
    ("/v2/account", account),
    ("/v2/wallets/whitelists", whitelists),
    ("/v2/calendar", _calendar),
    ("/v2/assets", _assets),
    ("/v2/assets/{name:.+}", _asset),
)
