"""Unmodified ccxt under the suite every adapter passes: an engine against emulated venues."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from core.venues.conformance import cases as c
from core.venues.conformance.cases import Act, Case
from core.venues.conformance.faults import FAULTS
from core.venues.conformance.runner import run_case

pytest.importorskip("ccxt")

CHOSEN = [
    ("binance", c.fills_in_part_and_is_cancelled),
    ("binance", c.stop_fires),
    ("binanceusdm", c.lives_through_a_restart),
    ("binanceusdm", c.moves_its_price),
    ("binanceusdm", c.funding_is_paid),
    ("binanceusdm", c.dead_man_fires),
    ("okx", c.immediate_or_not_at_all),
    ("okx", c.position_turns_round),
]
"""Each of the cases that are least alike, each on one of the venues."""

HARSH = [
    ("binance", "reports never sent"),
    ("binanceusdm", "http 5xx after"),
    ("okx", "code 1007"),
    ("okx", "ended by the venue"),
]


def find(act: Act) -> Case:
    return next(case for case in c.CASES if case.act is act)


@pytest.mark.parametrize(
    ("exchange", "act"), CHOSEN, ids=lambda item: item if isinstance(item, str) else item.__name__
)
async def test_case(open_ground: Any, exchange: str, act: Act) -> None:
    outcome = await run_case(functools.partial(open_ground, exchange), find(act), None)
    assert outcome.flaws == ()
    assert outcome.result == "passed"


@pytest.mark.parametrize(("exchange", "name"), HARSH)
async def test_fault_leaves_engine_and_venue_agreed(
    open_ground: Any, exchange: str, name: str
) -> None:
    fault = next(fault for fault in FAULTS if fault.name == name)
    case = find(c.fills_in_part_and_is_cancelled)
    outcome = await run_case(functools.partial(open_ground, exchange), case, fault)
    assert outcome.flaws == ()
