"""A backtest's report: everything that made it, and what came of it; kept as one JSON file."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec

from core.backtest.history import History
from core.backtest.run import Plan, Result
from core.backtest.statistics import Statistics
from core.model.market import Timeframe
from core.model.settings import Settings

CURVE_POINTS = 2000


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One run, ready to be compared with another."""

    id: str
    """First 12 digits of a hash over everything that determines the run."""
    version: str
    strategy: str
    parameters: dict[str, Any]
    instrument: str
    timeframe: Timeframe
    bars: int
    gaps: int
    first_ns: int
    last_ns: int
    source: str
    data_sha256: str
    seed: int
    settings: dict[str, Any]
    """Fees, latency, spread, opening balance and risk limits of the run."""
    statistics: Statistics
    orders: int
    denied: int
    fills: int
    final_position: str
    alerts: tuple[str, ...]
    state_hash: str
    orders_sha256: str
    curve_ns: list[int]
    curve: list[float]
    """Equity, thinned to at most 2,000 points; first and last are exact."""


def make_report(
    settings: Settings, plan: Plan, history: History, result: Result, version: str
) -> Report:
    """Put a report together."""
    import hashlib

    chosen = {
        "paper": settings.paper.model_dump(mode="json"),
        "risk": settings.risk.model_dump(mode="json"),
        "strategy": plan.strategy.model_dump(mode="json"),
        "half_spread_bps": str(plan.half_spread_bps),
    }
    determines = json.dumps([chosen, history.sha256, plan.seed, version], sort_keys=True)
    at = _thin(len(result.equity))
    return Report(
        id=hashlib.sha256(determines.encode()).hexdigest()[:12],
        version=version,
        strategy=plan.strategy_id,
        parameters=dict(plan.strategy.parameters),
        instrument=history.instrument.id,
        timeframe=history.timeframe,
        bars=len(history.bars),
        gaps=history.gaps,
        first_ns=history.bars[0].ts_open_ns,
        last_ns=history.bars[-1].ts_open_ns,
        source=history.source,
        data_sha256=history.sha256,
        seed=plan.seed,
        settings=chosen,
        statistics=result.statistics,
        orders=result.orders,
        denied=result.denied,
        fills=len(result.fills),
        final_position=f"{result.final_position.normalize():f}",
        alerts=result.alerts,
        state_hash=result.state_hash,
        orders_sha256=result.orders_sha256,
        curve_ns=[result.ts_ns[i] for i in at],
        curve=[result.equity[i] for i in at],
    )


def encode(report: Report) -> bytes:
    """Return the report as JSON; a figure that does not exist is null."""
    plain = msgspec.to_builtins(report)
    plain["statistics"] = {
        key: value if math.isfinite(value) else None for key, value in plain["statistics"].items()
    }
    return json.dumps(plain, indent=1).encode()


def _thin(count: int) -> list[int]:
    if count <= CURVE_POINTS:
        return list(range(count))
    return sorted({round(i * (count - 1) / (CURVE_POINTS - 1)) for i in range(CURVE_POINTS)})
