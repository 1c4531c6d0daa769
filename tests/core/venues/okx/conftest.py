from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from core.engine.clock import SystemClock
from core.feeds.okx.symbols import parse_listing
from core.model.ids import ClientOrderId, VenueName
from core.model.instruments import Instrument
from core.model.market import Side
from core.model.orders import Order, OrderIntent, OrderState, OrderType
from core.model.ports import Venue
from core.model.settings import VenueSettings
from core.venues.conformance.control import Control
from core.venues.conformance.ground import Ground
from core.venues.conformance.truth import AccountTruth
from core.venues.okx.names import from_wire
from core.venues.okx.venue import OkxVenue
from core.wire.http import HttpSession
from emulator.app import Emulator

KEY, SECRET, TOKEN = "k" * 32, "s" * 32, "control"
OKX = VenueName("okx")


class NamingControl(Control):
    """The oracle with orders called what we call them."""

    async def account(self) -> AccountTruth:
        told = await super().account()
        return msgspec.structs.replace(
            told,
            orders=[
                msgspec.structs.replace(row, client_id=from_wire(row.client_id))
                for row in told.orders
            ],
            fills=[
                msgspec.structs.replace(row, client_id=from_wire(row.client_id))
                for row in told.fills
            ],
        )


async def listed(base: str) -> tuple[Instrument, ...]:
    http = HttpSession(base, clock=SystemClock(), timeout_s=5)
    found: list[Instrument] = []
    for kind in ("SPOT", "SWAP"):
        reply = await http.get("/api/v5/public/instruments", params=f"instType={kind}")
        found += parse_listing(reply.body, OKX).instruments
    await http.close()
    return tuple(found)


def table(base: str, **more: Any) -> VenueSettings:
    return VenueSettings(
        kind="okx",
        rest_url=base,
        ws_api_url=f"{base.replace('http', 'ws')}/ws/v5",
        **{"api_key": KEY, "api_secret": SECRET, "passphrase": "words"} | more,
    )


async def hedged(venue: Venue) -> None:
    assert isinstance(venue, OkxVenue)
    await venue.set_hedging(True)


@asynccontextmanager
async def opened(symbol: str, size: str, **more: Any) -> AsyncIterator[Ground]:
    """Open a fresh market with one account."""
    emulator = Emulator(
        seed=7,
        api_key=KEY,
        api_secret=SECRET,
        control_token=TOKEN,
        history_days=1,
        flow=False,
        venues=("okx",),
    )
    await emulator.start()
    emulator.venues["okx"].connects_a_second = 1_000  # type: ignore[attr-defined]
    host = f"http://127.0.0.1:{emulator.port}"
    control = NamingControl(f"{host}/_ctl", TOKEN, venue="okx", symbol=symbol, clock=SystemClock())
    try:
        # The last price is of the past until somebody trades with the book as it stands.
        await control.trade(Side.BUY, Decimal(size) / 4)
        instruments = await listed(f"{host}/okx")
        instrument = next(each for each in instruments if each.venue_symbol == symbol)
        last = await control.last()
        assert last is not None
        # Far below the market an order is welcome; above its price limit none is.
        beyond = instrument.price(instrument.nearest_ticks(last * Decimal("1.1")))
        settings = table(f"{host}/okx", **more)
        yield Ground(
            name=OKX,
            table=settings,
            control=control,
            instrument=instrument,
            instruments=instruments,
            size=Decimal(size),
            unfit={"price": beyond},
            hedge=hedged if instrument.derivative else None,
            make=lambda clock: OkxVenue(
                OKX, settings, clock=clock, rng=random.Random(1), instruments=instruments
            ),
        )
    finally:
        await control.close()
        await emulator.stop()


@pytest.fixture
def ground() -> Callable[..., Any]:
    """Open a market of a symbol with an ordinary size, and settings of the venue's table."""
    return opened


@pytest.fixture
def intent() -> Callable[..., OrderIntent]:
    def intent(cid: str = "clxt-0000000001-00000001", **changes: Any) -> OrderIntent:
        fields: dict[str, Any] = {
            "client_order_id": ClientOrderId(cid),
            "instrument_id": "BTC-USDT.okx",
            "side": Side.BUY,
            "type": OrderType.LIMIT,
            "size": Decimal("0.0100"),
            "price": Decimal("50000.10"),
            "origin": "tui",
        }
        return OrderIntent(**fields | changes)

    return intent


@pytest.fixture
def order(intent: Callable[..., OrderIntent]) -> Callable[..., Order]:
    def order(cid: str = "clxt-0000000001-00000001", **changes: Any) -> Order:
        kept = {
            key: changes.pop(key) for key in ("triggered_ns", "venue_order_id") if key in changes
        }
        return Order(
            intent=intent(cid, **changes),
            venue=OKX,
            state=OrderState.ACCEPTED,
            ts_submitted_ns=1,
            ts_updated_ns=1,
            **kept,
        )

    return order
