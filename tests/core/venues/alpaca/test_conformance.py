"""Alpaca under the suite every adapter passes: an engine and an adapter against the emulator."""

from __future__ import annotations

from typing import Any

import pytest

from core.venues.conformance.cases import (
    CASES,
    Act,
    Case,
    bracket_lives_through,
    gets_smaller,
    lives_through_a_restart,
    position_turns_round,
)
from core.venues.conformance.faults import FAULTS, Fault
from core.venues.conformance.runner import run_case

FOR_SHARES = CASES[: next(n for n, case in enumerate(CASES) if case.act is position_turns_round)]


@pytest.mark.parametrize("case", FOR_SHARES, ids=lambda case: case.name)
async def test_case(subject: Any, case: Case) -> None:
    outcome = await run_case(subject, case, None)
    assert outcome.flaws == ()


RICHEST = (bracket_lives_through, gets_smaller, lives_through_a_restart)


@pytest.mark.parametrize(
    ("fault", "act"),
    [(fault, RICHEST[number % len(RICHEST)]) for number, fault in enumerate(FAULTS)],
    ids=lambda item: item.name if isinstance(item, Fault) else item.__name__,
)
async def test_fault_leaves_engine_and_venue_agreed(subject: Any, fault: Fault, act: Act) -> None:
    case = next(case for case in CASES if case.act is act)
    outcome = await run_case(subject, case, fault)
    assert outcome.flaws == ()
