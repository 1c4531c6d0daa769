from __future__ import annotations

from decimal import Decimal

import pytest

from core.model.errors import InvariantError
from core.model.facts import BalancesReported, VenueConnected
from core.model.ids import InstrumentId, VenueName
from core.model.market import Bar, Timeframe
from core.model.orders import (
    Order,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
    OrderState,
)
from core.model.settings import PaperSettings
from core.venues.sim import SimVenue

MS = 1_000_000
MINUTE = Timeframe.M1.ns
BTC = InstrumentId("BTC-USDT.binance")


@pytest.fixture
def venue(clock, instrument):
    made = SimVenue(
        VenueName("sim"), PaperSettings(latency_ms=20), clock=clock, instruments=[instrument]
    )
    made.events = []
    made.connect(made.events.append)
    return made


def fills(venue):
    return [
        (int(e.price), int(e.size * 10), e.ts_ns)
        for e in venue.events
        if isinstance(e, OrderFilled)
    ]


def test_connecting_tells_what_the_account_holds(venue):
    connected, report = venue.events
    assert isinstance(connected, VenueConnected)
    assert isinstance(report, BalancesReported)
    assert [(b.asset, b.total) for b in report.balances] == [("USDT", Decimal(100_000))]


def test_order_arrives_after_the_latency_and_meets_the_market_before_the_event(
    venue, clock, limit, quote
):
    venue.on_quote(quote(99, 10, 101, 10))
    sent_ns = clock.now_ns()
    venue.submit(limit("buy", None, 5))
    clock.advance(10 * MS)
    venue.on_quote(quote(100, 10, 102, 10))
    assert fills(venue) == []
    assert venue.next_due_ns == sent_ns + 20 * MS
    clock.advance(50 * MS)
    venue.on_quote(quote(200, 10, 202, 10))
    assert fills(venue) == [(102, 5, sent_ns + 20 * MS)]
    assert venue.next_due_ns is None


def test_cancel_travels_behind_its_order(venue, clock, limit, quote):
    venue.on_quote(quote(99, 10, 101, 10))
    intent = limit("buy", 90, 5)
    venue.submit(intent)
    venue.cancel(
        Order(
            intent=intent,
            venue=venue.name,
            state=OrderState.SUBMITTED,
            ts_submitted_ns=1,
            ts_updated_ns=1,
        )
    )
    clock.advance(20 * MS)
    venue.advance()
    assert [type(e) for e in venue.events[2:]] == [OrderAccepted, OrderCanceled]


def bar(open_ticks, high, low, close, minute=0, instrument_id=BTC):
    return Bar(instrument_id, Timeframe.M1, minute * MINUTE, open_ticks, high, low, close, 1000, 9)


def test_signal_at_a_close_trades_at_the_next_open(venue, clock, limit):
    clock.set(MINUTE)
    venue.on_bar(bar(100, 110, 90, 105))
    venue.submit(limit("buy", None, 5))
    venue.advance()
    clock.set(2 * MINUTE)
    venue.on_bar(bar(107, 120, 106, 119, minute=1))
    assert fills(venue) == [(107, 5, MINUTE + 20 * MS)]


def test_order_waits_for_a_bar_of_its_own_instrument(venue, clock, limit):
    clock.set(MINUTE)
    venue.on_bar(bar(100, 110, 90, 105))
    venue.submit(limit("buy", None, 5))
    clock.set(2 * MINUTE)
    venue.on_bar(bar(7, 7, 7, 7, minute=1, instrument_id=InstrumentId("ETH-USDT.binance")))
    assert fills(venue) == []
    venue.on_bar(bar(107, 120, 106, 119, minute=1))
    assert [f[:2] for f in fills(venue)] == [(107, 5)]


def test_limit_order_rests_until_a_later_bar_goes_beyond_it(venue, clock, limit):
    clock.set(MINUTE)
    venue.on_bar(bar(100, 110, 90, 105))
    venue.submit(limit("buy", 95, 5))
    clock.set(2 * MINUTE)
    venue.on_bar(bar(105, 106, 95, 100, minute=1))
    assert fills(venue) == []
    clock.set(3 * MINUTE)
    venue.on_bar(bar(100, 101, 94, 100, minute=2))
    assert fills(venue) == [(95, 5, 3 * MINUTE)]


def test_revised_bar_trades_nothing(venue, clock, limit):
    clock.set(MINUTE)
    venue.on_bar(bar(100, 110, 90, 105))
    venue.submit(limit("buy", 95, 5))
    clock.set(2 * MINUTE)
    venue.on_bar(bar(100, 101, 99, 100, minute=1))
    revised = Bar(BTC, Timeframe.M1, MINUTE, 100, 101, 50, 100, 1000, 9, revision=1)
    venue.on_bar(revised)
    assert fills(venue) == []


def test_taker_pays_half_the_spread_where_only_trades_are_known(clock, instrument, limit, trade):
    venue = SimVenue(
        VenueName("sim"),
        PaperSettings(latency_ms=0),
        clock=clock,
        instruments=[instrument],
        half_spread_ticks=2,
    )
    venue.events = []
    venue.connect(venue.events.append)
    venue.on_trade(trade("buy", 100, 1))
    venue.submit(limit("buy", None, 5))
    venue.advance()
    assert [f[:2] for f in fills(venue)] == [(102, 5)]


def test_order_sent_from_within_an_answer_waits_its_turn(clock, instrument, limit, quote):
    venue = SimVenue(
        VenueName("sim"), PaperSettings(latency_ms=0), clock=clock, instruments=[instrument]
    )
    rejected = []

    def stubborn(event):
        if isinstance(event, OrderRejected):
            rejected.append(event)
            venue.submit(limit("buy", 100, 0))

    venue.connect(stubborn)
    venue.submit(limit("buy", 100, 0))
    venue.advance()
    assert len(rejected) == 1
    venue.advance()
    assert len(rejected) == 2


def test_submit_before_it_is_connected_is_a_bug(clock, limit):
    with pytest.raises(InvariantError, match="before it was connected"):
        SimVenue(VenueName("sim"), PaperSettings(), clock=clock).submit(limit("buy", 1, 1))
