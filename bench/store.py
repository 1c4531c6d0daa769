"""The market store: bars to numpy, trades from the engine, a year checked for gaps.

Peers in the same run: the floor is ``numpy.load`` of the same columns uncompressed (no checksum, no
index); the usual way is one SQLite row a bar or trade; Parquet where pyarrow is installed.
"""

from __future__ import annotations

import importlib.util
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np

from core.model.instruments import Instrument
from core.model.market import Timeframe, Trade
from core.model.stores import BarColumns, BarSource, bar_columns
from store.market import MarketStore

YEAR = 525_600
READ = 100_000
TRADES = 1_000_000
START_NS = 1_704_067_200_000_000_000
BTC = Instrument(
    id="BTC-USDT.binance",
    venue="binance",
    venue_symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    price_tick=Decimal("0.01"),
    size_lot=Decimal("0.00001"),
)


def year_of_minutes() -> BarColumns:
    """Make a year of one-minute bars that wander like a price."""
    rng = np.random.default_rng(7)
    table = np.zeros((9, YEAR), np.int64)
    table[0] = START_NS + np.arange(YEAR) * Timeframe.M1.ns
    table[4] = 4_200_000 + np.cumsum(rng.integers(-900, 901, YEAR))
    table[1] = np.concatenate((table[4, :1], table[4, :-1]))
    table[2] = np.maximum(table[1], table[4]) + rng.integers(0, 500, YEAR)
    table[3] = np.minimum(table[1], table[4]) - rng.integers(0, 500, YEAR)
    table[5] = rng.exponential(2_000_000, YEAR).astype(np.int64)
    table[6] = rng.integers(50, 4000, YEAR)
    return bar_columns(table, BTC.price_tick, BTC.size_lot)


def day_of_trades() -> list[Trade]:
    """Make a busy day of trades as the engine holds them."""
    rng = np.random.default_rng(8)
    times = np.sort(rng.integers(0, 86_400_000_000, TRADES)) * 1000 + START_NS
    prices = 4_200_000 + np.cumsum(rng.integers(-9, 10, TRADES))
    sizes = rng.exponential(3000, TRADES).astype(np.int64) + 1
    rows = zip(times.tolist(), prices.tolist(), sizes.tolist(), (sizes % 2).tolist(), strict=True)
    return [
        Trade(BTC.id, ts, ts + 4_000_000, price, size, bool(side), number)
        for number, (ts, price, size, side) in enumerate(rows, 1)
    ]


def best_s(job: Callable[[], object], repeats: int) -> float:
    """Return seconds of the fastest repeat."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        job()
        best = min(best, time.perf_counter() - start)
    return best


def row(
    name: str, ours_s: float, peer_s: float, limit_s: float, target: str, unit: str = "ms"
) -> dict[str, object]:
    scale = 1000 if unit == "ms" else 1
    return {
        "name": name,
        "ours": ours_s * scale,
        "peer": peer_s * scale,
        "ratio": peer_s / ours_s,
        "target": target,
        "unit": unit,
        "ok": ours_s <= limit_s,
    }


def run() -> Iterator[dict[str, object]]:
    """Measure each figure beside its peers."""
    with (
        tempfile.TemporaryDirectory(prefix="clx-bench-") as folder,
        MarketStore(Path(folder) / "market.sqlite") as store,
    ):
        yield from _bars(store, Path(folder))
        yield from _trades(store, Path(folder))


def _bars(store: MarketStore, folder: Path) -> Iterator[dict[str, object]]:
    year = year_of_minutes()
    store.bars.put_bars(BTC, Timeframe.M1, year, BarSource.VENUE)
    low, high = START_NS + 1000 * Timeframe.M1.ns, START_NS + (1000 + READ) * Timeframe.M1.ns

    def read() -> None:
        found = store.bars.bars(BTC.id, Timeframe.M1, low, high)
        assert len(found) == READ

    ours = best_s(read, 15)
    table = np.stack([getattr(year, name) for name in BarColumns.__struct_fields__[:9]])
    part = np.ascontiguousarray(table[:, 1000 : 1000 + READ])
    np.save(folder / "bars.npy", part)
    floor = best_s(lambda: np.load(folder / "bars.npy"), 15)
    yield row(
        "100,000 bars to numpy, beside a bare .npy (6x the bytes)", ours, floor, 0.010, "<= 10 ms"
    )
    database = _rows_of(folder / "rows.sqlite", table)
    sql = "SELECT * FROM bars WHERE ts >= ? AND ts < ? ORDER BY ts"
    slow = best_s(lambda: np.array(database.execute(sql, (low, high)).fetchall()), 3)
    yield row("100,000 bars to numpy, beside SQLite rows", ours, slow, 0.010, "<= 10 ms")
    if importlib.util.find_spec("pyarrow"):
        parquet = _parquet(folder / "bars.parquet", part)
        yield row("100,000 bars to numpy, beside Parquet", ours, parquet, 0.010, "<= 10 ms")

    end_ns = START_NS + YEAR * Timeframe.M1.ns

    def gaps() -> None:
        assert store.bars.gaps(BTC.id, Timeframe.M1, START_NS, end_ns) == []

    sql = (
        "SELECT ts FROM (SELECT ts, lead(ts) OVER (ORDER BY ts) AS next FROM bars) "
        "WHERE next - ts > 60000000000"
    )
    peer = best_s(lambda: database.execute(sql).fetchall(), 2)
    yield row(
        "a year of 1m bars checked for gaps, beside SQL lead()",
        best_s(gaps, 7), peer, 0.2, "<= 200 ms",
    )  # fmt: skip
    verify = best_s(store.upkeep.verify, 3)
    check = best_s(lambda: database.execute("PRAGMA quick_check").fetchall(), 2)
    yield row(
        "a year of 1m bars verified whole, beside PRAGMA quick_check",
        verify, check, 0.5, "<= 500 ms",
    )  # fmt: skip
    database.close()


def _trades(store: MarketStore, folder: Path) -> Iterator[dict[str, object]]:
    trades = day_of_trades()
    start = time.perf_counter()
    written = store.trades.put_trades(BTC, trades)
    ours = time.perf_counter() - start
    assert written.new == TRADES
    database = sqlite3.connect(folder / "trades.sqlite", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=NORMAL")
    database.execute(
        "CREATE TABLE trades (id INTEGER PRIMARY KEY, ts INTEGER, recv INTEGER, price INTEGER, "
        "size INTEGER, side INTEGER)"
    )
    start = time.perf_counter()
    database.execute("BEGIN")
    database.executemany(
        "INSERT OR IGNORE INTO trades VALUES (?, ?, ?, ?, ?, ?)",
        (
            (item.trade_id, item.ts_event_ns, item.ts_recv_ns, item.price_ticks, item.size_lots,
             item.buyer_is_maker)
            for item in trades
        ),
    )  # fmt: skip
    database.execute("COMMIT")
    peer = time.perf_counter() - start
    database.close()
    yield row("1,000,000 trades ingested, beside SQLite rows", ours, peer, 3.0, "<= 3 s", "s")

    tail = [
        Trade(BTC.id, item.ts_event_ns + 86_400_000_000_000, 0, item.price_ticks, 1, True,
              TRADES + item.trade_id)
        for item in trades[:20_000]
    ]  # fmt: skip
    start = time.perf_counter()
    for first in range(0, len(tail), 100):
        store.trades.put_trades(BTC, tail[first : first + 100])
    each = (time.perf_counter() - start) / 200
    yield {
        "name": "100 live trades added, on average over a filling block",
        "ours": each * 1000,
        "peer": None,
        "ratio": None,
        "target": "<= 20 ms",
        "unit": "ms",
        "ok": each <= 0.02,
    }


def _rows_of(path: Path, table: np.ndarray) -> sqlite3.Connection:
    database = sqlite3.connect(path)
    database.execute(
        "CREATE TABLE bars (ts INTEGER PRIMARY KEY, o INTEGER, h INTEGER, l INTEGER, c INTEGER, "
        "v INTEGER, n INTEGER, s INTEGER, r INTEGER)"
    )
    database.executemany("INSERT INTO bars VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", table.T.tolist())
    database.commit()
    return database


def _parquet(path: Path, part: np.ndarray) -> float:
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({str(n): values for n, values in enumerate(part)}), path)

    def read() -> None:
        found = parquet.read_table(path)
        assert sum(len(column.to_numpy()) for column in found.columns) == 9 * READ

    return best_s(read, 7)
