from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from core.engine.clock import SystemClock
from core.feeds.deribit.symbols import parse_instruments
from core.model.ids import ClientOrderId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Side
from core.model.orders import Order, OrderIntent, OrderState, OrderType
from core.model.settings import VenueSettings
from core.venues.conformance.control import Control
from core.venues.conformance.ground import Ground
from core.venues.conformance.truth import AccountTruth
from core.venues.deribit.venue import DeribitVenue
from core.wire.http import HttpSession
from emulator.app import Emulator

KEY, SECRET, TOKEN = "k" * 32, "s" * 32, "control"
DERIBIT = VenueName("deribit")


class NamingControl(Control):
    """The oracle with trades called what the venue calls them."""

    writers: Mapping[str, Any]

    async def account(self) -> AccountTruth:
        told = await super().account()
        return msgspec.structs.replace(
            told,
            fills=[
                msgspec.structs.replace(row, id=self.writers[row.symbol].own_trade_id(int(row.id)))
                for row in told.fills
            ],
        )


async def listed(base: str) -> tuple[Instrument, ...]:
    http = HttpSession(base, clock=SystemClock(), timeout_s=5)
    found: list[Instrument] = []
    for currency in ("BTC", "ETH", "USDC"):
        reply = await http.get("/public/get_instruments", params=f"currency={currency}")
        found += parse_instruments(reply.body, DERIBIT).instruments
    await http.close()
    return tuple(found)


def table(base: str, **more: Any) -> VenueSettings:
    return VenueSettings(
        kind="deribit",
        rest_url=f"{base}/api/v2",
        ws_api_url=f"{base.replace('http', 'ws')}/ws/api/v2",
        **{"api_key": KEY, "api_secret": SECRET} | more,
    )


def chosen(instruments: tuple[Instrument, ...], symbol: str) -> Instrument:
    """Return an instrument; ``option`` is the one with the most levels resting."""
    if symbol != "option":
        return next(each for each in instruments if each.venue_symbol == symbol)
    options = [each for each in instruments if each.kind is InstrumentKind.OPTION]
    calls = [each for each in options if each.base == "BTC" and each.option_right == "call"]
    first = min(each.expiry_ns for each in calls)
    near = sorted((each for each in calls if each.expiry_ns == first), key=lambda o: o.strike)
    return near[len(near) // 2]


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
        venues=("deribit",),
    )
    await emulator.start()
    host = f"http://127.0.0.1:{emulator.port}"
    instruments = await listed(f"{host}/deribit/api/v2")
    instrument = chosen(instruments, symbol)
    control = NamingControl(
        f"{host}/_ctl",
        TOKEN,
        venue="deribit",
        symbol=instrument.venue_symbol,
        clock=SystemClock(),
    )
    control.writers = emulator.venues["deribit"].writers  # type: ignore[attr-defined]
    try:
        # The last price is of the past until somebody trades with the book as it stands.
        await control.trade(Side.BUY, instrument.min_size)
        settings = table(f"{host}/deribit", **more)
        yield Ground(
            name=DERIBIT,
            table=settings,
            control=control,
            instrument=instrument,
            instruments=instruments,
            size=Decimal(size),
            unfit={"size": Decimal(size) * 100_000},
            make=lambda clock: DeribitVenue(
                DERIBIT, settings, clock=clock, rng=random.Random(1), instruments=instruments
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
            "instrument_id": "BTC-USD-PERP.deribit",
            "side": Side.BUY,
            "type": OrderType.LIMIT,
            "size": Decimal(100),
            "price": Decimal("50000.5"),
            "origin": "tui",
        }
        return OrderIntent(**fields | changes)

    return intent


@pytest.fixture
def order(intent: Callable[..., OrderIntent]) -> Callable[..., Order]:
    def order(cid: str = "clxt-0000000001-00000001", **changes: Any) -> Order:
        names = ("triggered_ns", "venue_order_id")
        kept = {key: changes.pop(key) for key in names if key in changes}
        return Order(
            intent=intent(cid, **changes),
            venue=DERIBIT,
            state=OrderState.ACCEPTED,
            ts_submitted_ns=1,
            ts_updated_ns=1,
            **kept,
        )

    return order
