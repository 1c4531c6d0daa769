"""A connection sees that the venue took what was asked, and makes anew what does not speak."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import msgspec
import pytest

from core.engine.clock import SystemClock
from core.feeds.acks import Ack, Acks, Asked
from core.feeds.session import MAX_FRAME_BYTES
from core.feeds.stream import StreamFeed
from core.model.ids import InstrumentId
from core.model.market import FeedNotice
from core.model.ports import ResyncReason


class ToyAcks(Acks):
    def asked(self, message: str) -> Asked | None:
        word, _, rest = message.partition(" ")
        match word:
            case "join":
                return Asked(rest.split(","))
            case "leave":
                return Asked(leaves=rest.split(","))
        return None

    def said(self, frame: bytes) -> Ack | None:
        return Ack(msgspec.json.decode(frame)["joined"]) if b"joined" in frame else None

    def again(self, topics: Sequence[str]) -> Sequence[str]:
        return ("join " + ",".join(topics),)


class Ear:
    """A feed, what it sent, and what it has to say of itself."""

    def __init__(self, feed: StreamFeed) -> None:
        self.feed = feed
        self.sent: list[str] = []
        self.notices: list[FeedNotice] = []
        self.came = asyncio.Event()

    def sink(self, kind: Any, conn: int, ts: int, url: str, data: bytes, /) -> None:
        if kind == "send":
            self.sent.append(data.decode())
        events = self.feed.decoder.decode(kind, conn, ts, url, data)
        self.notices += [event for event in events if isinstance(event, FeedNotice)]
        self.came.set()

    async def until(self, ready: Callable[[], Any]) -> None:
        async with asyncio.timeout(10):
            while not ready():
                self.came.clear()
                await self.came.wait()


@pytest.fixture
async def ear(
    toy: Any, toy_dialect: Any, toy_limits: Any, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Ear]:
    monkeypatch.setattr("core.feeds.session.ACK_S", 0.02)
    dialect = toy_dialect(toy.url, limits=msgspec.structs.replace(toy_limits, renew_s=0.0))
    dialect.acks = ToyAcks()
    feed = StreamFeed(dialect, clock=SystemClock(), rng=random.Random(1))
    await feed.instruments()
    made = Ear(feed)
    task = asyncio.create_task(feed.run(made.sink))
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def carried(toy: Any) -> list[str]:
    return sorted(name for joined in toy.sockets.values() for name in joined)


async def test_subscription_the_venue_did_not_hear_is_made_again(
    ear: Ear, toy: Any, names: list[InstrumentId]
) -> None:
    toy.deaf = 1
    ear.feed.subscribe(names[:2])
    await ear.until(lambda: carried(toy) == ["AAA", "BBB"])
    assert ear.sent.count("join AAA,BBB") == 2
    assert not ear.notices, "nothing to trouble anybody with"


async def test_subscription_the_venue_never_takes_is_told_by_instrument(
    ear: Ear, toy: Any, names: list[InstrumentId]
) -> None:
    toy.deaf = 99
    ear.feed.subscribe(names[:1])
    await ear.until(lambda: ear.notices)
    assert ear.sent.count("join AAA") == 3
    (notice,) = ear.notices
    assert (notice.kind, notice.instrument_id) == ("subscription", names[0])
    assert "toy never confirmed AAA of AAA-USD.toy, asked 3 times" in notice.text


async def test_what_does_not_speak_is_left_and_joined_and_that_is_said(
    ear: Ear, toy: Any, names: list[InstrumentId]
) -> None:
    ear.feed.subscribe(names[:2])
    await ear.until(lambda: "join AAA,BBB" in ear.sent)
    (line,) = ear.feed._lines
    await line._sessions[-1].settled.wait()
    ear.feed.resubscribe(names[0], ResyncReason.UNHEARD, 0)
    await ear.until(lambda: ear.sent[-2:] == ["leave AAA", "join AAA"])
    assert ear.notices[0].kind == "unheard"
    assert "since it was subscribed" in ear.notices[0].text
    ear.feed.resubscribe(names[0], ResyncReason.UNHEARD, 0)
    assert len(ear.notices) == 1, "not again so soon"


async def test_instrument_that_goes_on_under_another_name_is_joined_by_it(
    ear: Ear, toy: Any, names: list[InstrumentId]
) -> None:
    ear.feed.subscribe(names[:1])
    await ear.until(lambda: carried(toy) == ["AAA"])
    (line,) = ear.feed._lines
    await line._sessions[-1].settled.wait()
    item = ear.feed._listed[names[0]]
    ear.feed._listed[names[0]] = msgspec.structs.replace(item, venue_symbol="ZZZ")
    toy.sequence["ZZZ"] = 0
    ear.feed.subscribe(names[:1])
    await ear.until(lambda: carried(toy) == ["ZZZ"])


async def test_wanted_instrument_that_is_no_longer_listed_is_told_once(
    ear: Ear, toy: Any, names: list[InstrumentId]
) -> None:
    ear.feed.subscribe(names[:1])
    await ear.until(lambda: carried(toy) == ["AAA"])
    toy.symbols = ["BBB", "CCC", "NEW"]
    await ear.feed.instruments()
    await ear.feed.instruments()
    (notice,) = ear.notices
    assert (notice.kind, notice.instrument_id) == ("listing", names[0])
    assert "toy no longer lists AAA-USD.toy (new there: NEW-USD.toy)" in notice.text


async def test_image_of_what_speaks_again_after_it_had_gone_has_the_listing_read_anew(
    ear: Ear, toy: Any, names: list[InstrumentId]
) -> None:
    ear.feed.subscribe(names[:1])
    await ear.until(lambda: carried(toy) == ["AAA"])
    toy.symbols = ["BBB", "CCC"]
    await ear.feed.instruments()
    toy.symbols = ["AAA", "BBB", "CCC"]
    ear.feed.request_snapshot(names[0])
    async with asyncio.timeout(10):
        while names[0] not in ear.feed._listed:  # noqa: ASYNC110  it tells nobody
            await asyncio.sleep(0)


async def test_host_that_cannot_be_reached_is_told_once_with_what_to_check(
    toy: Any, toy_dialect: Any, toy_limits: Any, names: list[InstrumentId]
) -> None:
    dialect = toy_dialect(toy.url, limits=toy_limits)
    dialect._url = "http://nowhere.invalid"
    feed = StreamFeed(dialect, clock=SystemClock(), rng=random.Random(1))
    await feed.instruments()
    ear = Ear(feed)
    feed.subscribe(names[:1])
    task = asyncio.create_task(feed.run(ear.sink))
    await ear.until(lambda: ear.notices)
    assert ear.notices[0].kind == "connection"
    assert "ws://nowhere.invalid/stream: could not connect" in ear.notices[0].text
    assert "check the network and DNS" in ear.notices[0].text
    assert "secret" not in ear.notices[0].text
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_frame_over_the_size_limit_names_who_is_concerned_and_what_to_do(
    toy: Any, ear: Ear, names: list[InstrumentId]
) -> None:
    ear.feed.subscribe(names[:2])
    await ear.until(lambda: carried(toy))
    (socket,) = toy.sockets
    await socket.send_str("x" * (MAX_FRAME_BYTES + 1))
    await ear.until(lambda: ear.notices)
    (told,) = ear.notices
    assert told.kind == "connection"
    assert "dropped for a frame over the size limit" in told.text
    assert f"which carried {names[0]}, {names[1]}; it is made anew" in told.text
    assert "watchlist" in told.text
