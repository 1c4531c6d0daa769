"""Coinbase, KuCoin, Kraken and Bybit as they document themselves, through unmodified ccxt."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web
from pydantic import SecretStr

from core.engine.clock import SystemClock
from core.model.facts import VenueConnected
from core.model.ids import ClientOrderId, InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import Side
from core.model.orders import (
    Order,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderIntent,
    OrderRejected,
    OrderState,
    OrderType,
    OrderUnknown,
    TimeInForce,
)
from core.model.settings import VenueSettings
from core.venues.ccxt_pro.spelling import spelling_of
from core.venues.ccxt_pro.venue import CcxtVenue

pytest.importorskip("ccxt")

MINE = ClientOrderId("clxt-01m7yyex31-00000001")
LONG_AGO_MS = 1_700_000_000_000


class Exchange:
    """Answers routes from a script, the last answer of a route for ever."""

    def __init__(self) -> None:
        self.scripts: dict[str, list[Any]] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._arrived = asyncio.Event()

    def answer(self, route: str, *answers: Any) -> None:
        self.scripts.setdefault(route, []).extend(answers)

    async def until(self, route: str, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.of(route)) < count:
                self._arrived.clear()
                await self._arrived.wait()

    def of(self, route: str) -> list[dict[str, Any]]:
        return [sent for name, sent in self.asked if name.startswith(route)]

    async def handle(self, request: web.Request) -> web.Response:
        text = await request.text()
        sent: dict[str, Any] = dict(request.query)
        if text.startswith("{"):
            sent |= json.loads(text)
        else:
            sent |= {name: values[0] for name, values in parse_qs(text).items()}
        route = f"{request.method} {request.path}"
        self.asked.append((route, sent))
        self._arrived.set()
        script = self.scripts.get(route)
        if not script:
            return web.json_response({}, status=404)
        body = script.pop(0) if len(script) > 1 else script[0]
        if body == "reset":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        status, body = body if isinstance(body, tuple) else (200, body)
        return web.json_response(body, status=status)


class Desk:
    """Collects what a venue tells, and waits for it."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self._told = asyncio.Event()

    def __call__(self, event: Any) -> None:
        self.events.append(event)
        self._told.set()

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, kind: type) -> Any:
        async with asyncio.timeout(10):
            while not self.of(kind):
                self._told.clear()
                await self._told.wait()
        return self.of(kind)[0]


MARKETS = {
    "kraken": ("BTC/USD", "XXBTZUSD"),
    "kucoin": ("BTC/USDT", "BTC-USDT"),
    "coinbase": ("BTC/USD", "BTC-USD"),
    "bybit": ("BTC/USDT", "BTCUSDT"),
}
BALANCE = {
    "kraken": (
        "POST /0/private/BalanceEx",
        {"error": [], "result": {"ZUSD": {"balance": "25435.21", "hold_trade": "8249.76"}}},
    ),
    "kucoin": (
        "GET /api/v1/accounts",
        {
            "code": "200000",
            "data": [
                {
                    "id": "1", "currency": "USD", "type": "trade", "balance": "25435.21",
                    "available": "17185.45", "holds": "8249.76",
                }
            ],
        },
    ),
    "coinbase": (
        "GET /api/v3/brokerage/accounts",
        {
            "accounts": [
                {
                    "uuid": "1", "name": "USD", "currency": "USD", "type": "ACCOUNT_TYPE_FIAT",
                    "available_balance": {"value": "17185.45", "currency": "USD"},
                    "hold": {"value": "8249.76", "currency": "USD"},
                }
            ],
            "has_next": False, "cursor": "", "size": 1,
        },
    ),
    "bybit": (
        "GET /v5/account/wallet-balance",
        {
            "retCode": 0, "retMsg": "OK", "time": LONG_AGO_MS,
            "result": {
                "list": [
                    {
                        "accountType": "UNIFIED",
                        "coin": [
                            {
                                "coin": "USD", "walletBalance": "25435.21", "locked": "8249.76",
                                "equity": "25435.21", "totalOrderIM": "0", "totalPositionIM": "0",
                                "availableToWithdraw": "",
                            }
                        ],
                    }
                ]
            },
        },
    ),
}  # fmt: skip


def instrument(exchange: str) -> Instrument:
    symbol = MARKETS[exchange][0]
    base, _, quote = symbol.partition("/")
    return Instrument(
        id=InstrumentId(f"{base}-{quote}.{exchange}"),
        venue=VenueName(exchange),
        venue_symbol=symbol,
        base=base,
        quote=quote,
        price_tick=Decimal("0.1"),
        size_lot=Decimal("0.0001"),
    )


def intent(exchange: str, **changes: Any) -> OrderIntent:
    fields: dict[str, Any] = {
        "client_order_id": MINE,
        "instrument_id": instrument(exchange).id,
        "side": Side.BUY,
        "type": OrderType.LIMIT,
        "size": Decimal("1.25"),
        "price": Decimal("27500.1"),
        "origin": "tui",
    }
    return OrderIntent(**fields | changes)


def order(exchange: str, venue_order_id: Any = None) -> Order:
    return Order(
        intent=intent(exchange),
        venue=VenueName(exchange),
        state=OrderState.ACCEPTED,
        venue_order_id=venue_order_id,
        ts_submitted_ns=(LONG_AGO_MS - 1_000) * 1_000_000,
        ts_updated_ns=1,
    )


@asynccontextmanager
async def trading(
    exchange: str, server: Exchange, desk: Desk, **more: Any
) -> AsyncIterator[CcxtVenue]:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]  # it listens
    table = VenueSettings(
        kind=f"ccxt:{exchange}",
        rest_url=f"http://127.0.0.1:{port}",
        ws_api_url=f"ws://127.0.0.1:{port}",
        api_key=SecretStr("k" * 32),
        api_secret=SecretStr("c2VjcmV0" * 8),
        passphrase=SecretStr("x"),
        timeout_s=2.0,
        **more,
    )
    item = instrument(exchange)
    venue = CcxtVenue(
        VenueName(exchange),
        table,
        clock=SystemClock(),
        rng=random.Random(1),
        instruments=(item,),
        poll_s=1_000.0,
    )
    venue.abilities(item)
    ccxt = venue._client.ccxt
    ccxt.enableRateLimit = False
    ccxt.options |= {"enableUnifiedAccount": True, "enableUnifiedMargin": False, "uta": False}
    ccxt.has["watchOrders"] = ccxt.has["watchMyTrades"] = False
    symbol, name = MARKETS[exchange]
    base, _, quote = symbol.partition("/")
    ccxt.set_markets(
        [
            ccxt.safe_market_structure(
                {
                    "id": name, "symbol": symbol, "base": base, "quote": quote, "baseId": base,
                    "quoteId": quote, "type": "spot", "spot": True, "active": True,
                    "precision": {"amount": "0.0001", "price": "0.1"}, "info": {},
                }
            )
        ]
    )  # fmt: skip
    server.answer(*BALANCE[exchange])
    task = asyncio.create_task(venue.run(desk))
    try:
        await desk.until(VenueConnected)
        yield venue
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await runner.cleanup()


PLACED: dict[str, tuple[str, Any, str, dict[str, str]]] = {
    "kraken": (
        "POST /0/private/AddOrder",
        {
            "error": [],
            "result": {
                "descr": {"order": "buy 1.25000000 XBTUSD @ limit 27500.1"},
                "txid": ["OU22CG-KLAF2-FWUDD7"],
            },
        },
        "OU22CG-KLAF2-FWUDD7",
        {"cl_ord_id": "", "volume": "1.25", "price": "27500.1", "ordertype": "limit"},
    ),
    "kucoin": (
        "POST /api/v1/orders",
        {"code": "200000", "data": {"orderId": "670fd33bf9406e0007ab3945", "clientOid": MINE}},
        "670fd33bf9406e0007ab3945",
        {"clientOid": "", "size": "1.25", "price": "27500.1", "type": "limit"},
    ),
    "coinbase": (
        "POST /api/v3/brokerage/orders",
        {
            "success": True,
            "success_response": {
                "order_id": "11111-00000-000000", "product_id": "BTC-USD", "side": "BUY",
                "client_order_id": MINE,
            },
        },
        "11111-00000-000000",
        {"client_order_id": "", "side": "BUY"},
    ),
    "bybit": (
        "POST /v5/order/create",
        {
            "retCode": 0, "retMsg": "OK",
            "result": {"orderId": "1321003749386327552", "orderLinkId": MINE},
        },
        "1321003749386327552",
        {"orderLinkId": "", "qty": "1.25", "price": "27500.1", "orderType": "Limit"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("exchange", sorted(PLACED))
async def test_order_goes_out_with_our_id_and_exact_figures(exchange: str) -> None:
    server, desk = Exchange(), Desk()
    route, reply, venue_id, wanted = PLACED[exchange]
    server.answer(route, reply)
    async with trading(exchange, server, desk) as venue:
        venue.submit(intent(exchange))
        accepted = await desk.until(OrderAccepted)
        balances = await venue.balances()
    assert (accepted.client_order_id, accepted.venue_order_id) == (MINE, venue_id)
    (sent,) = server.of(route)
    for name, value in wanted.items():
        assert sent[name] == (value or spelling_of(exchange).wire(MINE))
    if exchange == "coinbase":
        assert sent["order_configuration"] == {
            "limit_limit_gtc": {"base_size": "1.25", "limit_price": "27500.1", "post_only": False}
        }
    assert [(row.asset, row.total, row.held) for row in balances] == [
        ("USD", Decimal("25435.21"), Decimal("8249.76"))
    ]


@pytest.mark.parametrize("exchange", sorted(PLACED))
async def test_dropped_answer_is_unknown_and_sent_once(exchange: str) -> None:
    server, desk = Exchange(), Desk()
    route = PLACED[exchange][0]
    server.answer(route, "reset")
    async with trading(exchange, server, desk) as venue:
        venue.submit(intent(exchange))
        await desk.until(OrderUnknown)
    assert len(server.of(route)) == 1
    assert desk.of(OrderAccepted) == desk.of(OrderRejected) == []


REFUSED = {
    "kraken": ({"error": ["EOrder:Insufficient funds"]}, "InsufficientFunds"),
    "kucoin": ({"code": "200004", "msg": "Balance insufficient!"}, "InsufficientFunds"),
    "coinbase": (
        {
            "success": False,
            "error_response": {
                "error": "INSUFFICIENT_FUND",
                "message": "Insufficient balance in source account",
                "preview_failure_reason": "PREVIEW_INSUFFICIENT_FUND",
            },
        },
        "InsufficientFunds",
    ),
    "bybit": ({"retCode": 170131, "retMsg": "Balance insufficient", "result": {}}, "Insuffic"),
}


@pytest.mark.parametrize("exchange", sorted(REFUSED))
async def test_refusal_is_told_with_the_exchanges_words(exchange: str) -> None:
    server, desk = Exchange(), Desk()
    body, code = REFUSED[exchange]
    server.answer(PLACED[exchange][0], body)
    async with trading(exchange, server, desk) as venue:
        venue.submit(intent(exchange))
        rejected = await desk.until(OrderRejected)
    assert rejected.code.startswith(code)
    assert "nsufficient" in rejected.reason


async def test_kraken_trails_on_its_own_and_holds_stops() -> None:
    server, desk = Exchange(), Desk()
    route, reply, *_ = PLACED["kraken"]
    server.answer(route, reply)
    async with trading("kraken", server, desk) as venue:
        can = venue.abilities(instrument("kraken"))
        assert {OrderType.STOP, OrderType.TRAILING_STOP} <= can.types
        assert (can.private, can.amend) == ("polling", "any")
        changes: dict[str, Any] = {"price": None, "side": Side.SELL}
        venue.submit(
            intent("kraken", type=OrderType.TRAILING_STOP, trail_pct=Decimal("1.5"), **changes)
        )
        await desk.until(OrderAccepted)
        stop = changes | {"client_order_id": ClientOrderId("clxt-01m7yyex31-00000002")}
        venue.submit(
            intent("kraken", type=OrderType.STOP, trigger_price=Decimal("27000.5"), **stop)
        )
        await server.until(route, 2)
    trailing, stopping = server.of(route)
    assert (trailing["ordertype"], trailing["price"]) == ("trailing-stop", "+1.5%")
    assert (stopping["ordertype"], stopping["price"]) == ("stop-loss", "27000.5")


async def test_kraken_fill_and_end_are_read_from_rest_after_a_cancel() -> None:
    server, desk = Exchange(), Desk()
    wire = spelling_of("kraken").wire(MINE)
    row = {
        "status": "canceled", "opentm": LONG_AGO_MS / 1000, "cl_ord_id": wire,
        "descr": {"pair": "XXBTZUSD", "type": "buy", "ordertype": "limit", "price": "27500.1"},
        "vol": "1.25000000", "vol_exec": "0.37500000", "cost": "10312.5", "fee": "26.8125",
        "price": "27500.1", "misc": "", "oflags": "fciq",
    }  # fmt: skip
    trade = {
        "ordertxid": "OU22CG-KLAF2-FWUDD7", "pair": "XXBTZUSD", "time": LONG_AGO_MS / 1000,
        "type": "buy", "ordertype": "limit", "price": "27500.1", "cost": "10312.53750",
        "fee": "26.81260", "vol": "0.37500000", "margin": "0.00000", "misc": "", "maker": True,
    }  # fmt: skip
    server.answer("POST /0/private/CancelOrder", {"error": [], "result": {"count": 1}})
    server.answer(
        "POST /0/private/QueryOrders", {"error": [], "result": {"OU22CG-KLAF2-FWUDD7": row}}
    )
    server.answer(
        "POST /0/private/TradesHistory",
        {"error": [], "result": {"trades": {"THVRQM-33VKH-UCI7BS": trade}, "count": 1}},
    )
    async with trading("kraken", server, desk) as venue:
        venue.cancel(order("kraken", "OU22CG-KLAF2-FWUDD7"))
        await desk.until(OrderCanceled)
    (fill,) = desk.of(OrderFilled)
    assert (fill.client_order_id, fill.execution_id) == (MINE, "THVRQM-33VKH-UCI7BS")
    assert (fill.size, fill.price) == (Decimal("0.375"), Decimal("27500.1"))
    assert (fill.fee, fill.fee_asset, fill.maker) == (Decimal("26.8126"), "USD", True)
    (ended,) = desk.of(OrderCanceled)
    assert (desk.events.index(fill) < desk.events.index(ended), ended.filled) == (True, fill.size)


async def test_kraken_switch_is_armed_in_seconds_and_told() -> None:
    from core.model.facts import DeadManSet

    server, desk = Exchange(), Desk()
    server.answer(
        "POST /0/private/CancelAllOrdersAfter",
        {"error": [], "result": {"currentTime": "2023-03-24T17:41:56Z", "triggerTime": "..."}},
    )
    async with trading("kraken", server, desk, dead_man_s=60) as venue:
        told = await desk.until(DeadManSet)
        assert venue.abilities(instrument("kraken")).dead_man
    assert told.state == "cancels all orders 60 s after our last word"
    assert server.of("POST /0/private/CancelAllOrdersAfter")[0]["timeout"] == "60"


@pytest.mark.parametrize("exchange", sorted(PLACED))
async def test_what_went_over_the_wire_is_told_without_what_gives_access(exchange: str) -> None:
    server, desk = Exchange(), Desk()
    route, reply, venue_id, _ = PLACED[exchange]
    server.answer(route, reply)
    async with trading(exchange, server, desk) as venue:
        venue.submit(intent(exchange))
        await desk.until(OrderAccepted)
        (seen,) = venue.traffic(order(exchange))
        everything = repr(list(venue._client.witness._seen))
    assert seen.sent.startswith("POST http://127.0.0.1:")
    assert route.split()[1] in seen.sent
    assert spelling_of(exchange).wire(MINE) in seen.sent
    assert (seen.words, venue_id.encode() in seen.answer) == ("status 200", True)
    assert 0 < seen.sent_ns <= seen.answered_ns
    assert "k" * 32 not in everything
    assert "c2VjcmV0" not in everything


async def test_a_request_without_an_answer_is_seen_too() -> None:
    server, desk = Exchange(), Desk()
    server.answer(PLACED["kraken"][0], "reset")
    async with trading("kraken", server, desk) as venue:
        venue.submit(intent("kraken"))
        await desk.until(OrderUnknown)
        (seen,) = venue.traffic(order("kraken"))
    assert (seen.answered_ns, seen.answer, bool(seen.words)) == (0, b"", True)


def test_secrets_in_queries_and_bodies_are_starred() -> None:
    from core.venues.ccxt_pro.overheard import redacted

    assert redacted("GET /o?symbol=X&signature=ab12&apiKey=zz&recv=5") == (
        "GET /o?symbol=X&signature=***&apiKey=***&recv=5"
    )
    assert redacted('{"token":"abc","side":"buy","design":1}') == (
        '{"token":"***","side":"buy","design":1}'
    )


async def test_a_refusal_for_the_time_stamp_has_the_clock_asked_for_at_once() -> None:
    server, desk = Exchange(), Desk()
    clock = "GET /v5/market/time"
    now_ms = SystemClock().now_ns() // 1_000_000
    said = {"timeSecond": f"{now_ms // 1000}", "timeNano": f"{now_ms}000000"}
    server.answer(clock, {"retCode": 0, "retMsg": "OK", "result": said, "time": now_ms})
    server.answer(PLACED["bybit"][0], {"retCode": 10002, "retMsg": "invalid time", "result": {}})
    async with trading("bybit", server, desk) as venue:
        await server.until(clock, 1)
        venue.submit(intent("bybit"))
        rejected = await desk.until(OrderRejected)
        await server.until(clock, 2)
    assert rejected.code == "InvalidNonce"


async def test_kucoins_switch_covers_all_symbols_and_is_told() -> None:
    from core.model.facts import DeadManSet

    server, desk = Exchange(), Desk()
    route = "POST /api/v1/hf/orders/dead-cancel-all"
    server.answer("GET /api/v1/hf/accounts/opened", {"code": "200000", "data": True})
    times = {"currentTime": 1695866265, "triggerTime": 1695866325}
    server.answer(route, {"code": "200000", "data": times})
    async with trading("kucoin", server, desk, dead_man_s=60) as venue:
        told = await desk.until(DeadManSet)
        assert venue.abilities(instrument("kucoin")).dead_man
    assert told.state == "cancels all orders 60 s after our last word"
    assert server.of(route)[0] == {"timeout": 60}


async def test_an_old_account_at_kucoin_is_told_to_have_no_switch() -> None:
    from core.model.facts import DeadManSet

    server, desk = Exchange(), Desk()
    server.answer("GET /api/v1/hf/accounts/opened", {"code": "200000", "data": False})
    async with trading("kucoin", server, desk, dead_man_s=60):
        told = await desk.until(DeadManSet)
    assert told.state.startswith("not set: this account trades by KuCoin's older API")
    assert server.of("POST") == []


@pytest.mark.parametrize(
    ("exchange", "words"),
    [("kraken", "is off (dead_man_s is 0)"), ("kucoin", "is off (dead_man_s is 0)"), ("bybit", "")],
)
async def test_what_switch_there_would_be_is_known(exchange: str, words: str) -> None:
    async with trading(exchange, Exchange(), Desk()) as venue:
        can = venue.abilities(instrument(exchange))
    assert (can.dead_man, can.switch) == (False, words)


async def test_coinbase_refuses_market_buys_it_would_take_for_money() -> None:
    server, desk = Exchange(), Desk()
    async with trading("coinbase", server, desk) as venue:
        venue.submit(intent("coinbase", type=OrderType.MARKET, price=None))
        rejected = await desk.until(OrderRejected)
        assert not venue.abilities(instrument("coinbase")).dead_man
    assert rejected.code == "NOT_SENT"
    assert "limit order with time_in_force ioc" in rejected.reason
    assert server.of("POST") == []


async def test_figures_ccxt_would_cut_are_refused_unsent() -> None:
    server, desk = Exchange(), Desk()
    async with trading("kucoin", server, desk) as venue:
        venue.submit(intent("kucoin", size=Decimal("1.00005"), time_in_force=TimeInForce.IOC))
        rejected = await desk.until(OrderRejected)
    assert (rejected.code, "nearest is 1" in rejected.reason) == ("NOT_SENT", True)
    assert server.of("POST") == []


def bybit_rows(first: int, count: int) -> list[dict[str, str]]:
    return [
        {
            "orderId": f"o{number}", "orderLinkId": f"web-{number}", "symbol": "BTCUSDT",
            "side": "Buy", "orderType": "Limit", "price": "27000.1", "qty": "0.1",
            "cumExecQty": "0", "cumExecValue": "0", "orderStatus": "New", "timeInForce": "GTC",
            "createdTime": str(LONG_AGO_MS + number), "updatedTime": str(LONG_AGO_MS + number),
        }
        for number in range(first, first + count)
    ]  # fmt: skip


async def test_open_orders_are_read_in_all_pages_and_of_every_kind() -> None:
    server, desk = Exchange(), Desk()
    pages = [(bybit_rows(0, 50), "next"), (bybit_rows(50, 7), ""), ([], "")]
    server.answer(
        "GET /v5/order/realtime",
        *(
            {"retCode": 0, "result": {"list": rows, "nextPageCursor": cursor}}
            for rows, cursor in pages
        ),
    )
    async with trading("bybit", server, desk) as venue:
        found = await venue.open_orders()
    assert len({order.venue_order_id for order in found}) == len(found) == 57
    asked = server.of("GET /v5/order/realtime")
    assert [(sent["category"], sent.get("cursor")) for sent in asked] == [
        ("spot", None), ("spot", "next"), ("linear", None),
    ]  # fmt: skip
