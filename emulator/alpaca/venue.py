"""Alpaca behind its endpoints: how it writes trades, quotes and bars, its limits and hours."""

from __future__ import annotations

import datetime as dt
import hmac
from collections import deque
from typing import Any, Final

from emulator.alpaca.hours import is_open
from emulator.clock import MS, Clock
from emulator.market.market import Market
from emulator.market.shard import Shard, TradeRow
from emulator.wire.connection import Habits
from emulator.wire.limits import Windows
from emulator.wire.rest import Call, Refusal
from emulator.wire.tape import Bar, Quote
from emulator.wire.venue import Json, Venue

REQUESTS_A_MINUTE: Final = 200
_MINUTE_MS: Final = 60_000
_QUOTES_KEPT: Final = 2_000
_TRADING: Final = ("v2/orders", "v2/positions", "v2/account", "v2/options")


def moment(ms: int) -> str:
    """Write a time as the venue does, RFC 3339 with as many decimals as it takes."""
    at = dt.datetime.fromtimestamp(ms // 1_000, dt.UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}" + (f".{ms % 1_000:03d}Z" if ms % 1_000 else "Z")


class Alpaca(Venue):
    """The venue without its paths."""

    name = "alpaca"
    prefix = "/alpaca"
    habits = Habits()
    unknown = b'[{"T":"zz","S":"AAPL","z":[1,"2",null]}]'

    def __init__(
        self, market: Market, clock: Clock, seed: int, api_key: str, api_secret: str
    ) -> None:
        super().__init__(market, clock, seed)
        self.keys = {api_key: api_secret}
        self.windows = Windows()
        self.requests_a_minute = REQUESTS_A_MINUTE
        self.most_connections = 1
        """Authenticated connections a feed allows an account."""
        self.most_symbols = 30
        """Symbols of trades or quotes a connection may follow."""
        self.authenticate_within_s = 10.0
        self.keeps_hours = False
        """Stocks trade in NYSE's hours alone."""
        self.quotes: dict[str, deque[tuple[int, Quote]]] = {
            name: deque(maxlen=_QUOTES_KEPT) for name in market.shards
        }
        market.world.every_second.append(self._each_second)

    def _each_second(self, now_ns: int) -> None:
        closed = self.keeps_hours and not is_open(now_ns // MS)
        for shard in self.market.shards.values():
            if shard.listing.kind == "stock":
                shard.closed = closed

    def switch(self, what: str, *, on: bool) -> None:
        """Keep New York's hours, or trade always."""
        super().switch(what, on=on)
        if what == "stock_hours":
            self.keeps_hours = on
            self._each_second(self.market.acted_ns)

    def rename(self, old: str, new: str) -> None:
        """Call an instrument by another name from now on."""
        super().rename(old, new)
        self.quotes[new] = self.quotes.pop(old)

    def allows(self, key: object, secret: object) -> bool:
        """Return whether a key pair is the account's."""
        known = self.keys.get(str(key))
        return known is not None and hmac.compare_digest(known, str(secret))

    def trade(self, shard: Shard, row: TradeRow, *, exchange: str = "V") -> Json:
        """Write a trade."""
        scale = self.scales[shard.listing.symbol]
        told: Json = {"t": moment(row.ts_ms), "p": scale.price_number(row.price_ticks)}
        if shard.listing.kind == "stock":
            told |= {"x": exchange, "s": row.lots, "c": ["@"], "i": row.id, "z": "C"}
        else:
            taker = "S" if row.buyer_is_maker else "B"
            told |= {"s": scale.size_number(row.lots), "i": row.id, "tks": taker}
        return told

    def quote(self, shard: Shard, quote: Quote, at_ms: int, *, exchange: str = "V") -> Json:
        """Write the best bid and ask."""
        scale = self.scales[shard.listing.symbol]
        bid, bid_lots, ask, ask_lots = quote
        told: Json = {
            "t": moment(at_ms),
            "bp": scale.price_number(bid),
            "ap": scale.price_number(ask),
        }
        if shard.listing.kind == "stock":
            sizes = {"bs": bid_lots, "as": ask_lots}
            told |= {**sizes, "bx": exchange, "ax": exchange, "c": ["R"], "z": "C"}
        else:
            told |= {"bs": scale.size_number(bid_lots), "as": scale.size_number(ask_lots)}
        return told

    def bar(self, shard: Shard, bar: Bar | list[int]) -> Json:
        """Write a bar; one without trades is of the quotes' middle, with `n` 0."""
        opened, o, h, low, c, lots, notional, trades, *_ = bar
        scale = self.scales[shard.listing.symbol]
        stock = shard.listing.kind == "stock"
        average = notional * shard.listing.worth_unit / lots if lots else float(c)
        return {
            "t": moment(opened),
            "o": scale.price_number(o),
            "h": scale.price_number(h),
            "l": scale.price_number(low),
            "c": scale.price_number(c),
            "v": lots if stock else scale.size_number(lots),
            "n": trades,
            "vw": round(average * shard.listing.tick, 6),
        }

    def book(self, shard: Shard, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> Json:
        """Write levels of a coin's book."""
        scale = self.scales[shard.listing.symbol]
        return {
            side: [{"p": scale.price_number(p), "s": scale.size_number(s)} for p, s in levels]
            for side, levels in (("b", bids), ("a", asks))
        }

    def check(self, call: Call) -> None:
        """Check the key headers.

        Raises:
            Refusal: 403.
        """
        head = call.request.headers
        if not self.allows(head.get("APCA-API-KEY-ID"), head.get("APCA-API-SECRET-KEY")):
            raise Refusal(403, {"message": "forbidden."})

    def charge(self, call: Call, cost: float) -> None:
        """Count a request.

        Raises:
            Refusal: 429.
        """
        who, what = self._counted(call)
        if not self.windows.count(who, what, self.requests_a_minute, _MINUTE_MS):
            if what == "trading":
                raise Refusal(429, {"code": 42910000, "message": "rate limit exceeded"})
            raise self.limited(429)

    def _counted(self, call: Call) -> tuple[str, str]:
        """Return whose minute a request is counted in: trading by account, data by address."""
        tail = call.request.path.removeprefix(self.prefix)
        host, _, path = tail.removeprefix("/").partition("/")
        trades = (path if host in ("paper", "live") else tail.removeprefix("/")).startswith(
            _TRADING
        )
        if trades:
            key = call.request.headers.get("APCA-API-KEY-ID", call.address)
            return f"{host if host == 'live' else 'paper'} {key}", "trading"
        return call.address, "rest"

    def set_weight_limit(self, limit: int) -> None:
        """Allow so many requests a minute."""
        self.requests_a_minute = limit

    def headers(self, call: Call) -> dict[str, str]:
        """Tell what is left of the minute."""
        allowed = self.requests_a_minute
        left, reset_ms = self.windows.left(*self._counted(call), allowed, _MINUTE_MS)
        return {
            "X-RateLimit-Limit": str(allowed),
            "X-RateLimit-Remaining": str(left),
            "X-RateLimit-Reset": str((self.now_ms() + reset_ms) // 1_000),
        }

    def limited(self, status: int) -> Refusal:
        """Return the refusal of an address that asks too often, without Retry-After."""
        return Refusal(status, {"message": "too many requests."})

    def broken(self) -> Any:
        """Return an error as a body."""
        return {"code": 50010000, "message": "internal server error occurred"}
