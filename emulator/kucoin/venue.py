"""KuCoin behind its endpoints: tokens, pools, and the book's rows with a sequence each."""

from __future__ import annotations

import secrets
from typing import Any, Final

from emulator.clock import Clock, monotonic_ns
from emulator.market.market import Market
from emulator.market.shard import Shard, TradeRow
from emulator.wire.connection import Connection, Habits
from emulator.wire.limits import Windows
from emulator.wire.rest import Call, Refusal
from emulator.wire.tape import Bar
from emulator.wire.venue import Json, Venue

POOL: Final = 2_000
POOL_MS: Final = 30_000
_TOKEN_NS: Final = 86_400_000_000_000
BARS: Final[dict[str, str]] = {
    "1min": "1m",
    "3min": "3m",
    "5min": "5m",
    "15min": "15m",
    "30min": "30m",
    "1hour": "1h",
    "2hour": "2h",
    "4hour": "4h",
    "6hour": "6h",
    "8hour": "8h",
    "12hour": "12h",
    "1day": "1d",
    "1week": "1w",
    "1month": "1M",
}


class KuCoin(Venue):
    """The venue without its paths."""

    name = "kucoin"
    prefix = "/kucoin"
    habits = Habits(messages=100, per_s=10.0, unheard_s=60.0)
    unknown = b'{"topic":"/market/neverHeardOf:BTC-USDT","type":"message","subject":"z","data":[1]}'

    def __init__(self, market: Market, clock: Clock, seed: int) -> None:
        super().__init__(market, clock, seed)
        self.windows = Windows()
        self._tokens: dict[str, int] = {}

    def issue(self) -> str:
        """Return a token that opens sockets for 24 hours."""
        token = secrets.token_urlsafe(48)
        self._tokens[token] = monotonic_ns() + _TOKEN_NS
        return token

    def admits(self, token: str) -> bool:
        """Return whether a token is one of ours and still good."""
        return self._tokens.get(token, 0) > monotonic_ns()

    def publish(self, topic: str, subject: str, data: Any, channel: str, symbol: str) -> None:
        """Send a message in the venue's envelope."""
        message = {"topic": topic, "type": "message", "subject": subject, "data": data}
        self.topics.publish(topic, message, channel=channel, symbol=symbol)

    def match(self, shard: Shard, row: TradeRow) -> Json:
        """Write a trade for the stream; its time is in nanoseconds, as text."""
        scale = self.scales[shard.listing.symbol]
        return {
            "makerOrderId": f"{row.id * 2:024x}",
            "price": scale.short_price(row.price_ticks),
            "sequence": str(row.id),
            "side": "sell" if row.buyer_is_maker else "buy",
            "size": scale.short_size(row.lots),
            "symbol": shard.listing.symbol,
            "takerOrderId": f"{row.taker_id:024x}",
            "time": str(row.ts_ms * 1_000_000),
            "tradeId": str(row.id),
            "type": "match",
        }

    def bar(self, shard: Shard, bar: Bar | list[int]) -> list[str]:
        """Write a candle: time (s), open, CLOSE, HIGH, LOW, volume, turnover."""
        opened, o, h, low, c, lots, notional, *_ = bar
        scale = self.scales[shard.listing.symbol]
        prices = [scale.short_price(ticks) for ticks in (o, c, h, low)]
        return [str(opened // 1_000), *prices, scale.short_size(lots), scale.worth(notional)]

    def shut_down(self, connection: Connection, value: float) -> None:
        """Close without a word, as the venue does."""
        connection.finish(1001, b"going away")

    def charge(self, call: Call, cost: float) -> None:
        """Take the request's weight from the public pool of its address.

        Raises:
            Refusal: 429000.
        """
        for _ in range(int(cost)):
            if not self.windows.count(call.address, "pool", POOL, POOL_MS):
                raise self.limited(429)

    def headers(self, call: Call) -> dict[str, str]:
        """Tell what is left of the pool."""
        left, reset_ms = self.windows.left(call.address, "pool", POOL, POOL_MS)
        return {
            "gw-ratelimit-limit": str(POOL),
            "gw-ratelimit-remaining": str(left),
            "gw-ratelimit-reset": str(reset_ms),
        }

    def answer(self, result: Any) -> Any:
        """Put a handler's result into the venue's envelope."""
        return {"code": "200000", "data": result}

    def limited(self, status: int) -> Refusal:
        """Return the refusal of an address that asks too often, without Retry-After."""
        return Refusal(status, {"code": "429000", "msg": "Too many requests"})

    def broken(self) -> Json:
        """Return an error as a body."""
        return {"code": "500000", "msg": "Internal Server Error"}
