"""`clx drill`: rehearses the kill ladder and a crash where no money is, with measured times."""

from __future__ import annotations

import asyncio
import time

import click
import msgspec

from clx.cli.exits import Exit
from clx.cli.output import format_option, print_json, print_table


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the drill."""

    step: str
    what: str
    took_ms: float
    target_ms: float
    ok: bool


class DrillReport(msgspec.Struct, frozen=True, kw_only=True):
    """A whole drill."""

    mode: str
    instrument: str
    steps: tuple[Step, ...]
    ok: bool


@click.command()
@click.option("--instrument", default="BTC-USDT.binance", show_default=True)
@click.option("--timeout", default=60.0, show_default=True, help="seconds a step may take")
@click.option("--dry-run", is_flag=True, help="say what would be done and whether it may be")
@format_option
def drill(instrument: str, timeout: float, dry_run: bool, style: str) -> int:
    """Rehearse pause, reduce, cancel, flatten, a crash and its end, on SIM or PAPER.

    It trades small orders, closes what it opened, and kills the engine. Refused where money is
    real, and where anything is open already.
    """
    from clx.cli.naming import full_instrument
    from clx.drill import STEPS, Drill

    name = full_instrument(instrument)
    if dry_run:
        asyncio.run(Drill(name, timeout).check())
        click.echo(f"would rehearse on {name}: {', '.join(STEPS)}")
        return Exit.OK
    started = time.monotonic()
    rehearsed = Drill(name, timeout)
    times = asyncio.run(rehearsed.run())
    steps = tuple(
        Step(
            step=item.step,
            what=item.what,
            took_ms=round(item.took_s * 1e3, 1),
            target_ms=round(STEPS[item.step] * 1e3, 1),
            ok=item.took_s <= STEPS[item.step],
        )
        for item in times
    )
    report = DrillReport(
        mode=rehearsed.mode, instrument=name, steps=steps, ok=all(step.ok for step in steps)
    )
    if style == "json":
        print_json(report)
    else:
        print_table(
            ("step", "ms", "target", "", "what"),
            [
                (item.step, item.took_ms, item.target_ms, "ok" if item.ok else "LATE", item.what)
                for item in steps
            ],
            "nothing was rehearsed",
        )
        click.echo(f"{report.mode}, {time.monotonic() - started:.1f} s in all")
    return Exit.OK if report.ok else Exit.REFUSED
