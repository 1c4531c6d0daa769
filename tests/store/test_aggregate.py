import io
import json
import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from core.model.instruments import Instrument
from core.model.market import Timeframe, Trade
from core.model.stores import BarSource
from store.aggregate import bars_of_trades, longer_bars
from store.market import MarketStore
from store.trademerge import table_of
from store.transfer.formats import Format, import_file

EVER = (0, 1 << 62)
M1, M5 = Timeframe.M1, Timeframe.M5


@pytest.fixture
def recorded() -> Path:
    root = Path(__file__).parents[2]
    folder = Path(os.environ.get("CLX_RECORDED_DATA", root.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no recorded data at {folder}: set CLX_RECORDED_DATA")
    return folder


def test_recorded_trades_give_the_venues_own_candles_exactly(
    recorded: Path, market: MarketStore, instrument: Instrument
) -> None:
    candles = recorded / "ohlcv" / "binance_spot_BTCUSDT_1m_20240726_20240825.csv.zst"
    import_file(candles, Format.CSV, instrument, M1, market)
    path = recorded / "binance_spot" / "capture_btcusdt_20240808.jsonl.zst"
    lines = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(path.read_bytes()))
    trades = []
    for line in lines:
        if '"e":"trade"' not in line:
            continue
        found = json.loads(line)["msg"]
        found = found.get("data", found)
        trades.append(
            Trade(
                instrument.id,
                found["T"] * 10**6,
                0,
                instrument.ticks(Decimal(found["p"])),
                instrument.lots(Decimal(found["q"])),
                found["m"],
                found["t"],
            )
        )
    market.trades.put_trades(instrument, trades)
    made = bars_of_trades(table_of(market.trades.trades(instrument.id, *EVER)), M1)
    whole = made[:, made[7] == BarSource.TRADES.rank]
    assert whole.shape[1] >= 5
    assert made.shape[1] - whole.shape[1] == 2  # the capture's first and last minute
    venue = market.bars.bars(instrument.id, M1, int(whole[0, 0]), int(whole[0, -1]) + 1)
    for row, name in enumerate(("ts_open_ns", "open", "high", "low", "close", "volume")):
        assert np.array_equal(whole[row], getattr(venue, name)), name


@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(1, 50), st.integers(1, 9)), min_size=1),
    st.sets(st.integers(0, 60)),
)
def test_bars_of_any_trades_are_those_of_the_slow_way(
    rows: list[tuple[int, int, int]], lost: set[int]
) -> None:
    rows = sorted(rows, key=lambda row: row[0])
    kept = [(n + 1, *row) for n, row in enumerate(rows) if n not in lost]
    table = np.zeros((7, len(kept)), np.int64)
    for at, (number, second, price, size) in enumerate(kept):
        table[:, at] = (second * 10**9, 0, price, size, 0, number, 0)
    made = bars_of_trades(table, M1)
    expected = []
    numbers = {number for number, *_ in kept}
    for minute in sorted({second // 60 for _, second, _, _ in kept}):
        inside = [row for row in kept if row[1] // 60 == minute]
        first, last = inside[0][0], inside[-1][0]
        whole = all(number in numbers for number in range(first - 1, last + 2))
        prices = [row[2] for row in inside]
        expected.append(
            [
                minute * M1.ns, prices[0], max(prices), min(prices), prices[-1],
                sum(row[3] for row in inside), len(inside),
                (BarSource.TRADES if whole else BarSource.PARTIAL).rank, 0,
            ]
        )  # fmt: skip
    assert made.T.tolist() == expected


@given(
    st.dictionaries(st.integers(0, 20), st.tuples(st.booleans(), st.integers(0, 3)), min_size=1),
    st.sets(st.integers(0, 20)),
)
def test_a_long_bar_is_whole_only_if_each_short_one_is_there_or_known_to_be_empty(
    there: dict[int, tuple[bool, int]], quiet: set[int]
) -> None:
    table = np.zeros((9, len(there)), np.int64)
    for at, n in enumerate(sorted(there)):
        partial, trades = there[n]
        rank = BarSource.PARTIAL.rank if partial else BarSource.VENUE.rank
        table[:, at] = (n * M1.ns, 5, 6, 4, 5, 1, trades, rank, 0)
    spans = [(n * M1.ns, (n + 1) * M1.ns) for n in sorted(quiet)]
    made = longer_bars(table, M1, M5, spans)
    opens = sorted({n // 5 for n in there})
    assert made[0].tolist() == [n * M5.ns for n in opens]
    for bar, n in zip(made.T.tolist(), opens, strict=True):
        minutes = range(5 * n, 5 * n + 5)
        whole = all(
            (m in there and not there[m][0]) or (m not in there and m in quiet) for m in minutes
        )
        assert bar[7] == (BarSource.DERIVED if whole else BarSource.PARTIAL).rank
        counts = [there[m][1] for m in minutes if m in there]
        assert bar[5] == len(counts)
        assert bar[6] == (sum(counts) if all(counts) else 0)  # one unknown count makes all unknown


def test_nothing_gives_nothing(tape: Callable[..., list[Trade]]) -> None:
    assert bars_of_trades(table_of([]), M1).shape == (9, 0)
    assert longer_bars(np.empty((9, 0), np.int64), M1, M5, []).shape == (9, 0)
    assert bars_of_trades(table_of(tape(3)), M1).shape[0] == 9
