from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from decimal import Decimal

from core.engine.clock import SystemClock
from core.model.accounts import Balance
from core.model.facts import BalancesReported, VenueConnected, VenueDisconnected
from core.model.ids import InstrumentId, VenueName, VenueOrderId
from core.model.orders import (
    Order,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderState,
)
from core.model.settings import PaperSettings
from core.venues.paper import PaperVenue

BTC = InstrumentId("BTC-USDT.binance")
BOOK = ([(99, 10), (98, 20)], [(101, 10), (102, 20)])


class Desk:
    def __init__(self) -> None:
        self.events = []
        self._told = asyncio.Event()

    def __call__(self, event):
        self.events.append(event)
        self._told.set()

    async def until(self, kind):
        async with asyncio.timeout(5):
            while not any(isinstance(e, kind) for e in self.events):
                self._told.clear()
                await self._told.wait()
        return next(e for e in self.events if isinstance(e, kind))


def make(instrument, **settings):
    return PaperVenue(
        PaperSettings(**{"latency_ms": 1} | settings),
        clock=SystemClock(),
        depth=lambda _: BOOK,
        instruments=[instrument],
    )


@asynccontextmanager
async def running(venue, desk):
    task = asyncio.create_task(venue.run(desk))
    try:
        await desk.until(BalancesReported)
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def order(intent, state=OrderState.ACCEPTED, filled="0", venue_order_id="1"):
    return Order(
        intent=intent,
        venue=VenueName("paper"),
        state=state,
        venue_order_id=venue_order_id and VenueOrderId(venue_order_id),
        filled=Decimal(filled),
        ts_submitted_ns=1,
        ts_updated_ns=2,
    )


async def test_market_order_fills_against_the_live_book_after_the_latency(instrument, limit):
    desk, venue = Desk(), make(instrument)
    async with running(venue, desk):
        venue.submit(limit("buy", None, 5))
        assert not any(isinstance(e, OrderAccepted) for e in desk.events)
        fill = await desk.until(OrderFilled)
    assert (fill.price, fill.size, fill.venue) == (101, Decimal("0.5"), "paper")
    assert fill.ts_ns - desk.events[0].ts_ns >= 1_000_000
    assert [type(e) for e in desk.events] == [
        VenueConnected,
        BalancesReported,
        OrderAccepted,
        OrderFilled,
        VenueDisconnected,
    ]


async def test_resting_order_is_served_by_trades_and_found_when_asked(instrument, limit, trade):
    desk, venue = Desk(), make(instrument)
    intent = limit("buy", 99, 5)
    async with running(venue, desk):
        venue.submit(intent)
        await desk.until(OrderAccepted)
        assert [o.client_order_id for o in await venue.open_orders()] == [intent.client_order_id]
        venue.on_trade(trade("sell", 99, 13))
        found = await venue.find_order(order(intent))
        assert found is not None
        assert found.filled == Decimal("0.3")
        held = {b.asset: b.held for b in await venue.balances()}
        assert held["USDT"] == Decimal("0.2") * 99
        venue.cancel(order(intent))
        await desk.until(OrderCanceled)
        assert len(await venue.fills(BTC, 0)) == 1
        assert await venue.open_orders() == []


async def test_trade_of_before_that_was_fetched_later_serves_nobody(instrument, limit, trade):
    desk, venue = Desk(), make(instrument)
    intent = limit("buy", 99, 5)
    async with running(venue, desk):
        venue.on_trade(trade("sell", 105, 1, 60 * 10**9))
        venue.submit(intent)
        await desk.until(OrderAccepted)
        venue.on_trade(trade("sell", 90, 100, 30 * 10**9))
        assert not [event for event in desk.events if isinstance(event, OrderFilled)]
        venue.on_trade(trade("sell", 90, 100, 60 * 10**9))
        await desk.until(OrderFilled)


async def test_trade_that_two_connections_tell_serves_the_queue_once(instrument, limit, trade):
    desk, venue = Desk(), make(instrument)
    async with running(venue, desk):
        venue.submit(limit("buy", 99, 5))
        await desk.until(OrderAccepted)
        # Ten lots are ahead of it.
        twice, last = trade("sell", 99, 8), trade("sell", 99, 4)
        for told in (twice, twice):
            venue.on_trade(told)
        assert not [event for event in desk.events if isinstance(event, OrderFilled)]
        venue.on_trade(last)
        fill = await desk.until(OrderFilled)
    assert fill.size == Decimal("0.2")


async def test_quote_through_a_resting_order_fills_it(instrument, limit, quote):
    desk, venue = Desk(), make(instrument)
    async with running(venue, desk):
        venue.submit(limit("sell", 105, 5))
        await desk.until(BalancesReported)
        venue.submit(limit("buy", 100, 5))
        await desk.until(OrderAccepted)
        venue.on_quote(quote(98, 5, 100, 50))
        fill = await desk.until(OrderFilled)
    assert (fill.price, fill.maker) == (100, True)


async def test_after_a_crash_working_orders_are_found_again_and_lost_ones_never_were(
    instrument, limit, trade
):
    desk, venue = Desk(), make(instrument)
    working, lost, ended, cut_off = (limit("buy", 99, 5) for _ in range(4))
    market = limit("buy", None, 5)
    journaled = [
        order(working, OrderState.PENDING_CANCEL, filled="0.1"),
        order(lost, OrderState.UNKNOWN, venue_order_id=None),
        order(ended, OrderState.CANCELED),
        order(cut_off, OrderState.UNKNOWN),
        order(market, OrderState.PARTIALLY_FILLED, filled="0.2"),
    ]
    venue.restore(journaled, [Balance(venue=VenueName("paper"), asset="USDT", total=Decimal(700))])
    async with running(venue, desk):
        (report,) = (e for e in desk.events if isinstance(e, BalancesReported))
        assert [(b.asset, b.total, b.held) for b in report.balances] == [
            ("USDT", 700, Decimal("0.9") * 99)
        ]
        assert {o.client_order_id for o in await venue.open_orders()} == {
            working.client_order_id,
            cut_off.client_order_id,
        }
        assert await venue.find_order(order(lost)) is None
        found = await venue.find_order(order(market))
        assert found is not None
        assert (found.state, found.filled) == (OrderState.EXPIRED, Decimal("0.2"))
        venue.on_trade(trade("sell", 98, 1))
        assert len([e for e in desk.events if isinstance(e, OrderFilled)]) == 2
    # The ids of fills go on from where the order was, so that none looks like an old one.
    ids = {e.execution_id for e in desk.events if isinstance(e, OrderFilled)}
    assert ids == {f"{working.client_order_id}.5", f"{cut_off.client_order_id}.5"}


async def test_without_a_journal_the_opening_balances_are_the_settings(instrument):
    desk, venue = Desk(), make(instrument, balances={"USDT": Decimal(5), "BTC": Decimal(1)})
    venue.restore([], [])
    async with running(venue, desk):
        report = await desk.until(BalancesReported)
    assert {b.asset: b.total for b in report.balances} == {"BTC": 1, "USDT": 5}
