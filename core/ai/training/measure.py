"""Honest figures: each beside the base rate that needs no model."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
LEVELS: Final = (0.1, 0.5, 0.9)
_DAY_MS: Final = 86_400_000
_DRAWS: Final = 1000


def pinball(actual: F64, predicted: F64) -> float:
    """Return the mean quantile loss; `predicted` has one column per level."""
    error = actual[:, None] - predicted
    levels = np.array(LEVELS)
    return float(np.maximum(levels * error, (levels - 1) * error).mean())


def log_loss(up: F64, p: F64) -> float:
    """Return the mean log loss of a probability."""
    safe = np.clip(p, 1e-9, 1 - 1e-9)
    return float(-(up * np.log(safe) + (1 - up) * np.log(1 - safe)).mean())


def figures(
    returns: F64, unit: F64, ts_ms: I64, p_up: F64, quantiles: F64, base_up: F64, base_units: F64
) -> dict[str, float]:
    """Return what the model does out of sample.

    Args:
        returns: Realised log returns over the horizon.
        unit: Expected standard deviation over the horizon at that time.
        ts_ms: Bar open times, for the block bootstrap by day.
        p_up: Predicted probability of a rise.
        quantiles: Predicted quantiles, (n, 3).
        base_up: Share of rises in what each fold was trained on.
        base_units: Quantiles of returns in units in the same, (n, 3).
    """
    up = (returns > 0).astype(np.float64)
    hit = ((p_up > 0.5) == (up > 0.5)).astype(np.float64)
    base_hit = ((base_up > 0.5) == (up > 0.5)).astype(np.float64)
    low, high = bootstrap(hit, ts_ms)
    ranks = _ranks(p_up)
    rank = np.corrcoef(ranks, _ranks(returns))[0, 1] if np.ptp(ranks) else 0.0
    inside = (returns >= quantiles[:, 0]) & (returns <= quantiles[:, 2])
    fixed = np.quantile(returns, LEVELS)[None, :].repeat(len(returns), axis=0)
    model_pinball = pinball(returns, quantiles)
    made = {
        "n": float(len(returns)),
        "accuracy": hit.mean(),
        "accuracy_low": low,
        "accuracy_high": high,
        "accuracy_base": base_hit.mean(),
        "log_loss": log_loss(up, p_up),
        "log_loss_base": log_loss(up, base_up),
        "brier_skill": 1 - np.mean((p_up - up) ** 2) / np.mean((base_up - up) ** 2),
        "rank_ic": rank,
        "coverage_80": inside.mean(),
        "pinball_skill": 1 - model_pinball / pinball(returns, base_units * unit[:, None]),
        "pinball_skill_fixed": 1 - model_pinball / pinball(returns, fixed),
    }
    return {name: round(float(value), 5) for name, value in made.items()}


def bootstrap(hit: F64, ts_ms: I64) -> tuple[float, float]:
    """Return the 95 % interval of a mean, whole days drawn together."""
    _, day = np.unique(ts_ms // _DAY_MS, return_inverse=True)
    sums = np.bincount(day, hit)
    counts = np.bincount(day).astype(np.float64)
    picks = np.random.default_rng(0).integers(0, len(sums), (_DRAWS, len(sums)))
    means = sums[picks].sum(axis=1) / counts[picks].sum(axis=1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def _ranks(x: F64) -> F64:
    """Return ranks; equal values share the mean of theirs."""
    _, place, counts = np.unique(x, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: F64 = (last - (counts - 1) / 2.0)[place]
    return ranks
