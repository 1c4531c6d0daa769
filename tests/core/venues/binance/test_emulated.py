"""The adapter against the emulated venue: engine and oracle agree, whatever goes wrong."""

from __future__ import annotations

import pytest

from clx.proving import subject
from core.venues.conformance.cases import CASES, Case
from core.venues.conformance.faults import FAULTS, Fault
from core.venues.conformance.runner import run_case

GROUND = subject("binance")
UNFIT = {
    "position_turns_round", "only_reduces", "funding_is_paid", "long_and_short_are_apart",
    "dead_man_fires",
}  # fmt: skip
RICH = ("bracket_lives_through", "lives_through_a_restart", "gets_smaller")
WRONG = ("lost ack", "cancel and fill race", "duplicate reports", "session expires", "clock ahead")


@pytest.mark.parametrize("case", [pytest.param(c, id=c.act.__name__) for c in CASES])
async def test_engine_and_venue_agree(case: Case) -> None:
    outcome = await run_case(GROUND, case, None)
    assert outcome.flaws == ()
    assert (outcome.result == "not for this venue") is (case.act.__name__ in UNFIT)


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        pytest.param(fault, RICH[place % len(RICH)], id=fault.name)
        for place, fault in enumerate(fault for fault in FAULTS if fault.name in WRONG)
    ],
)
async def test_engine_and_venue_agree_when_it_goes_wrong(fault: Fault, name: str) -> None:
    case = next(case for case in CASES if case.act.__name__ == name)
    assert (await run_case(GROUND, case, fault)).flaws == ()
