"""What the data verbs do with single trades: fetch, find holes by their ids, fill them."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

import click

from clx.cli.data.progress import progress_bars
from clx.cli.data.session import Failures, Session, listed, open_feed
from clx.cli.data.times import show_length
from clx.cli.output import print_json, print_table
from core.model.errors import ConfigError
from core.model.ids import InstrumentId, VenueName, split_instrument_id
from core.model.instruments import Instrument
from core.model.ports import TellsTrades
from core.model.stores import TradeHole

if TYPE_CHECKING:
    from core.history.pasttrades import FilledTrades, TradeBackfill
    from core.model.ports import Feed
    from store.market import MarketStore


async def fill_trades(
    here: Session,
    store: MarketStore,
    names: Sequence[InstrumentId],
    start_ns: int,
    end_ns: int,
    failures: Failures,
) -> list[FilledTrades]:
    """Fetch the trades of some instruments that the store lacks.

    Raises:
        ConfigError: A venue tells no trades of the past.
    """
    done: list[FilledTrades] = []
    with progress_bars() as told:
        for venue, mine in _by_venue(names).items():
            async with open_feed(here, venue) as feed:
                work = _work(store, feed)
                for name in mine:
                    with failures.passed_over(name):
                        item = await listed(feed, name)
                        whole = feed.decoder.rule.traits(item).consecutive_trades
                        done.append(
                            await work.fill(item, start_ns, end_ns, consecutive=whole, told=told)
                        )
    return done


async def fetch_dropped(
    here: Session, store: MarketStore, wanted: Collection[InstrumentId], failures: Failures
) -> list[FilledTrades]:
    """Fetch the trades a repair dropped, where their venues still tell them."""
    done: list[FilledTrades] = []
    for lost in store.upkeep.dropped():
        if lost.timeframe is not None or (wanted and lost.instrument_id not in wanted):
            continue
        span = (lost.start_ns, lost.end_ns)
        try:
            found = await fill_trades(here, store, [lost.instrument_id], *span, failures)
        except ConfigError as error:
            click.echo(f"dropped for good: {lost.instrument_id} trades: {error}", err=True)
            store.upkeep.fetched(lost)
            continue
        if found:
            store.upkeep.fetched(lost)
        done += found
    return done


async def mend_trades(
    here: Session,
    store: MarketStore,
    holes: Mapping[InstrumentId, list[TradeHole]],
    failures: Failures,
) -> list[FilledTrades]:
    """Fetch the trades that holes in the ids tell are missing; skip venues that cannot."""
    done: list[FilledTrades] = []
    with progress_bars() as told:
        for venue, mine in _by_venue(list(holes)).items():
            async with open_feed(here, venue) as feed:
                try:
                    work = _work(store, feed)
                except ConfigError as error:
                    click.echo(str(error), err=True)
                    continue
                for name in mine:
                    with failures.passed_over(name):
                        item = await listed(feed, name)
                        done.append(await work.mend(item, holes[name], told=told))
    return done


def trade_holes(
    here: Session, store: MarketStore, wanted: Collection[InstrumentId], start_ns: int = 0
) -> dict[InstrumentId, list[TradeHole]]:
    """Return the holes in the stored trades of venues whose ids leave none out."""
    found: dict[InstrumentId, list[TradeHole]] = {}
    for info in store.upkeep.series():
        name = info.instrument_id
        if info.timeframe is not None or (wanted and name not in wanted):
            continue
        if _leaves_none_out(here, name):
            first_ns = max(info.first_ns, start_ns)
            holes = store.past.holes(name, first_ns, info.last_ns + 1)
            if holes:
                found[name] = holes
    return found


def report_trades(filled: Sequence[FilledTrades], style: str) -> None:
    """Print what came of it."""
    if style == "json":
        print_json(filled)
        return
    print_table(
        ("instrument", "what", "new", "there before", "beyond the venue's memory", "still missing"),
        [
            (
                item.instrument.id,
                "trades",
                item.written.new,
                item.written.kept,
                show_length(item.beyond_ns) if item.beyond_ns else None,
                sum(hole.trades for hole in item.left),
            )
            for item in filled
        ],
        "nothing to fetch",
    )


def _work(store: MarketStore, feed: Feed) -> TradeBackfill:
    from core.engine.clock import SystemClock
    from core.history.pasttrades import TradeBackfill

    if not isinstance(feed, TellsTrades):
        raise ConfigError(f"{feed.venue} tells no trades of the past; take its bars")
    teller = feed
    return TradeBackfill(
        store.past,
        lambda item, *rest: teller.trades(item.id, *rest),
        clock=SystemClock(),
        rng=random.Random(),  # noqa: S311  jitter, no secret
        joins=teller.joins_trades,
    )


def _by_venue(names: Sequence[InstrumentId]) -> dict[VenueName, list[InstrumentId]]:
    out: dict[VenueName, list[InstrumentId]] = {}
    for name in names:
        out.setdefault(split_instrument_id(name)[1], []).append(name)
    return out


def _leaves_none_out(here: Session, name: InstrumentId) -> bool:
    """Return whether the ids of an instrument's venue leave no number out, without asking it."""
    from core.feeds.registry import make_decoder

    symbol, venue = split_instrument_id(name)
    table = here.feeds.get(venue)
    try:
        decoder = make_decoder((table.kind if table is not None else "") or venue, venue)
    except ConfigError:
        return False
    stand_in = Instrument(
        id=name, venue=venue, venue_symbol=symbol, base=symbol, quote=symbol,
        price_tick=Decimal(1), size_lot=Decimal(1),
    )  # fmt: skip
    return decoder.rule.traits(stand_in).consecutive_trades
