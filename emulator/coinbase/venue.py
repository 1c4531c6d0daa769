"""Coinbase behind its endpoints: envelopes with one number for every channel of a connection."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any, Final

import orjson

from emulator.clock import Clock
from emulator.coinbase.instruments import real
from emulator.market.market import Market
from emulator.market.shard import Shard, TradeRow
from emulator.wire.connection import Connection, Habits
from emulator.wire.limits import Windows
from emulator.wire.rest import Call, Refusal
from emulator.wire.tape import Bar
from emulator.wire.venue import Json, Venue

BATCH_MS: Final = 50
REQUESTS_A_SECOND: Final = 10
_NUMBER: Final = b'"sequence_num":-1'


def moment(ms: int, *, digits: int = 9) -> str:
    """Write a time as the venue does: ``2026-08-09T21:05:48.228000000Z``."""
    at = dt.datetime.fromtimestamp(ms // 1_000, dt.UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{ms % 1_000 * 1_000_000:09d}"[: 20 + digits] + "Z"


class Coinbase(Venue):
    """The venue without its paths."""

    name = "coinbase"
    prefix = "/coinbase"
    speeds = (BATCH_MS,)
    habits = Habits(messages=8, per_s=1.0, unsent_s=90.0)
    unknown = (
        b'{"channel":"never_heard_of","client_id":"","timestamp":"2026-01-01T00:00:00Z",'
        b'"sequence_num":-1,"events":[{"type":"update","z":[1,"2",null]}]}'
    )

    def __init__(self, market: Market, clock: Clock, seed: int) -> None:
        super().__init__(market, clock, seed)
        self.windows = Windows()
        self.subscribe_within_s = 5.0
        """A connection that has subscribed to nothing by then is closed."""

    def product(self, name: str) -> Shard | None:
        """Return the book of a product or of what it is an alias of."""
        return self.find(real(name))

    def tell(
        self,
        topic: str,
        channel: str,
        events: list[Any],
        kind: str,
        symbol: str,
        to: Iterable[Connection] | None = None,
    ) -> None:
        """Send events in the venue's envelope."""
        raw = self.envelope(channel, events)
        self.topics.publish(topic, raw, channel=kind, symbol=symbol, to=to)

    def envelope(self, channel: str, events: list[Any]) -> bytes:
        """Write the envelope; its number is filled in for each connection."""
        return orjson.dumps(
            {
                "channel": channel,
                "client_id": "",
                "timestamp": moment(self.sent_ms()),
                "sequence_num": -1,
                "events": events,
            }
        )

    def number(self, connection: Connection, raw: bytes) -> bytes:
        """Fill in a connection's next number."""
        # One numbering is of all symbols that a connection carries.
        if self.struck("seq_reset", None):
            connection.state["sequence"] = 0
        number = connection.state.get("sequence", 0)
        connection.state["sequence"] = number + 1
        return raw.replace(_NUMBER, b'"sequence_num":%d' % number, 1)

    def trade(self, shard: Shard, row: TradeRow) -> Json:
        """Write a trade; its side is the taker's."""
        scale = self.scales[shard.listing.symbol]
        return {
            "product_id": shard.listing.symbol,
            "trade_id": str(row.id),
            "price": scale.short_price(row.price_ticks),
            "size": scale.short_size(row.lots),
            "time": moment(row.ts_ms, digits=6),
            "side": "SELL" if row.buyer_is_maker else "BUY",
        }

    def candle(self, shard: Shard, bar: Bar | list[int]) -> Json:
        """Write a candle; its start is in seconds, as text."""
        opened, o, h, low, c, lots, *_ = bar
        scale = self.scales[shard.listing.symbol]
        return {
            "start": str(opened // 1_000),
            "high": scale.short_price(h),
            "low": scale.short_price(low),
            "open": scale.short_price(o),
            "close": scale.short_price(c),
            "volume": scale.short_size(lots),
        }

    def ticker(self, shard: Shard) -> Json:
        """Write the figures of the last 24 hours and the best prices."""
        scale = self.scales[shard.listing.symbol]
        _, o, h, low, c, lots, *_ = shard.candles.last_day(self.beat.now_ms)
        bid, bid_lots, ask, ask_lots = shard.top() or (0, 0, 0, 0)
        return {
            "type": "ticker",
            "product_id": shard.listing.symbol,
            "price": scale.short_price(shard.candles.last_close),
            "volume_24_h": scale.short_size(lots),
            "low_24_h": scale.short_price(low),
            "high_24_h": scale.short_price(h),
            "low_52_w": scale.short_price(low // 2),
            "high_52_w": scale.short_price(h * 2),
            "price_percent_chg_24_h": f"{(c - o) / o * 100:.14f}",
            "best_bid": scale.short_price(bid),
            "best_ask": scale.short_price(ask),
            "best_bid_quantity": scale.short_size(bid_lots),
            "best_ask_quantity": scale.short_size(ask_lots),
        }

    def charge(self, call: Call, cost: float) -> None:
        """Count a request.

        Raises:
            Refusal: 429.
        """
        if not self.windows.count(call.address, "rest", REQUESTS_A_SECOND, 1_000):
            raise self.limited(429)

    def limited(self, status: int) -> Refusal:
        """Return the refusal of an address that asks too often, without Retry-After."""
        words = "rate limit exceeded"
        told = {"error": "rate_limit_exceeded", "error_details": words, "message": words}
        return Refusal(status, told)

    def broken(self) -> Json:
        """Return an error as a body."""
        return {"success": False, "error_response": {"error": "UNKNOWN", "message": "internal"}}
