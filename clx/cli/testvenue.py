"""`clx test-venue`: the conformance suite of venue adapters, against the emulator."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import click

from clx.cli.exits import Exit
from clx.cli.output import format_option, print_json, print_table

if TYPE_CHECKING:
    from core.venues.conformance.runner import Outcome

_NO_FAULT = "nothing goes wrong"


@click.command("test-venue")
@click.argument("kind")
@click.option("--thorough", is_flag=True, help="Every case under every fault; some minutes.")
@click.option("--case", default="", help="Only cases whose name holds this.")
@click.option("--fault", default="", help="Only under faults whose name holds this.")
@format_option
def test_venue(kind: str, thorough: bool, case: str, fault: str, style: str) -> None:
    """Check the adapter of a KIND of venue, such as binance_usdm, against an emulated one.

    Orders are placed, filled, amended and cancelled while answers are lost, reports come twice or
    never, and the engine is killed; in the end the engine's orders, fills, positions and money must
    be the venue's, and no order may have been sent twice. Exits with 1 when they are not.
    """
    outcomes = asyncio.run(_run(kind, thorough or bool(case or fault), case, fault, style))
    failed = [outcome for outcome in outcomes if outcome.result == "failed"]
    if style == "json":
        print_json(outcomes)
    else:
        _print(outcomes)
    if failed or not outcomes:
        raise click.exceptions.Exit(Exit.REFUSED)


async def _run(kind: str, thorough: bool, case: str, fault: str, style: str) -> list[Outcome]:
    from clx.proving import subject
    from core.venues.conformance.runner import plan, run_case

    ground = subject(kind)
    outcomes = []
    for item, wrong in plan(thorough=thorough):
        name = wrong.name if wrong is not None else _NO_FAULT
        if case not in item.name or fault not in name:
            continue
        outcome = await run_case(ground, item, wrong)
        outcomes.append(outcome)
        if style != "json" and outcome.result == "failed":
            for flaw in outcome.flaws:
                click.echo(f"{outcome.case}, {name}: {flaw}", err=True)
    return outcomes


def _print(outcomes: list[Outcome]) -> None:
    """Print a line for each case: under how many faults it passed."""
    cases = dict.fromkeys(outcome.case for outcome in outcomes)
    rows = []
    for case in cases:
        count = Counter(outcome.result for outcome in outcomes if outcome.case == case)
        total = count["passed"] + count["failed"]
        result = "FAILED" if count["failed"] else "passed" if total else "not for this venue"
        rows.append((case, result, f"{count['passed']} of {total}" if total else ""))
    print_table(("case", "result", "runs passed"), rows, "")
    count = Counter(outcome.result for outcome in outcomes)
    click.echo(f"{count['passed']} of {count['passed'] + count['failed']} runs passed")
