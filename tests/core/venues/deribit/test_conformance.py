"""Deribit under the suite every adapter passes: an engine and an adapter against the emulator."""

from __future__ import annotations

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
    outcome = await run_case(lambda: ground("BTC-PERPETUAL", "1000"), case, None)
    assert outcome.flaws == ()


async def test_dead_man_switch(ground: Open) -> None:
    case = next(case for case in CASES if case.act is dead_man_fires)
    outcome = await run_case(lambda: ground("BTC-PERPETUAL", "1000", dead_man_s=30), case, None)
    assert (outcome.result, outcome.flaws) == ("passed", ())


RICHEST = (bracket_lives_through, gets_smaller, lives_through_a_restart, stop_limit_fires)


@pytest.mark.parametrize(
    ("fault", "act"),
    [(fault, RICHEST[number % len(RICHEST)]) for number, fault in enumerate(FAULTS)],
    ids=lambda item: item.name if isinstance(item, Fault) else item.__name__,
)
async def test_fault_leaves_engine_and_venue_agreed(ground: Open, fault: Fault, act: Act) -> None:
    case = next(case for case in CASES if case.act is act)
    outcome = await run_case(lambda: ground("BTC-PERPETUAL", "1000"), case, fault)
    assert outcome.flaws == ()
