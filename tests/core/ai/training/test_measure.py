"""The figures of a model card on cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from core.ai.training import measure

RNG = np.random.default_rng(0)
N = 20_000
Z80 = 1.2815515594


def judge(returns, p_up, quantiles, unit=None):
    n = len(returns)
    base = np.tile(np.array([-Z80, 0.0, Z80]), (n, 1))
    return measure.figures(
        returns,
        np.ones(n) if unit is None else unit,
        np.arange(n) * 60_000,
        p_up,
        quantiles,
        np.full(n, 0.5),
        base,
    )


def test_an_oracle_has_full_skill() -> None:
    returns = RNG.standard_normal(N)
    sure = np.where(returns > 0, 1.0, 0.0)
    made = judge(returns, sure, np.repeat(returns[:, None], 3, axis=1))
    assert made["accuracy"] == made["accuracy_low"] == 1.0
    assert made["brier_skill"] == 1.0
    assert made["pinball_skill"] == 1.0
    assert made["rank_ic"] > 0.8


def test_a_coin_has_none() -> None:
    returns = RNG.standard_normal(N)
    base = np.tile(np.array([-Z80, 0.0, Z80]), (N, 1))
    made = judge(returns, np.full(N, 0.5), base)
    assert made["brier_skill"] == made["pinball_skill"] == 0.0
    assert made["log_loss"] == pytest.approx(np.log(2), abs=1e-5)
    assert made["coverage_80"] == pytest.approx(0.8, abs=0.01)
    assert abs(made["rank_ic"]) < 0.03


def test_knowing_the_volatility_alone_beats_constant_quantiles_only() -> None:
    unit = np.exp(RNG.normal(0, 0.7, N))
    returns = unit * RNG.standard_normal(N)
    base = np.array([-Z80, 0.0, Z80]) * unit[:, None]
    made = judge(returns, np.full(N, 0.5), base, unit)
    assert made["pinball_skill"] == 0.0
    assert made["pinball_skill_fixed"] > 0.1


def test_the_interval_is_wider_when_days_stick_together() -> None:
    days = np.repeat(RNG.random(60) < 0.5, 300).astype(float)
    times = np.repeat(np.arange(60), 300) * 86_400_000
    low, high = measure.bootstrap(days, times)
    loose = measure.bootstrap(RNG.permutation(days), times)
    assert high - low > 5 * (loose[1] - loose[0])
