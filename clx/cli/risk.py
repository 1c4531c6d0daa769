"""Verbs about what the risk gate lets through: its limits, the kill switch and its end."""

from __future__ import annotations

import click

from clx.cli.exits import Exit
from clx.cli.output import bar, format_option, print_json, print_table, show
from clx.client import ask
from core.model import commands
from core.model.wording import counted

STEPS = "pause: block entries; reduce: also cancel open entries; cancel: cancel all; flatten: close"


@click.command()
@click.option(
    "--level",
    type=click.Choice(["pause", "reduce", "cancel", "flatten"]),
    default="cancel",
    show_default=True,
    help=STEPS,
)
@click.option("--reason", default="", help="kept with the record")
@click.option("--dry-run", is_flag=True, help="count what would be done, do nothing")
@format_option
def kill(level: str, reason: str, dry_run: bool, style: str) -> int:
    """Block entries; by default also cancel every open order.

    On the steps pause and reduce, exits and protective stops stay where they are.
    """
    report: commands.KillReport = ask(
        commands.Kill.model_validate({"level": level, "reason": reason, "dry_run": dry_run})
    )
    if style == "json":
        print_json(report)
    elif dry_run:
        click.echo(
            f"would cancel {counted(report.cancels, 'order')}, leave {report.spared} and close "
            f"{counted(report.positions, 'position')}; risk stays {report.risk_state.value}"
        )
    else:
        click.echo(
            f"risk {report.risk_state.value}; cancelling {counted(report.cancels, 'order')}, "
            f"leaving {report.spared}; closing {counted(report.positions, 'position')}. "
            "`clx resume` lets entries through again"
        )
    return Exit.OK


@click.command()
@click.option("--dry-run", is_flag=True, help="say whether it would be let, change nothing")
@format_option
def resume(dry_run: bool, style: str) -> None:
    """Let entries through again after a kill or a halt."""
    done: commands.Done = ask(commands.Resume(dry_run=dry_run))
    if style == "json":
        print_json(done)
    else:
        click.echo(done.text)


@click.command()
@format_option
def risk(style: str) -> None:
    """Show what the risk gate lets through, and every limit as a bar."""
    report: commands.RiskReport = ask(commands.GetRisk())
    if style == "json":
        print_json(report)
        return
    step = f"  kill switch: {report.kill}" if report.kill else ""
    click.echo(f"risk {report.state.value} {report.reason}".rstrip() + step)
    print_table(
        ("limit", "", "%", "used", "allowed", "unit"),
        [
            (
                item.rule.removeprefix("risk."),
                bar(item.share) + ("!" if item.share >= 1 else ""),
                f"{min(item.share, 99.99):.0%}",
                round(item.used, 4),
                f"at least {show(item.allowed)}" if item.least else item.allowed,
                item.unit,
            )
            for item in report.limits
        ],
        "no limits",
    )
