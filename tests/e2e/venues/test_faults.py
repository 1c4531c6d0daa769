"""Every emulated venue under every fault: noticed, mended, nobody else hurt, nothing untold.

After each case every book is the emulator's own at the same sequence number, and what was traded at
each price is what was really traded, but for losses that were told.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from core.engine.followed import DataFault
from core.model.market import FrameRejected

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
        assert stage.messages_between(FrameRejected, stage.target) <= 1
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


PAIRS = [
    (subject, name)
    for subject in ALL
    for name in CASES
    if subject not in LEFT_OUT[name]
]  # fmt: skip


@pytest.mark.parametrize(("subject", "case"), PAIRS)
async def test_fault(tracks: Any, subject: str, case: str) -> None:
    await tracks.outcome(subject, case)
