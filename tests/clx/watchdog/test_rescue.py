"""What the watchdog does itself: contracts held long and short apart are closed at the venue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from clx.compose import Assembly
from clx.watchdog.rescue import rescue
from core.engine.clock import SystemClock
from core.engine.local import LearnsInstruments
from core.feeds.okx.symbols import parse_listing
from core.model.facts import RiskStateChanged, VenueConnected
from core.model.ids import ClientOrderId, VenueName
from core.model.instruments import Instrument
from core.model.market import Side
from core.model.orders import (
    OrderAccepted,
    OrderFilled,
    OrderIntent,
    OrderSubmitted,
    OrderType,
    PositionSide,
)
from core.model.ports import Feed
from core.model.settings import Settings
from core.venues.conformance.control import Control
from core.venues.okx.venue import OkxVenue
from core.wire.http import HttpSession
from emulator.app import Emulator
from store.paths import Paths, find_paths, make_folders

KEY, SECRET, TOKEN, SWAP = "k" * 32, "s" * 32, "control", "BTC-USDT-SWAP"
OKX = VenueName("okx")


@pytest.fixture
async def market() -> AsyncIterator[str]:
    emulator = Emulator(
        seed=7, api_key=KEY, api_secret=SECRET, control_token=TOKEN, history_days=1, flow=False,
        venues=("okx",),
    )  # fmt: skip
    await emulator.start()
    host = f"http://127.0.0.1:{emulator.port}"
    control = Control(f"{host}/_ctl", TOKEN, venue="okx", symbol=SWAP, clock=SystemClock())
    await control.trade(Side.BUY, Decimal(1))
    await control.close()
    yield host
    await emulator.stop()


class Listing:
    """A feed as far as a rescue needs one; the whole of it would have kernels compiled here."""

    def __init__(self, base: str) -> None:
        self._http = HttpSession(base, clock=SystemClock(), timeout_s=5)

    async def instruments(self) -> list[Instrument]:
        reply = await self._http.get("/api/v5/public/instruments", params="instType=SWAP")
        return list(parse_listing(reply.body, OKX).instruments)

    async def close(self) -> None:
        await self._http.close()


class Assembled(Assembly):
    """The real parts, but for the market data."""

    def feeds(self) -> dict[VenueName, Feed]:
        return {OKX: cast("Feed", Listing(self.settings.venues["okx"].rest_url))}


def assembled(host: str, paths: Paths) -> Assembly:
    keys = {"api_key": KEY, "api_secret": SECRET, "passphrase": "words"}
    stream = f"{host.replace('http', 'ws')}/okx/ws/v5"
    table = {"kind": "okx", "rest_url": f"{host}/okx", **keys}
    settings = Settings.model_validate(
        {
            "mode": "live",
            "trading": {"live": True},
            "engine": {"watchlist": []},
            "feeds": {"okx": {"rest_url": f"{host}/okx", "stream_url": f"{stream}/public"}},
            "venues": {"okx": {**table, "ws_api_url": stream}},
        }
    )
    return Assembled(settings, paths, None)


def nobody() -> Any:
    raise AssertionError("no venue here asks an engine for its market")


async def dies_holding(assembly: Assembly) -> None:
    """Do as an engine does until it dies: orders and fills in the journal, and in the market."""
    feeds = assembly.feeds()
    listed = {item.venue_symbol: item for item in await feeds[OKX].instruments()}
    for feed in feeds.values():
        await feed.close()
    item = listed[SWAP]
    venue = assembly.venues(nobody)[OKX]
    assert isinstance(venue, OkxVenue)
    assert isinstance(venue, LearnsInstruments)
    venue.add_instruments([item])
    told: asyncio.Queue[Any] = asyncio.Queue()
    running = asyncio.create_task(venue.run(told.put_nowait))
    while not isinstance(await told.get(), VenueConnected):
        continue
    await venue.set_hedging(True)
    far = item.price(item.nearest_ticks(await _last(assembly) * Decimal("0.9")))
    journal = assembly.journal()
    wanted = [
        ("long", Side.BUY, PositionSide.LONG, 3, None),
        ("short", Side.SELL, PositionSide.SHORT, 2, None),
        ("rests", Side.BUY, PositionSide.LONG, 1, far),
    ]
    for name, side, held, lots, price in wanted:
        intent = OrderIntent(
            client_order_id=ClientOrderId(f"clxt-{name}"), instrument_id=item.id, side=side,
            type=OrderType.MARKET if price is None else OrderType.LIMIT, size=item.size(lots),
            price=price, position_side=held, account=OKX, origin="tui",
        )  # fmt: skip
        sent = OrderSubmitted(intent=intent, venue=OKX, ts_ns=assembly.clock.now_ns())
        journal.append([sent])
        venue.submit(intent)
        done = OrderAccepted if price is not None else OrderFilled
        while not isinstance(event := await told.get(), done):
            continue
        journal.append([event])
    journal.close()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def _last(assembly: Assembly) -> Decimal:
    host = assembly.settings.venues["okx"].rest_url.removesuffix("/okx")
    control = Control(f"{host}/_ctl", TOKEN, venue="okx", symbol=SWAP, clock=SystemClock())
    last = await control.last()
    await control.close()
    assert last is not None
    return last


@pytest.mark.timeout(120)
async def test_contracts_held_apart_are_each_closed_by_their_own_side(
    market: str, tmp_path: Path
) -> None:
    paths = find_paths({"CLX_HOME": str(tmp_path)})
    make_folders(paths)
    await dies_holding(assembled(market, paths))
    said = await rescue(assembled(market, paths), "flatten")
    assert said == "okx: cancelled 1 of 1 order, sent 2 closing orders, 0 positions left"
    journal = assembled(market, paths).journal()
    records = [record for _, record in journal.read()]
    journal.close()
    closed, *closing = records[-3:]
    assert isinstance(closed, RiskStateChanged), "the gate is closed before anything is sent"
    assert {
        (item.intent.position_side, item.intent.side, item.intent.reduce_only)
        for item in msgspec.convert(closing, list[OrderSubmitted], from_attributes=True)
    } == {(PositionSide.LONG, Side.SELL, True), (PositionSide.SHORT, Side.BUY, True)}
