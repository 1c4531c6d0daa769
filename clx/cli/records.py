"""Verbs that list what was ordered, filled, held and booked."""

from __future__ import annotations

import datetime as dt
import re
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from clx.cli.data.times import parse_time
from clx.cli.naming import full_instrument
from clx.cli.output import list_format_option, print_json, print_table
from clx.client import ask
from core.model import commands
from core.model.accounts import Balance, LedgerEntry, Position
from core.model.errors import ConfigError, did_you_mean
from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.orders import UNPROTECTED, Order, OrderFilled
from core.model.views import StrategyView
from core.model.wording import gain, money

if TYPE_CHECKING:
    from tui.draw.tables import Table

_MOST: Final = 10_000
_AGO: Final = re.compile(r"^(\d+)([smhdw])$")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
F = TypeVar("F", bound=Callable[..., Any])


def _filters(*names: str) -> Callable[[F], F]:
    """Add filter options to a verb."""
    known = {
        "instrument": ("--instrument", "only of this instrument"),
        "strategy": ("--strategy", "only of this strategy"),
        "since": ("--since", "from then on: 90m, 2h, 7d or a UTC time such as 2026-11-21"),
        "account": ("--account", "only at this account, as [venues.NAME] calls it"),
    }

    def add(function: F) -> F:
        for name in reversed(names):
            option, words = known[name]
            function = click.option(option, name, default=None, help=words)(function)
        return function

    return add


def since_ns(text: str | None, now_ns: int) -> int:
    """Return when ``2h`` ago or ``2026-11-21`` was, 0 for no text.

    Raises:
        ConfigError: It is neither a time ago nor a time.
    """
    if text is None:
        return 0
    ago = _AGO.match(text.lower())
    if ago is not None:
        return now_ns - int(ago[1]) * _SECONDS[ago[2]] * 10**9
    try:
        return parse_time(text, "--since")
    except ConfigError as error:
        raise ConfigError(f"{error}; or how long ago, such as 90m, 2h, 7d") from None


@click.command()
@click.option("--all", "everything", is_flag=True, help="ended orders too")
@_filters("instrument", "strategy", "account", "since")
@list_format_option
def orders(
    everything: bool,
    instrument: str | None,
    strategy: str | None,
    account: str | None,
    since: str | None,
    style: str,
) -> None:
    """List open orders, or all known ones."""
    wanted = full_instrument(instrument) if instrument else None
    after = since_ns(since, time.time_ns())
    found: Sequence[Order] = [
        order
        for order in ask(commands.GetOrders(all=everything, instrument=wanted))
        if strategy in {None, order.intent.strategy_id}
        and account in {None, order.venue}
        and order.ts_updated_ns >= after
    ]
    _heed(found, wanted, strategy, account)
    if style != "table":
        _print(found, style, "ORDERS")
        return
    print_table(
        (
            "id", "time", "instrument", "side", "type", "size", "price", "trigger", "filled",
            "state", "held by", "group", "why",
        ),
        [_order_row(o) for o in found],
        "no orders; `clx order buy 0.01 BTC-USDT @PRICE` places one",
    )  # fmt: skip


def _order_row(order: Order) -> tuple[object, ...]:
    from tui.draw.records import link_words, state_words, trigger_words

    intent = order.intent
    return (
        intent.client_order_id,
        show_time(order.ts_submitted_ns),
        intent.instrument_id,
        intent.side.value,
        intent.type.value.replace("_", " "),
        intent.size,
        intent.price,
        trigger_words(order) or None,
        order.filled,
        state_words(order),
        order.watched_by or None,
        link_words(order) or None,
        order.note or intent.reason,
    )


@click.command()
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, _MOST))
@_filters("instrument", "strategy", "account", "since")
@list_format_option
def fills(
    limit: int,
    instrument: str | None,
    strategy: str | None,
    account: str | None,
    since: str | None,
    style: str,
) -> None:
    """List executions, newest last."""
    wanted = full_instrument(instrument) if instrument else None
    after = since_ns(since, time.time_ns())
    mine = _orders_of(strategy)
    filtered = any((instrument, strategy, account, since))
    found: Sequence[OrderFilled] = [
        fill
        for fill in ask(commands.GetFills(limit=_MOST if filtered else limit))
        if wanted in {None, fill.instrument_id}
        and account in {None, fill.venue}
        and (mine is None or fill.client_order_id in mine)
        and (fill.ts_event_ns or fill.ts_ns) >= after
    ][-limit:]
    _heed(found, wanted, strategy, account)
    if style != "table":
        _print(found, style, "FILLS")
        return
    print_table(
        ("time", "instrument", "side", "size", "price", "fee", "asset", "maker", "order"),
        [
            (
                show_time(f.ts_event_ns),
                f.instrument_id,
                f.side.value,
                f.size,
                f.price,
                f.fee,
                f.fee_asset,
                "yes" if f.maker else "no",
                f.client_order_id,
            )
            for f in found
        ],
        "no fills of that kind" if filtered else "no fills yet",
    )


def _orders_of(strategy: str | None) -> frozenset[str] | None:
    """Return the ids of a strategy's orders, None for any."""
    if strategy is None:
        return None
    known: Iterable[Order] = ask(commands.GetOrders(all=True))
    return frozenset(order.id for order in known if order.intent.strategy_id == strategy)


@click.command()
@_filters("instrument", "account")
@list_format_option
def positions(instrument: str | None, account: str | None, style: str) -> None:
    """List positions with average price, profit, fees and funding."""
    wanted = full_instrument(instrument) if instrument else None
    found: Sequence[Position] = [
        position
        for position in ask(commands.GetPositions())
        if wanted in {None, position.instrument_id} and account in {None, position.venue}
    ]
    _heed(found, wanted, None, account)
    if style != "table":
        _print(found, style, "POSITIONS")
        return
    print_table(
        (
            "instrument", "side", "size", "average", "mark", "unrealised", "realised", "fifo",
            "fees", "funding", "liquidation", "account",
        ),
        [
            (
                p.instrument_id,
                p.side.value,
                p.size,
                p.average_price and round(p.average_price, 8),
                p.mark_price,
                gain(p.unrealised_pnl, p.pays_in),
                gain(p.realised_pnl, p.pays_in),
                gain(p.realised_fifo, p.pays_in),
                money(p.fees, p.pays_in),
                gain(p.funding, p.pays_in),
                p.liquidation_price,
                p.venue,
            )
            for p in found
        ],
        "no positions",
    )  # fmt: skip
    for p in found:
        if p.unprotected:
            what = f"{p.unprotected.normalize():f} of {p.instrument_id} at {p.venue} have no exits"
            click.echo(f"{UNPROTECTED}: {what}, they are too small; see clx orders", err=True)


@click.command()
@_filters("account")
@list_format_option
def balances(account: str | None, style: str) -> None:
    """List what the accounts hold."""
    found: Sequence[Balance] = [
        item for item in ask(commands.GetBalances()) if account in {None, item.venue}
    ]
    _heed(found, None, None, account)
    if style != "table":
        _print(found, style, "BALANCES")
        return
    print_table(
        ("venue", "asset", "total", "held", "free"),
        [(b.venue, b.asset, b.total, b.held, b.free) for b in found],
        "no balances are known yet; see `clx status`",
    )


@click.command()
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, _MOST))
@_filters("instrument", "strategy", "account", "since")
@list_format_option
def ledger(
    limit: int,
    instrument: str | None,
    strategy: str | None,
    account: str | None,
    since: str | None,
    style: str,
) -> None:
    """List double-entry ledger lines, newest last; transactions are kept whole."""
    wanted = full_instrument(instrument) if instrument else None
    after = since_ns(since, time.time_ns())
    mine = _orders_of(strategy)
    filtered = any((instrument, strategy, account, since))
    lines: Sequence[LedgerEntry] = ask(commands.GetLedger(limit=_MOST if filtered else limit))
    kept = {entry.transaction for entry in lines if entry.ts_ns >= after}
    for name in (wanted, account):
        if name is not None:
            kept &= {e.transaction for e in lines if e.account.partition(":")[2] == name}
    if mine is not None:
        # A fill's reference is its order's id, then its execution's.
        kept &= {entry.transaction for entry in lines if entry.ref.partition(" ")[0] in mine}
    found = _whole([entry for entry in lines if entry.transaction in kept], limit)
    _heed(found, wanted, strategy, account)
    if style != "table":
        _print(found, style, "LEDGER")
        return
    print_table(
        ("tx", "time", "kind", "account", "asset", "amount", "ref"),
        [
            (e.transaction, show_time(e.ts_ns), e.kind.value, e.account, e.asset, e.amount, e.ref)
            for e in found
        ],
        "no ledger lines of that kind" if filtered else "the ledger is empty",
    )


def _whole(lines: Sequence[LedgerEntry], limit: int) -> Sequence[LedgerEntry]:
    """Return the newest lines, no more than `limit` unless the newest transaction has more."""
    first = max(0, len(lines) - limit)
    while first and lines[first].transaction == lines[first - 1].transaction:
        first += 1
        if first == len(lines):
            # It alone is longer.
            newest = lines[-1].transaction
            return [line for line in lines if line.transaction == newest]
    return lines[first:]


def _heed(
    found: Sequence[object],
    instrument: InstrumentId | None,
    strategy: str | None,
    account: str | None,
) -> None:
    """Refuse an empty answer where it is a filter's word that nobody knows.

    Raises:
        ConfigError: Nothing is called so; names what is nearest.
    """
    if found:
        return
    if instrument is not None and not ask(commands.GetInstruments(names=(instrument,))):
        every: Sequence[Instrument] = ask(commands.GetInstruments())
        _unknown("instrument", instrument, [item.id for item in every])
    if account is not None:
        report: commands.StatusReport = ask(commands.GetStatus())
        _unknown("account", account, [item.venue for item in report.venues])
    if strategy is not None:
        views: Sequence[StrategyView] = ask(commands.GetStrategies())
        _unknown("strategy", strategy, [item.info.id for item in views])


def _unknown(kind: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        near = did_you_mean(name, known)
        there = f"; there are {', '.join(known)}" if not near and 0 < len(known) < 20 else near
        raise ConfigError(f"unknown {kind} {name!r}{there}")


def _print(items: Sequence[object], style: str, table: str) -> None:
    """Print as JSON, or as the same CSV that the terminal exports."""
    if style == "json":
        print_json(items)
        return
    from tui.draw import records
    from tui.export import csv_text

    columns: Table[Any] = getattr(records, table)
    click.echo(csv_text(columns, items), nl=False)


def show_time(ts_ns: int) -> str:
    """Return a time to the second, ``2026-11-21 14:02:11``."""
    return dt.datetime.fromtimestamp(ts_ns / 1e9, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")
