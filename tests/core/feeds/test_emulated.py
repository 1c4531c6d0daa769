"""Feeds over real sockets, against venues that know what their books really are."""

from __future__ import annotations

from typing import Any

import pytest

from core.engine.clock import SystemClock
from core.feeds.coinbase.dialect import make_dialect as make_coinbase
from core.feeds.deribit.dialect import make_dialect as make_deribit
from core.model.market import (
    BookSnapshot,
    ClockSample,
    FrameRejected,
    MarkPrice,
    Quote,
    Trade,
    VenueBar,
)
from core.model.settings import FeedSettings
from emulator.faults import Fault

EVERY = (BookSnapshot, ClockSample, Quote, Trade)
VENUES: dict[str, tuple[Any, tuple[type[Any], ...], dict[str, str]]] = {
    "coinbase": (
        make_coinbase,
        (*EVERY, VenueBar),
        {"BTC-USD.coinbase": "BTC-USD", "SOL-USD.coinbase": "SOL-USD"},
    ),
    "deribit": (
        make_deribit,
        (*EVERY, MarkPrice),
        {"BTC-USD-PERP.deribit": "BTC-PERPETUAL", "SOL-USDC-PERP.deribit": "SOL_USDC-PERPETUAL"},
    ),
}
"""How each is spoken to, what it must tell, and two of its instruments."""

TELLS_AGAIN = {"coinbase"}
"""A subscription begins with the last hundred trades, so that those that were missed come."""


@pytest.fixture(params=VENUES)
def name(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def symbols(name: str) -> dict[str, str]:
    return VENUES[name][2]


@pytest.fixture
async def venue(name: str, emulated: Any) -> Any:
    return await emulated(name)


@pytest.fixture
async def desk(name: str, symbols: dict[str, str], venue: Any, desk_of: Any) -> Any:
    urls = venue.urls()[name]
    settings = FeedSettings(rest_url=urls["rest"], stream_url=urls["ws"])
    made = await desk_of(VENUES[name][0](settings, clock=SystemClock()))
    made.feed.subscribe(symbols)
    await made.until(lambda: made.live(*symbols))
    return made


async def test_books_are_the_venues_own_and_every_channel_speaks(
    name: str, symbols: dict[str, str], venue: Any, desk: Any, same_in_the_end: Any
) -> None:
    await desk.until(lambda: all(desk.of(kind) for kind in VENUES[name][1]))
    await same_in_the_end(venue, desk, symbols)
    assert not desk.of(FrameRejected)
    assert not desk.lost


async def test_lost_book_message_is_noticed_and_mended(
    name: str, symbols: dict[str, str], venue: Any, desk: Any, same_in_the_end: Any
) -> None:
    hit = next(iter(symbols))
    venue.venues[name].faults.arm(Fault(kind="gap", symbol=symbols[hit]))
    await desk.until(lambda: bool(desk.lost))
    assert hit in [lost for lost, _ in desk.lost]
    await desk.until(lambda: desk.live(*symbols))
    await same_in_the_end(venue, desk, symbols)


async def test_odd_numbers_cost_at_most_a_fresh_image(
    name: str, symbols: dict[str, str], venue: Any, desk: Any, same_in_the_end: Any
) -> None:
    faults = venue.venues[name].faults
    for kind in ("number_nan", "null_field", "number_exponent", "number_huge", "unknown_field"):
        faults.arm(Fault(kind=kind))
        await desk.until(lambda: not faults.armed)
    await same_in_the_end(venue, desk, symbols)


async def test_cut_connection_doubles_no_trade_and_costs_none_that_is_told_again(
    name: str, symbols: dict[str, str], venue: Any, desk: Any, same_in_the_end: Any
) -> None:
    await desk.until(lambda: all(desk.trades(item) for item in symbols))
    for connection in list(venue.venues[name].connections):
        connection.abort()
    await desk.until(lambda: bool(desk.lost))
    await desk.until(lambda: desk.live(*symbols))
    await same_in_the_end(venue, desk, symbols)
    for item in symbols:
        ids = desk.trades(item)
        assert ids == sorted(set(ids)), "none doubled"
        if name in TELLS_AGAIN:
            assert ids == list(range(ids[0], ids[-1] + 1))
