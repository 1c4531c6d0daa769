"""An emulated Alpaca, an adapter for it, and the ground the conformance suite stands on."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr

from core.engine.clock import SystemClock
from core.model.facts import VenueConnected, VenueEvent
from core.model.ids import ClientOrderId, InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Side
from core.model.orders import Order, OrderIntent, OrderState, OrderType
from core.model.ports import Clock
from core.model.settings import VenueSettings
from core.venues.alpaca.venue import AlpacaVenue
from core.venues.conformance.alpaca import AlpacaControl
from core.venues.conformance.ground import Ground
from emulator.app import Emulator

KEY, SECRET, TOKEN = "k" * 32, "s" * 32, "control"
NAME = VenueName("alpaca")
AAPL = Instrument(
    id=InstrumentId("AAPL-USD.alpaca"),
    venue=NAME,
    venue_symbol="AAPL",
    base="AAPL",
    quote="USD",
    kind=InstrumentKind.STOCK,
    price_tick=Decimal("0.01"),
    size_lot=Decimal("0.000001"),
)
BTC = Instrument(
    id=InstrumentId("BTC-USD.alpaca"),
    venue=NAME,
    venue_symbol="BTC/USD",
    base="BTC",
    quote="USD",
    price_tick=Decimal("0.01"),
    size_lot=Decimal("0.000000001"),
    aliases=("BTCUSD",),
)
WHOLE = Instrument(
    **{name: getattr(AAPL, name) for name in AAPL.__struct_fields__} | {"size_lot": Decimal(1)}
)


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


@asynccontextmanager
async def running(venue: AlpacaVenue, desk: Desk) -> AsyncIterator[AlpacaVenue]:
    task = asyncio.create_task(venue.run(desk))
    try:
        await desk.until(VenueConnected)
        yield venue
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def run() -> Any:
    return running


@asynccontextmanager
async def world() -> AsyncIterator[Emulator]:
    emulator = Emulator(
        seed=7,
        api_key=KEY,
        api_secret=SECRET,
        control_token=TOKEN,
        history_days=2,
        flow=False,
        venues=("alpaca",),
    )
    await emulator.start()
    try:
        yield emulator
    finally:
        await emulator.stop()


def settings_for(emulator: Emulator, host: str = "paper") -> VenueSettings:
    urls = emulator.urls()["alpaca"]
    return VenueSettings(
        rest_url=urls[host],
        ws_api_url=urls[f"{host}_stream"],
        api_key=SecretStr(KEY),
        api_secret=SecretStr(SECRET),
        timeout_s=2.0,
    )


def make_venue(table: VenueSettings, clock: Clock | None = None, **more: Any) -> AlpacaVenue:
    return AlpacaVenue(
        NAME,
        table,
        clock=clock or SystemClock(),
        rng=random.Random(1),
        instruments=more.pop("instruments", (AAPL, BTC)),
        **more,
    )


@asynccontextmanager
async def ground() -> AsyncIterator[Ground]:
    """A fresh market of whole shares."""
    async with world() as emulator:
        clock = SystemClock()
        control = AlpacaControl(
            f"http://127.0.0.1:{emulator.port}/_ctl",
            TOKEN,
            venue="alpaca",
            symbol="AAPL",
            clock=clock,
        )
        await control.mend()
        table = settings_for(emulator)
        try:
            yield Ground(
                name=NAME,
                table=table,
                control=control,
                instrument=WHOLE,
                instruments=(WHOLE,),
                size=Decimal(4),
                unfit={"size": Decimal(20_000)},
                tells_triggers=False,
                make=lambda clock: make_venue(table, clock, instruments=(WHOLE,)),
            )
        finally:
            await control.close()


@pytest.fixture
def subject() -> Any:
    return ground


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with world() as made:
        yield made


@pytest.fixture
async def control(emulator: Emulator) -> AsyncIterator[AlpacaControl]:
    made = AlpacaControl(
        f"http://127.0.0.1:{emulator.port}/_ctl",
        TOKEN,
        venue="alpaca",
        symbol="AAPL",
        clock=SystemClock(),
    )
    await made.mend()
    yield made
    await made.close()


@pytest.fixture
def make(emulator: Emulator) -> Callable[..., AlpacaVenue]:
    def make(host: str = "paper", **more: Any) -> AlpacaVenue:
        return make_venue(settings_for(emulator, host), **more)

    return make


@pytest.fixture
def intent() -> Callable[..., OrderIntent]:
    def intent(number: int = 1, **changes: Any) -> OrderIntent:
        fields: dict[str, Any] = {
            "client_order_id": ClientOrderId(f"clxt-0000000001-{number:08d}"),
            "instrument_id": AAPL.id,
            "side": Side.BUY,
            "type": OrderType.LIMIT,
            "size": Decimal(4),
            "price": Decimal(100),
            "origin": "tui",
        }
        return OrderIntent(**fields | changes)

    return intent


@pytest.fixture
def order(intent: Callable[..., OrderIntent]) -> Callable[..., Order]:
    def order(number: int = 1, venue_order_id: Any = None, **changes: Any) -> Order:
        return Order(
            intent=intent(number, **changes),
            venue=NAME,
            state=OrderState.ACCEPTED,
            venue_order_id=venue_order_id,
            ts_submitted_ns=SystemClock().now_ns(),
            ts_updated_ns=1,
        )

    return order
