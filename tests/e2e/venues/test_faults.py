"""Every emulated venue under every fault: noticed, mended, nobody else hurt, nothing untold.

After each case every book is the emulator's own at the same sequence number, and what was traded at
each price is what was really traded, but for losses that were told.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from core.engine.consequences import DataFault
from core.model.market import FeedStatus, FeedStatusChanged, FrameRejected

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

ALL = (
    "binance", "binance_usdm", "okx", "coinbase", "deribit", "kucoin", "alpaca_crypto",
    "alpaca_stocks",
)  # fmt: skip
Run = Callable[[Any], Awaitable[None]]
CASES: dict[str, Run] = {}
LEFT_OUT: dict[str, dict[str, str]] = {}
"""Why a fault is not for a venue, by case and subject."""


def case(name: str, left_out: dict[str, str] | None = None) -> Callable[[Run], Run]:
    def add(run: Run) -> Run:
        CASES[name] = run
        LEFT_OUT[name] = left_out or {}
        return run

    return add


def unhurt(stage: Any, *names: str) -> None:
    """Nobody but the target noticed anything."""
    for name in names or (stage.other,):
        assert not stage.stale(name), f"{name} must not notice"
        assert not stage.told(DataFault, name)


STOCKS_HAVE_NO_BOOK = "stocks have quotes and trades, and no book"
UNCHECKED = "no number on the wire shows it; the feed says unchecked"

# -- messages ------------------------------------------------------------------------------


def harmless(kind: str, channel: str) -> Run:
    """What must change nothing."""

    async def run(stage: Any) -> None:
        await stage.arm(kind, channel=channel)
        await stage.struck(kind)
        await stage.more(stage.target)
        unhurt(stage, stage.target, stage.other)
        await stage.settle()

    return run


def broken_book(kind: str) -> Run:
    """What costs the book a message."""

    async def run(stage: Any) -> None:
        await stage.arm(kind, channel="book")
        await stage.desk.until(lambda: stage.stale(stage.target), f"{kind} to be noticed")
        (first, *_) = stage.stale(stage.target)
        assert first.instrument_id == stage.target
        assert first.reason
        if not stage.subject.joint:
            unhurt(stage)
        await stage.settle(lost=stage.subject.joint)

    return run


def messages_between(stage: Any, first: type[Any], name: str) -> int:
    """Book messages taken from the first of a kind told to the first stale after it."""
    since = None
    for told, deltas in stage.desk.told[stage._told :]:
        if told.instrument_id != name:
            continue
        if since is None and isinstance(told, first):
            since = deltas
        if isinstance(told, FeedStatusChanged) and told.status is FeedStatus.STALE:
            return 0 if since is None else deltas - since
    raise AssertionError(f"{name} was never stale")


def mangled_book(kind: str) -> Run:
    """What makes a message of the book unreadable: said so, and the book is mended."""

    async def run(stage: Any) -> None:
        await stage.arm(kind, channel="book")
        await stage.desk.until(lambda: stage.told(FrameRejected), f"{kind} to be refused")
        (refused, *_) = stage.told(FrameRejected)
        assert refused.venue == stage.desk.feed.venue
        assert refused.instrument_id == stage.target
        assert refused.channel
        assert refused.reason
        await stage.desk.until(lambda: stage.stale(stage.target), "the book to be doubted")
        assert messages_between(stage, FrameRejected, stage.target) <= 1
        if not stage.subject.joint:
            unhurt(stage)
        await stage.settle(lost=stage.subject.joint)

    return run


for _kind in ("duplicate", "number_exponent", "unknown_field", "unknown_message"):
    for _channel in ("book", "trade", "quote"):
        _out = {"alpaca_stocks": STOCKS_HAVE_NO_BOOK} if _channel == "book" else {}
        case(f"{_kind}-{_channel}", _out)(harmless(_kind, _channel))

for _kind in ("gap", "reorder"):
    case(f"{_kind}-book", {"alpaca_crypto": UNCHECKED, "alpaca_stocks": STOCKS_HAVE_NO_BOOK})(
        broken_book(_kind)
    )

for _kind in ("number_zero", "number_huge", "number_nan", "null_field", "empty_field"):
    _out = {"alpaca_stocks": STOCKS_HAVE_NO_BOOK}
    if _kind == "number_zero":
        _out["kucoin"] = "a level at price 0 only counts the sequence on, the venue says"
    case(f"{_kind}-book", _out)(mangled_book(_kind))


IDS_LEAVE_NUMBERS_OUT = "trade ids leave numbers out, so nothing shows the loss"


async def lost_trade(stage: Any) -> None:
    """A message of trades that never comes is counted, and bars of that time are fetched."""
    await stage.arm("gap", channel="trade")
    await stage.struck("gap")
    await stage.take(stage.target)
    if not stage.subject.joint:
        await stage.desk.until(lambda: stage.told(DataFault, stage.target), "the hole to be told")
        (hole, *_) = stage.told(DataFault, stage.target)
        assert hole.kind == "trade hole"
        assert "never came" in hole.text
        unhurt(stage)
        assert not stage.stale(stage.target), "the book is not concerned"
    else:
        await stage.desk.until(lambda: stage.stale(stage.target), "the hole to be told")
    await stage.settle(lost=True)


case(
    "gap-trade",
    dict.fromkeys(("kucoin", "alpaca_crypto", "alpaca_stocks"), IDS_LEAVE_NUMBERS_OUT),
)(lost_trade)


@case("gap-quote", {"coinbase": "one sequence over all channels: see gap-book"})
async def lost_quote(stage: Any) -> None:
    await harmless("gap", "quote")(stage)


@case("reorder-trade", {"coinbase": "one sequence over all channels: see reorder-book"})
async def late_trade(stage: Any) -> None:
    """Trades in another order are all counted, each once."""
    await stage.arm("reorder", channel="trade")
    await stage.struck("reorder")
    await stage.take(stage.target)
    await stage.take(stage.target)
    await stage.more(stage.target)
    unhurt(stage)
    assert not stage.stale(stage.target)
    await stage.settle()


def mangled(kind: str, channel: str) -> Run:
    """What makes a trade or quote unreadable: said so; the book is not concerned."""

    async def run(stage: Any) -> None:
        await stage.arm(kind, channel=channel)
        if channel == "trade":
            await stage.take(stage.target)
        await stage.desk.until(lambda: stage.told(FrameRejected), f"{kind} to be refused")
        (refused, *_) = stage.told(FrameRejected)
        assert refused.venue == stage.desk.feed.venue
        assert refused.instrument_id == stage.target
        assert refused.channel
        assert refused.reason
        await stage.more(stage.target)
        if not stage.subject.joint:
            assert not stage.stale(stage.target)
            unhurt(stage)
        await stage.settle(lost=True)

    return run


for _kind in ("number_zero", "number_huge", "number_nan", "null_field", "empty_field"):
    case(f"{_kind}-trade")(mangled(_kind, "trade"))
for _kind in ("number_huge", "number_nan"):
    # The first number of Coinbase's ticker is no quote but a statistic, of any size.
    _out = {"coinbase": "its quotes are a part of its ticker, behind other numbers"}
    case(f"{_kind}-quote", _out)(mangled(_kind, "quote"))

# -- books ---------------------------------------------------------------------------------


@case("crossed_book", {"alpaca_stocks": STOCKS_HAVE_NO_BOOK})
async def crossed_book(stage: Any) -> None:
    await stage.arm("crossed_book")
    await stage.desk.until(lambda: stage.stale(stage.target, "crossed book"), "the book to cross")
    unhurt(stage)
    await stage.settle()


@case("checksum_mismatch", dict.fromkeys(set(ALL) - {"okx"}, "the venue sends no checksum"))
async def checksum_mismatch(stage: Any) -> None:
    await stage.arm("legacy_checksum", value=1)
    for name in (stage.target, stage.other):
        stage.desk.feed.request_snapshot(name)
    good, _ = stage.desk.market.checksums()
    await stage.desk.until(lambda: stage.desk.market.checksums()[0] > good + 10, "checksums")
    assert not stage.stale(stage.target)
    await stage.arm("checksum_mismatch")
    await stage.desk.until(lambda: stage.stale(stage.target, "checksum"), "it to be noticed")
    unhurt(stage)
    await stage.settle()
    assert stage.desk.market.checksums()[1] == 1
    await stage.arm("legacy_checksum", value=0)


@case("seq_reset", {"alpaca_stocks": STOCKS_HAVE_NO_BOOK})
async def seq_reset(stage: Any) -> None:
    """Numbers begin anew, and go on from there."""
    await stage.arm("seq_reset", symbol="" if stage.subject.joint else None)
    await stage.struck("seq_reset")
    # Messages that name the one before them, or a whole book sent anew.
    chained = stage.name in ("okx", "binance_usdm", "deribit", "alpaca_crypto")
    if not chained:
        # Elsewhere lower numbers could be old messages, so the book has to be fetched.
        await stage.desk.until(lambda: stage.stale(stage.target), "the reset to be noticed")
    else:
        await stage.more(stage.target, 6)
        assert not stage.stale(stage.target), "the chain holds"
    if not stage.subject.joint:
        unhurt(stage)
    await stage.settle()


@case(
    "delta_before_snapshot",
    {
        **dict.fromkeys(("binance", "binance_usdm", "kucoin"), "images come by REST"),
        "alpaca_stocks": STOCKS_HAVE_NO_BOOK,
    },
)
async def delta_before_snapshot(stage: Any) -> None:
    await stage.arm("delta_before_snapshot")
    # It takes a change at the very moment somebody comes: come until there is one.
    await stage.struck("delta_before_snapshot", meanwhile=stage.ask_for_image)
    unhurt(stage)
    await stage.settle()


@case(
    "frozen_snapshot",
    dict.fromkeys(
        ("okx", "coinbase", "deribit", "alpaca_crypto", "alpaca_stocks"),
        "images come in the stream",
    ),
)
async def frozen_snapshot(stage: Any) -> None:
    """An image older than the stream is not taken for the book."""
    await stage.arm("frozen_snapshot")
    stage.ask_for_image()
    await stage.struck("frozen_snapshot")
    await stage.more(stage.target, 10)
    await stage.arm("frozen_snapshot")
    await stage.arm("gap", channel="book")
    await stage.struck("frozen_snapshot")
    unhurt(stage)
    assert stage.stale(stage.target, "older than the stream")
    await stage.settle()


PAIRS = [
    (subject, name)
    for subject in ALL
    for name in CASES
    if subject not in LEFT_OUT[name]
]  # fmt: skip


@pytest.mark.parametrize(("subject", "case"), PAIRS)
async def test_fault(tracks: Any, subject: str, case: str) -> None:
    await tracks.outcome(subject, case)
