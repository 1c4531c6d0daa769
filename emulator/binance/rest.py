"""The REST front: one table of endpoints, and what every request goes through.

::

    request -> faults -> weight -> parameters -> key, time, signature -> handler -> answer
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal

import msgspec
import orjson
from aiohttp import web

from emulator.binance import order_lists, public, trading
from emulator.binance.gate.auth import without_signature
from emulator.binance.gate.errors import ApiError, missing
from emulator.binance.gate.params import Params
from emulator.binance.striking import PrivateHandler, carry_out, named
from emulator.binance.venue import Venue
from emulator.market.accounts import Account
from emulator.wire.rest import spoiled
from emulator.wire.rest import strike as before
from emulator.wire.striking import PAGE, Dropped, ProxyFailed

PublicHandler = Callable[[Venue, Params], Awaitable[Any]]


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    root: str = "api/v3"
    weight: int | Callable[[Params], int] = 1
    public: PublicHandler | None = None
    private: PrivateHandler | None = None
    order: Literal["", "place", "cancel", "query"] = ""
    """What it does to orders, for faults and limits; an amendment counts as a cancel."""


PUBLIC: Final = (
    Endpoint(method="GET", path="ping", public=public.ping),
    Endpoint(method="GET", path="time", public=public.time),
    Endpoint(method="GET", path="exchangeInfo", weight=20, public=public.exchange_info),
    Endpoint(method="GET", path="depth", weight=public.depth_weight, public=public.depth),
    Endpoint(method="GET", path="trades", weight=25, public=public.trades),
    Endpoint(method="GET", path="historicalTrades", weight=25, public=public.trades),
    Endpoint(method="GET", path="aggTrades", weight=4, public=public.aggregate_trades),
    Endpoint(method="GET", path="klines", weight=2, public=public.klines),
    Endpoint(method="GET", path="uiKlines", weight=2, public=public.klines),
    Endpoint(method="GET", path="avgPrice", weight=2, public=public.average_price),
    Endpoint(
        method="GET", path="ticker/24hr", weight=public.ticker_weight, public=public.ticker_24h
    ),
    Endpoint(method="GET", path="ticker/price", weight=4, public=public.ticker_price),
    Endpoint(method="GET", path="ticker/bookTicker", weight=4, public=public.book_ticker),
)

PRIVATE: Final = (
    Endpoint(method="POST", path="order", private=trading.place, order="place"),
    Endpoint(
        method="POST",
        path="order/test",
        weight=lambda params: 20 if params.peek("computeCommissionRates") == "true" else 1,
        private=trading.place_test,
    ),
    Endpoint(method="GET", path="order", weight=4, private=trading.query, order="query"),
    Endpoint(method="DELETE", path="order", private=trading.cancel, order="cancel"),
    Endpoint(
        method="POST",
        path="order/cancelReplace",
        private=order_lists.cancel_replace,
        order="place",
    ),
    Endpoint(
        method="PUT",
        path="order/amend/keepPriority",
        weight=4,
        private=trading.amend,
        order="cancel",
    ),
    Endpoint(method="GET", path="order/amendments", weight=4, private=trading.amendments),
    Endpoint(
        method="GET",
        path="openOrders",
        weight=trading.open_orders_weight,
        private=trading.open_orders,
    ),
    Endpoint(method="DELETE", path="openOrders", private=trading.cancel_all, order="cancel"),
    Endpoint(method="GET", path="allOrders", weight=20, private=trading.all_orders),
    Endpoint(method="POST", path="orderList/oco", private=order_lists.place_oco, order="place"),
    Endpoint(method="POST", path="orderList/oto", private=order_lists.place_oto, order="place"),
    Endpoint(method="POST", path="orderList/otoco", private=order_lists.place_otoco, order="place"),
    Endpoint(method="POST", path="order/oco", private=order_lists.place_old_oco, order="place"),
    Endpoint(method="DELETE", path="orderList", private=order_lists.cancel, order="cancel"),
    Endpoint(method="GET", path="orderList", weight=4, private=order_lists.query, order="query"),
    Endpoint(method="GET", path="allOrderList", weight=20, private=order_lists.query_all),
    Endpoint(method="GET", path="openOrderList", weight=6, private=order_lists.query_open),
    Endpoint(
        method="GET", path="myTrades", weight=trading.my_trades_weight, private=trading.my_trades
    ),
    Endpoint(method="GET", path="account", weight=20, private=trading.account_info),
    Endpoint(method="GET", path="account/commission", weight=20, private=trading.commission),
    Endpoint(method="GET", path="rateLimit/order", weight=40, private=trading.order_counts),
)


CALLS: Final = {named(row.private): row.private for row in PRIVATE if row.private is not None}
"""What accounts ask for, by the names a diary has for it."""


class RestFront:
    """Turns HTTP requests into handler calls and answers."""

    def __init__(self, venue: Venue, endpoints: tuple[Endpoint, ...]) -> None:
        self._venue = venue
        self._endpoints = endpoints

    def routes(self, prefix: str) -> list[web.RouteDef]:
        """Return the routes under ``<prefix>/api/v3`` and ``<prefix>/sapi/v1``."""
        return [
            web.route(
                endpoint.method, f"{prefix}/{endpoint.root}/{endpoint.path}", self._serve(endpoint)
            )
            for endpoint in self._endpoints
        ]

    def _serve(self, endpoint: Endpoint) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def serve(request: web.Request) -> web.StreamResponse:
            return await self._request(endpoint, request)

        return serve

    async def _request(self, endpoint: Endpoint, request: web.Request) -> web.StreamResponse:
        venue = self._venue
        venue.market.follow(venue.clock)
        address = request.remote or "?"
        query = request.raw_path.partition("?")[2]
        body = (await request.read()).decode("utf-8", "replace")
        account: Account | None = None
        struck = await before(venue, request)
        if struck is not None:
            return struck
        try:
            params = Params.of_query(query, body)
            weight = (
                endpoint.weight if isinstance(endpoint.weight, int) else endpoint.weight(params)
            )
            venue.limiter.charge(address, weight)
            if endpoint.private is not None:
                account = self._authenticate(request, query, body, params)
            answer = await self._handle(endpoint, request, account, params)
            if isinstance(answer, web.StreamResponse):
                return answer
            if endpoint.order in ("place", "cancel"):
                venue.limiter.forgive(address, weight)
            response = spoiled(venue, request, orjson.dumps(answer), 200)
        except ApiError as error:
            response = spoiled(venue, request, orjson.dumps(error.body), error.status)
            response.headers.update(error.headers)
        used = str(venue.limiter.used(address))
        response.headers["X-MBX-USED-WEIGHT"] = used
        response.headers["X-MBX-USED-WEIGHT-1M"] = used
        if endpoint.order == "place" and account is not None:
            in_10s, in_day = venue.limiter.orders(account.owner)
            response.headers["X-MBX-ORDER-COUNT-10S"] = str(in_10s)
            response.headers["X-MBX-ORDER-COUNT-1D"] = str(in_day)
        return response

    def _authenticate(self, request: web.Request, query: str, body: str, params: Params) -> Account:
        venue = self._venue
        signed_query, signature = without_signature(query)
        signed_body, body_signature = without_signature(body)
        signature = signature or body_signature
        params.skip("signature", "recvWindow", "timestamp")
        api_key = request.headers.get("X-MBX-APIKEY")
        if not params.text("timestamp"):
            raise missing("timestamp")
        if not signature:
            raise missing("signature")
        return venue.keys.check(
            api_key, signed_query + signed_body, signature, params, venue.now_ms()
        )

    async def _handle(
        self, endpoint: Endpoint, request: web.Request, account: Account | None, params: Params
    ) -> Any:
        """Run the handler, with whatever fault is armed around it."""
        venue = self._venue
        if endpoint.public is not None:
            answer = await endpoint.public(venue, params)
            params.finish()
            return answer
        if endpoint.private is None or account is None:
            raise ApiError(-1000, "An unknown error occurred while processing the request.", 500)
        try:
            return await carry_out(venue, account, params, endpoint.order, endpoint.private)
        except ProxyFailed:
            return web.Response(text=PAGE, status=503, content_type="text/html")
        except Dropped:
            if isinstance(request.transport, asyncio.Transport):
                request.transport.abort()
            return web.Response(status=503)
