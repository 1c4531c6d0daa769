"""Funding of the time in which no engine ran: which payments, and at which price."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from core.engine.arrears import LONGEST_NS, due_between, settle
from core.model.errors import ConfigError
from core.model.funding import FundingPaid
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Bar, Timeframe

HOUR = 3_600_000_000_000
PERP = Instrument(
    id=InstrumentId("BTC-USDT-PERP.x"), venue=VenueName("x"), venue_symbol="X", base="BTC",
    quote="USDT", kind=InstrumentKind.PERPETUAL, price_tick=Decimal("0.5"),
    size_lot=Decimal("0.001"),
)  # fmt: skip
RATE = Decimal("0.0001")


class Feed:
    """Settles every eight hours; bars close at the hour's number."""

    def __init__(self, priced: bool = True) -> None:
        self.priced = priced
        self.asked: list[tuple[int, int]] = []

    async def funding(
        self, instrument_id: InstrumentId, start_ns: int, end_ns: int
    ) -> list[FundingPaid]:
        self.asked.append((start_ns, end_ns))
        times = range(0, end_ns + 8 * HOUR, 8 * HOUR)
        price = Decimal(60_000) if self.priced else None
        return [FundingPaid(at, RATE, price) for at in times if at >= start_ns]

    async def history(
        self, instrument_id: InstrumentId, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> list[Bar]:
        if end_ns == 16 * HOUR:
            return []
        ticks = end_ns // HOUR
        return [Bar(instrument_id, timeframe, end_ns - timeframe.ns, 1, 1, 1, ticks, 1, 1)]


class Venue:
    def __init__(self) -> None:
        self.paid: list[tuple[InstrumentId, list[int]]] = []

    def pay_arrears(
        self, instrument_id: InstrumentId, rows: Sequence[FundingPaid], paid: Callable[[str], bool]
    ) -> None:
        self.paid.append((instrument_id, [row.at_ns // HOUR for row in rows]))


async def test_payments_lie_within_the_time_and_have_the_venues_price() -> None:
    feed: Any = Feed()
    rows = await due_between(feed, PERP, 8 * HOUR, 24 * HOUR + 1)
    assert [row.at_ns // HOUR for row in rows] == [16, 24]
    assert {row.price for row in rows} == {Decimal(60_000)}


async def test_where_the_venue_says_no_price_it_is_the_last_trades_before() -> None:
    feed: Any = Feed(priced=False)
    rows = await due_between(feed, PERP, HOUR, 25 * HOUR)
    # Nobody knows what 16:00 was worked out by, so it is left.
    assert [(row.at_ns // HOUR, row.price) for row in rows] == [(8, 4), (24, 12)]


async def test_a_month_is_the_most_and_other_kinds_pay_nothing() -> None:
    feed: Any = Feed()
    venue, words = Venue(), []
    end_ns = LONGEST_NS * 2
    future = Instrument(**{**{f: getattr(PERP, f) for f in PERP.__struct_fields__},
                           "kind": InstrumentKind.FUTURE})  # fmt: skip
    span = (1, end_ns)
    await settle(
        feed, venue, [PERP, future], span, lambda _: False, told=words.append, rng=random.Random(1)
    )
    assert feed.asked == [(end_ns - LONGEST_NS + 1, end_ns)]
    assert [name for name, _ in venue.paid] == [PERP.id]
    assert "30 days" in words[0]


async def test_a_venue_that_tells_nothing_is_told_of_and_left() -> None:
    class Silent(Feed):
        async def funding(
            self, instrument_id: InstrumentId, start_ns: int, end_ns: int
        ) -> list[FundingPaid]:
            raise ConfigError("x tells no funding of the past")

    feed: Any = Silent()
    venue, words = Venue(), []
    await settle(
        feed, venue, [PERP], (1, HOUR), lambda _: False, told=words.append, rng=random.Random(1)
    )
    assert venue.paid == []
    assert "charged from now on" in words[0]
