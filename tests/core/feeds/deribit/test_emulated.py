"""The feed over real sockets, against a venue that knows what its book really is."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from core.engine.clock import SystemClock
from core.feeds.deribit.dialect import make_dialect
from core.model.market import BookSnapshot, ClockSample, FrameRejected, MarkPrice, Quote, Trade
from core.model.settings import FeedSettings
from emulator.faults import Fault

SYMBOLS = {"BTC-USD-PERP.deribit": "BTC-PERPETUAL", "SOL-USDC-PERP.deribit": "SOL_USDC-PERPETUAL"}
NAMES = list(SYMBOLS)


@pytest.fixture
async def venue(emulated: Any) -> Any:
    return await emulated("deribit")


@pytest.fixture
async def desk(venue: Any, desk_of: Any) -> Any:
    urls = venue.urls()["deribit"]
    settings = FeedSettings(rest_url=urls["rest"], stream_url=urls["ws"])
    made = await desk_of(make_dialect(settings, clock=SystemClock()))
    made.feed.subscribe(NAMES)
    await made.until(lambda: made.live(*NAMES))
    return made


def truth(venue: Any, symbol: str) -> tuple[list[tuple[Decimal, Decimal]], ...]:
    exchange = venue.venues["deribit"]
    told = exchange.oracle(exchange.market.shards[symbol], 100_000)
    return tuple(
        [(Decimal(str(row[0])), Decimal(str(row[1]))) for row in told[side]]
        for side in ("bids", "asks")
    )


async def same_in_the_end(venue: Any, desk: Any) -> None:
    """Stop the crowd, and wait until every book is the venue's own."""
    venue.venues["deribit"].market.flow = False
    await desk.until(
        lambda: (
            desk.live(*NAMES)
            and all(desk.book(name) == truth(venue, symbol) for name, symbol in SYMBOLS.items())
        )
    )


async def test_books_are_the_venues_own_and_every_channel_speaks(venue: Any, desk: Any) -> None:
    await desk.until(
        lambda: all(desk.of(kind) for kind in (BookSnapshot, ClockSample, MarkPrice, Quote, Trade))
    )
    await same_in_the_end(venue, desk)
    assert not desk.of(FrameRejected)
    assert not desk.lost


async def test_lost_book_message_is_noticed_and_mended(venue: Any, desk: Any) -> None:
    venue.venues["deribit"].faults.arm(Fault(kind="gap", symbol=SYMBOLS[NAMES[0]]))
    await desk.until(lambda: bool(desk.lost))
    assert NAMES[0] in [name for name, _ in desk.lost]
    await desk.until(lambda: desk.live(*NAMES))
    await same_in_the_end(venue, desk)


async def test_odd_numbers_cost_at_most_a_fresh_image(venue: Any, desk: Any) -> None:
    faults = venue.venues["deribit"].faults
    for kind in ("number_nan", "null_field", "number_exponent", "number_huge", "unknown_field"):
        faults.arm(Fault(kind=kind))
        await desk.until(lambda: not faults.armed)
    await same_in_the_end(venue, desk)


async def test_cut_connection_costs_no_trade_that_the_venue_still_tells(
    venue: Any, desk: Any
) -> None:
    await desk.until(lambda: all(desk.trades(name) for name in NAMES))
    for connection in list(venue.venues["deribit"].connections):
        connection.abort()
    await desk.until(lambda: bool(desk.lost))
    await desk.until(lambda: desk.live(*NAMES))
    await same_in_the_end(venue, desk)
    for name in NAMES:
        ids = desk.trades(name)
        assert ids == sorted(set(ids))
