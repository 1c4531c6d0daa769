"""Coinbase Advanced Trade as the server mounts it: public REST and the market socket."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from aiohttp import web

from emulator.clock import Clock
from emulator.coinbase.instruments import describe, real
from emulator.coinbase.rest import table
from emulator.coinbase.streams import CHANNELS, Pump
from emulator.coinbase.venue import Coinbase
from emulator.market.market import Market
from emulator.market.shard import Shard
from emulator.wire.connection import Connection
from emulator.wire.rest import routes
from emulator.wire.venue import Dialogue, Json, converse

_CONNECTS_A_SECOND = 8


class CoinbaseExchange(Coinbase):
    """The whole venue."""

    def __init__(self, market: Market, clock: Clock, seed: int) -> None:
        super().__init__(market, clock, seed)
        self._pumps = [Pump(self, self.tapes[name], self.scales[name]) for name in market.shards]

    def routes(self) -> list[web.RouteDef]:
        """Return the paths it serves."""
        made = routes(self, self.prefix, table(self))
        return [*made, web.get(f"{self.prefix}/advanced", self._serve)]

    def urls(self, host: str) -> dict[str, str]:
        """Return base URLs by what they are for."""
        base = f"{host}{self.prefix}"
        return {"rest": f"http://{base}/api/v3/brokerage", "ws": f"ws://{base}/advanced"}

    def send(self) -> None:
        """Send what happened since the last tick, and what is due by the clock."""
        for pump in self._pumps:
            if pump.tape.shard.listed:
                pump.pump()
        if self.topics.wanted("heartbeats") and self.beat.due(1_000):
            now_ms = self.sent_ms()
            event = {
                "current_time": f"{now_ms // 1_000} +0000 UTC m=+{now_ms / 1_000:.9f}",
                "heartbeat_counter": now_ms // 1_000 - self.market.started_ns // 10**9,
            }
            self.tell("heartbeats", "heartbeats", [event], "heartbeat", "")
        for shard in self.shards():
            topic = f"status:{shard.listing.symbol}"
            if self.topics.wanted(topic) and (fresh := self.topics.fresh(topic)):
                self._tell_status(shard, fresh)

    def status_changed(self, shard: Shard) -> None:
        """Tell a product's state to those who listen."""
        self._tell_status(shard, None)

    def _tell_status(self, shard: Shard, to: list[Connection] | None) -> None:
        symbol = shard.listing.symbol
        told = describe(shard, self.scales[symbol], shard.listing.quote)
        product = {
            "product_type": "SPOT",
            "id": symbol,
            "base_currency": shard.listing.base,
            "quote_currency": shard.listing.quote,
            "base_increment": told["base_increment"],
            "quote_increment": told["price_increment"],
            "display_name": f"{shard.listing.base}/{shard.listing.quote}",
            "status": "delisted" if not shard.listed else "offline" if shard.halted else "online",
            "status_message": "",
            "min_market_funds": "1",
        }
        event = {"type": "snapshot", "products": [product]}
        self.tell(f"status:{symbol}", "status", [event], "status", symbol, to=to)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if not self.windows.count(request.remote or "?", "connect", _CONNECTS_A_SECOND, 1_000):
            return web.Response(status=429)
        return await converse(self, request, _Talk, self)


class _Talk(Dialogue):
    """One connection's subscriptions."""

    def __init__(self, connection: Connection, venue: CoinbaseExchange) -> None:
        super().__init__(connection)
        self._venue = venue
        self._asked: dict[str, list[str]] = {}
        self._timer: asyncio.TimerHandle | None = None
        connection.dress = self._dress

    def opened(self) -> None:
        """Wait for a subscription, but not for long."""
        loop = asyncio.get_running_loop()
        wait_s = self._venue.subscribe_within_s
        self._timer = loop.call_later(wait_s, self.connection.close, 1008, b"no subscription")

    def closed(self) -> None:
        """Stop waiting."""
        if self._timer is not None:
            self._timer.cancel()

    def heard(self, text: str) -> None:
        """Carry out ``{"type":"subscribe","channel":"level2","product_ids":["BTC-USD"]}``."""
        try:
            asked = orjson.loads(text)
        except orjson.JSONDecodeError:
            asked = None
        kind = asked.get("type") if isinstance(asked, dict) else None
        if kind not in ("subscribe", "unsubscribe"):
            self._refuse("failure to parse JSON" if asked is None else f"unknown type {kind!r}")
            return
        channel, products = asked.get("channel"), asked.get("product_ids") or []
        if channel == "user":
            self._refuse("authentication failure")
            return
        if channel not in CHANNELS:
            self._refuse(f"channel {channel!r} is not supported")
            return
        if not isinstance(products, list):
            self._refuse("product_ids must be a list")
            return
        if channel != "heartbeats":
            products = products or [s.listing.symbol for s in self._venue.shards()]
            unknown = [name for name in products if self._venue.product(str(name)) is None]
            if unknown:
                self._refuse(f"{unknown[0]} is not a valid product")
                return
        self.closed()
        self._change(kind, channel, [str(name) for name in products])

    def _change(self, kind: str, channel: str, products: list[str]) -> None:
        venue = self._venue
        adding = kind == "subscribe"
        if adding and venue.struck("no_ack"):
            return
        if adding and venue.struck("partial_ack"):
            products = products[:1]
        names = self._asked.setdefault(channel, [])
        for product in products or [""]:
            topic = f"{channel}:{real(product)}" if channel != "heartbeats" else channel
            if adding:
                venue.topics.subscribe(self.connection, topic)
                names += [product] if product not in names else []
            else:
                venue.topics.unsubscribe(self.connection, topic)
                if product in names:
                    names.remove(product)
        if not names:
            del self._asked[channel]
        told: dict[str, Any] = {
            name: [product for product in products if product] or ["heartbeats"]
            for name, products in self._asked.items()
        }
        self._say("subscriptions", [{"subscriptions": told}])

    def _dress(self, topic: str, raw: bytes) -> bytes:
        return self._venue.number(self.connection, raw)

    def _say(self, channel: str, events: list[Json]) -> None:
        raw = self._venue.envelope(channel, events)
        self.connection.send(self._dress(channel, raw))

    def _refuse(self, words: str) -> None:
        self.connection.send(orjson.dumps({"type": "error", "message": words}))
