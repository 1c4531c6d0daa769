"""Emulated venues through unmodified ccxt, and the ground the conformance suite stands on."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from pydantic import SecretStr

from core.engine.clock import SystemClock
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.settings import VenueSettings
from core.venues.ccxt_pro.spelling import spelling_of
from core.venues.ccxt_pro.venue import CcxtVenue
from core.venues.conformance.control import Control
from core.venues.conformance.ground import Ground
from core.venues.conformance.truth import AccountTruth
from emulator.app import Emulator

KEY, SECRET, TOKEN = "k" * 32, "s" * 32, "control"

SPOT = Instrument(
    id=InstrumentId("BTC-USDT.binance"),
    venue=VenueName("binance"),
    venue_symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    price_tick=Decimal("0.01"),
    size_lot=Decimal("0.00001"),
)
USDM = Instrument(
    id=InstrumentId("BTC-USDT-PERP.binance_usdm"),
    venue=VenueName("binance_usdm"),
    venue_symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    settle="USDT",
    kind=InstrumentKind.PERPETUAL,
    price_tick=Decimal("0.1"),
    size_lot=Decimal("0.001"),
)
OKX = Instrument(
    id=InstrumentId("BTC-USDT-PERP.okx"),
    venue=VenueName("okx"),
    venue_symbol="BTC-USDT-SWAP",
    base="BTC",
    quote="USDT",
    settle="USDT",
    kind=InstrumentKind.PERPETUAL,
    price_tick=Decimal("0.1"),
    size_lot=Decimal("0.01"),
    contract_size=Decimal("0.01"),
)

PLACES: dict[str, tuple[str, str, Instrument, str, str, str, str]] = {
    "binance": ("ccxt:binance", "binance", SPOT, "0.02", "BTCUSDT", "", ""),
    "binanceusdm": ("ccxt:binanceusdm", "binancefut", USDM, "0.02", "BTCUSDT", "/binancefut", ""),
    "okx": ("ccxt:okx", "okx", OKX, "4", "BTC-USDT-SWAP", "/okx", "x"),
}
"""Kind, the emulator's name, instrument, size, its symbol, path of its URLs, passphrase."""


class SpelledControl(Control):
    """The truth with client order ids as an engine knows them."""

    ours: Any

    async def account(self) -> AccountTruth:
        told = await super().account()
        return msgspec.structs.replace(
            told,
            orders=[replace(row, client_id=self.ours(row.client_id)) for row in told.orders],
            fills=[replace(row, client_id=self.ours(row.client_id)) for row in told.fills],
        )

    async def mend(self) -> None:
        await super().mend()
        await self.arm("weight_limit", value=10_000_000)


@asynccontextmanager
async def ground(exchange: str) -> AsyncIterator[Ground]:
    """A fresh market of an exchange, traded through ccxt."""
    kind, place, instrument, size, symbol, path, passphrase = PLACES[exchange]
    emulator = Emulator(
        seed=7,
        api_key=KEY,
        api_secret=SECRET,
        control_token=TOKEN,
        history_days=2,
        flow=False,
        venues=(place,),
    )
    await emulator.start()
    host = f"127.0.0.1:{emulator.port}"
    control = SpelledControl(
        f"http://{host}/_ctl", TOKEN, venue=place, symbol=symbol, clock=SystemClock()
    )
    control.ours = spelling_of(exchange).ours
    await control.mend()
    name = VenueName(exchange)
    table = VenueSettings(
        kind=kind,
        market=str(instrument.venue),
        rest_url=f"http://{host}{path}",
        ws_api_url=f"ws://{host}{path}",
        api_key=SecretStr(KEY),
        api_secret=SecretStr(SECRET),
        passphrase=SecretStr(passphrase),
        timeout_s=2.0,
        dead_man_s=60 if exchange == "binanceusdm" else 0,
    )

    def make(clock: Any) -> CcxtVenue:
        made = CcxtVenue(
            name,
            table,
            clock=clock,
            rng=random.Random(1),
            instruments=(instrument,),
            poll_s=0.3,
            grace_s=0.3,
            # The emulator's own limits stand; ccxt's pace would make a minute of each case.
            paced=False,
        )
        made.abilities(instrument)
        return made

    try:
        yield Ground(
            name=name,
            table=table,
            control=control,
            instrument=instrument,
            instruments=(instrument,),
            size=Decimal(size),
            tells_triggers=False,
            make=make,
        )
    finally:
        await control.close()
        await emulator.stop()


@pytest.fixture
def open_ground() -> Any:
    return ground
