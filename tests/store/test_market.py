"""The store under other processes, kills and full disks."""

import contextlib
import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.model.errors import StoreError
from core.model.instruments import Instrument
from core.model.market import Timeframe, Trade
from core.model.stores import BarColumns, BarSource, Finding, QualityCounts
from store.market import MarketStore

Walk = Callable[..., BarColumns]
M1 = Timeframe.M1
EVER = (0, 1 << 62)

WRITER = """
import sys
from decimal import Decimal
from pathlib import Path
import numpy as np
from core.model.instruments import Instrument
from core.model.market import Timeframe
from core.model.stores import BarSource, bar_columns
from store.market import MarketStore

instrument = Instrument(
    id="BTC-USDT.binance", venue="binance", venue_symbol="BTCUSDT", base="BTC", quote="USDT",
    price_tick=Decimal("0.01"), size_lot=Decimal("0.00001"),
)
store = MarketStore(Path(sys.argv[1]))
pages = int(sys.argv[2])
for page in range(pages):
    table = np.ones((9, 1000), np.int64)
    table[0] = (page * 1000 + np.arange(1000)) * 60_000_000_000
    table[1:5] = page + 1
    columns = bar_columns(table, instrument.price_tick, instrument.size_lot)
    store.bars.put_bars(instrument, Timeframe.M1, columns, BarSource.VENUE)
    print(page, flush=True)
store.close()
"""


def writer(path: Path, pages: int) -> subprocess.Popen[str]:
    root = str(Path(__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(pages)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
        cwd=root,
    )


def pages_of(bars: BarColumns) -> set[int]:
    """Check that every page is there whole or not at all, and return which are."""
    assert (np.diff(bars.ts_open_ns) == M1.ns).all()
    pages, counts = np.unique(bars.close, return_counts=True)
    assert set(counts.tolist()) <= {1000}
    assert (bars.open == bars.close).all()
    return set(pages.tolist())


def test_a_reader_beside_another_process_writing_sees_whole_pages_only(
    market_path: Path, instrument: Instrument
) -> None:
    MarketStore(market_path).close()
    with writer(market_path, 60) as process, MarketStore(market_path) as store:
        assert process.stdout is not None
        for line in process.stdout:
            there = pages_of(store.bars.bars(instrument.id, M1, *EVER))
            assert there >= set(range(1, int(line) + 2))
        assert process.wait(30) == 0
        assert pages_of(store.bars.bars(instrument.id, M1, *EVER)) == set(range(1, 61))


def test_two_processes_may_write_at_once(
    market_path: Path, instrument: Instrument, walk: Walk
) -> None:
    MarketStore(market_path).close()
    other = walk(200)
    with writer(market_path, 40) as process, MarketStore(market_path) as store:
        assert process.stdout is not None
        for n, _ in enumerate(process.stdout):
            store.quality.add(instrument.id, n, QualityCounts(frames=1))
            store.bars.put_bars(
                instrument, Timeframe.M5, walk(5, Timeframe.M5, first=5 * n), BarSource.VENUE
            )
        assert process.wait(30) == 0
        assert pages_of(store.bars.bars(instrument.id, M1, 0, int(other.ts_open_ns[0]))) == set(
            range(1, 41)
        )
        assert len(store.bars.bars(instrument.id, Timeframe.M5, *EVER)) == 200
        assert store.quality.days(instrument.id)[0].counts.frames == 40
        assert store.upkeep.verify() == []


@pytest.mark.parametrize("after", [3, 17, 30])
def test_a_killed_writer_leaves_whole_pages_and_everything_it_reported(
    after: int, market_path: Path, instrument: Instrument
) -> None:
    with writer(market_path, 100_000) as process:
        assert process.stdout is not None
        reported = -1
        for line in process.stdout:
            reported = int(line)
            if reported == after:
                process.send_signal(signal.SIGKILL)
                break
        rest = process.stdout.read().split()
        reported = int(rest[-1]) if rest else reported
    with MarketStore(market_path) as store:
        there = pages_of(store.bars.bars(instrument.id, M1, *EVER))
        assert there >= set(range(1, reported + 2))
        assert store.upkeep.verify() == []


def test_a_full_disk_is_told_and_leaves_the_store_as_it_was(
    market: MarketStore, instrument: Instrument, walk: Walk, tape: Callable[..., list[Trade]]
) -> None:
    bars = walk(3000)
    market.bars.put_bars(instrument, M1, bars, BarSource.VENUE)
    writing = market._file._writer
    assert writing is not None
    pages = writing.execute("PRAGMA page_count").fetchone()[0]
    writing.execute(f"PRAGMA max_page_count={pages + 4}")
    with pytest.raises(StoreError, match=r"could not be written: .*full; free disk space"):
        market.bars.put_bars(instrument, M1, walk(60_000, seed=2), BarSource.VENUE)
    with pytest.raises(StoreError, match="free disk space"):
        market.trades.put_trades(instrument, tape(50_000))
    now = market.bars.bars(instrument.id, M1, *EVER)
    assert np.array_equal(now.close, bars.close)
    assert len(market.trades.trades(instrument.id, *EVER)) == 0
    assert market.upkeep.verify() == []
    # Room again: the next write goes through without a restart.
    writing.execute("PRAGMA max_page_count=1073741823")
    market.bars.put_bars(instrument, M1, walk(60_000, seed=2), BarSource.VENUE)
    assert len(market.bars.bars(instrument.id, M1, *EVER)) == 60_000


def test_a_file_that_may_not_grow_is_told_and_leaves_whole_pages(
    market_path: Path, instrument: Instrument
) -> None:
    MarketStore(market_path).close()
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))\n"
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", limit + WRITER, str(market_path), "100000"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": root},
        cwd=root,
    )
    assert "core.model.errors.StoreError: market data" in done.stderr
    assert "nothing was half written" in done.stderr
    with MarketStore(market_path) as store:
        there = pages_of(store.bars.bars(instrument.id, M1, *EVER))
        assert there == set(range(1, len(done.stdout.split()) + 1))
        assert store.upkeep.verify() == []


def test_a_batch_is_one_commit_and_undone_whole_by_a_failure(
    market: MarketStore, market_path: Path, instrument: Instrument, walk: Walk
) -> None:
    bars = walk(3000)
    with MarketStore(market_path) as other:
        with market.batch():
            market.bars.put_bars(instrument, M1, bars, BarSource.VENUE)
            market.quality.add(instrument.id, 0, QualityCounts(frames=1))
            assert len(other.bars.bars(instrument.id, M1, *EVER)) == 0
        assert len(other.bars.bars(instrument.id, M1, *EVER)) == 3000

    def fail() -> None:
        with market.batch():
            market.bars.put_bars(instrument, M1, walk(9000), BarSource.VENUE)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert len(market.bars.bars(instrument.id, M1, *EVER)) == 3000


def test_a_failed_write_within_a_batch_leaves_nothing_of_itself(
    market: MarketStore, market_path: Path, instrument: Instrument, walk: Walk
) -> None:
    market.bars.put_bars(instrument, M1, walk(100, first=1440), BarSource.VENUE)
    connection = sqlite3.connect(market_path)
    connection.execute("UPDATE bar_blocks SET crc = 1")
    connection.commit()
    connection.close()
    with market.batch():
        market.quality.add(instrument.id, 0, QualityCounts(frames=1))
        with pytest.raises(StoreError, match="2024-01-02"):
            market.bars.put_bars(instrument, M1, walk(3000), BarSource.VENUE)
    # The first day of the refused write is not there, what came before it is.
    assert market.bars.oldest(instrument.id, M1) == int(walk(1, first=1440).ts_open_ns[0])
    assert market.quality.days()[0].counts.frames == 1


def test_a_long_write_holds_up_neither_opening_nor_reading(
    market: MarketStore, market_path: Path, instrument: Instrument, walk: Walk
) -> None:
    market.bars.put_bars(instrument, M1, walk(100), BarSource.VENUE)
    with market.batch():
        market.bars.put_bars(instrument, M1, walk(200), BarSource.VENUE)
        with MarketStore(market_path) as other:
            assert len(other.bars.bars(instrument.id, M1, *EVER)) == 100
            assert other.upkeep.verify() == []


@pytest.mark.parametrize("seed", range(24))
def test_a_file_damaged_anywhere_gives_an_error_or_the_truth_never_something_else(
    seed: int, market_path: Path, instrument: Instrument, walk: Walk
) -> None:
    bars = walk(8 * 1440)
    with MarketStore(market_path) as store:
        store.bars.put_bars(instrument, M1, bars, BarSource.VENUE)
        store.quality.add(instrument.id, 0, QualityCounts(frames=1))
    chance = random.Random(seed)
    raw = bytearray(market_path.read_bytes())
    if seed % 2:
        at = chance.randrange(len(raw) // 4096) * 4096
        raw[at : at + 4096] = chance.randbytes(4096)
    else:
        for _ in range(40):
            raw[chance.randrange(len(raw))] = chance.randrange(256)
    market_path.write_bytes(raw)
    truth = dict(zip(bars.ts_open_ns.tolist(), bars.close.tolist(), strict=True))
    damaged: list[Finding] = []
    with contextlib.suppress(StoreError), MarketStore(market_path) as store:
        found = store.bars.bars(instrument.id, M1, *EVER, damaged=damaged)
        assert all(
            truth[ts] == close
            for ts, close in zip(found.ts_open_ns.tolist(), found.close.tolist(), strict=True)
        )
        assert len(found) == len(truth) or damaged
        assert bool(store.upkeep.verify(instrument.id, M1)) == bool(damaged)
        store.upkeep.repair()
        store.bars.put_bars(instrument, M1, bars, BarSource.VENUE)
        assert len(store.bars.bars(instrument.id, M1, *EVER)) == len(truth)


def test_an_index_that_lost_a_block_is_found_and_made_anew(
    market_path: Path, instrument: Instrument, walk: Walk
) -> None:
    bars = walk(8 * 1440)
    with MarketStore(market_path) as store:
        store.bars.put_bars(instrument, M1, bars, BarSource.VENUE)
        connection = sqlite3.connect(market_path, isolation_level=None)
        # As if a page of the index were from before the last write.
        connection.execute("PRAGMA writable_schema=ON")
        (root,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'bar_block_at'"
        ).fetchone()
        connection.execute("DELETE FROM sqlite_master WHERE name = 'bar_block_at'")
        connection.close()
        connection = sqlite3.connect(market_path, isolation_level=None)
        connection.execute("DELETE FROM bar_blocks WHERE rowid = 5")
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute(
            "INSERT INTO sqlite_master VALUES ('index', 'bar_block_at', 'bar_blocks', ?, "
            "'CREATE UNIQUE INDEX bar_block_at ON bar_blocks (listing, timeframe, start_ns)')",
            (root,),
        )
        connection.close()
    with MarketStore(market_path) as store:
        found = store.upkeep.verify()
        assert str(found[0]).startswith("the file: ")
        assert store.upkeep.repair() == found
        assert store.upkeep.verify() == []
        store.bars.put_bars(instrument, M1, bars, BarSource.VENUE)
        assert len(store.bars.bars(instrument.id, M1, *EVER)) == len(bars)


def test_threads_of_one_process_share_the_store(
    market: MarketStore, instrument: Instrument, walk: Walk
) -> None:
    bars = walk(8000)
    failures: list[BaseException] = []

    def work(action: Callable[[], object]) -> None:
        try:
            action()
        except BaseException as error:  # reported below, in the test's own thread
            failures.append(error)

    def put() -> None:
        for low in range(0, 8000, 500):
            page = walk(8000)
            rows = slice(low, low + 500)
            arrays = {
                name: getattr(page, name)[rows]
                for name in BarColumns.__struct_fields__
                if name not in ("price_tick", "size_lot")
            }
            market.bars.put_bars(
                instrument,
                M1,
                BarColumns(**arrays, price_tick=page.price_tick, size_lot=page.size_lot),
                BarSource.VENUE,
            )

    def read() -> None:
        for _ in range(30):
            assert len(market.bars.bars(instrument.id, M1, *EVER)) % 500 == 0

    threads = [threading.Thread(target=work, args=(action,)) for action in (put, read, read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not failures
    assert np.array_equal(market.bars.bars(instrument.id, M1, *EVER).close, bars.close)


def test_the_file_is_private_and_another_kind_of_file_is_refused(
    market: MarketStore, market_path: Path, tmp_path: Path
) -> None:
    assert stat.S_IMODE(market_path.stat().st_mode) == 0o600
    other = tmp_path / "journal.sqlite"
    connection = sqlite3.connect(other)
    connection.execute("PRAGMA application_id=7")
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    with pytest.raises(StoreError, match="is not the clx file it should be"):
        MarketStore(other)
    noise = tmp_path / "noise.sqlite"
    noise.write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match="damaged"):
        MarketStore(noise)


def test_a_closed_store_says_so(market_path: Path, instrument: Instrument, walk: Walk) -> None:
    store = MarketStore(market_path)
    store.close()
    with pytest.raises(StoreError, match="is closed"):
        store.bars.put_bars(instrument, M1, walk(3), BarSource.VENUE)
    with pytest.raises(StoreError, match="is closed"):
        store.bars.bars(instrument.id, M1, *EVER)
