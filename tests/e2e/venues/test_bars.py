"""Every emulated venue whose candles come wrong, late, doubled or never: ours stay right."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from core.engine.consequences import DataFault
from core.model.ids import InstrumentId
from core.model.market import FrameRejected, Timeframe, VenueBar

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

ALL = (
    "binance", "binance_usdm", "okx", "coinbase", "kucoin", "deribit", "alpaca_crypto",
    "alpaca_stocks",
)  # fmt: skip
MINUTE_NS = Timeframe.M1.ns
Run = Callable[[Any], Awaitable[None]]
CASES: dict[str, Run] = {}
STATED = ("binance", "binance_usdm", "okx", "coinbase", "kucoin")
"""Subjects whose candle stream we follow and that speaks more than once a minute."""


def case(name: str) -> Callable[[Run], Run]:
    def add(run: Run) -> Run:
        CASES[name] = run
        return run

    return add


def unhurt(stage: Any) -> None:
    for name in (stage.target, stage.other):
        assert not stage.stale(name), f"{name} must not notice"
        assert not stage.told(DataFault, name)


def stated(stage: Any, since: int) -> list[VenueBar]:
    """Return the candles the venue's stream has told of the target since then."""
    return [
        event for event in stage.desk.events[since:]
        if isinstance(event, VenueBar) and event.instrument_id == stage.target
    ]  # fmt: skip


async def pass_minutes(stage: Any, until: Callable[[], bool]) -> None:
    """Let the time jump from the end of one minute to that of the next, at all venues alike."""
    newest = stage.desk.trades[InstrumentId(stage.target)]
    for _ in range(5):
        now_ms = (await stage.control.ask("clock"))["now_ms"]
        wait_s = (58.5 - now_ms / 1000) % 60
        now_ms = (await stage.control.ask("clock", {"speed": 1, "jump_s": wait_s}))["now_ms"]
        over_ns = (now_ms // 60_000 + 1) * MINUTE_NS
        await stage.desk.until(lambda over_ns=over_ns: newest[-1].ts_event_ns > over_ns, "a minute")  # type: ignore[misc]  # bound at once
        if until():
            return
    raise AssertionError("no whole minute in five")


async def true_bar(stage: Any, opened_ns: int) -> tuple[Any, ...]:
    """Return prices and volume of a minute by the market's own trades."""
    rows = [
        row for row in await stage.all_trades(stage.target)
        if opened_ns <= row["ts_ms"] * 1_000_000 < opened_ns + MINUTE_NS
    ]  # fmt: skip
    prices = [Decimal(row["price"]) for row in rows]
    volume = sum(Decimal(row["size"]) for row in rows)
    return prices[0], max(prices), min(prices), prices[-1], volume


@case("bars")
async def bars(stage: Any) -> None:
    """Our bars are those of the market's trades, whatever the venue's stream of candles says."""
    before = len(stage.desk.events)
    target = InstrumentId(stage.target)
    item = stage.desk.market.instrument(target)
    if stage.name in STATED:
        for kind in ("number_off", "duplicate", "reorder", "bar_out_of_order", "number_nan"):
            if kind == "reorder" and stage.subject.joint:
                continue  # One sequence over all channels: see reorder-book.
            channel = {} if kind.startswith("bar_") else {"channel": "bar"}
            await stage.arm(kind, **channel)
            await stage.struck(kind)
        await stage.desk.until(lambda: stage.told(FrameRejected), "the unreadable candle")
        assert stage.told(FrameRejected)[0].instrument_id == stage.target
    await stage.arm("bar_never_closes", count=9)

    def ours() -> Any:
        return stage.desk.market.bars(target, Timeframe.M1, 1)

    # Signed questions are refused by a clock that jumped, and whoever opens a book may ask some.
    await stage.desk.until(lambda: stage.tracks.all_open, "all to be live", 40)
    begun_ns = (await stage.control.ask("clock"))["now_ms"] * 1_000_000
    await pass_minutes(
        stage, lambda: len(ours().ts_open_ns) > 0 and int(ours().ts_open_ns[0]) > begun_ns
    )
    bar = ours()
    opened_ns = int(bar.ts_open_ns[0])
    made = (*(item.price(int(side[0])) for side in (bar.open, bar.high, bar.low, bar.close)),
            item.size(int(bar.volume[0])))  # fmt: skip
    assert made == await true_bar(stage, opened_ns)
    stream = [each for each in stated(stage, before) if each.ts_open_ns == opened_ns]
    assert not any(each.closed for each in stream), "nothing said that it closed"
    if not stage.subject.joint:
        unhurt(stage)
    await stage.settle(lost=stage.subject.joint)


PAIRS = [(subject, name) for subject in ALL for name in CASES]


@pytest.mark.parametrize(("subject", "case"), PAIRS)
async def test_bars(tracks: Any, subject: str, case: str) -> None:
    await tracks.outcome(subject, case)
