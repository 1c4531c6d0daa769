"""``/_ctl``: arm faults, steer the crowd, and ask the oracle what really happened.

Every request needs the header ``X-Clx-Control`` with the token of the state file.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
import orjson
from aiohttp import web

from core.model.market import Side
from emulator.binance.private_wire import own_trade, queried
from emulator.binance.streams.connection import Connection
from emulator.binance.venue import Venue
from emulator.binance.wire import Json, amount
from emulator.clock import MS
from emulator.faults import COUNTED_FAULTS, INSTANT_FAULTS, Fault
from emulator.market.shard import Shard

HEADER: Final = "X-Clx-Control"
_OVERSIZED: Final = 8 << 20
_MALFORMED: Final = b'{"e":"depthUpdate","E":17950000,"s":"BTCUSDT","U":1,"u":'


class Doors(msgspec.Struct, frozen=True):
    """What the control needs of the running server."""

    listen: Callable[[], Awaitable[None]]
    refuse: Callable[[], Awaitable[None]]
    user_connections: set[Connection]


class Control:
    """The endpoints under ``/_ctl``."""

    def __init__(self, venue: Venue, token: str, doors: Doors) -> None:
        self._venue = venue
        self._token = token
        self._doors = doors
        self._tasks: set[asyncio.Task[None]] = set()

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        table: tuple[tuple[str, str, Callable[[web.Request], Awaitable[Any]]], ...] = (
            ("GET", "/_ctl/faults", self._list_faults),
            ("POST", "/_ctl/faults", self._arm),
            ("DELETE", "/_ctl/faults", self._clear),
            ("GET", "/_ctl/oracle", self._oracle),
            ("GET", "/_ctl/book", self._book),
            ("POST", "/_ctl/trade", self._trade),
            ("POST", "/_ctl/flow", self._flow),
        )
        return [web.route(method, path, self._guard(handler)) for method, path, handler in table]

    async def stop(self) -> None:
        """End what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _guard(
        self, handler: Callable[[web.Request], Awaitable[Any]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def serve(request: web.Request) -> web.StreamResponse:
            if not hmac.compare_digest(request.headers.get(HEADER, ""), self._token):
                return web.json_response({"error": f"{HEADER} is missing or wrong"}, status=403)
            self._venue.market.follow(self._venue.clock)
            try:
                answer = await handler(request)
            except (msgspec.ValidationError, ValueError) as error:
                return web.json_response({"error": str(error)}, status=400)
            return web.Response(body=orjson.dumps(answer), content_type="application/json")

        return serve

    async def _list_faults(self, request: web.Request) -> Json:
        faults = self._venue.faults
        return {
            "known": {**COUNTED_FAULTS, **INSTANT_FAULTS},
            "armed": [msgspec.to_builtins(fault) for fault in faults.armed],
            "log": [msgspec.to_builtins(struck) for struck in faults.log],
        }

    async def _arm(self, request: web.Request) -> Json:
        """Take ``{"kind": "lost_ack", "count": 1, "value": 0, "symbol": "", "on": "place"}``."""
        fault = msgspec.json.decode(await request.read(), type=Fault)
        if fault.kind in COUNTED_FAULTS:
            self._venue.faults.arm(fault)
        elif fault.kind in INSTANT_FAULTS:
            self._venue.faults.note(fault.kind, self._venue.now_ms(), f"value {fault.value:g}")
            await self._strike(fault)
        else:
            known = ", ".join((*COUNTED_FAULTS, *INSTANT_FAULTS))
            raise ValueError(f"kind must be one of {known}, was {fault.kind!r}")
        return {"armed": len(self._venue.faults.armed)}

    async def _clear(self, request: web.Request) -> Json:
        venue = self._venue
        venue.faults.clear()
        venue.skew_ms = 0
        for depth in venue.depths.values():
            depth.extra_lag_ns = 0
        return {}

    async def _strike(self, fault: Fault) -> None:
        venue = self._venue
        connections = tuple(venue.hub.connections)
        if fault.kind in _BREAKAGES:
            for connection in connections:
                _BREAKAGES[fault.kind](connection, fault.value)
            return
        match fault.kind:
            case "close_user_streams":
                for connection in tuple(self._doors.user_connections):
                    _close(connection, fault.value)
            case "stall_streams":
                self._later(self._stall(connections, fault.value))
            case "refuse_connections":
                for connection in (*connections, *self._doors.user_connections):
                    connection.abort()
                await self._doors.refuse()
                self._later(self._reopen(fault.value))
            case "clock_skew_ms":
                venue.skew_ms = int(fault.value)
            case "weight_limit":
                venue.limiter.weight_limit = int(fault.value)
            case "stale_depth_ms":
                for depth in venue.depths.values():
                    depth.extra_lag_ns = int(fault.value * MS)

    def _later(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _stall(self, connections: tuple[Connection, ...], seconds: float) -> None:
        for connection in connections:
            connection.stalled.clear()
        try:
            await asyncio.sleep(seconds)
        finally:
            for connection in connections:
                connection.stalled.set()

    async def _reopen(self, seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
        finally:
            await self._doors.listen()

    async def _oracle(self, request: web.Request) -> Json:
        """Tell every order, fill and balance, and the best prices: the truth to compare with."""
        venue, account = self._venue, self._venue.account
        return {
            "ts_ms": venue.now_ms(),
            "orders": [
                queried(order, venue.writers[order.symbol]) for order in account.orders.values()
            ],
            "trades": [own_trade(fill, venue.writers[fill.symbol]) for fill in account.fills],
            "balances": {
                asset: {"free": amount(free), "locked": amount(locked)}
                for asset, (free, locked) in account.balances(tuple(account.free)).items()
            },
            "books": {name: self._levels(shard, 1) for name, shard in venue.market.shards.items()},
        }

    async def _book(self, request: web.Request) -> Json:
        """Give the true book of ``?symbol=`` at this instant, every level."""
        shard = self._shard(request.query.get("symbol", ""))
        return {"update_id": shard.update_id, **self._levels(shard, 100_000)}

    def _levels(self, shard: Shard, levels: int) -> Json:
        writer = self._venue.writers[shard.listing.symbol]
        return {
            "bids": writer.levels(shard.engine.depth(Side.BUY, levels)),
            "asks": writer.levels(shard.engine.depth(Side.SELL, levels)),
        }

    async def _trade(self, request: web.Request) -> Json:
        """Let the crowd take: ``{"symbol", "side": "BUY", "qty": "0.5", "price": optional}``.

        With a price it stops there, so a test can fill its own resting order and no other.
        """
        asked = orjson.loads(await request.read())
        shard = self._shard(str(asked.get("symbol", "")))
        listing = shard.listing
        side = Side(str(asked.get("side", "")).lower())
        lots = _steps(str(asked.get("qty", "")), listing.size_decimals)
        price = asked.get("price")
        limit = _steps(str(price), listing.price_decimals) if price is not None else None
        venue = self._venue
        got = venue.market.crowd_trade(listing.symbol, side, lots, limit)
        venue.hub.tick(venue.skew_ms)
        return {"executed": venue.writers[listing.symbol].size(got)}

    async def _flow(self, request: web.Request) -> Json:
        """Let the crowd act or stand still: ``{"on": false}``."""
        asked = orjson.loads(await request.read())
        if not isinstance(asked.get("on"), bool):
            raise ValueError(f"on must be true or false, was {asked.get('on')!r}")
        self._venue.market.flow = asked["on"]
        return {"on": self._venue.market.flow}

    def _shard(self, symbol: str) -> Shard:
        shard = self._venue.market.shards.get(symbol)
        if shard is None:
            known = ", ".join(self._venue.market.shards)
            raise ValueError(f"symbol must be one of {known}, was {symbol!r}")
        return shard


def _close(connection: Connection, abruptly: float) -> None:
    if abruptly:
        connection.abort()
    else:
        connection.close(1001, b"going away")


def _oversize(connection: Connection, size: float) -> None:
    connection.send(b'{"e":"oversized","x":"%s"}' % (b"x" * (int(size) or _OVERSIZED)))


def _shut_down(connection: Connection, _: float) -> None:
    stream = b'{"e":"serverShutdown","E":%d}' % connection.now_ms()
    wrapped = b'{"stream":"!serverShutdown","data":%s}' % stream
    connection.send(wrapped if connection.combined else stream)
    connection.finish(1001, b"server shutdown")


_BREAKAGES: Final[dict[str, Callable[[Connection, float], None]]] = {
    "malformed_frame": lambda connection, _: connection.send(_MALFORMED),
    "truncated_frame": lambda connection, _: connection.break_frame(),
    "oversized_frame": _oversize,
    "binary_frame": lambda connection, _: connection.send_binary(b'{"e":"trade"}\xff\xfe'),
    "close_streams": _close,
    "server_shutdown": _shut_down,
}
"""Faults of one stream connection: (connection, value)."""


def _steps(text: str, decimals: int) -> int:
    """Return a decimal as a whole number of steps of ``10**-decimals``."""
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0")
    if not (whole + fraction).isdigit() or len(fraction) > decimals:
        raise ValueError(f"a number with at most {decimals} decimals is needed, was {text!r}")
    return int(whole + fraction.ljust(decimals, "0"))
