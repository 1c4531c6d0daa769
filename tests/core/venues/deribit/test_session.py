"""Deribit's socket against a scripted venue: what is sent, and what each silence means."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from core.engine.clock import SystemClock
from core.model.errors import TemporaryError
from core.model.facts import DeadManSet, VenueConnected, VenueDisconnected, VenueEvent
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.orders import (
    AmendSubmitted,
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
from core.venues.deribit.venue import DeribitVenue

DERIBIT = VenueName("deribit")
PERP = Instrument(
    id=InstrumentId("BTC-USD-PERP.deribit"),
    venue=DERIBIT,
    venue_symbol="BTC-PERPETUAL",
    base="BTC",
    quote="USD",
    kind=InstrumentKind.PERPETUAL,
    price_tick=Decimal("0.5"),
    size_lot=Decimal(10),
    inverse=True,
    settle="BTC",
)
CID = "clxt-0000000001-00000001"
DROP, SILENCE = object(), object()


class Script:
    """A venue that answers each method by its script."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Any] = {}
        self.sockets: list[ServerConnection] = []
        self.expires_in = 900
        self._news = asyncio.Event()

    async def handle(self, socket: ServerConnection) -> None:
        self.sockets.append(socket)
        async for text in socket:
            asked = json.loads(text)
            method, params = asked["method"], asked["params"]
            self.asked.append((method, params))
            self._news.set()
            answer = self.answers.get(method, self.usual(method, params))
            if answer is DROP:
                socket.transport.abort()
                return
            if answer is not SILENCE:
                kind = "error" if isinstance(answer, dict) and "code" in answer else "result"
                told = {"jsonrpc": "2.0", "id": asked["id"], kind: answer}
                await socket.send(json.dumps(told))

    def usual(self, method: str, params: dict[str, Any]) -> Any:
        if method == "public/get_time":
            return SystemClock().now_ns() // 1_000_000
        if method == "public/auth":
            return {"refresh_token": "again", "expires_in": self.expires_in, "access_token": "a"}
        if method == "private/subscribe":
            return params["channels"]
        if method == "private/get_account_summaries":
            return {"summaries": []}
        return "ok"

    def of(self, method: str) -> list[dict[str, Any]]:
        return [params for name, params in self.asked if name == method]

    async def until(self, method: str, count: int = 1) -> None:
        async with asyncio.timeout(10):
            while len(self.of(method)) < count:
                self._news.clear()
                await self._news.wait()

    async def push(self, channel: str, data: Any) -> None:
        params = {"channel": channel, "data": data}
        told = {"jsonrpc": "2.0", "method": "subscription", "params": params}
        await self.sockets[-1].send(json.dumps(told))


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
def script() -> Script:
    return Script()


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def running(script: Script, desk: Desk) -> Callable[..., Any]:
    @asynccontextmanager
    async def running(**more: Any) -> AsyncIterator[DeribitVenue]:
        async with serve(script.handle, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            settings = VenueSettings(
                ws_api_url=f"ws://127.0.0.1:{port}",
                rest_url=f"http://127.0.0.1:{port}",
                **{"api_key": "key", "api_secret": "secret", "timeout_s": 0.3} | more,
            )
            venue = DeribitVenue(
                DERIBIT, settings, clock=SystemClock(), rng=random.Random(1), instruments=[PERP]
            )
            task = asyncio.create_task(venue.run(desk))
            try:
                await desk.until(VenueConnected)
                yield venue
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    return running


def row(**changes: Any) -> dict[str, Any]:
    return {
        "order_id": "1", "order_state": "open", "order_type": "limit", "amount": 100.0,
        "filled_amount": 0.0, "instrument_name": "BTC-PERPETUAL", "direction": "buy",
        "price": 50000.5, "label": CID, "last_update_timestamp": 1000, "replaced": False,
    } | changes  # fmt: skip


def trade(**changes: Any) -> dict[str, Any]:
    return {
        "trade_id": "7", "trade_seq": 7, "instrument_name": "BTC-PERPETUAL", "order_id": "1",
        "direction": "buy", "price": 50000.5, "amount": 40.0, "fee": 1e-08, "fee_currency": "BTC",
        "liquidity": "M", "label": CID, "profit_loss": 0.0, "timestamp": 1000,
    } | changes  # fmt: skip


async def test_a_session_is_signed_watched_and_subscribed(script, running):
    async with running(dead_man_s=30):
        (auth,) = script.of("public/auth")
        assert auth["grant_type"] == "client_signature"
        assert "secret" not in json.dumps(script.asked)
        assert script.of("private/enable_cancel_on_disconnect") == [{"scope": "connection"}]
        assert script.of("public/set_heartbeat")[0]["interval"] >= 10
        (channels,) = script.of("private/subscribe")
        assert channels["channels"] == ["user.changes.any.any.raw", "user.portfolio.any"]


async def test_the_switch_is_told_while_it_is_armed_and_no_longer(script, desk, running):
    async with running(dead_man_s=30):
        assert (await desk.until(DeadManSet)).state
        script.sockets[-1].transport.abort()
        assert (await desk.until(DeadManSet, 2)).state == ""
    assert not [name for name, _ in script.asked if name == "private/logout"]


async def test_without_the_setting_orders_outlive_the_connection(script, desk, running):
    async with running():
        assert not script.of("private/enable_cancel_on_disconnect")
        assert not desk.of(DeadManSet)


async def test_a_heartbeat_is_answered(script, running):
    async with running():
        told = {"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": "test_request"}}
        await script.sockets[-1].send(json.dumps(told))
        await script.until("public/test")


async def test_a_token_is_renewed_before_it_ends(script, running):
    script.expires_in = 0
    async with running():
        told = {"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": "test_request"}}
        await script.sockets[-1].send(json.dumps(told))
        await script.until("public/auth", 2)
        assert script.of("public/auth")[1]["grant_type"] == "refresh_token"


async def test_an_order_is_taken_filled_and_told_once(script, desk, running, intent):
    script.answers["private/buy"] = {"order": row(filled_amount=40.0), "trades": [trade()]}
    async with running() as venue:
        venue.submit(intent())
        fill = await desk.until(OrderFilled)
        assert (fill.size, fill.realised, fill.maker) == (Decimal(40), 0, True)
        await script.push(
            "user.changes.any.any.raw",
            {"instrument_name": "BTC-PERPETUAL", "positions": [], "trades": [trade()],
             "orders": [row(order_state="cancelled", cancel_reason="user_request",
                            filled_amount=40.0)]},
        )  # fmt: skip
        assert (await desk.until(OrderCanceled)).filled == 40
        assert [type(event) for event in desk.events if "Order" in type(event).__name__] == [
            OrderAccepted, OrderFilled, OrderCanceled,
        ]  # fmt: skip
        (sent,) = script.of("private/buy")
        assert (sent["label"], sent["amount"], sent["price"]) == (CID, 100, 50000.5)
        assert sent["valid_until"] > SystemClock().now_ns() // 1_000_000


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"code": 10009, "message": "not_enough_funds"}, OrderRejected),
        ({"code": 10028, "message": "too_many_requests"}, OrderRejected),
        ({"code": 13009, "message": "unauthorized"}, OrderRejected),
        ({"code": 11094, "message": "internal_server_error"}, OrderUnknown),
        ({"code": 10040, "message": "retry"}, OrderUnknown),
        (DROP, OrderUnknown),
        (SILENCE, OrderUnknown),
        ({"order": {}}, OrderUnknown),
    ],
)
async def test_an_outcome_is_told_as_far_as_it_is_known(
    script, desk, running, intent, answer, outcome
):
    script.answers["private/buy"] = answer
    async with running() as venue:
        venue.submit(intent())
        told = await desk.until(outcome)
        assert told.client_order_id == CID
        assert not desk.of(OrderAccepted)
        assert len(script.of("private/buy")) == 1
        if outcome is OrderRejected:
            assert told.code == str(answer["code"])
        if isinstance(answer, dict) and answer.get("code") == 13009:
            await desk.until(VenueConnected, 2)


async def test_without_a_session_nothing_is_sent(script, desk, running, intent):
    async with running() as venue:
        script.answers["public/get_time"] = SILENCE
        script.sockets[-1].transport.abort()
        await desk.until(VenueDisconnected)
        venue.submit(intent())
        assert (await desk.until(OrderRejected)).code == "NOT_SENT"
        with pytest.raises(TemporaryError):
            await venue.open_orders()


async def test_a_session_the_venue_has_ended_is_begun_anew(script, desk, running):
    script.answers["private/get_open_orders"] = {"code": 13009, "message": "unauthorized"}
    async with running() as venue:
        with pytest.raises(TemporaryError):
            await venue.open_orders()
        await desk.until(VenueConnected, 2)
        assert len(script.of("public/auth")) == 2


async def test_a_push_that_cannot_be_read_is_never_skipped(script, desk, running):
    async with running():
        await script.push("user.changes.any.any.raw", {"trades": [{"trade_id": 5}]})
        told = await desk.until(VenueDisconnected)
        assert "unreadable" in told.reason
        await desk.until(VenueConnected, 2)


async def test_a_trigger_gives_an_order_another_id(script, desk, running, intent, order):
    waits = row(order_id="SLTB-1", order_state="untriggered", order_type="stop_market",
                price="market_price", trigger_price=49000.0)  # fmt: skip
    script.answers["private/buy"] = {"order": waits, "trades": []}
    stop = {"type": OrderType.STOP, "price": None, "trigger_price": Decimal(49000)}
    async with running() as venue:
        venue.submit(intent(**stop))
        assert (await desk.until(OrderAccepted)).venue_order_id == "SLTB-1"
        child = row(order_id="2", order_type="market", trigger_order_id="SLTB-1",
                    order_state="filled", filled_amount=40.0)  # fmt: skip
        await script.push(
            "user.changes.any.any.raw",
            {"trades": [trade(order_id="2")], "orders": [waits | {"order_state": "triggered"},
                                                         child]},
        )  # fmt: skip
        assert (await desk.until(OrderTriggered)).venue_order_id == "2"
        await desk.until(OrderFilled)
        script.answers["private/cancel_by_label"] = 0
        venue.cancel(order(**stop))
        assert (await desk.until(CancelRejected)).code == "11044"


async def test_a_change_is_told_and_what_was_rejected_later_has_ended(
    script, desk, running, intent, order
):
    script.answers["private/buy"] = {"order": row(), "trades": []}
    script.answers["private/edit"] = {
        "order": row(amount=50.0, replaced=True, last_update_timestamp=2000),
        "trades": [],
    }
    async with running() as venue:
        venue.submit(intent())
        await desk.until(OrderAccepted)
        change = AmendSubmitted(client_order_id=intent().client_order_id, origin="tui",
                                size=Decimal(50), ts_ns=1)  # fmt: skip
        venue.amend(order(venue_order_id="1"), change)
        told = await desk.until(OrderAmended)
        assert (told.size, told.price) == (Decimal(50), Decimal("50000.5"))
        gone = row(order_state="rejected", reject_reason="no_position")
        await script.push("user.changes.any.any.raw", {"trades": [], "orders": [gone]})
        assert (await desk.until(OrderExpired)).reason == "no_position"


async def test_own_trades_are_read_page_by_page(script, running):
    method = "private/get_user_trades_by_instrument"
    script.answers[f"{method}_and_time"] = {"trades": [trade()], "has_more": True}
    last = trade(trade_id="8", trade_seq=8)
    script.answers[method] = {"trades": [last], "has_more": False}
    async with running() as venue:
        now_ns = SystemClock().now_ns()
        fills = await venue.fills(PERP.id, now_ns - 60_000_000_000)
        assert [fill.execution_id for fill in fills] == ["7", "8"]
        assert script.of(method)[0]["start_seq"] == 8
        # Older than a day, the venue's history is asked too; what both tell is told once.
        old = await venue.fills(PERP.id, now_ns - 48 * 3_600 * 1_000_000_000)
        assert [fill.execution_id for fill in old] == ["7", "8"]
        assert [asked["historical"] for asked in script.of(f"{method}_and_time")] == [
            False, False, True,
        ]  # fmt: skip


async def test_an_order_nobody_knows_is_none_and_not_an_error(script, running, order):
    script.answers["private/get_order_state_by_label"] = []
    async with running() as venue:
        assert await venue.find_order(order()) is None
        script.answers["private/get_order_state_by_label"] = {"code": 11094, "message": "oops"}
        with pytest.raises(TemporaryError):
            await venue.find_order(order())
