"""Verbs about models."""

from __future__ import annotations

import datetime as dt

import click

from clx.cli.naming import full_instrument
from clx.cli.output import format_option, print_json, print_table
from clx.client import ask
from core.model import commands
from core.model.errors import ConfigError, did_you_mean


@click.group()
def model() -> None:
    """List models, their cards and predictions."""


@model.command("list")
@format_option
def list_(style: str) -> None:
    """List models with their latest prediction and how often they were right."""
    views = ask(commands.GetModels())
    if style == "json":
        print_json(views)
        return
    print_table(
        ("model", "version", "state", "bars", "horizon", "p up", "right", "judged", "trained on"),
        [
            (
                v.info.id,
                v.info.version,
                v.info.state,
                v.info.timeframe.value,
                v.info.horizon_bars,
                f"{v.last.p_up:.3f}" if v.last and v.last.valid else None,
                f"{v.hits / v.judged:.1%}" if v.judged else None,
                v.judged,
                v.info.trained_on,
            )
            for v in views
        ],
        "no models; add a [models.NAME] table to the settings (`clx config path`)",
    )


@model.command()
@click.argument("name")
def card(name: str) -> None:
    """Print the card of model NAME: what it was trained on and what it can do."""
    from core.ai.registry import model_card

    text = model_card(name)
    if text is None:
        views = ask(commands.GetModels())
        hint = did_you_mean(name, [v.info.id for v in views])
        raise ConfigError(f"no card of a model {name!r}{hint}")
    click.echo(text)


@model.command()
@click.argument("name")
@click.argument("instrument")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000))
@format_option
def predictions(name: str, instrument: str, limit: int, style: str) -> None:
    """List stored predictions of model NAME for INSTRUMENT, newest last."""
    found = ask(
        commands.GetPredictions(model=name, instrument=full_instrument(instrument), limit=limit)
    )
    if style == "json":
        print_json(found)
        return
    print_table(
        ("bar", "version", "p up", "expected", "10 %", "90 %", "valid"),
        [
            (
                dt.datetime.fromtimestamp(p.ts_bar_ns / 1e9, dt.UTC).strftime("%m-%d %H:%M"),
                p.version,
                f"{p.p_up:.3f}",
                f"{p.expected_return:+.5f}",
                f"{p.low_return:+.5f}",
                f"{p.high_return:+.5f}",
                "yes" if p.valid else "no",
            )
            for p in found
        ],
        f"no predictions of {name} for {instrument} yet; one comes with every closed bar",
    )
