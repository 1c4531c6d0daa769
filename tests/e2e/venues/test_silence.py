"""Every emulated venue when it confirms subscriptions and does not serve them, or stops to."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from core.engine.consequences import DataFault
from core.model.ids import InstrumentId
from core.model.market import FeedNotice

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

ALL = (
    "binance", "binance_usdm", "okx", "coinbase", "deribit", "kucoin", "alpaca_crypto",
    "alpaca_stocks",
)  # fmt: skip
STALE_AFTER_S = 3.0
Run = Callable[[Any], Awaitable[None]]
CASES: dict[str, Run] = {}


def case(name: str) -> Callable[[Run], Run]:
    def add(run: Run) -> Run:
        CASES[name] = run
        return run

    return add


def unhurt(stage: Any, *names: str) -> None:
    for name in names or (stage.target, stage.other):
        assert not stage.stale(name), f"{name} must not notice"
        assert not stage.told(DataFault, name)


@case("hollow_acks")
async def hollow_acks(stage: Any) -> None:
    """Confirmed and never served: left and joined again, said so, and counted."""
    third = InstrumentId(stage.subject.third)
    await stage.arm("hollow_acks", symbol="", value=1)
    stage.desk.feed.subscribe([third])
    await stage.desk.until(lambda: stage.told(FeedNotice, third), "the silence to be told")
    await stage.arm("hollow_acks", symbol="", value=0)
    (told, *_) = stage.told(FeedNotice, third)
    assert told.kind == "unheard"
    assert stage.desk.feed.venue in told.text
    assert "left and joined again" in told.text
    await stage.desk.until(lambda: stage.desk.live(third), "it to be served")
    await stage.desk.until(lambda: stage.desk.trades.get(third), "its trades")
    assert stage.desk.quality(third).resubscribed >= 1
    unhurt(stage)
    stage.desk.feed.unsubscribe([third])
    await stage.settle()


@case("forget")
async def forgotten(stage: Any) -> None:
    """A venue that stops serving what it served is noticed, and asked again."""
    await stage.calm(stage.target)
    await stage.arm("forget")
    await stage.desk.until(lambda: stage.stale(stage.target, "silent"), "silence to be noticed")
    await stage.desk.until(lambda: stage.told(FeedNotice, stage.target), "it to be asked again")
    assert stage.told(FeedNotice, stage.target)[0].kind == "unheard"
    unhurt(stage, stage.other)
    await stage.settle(lost=True)


@pytest.fixture(scope="module", autouse=True)
def _hasty() -> Any:
    """Silence that counts is acted upon at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.engine.vigil.UNHEARD_NS", 1_000_000_000)
        patch.setattr("core.engine.vigil._SILENT_NS", 1_000_000_000)
        patch.setattr("core.engine.vigil._TIMES_LIMIT", 1)
        yield


PAIRS = [(subject, name) for subject in ALL for name in CASES]


@pytest.mark.parametrize(("subject", "case"), PAIRS)
async def test_silence(tracks: Any, subject: str, case: str) -> None:
    await tracks.outcome(subject, case)
