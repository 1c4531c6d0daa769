import random
import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.model.errors import DataError, StoreError
from core.model.instruments import Instrument
from core.model.market import Trade
from core.model.stores import DAY_NS, Finding, TradeColumns, Written
from store.market import MarketStore

Tape = Callable[..., list[Trade]]
EVER = (0, 1 << 62)


def rows(columns: TradeColumns, instrument: Instrument) -> list[Trade]:
    fields = [
        getattr(columns, name).tolist()
        for name in TradeColumns.__struct_fields__
        if name not in ("price_tick", "size_lot")
    ]
    return [
        Trade(instrument.id, ts, recv, price, size, bool(maker), number, first)
        for ts, recv, price, size, maker, number, first in zip(*fields, strict=True)
    ]


def test_trades_come_back_whole_after_a_restart(
    market_path: Path, instrument: Instrument, tape: Tape
) -> None:
    trades = tape(40_000, step_ns=5_000_000_000)
    with MarketStore(market_path) as store:
        assert store.trades.put_trades(instrument, trades) == Written(new=40_000)
    with MarketStore(market_path) as store:
        assert rows(store.trades.trades(instrument.id, *EVER), instrument) == trades
        assert store.trades.oldest(instrument.id) == trades[0].ts_event_ns
        assert store.trades.newest(instrument.id) == trades[-1].ts_event_ns
        low, high = trades[9000].ts_event_ns, trades[30_000].ts_event_ns
        assert (
            rows(store.trades.trades(instrument.id, low, high), instrument) == trades[9000:30_000]
        )
        assert store.upkeep.verify() == []


def test_trades_put_as_they_come_fill_the_newest_block(
    market: MarketStore, instrument: Instrument, tape: Tape
) -> None:
    trades = tape(40_000, step_ns=1_000_000)
    for low in range(0, 40_000, 2500):
        market.trades.put_trades(instrument, trades[low : low + 2500])
    assert rows(market.trades.trades(instrument.id, *EVER), instrument) == trades
    assert market.upkeep.series()[0].blocks == 3


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    pages=st.lists(
        st.tuples(st.integers(0, 30_000), st.integers(1, 20_000)), min_size=1, max_size=6
    ),
    seed=st.integers(0, 9),
)
def test_overlapping_pages_in_any_order_give_each_trade_once_in_order(
    pages: list[tuple[int, int]],
    seed: int,
    tmp_path_factory: pytest.TempPathFactory,
    instrument: Instrument,
    tape: Tape,
) -> None:
    whole = tape(50_000, step_ns=4_000_000_000)
    chance = random.Random(seed)
    seen: set[int] = set()
    with MarketStore(tmp_path_factory.mktemp("pages") / "m.sqlite") as store:
        for first, count in pages:
            page = whole[first : first + count]
            chance.shuffle(page)
            fresh = set(range(first, first + count)) - seen
            written = store.trades.put_trades(instrument, page)
            assert written == Written(new=len(fresh), kept=count - len(fresh))
            seen |= fresh
        assert rows(store.trades.trades(instrument.id, *EVER), instrument) == [
            whole[n] for n in sorted(seen)
        ]


def test_a_trade_seen_with_more_digits_of_its_time_is_the_same(
    market: MarketStore, instrument: Instrument, tape: Tape
) -> None:
    stream = [
        msgspec.structs.replace(trade, ts_event_ns=trade.ts_event_ns + 123_456)
        for trade in tape(50)
    ]
    history = [msgspec.structs.replace(trade, ts_recv_ns=0) for trade in tape(50)]
    market.trades.put_trades(instrument, stream)
    assert market.trades.put_trades(instrument, history) == Written(kept=50)


def test_one_id_used_again_another_day_is_another_trade(
    market: MarketStore, instrument: Instrument, tape: Tape
) -> None:
    one = tape(1)[0]
    other = msgspec.structs.replace(one, ts_event_ns=one.ts_event_ns + DAY_NS)
    dearer = msgspec.structs.replace(one, price_ticks=one.price_ticks + 1)
    assert market.trades.put_trades(instrument, [one, other, dearer]) == Written(new=3)


def test_trades_without_ids_are_told_apart_by_count(
    market: MarketStore, instrument: Instrument, tape: Tape
) -> None:
    one = msgspec.structs.replace(tape(1)[0], trade_id=0)
    later = msgspec.structs.replace(one, ts_event_ns=one.ts_event_ns + 5)
    assert market.trades.put_trades(instrument, [one, one, later]) == Written(new=3)
    assert market.trades.put_trades(instrument, [one, one, later]) == Written(kept=3)
    assert market.trades.put_trades(instrument, [one, one, one]) == Written(new=1, kept=2)
    found = rows(market.trades.trades(instrument.id, *EVER), instrument)
    assert found == [one, one, one, later]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [({"size_lots": 0}, "size is not above zero"), ({"ts_event_ns": 0}, "not after 1970")],
)
def test_a_row_that_is_no_trade_is_refused_and_nothing_is_stored(
    fields: dict[str, int], problem: str, market: MarketStore, instrument: Instrument, tape: Tape
) -> None:
    trades = tape(5)
    trades[2] = msgspec.structs.replace(trades[2], **fields)
    with pytest.raises(DataError, match=f"BTC-USDT.binance trades: trade 2 .*{problem}"):
        market.trades.put_trades(instrument, trades)
    assert market.upkeep.series() == []


def test_trades_of_another_instrument_are_refused(
    market: MarketStore, instrument: Instrument, tape: Tape
) -> None:
    stranger = msgspec.structs.replace(tape(1)[0], instrument_id="ETH-USDT.binance")
    with pytest.raises(DataError, match=r"trades of ETH-USDT.binance cannot be stored as BTC-USDT"):
        market.trades.put_trades(instrument, [*tape(2), stranger])


def test_a_finer_lot_later_keeps_the_meaning_of_what_is_stored(
    market: MarketStore, instrument: Instrument, tape: Tape
) -> None:
    trades = tape(30)
    market.trades.put_trades(instrument, trades[:20])
    finer = msgspec.structs.replace(instrument, size_lot=Decimal("0.000001"))
    market.trades.put_trades(finer, trades[20:])
    now = market.trades.trades(instrument.id, *EVER)
    assert now.size_lot == Decimal("0.000001")
    assert now.size.tolist() == [
        trade.size_lots * (10 if n < 20 else 1) for n, trade in enumerate(trades)
    ]


def test_a_damaged_block_is_named_and_the_rest_stays_readable(
    market: MarketStore, market_path: Path, instrument: Instrument, tape: Tape
) -> None:
    trades = tape(3 * 8640, step_ns=10_000_000_000)
    market.trades.put_trades(instrument, trades)
    connection = sqlite3.connect(market_path)
    second = connection.execute("SELECT min(start_ns) + ? FROM trade_blocks", (DAY_NS,)).fetchone()
    connection.execute("UPDATE trade_blocks SET data = zeroblob(400) WHERE start_ns = ?", second)
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match=r"BTC-USDT.binance trades 2024-01-02.*clx data repair"):
        market.trades.trades(instrument.id, *EVER)
    damaged: list[Finding] = []
    rest = rows(market.trades.trades(instrument.id, *EVER, damaged=damaged), instrument)
    assert rest == [t for t in trades if t.ts_event_ns // DAY_NS * DAY_NS != second[0]]
    assert market.upkeep.repair() == damaged
    market.trades.put_trades(instrument, trades)
    assert rows(market.trades.trades(instrument.id, *EVER), instrument) == trades
