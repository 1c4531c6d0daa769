"""Every emulated venue when connections break, refuse, stall, or are replaced as planned."""

from collections.abc import Awaitable, Callable
from socket import SO_RCVBUF, SOL_SOCKET
from typing import Any

import pytest

from core.engine.consequences import DataFault
from core.model.ids import InstrumentId
from core.model.market import (
    DayTicker,
    FeedConnected,
    FeedDisconnected,
    FrameRejected,
    MarkPrice,
    VenueBar,
)

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

ALL = (
    "binance", "binance_usdm", "okx", "coinbase", "deribit", "kucoin", "alpaca_crypto",
    "alpaca_stocks",
)  # fmt: skip
Run = Callable[[Any], Awaitable[None]]
CASES: dict[str, Run] = {}
LEFT_OUT: dict[str, dict[str, str]] = {}
"""Why a fault is not for a venue, by case and subject."""

ONE_CONNECTION = "the account has one connection a market, so none can be opened ahead"


def case(name: str, left_out: dict[str, str] | None = None) -> Callable[[Run], Run]:
    def add(run: Run) -> Run:
        CASES[name] = run
        LEFT_OUT[name] = left_out or {}
        return run

    return add


def unhurt(stage: Any, *names: str) -> None:
    for name in names or (stage.target, stage.other):
        assert not stage.stale(name), f"{name} must not notice"
        assert not stage.told(DataFault, name)


# -- frames --------------------------------------------------------------------------------


def odd_frame(kind: str, **more: Any) -> Run:
    """A frame that is none of the venue's: refused in words, and nothing else changes."""

    async def run(stage: Any) -> None:
        await stage.arm(kind, symbol="", **more)
        await stage.desk.until(lambda: stage.told(FrameRejected), f"{kind} to be refused")
        (refused, *_) = stage.told(FrameRejected)
        assert refused.venue == stage.desk.feed.venue
        assert refused.reason
        assert refused.sample
        await stage.more(stage.target)
        if stage.name == "alpaca_crypto":
            # No number would show that it was a change of a book, so every book comes anew.
            assert stage.stale(stage.target, "could not be read")
        else:
            unhurt(stage)
        await stage.settle()

    return run


case("malformed_frame")(odd_frame("malformed_frame"))
case("binary_frame")(odd_frame("binary_frame"))
case("oversized_frame")(odd_frame("oversized_frame"))


@case("binary_next")
async def binary_next(stage: Any) -> None:
    """Good data in frames of the wrong sort is good data."""
    await stage.arm("binary_next", symbol="", value=5)
    await stage.more(stage.target, 8)
    unhurt(stage)
    await stage.settle()


@case("fragment_frames")
async def fragment_frames(stage: Any) -> None:
    await stage.arm("fragment_frames", symbol="", value=7)
    await stage.more(stage.target, 8)
    await stage.more(stage.other)
    await stage.arm("fragment_frames", symbol="", value=0)
    unhurt(stage)
    await stage.settle()


@case("slow_writer")
async def slow_writer(stage: Any) -> None:
    """What comes late comes all the same."""
    await stage.arm("slow_writer", symbol="", value=4000)
    await stage.more(stage.target, 4)
    await stage.arm("slow_writer", symbol="", value=0)
    await stage.settle()
    assert not stage.told(DataFault)


@case("stall_streams")
async def stall_streams(stage: Any) -> None:
    """Connected but silent is stale, sooner than the connection is given up."""
    await stage.calm(stage.target)
    before = len(stage.desk.events)
    await stage.arm("stall_streams", symbol="", value=5)
    await stage.desk.until(lambda: stage.stale(stage.target, "silent"), "silence to be noticed")
    await stage.desk.until(lambda: stage.desk.live(stage.target, stage.other), "speech again")
    await stage.settle()
    assert not [e for e in stage.desk.events[before:] if isinstance(e, FeedDisconnected)]
    assert not stage.told(DataFault)


# -- ends ----------------------------------------------------------------------------------


def ended(kind: str, **more: Any) -> Run:
    """A lost connection: all it carried is stale at once, and comes back whole."""

    async def run(stage: Any) -> None:
        names = (stage.target, stage.other)
        await stage.arm(kind, symbol="", **more)
        await stage.desk.until(
            lambda: all(stage.stale(name, "disconnected") for name in names), "the end to be told"
        )
        assert stage.stale(stage.target)[0].reason.startswith("disconnected: ws://")
        await stage.settle(lost=True)

    return run


case("close_streams")(ended("close_streams", value=0))
case("close_abruptly")(ended("close_streams", value=1))
case("truncated_frame")(ended("truncated_frame"))


@case("refuse_upgrade")
async def refuse_upgrade(stage: Any) -> None:
    await stage.arm("refuse_upgrade", symbol="")
    await ended("close_streams")(stage)
    await stage.struck("refuse_upgrade")


@case("deflate")
async def deflate(stage: Any) -> None:
    """A server that offers compression is not taken up on it, and understood."""
    await stage.arm("deflate", symbol="", value=1)
    await ended("close_streams")(stage)
    await stage.arm("deflate", symbol="", value=0)


@case(
    "server_shutdown",
    {
        **dict.fromkeys(
            ("coinbase", "deribit", "kucoin"), "it ends without a notice: see close_streams"
        ),
        **dict.fromkeys(("alpaca_crypto", "alpaca_stocks"), ONE_CONNECTION),
    },
)
async def server_shutdown(stage: Any) -> None:
    """Announced: the next connection carries everything first, so nothing is lost or doubled."""
    before = len(stage.desk.events)
    await stage.arm("server_shutdown", symbol="", value=6)
    routes = {"binance": 1}.get(stage.name, 2)

    def ends() -> list[Any]:
        return [e for e in stage.desk.events[before:] if isinstance(e, FeedDisconnected)]

    await stage.desk.until(lambda: len(ends()) >= routes, "the old connections to go")
    assert [e for e in stage.desk.events[before:] if isinstance(e, FeedConnected)]
    assert not any(end.instrument_ids for end in ends()), "nothing hung on them"
    unhurt(stage)
    await stage.settle()


@case("old_age", dict.fromkeys(("alpaca_crypto", "alpaca_stocks"), ONE_CONNECTION))
async def old_age(stage: Any) -> None:
    """Connections that are replaced every second or two lose and double nothing."""
    fresh = await stage.tracks.opened(stage.name, overlap_s=0.4, max_age_s=1.5)
    await fresh.begin()

    def ends() -> list[Any]:
        return [e for e in fresh.desk.events if isinstance(e, FeedDisconnected)]

    await fresh.desk.until(lambda: len(ends()) >= 3, "three changes")
    assert not any(end.instrument_ids for end in ends()), "nothing hung on them"
    unhurt(fresh)
    await fresh.settle()
    await fresh.desk.stop()


@case("no_pong")
async def no_pong(stage: Any) -> None:
    """A server that no longer answers pings is taken for gone, though it still sends."""
    await stage.arm("no_pong", symbol="", value=60)
    await stage.desk.until(
        lambda: stage.stale(stage.target, "no answer to a ping"), "its end to be told"
    )
    await stage.settle(lost=True)


@case("slow_reader")
async def slow_reader(stage: Any) -> None:
    """A server that no longer reads what we send, our pings among it, is taken for gone."""
    await stage.arm("slow_reader", symbol="", value=4)
    await stage.desk.until(lambda: stage.stale(stage.target, "disconnected"), "its end to be told")
    await stage.settle(lost=True)


def open_sockets(feed: Any) -> list[Any]:
    """The feed's open websockets."""
    return [
        session.connection._socket
        for line in feed._lines
        for session in line._sessions
        if session.connection is not None
    ]


@case("small_buffers")
async def slow_machine(stage: Any) -> None:
    """Who cannot keep up is cut off by the venue, holds little meanwhile, and comes back whole."""
    links = open_sockets(stage.desk.feed)
    assert links
    for link in links:
        # Pings are another case.
        link.ping_timeout = None
    await stage.more(stage.target)
    for link in links:
        socket = link.transport.get_extra_info("socket")
        socket.setsockopt(SOL_SOCKET, SO_RCVBUF, 4096)
        link.transport.pause_reading()
    await stage.arm("small_buffers", symbol="", value=30)
    await stage.arm("oversized_frame", symbol="", value=1_000_000)
    await stage.desk.until(lambda: stage.stale(stage.target, "disconnected"), "the cut to be told")
    for link in links:
        assert len(link.recv_messages.frames) <= 1024, "frames held at most"
        # Those with little to bring were not cut off; none could be read at this pace.
        link.transport.abort()
    await stage.settle(lost=True)


# -- subscriptions -------------------------------------------------------------------------


SPOKEN: dict[str, tuple[type[Any], ...]] = {
    "binance": (VenueBar, DayTicker),
    "binance_usdm": (VenueBar, DayTicker, MarkPrice),
    "okx": (VenueBar, DayTicker),
    "coinbase": (VenueBar, DayTicker),
    "deribit": (DayTicker,),
    "kucoin": (VenueBar, DayTicker),
    "alpaca_crypto": (),
    "alpaca_stocks": (),
}
"""What channels besides trades and books bring within a second or so."""


def unheard(kind: str) -> Run:
    """A subscription the venue did not take, or took in part, is made good."""

    async def run(stage: Any) -> None:
        third = InstrumentId(stage.subject.third)
        await stage.arm(kind, symbol="")
        stage.desk.feed.subscribe([third])
        await stage.struck(kind)
        await stage.desk.until(lambda: stage.desk.live(third), "the subscription to be mended")
        # Its book changes, too: it is no image that stands still.
        goal = stage.desk.deltas(third) + 3
        await stage.desk.until(
            lambda: stage.desk.deltas(third) >= goal or stage.name == "alpaca_stocks",
            "its book to change",
        )
        await stage.desk.until(lambda: stage.desk.trades.get(third), "its trades")
        for channel in SPOKEN[stage.name]:
            await stage.desk.until(
                lambda channel=channel: any(
                    isinstance(event, channel) and event.instrument_id == third
                    for event in stage.desk.events
                ),
                f"its {channel.__name__}",
            )
        unhurt(stage)
        stage.desk.feed.unsubscribe([third])
        await stage.settle()

    return run


case("no_ack")(unheard("no_ack"))
case("partial_ack")(unheard("partial_ack"))


@case(
    "no_welcome",
    dict.fromkeys(
        ("binance", "binance_usdm", "okx", "coinbase", "deribit"), "the venue greets nobody"
    ),
)
async def no_welcome(stage: Any) -> None:
    """A venue that does not let us in is tried again."""
    await stage.arm("no_welcome", symbol="")
    await ended("close_streams")(stage)
    await stage.struck("no_welcome")


@pytest.fixture(scope="module", autouse=True)
def _hasty() -> Any:
    """A greeting is awaited for a second, and a link that held for 0.1 s was good."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.feeds.session._OPENING_S", 1.0)
        patch.setattr("core.feeds.session.ACK_S", 1.0)
        patch.setattr("core.wire.websocket.PING_S", 1.0)
        # Each case breaks the link anew, and is no trouble that lasts.
        patch.setattr("core.feeds.lines._STABLE_NS", 100_000_000)
        yield


PAIRS = [(subject, name) for subject in ALL for name in CASES if subject not in LEFT_OUT[name]]


@pytest.mark.parametrize(("subject", "case"), PAIRS)
async def test_link(tracks: Any, subject: str, case: str) -> None:
    await tracks.outcome(subject, case)
