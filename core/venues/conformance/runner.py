"""Runs cases under faults and says what came of each."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from core.model.errors import ClxError
from core.venues.conformance.cases import CASES, Case
from core.venues.conformance.faults import FAULTS, Fault
from core.venues.conformance.floor import Floor
from core.venues.conformance.ground import Subject

_LIMIT_S: Final = 180.0
"""Only a case that hangs takes so long; on a starved machine the first one took 90 s."""
_RICHEST: Final = frozenset({"bracket_lives_through", "lives_through_a_restart", "gets_smaller"})
"""Cases that between them place, fill, amend, cancel and restart."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a case under a fault."""

    case: str
    fault: str
    """Empty: nothing was made to go wrong."""
    result: Literal["passed", "failed", "not for this venue"]
    flaws: tuple[str, ...] = ()
    struck: int = 0
    """How many times the fault struck."""


def plan(*, thorough: bool) -> Iterator[tuple[Case, Fault | None]]:
    """Yield what is to be run: each case as it is, then under faults.

    Thorough is every case under every fault; else the richest cases are.
    """
    for case in CASES:
        yield case, None
    for fault in FAULTS:
        for case in CASES:
            if thorough or case.act.__name__ in _RICHEST:
                yield case, fault


async def run_case(subject: Subject, case: Case, fault: Fault | None) -> Outcome:
    """Run one case on a fresh ground."""
    name = fault.name if fault is not None else ""
    flaws: list[str] = []
    struck = 0
    try:
        async with subject() as ground, asyncio.timeout(_LIMIT_S), Floor.open(ground) as floor:
            if not case.needs(floor):
                return Outcome(case=case.name, fault=name, result="not for this venue")
            control = ground.control
            floor.strict = fault is None
            flaws = floor.flaws
            if fault is not None and fault.when == "before":
                await fault.strike(control)
            elif fault is not None:
                floor.midway = functools.partial(fault.strike, control)
            await case.act(floor)
            struck = (await control.struck()).count(fault.kind) if fault is not None else 0
            await control.mend()
            await floor.settle()
    except TimeoutError:
        flaws.append(f"was not done within {_LIMIT_S:g} s")
    except ClxError as error:
        flaws.append(f"{type(error).__name__}: {error}")
    return Outcome(
        case=case.name,
        fault=name,
        result="failed" if flaws else "passed",
        flaws=tuple(flaws),
        struck=struck,
    )
