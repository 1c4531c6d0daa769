"""The adapter against the emulated venue: what the suite of all venues does not ask."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from core.model.accounts import EntryKind
from core.model.facts import VenueDisconnected, VenueWarned
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Side
from core.model.occ import read_option
from core.model.orders import (
    OrderAccepted,
    OrderFilled,
    OrderRejected,
    OrderType,
    TimeInForce,
)

MARKET: dict[str, Any] = {"type": OrderType.MARKET, "price": None}


@pytest.mark.parametrize("host", ["paper", "live"])
async def test_fills_are_heard_in_binary_frames_and_in_text(
    make: Any, desk: Any, run: Any, intent: Any, host: str
) -> None:
    venue = make(host)
    async with run(venue, desk):
        venue.submit(intent(**MARKET))
        fill = await desk.until(OrderFilled)
        (told,) = await venue.fills(fill.instrument_id, 0)
    assert (told.execution_id, told.client_order_id) == (fill.execution_id, fill.client_order_id)
    assert told.size == Decimal(4)


async def test_shares_are_sold_short_and_parts_of_shares_bought(
    make: Any, desk: Any, run: Any, intent: Any
) -> None:
    venue = make()
    async with run(venue, desk):
        venue.submit(intent(side=Side.SELL, size=Decimal(3), **MARKET))
        await desk.until(OrderFilled)
        held = {row.asset: row.total for row in await venue.balances()}
        assert held["AAPL"] == -3
        assert held["USD"] > 100_000
        venue.submit(intent(2, size=Decimal("0.25"), time_in_force=TimeInForce.DAY))
        await desk.until(OrderAccepted)


async def test_coins_fee_is_a_flow_of_its_own_booked_once(
    make: Any, desk: Any, run: Any, intent: Any
) -> None:
    venue = make()
    async with run(venue, desk):
        venue.submit(intent(instrument_id="BTC-USD.alpaca", size=Decimal("0.1"), **MARKET))
        await desk.until(OrderFilled)
        flows = await venue.cash_flows(0)
        held = {row.asset: row.total for row in await venue.balances()}
    assert {(flow.kind, flow.asset) for flow in flows} == {(EntryKind.FEE, "BTC")}
    assert len({flow.flow_id for flow in flows}) == len(flows)
    assert held["BTC"] == Decimal("0.1") + sum(flow.amount for flow in flows)


async def test_options_are_bought_and_are_positions_whoever_knows_them(
    make: Any, desk: Any, run: Any, intent: Any, emulator: Any
) -> None:
    symbol = emulator.venues["alpaca"].house.assets.contracts()[0].symbol
    name = read_option(symbol)
    assert name is not None
    chosen = Instrument(
        id=InstrumentId(f"{name.symbol}.alpaca"), venue=VenueName("alpaca"), venue_symbol=symbol,
        base=name.root, quote="USD", kind=InstrumentKind.OPTION, price_tick=Decimal("0.01"),
        size_lot=Decimal(1), contract_size=Decimal(100),
    )  # fmt: skip
    venue, other = make(), make()
    venue.add_instruments([chosen])
    day = {**MARKET, "time_in_force": TimeInForce.DAY}
    async with run(venue, desk):
        venue.submit(intent(instrument_id=chosen.id, size=Decimal(2), **day))
        fill = await desk.until(OrderFilled)
        (position,) = await other.positions()
        await other._rest.close()
    assert (position.instrument_id, position.size) == (chosen.id, Decimal(2))
    assert position.average_price == fill.price


async def test_activities_are_read_in_all_pages(
    make: Any, desk: Any, run: Any, intent: Any, control: Any
) -> None:
    venue = make()
    async with run(venue, desk):
        for number in range(1, 104):
            side = Side.BUY if number % 2 else Side.SELL
            venue.submit(intent(number, size=Decimal(1), side=side, **MARKET))
            await _filled(desk, number)
        fills = await venue.fills("AAPL-USD.alpaca", 0)
    assert len({fill.execution_id for fill in fills}) == len(desk.of(OrderFilled)) >= 103


async def _filled(desk: Any, count: int) -> None:
    await desk.until(OrderFilled, count)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"size": Decimal(90_000)}, "40310000"),
        ({"price": Decimal("100.001")}, "42210000"),
        ({"instrument_id": "BTC-USD.alpaca", "size": Decimal("0.00001")}, "40310000"),
    ],
    ids=["buying-power", "sub-penny", "too-small"],
)
async def test_refusal_is_told_with_the_venues_code_and_words(
    make: Any, desk: Any, run: Any, intent: Any, changes: Any, code: str
) -> None:
    venue = make()
    async with run(venue, desk):
        venue.submit(intent(**changes))
        rejected = await desk.until(OrderRejected)
    assert rejected.code == code
    assert len(rejected.reason) > 10


async def test_suspended_account_is_told(make: Any, desk: Any, run: Any) -> None:
    venue = make()
    await venue._rest.send("PATCH", "/v2/account/configurations", {"suspend_trade": True})
    async with run(venue, desk):
        warned = await desk.until(VenueWarned)
    assert "suspended" in warned.text


async def test_wrong_key_says_so(make: Any, desk: Any, emulator: Any) -> None:
    import asyncio

    from pydantic import SecretStr

    venue = make()
    venue._rest.secret = SecretStr("wrong").get_secret_value()
    task = asyncio.create_task(venue.run(desk))
    down = await desk.until(VenueDisconnected)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert "verification failed" in down.reason
