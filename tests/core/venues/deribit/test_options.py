"""Options: premium paid and received, positions, and the balance that proves it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.model.accounts import EntryKind
from core.model.market import Side
from core.model.orders import OrderState, OrderType
from core.venues.conformance.floor import Floor


async def test_an_option_is_bought_and_sold_and_its_premium_is_booked(
    ground: Callable[..., Any],
) -> None:
    async with ground("option", "0.4") as place, Floor.open(place) as floor:
        assert not floor.abilities.types & {OrderType.STOP, OrderType.TRAILING_STOP}
        before = floor.desk.books.ledger.total(place.name, "BTC")
        bought = floor.submit(Side.BUY, price=await floor.best(Side.BUY))
        await floor.stands(bought, OrderState.FILLED)
        held = floor.desk.books.account.size(place.instrument.id)
        sold = floor.submit(Side.SELL, price=await floor.best(Side.SELL))
        await floor.stands(sold, OrderState.FILLED)
        await floor.settle()
        assert floor.flaws == []
        assert held == place.size
        assert floor.desk.books.account.size(place.instrument.id) == 0
        entries = floor.desk.books.ledger.entries(50)
        premiums = {
            floor.order(order_id).intent.side: sum(
                entry.amount
                for entry in entries
                if entry.ref.startswith(order_id)
                and entry.kind is EntryKind.TRADE
                and entry.account == f"venue:{place.name}"
            )
            for order_id in (bought, sold)
        }
        assert premiums[Side.BUY] < 0 < premiums[Side.SELL]
        fees = sum(
            entry.amount
            for entry in entries
            if entry.kind is EntryKind.FEE and entry.account == f"venue:{place.name}"
        )
        after = floor.desk.books.ledger.total(place.name, "BTC")
        assert fees < 0
        assert after - before == sum(premiums.values()) + fees


async def test_an_option_written_is_closed_again(ground: Callable[..., Any]) -> None:
    async with ground("option", "0.4") as place, Floor.open(place) as floor:
        sold = floor.submit(Side.SELL, price=await floor.best(Side.SELL))
        await floor.stands(sold, OrderState.FILLED)
        await floor.restart()
        closed = floor.desk.close_position(floor.next_id(), place.instrument.id, "cli")
        await floor.stands(closed.id, OrderState.FILLED)
        await floor.settle()
        assert floor.flaws == []
        assert floor.desk.books.account.size(place.instrument.id) == 0
