from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.engine.bars import CLOSED_WIDTH, TIMEFRAMES, WAITS, BarBuilder
from core.engine.series import BarSeries
from core.model.ids import InstrumentId
from core.model.market import Bar, Timeframe, Trade

NAME = InstrumentId("BTC-USDT.binance")
DAY = 1_700_006_400 * 1_000_000_000
S = 1_000_000_000


def row(number: int) -> np.ndarray:
    out = np.zeros(CLOSED_WIDTH, np.int64)
    out[:7] = DAY + number * S, number + 1, number + 2, number, number + 1, 5, 2
    out[10] = 1
    return out


def venue_bar(number: int) -> Bar:
    return Bar(NAME, Timeframe.S1, DAY + number * S, 7, 8, 6, 7, 9, 1)


class Plain:
    """A list of what a series should hold."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.rows: list[tuple[int, int]] = []

    def add(self, opened: int, close: int) -> None:
        if opened not in (known for known, _ in self.rows):
            self.rows = sorted([*self.rows, (opened, close)])[-self.limit :]


steps = st.one_of(
    st.tuples(st.just("append"), st.integers(1, 40)),
    st.tuples(st.just("seed"), st.integers(-60, 60)),
    st.tuples(st.just("late"), st.integers(-60, 0)),
)


@given(st.integers(1, 150), st.lists(steps, max_size=30))
@settings(max_examples=60, deadline=None)
def test_series_is_the_newest_of_what_was_added(limit: int, moves: list[tuple[str, int]]) -> None:
    series, plain, newest = BarSeries(limit), Plain(limit), -1
    for kind, number in moves:
        if kind == "append":
            for _ in range(number):
                newest += 1
                series.append(row(newest))
                plain.add(DAY + newest * S, newest + 1)
        elif kind == "seed":
            bars = [venue_bar(newest + number + step) for step in range(abs(number))]
            bars = [bar for bar in bars if bar.ts_open_ns <= DAY + newest * S]
            series.seed(bars, DAY + (newest + 1) * S)
            for bar in bars[::-1]:
                plain.add(bar.ts_open_ns, bar.close_ticks)
        else:
            opened = DAY + (newest + number) * S
            if series.revise(opened, opened + 1, 3, 1) is not None:
                known = dict(plain.rows)
                at = {int(series.columns().ts_open_ns[i]): i for i in range(len(series))}[opened]
                known[opened] = int(series.columns().close[at])
                plain.rows = sorted(known.items())[-limit:]
        columns = series.columns()
        assert columns.ts_open_ns.tolist() == [opened for opened, _ in plain.rows]
        assert columns.close.tolist() == [close for _, close in plain.rows]
        assert series.newest_open_ns == (plain.rows[-1][0] if plain.rows else -1)
        assert len(series) == len(plain.rows)


@pytest.mark.parametrize("limit", [1, 3, 50, 400])
def test_bars_that_the_kernel_keeps_are_those_it_says_it_closed(limit: int) -> None:
    builder, rng = BarBuilder(NAME), np.random.default_rng(5)
    series = [BarSeries(limit, builder.kept(index)) for index in range(len(TIMEFRAMES))]
    told: list[list[tuple[int, ...]]] = [[] for _ in TIMEFRAMES]
    ts, waited = DAY, 0
    for number in range(3000):
        ts += int(rng.choice([10**7, 10**9, 7 * 10**9, 10**12], p=[0.3, 0.5, 0.19, 0.01]))
        flags = builder.on_trade(Trade(NAME, ts, ts, int(rng.integers(1, 99)), 2, False, number))
        for index, kept in enumerate(series):
            if not flags >> index & 1:
                continue
            told[index].append(builder.closed(index))
            if flags >> index & WAITS:
                waited += 1
                kept.append(builder.closed_row(index))
    for kept, bars in zip(series, told, strict=True):
        columns = kept.columns()
        found = np.stack(
            [
                columns.ts_open_ns, columns.open, columns.high, columns.low, columns.close,
                columns.volume, columns.trades,
            ],
            axis=1,
        )  # fmt: skip
        assert found.tolist() == [list(bar) for bar in bars[-limit:]]
        assert kept.version == len(bars)
    assert 0 < waited < sum(map(len, told)) / 4, "nearly all are kept without a word"


def test_room_stays_within_its_bound() -> None:
    series = BarSeries(1000)
    assert series._data.nbytes == 0, "nothing is set aside before the first bar"
    for number in range(5000):
        series.append(row(number))
    assert len(series) == 1000
    assert series._data.shape == (CLOSED_WIDTH, 1250)
