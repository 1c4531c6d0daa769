"""The shared plumbing of feeds over real sockets: nothing lost, nothing doubled, nothing leaked."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from core.engine.clock import SystemClock
from core.engine.followed import MAX_TRADES
from core.engine.market import MarketState, ResyncNeeded
from core.feeds.stream import StreamFeed
from core.model.errors import ConfigError
from core.model.ids import InstrumentId
from core.model.market import ClockSample, FeedStatus, OpenInterest, Trade


class Desk:
    """A feed whose frames go through its decoder into a market, as in the engine."""

    def __init__(self, feed: StreamFeed) -> None:
        self.feed = feed
        self.frames: list[tuple[str, int, str, bytes]] = []
        self.events: list[Any] = []
        self.market = MarketState((), {feed.venue: feed.decoder.rule})
        self.came = asyncio.Event()

    def sink(self, kind: Any, conn: int, ts: int, url: str, data: bytes, /) -> None:
        self.frames.append((kind, conn, url, data))
        for event in self.feed.decoder.decode(kind, conn, ts, url, data):
            self.events.append(event)
            for output in self.market.apply(event):
                if isinstance(output, ResyncNeeded):
                    self.feed.request_snapshot(output.instrument_id)
        self.came.set()

    async def until(self, ready: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not ready():
                self.came.clear()
                await self.came.wait()

    def live(self, *names: InstrumentId) -> bool:
        return all(self.market.status(name) is FeedStatus.LIVE for name in names)

    def trades(self, name: InstrumentId) -> list[int]:
        return [trade.trade_id for trade in self.market.trades(name)]


@pytest.fixture
async def desk(toy: Any, toy_dialect: Any, toy_limits: Any, request: Any) -> AsyncIterator[Desk]:
    options = getattr(request, "param", {})
    dialect = toy_dialect(toy.url, limits=toy_limits, **options)
    feed = StreamFeed(dialect, clock=SystemClock(), rng=random.Random(1), overlap_s=0.05)
    made = Desk(feed)
    made.market.add_instruments(await feed.instruments())
    task = asyncio.create_task(feed.run(made.sink))
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_wanted_instruments_go_live_over_as_many_lines_as_they_need(
    desk: Desk, toy: Any, names: list[InstrumentId]
) -> None:
    desk.feed.subscribe(names)
    await desk.until(lambda: desk.live(*names))
    assert toy.opened == 2, "two instruments fit on a line"
    assert {conn for kind, conn, _, _ in desk.frames if kind == "connect"} == {0, 1}


async def test_more_than_all_lines_carry_is_refused_in_words(desk: Desk, toy: Any) -> None:
    toy.symbols = [f"X{number}" for number in range(5)]
    toy.sequence = dict.fromkeys(toy.symbols, 0)
    listed = await desk.feed.instruments()
    with pytest.raises(ConfigError, match="at most 4 instruments at once, asked for 5"):
        desk.feed.subscribe([item.id for item in listed])


async def test_unsubscribed_instrument_is_left_and_forgotten(
    desk: Desk, toy: Any, names: list[InstrumentId]
) -> None:
    desk.feed.subscribe(names[:2])
    await desk.until(lambda: desk.live(*names[:2]))
    desk.feed.unsubscribe(names[:1])
    await desk.until(lambda: desk.market.status(names[0]) is FeedStatus.UNSUBSCRIBED)
    assert desk.live(names[1])
    assert ("send", 0, "", b"leave AAA") in desk.frames


async def test_gap_resyncs_that_instrument_alone(
    desk: Desk, toy: Any, names: list[InstrumentId]
) -> None:
    desk.feed.subscribe(names[:2])
    await desk.until(lambda: desk.live(*names[:2]))
    await toy.speak("AAA")
    await toy.speak("AAA", lose=True)
    await toy.speak("AAA")
    await desk.until(lambda: desk.market.feed_view(names[0]).resyncs == 1)
    await desk.until(lambda: desk.live(names[0]))
    assert desk.market.feed_view(names[0]).gaps == 1
    assert desk.market.feed_view(names[1]).gaps == 0
    assert toy.images == 1


@pytest.mark.parametrize("desk", [{"images_by_rest": False}], indirect=True)
async def test_image_of_the_stream_comes_by_joining_again(
    desk: Desk, toy: Any, names: list[InstrumentId]
) -> None:
    desk.feed.subscribe(names[:1])
    await desk.until(lambda: desk.live(names[0]))
    await toy.speak("AAA", lose=True)
    await toy.speak("AAA")
    await desk.until(lambda: desk.market.feed_view(names[0]).gaps == 1)
    await desk.until(lambda: desk.live(names[0]))
    assert "bookleave AAA" in toy.heard
    assert toy.images == 0


async def test_notice_of_the_venue_overlaps_connections_without_losing_or_doubling_a_trade(
    desk: Desk, toy: Any, names: list[InstrumentId]
) -> None:
    desk.feed.subscribe(names[:1])
    await desk.until(lambda: desk.live(names[0]))
    statuses = [event for event in desk.events if hasattr(event, "status")]
    (first,) = toy.sockets
    await toy.say(first, '{"closing":true}')
    while first in toy.sockets:
        await toy.speak("AAA")
        await asyncio.sleep(0)
    for _ in range(5):
        await toy.speak("AAA")
    await desk.until(lambda: desk.trades(names[0])[-1] == toy.sequence["AAA"])
    # A quick machine says more than is kept.
    assert desk.trades(names[0]) == list(range(1, toy.sequence["AAA"] + 1))[-MAX_TRADES:]
    assert toy.opened == 2
    assert [event for event in desk.events if hasattr(event, "status")] == statuses
    assert desk.market.feed_view(names[0]).gaps == 0
    assert sum(isinstance(event, Trade) for event in desk.events) > toy.sequence["AAA"], (
        "both connections must have spoken for a while"
    )


async def test_replacement_that_is_refused_is_tried_again_while_the_old_one_lives(
    desk: Desk, toy: Any, names: list[InstrumentId]
) -> None:
    desk.feed.subscribe(names[:1])
    await desk.until(lambda: desk.live(names[0]))
    (first,) = toy.sockets
    toy.refusals = 2
    await toy.say(first, '{"closing":true}')
    while first in toy.sockets:
        await toy.speak("AAA")
        await asyncio.sleep(0.005)
    for _ in range(3):
        await toy.speak("AAA")
    await desk.until(lambda: desk.trades(names[0])[-1] == toy.sequence["AAA"])
    kept = desk.trades(names[0])
    assert kept == list(range(kept[0], kept[-1] + 1))
    assert toy.refusals == 0
    assert desk.market.feed_view(names[0]).gaps == 0


async def test_venue_of_one_connection_is_left_before_it_is_joined_again(
    desk: Desk, toy: Any, names: list[InstrumentId]
) -> None:
    limits = desk.feed._dialect.limits
    desk.feed._dialect.limits = msgspec.structs.replace(limits, connections=1)
    desk.feed.subscribe(names[:1])
    await desk.until(lambda: desk.live(names[0]))
    (first,) = toy.sockets
    await toy.say(first, '{"closing":true}')
    await desk.until(lambda: desk.market.status(names[0]) is FeedStatus.STALE)
    await desk.until(lambda: desk.live(names[0]))
    assert first not in toy.sockets
    assert toy.most_at_once == 1


async def test_lost_connection_is_stale_at_once_and_comes_back(
    desk: Desk, toy: Any, names: list[InstrumentId]
) -> None:
    desk.feed.subscribe(names[:1])
    await desk.until(lambda: desk.live(names[0]))
    (first,) = toy.sockets
    await first.close()
    await desk.until(lambda: desk.market.status(names[0]) is FeedStatus.STALE)
    await desk.until(lambda: desk.live(names[0]))
    assert toy.opened == 2


async def test_question_of_the_venue_is_answered(
    desk: Desk, toy: Any, names: list[InstrumentId]
) -> None:
    desk.feed.subscribe(names[:1])
    await desk.until(lambda: desk.live(names[0]))
    (first,) = toy.sockets
    await toy.say(first, '{"question":1}')
    await desk.until(lambda: any(f[3] == b"answer" for f in desk.frames))


async def test_keys_and_tokens_never_reach_the_tape(
    desk: Desk, toy: Any, names: list[InstrumentId]
) -> None:
    desk.feed.subscribe(names[:1])
    await desk.until(lambda: desk.live(names[0]))
    assert any(text.startswith("login secret-key") for text in toy.heard)
    assert b"secret" not in b"".join(f[2].encode() + f[3] for f in desk.frames)


async def test_polls_and_clock_arrive_as_events(
    desk: Desk, toy: Any, names: list[InstrumentId]
) -> None:
    desk.feed.subscribe(names[:1])
    await desk.until(lambda: any(isinstance(event, OpenInterest) for event in desk.events))
    (sample,) = [event for event in desk.events if isinstance(event, ClockSample)][:1]
    assert sample.round_trip_ns > 0


async def test_html_instead_of_an_image_is_asked_again_and_hurts_nobody(
    desk: Desk, toy: Any, names: list[InstrumentId]
) -> None:
    desk.feed.subscribe(names[:1])
    await desk.until(lambda: desk.live(names[0]))
    toy.failures += [503] * 5
    await toy.speak("AAA")
    await toy.speak("AAA", lose=True)
    await toy.speak("AAA")
    await desk.until(lambda: desk.market.feed_view(names[0]).gaps == 1)
    await desk.until(lambda: desk.live(names[0]))
    assert toy.failures == []


async def test_tape_of_the_feed_decodes_to_the_same_events(
    desk: Desk, toy: Any, toy_dialect: Any, toy_limits: Any, names: list[InstrumentId]
) -> None:
    desk.feed.subscribe(names)
    await desk.until(lambda: desk.live(*names))
    await toy.speak("BBB")
    await desk.until(lambda: desk.trades(names[1]) == [1])
    fresh = toy_dialect(toy.url, limits=toy_limits)
    fresh.decoder.add_instruments(list(desk.market.instruments()))
    again = [
        type(event).__name__
        for kind, conn, url, data in desk.frames
        for event in fresh.decoder.decode(kind, conn, 1, url, data)
    ]
    assert again == [type(event).__name__ for event in desk.events]
    await fresh.close()
    assert msgspec.json.decode(desk.frames[-1][3] or b"{}") is not None
