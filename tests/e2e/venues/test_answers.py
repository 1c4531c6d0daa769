"""Every emulated venue when REST fails, clocks run off, and listings change."""

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from core.engine.consequences import DataFault
from core.model.errors import ClxError, ConfigError, TemporaryError
from core.model.ids import InstrumentId
from core.model.market import FeedNotice, FeedStatus, Liquidation, TradeCanceled

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

ALL = (
    "binance", "binance_usdm", "okx", "coinbase", "deribit", "kucoin", "alpaca_crypto",
    "alpaca_stocks",
)  # fmt: skip
Run = Callable[[Any], Awaitable[None]]
CASES: dict[str, Run] = {}
LEFT_OUT: dict[str, dict[str, str]] = {}
"""Why a fault is not for a venue, by case and subject."""

OFF_MS = 5 * 3_600_000
ONE_CONNECTION = "the account has one connection a market, so no second feed can be opened"
STREAMED = dict.fromkeys(
    ("okx", "coinbase", "deribit", "alpaca_crypto", "alpaca_stocks"), "images come in the stream"
)


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


# -- listings ------------------------------------------------------------------------------

SAME_VENUE = {"alpaca_stocks": "the listing is one with alpaca_crypto's"}


def failed_listing(kind: str, **more: Any) -> Run:
    """An answer that is none: an error that names the venue, and the next one is good."""

    async def run(stage: Any) -> None:
        # A ban lasts for minutes: whoever met it asks no more.
        banned = more.get("value") == 418
        feed = stage.tracks.fresh_feed(stage.name) if banned else stage.tracks.feed(stage.name)
        await stage.arm(kind, symbol="", **more)
        with pytest.raises(ClxError) as raised:
            await feed.instruments()
        assert stage.desk.feed.venue in str(raised.value) or "127.0.0.1" in str(raised.value)
        assert len(str(raised.value)) > 30
        again = stage.tracks.feed(stage.name)

        async def good() -> bool:
            # Other feeds of the same address use up the venue's limits, too.
            with contextlib.suppress(TemporaryError):
                return len(await again.instruments()) > 1
            return False

        await stage.desk.until(good, "a good listing")
        unhurt(stage)

    return run


for _name, _kind, _more in (
    ("rate_limit_now", "rate_limit_now", {}),
    ("rate_limit_bare", "rate_limit_bare", {}),
    ("banned_418", "rate_limit_now", {"value": 418}),
    ("waf_403", "waf_403", {}),
    ("html_5xx", "html_5xx", {}),
    ("html_200", "html_200", {}),
    ("error_in_200", "error_in_200", {}),
    ("truncated_json", "truncated_json", {}),
    ("gzip_error", "gzip_error", {}),
    ("timeout", "timeout", {"value": 0.2}),
):
    case(f"{_name}-listing", SAME_VENUE)(failed_listing(_kind, **_more))


@case("latency_ms-listing", SAME_VENUE)
async def slow_listing(stage: Any) -> None:
    feed = stage.tracks.feed(stage.name)
    await stage.arm("latency_ms", symbol="", value=200)
    assert len(await feed.instruments()) > 1
    unhurt(stage)


# -- images --------------------------------------------------------------------------------


def failed_image(kind: str, **more: Any) -> Run:
    """The book stays stale until a good image comes, and nobody else waits for it."""

    async def run(stage: Any) -> None:
        path = "level2" if stage.name == "kucoin" else "depth"
        await stage.arm(kind, symbol="", path=path, **more)
        await stage.arm("gap", channel="book")
        await stage.struck(kind)
        assert stage.stale(stage.target, "gap")
        unhurt(stage, stage.other)
        await stage.settle()

    return run


for _name, _kind, _more in (
    ("rate_limit_now", "rate_limit_now", {}),
    ("html_5xx", "html_5xx", {}),
    ("latency_ms", "latency_ms", {"value": 300}),
    ("timeout", "timeout", {"value": 0.2}),
    ("truncated_json", "truncated_json", {}),
):
    case(f"{_name}-image", STREAMED)(failed_image(_kind, **_more))

# -- clocks and listings that change -------------------------------------------------------


@case(
    "clock_skew",
    {
        **dict.fromkeys(("alpaca_crypto", "alpaca_stocks"), ONE_CONNECTION),
        "kucoin": "its signed images are refused by a clock that is off",
    },
)
async def clock_skew(stage: Any) -> None:
    """A clock hours off is measured and told, and changes neither book nor trust."""
    await stage.arm("clock_skew_ms", symbol="", value=OFF_MS)
    fresh = await stage.tracks.opened(stage.name)
    offset_ns = fresh.desk.market.clocks.offset_ns(fresh.desk.feed.venue)
    assert abs(abs(offset_ns) - OFF_MS * 1e6) < 5e9
    (told,) = [
        event for event, _ in fresh.desk.told
        if isinstance(event, FeedNotice) and event.kind == "clock"
    ]  # fmt: skip
    assert fresh.desk.feed.venue in told.text
    assert "set this machine's clock" in told.text
    await fresh.begin()
    await fresh.more(fresh.target)
    unhurt(fresh)
    await fresh.desk.stop()
    await stage.disarm()


@case(
    "clock_refused",
    dict.fromkeys(set(ALL) - {"kucoin"}, "nothing it asks for market data is signed"),
)
async def clock_refused(stage: Any) -> None:
    """Images refused for a clock that is off are told with what to check, and come once it is."""
    await stage.arm("clock_skew_ms", symbol="", value=OFF_MS)
    await stage.arm("gap", channel="book")
    await stage.desk.until(lambda: stage.told(FeedNotice, stage.target), "the refusal to be told")
    (told, *_) = stage.told(FeedNotice, stage.target)
    assert told.kind == "image"
    assert "clock" in told.text
    unhurt(stage, stage.other)
    await stage.disarm()
    stage.ask_for_image()
    await stage.settle()


@case("halt")
async def halt(stage: Any) -> None:
    """A halted instrument falls silent, and no other does."""
    await stage.calm(stage.target)
    await stage.arm("halt")
    # Tickers may go on: a book whose habit is not known yet is then given more time.
    await stage.desk.until(lambda: stage.stale(stage.target), "silence to be noticed", 50.0)
    reason = stage.stale(stage.target)[0].reason
    assert any(word in reason for word in ("silent", "halted", "stands still"))
    unhurt(stage, stage.other)
    await stage.arm("halt", value=1)
    await stage.desk.until(lambda: stage.desk.live(stage.target), "it to go on")
    # It may have been left and joined again meanwhile.
    await stage.settle(lost=True)


@case("tick_size", {"alpaca_stocks": "its steps are the market's, not the provider's"})
async def tick_size(stage: Any) -> None:
    """Prices on a coarser grid are still right in the old steps."""
    await stage.arm("tick_size", value=10)
    await stage.more(stage.target, 10)
    unhurt(stage)
    await stage.settle()
    await stage.arm("tick_size", value=1)


@case("delist", {"binance": "its symbols stay in exchangeInfo, whatever their status"})
async def delist(stage: Any) -> None:
    """What is gone from the lists cannot be wanted, and the error says so."""
    third = InstrumentId(stage.subject.third)
    symbol = stage.symbol(third)
    await stage.arm("delist", symbol=symbol)
    feed = stage.tracks.feed(stage.name)
    listed = {item.id for item in await feed.instruments()}
    assert third not in listed
    with pytest.raises(ConfigError, match="does not list"):
        feed.subscribe([third])
    await stage.arm("delist", symbol=symbol, value=1)
    unhurt(stage)


@case(
    "taken_back",
    {
        **dict.fromkeys(set(ALL) - {"alpaca_stocks"}, "the venue takes no trade back"),
    },
)
async def taken_back(stage: Any) -> None:
    for kind in ("correct_trade", "cancel_trade"):
        before = len([e for e in stage.desk.events if isinstance(e, TradeCanceled)])
        await stage.flow(on=False)
        await stage.take(stage.target)
        await stage.arm(kind)
        await stage.desk.until(
            lambda before=before: (
                len([e for e in stage.desk.events if isinstance(e, TradeCanceled)]) > before
            ),
            f"{kind} to be told",
        )
        faults = stage.told(DataFault, stage.target)
        assert faults
        assert all(fault.kind == "trade canceled" for fault in faults)
    assert not stage.told(DataFault, stage.other)
    assert stage.desk.market.status(InstrumentId(stage.target)) is FeedStatus.LIVE


@case(
    "liquidate",
    dict.fromkeys(set(ALL) - {"binance_usdm"}, "no liquidations in what is watched here"),
)
async def liquidate(stage: Any) -> None:
    await stage.arm("liquidate")
    await stage.desk.until(
        lambda: [
            e for e in stage.desk.events
            if isinstance(e, Liquidation) and e.instrument_id == stage.target
        ],
        "the liquidation to be told",
    )  # fmt: skip
    await stage.settle()


PAIRS = [(subject, name) for subject in ALL for name in CASES if subject not in LEFT_OUT[name]]


@pytest.mark.parametrize(("subject", "case"), PAIRS)
async def test_answer(tracks: Any, subject: str, case: str) -> None:
    await tracks.outcome(subject, case)
