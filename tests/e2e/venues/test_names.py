"""Every emulated venue when what is watched is delisted, or goes on under another name."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from core.engine.consequences import DataFault
from core.model.ids import InstrumentId
from core.model.market import FeedNotice, FeedStatus

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

ALL = (
    "binance", "binance_usdm", "okx", "coinbase", "deribit", "kucoin", "alpaca_crypto",
    "alpaca_stocks",
)  # fmt: skip
STALE_AFTER_S = 3.0
Run = Callable[[Any], Awaitable[None]]
CASES: dict[str, Run] = {}
RENAMED = {
    "binance": "POLUSDT", "binance_usdm": "POLUSDT", "okx": "POL-USDT", "coinbase": "POL-USD",
    "deribit": "POL_USDC-PERPETUAL", "kucoin": "POL-USDT", "alpaca_crypto": "POL/USD",
    "alpaca_stocks": "POLX",
}  # fmt: skip


def case(name: str) -> Callable[[Run], Run]:
    def add(run: Run) -> Run:
        CASES[name] = run
        return run

    return add


def unhurt(stage: Any) -> None:
    for name in (stage.target, stage.other):
        assert not stage.stale(name), f"{name} must not notice"
        assert not stage.told(DataFault, name)


async def watched(stage: Any) -> InstrumentId:
    """Follow a third instrument until it is live and has traded."""
    third = InstrumentId(stage.subject.third)
    stage.desk.feed.subscribe([third])
    await stage.desk.until(lambda: stage.desk.live(third), "the third to be live")
    await stage.desk.until(lambda: stage.desk.trades.get(third), "its trades")
    return third


@case("delisted live")
async def delisted(stage: Any) -> None:
    """What is watched and delisted falls silent, which is told with the reason and a remedy."""
    third = await watched(stage)
    symbol = stage.symbol(third)
    await stage.calm(third)
    await stage.arm("delist", symbol=symbol)
    await stage.desk.until(lambda: stage.stale(third), "silence to be noticed")
    await stage.desk.feed.instruments()
    await stage.desk.feed.instruments()
    (told,) = [notice for notice in stage.told(FeedNotice, third) if notice.kind == "listing"]
    assert third in told.text
    assert "delisted" in told.text
    unhurt(stage)
    await stage.arm("delist", symbol=symbol, value=1)
    await stage.desk.feed.instruments()
    await stage.desk.until(lambda: stage.desk.live(third), "it to be back")
    stage.desk.feed.unsubscribe([third])
    await stage.settle()


@case("renamed live")
async def renamed(stage: Any) -> None:
    """The old name falls silent and says so; the new one is listed, live and right at once."""
    third = await watched(stage)
    symbol, name = stage.symbol(third), RENAMED[stage.name]
    await stage.calm(third)
    await stage.arm("rename", symbol=symbol, text=name)
    listed = await stage.desk.feed.instruments()
    stage.desk.market.add_instruments(listed)
    assert third not in {item.id for item in listed}
    (fresh,) = [item.id for item in listed if item.venue_symbol == name]
    (told, *_) = [notice for notice in stage.told(FeedNotice, third) if notice.kind == "listing"]
    assert fresh in told.text, "the new name is named"
    await stage.desk.until(
        lambda: stage.desk.market.status(third) is not FeedStatus.LIVE, "the old one to be stale"
    )
    stage.desk.feed.unsubscribe([third])
    stage.desk.feed.subscribe([fresh])
    await stage.desk.until(lambda: stage.desk.live(fresh), "the new one to be live")
    await stage.desk.until(lambda: stage.desk.trades.get(fresh), "its trades")
    unhurt(stage)
    await stage.settle()
    assert not await stage.differs(fresh), "its book is the venue's"
    stage.desk.feed.unsubscribe([fresh])
    await stage.arm("rename", symbol=name, text=symbol)
    await stage.desk.feed.instruments()


@pytest.fixture(scope="module", autouse=True)
def _hasty() -> Any:
    """Silence that counts is acted upon at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.engine.vigil._SILENT_NS", 1_000_000_000)
        patch.setattr("core.engine.vigil._TIMES_LIMIT", 1)
        yield


PAIRS = [(subject, name) for subject in ALL for name in CASES]


@pytest.mark.parametrize(("subject", "case"), PAIRS)
async def test_name(tracks: Any, subject: str, case: str) -> None:
    await tracks.outcome(subject, case)
