"""A small engine behind a real socket: facts on demand, commands answered from plain state."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.model.accounts import RiskState
from core.model.commands import (
    CancelOrder,
    Done,
    GetBook,
    GetOrders,
    GetQuotes,
    GetStatus,
    Reconcile,
    Request,
    StatusReport,
    StopEngine,
)
from core.model.errors import RateLimited, VenueError
from core.model.ids import InstrumentId
from core.model.market import FeedStatus
from core.model.views import (
    Alert,
    AlertRaised,
    BookView,
    EngineSnapshot,
    EngineStatus,
    Fact,
    MarketFrame,
    QuoteLine,
    View,
)
from core.wire.backoff import Backoff
from link.client import StreamLink, UnixLink
from link.server import LinkServer

BTC = InstrumentId("BTC-USDT.binance")


class CountingView:
    """A market in which one price rises by a tick each time it is told to."""

    def __init__(self, face: SmallFace) -> None:
        self._face = face
        self._view: View | None = None
        self._seen = -1

    def watch(self, view: View) -> None:
        self._view = view
        self._seen = -1

    def next_frame(self) -> MarketFrame | None:
        self._face.frames_made += 1
        if self._face.price == self._seen:
            return None
        self._seen = self._face.price
        return MarketFrame(ts_ns=self._seen, quotes=[quote(self._seen)])

    def close(self) -> None:
        self._face.open_views -= 1


def quote(price: int) -> QuoteLine:
    return QuoteLine(
        instrument_id=BTC,
        bid_ticks=price,
        ask_ticks=price + 1,
        last_ticks=price,
        open_24h_ticks=1,
        high_24h_ticks=price,
        low_24h_ticks=1,
        volume_24h_lots=5,
        status=FeedStatus.LIVE,
        ts_event_ns=0,
        age_ms=0,
    )


class SmallFace:
    """The least an engine is to its doorway: numbered facts, a snapshot of them, commands."""

    def __init__(self, session: str = "s1") -> None:
        self.session = session
        self.version = "0.1.0"
        self.seq = 0
        self.alerts: list[Alert] = []
        self.price = 100
        self.frames_made = 0
        self.open_views = 0
        self.clients = 0
        self.requests: list[Request] = []
        self.hold = asyncio.Event()
        self._sink: Callable[[int, Fact], None] = lambda seq, fact: None

    def snapshot(self) -> EngineSnapshot:
        return EngineSnapshot(
            seq=self.seq,
            status=self.status(),
            instruments=(),
            watchlist=(BTC,),
            orders=(),
            fills=(),
            positions=(),
            balances=(),
            equity=Decimal("1.50"),
            day_pnl=Decimal(0),
            limits=(),
            feeds=(),
            venues=(),
            strategies=(),
            models=(),
            signals=(),
            alerts=tuple(self.alerts[-100:]),
        )

    def status(self) -> EngineStatus:
        return EngineStatus(
            session=self.session,
            version=self.version,
            pid=1,
            mode="SIM",
            started_ns=0,
            phase="running",
            risk_state=RiskState.ACTIVE,
        )

    async def execute(self, request: Request) -> Any:
        self.requests.append(request)
        match request.command:
            case GetStatus():
                return StatusReport(
                    status=self.status(),
                    feeds=(),
                    venues=(),
                    equity=Decimal("1.50"),
                    day_pnl=Decimal(0),
                    limits=(),
                    alerts=(),
                )
            case GetOrders():
                return ()
            case GetQuotes():
                await self.hold.wait()
                return (quote(self.price),)
            case GetBook():
                return BookView(instrument_id=BTC, bids=[(1, 2)], asks=[(3, 4)], last_id=5)
            case CancelOrder():
                raise VenueError("-2011", "Unknown order sent.")
            case Reconcile():
                raise RateLimited("-1003", "Too many requests.", 2.5)
            case StopEngine():
                raise RuntimeError("a bug")
            case _:
                self.publish("carried out")
                return Done()

    def publish(self, text: str) -> None:
        alert = Alert(ts_ns=self.seq, level="info", source="test", text=text)
        self.alerts.append(alert)
        self.seq += 1
        self._sink(self.seq, AlertRaised(alert=alert))

    def open_view(self) -> CountingView:
        self.open_views += 1
        return CountingView(self)

    def on_fact(self, sink: Callable[[int, Fact], None]) -> int:
        self._sink = sink
        return self.seq

    def on_clients(self, count: int) -> None:
        self.clients = count


class Zero:
    """A generator of no jitter, for back-off without randomness."""

    def uniform(self, low: float, high: float) -> float:
        return low


def quick_backoff() -> Backoff:
    return Backoff(Zero(), first_s=0.01, max_s=0.01)  # type: ignore[arg-type]  # all it uses


@pytest.fixture
def socket_path(tmp_path: Path) -> Path:
    return tmp_path / "clx.sock"


@pytest.fixture
async def face() -> SmallFace:
    return SmallFace()


@contextlib.asynccontextmanager
async def _serving(server: LinkServer) -> AsyncIterator[LinkServer]:
    task = asyncio.create_task(server.run())
    ready = asyncio.create_task(server.ready.wait())
    await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
    ready.cancel()
    if task.done():
        await task
    try:
        yield server
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def _following(link: StreamLink) -> AsyncIterator[StreamLink]:
    task = asyncio.create_task(link.run())
    try:
        yield link
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until something holds; the test's own timeout bounds it."""
    while not condition():  # noqa: ASYNC110  any state, not one event
        await asyncio.sleep(0.001)


@pytest.fixture
def serving() -> Callable[[LinkServer], contextlib.AbstractAsyncContextManager[LinkServer]]:
    return _serving


@pytest.fixture
def following() -> Callable[[StreamLink], contextlib.AbstractAsyncContextManager[StreamLink]]:
    return _following


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    return _until


@pytest.fixture
async def server(face: SmallFace, socket_path: Path) -> AsyncIterator[LinkServer]:
    async with _serving(LinkServer(face, socket_path)) as running:
        yield running


@pytest.fixture
async def link(server: LinkServer) -> AsyncIterator[UnixLink]:
    async with _following(UnixLink(server.path, backoff=quick_backoff())) as running:
        yield running


@pytest.fixture
def backoff() -> Backoff:
    return quick_backoff()
