"""The feed over real sockets, against a venue that knows what its book really is."""

from __future__ import annotations

from typing import Any

import pytest

from core.engine.clock import SystemClock
from core.engine.market import TradesNeeded
from core.feeds.okx.dialect import make_dialect
from core.model.market import (
    BookDelta,
    BookSnapshot,
    CheckedDelta,
    ClockSample,
    DayTicker,
    FrameRejected,
    MarkPrice,
    OpenInterest,
    Quote,
    Trade,
    TradesAbsent,
    VenueBar,
)
from core.model.settings import FeedSettings
from emulator.faults import Fault

SYMBOLS = {"BTC-USDT.okx": "BTC-USDT", "BTC-USDT-PERP.okx": "BTC-USDT-SWAP"}
NAMES = list(SYMBOLS)
INDEX = "BTC-USDT-INDEX.okx"


@pytest.fixture
async def venue(emulated: Any) -> Any:
    return await emulated("okx")


@pytest.fixture
async def desk(venue: Any, desk_of: Any) -> Any:
    base = f"127.0.0.1:{venue.port}/okx"
    settings = FeedSettings(rest_url=f"http://{base}", stream_url=f"ws://{base}")
    made = await desk_of(make_dialect(settings, clock=SystemClock()))
    made.feed.subscribe([*NAMES, INDEX])
    await made.until(lambda: made.live(*NAMES))
    return made


async def test_books_are_the_venues_own_and_every_channel_speaks(
    venue: Any, desk: Any, same_in_the_end: Any
) -> None:
    kinds = (
        BookSnapshot, BookDelta, ClockSample, VenueBar, Quote, Trade, DayTicker, MarkPrice,
        OpenInterest,
    )  # fmt: skip
    await desk.until(lambda: all(desk.of(kind) for kind in kinds))
    await desk.until(lambda: desk.live(INDEX))
    await same_in_the_end(venue, desk, SYMBOLS, 400)
    assert not desk.of(FrameRejected)
    assert not desk.lost


async def test_lost_update_is_noticed_and_mended_alone(
    venue: Any, desk: Any, same_in_the_end: Any
) -> None:
    fault = Fault(kind="gap", symbol=SYMBOLS[NAMES[0]], channel="book")
    venue.venues["okx"].faults.arm(fault)
    await desk.until(lambda: bool(desk.lost))
    await desk.until(lambda: desk.live(*NAMES))
    await same_in_the_end(venue, desk, SYMBOLS, 400)
    assert desk.lost == [(NAMES[0], "gap")]


async def test_trades_that_never_came_are_told_asked_for_and_counted_once(
    venue: Any, desk: Any
) -> None:
    exchange, name = venue.venues["okx"], NAMES[0]
    await desk.until(lambda: len(desk.trades(name)) > 3)

    def record() -> Any:
        return desk.market.quality(name, SystemClock().now_ns())

    def mended() -> bool:
        for need in desk.market.on_timer(SystemClock().now_ns()):
            if isinstance(need, TradesNeeded):
                desk.feed.request_trades(need.instrument_id, need.hole)
        return record().trade_holes > 1 and record().trades_refilled == record().trade_holes

    exchange.faults.arm(Fault(kind="gap", symbol=SYMBOLS[name], channel="trade", count=2))
    await desk.until(mended, within_s=60)
    assert not desk.of(TradesAbsent)
    assert not desk.lost, "the book is not concerned"
    ours = sorted(desk.market.trades(name), key=lambda item: item.trade_id)
    theirs = {row.id: row.lots for row in exchange.market.shards[SYMBOLS[name]].trades}
    ids = range(ours[0].first_trade_id, ours[-1].trade_id + 1)
    assert sum(item.size_lots for item in ours) == sum(theirs[number] for number in ids)


async def test_checksums_are_met_where_the_venue_still_sends_them(
    venue: Any, desk: Any, same_in_the_end: Any
) -> None:
    venue.venues["okx"].switch("legacy_checksum", on=True)
    # Images without texts cannot be compared; a fresh one has them.
    for name in NAMES:
        desk.feed.request_snapshot(name)
    await desk.until(lambda: len(desk.of(CheckedDelta)) > 10)
    await same_in_the_end(venue, desk, SYMBOLS, 400)
    assert not desk.lost


async def test_announced_end_loses_no_trade(venue: Any, desk: Any, same_in_the_end: Any) -> None:
    await desk.until(lambda: all(desk.trades(name) for name in NAMES))
    exchange = venue.venues["okx"]
    before = set(exchange.connections)
    for connection in list(before):
        exchange.shut_down(connection, 3.0)
    await desk.until(lambda: not before & set(exchange.connections))
    seen = {name: len(desk.trades(name)) for name in NAMES}
    await desk.until(lambda: all(len(desk.trades(name)) > seen[name] for name in NAMES))
    await same_in_the_end(venue, desk, SYMBOLS, 400)
    for name in NAMES:
        ids = desk.trades(name)
        assert ids == sorted(set(ids)), "none doubled"
    assert not desk.lost
