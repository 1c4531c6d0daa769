"""The public methods, the same over the socket and over HTTP."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Any, Final

from emulator.clock import MS
from emulator.deribit.instruments import currency, describe
from emulator.deribit.venue import Deribit, RpcError, invalid
from emulator.deribit.wire import change_id
from emulator.market.history import HOUR_MS
from emulator.market.perps import FUNDING_MS
from emulator.market.shard import Shard
from emulator.wire.venue import Json

RESOLUTIONS: Final[dict[str, str]] = {
    "1": "1m",
    "3": "3m",
    "5": "5m",
    "10": "10m",
    "15": "15m",
    "30": "30m",
    "60": "1h",
    "120": "2h",
    "180": "3h",
    "360": "6h",
    "720": "12h",
    "1D": "1d",
}
_CURRENCIES: Final = ("BTC", "ETH", "USDC", "USDT", "EURR", "any")
_DEPTHS: Final = (1, 5, 10, 20, 50, 100, 1_000, 10_000)
_LARGEST: Final = 1 << 62
_MOST_TRADES: Final = 1_000
_MOST_BARS: Final = 5_000
_VOLATILITY_S: Final[dict[str, int]] = {
    "1": 1, "60": 60, "3600": 3_600, "43200": 43_200, "1D": 86_400,
}  # fmt: skip
Params = dict[str, Any]
Method = Callable[[Deribit, Params], Any]


def number(params: Params, name: str, default: int | None = None) -> int:
    """Return a whole number, given as one or as text."""
    value = params.get(name, default)
    if value is None:
        raise invalid(name, "must be provided")
    try:
        whole = int(value)
    except (TypeError, ValueError, OverflowError):
        raise invalid(name, "must be an integer") from None
    if not 0 <= whole <= _LARGEST:
        raise invalid(name, f"must be between 0 and {_LARGEST}")
    return whole


def chosen(params: Params, name: str, among: tuple[str, ...], default: str | None = None) -> str:
    """Return one of some words."""
    value = params.get(name, default)
    if value is None:
        raise invalid(name, "must be provided")
    if value not in among:
        raise invalid(name, "wrong format")
    return str(value)


def _time(venue: Deribit, params: Params) -> int:
    return venue.now_ms()


def _test(venue: Deribit, params: Params) -> Json:
    if params.get("expected_result") == "exception":
        raise RpcError(-32000, "exception")
    return {"version": "1.2.26"}


def _hello(venue: Deribit, params: Params) -> Json:
    return {"version": "1.2.26"}


def _status(venue: Deribit, params: Params) -> Json:
    return {"locked": "false", "locked_indices": []}


def _currencies(venue: Deribit, params: Params) -> list[Json]:
    return [
        {
            "coin_type": "BITCOIN" if name == "BTC" else "ETHER",
            "currency": name,
            "currency_long": {"BTC": "Bitcoin", "ETH": "Ethereum", "USDC": "USD Coin"}[name],
            "decimals": 6 if name == "USDC" else 8,
            "in_cross_collateral_pool": True,
            "min_confirmations": 1,
            "min_withdrawal_fee": 0.0001,
            "withdrawal_fee": 0.0001,
            "withdrawal_priorities": [],
            "apr": 0.0,
            "network_fee": 0.0001,
            "network_currency": name,
        }
        for name in dict.fromkeys(currency(shard.listing) for shard in venue.shards())
    ]


def _instruments(venue: Deribit, params: Params) -> list[Json]:
    of = chosen(params, "currency", _CURRENCIES, "any")
    kinds = ("future", "option", "spot", "future_combo", "option_combo", "any")
    kind = chosen(params, "kind", kinds, "any")
    if str(params.get("expired", "false")).lower() == "true":
        return []
    numbers = {name: index for index, name in enumerate(venue.market.shards)}
    return [
        describe(shard, venue.scales[shard.listing.symbol], numbers[shard.listing.symbol])
        for shard in venue.of(of, kind)
    ]


def _instrument(venue: Deribit, params: Params) -> Json:
    shard = venue.shard(params.get("instrument_name"))
    number_of = list(venue.market.shards).index(shard.listing.symbol)
    return describe(shard, venue.scales[shard.listing.symbol], number_of)


def _order_book(venue: Deribit, params: Params) -> Json:
    shard = venue.shard(params.get("instrument_name"))
    depth = number(params, "depth", 5)
    if depth not in _DEPTHS:
        raise invalid("depth", "wrong format")
    writer = venue.writers[shard.listing.symbol]
    image = venue.image(shard, depth)
    return {
        **writer.ticker(venue.market.acted_ns // MS),
        "change_id": change_id(image.update_id),
        "bids": writer.levels(image.bids),
        "asks": writer.levels(image.asks),
    }


def _ticker(venue: Deribit, params: Params) -> Json:
    shard = venue.shard(params.get("instrument_name"))
    return venue.writers[shard.listing.symbol].ticker(venue.market.acted_ns // MS)


def _summary(venue: Deribit, params: Params) -> list[Json]:
    of = chosen(params, "currency", _CURRENCIES)
    kind = str(params.get("kind", "any"))
    now_ms = venue.market.acted_ns // MS
    return [venue.writers[s.listing.symbol].summary(now_ms) for s in venue.of(of, kind)]


def _summary_of(venue: Deribit, params: Params) -> list[Json]:
    shard = venue.shard(params.get("instrument_name"))
    return [venue.writers[shard.listing.symbol].summary(venue.market.acted_ns // MS)]


def _index_price(venue: Deribit, params: Params) -> Json:
    price = venue.indices().get(str(params.get("index_name")))
    if price is None:
        raise invalid("index_name", "wrong format")
    return {"index_price": price, "estimated_delivery_price": price}


def _index_names(venue: Deribit, params: Params) -> list[str]:
    return sorted(venue.indices())


def _trades(venue: Deribit, params: Params) -> Json:
    shard = venue.shard(params.get("instrument_name"))
    return _page(venue, [shard], params)


def _trades_of_currency(venue: Deribit, params: Params) -> Json:
    of = chosen(params, "currency", _CURRENCIES)
    return _page(venue, venue.of(of, str(params.get("kind", "any"))), params)


def _page(venue: Deribit, shards: list[Shard], params: Params) -> Json:
    """Give the newest trades, newest first; with a start and ascending order, the oldest ones."""
    count = min(number(params, "count", 10), _MOST_TRADES)
    first, last = number(params, "start_seq", 0), number(params, "end_seq", 1 << 62)
    start, end = number(params, "start_timestamp", 0), number(params, "end_timestamp", 1 << 62)
    rising = params.get("sorting", "default") == "asc"
    found = [
        (row.ts_ms, row.id, row, venue.writers[shard.listing.symbol])
        for shard in shards
        for row in shard.trades
        if first <= row.id <= last and start <= row.ts_ms <= end
    ]
    found.sort(key=lambda each: each[:2], reverse=not rising)
    now_ms = venue.market.acted_ns // MS
    return {
        "trades": [writer.trade(row, now_ms) for _, _, row, writer in found[:count]],
        "has_more": len(found) > count,
    }


def _chart(venue: Deribit, params: Params) -> Json:
    """Give candles as columns, oldest first."""
    shard = venue.shard(params.get("instrument_name"))
    interval = RESOLUTIONS[chosen(params, "resolution", tuple(RESOLUTIONS))]
    start, end = number(params, "start_timestamp"), number(params, "end_timestamp")
    start = max(start, shard.candles.first_ms)
    end = min(end, venue.market.acted_ns // MS)
    rows = shard.candles.rows(interval, start, max(start, end))[-_MOST_BARS:].tolist()
    writer = venue.writers[shard.listing.symbol]
    price = writer.scale.price_number
    told: Json = {name: [] for name in ("ticks", "open", "high", "low", "close", "volume", "cost")}
    for opened, o, h, low, c, lots, notional, *_ in rows:
        volume, cost = writer.volume(lots, notional, c)
        for name, value in (
            ("ticks", opened),
            ("open", price(o)),
            ("high", price(h)),
            ("low", price(low)),
            ("close", price(c)),
            ("volume", volume),
            ("cost", cost),
        ):
            told[name].append(value)
    told["status"] = "ok" if told["ticks"] else "no_data"
    return told


def _funding_history(venue: Deribit, params: Params) -> list[Json]:
    """Give hourly interest, oldest first."""
    shard = venue.shard(params.get("instrument_name"))
    future = venue.futures.get(shard.listing.symbol)
    if future is None or not future.perpetual:
        raise invalid("instrument_name", "wrong format")
    start = max(number(params, "start_timestamp"), shard.candles.first_ms + FUNDING_MS)
    end = min(number(params, "end_timestamp"), venue.market.acted_ns // MS)
    rows = []
    for hour in range(-(-start // HOUR_MS), end // HOUR_MS + 1):
        paid = future.funding_at(hour * HOUR_MS // FUNDING_MS * FUNDING_MS)
        rows.append(
            {
                "timestamp": hour * HOUR_MS,
                "index_price": round(paid.mark, 2),
                "prev_index_price": round(paid.mark, 2),
                "interest_8h": paid.rate,
                "interest_1h": round(paid.rate / 8, 10),
            }
        )
    return rows


def _funding_value(venue: Deribit, params: Params) -> float:
    return float(sum(row["interest_1h"] for row in _funding_history(venue, params)))


def _volatility(venue: Deribit, params: Params) -> Json:
    """Give the volatility index as [time, open, high, low, close], oldest first."""
    of = chosen(params, "currency", ("BTC", "ETH"))
    chain = venue.market.chains.get(f"{of}USDT")
    if chain is None:
        raise invalid("currency", "wrong format")
    step = 1_000 * _VOLATILITY_S[chosen(params, "resolution", tuple(_VOLATILITY_S))]
    start, end = number(params, "start_timestamp"), number(params, "end_timestamp")
    end = min(end, venue.market.acted_ns // MS)
    first = max(-(-start // step), end // step - 999)
    rows: list[list[float]] = []
    for index in range(first, end // step + 1):
        inner = [index * step + step * part // 6 for part in range(7)]
        values = [round(100 * chain.atm_at(min(at, end)), 2) for at in inner]
        rows.append([index * step, values[0], max(values), min(values), values[-1]])
    more = first * step - 1 if first * step > start + step else None
    return {"data": rows, "continuation": more}


def _contract_size(venue: Deribit, params: Params) -> Json:
    return {"contract_size": _instrument(venue, params)["contract_size"]}


def authenticate(venue: Deribit, params: Params) -> Json:
    """Check credentials (secret, signature or refresh token) and give tokens.

    Raises:
        RpcError: 13004 or -32602.
    """
    kinds = ("client_credentials", "client_signature", "refresh_token")
    grant = chosen(params, "grant_type", kinds)
    if grant == "refresh_token":
        if venue.tokens.get(str(params.get("refresh_token"))) != "refresh":
            raise RpcError(13009, "unauthorized", {"reason": "invalid_token"})
        return venue.token()
    secret = venue.keys.get(str(params.get("client_id")))
    if secret is None:
        raise RpcError(13004, "invalid_credentials")
    if grant == "client_credentials":
        given, wanted = str(params.get("client_secret")), secret
    else:
        text = f"{params.get('timestamp')}\n{params.get('nonce', '')}\n{params.get('data', '')}"
        wanted = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        given = str(params.get("signature"))
    if not hmac.compare_digest(given, wanted):
        raise RpcError(13004, "invalid_credentials")
    return venue.token()


METHODS: Final[dict[str, Method]] = {
    "public/auth": authenticate,
    "public/get_time": _time,
    "public/test": _test,
    "public/hello": _hello,
    "public/status": _status,
    "public/get_currencies": _currencies,
    "public/get_instruments": _instruments,
    "public/get_instrument": _instrument,
    "public/get_order_book": _order_book,
    "public/ticker": _ticker,
    "public/get_book_summary_by_currency": _summary,
    "public/get_book_summary_by_instrument": _summary_of,
    "public/get_index_price": _index_price,
    "public/get_index_price_names": _index_names,
    "public/get_last_trades_by_instrument": _trades,
    "public/get_last_trades_by_instrument_and_time": _trades,
    "public/get_last_trades_by_currency": _trades_of_currency,
    "public/get_last_trades_by_currency_and_time": _trades_of_currency,
    "public/get_tradingview_chart_data": _chart,
    "public/get_funding_rate_history": _funding_history,
    "public/get_funding_rate_value": _funding_value,
    "public/get_volatility_index_data": _volatility,
    "public/get_contract_size": _contract_size,
}
"""What can be called anywhere; subscriptions and heartbeats are of the socket alone."""
