from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from core.engine.bars import INDEX, TIMEFRAMES, BarBuilder, make_bar, make_forming
from core.model.ids import InstrumentId
from core.model.market import Bar, FormingBar, Timeframe, Trade

NAME = InstrumentId("BTC-USDT.binance")
DAY = 1_700_006_400 * 1_000_000_000
MS = 1_000_000


def trade(ts: int, price: int, lots: int, number: int, recv: int | None = None) -> Trade:
    return Trade(NAME, ts, ts if recv is None else recv, price, lots, False, number)


def closed_by(builder: BarBuilder, flags: int) -> dict[Timeframe, Bar]:
    return {
        timeframe: make_bar(NAME, timeframe, builder.closed(index))
        for index, timeframe in enumerate(TIMEFRAMES)
        if flags >> index & 0x10001
    }


def expected(trades: list[Trade], timeframe: Timeframe) -> list[Bar]:
    """Group by period of the event time; the plain meaning of a bar."""
    groups: dict[int, list[Trade]] = {}
    for item in trades:
        groups.setdefault(item.ts_event_ns // timeframe.ns * timeframe.ns, []).append(item)
    return [
        Bar(
            NAME, timeframe, opened, group[0].price_ticks,
            max(item.price_ticks for item in group), min(item.price_ticks for item in group),
            group[-1].price_ticks, sum(item.size_lots for item in group), len(group),
        )
        for opened, group in sorted(groups.items())
    ]  # fmt: skip


steps = st.one_of(st.integers(0, 900), st.integers(0, 400_000), st.integers(0, 100_000_000))


@given(st.lists(st.tuples(steps, st.integers(1, 50), st.integers(1, 9)), min_size=1, max_size=60))
@settings(max_examples=80, deadline=None)
def test_bars_of_every_timeframe_are_the_trades_grouped_by_time(
    moves: list[tuple[int, int, int]],
) -> None:
    trades, ts = [], DAY
    for number, (step, price, lots) in enumerate(moves):
        ts += step * MS
        trades.append(trade(ts, price, lots, number))
    builder = BarBuilder(NAME)
    got: dict[Timeframe, list[Bar]] = {timeframe: [] for timeframe in TIMEFRAMES}
    for item in trades:
        for timeframe, bar in closed_by(builder, builder.on_trade(item)).items():
            got[timeframe].append(bar)
    for index, timeframe in enumerate(TIMEFRAMES):
        want = expected(trades, timeframe)
        row = builder.forming(index)
        assert row is not None
        assert got[timeframe] == want[:-1]
        last = want[-1]
        assert make_forming(NAME, timeframe, row) == FormingBar(
            NAME, timeframe, last.ts_open_ns, last.open_ticks, last.high_ticks, last.low_ticks,
            last.close_ticks, last.volume_lots, last.trades,
        )  # fmt: skip


def test_timer_closes_a_bar_after_its_end_and_grace() -> None:
    builder = BarBuilder(NAME)
    builder.on_trade(trade(DAY + 500 * MS, 10, 1, 1))
    assert builder.on_timer(DAY + 1249 * MS, 250 * MS) == 0
    flags = builder.on_timer(DAY + 1250 * MS, 250 * MS)
    assert list(closed_by(builder, flags)) == [Timeframe.S1]
    assert builder.forming(INDEX[Timeframe.S1]) is None
    assert builder.forming(INDEX[Timeframe.M1]) is not None
    assert builder.on_timer(DAY + 1300 * MS, 250 * MS) == 0


def test_timer_allows_for_a_venue_clock_that_runs_ahead_of_ours() -> None:
    builder = BarBuilder(NAME)
    # Our clock is 2 s behind the venue's: the trade seems to come before it happened.
    builder.on_trade(trade(DAY + 500 * MS, 10, 1, 1, recv=DAY - 1500 * MS))
    assert builder.on_timer(DAY - 800 * MS, 250 * MS) == 0
    assert list(closed_by(builder, builder.on_timer(DAY - 700 * MS, 250 * MS))) == [Timeframe.S1]


def test_timer_allows_for_a_venue_clock_that_runs_behind_ours() -> None:
    builder = BarBuilder(NAME)
    builder.on_trade(trade(DAY + 500 * MS, 10, 1, 1, recv=DAY + 2500 * MS))
    assert builder.on_timer(DAY + 3000 * MS, 250 * MS) == 0
    assert list(closed_by(builder, builder.on_timer(DAY + 3250 * MS, 250 * MS))) == [Timeframe.S1]


def test_trade_for_a_closed_bar_is_flagged_late() -> None:
    builder = BarBuilder(NAME)
    builder.on_trade(trade(DAY + 500 * MS, 10, 1, 1))
    builder.on_trade(trade(DAY + 1500 * MS, 11, 1, 2))
    assert builder.on_trade(trade(DAY + 600 * MS, 12, 1, 3)) == 1 << 8
    builder.on_timer(DAY + 2500 * MS, 250 * MS)
    assert builder.on_trade(trade(DAY + 1600 * MS, 12, 1, 4)) == 1 << 8


def test_trade_out_of_order_within_a_bar_keeps_open_and_close_by_time() -> None:
    builder = BarBuilder(NAME)
    for ts, price in ((500, 10), (700, 20), (600, 30), (400, 40)):
        builder.on_trade(trade(DAY + ts * MS, price, 1, ts))
    row = builder.forming(INDEX[Timeframe.S1])
    assert row is not None
    assert make_forming(NAME, Timeframe.S1, row) == FormingBar(
        NAME, Timeframe.S1, DAY, 40, 40, 10, 20, 4, 4
    )


def test_only_bars_that_began_after_the_first_trade_are_whole() -> None:
    builder = BarBuilder(NAME)
    assert not builder.whole(DAY)
    builder.on_trade(trade(DAY + 500 * MS, 10, 1, 1))
    assert not builder.whole(DAY)
    assert builder.whole(DAY + 1000 * MS)
    builder.interrupt()
    assert not builder.whole(DAY + 1000 * MS)
    builder.on_trade(trade(DAY + 1200 * MS, 10, 1, 2))
    assert not builder.whole(DAY + 1000 * MS)
    assert builder.whole(DAY + 2000 * MS)


def test_volume_beyond_64_bits_stays_at_the_largest_number() -> None:
    builder = BarBuilder(NAME)
    for number in range(3):
        builder.on_trade(trade(DAY, 10, (1 << 62) + 5, number))
    row = builder.forming(0)
    assert row is not None
    assert row[5] == np.iinfo(np.int64).max
