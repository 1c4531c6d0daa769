"""The feed over real sockets, against a venue that knows what its book really is."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from core.engine.clock import SystemClock
from core.feeds.alpaca.dialect import make_dialect
from core.model.market import (
    BookDelta,
    BookSnapshot,
    ClockSample,
    FrameRejected,
    Quote,
    Timeframe,
    Trade,
    TradeCanceled,
)
from core.model.settings import FeedSettings
from emulator.faults import Fault

AAPL, BTC = "AAPL-USD.alpaca", "BTC-USD.alpaca"
NAMES = [AAPL, BTC]


@pytest.fixture
async def venue(emulated: Any) -> Any:
    return await emulated("alpaca")


@pytest.fixture
async def dialect(venue: Any) -> Any:
    rest = venue.urls()["alpaca"]["rest"]
    return make_dialect(
        FeedSettings(
            rest_url=rest, stream_url=rest.replace("http://", "ws://"), api_key=SecretStr("k"),
            api_secret=SecretStr("s"),
        ),
        clock=SystemClock(),
    )  # fmt: skip


@pytest.fixture
async def desk(dialect: Any, desk_of: Any) -> Any:
    made = await desk_of(dialect)
    made.feed.subscribe(NAMES)
    await made.until(lambda: made.live(*NAMES))
    return made


async def test_the_book_is_the_venues_own_and_every_channel_speaks(
    venue: Any, desk: Any, same_in_the_end: Any
) -> None:
    kinds = (BookSnapshot, BookDelta, ClockSample, Quote, Trade)
    await desk.until(lambda: all(desk.of(kind) for kind in kinds))
    await desk.until(lambda: {trade.instrument_id for trade in desk.of(Trade)} == set(NAMES))
    await same_in_the_end(venue, desk, {BTC: "BTC/USD"})
    assert not desk.of(FrameRejected)
    assert not desk.lost


async def test_cut_connections_come_back_with_a_whole_book(
    venue: Any, desk: Any, same_in_the_end: Any
) -> None:
    for connection in list(venue.venues["alpaca"].connections):
        connection.abort()
    await desk.until(lambda: {name for name, _ in desk.lost} == set(NAMES))
    await desk.until(lambda: desk.live(*NAMES))
    await same_in_the_end(venue, desk, {BTC: "BTC/USD"})
    for name in NAMES:
        ids = desk.trades(name)
        assert len(ids) == len(set(ids))


async def test_odd_numbers_cost_at_most_a_fresh_book(
    venue: Any, desk: Any, same_in_the_end: Any
) -> None:
    faults = venue.venues["alpaca"].faults
    for kind in ("number_nan", "null_field", "number_exponent", "number_huge", "unknown_field"):
        faults.arm(Fault(kind=kind))
        await desk.until(lambda: not faults.armed)
    await desk.until(lambda: desk.live(*NAMES))
    await same_in_the_end(venue, desk, {BTC: "BTC/USD"})


@pytest.mark.parametrize("kind", ["correct_trade", "cancel_trade"])
async def test_a_trade_taken_back_is_one_that_was_told(venue: Any, desk: Any, kind: str) -> None:
    exchange = venue.venues["alpaca"]
    shard = exchange.market.shards["AAPL"]

    def back() -> list[Any]:
        if not desk.of(TradeCanceled) and desk.trades(AAPL):
            exchange.special(kind, shard)
        return desk.of(TradeCanceled)

    await desk.until(lambda: bool(back()))
    event = desk.of(TradeCanceled)[0]
    assert event.trade_id in {trade.trade_id for trade in desk.of(Trade)}
    assert (event.corrected is not None) == (kind == "correct_trade")


async def test_history_of_both_markets_is_whole(dialect: Any) -> None:
    listed = {item.id: item for item in await dialect.listing()}
    now_ns = SystemClock().now_ns()
    for name in NAMES:
        start_ns = now_ns - 36 * Timeframe.H1.ns
        bars = await dialect.history(listed[name], Timeframe.M1, start_ns, now_ns)
        times = [bar.ts_open_ns for bar in bars]
        assert times == sorted(set(times))
        hours = await dialect.history(listed[name], Timeframe.H1, start_ns, now_ns)
        assert len(hours) > 30 or name == AAPL  # stocks sleep at night
        minutes = {bar.ts_open_ns: bar for bar in bars}
        for hour in hours[1:-1]:
            within = [
                bar for at, bar in minutes.items()
                if hour.ts_open_ns <= at < hour.ts_open_ns + Timeframe.H1.ns
            ]  # fmt: skip
            assert max(bar.high_ticks for bar in within) == hour.high_ticks
            assert sum(bar.volume_lots for bar in within) == hour.volume_lots
    await dialect.close()
