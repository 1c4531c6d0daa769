"""The live market: never crossed, believable, and the same for the same seed and steps."""

import itertools

import numpy as np
import pytest

from core.model.market import Side
from emulator.clock import MS, SECOND, VirtualClock
from emulator.market.listings import LISTINGS
from emulator.market.market import Market

START_NS = 1_795_234_567 * SECOND
BTC, DOGE = LISTINGS[0], LISTINGS[-1]


def market(seed=7, listings=LISTINGS, **more):
    return Market(seed, START_NS, history_days=2, listings=listings, **more)


def fingerprint(made):
    return [
        (
            name,
            shard.engine.seq,
            shard.update_id,
            list(shard.trades),
            shard.engine.depth(Side.BUY, 500),
            shard.engine.depth(Side.SELL, 500),
        )
        for name, shard in made.shards.items()
    ]


@pytest.fixture(scope="module")
def lived():
    """A market that has lived 100,000 engine operations, and what was seen on the way."""
    made = market(listings=(BTC, LISTINGS[2], DOGE))
    shards = list(made.shards.values())
    seen = {shard.listing.symbol: [] for shard in shards}
    operations = 0
    while operations < 100_000:
        before = sum(shard.update_id for shard in shards)
        made.step(100 * MS)
        operations += sum(shard.update_id for shard in shards) - before
        for shard in shards:
            seen[shard.listing.symbol].append((shard.engine.best_bid(), shard.engine.best_ask()))
    return made, {name: np.array(rows) for name, rows in seen.items()}


def test_books_are_never_crossed_nor_empty(lived):
    for rows in lived[1].values():
        assert (rows[:, 0] > 0).all()
        assert (rows[:, 1] > rows[:, 0]).all()


def test_spread_is_mostly_one_tick_and_skewed_to_the_right(lived):
    for rows in lived[1].values():
        spread = rows[:, 1] - rows[:, 0]
        assert np.median(spread) <= 2
        assert spread.mean() >= np.median(spread)


def test_books_are_deep_with_a_hump_behind_the_best(lived):
    for shard in lived[0].shards.values():
        for side in Side:
            levels = shard.engine.depth(side, 1_000)
            assert len(levels) >= 80
            lots = [size for _, size in levels]
            assert max(lots) > 3 * np.median(lots)


def test_trades_vary_in_size_and_come_in_bursts(lived):
    for shard in lived[0].shards.values():
        rows = list(shard.aggregates)
        lots = np.array([row.lots for row in rows])
        gaps = np.diff([row.ts_ms for row in rows])
        assert np.std(np.log(lots)) > 0.7
        assert gaps.std() / gaps.mean() > 1.0


def test_taker_sides_persist(lived):
    rows = list(lived[0].shards["BTCUSDT"].aggregates)
    sign = np.array([-1.0 if row.buyer_is_maker else 1.0 for row in rows])
    assert np.corrcoef(sign[1:], sign[:-1])[0, 1] > 0.1


def test_times_and_ids_only_go_up(lived):
    for shard in lived[0].shards.values():
        rows = list(shard.trades)
        assert all(b.id == a.id + 1 and b.ts_ms >= a.ts_ms for a, b in itertools.pairwise(rows))


def test_aggregates_cover_the_trades_exactly(lived):
    shard = lived[0].shards["DOGEUSDT"]
    trades = {row.id: row for row in shard.trades}
    for row in list(shard.aggregates)[-500:]:
        parts = [trades[number] for number in range(row.first_id, row.last_id + 1)]
        assert sum(part.lots for part in parts) == row.lots
        assert {part.price_ticks for part in parts} == {row.price_ticks}
        assert len({part.taker_id for part in parts}) == 1


def test_minute_bars_equal_the_trades_in_them(lived):
    shard = lived[0].shards["BTCUSDT"]
    now_ms = lived[0].acted_ns // MS
    rows = shard.candles.rows("1m", now_ms - 5 * 60_000, now_ms - 60_000)
    kept_from = shard.trades[0].ts_ms
    checked = 0
    for opened, o, h, low, c, lots, notional, count, *_ in rows.tolist():
        if opened < kept_from:
            continue
        part = [row for row in shard.trades if opened <= row.ts_ms < opened + 60_000]
        prices = [row.price_ticks for row in part]
        assert (o, h, low, c) == (prices[0], max(prices), min(prices), prices[-1])
        assert lots == sum(row.lots for row in part)
        assert notional == sum(row.lots * row.price_ticks for row in part)
        assert count == len(part)
        checked += 1
    assert checked > 0


def test_two_runs_with_one_seed_are_the_same_however_they_are_stepped():
    one, other = market(listings=(BTC, DOGE)), market(listings=(BTC, DOGE))
    for _ in range(50):
        one.step(100 * MS)
    for _ in range(125):
        other.step(13 * MS)
        other.step(27 * MS)
    assert fingerprint(one) == fingerprint(other)


def test_another_seed_gives_another_market():
    one, other = market(listings=(BTC,)), market(seed=8, listings=(BTC,))
    one.step(SECOND)
    other.step(SECOND)
    assert fingerprint(one) != fingerprint(other)


def test_live_price_starts_where_history_ends():
    shard = market(listings=(BTC,)).shards["BTCUSDT"]
    bid, ask = shard.engine.best_bid(), shard.engine.best_ask()
    past = shard.candles.rows("1m", START_NS // MS - 120_000, START_NS // MS - 60_000)
    assert abs((bid + ask) / 2 / past[-1, 4] - 1) < 1e-3


def test_without_flow_the_book_stands_still():
    made = market(listings=(BTC,))
    made.flow = False
    before = fingerprint(made)
    made.step(5 * SECOND)
    assert fingerprint(made) == before


def test_crowd_takes_exactly_what_is_asked_up_to_a_price():
    made = market(listings=(BTC,))
    engine = made.shards["BTCUSDT"].engine
    (best, lots), (_, behind) = engine.depth(Side.SELL, 2)
    assert made.crowd_trade("BTCUSDT", Side.BUY, lots + behind, best) == lots
    assert engine.best_ask() > best


def test_after_a_long_sleep_the_market_catches_up_in_bounded_work():
    made = market(listings=(BTC,))
    before = made.shards["BTCUSDT"].engine.seq
    clock = VirtualClock(START_NS)
    clock.advance(3_600 * SECOND)
    made.follow(clock)
    done = made.shards["BTCUSDT"].engine.seq - before
    assert 0 < done < 5_000
    assert made.now_ns == clock.now_ns()
    assert made.acted_ns >= made.now_ns - 20 * MS


def test_market_started_again_gives_no_id_of_the_run_before():
    made = market(listings=(BTC,))
    shard = made.shards["BTCUSDT"]
    clock = VirtualClock(START_NS)
    while shard.trade_id == START_NS // MS:
        clock.advance(100 * MS)
        made.follow(clock)
    again = Market(7, clock.now_ns(), history_days=2, listings=(BTC,)).shards["BTCUSDT"]
    assert again.trade_id >= shard.trade_id
    assert again.next_order_id() > shard.next_order_id()
