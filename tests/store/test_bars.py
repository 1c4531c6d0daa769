import sqlite3
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.model.errors import ConfigError, DataError, StoreError
from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.market import Timeframe
from core.model.stores import (
    DAY_NS,
    BarColumns,
    BarSource,
    EmptyKind,
    Finding,
    Gap,
    Stretch,
    Written,
    bar_columns,
    bars_of_columns,
    columns_of_bars,
)
from store.bars import block_ns
from store.market import MarketStore
from store.transfer.formats import Format, export_series

Walk = Callable[..., BarColumns]
M1 = Timeframe.M1
EVER = (0, 1 << 62)


def changed(bars: BarColumns, at: int, **fields: int) -> BarColumns:
    """Copy bars with some figures of one row changed."""
    out = {}
    for name, value in fields.items():
        out[name] = getattr(bars, name).copy()
        out[name][at] = value
    return msgspec.structs.replace(bars, **out)


def same(one: BarColumns, two: BarColumns) -> bool:
    names = ("ts_open_ns", "open", "high", "low", "close", "volume", "trades")
    return all(np.array_equal(getattr(one, name), getattr(two, name)) for name in names)


def part(bars: BarColumns, rows: slice) -> BarColumns:
    arrays = {
        name: getattr(bars, name)[rows]
        for name in BarColumns.__struct_fields__
        if name not in ("price_tick", "size_lot")
    }
    return msgspec.structs.replace(bars, **arrays)


@pytest.mark.parametrize("timeframe", list(Timeframe))
def test_bars_of_every_length_survive_a_restart(
    timeframe: Timeframe, market_path: Path, instrument: Instrument, walk: Walk
) -> None:
    bars = walk(2 * block_ns(timeframe) // timeframe.ns // 3 + 700, timeframe, first=11)
    with MarketStore(market_path) as store:
        assert store.bars.put_bars(instrument, timeframe, bars, BarSource.VENUE) == Written(
            new=len(bars)
        )
    with MarketStore(market_path) as store:
        assert same(store.bars.bars(instrument.id, timeframe, *EVER), bars)
        assert store.bars.oldest(instrument.id, timeframe) == bars.ts_open_ns[0]
        assert store.bars.newest(instrument.id, timeframe) == bars.ts_open_ns[-1]


def test_a_range_is_cut_at_both_ends_across_blocks(
    market: MarketStore, instrument: Instrument, walk: Walk
) -> None:
    bars = walk(4000)
    market.bars.put_bars(instrument, M1, bars, BarSource.VENUE)
    low, high = int(bars.ts_open_ns[700]), int(bars.ts_open_ns[3100])
    assert same(market.bars.bars(instrument.id, M1, low, high), part(bars, slice(700, 3100)))
    assert same(
        market.bars.bars(instrument.id, M1, low - 1, high + 1), part(bars, slice(700, 3101))
    )
    assert len(market.bars.bars(instrument.id, M1, high, low)) == 0


def test_what_was_never_stored_is_empty_and_not_an_error(market: MarketStore) -> None:
    assert len(market.bars.bars("XRP-USDT.binance", M1, *EVER)) == 0
    assert market.bars.newest("XRP-USDT.binance", M1) is None
    assert market.bars.gaps("XRP-USDT.binance", M1, 0, 2 * M1.ns) == [Gap(0, 2 * M1.ns, 2)]


def test_the_same_bars_again_change_nothing(
    market: MarketStore, instrument: Instrument, walk: Walk
) -> None:
    market.bars.put_bars(instrument, M1, walk(3000), BarSource.VENUE)
    again = market.bars.put_bars(instrument, M1, walk(3000), BarSource.VENUE)
    assert again == Written(kept=3000)
    assert not market.bars.bars(instrument.id, M1, *EVER).revision.any()


@pytest.mark.parametrize("there", list(BarSource))
@pytest.mark.parametrize("comes", list(BarSource))
def test_a_bar_is_replaced_only_by_one_at_least_as_good(
    there: BarSource, comes: BarSource, market: MarketStore, instrument: Instrument, walk: Walk
) -> None:
    bars = walk(10)
    other = changed(bars, 4, close=int(bars.high[4]), volume=123)
    market.bars.put_bars(instrument, M1, bars, there)
    written = market.bars.put_bars(instrument, M1, other, comes)
    now = market.bars.bars(instrument.id, M1, *EVER)
    if comes.rank >= there.rank:
        assert written == Written(replaced=1, kept=9)
        assert same(now, other)
        assert now.revision.tolist() == [0, 0, 0, 0, 1, 0, 0, 0, 0, 0]
    else:
        assert written == Written(kept=10)
        assert same(now, bars)
        assert not now.revision.any()
    # The same figures from a better source are confirmed by it.
    assert {BarSource.of_rank(rank) for rank in now.source.tolist()} == {
        max(there, comes, key=lambda source: source.rank)
    }


def test_a_confirmed_bar_keeps_its_trade_count_and_learns_one(
    market: MarketStore, instrument: Instrument, walk: Walk
) -> None:
    counted = walk(5)
    silent = msgspec.structs.replace(counted, trades=np.zeros(5, np.int64))
    market.bars.put_bars(instrument, M1, counted, BarSource.TRADES)
    assert market.bars.put_bars(instrument, M1, silent, BarSource.VENUE) == Written(kept=5)
    assert same(market.bars.bars(instrument.id, M1, *EVER), counted)

    later = walk(5, first=100)
    silent = msgspec.structs.replace(later, trades=np.zeros(5, np.int64))
    market.bars.put_bars(instrument, M1, silent, BarSource.VENUE)
    assert market.bars.put_bars(instrument, M1, later, BarSource.TRADES) == Written(replaced=5)
    now = market.bars.bars(instrument.id, M1, int(later.ts_open_ns[0]), EVER[1])
    assert same(now, later)
    assert set(now.source.tolist()) == {BarSource.VENUE.rank}


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    pages=st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 1500)), min_size=1, max_size=6)
)
def test_pages_in_any_order_give_the_whole(
    pages: list[tuple[int, int]],
    tmp_path_factory: pytest.TempPathFactory,
    instrument: Instrument,
    walk: Walk,
) -> None:
    whole = walk(6500)
    seen: set[int] = set()
    with MarketStore(tmp_path_factory.mktemp("pages") / "m.sqlite") as store:
        for first, count in pages:
            page = part(whole, slice(first, first + count))
            written = store.bars.put_bars(instrument, M1, page, BarSource.VENUE)
            fresh = set(range(first, first + count)) - seen
            assert written == Written(new=len(fresh), kept=count - len(fresh))
            seen |= fresh
        rows = sorted(seen)
        assert same(store.bars.bars(instrument.id, M1, *EVER), part(whole, np.array(rows)))
        first_ns = int(whole.ts_open_ns[0])
        gaps = store.bars.gaps(instrument.id, M1, first_ns, int(whole.ts_open_ns[-1]) + M1.ns)
        missing = [
            n
            for gap in gaps
            for n in range((gap.start_ns - first_ns) // M1.ns, (gap.end_ns - first_ns) // M1.ns)
        ]
        assert missing == [n for n in range(6500) if n not in seen]


PUTS = st.lists(
    st.tuples(
        st.sampled_from(list(BarSource)),
        st.dictionaries(
            st.integers(1436, 1446),  # around a block's end
            st.tuples(st.integers(1, 2), st.integers(0, 1)),  # price, trades
            min_size=1,
        ),
        st.sampled_from(["0.01", "0.05"]),
    ),
    max_size=8,
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(puts=PUTS)
def test_any_writes_give_what_a_plain_dictionary_would(
    puts: list[tuple[BarSource, dict[int, tuple[int, int]], str]],
    tmp_path_factory: pytest.TempPathFactory,
    instrument: Instrument,
) -> None:
    model: dict[int, list[object]] = {}  # bar number: price, trades, rank, revision
    with MarketStore(tmp_path_factory.mktemp("model") / "m.sqlite") as store:
        for source, rows, tick in puts:
            expected = [0, 0, 0]
            for n, (count, trades) in rows.items():
                price = count * Decimal(tick)
                there = model.get(n)
                if there is None:
                    model[n] = [price, trades, source.rank, 0]
                    expected[0] += 1
                    continue
                better = source.rank >= there[2]  # type: ignore[operator]
                if price != there[0]:
                    if better:
                        there[:] = [price, trades, source.rank, there[3] + 1]  # type: ignore[operator]
                    expected[1 if better else 2] += 1
                    continue
                learned = trades > 0 and trades != there[1] and (better or there[1] == 0)
                if learned:
                    there[1], there[3] = trades, there[3] + 1  # type: ignore[operator]
                there[2] = max(there[2], source.rank)  # type: ignore[type-var]
                expected[1 if learned else 2] += 1
            table = np.zeros((9, len(rows)), np.int64)
            for at, n in enumerate(sorted(rows)):
                table[0, at] = n * M1.ns
                table[1:5, at], table[6, at] = rows[n]
            columns = bar_columns(table, Decimal(tick), instrument.size_lot)
            written = store.bars.put_bars(instrument, M1, columns, source)
            assert [written.new, written.replaced, written.kept] == expected
        bars = store.bars.bars(instrument.id, M1, *EVER)
        found = {
            ts // M1.ns: [close * bars.price_tick, trades, rank, revision]
            for ts, close, trades, rank, revision in zip(
                bars.ts_open_ns.tolist(), bars.close.tolist(), bars.trades.tolist(),
                bars.source.tolist(), bars.revision.tolist(), strict=True,
            )
        }  # fmt: skip
        assert found == model
        assert list(found) == sorted(model)
        assert store.upkeep.verify() == []


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"ts_open_ns": 1_704_067_200_000_000_001}, "no multiple of 1m"),
        ({"high": 0}, "low <= open"),
        ({"low": 1 << 40}, "low <= open"),
        ({"volume": -1}, "negative"),
        ({"trades": -1}, "negative"),
    ],
)
def test_a_row_that_is_no_bar_is_refused_and_nothing_is_stored(
    fields: dict[str, int], problem: str, market: MarketStore, instrument: Instrument, walk: Walk
) -> None:
    with pytest.raises(DataError, match=rf"BTC-USDT.binance 1m: bar 3 .*{problem}"):
        market.bars.put_bars(instrument, M1, changed(walk(9), 3, **fields), BarSource.VENUE)
    assert market.upkeep.series() == []


def test_bars_out_of_order_or_twice_are_refused(
    market: MarketStore, instrument: Instrument, walk: Walk
) -> None:
    bars = walk(9)
    for rows, problem in (([0, 2, 1], "before the bar before"), ([0, 1, 1], "the same as")):
        with pytest.raises(DataError, match=f"bar 2 .*{problem}"):
            market.bars.put_bars(instrument, M1, part(bars, np.array(rows)), BarSource.VENUE)


def test_a_finer_tick_later_keeps_the_meaning_of_what_is_stored(
    market: MarketStore, instrument: Instrument, walk: Walk
) -> None:
    market.bars.put_bars(instrument, M1, walk(10), BarSource.VENUE)
    finer = msgspec.structs.replace(
        instrument, price_tick=Decimal("0.0005"), size_lot=Decimal("0.000001")
    )
    later = msgspec.structs.replace(
        walk(10, first=10), price_tick=finer.price_tick, size_lot=finer.size_lot
    )
    market.bars.put_bars(finer, M1, later, BarSource.VENUE)
    now = market.bars.bars(instrument.id, M1, *EVER)
    assert (now.price_tick, now.size_lot) == (Decimal("0.0005"), Decimal("0.000001"))
    assert now.close.tolist() == [*(walk(10).close * 20).tolist(), *later.close.tolist()]
    assert now.volume.tolist() == [*(walk(10).volume * 10).tolist(), *later.volume.tolist()]


def test_a_coarser_tick_later_is_read_in_steps_that_hold_both(
    market: MarketStore, instrument: Instrument, walk: Walk
) -> None:
    old = msgspec.structs.replace(walk(1500), price_tick=Decimal("0.02"))
    new = msgspec.structs.replace(walk(10, first=1500), price_tick=Decimal("0.05"))
    market.bars.put_bars(instrument, M1, old, BarSource.VENUE)
    market.bars.put_bars(instrument, M1, new, BarSource.VENUE)
    now = market.bars.bars(instrument.id, M1, *EVER)
    assert now.price_tick == Decimal("0.01")
    assert now.open.tolist() == [*(old.open * 2).tolist(), *(new.open * 5).tolist()]
    # One day alone is in its own steps.
    assert market.bars.bars(instrument.id, M1, 0, int(old.ts_open_ns[1400])).price_tick == Decimal(
        "0.02"
    )


def test_bars_go_to_the_store_and_back(
    market: MarketStore, instrument: Instrument, walk: Walk
) -> None:
    bars = bars_of_columns(instrument, M1, walk(20))
    columns = columns_of_bars(instrument, bars)
    market.bars.put_bars(instrument, M1, columns, BarSource.TRADES)
    assert bars_of_columns(instrument, M1, market.bars.bars(instrument.id, M1, *EVER)) == bars
    coarse = msgspec.structs.replace(instrument, price_tick=Decimal("10"))
    with pytest.raises(DataError, match="no whole number of steps of 10"):
        bars_of_columns(coarse, M1, columns)
    rounded = bars_of_columns(coarse, M1, columns, nearest=True)
    assert [bar.close_ticks for bar in rounded] == [
        int((bar.close_ticks / Decimal(1000)).to_integral_value(ROUND_HALF_UP)) for bar in bars
    ]
    assert [bar.volume_lots for bar in rounded] == [bar.volume_lots for bar in bars]


def test_gaps_leave_out_what_the_venue_does_not_have(
    market: MarketStore, instrument: Instrument, walk: Walk
) -> None:
    bars = walk(4000)
    rows = np.array([n for n in range(4000) if not (100 <= n < 160 or 2000 <= n < 2010)])
    market.bars.put_bars(instrument, M1, part(bars, rows), BarSource.VENUE)
    at = [int(ts) for ts in bars.ts_open_ns] + [int(bars.ts_open_ns[-1]) + M1.ns]
    assert market.bars.gaps(instrument.id, M1, at[0], at[-1]) == [
        Gap(at[100], at[160], 60),
        Gap(at[2000], at[2010], 10),
    ]
    outage = Stretch(
        start_ns=at[110], end_ns=at[150] - 1, kind=EmptyKind.OUTAGE, note="status page"
    )
    market.bars.mark_empty(instrument.id, outage)
    quiet = Stretch(start_ns=at[2000], end_ns=at[2010], kind=EmptyKind.NO_TRADE, timeframe=M1)
    market.bars.mark_empty(instrument.id, quiet)
    assert market.bars.gaps(instrument.id, M1, at[0], at[-1]) == [
        Gap(at[100], at[110], 10),
        Gap(at[149], at[160], 11),
    ]
    assert market.bars.empties(instrument.id) == [outage, quiet]
    assert market.bars.empties(instrument.id, at[1500]) == [quiet]


def test_stretches_of_one_kind_that_touch_become_one(
    market: MarketStore, instrument: Instrument
) -> None:
    for start, end in ((60, 120), (0, 60), (200, 300), (110, 130)):
        market.bars.mark_empty(
            instrument.id, Stretch(start_ns=start, end_ns=end, kind=EmptyKind.NO_TRADE)
        )
    market.bars.mark_empty(instrument.id, Stretch(start_ns=0, end_ns=9, kind=EmptyKind.OUTAGE))
    found = [(item.start_ns, item.end_ns, item.kind) for item in market.bars.empties(instrument.id)]
    assert found == [(0, 9, "outage"), (0, 130, "no-trade"), (200, 300, "no-trade")]
    with pytest.raises(ConfigError, match="must end after it starts"):
        market.bars.mark_empty(instrument.id, Stretch(start_ns=5, end_ns=5, kind=EmptyKind.OUTAGE))


def test_a_partial_bar_is_kept_but_still_counts_as_a_gap(
    market: MarketStore, instrument: Instrument, walk: Walk
) -> None:
    bars = walk(5)
    market.bars.put_bars(instrument, M1, bars, BarSource.PARTIAL)
    start, end = int(bars.ts_open_ns[0]), int(bars.ts_open_ns[-1]) + M1.ns
    assert market.bars.gaps(instrument.id, M1, start, end) == [Gap(start, end, 5)]
    assert len(market.bars.bars(instrument.id, M1, *EVER)) == 5


def corrupt(path: Path, where: str, at: int = -20) -> None:
    """Change a byte of stored blocks behind the store's back."""
    connection = sqlite3.connect(path)
    for number, data in connection.execute(
        f"SELECT id, data FROM bar_blocks WHERE {where}"
    ).fetchall():
        broken = bytearray(data)
        broken[at] ^= 0x40
        connection.execute("UPDATE bar_blocks SET data = ? WHERE id = ?", (bytes(broken), number))
    connection.commit()
    connection.close()


def test_a_damaged_block_is_named_and_the_rest_stays_readable(
    market: MarketStore, market_path: Path, instrument: Instrument, walk: Walk
) -> None:
    bars = walk(3 * 1440)
    market.bars.put_bars(instrument, M1, bars, BarSource.VENUE)
    corrupt(market_path, f"start_ns = {int(bars.ts_open_ns[1440])}")
    with pytest.raises(StoreError) as error:
        market.bars.bars(instrument.id, M1, *EVER)
    words = str(error.value)
    for word in (str(market_path), "BTC-USDT.binance 1m 2024-01-02", "checksum", "clx data repair"):
        assert word in words
    # One day before and one after are there, together or alone.
    assert same(
        market.bars.bars(instrument.id, M1, 0, int(bars.ts_open_ns[1440])), part(bars, slice(1440))
    )
    damaged: list[Finding] = []
    rest = market.bars.bars(instrument.id, M1, *EVER, damaged=damaged)
    assert same(rest, part(bars, np.r_[0:1440, 2880:4320]))
    assert [finding.start_ns for finding in damaged] == [int(bars.ts_open_ns[1440])]
    with pytest.raises(StoreError, match="2024-01-02"):
        market.bars.put_bars(instrument, M1, part(bars, slice(1500, 1501)), BarSource.VENUE)


def test_a_damaged_block_is_found_dropped_and_filled_again(
    market: MarketStore, market_path: Path, instrument: Instrument, walk: Walk
) -> None:
    bars = walk(3 * 1440)
    market.bars.put_bars(instrument, M1, bars, BarSource.VENUE)
    assert market.upkeep.verify() == []
    corrupt(market_path, f"start_ns = {int(bars.ts_open_ns[1440])}")
    found = market.upkeep.verify(instrument.id)
    assert [str(finding).split(":")[0] for finding in found] == ["BTC-USDT.binance 1m 2024-01-02"]
    assert market.upkeep.repair(instrument.id, M1) == found
    start, end = int(bars.ts_open_ns[0]), int(bars.ts_open_ns[-1]) + M1.ns
    assert market.bars.gaps(instrument.id, M1, start, end) == [
        Gap(start + DAY_NS, start + 2 * DAY_NS, 1440)
    ]
    market.bars.put_bars(instrument, M1, bars, BarSource.VENUE)
    assert same(market.bars.bars(instrument.id, M1, *EVER), bars)
    assert market.upkeep.verify() == []


def test_what_was_dropped_is_remembered_until_it_is_here_again(
    market: MarketStore, market_path: Path, instrument: Instrument, walk: Walk
) -> None:
    bars = walk(100)
    start, end = int(bars.ts_open_ns[0]), int(bars.ts_open_ns[-1]) + M1.ns
    market.bars.put_bars(instrument, M1, bars, BarSource.VENUE)
    corrupt(market_path, f"start_ns = {start // DAY_NS * DAY_NS}")
    market.upkeep.repair()
    assert market.upkeep.series() == [], "it was the only block"
    (lost,) = market.upkeep.dropped()
    assert (lost.instrument_id, lost.timeframe) == (instrument.id, M1)
    assert (lost.start_ns, lost.end_ns) == (start, end)
    assert market.upkeep.dropped(InstrumentId("ETH-USDT.binance")) == []
    market.upkeep.fetched(lost)
    assert market.upkeep.dropped() == []


def test_an_impossible_row_is_found_and_dropped_alone(
    market: MarketStore, market_path: Path, instrument: Instrument, walk: Walk
) -> None:
    bars = walk(100)
    market.bars.put_bars(instrument, M1, bars, BarSource.VENUE)
    with market._file.transaction() as connection:
        from store.barmerge import table_with_sources
        from store.bars import write_block

        listing = market.listings.find(instrument.id)
        assert listing is not None
        table = table_with_sources(changed(bars, 42, high=1))
        write_block(connection, listing, M1, int(bars.ts_open_ns[0]), table, "0.01", "0.00001")
    found = market.upkeep.verify()
    assert "1 of its 100 rows cannot be, the first is row 42" in found[0].problem
    assert market.upkeep.repair() == found
    now = market.bars.bars(instrument.id, M1, *EVER)
    assert same(now, part(bars, np.r_[0:42, 43:100]))


def test_damage_to_the_pages_of_the_file_leaves_other_blocks_readable(
    market_path: Path, instrument: Instrument, walk: Walk
) -> None:
    bars = walk(20 * 1440)
    with MarketStore(market_path) as store:
        store.bars.put_bars(instrument, M1, bars, BarSource.VENUE)
    raw = bytearray(market_path.read_bytes())
    # Pages of the table's leaves begin with 13 and hold the beginnings of blocks.
    pages = [
        at for at in range(0, len(raw), 4096) if raw[at] == 13 and b"CXB1" in raw[at : at + 4096]
    ]
    page = pages[len(pages) // 2]
    raw[page : page + 4096] = b"\xff" * 4096
    market_path.write_bytes(raw)
    with MarketStore(market_path) as store:
        with pytest.raises(StoreError, match=r"1m 2024-01-.*clx data repair"):
            store.bars.bars(instrument.id, M1, *EVER)
        damaged: list[Finding] = []
        rest = store.bars.bars(instrument.id, M1, *EVER, damaged=damaged)
        assert damaged
        assert len(rest) == (20 - len(damaged)) * 1440
        assert len(rest) > 0
        left_out: list[Finding] = []
        copy = market_path.with_name("copy.csv")
        report = export_series(store, instrument.id, M1, copy, Format.CSV, damaged=left_out)
        assert report.rows == len(rest)
        assert left_out[0] == damaged[0]
        with pytest.raises(StoreError, match=r"cannot even be dropped.*clx data export"):
            store.upkeep.repair()
