"""`clx backtest`: a strategy over history, with the engine's own kernel."""

from __future__ import annotations

import asyncio
import datetime as dt
import math
import random
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import click

import clx
from clx.cli.naming import full_instrument
from clx.cli.numbers import Number
from clx.cli.output import format_option, print_table
from core.backtest.history import History, from_bars, read_csv
from core.backtest.report import Report, encode, make_report
from core.backtest.run import Backtest, Plan
from core.backtest.statistics import Statistics
from core.model.errors import ConfigError, DataError
from core.model.ids import InstrumentId, StrategyId, split_instrument_id
from core.model.market import Timeframe
from core.model.settings import Settings, StrategySettings
from core.model.wording import counted
from store.atomic import write_atomically
from store.paths import Paths, find_paths, make_folders
from store.settings import load_settings


@click.command()
@click.argument("strategy")
@click.option("--data", type=click.Path(path_type=Path), help="OHLCV CSV, also .csv.zst")
@click.option("--instrument", help="history from the venue; with --data, the file's instrument")
@click.option("--timeframe", "-t", type=click.Choice([t.value for t in Timeframe]), default="1m")
@click.option("--days", type=Number(0.01, 3650), default=7.0, show_default=True)
@click.option("--set", "changes", multiple=True, metavar="NAME=VALUE", help="strategy parameter")
@click.option("--size", type=str, default=None, help="position size in the base asset")
@click.option("--spread-bps", type=str, default="1", show_default=True, help="full spread paid")
@click.option("--seed", type=int, default=0, show_default=True)
@format_option
def backtest(
    strategy: str,
    data: Path | None,
    instrument: str | None,
    timeframe: str,
    days: float,
    changes: tuple[str, ...],
    size: str | None,
    spread_bps: str,
    seed: int,
    style: str,
) -> None:
    """Run STRATEGY (a name of the settings, a built-in, or a file) over history.

    The report, with settings, seed and data hash, is kept in the data folder.
    """
    paths = find_paths()
    make_folders(paths)
    settings = load_settings(paths.config_file)
    plan = Plan(
        strategy_id=StrategyId(Path(strategy).stem),
        strategy=_strategy(settings, paths, strategy, changes, size),
        half_spread_bps=_decimal(spread_bps, "--spread-bps") / 2,
        seed=seed,
    )
    history = _history(data, instrument, Timeframe(timeframe), days)
    result = Backtest(settings, plan, history).run(progress_line("backtest", "bars"))
    report = make_report(settings, plan, history, result, clx.__version__)
    paths.reports.mkdir(parents=True, exist_ok=True)
    file = paths.reports / f"{report.id}.json"
    write_atomically(file, encode(report))
    if style == "json":
        click.echo(encode(report).decode())
        return
    _print(report, file)


def progress_line(what: str, unit: str) -> Callable[[int, int], None] | None:
    """Return a callback that draws a progress line on a terminal's stderr, None elsewhere."""
    if not sys.stderr.isatty():
        return None
    begun = time.monotonic()

    def show(done: int, whole: int) -> None:
        spent = time.monotonic() - begun
        rate = done / spent if spent > 0 else 0.0
        left = (whole - done) / rate if rate else 0.0
        filled = "#" * (20 * done // whole)
        end = "\n" if done == whole else ""
        text = f"\r{what} [{filled:<20}] {done:,}/{whole:,} {unit}  {rate:,.0f}/s  {left:.0f} s "
        click.echo(text + end, nl=False, err=True)

    return show


def _strategy(
    settings: Settings, paths: Paths, name: str, changes: tuple[str, ...], size: str | None
) -> StrategySettings:
    table = settings.strategies.get(name)
    if table is not None:
        from clx.compose import from_config_folder

        table = from_config_folder(table, paths)
    else:
        kind = str(Path(name).absolute()) if name.endswith(".py") else name
        table = StrategySettings(kind=kind)
    parameters = dict(table.parameters)
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals:
            raise ConfigError(f"--set must be NAME=VALUE, was {change!r}")
        parameters[key] = _scalar(value)
    update: dict[str, object] = {"parameters": parameters}
    if size is not None:
        update["size"] = _decimal(size, "--size")
    return table.model_copy(update=update)


def _scalar(text: str) -> float | int | str | bool:
    if text in {"true", "false"}:
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _decimal(text: str, name: str) -> Decimal:
    from core.model.grammar import parse_number

    return parse_number(text, name)


def _history(
    data: Path | None,
    instrument: str | None,
    timeframe: Timeframe,
    days: float,
) -> History:
    if data is not None:
        return read_csv(data, InstrumentId(instrument) if instrument else None)
    if instrument is None:
        raise ConfigError("say where history comes from: --data FILE.csv or --instrument NAME")
    return asyncio.run(_fetch(full_instrument(instrument), timeframe, days))


async def _fetch(name: InstrumentId, timeframe: Timeframe, days: float) -> History:
    """Return bars from the store, and from the venue what the store lacks."""
    from clx.cli.data.session import listed, market_store, open_feed, session
    from core.engine.clock import SystemClock
    from core.history.archive import Archive

    here, venue = session(start=True), split_instrument_id(name)[1]
    clock = SystemClock()
    end = clock.now_ns() // timeframe.ns * timeframe.ns
    start = end - int(days * 86_400e9) // timeframe.ns * timeframe.ns
    async with open_feed(here, venue) as feed:
        with market_store(here, create=True) as store:
            archive = Archive(
                store.bars,
                {venue: feed},
                clock=clock,
                rng=random.Random(),  # noqa: S311  jitter, no secret
                told=lambda words: click.echo(f"clx: {words}", err=True),
            )
            item = await listed(feed, name)
            bars = await archive.bars(item, timeframe, start, end)
    if len(bars) < 2:
        has = counted(len(bars), "bar")
        raise DataError(f"{venue} has {has} of {name} {timeframe.value} for {days:g} days")
    return from_bars(item, timeframe, bars)


def _print(report: Report, file: Path) -> None:
    from clx.cli.picture import draw_equity

    figures = report.statistics
    first, last = (
        dt.datetime.fromtimestamp(ts / 1e9, dt.UTC).strftime("%Y-%m-%d %H:%M")
        for ts in (report.first_ns, report.last_ns)
    )
    click.echo(
        f"{report.strategy} on {report.instrument} {report.timeframe.value}, {report.source}"
    )
    click.echo(
        f"{counted(report.bars, 'bar')}, {first} to {last} UTC, {report.gaps} missing, "
        f"data {report.data_sha256[:12]}"
    )
    draw_equity(report.curve_ns, report.curve, "equity")
    print_table(("figure", "value"), _rows(report, figures), "")
    for alert in report.alerts:
        click.echo(f"alert: {alert}")
    click.echo(f"report {report.id} kept in {file}")


def _rows(report: Report, figures: Statistics) -> list[tuple[str, str]]:
    return [
        ("return", _percent(figures.total_return)),
        ("a year", _percent(figures.annual_return)),
        ("buy and hold", _percent(figures.hold_return)),
        ("largest drawdown", _percent(-figures.max_drawdown)),
        ("Sharpe (annual)", _plain(figures.sharpe)),
        ("round trips", f"{figures.round_trips:,}"),
        ("won", _percent(figures.win_rate)),
        ("profit factor", _plain(figures.profit_factor)),
        ("fees", f"{figures.fees:,.2f}"),
        ("turnover", f"{figures.turnover:,.2f} x"),
        ("exposure", _percent(figures.exposure)),
        ("orders, denied, fills", f"{report.orders:,}, {report.denied:,}, {report.fills:,}"),
        ("position at the end", report.final_position),
    ]


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{value * 100:+,.2f} %"


def _plain(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:,.2f}"
