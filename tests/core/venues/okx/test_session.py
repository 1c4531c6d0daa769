"""OKX's sockets and requests against a scripted venue: what is sent, and what silence means."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from core.engine.clock import SystemClock
from core.model.accounts import EntryKind
from core.model.errors import ConfigError, TemporaryError
from core.model.facts import (
    BalancesReported,
    CashMoved,
    DeadManSet,
    VenueConnected,
    VenueDisconnected,
    VenueEvent,
    VenueWarned,
)
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.orders import (
    AmendRejected,
    CancelRejected,
    OrderAccepted,
    OrderAmended,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderTriggered,
    OrderType,
    OrderUnknown,
)
from core.model.settings import VenueSettings
from core.venues.okx.names import to_wire
from core.venues.okx.venue import OkxVenue

OKX = VenueName("okx")
BTC = Instrument(
    id=InstrumentId("BTC-USDT.okx"),
    venue=OKX,
    venue_symbol="BTC-USDT",
    base="BTC",
    quote="USDT",
    price_tick=Decimal("0.1"),
    size_lot=Decimal("0.00000001"),
)
CID = "clxt-0000000001-00000001"
WIRE = CID.replace("-", "")


class Server:
    """A venue that answers from a script: an answer or a queue of them for each path."""

    def __init__(self) -> None:
        self.scripts: dict[str, list[Any]] = {}
        self.requests: list[tuple[str, dict[str, str], bytes, dict[str, str]]] = []
        self.sockets: dict[str, web.WebSocketResponse] = {}
        self.refuse_login = 0
        self.skew_ms = 0
        self.url = ""
        self._news = asyncio.Event()

    def answer(self, path: str, *answers: Any) -> None:
        """Queue answers of a path; the last one stays."""
        self.scripts.setdefault(path, []).extend(answers)

    def asked(self, path: str) -> list[Any]:
        return [json.loads(body or b"{}") for name, _, body, _ in self.requests if name == path]

    async def until(self, path: str, count: int = 1) -> None:
        async with asyncio.timeout(10):
            while len(self.asked(path)) < count:
                self._news.clear()
                await self._news.wait()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix("/api/v5/")
        body = await request.read()
        self.requests.append((path, dict(request.query), body, dict(request.headers)))
        self._news.set()
        if path == "public/time":
            now_ms = SystemClock().now_ns() // 1_000_000 + self.skew_ms
            return web.json_response({"code": "0", "msg": "", "data": [{"ts": str(now_ms)}]})
        script = self.scripts.get(path) or [(200, rows())]
        answer = script.pop(0) if len(script) > 1 else script[0]
        if answer == "reset":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        status, told = answer
        return web.Response(status=status, text=told if isinstance(told, str) else json.dumps(told))

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets[request.match_info["path"]] = socket
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
            if message.data == "ping":
                await socket.send_str("pong")
                continue
            asked = message.json()
            if asked["op"] == "login" and self.refuse_login:
                self.refuse_login -= 1
                refusal = {"event": "error", "code": "60009", "msg": "Login failed."}
                await socket.send_json(refusal)
            elif asked["op"] == "login":
                await socket.send_json({"event": "login", "code": "0", "msg": ""})
            else:
                for arg in asked["args"]:
                    await socket.send_json({"event": "subscribe", "arg": arg})
        return socket

    async def push(self, path: str, channel: str, *told: dict[str, Any]) -> None:
        await self.sockets[path].send_json({"arg": {"channel": channel}, "data": list(told)})


def rows(*told: dict[str, Any], code: str = "0", msg: str = "") -> dict[str, Any]:
    return {"code": code, "msg": msg, "data": list(told)}


def taken(**more: str) -> tuple[int, dict[str, Any]]:
    return 200, rows({"ordId": "1", "clOrdId": WIRE, "sCode": "0", "sMsg": "", "ts": "5"} | more)


def order_row(**more: Any) -> dict[str, Any]:
    return {
        "instType": "SPOT", "instId": "BTC-USDT", "ordId": "1", "clOrdId": WIRE, "px": "50000.1",
        "sz": "0.01", "side": "buy", "ordType": "limit", "state": "live", "accFillSz": "0",
        "uTime": "1000", "cTime": "900",
    } | more  # fmt: skip


def algo_row(**more: Any) -> dict[str, Any]:
    return {
        "instType": "SPOT", "instId": "BTC-USDT", "algoId": "9", "algoClOrdId": WIRE, "sz": "0.01",
        "side": "buy", "ordType": "conditional", "state": "live", "slTriggerPx": "51000",
        "slOrdPx": "-1", "uTime": "1000", "ordId": "",
    } | more  # fmt: skip


class Desk:
    """Collects what a venue tells, and waits for it."""

    def __init__(self) -> None:
        self.events: list[VenueEvent] = []
        self._told = asyncio.Event()

    def __call__(self, event: VenueEvent) -> None:
        self.events.append(event)
        self._told.set()

    def of(self, *kinds: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kinds)]

    async def until(self, kind: type, count: int = 1) -> Any:
        async with asyncio.timeout(10):
            while len(self.of(kind)) < count:
                self._told.clear()
                await self._told.wait()
        return self.of(kind)[count - 1]


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    app = web.Application()
    app.router.add_get("/ws/v5/{path}", server.socket)
    app.router.add_route("*", "/api/v5/{tail:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    for socket in server.sockets.values():
        await socket.close()
    await runner.cleanup()


def make(server: Server, **more: Any) -> OkxVenue:
    known = {
        "rest_url": server.url,
        "ws_api_url": f"{server.url.replace('http', 'ws')}/ws/v5",
        "api_key": "key",
        "api_secret": "secret",
        "passphrase": "words",
        "timeout_s": 0.5,
    }
    return OkxVenue(
        OKX,
        VenueSettings(**known | more),
        clock=SystemClock(),
        rng=random.Random(1),
        instruments=[BTC],
    )


@pytest.fixture
def running(server: Server, desk: Desk) -> Callable[..., Any]:
    @asynccontextmanager
    async def running(**more: Any) -> AsyncIterator[OkxVenue]:
        venue = make(server, **more)
        task = asyncio.create_task(venue.run(desk))
        try:
            await desk.until(VenueConnected)
            yield venue
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    return running


async def test_an_order_is_signed_with_its_body_and_bears_a_deadline(
    server, desk, running, intent, order
):
    server.answer("trade/order", taken())
    async with running() as venue:
        venue.submit(intent())
        assert (await desk.until(OrderAccepted)).venue_order_id == "1"
        _, _, body, head = next(row for row in server.requests if row[0] == "trade/order")
        text = f"{head['OK-ACCESS-TIMESTAMP']}POST/api/v5/trade/order".encode() + body
        wanted = base64.b64encode(hmac.new(b"secret", text, hashlib.sha256).digest()).decode()
        assert head["OK-ACCESS-SIGN"] == wanted
        assert json.loads(body)["clOrdId"] == to_wire(intent().client_order_id) == WIRE
        assert int(head["expTime"]) > SystemClock().now_ns() // 1_000_000
        assert not any("secret" in str(seen) for seen in venue.traffic(order()))
        assert venue.traffic(order())


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ((200, rows({"sCode": "51008", "sMsg": "no"}, code="1")), OrderRejected),
        ((429, rows(code="50011", msg="Too Many Requests")), OrderRejected),
        ((200, rows(code="50011", msg="Too Many Requests")), OrderRejected),
        ((401, rows(code="50102", msg="Timestamp request expired")), OrderRejected),
        ((400, rows(code="50004", msg="Endpoint request timeout")), OrderUnknown),
        ((503, "<html>"), OrderUnknown),
        ((200, "{}"), OrderUnknown),
        ("reset", OrderUnknown),
    ],
)
async def test_an_outcome_is_told_as_far_as_it_is_known(
    server, desk, running, intent, answer, outcome
):
    server.answer("trade/order", answer)
    async with running() as venue:
        venue.submit(intent())
        assert (await desk.until(outcome)).client_order_id == CID
        assert len(server.asked("trade/order")) == 1
        assert not desk.of(OrderAccepted)


async def test_the_whole_life_of_an_order_is_told_once(server, desk, running, intent):
    server.answer("trade/order", taken())
    fill = {
        "state": "partially_filled", "accFillSz": "0.004", "fillSz": "0.004", "fillPx": "50000.1",
        "tradeId": "7", "fillTime": "1001", "fillFee": "-0.000004", "fillFeeCcy": "BTC",
        "execType": "M", "fillPnl": "0",
    }  # fmt: skip
    async with running() as venue:
        venue.submit(intent())
        for _ in range(2):
            await server.push("private", "orders", order_row(), order_row(**fill))
        gone = order_row(state="canceled", cancelSource="20", accFillSz="0.004")
        await server.push("private", "orders", gone)
        ended = await desk.until(OrderCanceled)
        assert ("dead-man" in ended.reason, ended.filled) == (True, Decimal("0.004"))
        (filled,) = desk.of(OrderFilled)
        assert (filled.fee, filled.fee_asset, filled.maker) == (Decimal("0.000004"), "BTC", True)
        assert len(desk.of(OrderAccepted)) == 1


@pytest.mark.parametrize(
    ("push", "kind"),
    [
        (order_row(sz="0.005", amendResult="0"), OrderAmended),
        (order_row(amendResult="-1", code="51503", msg="gone"), AmendRejected),
        (order_row(state="canceled", cancelSource="14"), OrderExpired),
        (order_row(state="canceled", cancelSource="31"), OrderCanceled),
    ],
)
async def test_pushed_orders_say_what_became_of_them(server, desk, running, push, kind):
    async with running():
        await server.push("private", "orders", push)
        assert (await desk.until(kind)).client_order_id == CID


async def test_orders_of_others_are_left_alone(server, desk, running):
    async with running():
        await server.push("private", "orders", order_row(clOrdId="b15"), order_row(clOrdId=""))
        await server.push("private", "account", {"uTime": "5", "details": [
            {"ccy": "USDT", "cashBal": "12.5", "ordFrozen": "2"}]})  # fmt: skip
        told = await desk.until(BalancesReported)
        assert (told.balances[0].total, told.balances[0].held) == (Decimal("12.5"), Decimal(2))
        assert not desk.of(OrderAccepted)


async def test_a_stop_becomes_an_order_of_another_id(server, desk, running, intent, order):
    server.answer("trade/order-algo", (200, rows({"algoId": "9", "sCode": "0"})))
    server.answer("trade/cancel-order", taken())
    stop = {"type": OrderType.STOP, "price": None, "trigger_price": Decimal(51000)}
    async with running() as venue:
        venue.submit(intent(**stop))
        assert (await desk.until(OrderAccepted)).venue_order_id == "9"
        await server.push("business", "orders-algo", algo_row(state="effective", ordId="77"))
        assert (await desk.until(OrderTriggered)).venue_order_id == "77"
        venue.cancel(order(**stop))
        await server.until("trade/cancel-order")
        assert server.asked("trade/cancel-order") == [{"instId": "BTC-USDT", "ordId": "77"}]
        await server.push(
            "business", "orders-algo", algo_row(state="order_failed", failCode="51008")
        )
        assert "51008" in (await desk.until(OrderExpired)).reason


async def test_a_cancel_that_comes_too_late_finds_what_was_triggered(server, desk, running, order):
    gone = rows({"sCode": "51400", "sMsg": "filled, canceled or does not exist"}, code="1")
    server.answer("trade/cancel-algos", (200, gone))
    server.answer("trade/order-algo", (200, rows(algo_row(state="effective", ordId="77"))))
    server.answer("trade/cancel-order", taken())
    async with running() as venue:
        venue.cancel(order(type=OrderType.STOP, price=None, trigger_price=Decimal(51000)))
        assert (await desk.until(CancelRejected)).code == "51400"
        await server.until("trade/cancel-order")
        assert server.asked("trade/cancel-order")[0]["ordId"] == "77"


async def test_a_cancel_refused_for_haste_is_sent_again(server, desk, running, order):
    haste = (429, rows(code="50011", msg="Too Many Requests"))
    server.answer("trade/cancel-order", haste, taken())
    async with running() as venue:
        venue.cancel(order())
        await server.until("trade/cancel-order", 2)
        assert not desk.of(CancelRejected)


def named(order, number, **changes):
    return order(cid=f"clxt-0000000001-{number:08d}", **changes)


async def test_cancels_of_one_moment_go_together(server, desk, running, order):
    stop = {"type": OrderType.STOP, "price": None, "trigger_price": Decimal(51000)}
    async with running() as venue:
        for number in range(25):
            venue.cancel(named(order, number))
        for number in range(25, 37):
            venue.cancel(named(order, number, **stop))
        await server.until("trade/cancel-batch-orders", 2)
        await server.until("trade/cancel-algos", 2)
    plain = server.asked("trade/cancel-batch-orders")
    waiting = server.asked("trade/cancel-algos")
    assert sorted(len(batch) for batch in plain) == [5, 20]
    assert sorted(len(batch) for batch in waiting) == [2, 10]
    names = [row["clOrdId"] for batch in plain for row in batch]
    assert len(set(names)) == 25
    assert not server.asked("trade/cancel-order")


async def test_each_order_of_a_batch_has_an_outcome_of_its_own(server, desk, running, order):
    taken_, gone, haste = ({"sCode": code, "sMsg": code} for code in ("0", "51400", "50011"))
    open_ended = {"sCode": "50004", "sMsg": "endpoint request timeout"}
    told = rows(taken_, gone, haste, open_ended, code="2")
    server.answer("trade/cancel-batch-orders", (200, told))
    async with running() as venue:
        for number in range(4):
            venue.cancel(named(order, number))
        await server.until("trade/cancel-order")
        refused = await desk.until(CancelRejected)
    assert (refused.client_order_id[-1], refused.code) == ("1", "51400")
    assert [row["clOrdId"][-1] for row in server.asked("trade/cancel-order")] == ["2"]
    assert len(desk.of(CancelRejected)) == 1


@pytest.mark.parametrize("answer", ["reset", (200, rows({"sCode": "0"})), (502, "gateway")])
async def test_batch_nobody_can_read_the_answer_of_is_left_to_be_asked_about(
    server, desk, running, order, answer
):
    server.answer("trade/cancel-batch-orders", answer)
    async with running() as venue:
        for number in range(3):
            venue.cancel(named(order, number))
        await server.until("trade/cancel-batch-orders")
        venue.cancel(named(order, 3))
        await server.until("trade/cancel-order")
    assert len(server.asked("trade/cancel-order")) == 1
    assert not desk.of(CancelRejected)


async def test_funding_is_booked_when_the_venue_says_that_money_moved(server, desk, running):
    bill = {
        "billId": "5", "type": "8", "subType": "173", "ccy": "USDT", "balChg": "-0.5",
        "instId": "BTC-USDT-SWAP", "ts": "1000",
    }  # fmt: skip
    server.answer("account/bills", (200, rows(bill)))
    async with running():
        await server.push("private", "balance_and_position", {"eventType": "funding_fee"})
        moved = await desk.until(CashMoved)
        assert (moved.kind, moved.amount, moved.flow_id) == (
            EntryKind.FUNDING, Decimal("-0.5"), "5",
        )  # fmt: skip


async def test_a_position_near_liquidation_is_a_warning(server, desk, running):
    held = {
        "instType": "SPOT", "instId": "BTC-USDT", "posSide": "net", "pos": "3", "mgnRatio": "1.1",
    }  # fmt: skip
    async with running():
        await server.push("private", "liquidation-warning", held)
        assert "liquidation" in (await desk.until(VenueWarned)).text


@pytest.mark.parametrize(
    "frame",
    ['{"event":"notice","code":"64008","msg":"soon"}', "{nonsense",
     '{"arg":{"channel":"orders"},"data":[{"sz":5}]}'],
)  # fmt: skip
async def test_upgrades_and_unreadable_pushes_begin_a_new_connection(server, desk, running, frame):
    async with running():
        await server.sockets["private"].send_str(frame)
        await desk.until(VenueDisconnected)
        await desk.until(VenueConnected, 2)


async def test_a_refused_login_is_told_and_tried_again(server, desk, running):
    server.refuse_login = 1
    async with running():
        (told,) = desk.of(VenueDisconnected)
        assert "60009" in told.reason


async def test_a_skewed_clock_is_followed_and_told(server, desk):
    server.skew_ms = 60_000
    venue = make(server)
    task = asyncio.create_task(venue.run(desk))
    assert "clock skew" in (await desk.until(VenueDisconnected)).reason
    await venue.balances()
    head = next(row[3] for row in server.requests if row[0] == "account/balance")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    # What is signed is the venue's time, or it would refuse it.
    signed_s = datetime.fromisoformat(head["OK-ACCESS-TIMESTAMP"]).timestamp()
    assert 50 < signed_s - SystemClock().now_ns() / 1e9 < 70


async def test_the_switch_is_armed_and_says_so(server, desk, running):
    server.answer("trade/cancel-all-after", (200, rows({"triggerTime": "1"})))
    async with running(dead_man_s=30):
        assert "30 s" in (await desk.until(DeadManSet)).state
        assert server.asked("trade/cancel-all-after")[0] == {"timeOut": "30"}


@pytest.mark.parametrize(
    "more", [{"dead_man_s": 5}, {"dead_man_s": 200}, {"dead_man_s": 12.5}, {"passphrase": ""}]
)
def test_settings_the_venue_does_not_take_are_refused(more):
    server = Server()
    server.url = "http://127.0.0.1:1"
    with pytest.raises(ConfigError, match=next(iter(more))):
        make(server, **more)


async def test_what_is_asked_too_often_is_asked_again_and_pages_are_followed(server, running):
    haste = (200, rows(code="50011", msg="Too Many Requests"))
    page = rows(*(order_row(ordId=str(200 - n), clOrdId=f"o{n}") for n in range(100)))
    last = rows(order_row(ordId="3", clOrdId="last"))
    server.answer("trade/orders-pending", haste, (200, page), (200, last))
    server.answer("trade/orders-algo-pending", (200, rows()))
    async with running() as venue:
        found = await venue.open_orders()
        assert len(found) == 101
        asked = [query for name, query, _, _ in server.requests if name == "trade/orders-pending"]
        assert [query.get("after") for query in asked] == [None, None, "101"]


async def test_no_such_order_is_none_and_trouble_is_not(server, running, order):
    missing = (200, rows(code="51603", msg="Order does not exist"))
    server.answer("trade/order", missing)
    async with running() as venue:
        assert await venue.find_order(order()) is None
        server.scripts["trade/order"] = [(200, rows(code="50026", msg="System error"))]
        with pytest.raises(TemporaryError):
            await venue.find_order(order())
