"""The feed over real sockets, against a venue that knows what its book really is."""

from __future__ import annotations

from typing import Any

import pytest

from core.engine.clock import SystemClock
from core.feeds.kucoin.dialect import make_dialect
from core.model.market import (
    BookDelta,
    BookSnapshot,
    ClockSample,
    DayTicker,
    FrameRejected,
    Quote,
    Trade,
    VenueBar,
)
from core.model.settings import FeedSettings
from emulator.faults import Fault

SYMBOLS = {"BTC-USDT.kucoin": "BTC-USDT", "SOL-USDT.kucoin": "SOL-USDT"}
NAMES = list(SYMBOLS)
KEYS = {"api_key": "k", "api_secret": "s", "passphrase": "p"}


@pytest.fixture
async def venue(emulated: Any) -> Any:
    return await emulated("kucoin")


@pytest.fixture
async def desk(venue: Any, desk_of: Any, request: Any) -> Any:
    keys = getattr(request, "param", KEYS)
    settings = FeedSettings(rest_url=f"http://127.0.0.1:{venue.port}/kucoin", **keys)
    made = await desk_of(make_dialect(settings, clock=SystemClock()))
    made.feed.subscribe(NAMES)
    await made.until(lambda: made.live(*NAMES))
    return made


async def test_books_are_the_venues_own_and_every_topic_speaks(
    venue: Any, desk: Any, same_in_the_end: Any
) -> None:
    kinds = (BookSnapshot, BookDelta, ClockSample, VenueBar, Quote, Trade, DayTicker)
    await desk.until(lambda: all(desk.of(kind) for kind in kinds))
    await same_in_the_end(venue, desk, SYMBOLS)
    assert not desk.of(FrameRejected)
    assert not desk.lost


@pytest.mark.parametrize("desk", [{}], indirect=True)
async def test_without_keys_the_best_fifty_levels_are_the_venues_own(
    venue: Any, desk: Any, same_in_the_end: Any
) -> None:
    await desk.until(lambda: len(desk.of(BookSnapshot)) > 10)
    await same_in_the_end(venue, desk, SYMBOLS, 50)
    assert not desk.of(BookDelta)
    assert not desk.lost


async def test_lost_update_is_noticed_and_mended_alone(
    venue: Any, desk: Any, same_in_the_end: Any
) -> None:
    fault = Fault(kind="gap", symbol=SYMBOLS[NAMES[0]])
    venue.venues["kucoin"].faults.arm(fault)
    await desk.until(lambda: bool(desk.lost))
    await desk.until(lambda: desk.live(*NAMES))
    await same_in_the_end(venue, desk, SYMBOLS)
    assert {name for name, _ in desk.lost} == {NAMES[0]}


async def test_cut_connection_gets_a_new_token_and_the_book_back(
    venue: Any, desk: Any, same_in_the_end: Any
) -> None:
    exchange = venue.venues["kucoin"]
    for connection in list(exchange.connections):
        connection.abort()
    await desk.until(lambda: bool(desk.lost))
    await desk.until(lambda: desk.live(*NAMES))
    await same_in_the_end(venue, desk, SYMBOLS)
    for name in NAMES:
        ids = desk.trades(name)
        assert ids == sorted(set(ids)), "none doubled"
