"""Verbs that ask and change nothing."""

from __future__ import annotations

import datetime as dt

import click

from clx.cli.naming import full_instrument
from clx.cli.output import format_option, print_folded, print_json, print_table, say_done
from clx.cli.watching import watchdog_line
from clx.client import ask
from core.model import commands
from core.model.errors import ConfigError
from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.market import ActivityBar, FeedStatus, Timeframe
from core.model.views import Chart, VenueView
from store.paths import find_paths

INDICATORS_HELP = "draw this too, such as ema(20); may be given again"


@click.command()
@format_option
def status(style: str) -> None:
    """Show the engine's mode, phase, risk state, feeds, venues and limits."""
    report: commands.StatusReport = ask(commands.GetStatus())
    if style == "json":
        print_json(report)
        return
    engine = report.status
    click.echo(
        f"{engine.mode}  {engine.phase}  session {engine.session}  pid {engine.pid}  "
        f"up since {_time(engine.started_ns)}"
    )
    click.echo(
        f"risk {engine.risk_state.value} {engine.risk_reason}".rstrip()
        + f"  journal {'ok' if engine.journal_ok else 'FAILED: reduce only'}"
        + f"  equity {report.equity:,.2f}  today {report.day_pnl:+,.2f}"
    )
    click.echo(
        f"frames {engine.frames:,}  rejected {engine.rejected_frames:,}  clients {engine.clients}"
    )
    print_table(
        ("feed", "status", "gaps", "resyncs", "why"),
        [
            (f.instrument_id, FeedStatus(f.status).name.lower(), f.gaps, f.resyncs, f.reason)
            for f in report.feeds
        ],
        "no feed is subscribed",
    )
    print_folded(
        ("venue", "link", "reconciled", "differences"),
        [
            (
                v.venue,
                link_words(v),
                _time(v.reconciled_ns) if v.reconciled_ns else None,
                "; ".join(v.differences) or ("none" if v.reconciled_ns else None),
            )
            for v in report.venues
        ],
        "no venue",
    )
    for view in report.venues:
        if view.simulated:
            click.echo(f"{view.venue} is SIMULATED: {view.simulated}")
        for words in questions(view):
            click.echo(words)
    print_table(
        ("limit", "used", "allowed", "unit"),
        [(item.rule, round(item.used, 4), item.allowed, item.unit) for item in report.limits],
        "no limits",
    )
    click.echo(f"watchdog: {watchdog_line(find_paths())[1]}")
    for alert in report.alerts[-5:]:
        click.echo(f"{_time(alert.ts_ns)} {alert.level} {alert.source}: {alert.text}")


def link_words(view: VenueView) -> str:
    """Say how a venue stands: its link, and what keeps it from being traded."""
    if not view.connected:
        return f"down: {view.reason or 'no reason given'}"
    if view.asks:
        return "up, asks about positions: see below"
    return f"up, not compared: {view.reason}" if view.reason else "up"


def questions(view: VenueView) -> list[str]:
    """Return the lines that say what a venue asks, and how it is answered."""
    if not view.asks:
        return []
    answer = f"clx reconcile --venue {view.venue} --answer adopt|protect|flatten"
    head = f"{view.venue} asks what to do with positions; nothing is opened there until `{answer}`:"
    return [head, *(f"  {words}" for words in view.asks)]


@click.command()
@click.argument("contains", default="")
@format_option
def instruments(contains: str, style: str) -> None:
    """List instruments whose id contains CONTAINS."""
    found = ask(commands.GetInstruments(contains=contains))
    if style == "json":
        print_json(found)
        return
    print_table(
        ("instrument", "kind", "tick", "lot", "min notional", "trading"),
        [
            (i.id, i.kind.value, i.price_tick, i.size_lot, i.min_notional, _yes(i.trading))
            for i in found
        ],
        f"no instrument contains {contains!r}",
    )


@click.command()
@click.argument("names", nargs=-1)
@format_option
def quotes(names: tuple[str, ...], style: str) -> None:
    """Show quote lines of NAMES, or of the watchlist."""
    lines = ask(commands.GetQuotes(instruments=tuple(full_instrument(name) for name in names)))
    if style == "json":
        print_json(lines)
        return
    known = {item.id: item for item in ask(commands.GetInstruments())}
    rows = []
    for line in lines:
        item = known[line.instrument_id]
        change = None
        if line.open_24h_ticks and line.last_ticks:
            change = f"{(line.last_ticks / line.open_24h_ticks - 1) * 100:+.2f}%"
        rows.append(
            (
                line.instrument_id,
                *(
                    item.price(ticks) if ticks else None
                    for ticks in (line.bid_ticks, line.ask_ticks, line.last_ticks)
                ),
                change,
                f"{line.turnover_24h:,.0f} {item.quote}" if line.turnover_24h else None,
                FeedStatus(line.status).name.lower(),
                f"{line.age_ms} ms",
            )
        )
    print_table(
        ("instrument", "bid", "ask", "last", "24h", "volume 24h", "data", "age"),
        rows,
        "the watchlist is empty",
    )


@click.command()
@click.argument("action", type=click.Choice(["show", "add", "remove"]), default="show")
@click.argument("name", required=False)
@click.option("--dry-run", is_flag=True, help="say what would be changed, change nothing")
@format_option
def watchlist(action: str, name: str | None, dry_run: bool, style: str) -> None:
    """Show the watchlist, add NAME to it or remove it."""
    if action != "show":
        if name is None:
            raise ConfigError(f"say which instrument to {action}: clx watchlist {action} BTC-USDT")
        wanted = full_instrument(name)
        if dry_run:
            there = wanted in ask(commands.GetGroups()).watchlist
            stands = "is on the watchlist" if there else "is not on the watchlist"
            say_done(f"would {action} {wanted}, which {stands}", style, dry_run=True)
        elif action == "add":
            say_done(ask(commands.WatchInstrument(instrument=wanted)).text, style)
        else:
            say_done(ask(commands.UnwatchInstrument(instrument=wanted)).text, style)
        return
    names = ask(commands.GetGroups()).watchlist
    if style == "json":
        print_json(names)
        return
    for known in names:
        click.echo(known)


@click.command()
@click.argument("name")
@click.option("--depth", default=10, show_default=True, type=click.IntRange(1, 500))
@format_option
def book(name: str, depth: int, style: str) -> None:
    """Show the best levels of NAME's book, asks above bids."""
    instrument = full_instrument(name)
    view = ask(commands.GetBook(instrument=instrument, depth=depth))
    if style == "json":
        print_json(view)
        return
    item = _instrument(instrument)
    levels = [("ask", *level) for level in reversed(view.asks)]
    levels += [("bid", *level) for level in view.bids]
    print_table(
        ("side", "price", "size"),
        [(side, item.price(price), item.size(size)) for side, price, size in levels],
        f"the book of {instrument} is empty or not trusted; see `clx status`",
    )


@click.command()
@click.argument("name")
@click.option("--timeframe", "-t", default="1m", type=click.Choice([t.value for t in Timeframe]))
@click.option("--bars", "count", default=100, show_default=True, type=click.IntRange(1, 5000))
@click.option("--indicator", "-i", "indicators", multiple=True, help=INDICATORS_HELP)
@click.option("--by", "rule", default="", help="tick:100, volume:5 or dollar:1000000, not time")
@format_option
def bars(
    name: str, timeframe: str, count: int, indicators: tuple[str, ...], rule: str, style: str
) -> None:
    """Show closed bars of NAME: a chart, or JSON.

    With --by they are cut by activity; the engine follows a rule from the first time it is asked.
    """
    instrument = full_instrument(name)
    if rule:
        _by_activity(instrument, rule, min(count, 2000), style)
        return
    chart: Chart = ask(
        commands.GetChart(
            instrument=instrument,
            timeframe=Timeframe(timeframe),
            bars=count,
            indicators=indicators,
        )
    )
    if style == "json":
        print_json(chart)
        return
    from clx.cli.picture import draw_chart

    draw_chart(chart, _instrument(instrument))


def _by_activity(instrument: InstrumentId, rule: str, count: int, style: str) -> None:
    asked = commands.GetActivityBars(instrument=instrument, rule=rule, bars=count)
    found: tuple[ActivityBar, ...] = ask(asked)
    if style == "json":
        print_json(found)
        return
    item = _instrument(instrument)
    print_table(
        ("from", "length s", "open", "high", "low", "close", "volume", "trades", ""),
        [
            (
                _time(bar.ts_open_ns),
                f"{(bar.ts_close_ns - bar.ts_open_ns) / 1e9:.3f}",
                *(
                    item.price(ticks)
                    for ticks in (
                        bar.open_ticks, bar.high_ticks, bar.low_ticks, bar.close_ticks,
                    )
                ),
                item.size(bar.volume_lots),
                bar.trades,
                "" if bar.whole else "trades missing",
            )
            for bar in found
        ],
        f"no bar of {rule} closed yet; they are built from now on",
    )  # fmt: skip


def _instrument(name: InstrumentId) -> Instrument:
    found: tuple[Instrument, ...] = ask(commands.GetInstruments(contains=name))
    return next(item for item in found if item.id == name)


def _time(ts_ns: int) -> str:
    return dt.datetime.fromtimestamp(ts_ns / 1e9, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")


def _yes(value: bool) -> str:
    return "yes" if value else "no"
