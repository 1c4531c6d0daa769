"""OKX under the suite every adapter passes: an engine and an adapter against the emulator."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from core.venues.conformance.cases import (
    CASES,
    Act,
    Case,
    bracket_lives_through,
    dead_man_fires,
    gets_smaller,
    lives_through_a_restart,
    stop_limit_fires,
)
from core.venues.conformance.faults import FAULTS, Fault
from core.venues.conformance.runner import run_case

Open = Callable[..., Any]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_case(ground: Open, case: Case) -> None:
    outcome = await run_case(lambda: ground("BTC-USDT-SWAP", "4"), case, None)
    assert outcome.flaws == ()


async def test_dead_man_switch(ground: Open) -> None:
    case = next(case for case in CASES if case.act is dead_man_fires)
    outcome = await run_case(lambda: ground("BTC-USDT-SWAP", "4", dead_man_s=30), case, None)
    assert (outcome.result, outcome.flaws) == ("passed", ())


RICHEST = (bracket_lives_through, gets_smaller, lives_through_a_restart, stop_limit_fires)
_TOGETHER = 4
"""Markets that run beside each other: most of their time is waiting."""


@pytest.mark.parametrize("first", range(0, len(FAULTS), _TOGETHER))
async def test_faults_leave_engine_and_venue_agreed(ground: Open, first: int) -> None:
    async def run(number: int, fault: Fault) -> tuple[str, tuple[str, ...]]:
        act = RICHEST[number % len(RICHEST)]
        case = next(case for case in CASES if case.act is act)
        outcome = await run_case(lambda: ground("BTC-USDT-SWAP", "4"), case, fault)
        return f"{case.name} under {fault.name}", outcome.flaws

    rows = enumerate(FAULTS[first : first + _TOGETHER], first + first // _TOGETHER)
    for what, flaws in await asyncio.gather(*(run(*row) for row in rows)):
        assert flaws == (), what


@pytest.mark.parametrize("act", [bracket_lives_through, lives_through_a_restart])
@pytest.mark.parametrize(("symbol", "size"), [("BTC-USDT", "0.01"), ("BTC-USD-SWAP", "4")])
async def test_spot_and_inverse_contracts(ground: Open, symbol: str, size: str, act: Act) -> None:
    case = next(case for case in CASES if case.act is act)
    outcome = await run_case(lambda: ground(symbol, size), case, None)
    assert (outcome.result, outcome.flaws) == ("passed", ())
