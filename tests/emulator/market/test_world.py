"""Several venues in one world: the same for the same seed, and together in the long run."""

import itertools
import math

import numpy as np
import pytest

from emulator.binancefut.instruments import LISTINGS as FUTURES
from emulator.clock import MS, SECOND, VirtualClock, WallClock
from emulator.deribit.instruments import expiries, last_friday, listings, named
from emulator.market.history import CLOSE, MINUTE_MS
from emulator.market.listings import LISTINGS
from emulator.market.market import Market
from emulator.market.options import black, implied, smile
from emulator.market.perps import FUNDING_MS, futures_of
from emulator.market.world import World
from emulator.okx.instruments import LISTINGS as OKX

START_NS = 1_795_234_567 * SECOND


def opened(*tables, seed=7, start_ns=START_NS):
    world = World(seed, start_ns, history_days=3)
    markets = [
        Market(seed, start_ns, listings=table(world) if callable(table) else table, world=world)
        for table in tables
    ]
    world.begin()
    for market in markets:
        market.populate()
    return world, markets


def fingerprint(markets):
    return [
        (name, shard.update_id, shard.trade_id, shard.bids(100), shard.asks(100))
        for market in markets
        for name, shard in market.shards.items()
    ]


def test_same_seed_and_steps_give_the_same_at_every_venue():
    made = []
    for steps in ((500, 10), (100, 50)):
        world, markets = opened(LISTINGS[:2], FUTURES, OKX, listings)
        for _ in range(steps[1]):
            world.step(steps[0] * MS)
        made.append(fingerprint(markets))
    assert made[0] == made[1]


def test_a_venue_more_changes_nothing_at_the_others():
    alone, together = opened(LISTINGS[:2]), opened(LISTINGS[:2], OKX)
    for world, _ in (alone, together):
        world.step(5 * SECOND)
    assert fingerprint(alone[1]) == fingerprint(together[1][:1])


def test_prices_of_an_asset_stay_together():
    world, (spot, futures, okx) = opened(LISTINGS[:1], FUTURES[:1], OKX[:1])
    worst = 0.0
    for _ in range(300):
        world.step(SECOND)
        middles = []
        for market in (spot, futures, okx):
            shard = next(iter(market.shards.values()))
            bid, _, ask, _ = shard.top()
            middles.append(0.5 * (bid + ask) * shard.listing.tick)
        worst = max(worst, max(middles) / min(middles) - 1.0)
    assert 0.0 < worst < 0.002


def test_histories_of_an_asset_differ_by_a_basis_alone_and_join_the_live_price():
    _world, (spot, okx) = opened(LISTINGS[:1], OKX[:1])
    here = spot.shards["BTCUSDT"].candles
    there = okx.shards["BTC-USDT"].candles
    end = START_NS // MS // MINUTE_MS * MINUTE_MS
    rows = [c.rows("1m", end - 2_000 * MINUTE_MS, end - 1) for c in (here, there)]
    ratio = rows[1][:, CLOSE] * 0.1 / (rows[0][:, CLOSE] * 0.01)
    assert np.abs(ratio - 1.0).max() < 0.001
    assert ratio.std() > 0.0
    bid = okx.shards["BTC-USDT"].top()[0]
    assert abs(bid / rows[1][-1, CLOSE] - 1.0) < 0.001


def test_funding_is_paid_every_eight_hours_and_remembered():
    slot_ns = (START_NS // MS // FUNDING_MS + 1) * FUNDING_MS * MS
    world, (futures,) = opened(FUTURES[:1], start_ns=slot_ns - 20 * SECOND)
    future = futures_of(futures)["BTCUSDT"]
    due = future.next_funding_ms
    assert due % FUNDING_MS == 0
    told = future.funding_at(due - FUNDING_MS)
    assert future.last_funding == told
    world.step(22 * SECOND)
    assert future.last_funding.ts_ms == due
    assert future.next_funding_ms == due + FUNDING_MS
    assert abs(future.last_funding.rate) <= 0.003
    assert abs(future.mark / future.index - 1.0) < 0.005


def test_liquidations_are_trades_of_their_own():
    _, (futures,) = opened(FUTURES[:1])
    future, shard = futures_of(futures)["BTCUSDT"], futures.shards["BTCUSDT"]
    before, held = shard.trade_id, future.open_lots
    future.liquidate_long(futures.now_ns)
    made = shard.trades_since(before)
    told = future.liquidations[-1]
    assert told.lots == sum(row.lots for row in made)
    assert told.long
    assert all(row.buyer_is_maker for row in made)
    assert future.open_lots == held - told.lots
    assert future.forced(made[0].taker_id) == "T"


@pytest.mark.parametrize("call", [True, False])
def test_greeks_are_the_slopes_of_the_price(call):
    forward, strike, years, iv = 68_000.0, 70_000.0, 0.1, 0.6

    def usd(f=forward, t=years, v=iv):
        return black(f, strike, t, v, call=call).price * f

    greeks = black(forward, strike, years, iv, call=call)
    assert greeks.delta == pytest.approx((usd(f=forward + 1) - usd(f=forward - 1)) / 2, abs=1e-4)
    assert greeks.vega == pytest.approx((usd(v=iv + 0.005) - usd(v=iv - 0.005)), rel=1e-3)
    assert greeks.theta == pytest.approx(usd(t=years - 1 / 365) - usd(), rel=0.02)
    assert implied(greeks.price, forward, strike, years, call=call) == pytest.approx(iv, abs=1e-4)


def test_calls_fall_and_puts_rise_with_the_strike():
    _world, (deribit,) = opened(listings)
    prices = {}
    for name, option in deribit.options.items():
        listing = deribit.shards[name].listing
        key = (listing.base, listing.expiry_ms, listing.call)
        prices.setdefault(key, []).append((listing.strike, option.now.price))
    for (_, _, call), rows in prices.items():
        ordered = [price for _, price in sorted(rows)]
        assert ordered == sorted(ordered, reverse=call)
    assert smile(0.6, 68_000, 60_000, 0.1) > smile(0.6, 68_000, 68_000, 0.1)


def test_expiries_are_fridays_with_the_venues_names():
    near, far = expiries(START_NS // MS)
    assert near.weekday() == far.weekday() == 4
    assert far == last_friday(far.year, far.month)
    assert named(last_friday(2026, 12)) == "25DEC26"


def test_a_wall_clock_runs_at_any_speed_and_never_back():
    clock = WallClock()
    times = [clock.now_ns()]
    for speed in (50.0, 1.0, 0.5, 1_000.0):
        clock.run_at(speed)
        times.append(clock.now_ns())
        clock.jump(SECOND)
        times.append(clock.now_ns())
    assert times == sorted(times)
    assert times[-1] - times[0] > 4 * SECOND
    with pytest.raises(ValueError, match="was 0"):
        clock.run_at(0.0)
    with pytest.raises(ValueError, match="was -1 ns"):
        clock.jump(-1)


def test_a_fast_clock_is_followed_in_slices():
    world, (market,) = opened(LISTINGS[:1])
    clock = VirtualClock(START_NS)
    clock.speed = 60.0
    ticks = []
    world.after_slice.append(lambda: ticks.append(market.acted_ns))
    clock.advance(SECOND)
    world.follow(clock)
    assert len(ticks) == 9
    assert {b - a for a, b in itertools.pairwise(ticks)} == {100 * MS}
    clock.advance(3_600 * SECOND)
    world.follow(clock)
    assert math.isclose(world.now_ns, clock.now_ns())
