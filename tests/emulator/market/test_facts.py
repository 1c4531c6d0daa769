"""The generated market against the stylised facts of real ones; what fails is known and named."""

import sys
from collections import deque

import numpy as np
import pytest

from emulator.binancefut.instruments import LISTINGS as FUTURES
from emulator.clock import MS, SECOND
from emulator.market.facts import CHECKS, FAILED, Flow, label, median, of_flow, of_minutes
from emulator.market.history import CLOSE, DAY_MS, LOTS
from emulator.market.listings import LISTINGS
from emulator.market.market import Market
from emulator.market.world import World

START_NS = 1_795_234_567 * SECOND
STEP_MS = 200
MINUTES = 40
SEEDS = (7, 8, 9)


def minutes(seed):
    market = Market(seed, START_NS, history_days=220, listings=LISTINGS[:1])
    end = START_NS // MS // DAY_MS * DAY_MS
    rows = market.shards["BTCUSDT"].candles.rows("1m", end - 200 * DAY_MS, end - 1)
    returns = np.diff(np.log(rows[:, CLOSE].astype(float)))
    return of_minutes(returns, rows[1:, LOTS].astype(float))


def flow(seed):
    world = World(seed, START_NS, history_days=2)
    here = Market(seed, START_NS, listings=LISTINGS[:1], world=world)
    there = Market(seed, START_NS, listings=FUTURES[:1], world=world, pace=0.5)
    world.begin()
    here.populate()
    there.populate()
    shard, other = here.shards["BTCUSDT"], there.shards["BTCUSDT"]
    shard.aggregates = deque(maxlen=1_000_000)
    tops, others, profile = [], [], np.zeros(400)
    for step in range(MINUTES * 60 * 1_000 // STEP_MS):
        world.step(STEP_MS * MS)
        tops.append(shard.top())
        others.append(other.top())
        if step % 10 == 0:
            bids = shard.bids(400)
            for ticks, lots in bids:
                if bids[0][0] - ticks < len(profile):
                    profile[bids[0][0] - ticks] += lots
    rows = list(shard.aggregates)
    top, far = np.array(tops, dtype=float), np.array(others, dtype=float)
    return of_flow(
        Flow(
            price=np.array([row.price_ticks for row in rows], dtype=float),
            sign=np.array([-1.0 if row.buyer_is_maker else 1.0 for row in rows]),
            size=np.array([row.lots for row in rows], dtype=float),
            at_ms=np.array([row.ts_ms for row in rows], dtype=float),
            step_ms=STEP_MS,
            start_ms=START_NS / MS,
            bid=top[:, 0],
            ask=top[:, 2],
            best_size=top[:, 1],
            profile=profile,
            other=0.5 * (far[:, 0] + far[:, 2]),
        )
    )


@pytest.mark.slow
def test_what_the_market_does_and_what_it_does_not(capsys):
    facts = median([[*minutes(seed), *flow(seed)] for seed in SEEDS])
    table = [
        f"{'ok  ' if fact.passed else 'FAIL'} {fact.name:28} {fact.value:9.3f}"
        f"  [{fact.low:g}, {fact.high:g}]"
        for fact in facts
    ]
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(table) + "\n")
    assert len(facts) == CHECKS
    assert {fact.name for fact in facts if not fact.passed} == set(FAILED)


def test_the_label_counts_what_fails():
    assert label() == f"synthetic, {CHECKS - len(FAILED)} of {CHECKS} checks"
