"""`clx data import` and `export`: market data from and to other programs' files."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clx.cli.data.kept import bar
from clx.cli.data.session import Session, listed, market_store, open_feed, session
from clx.cli.data.times import parse_time, show_time
from clx.cli.data.times import timeframe as timeframe_of
from clx.cli.naming import full_instrument
from clx.cli.output import format_option, print_json
from core.feeds.kinds import CCXT
from core.model.errors import ConfigError, TemporaryError
from core.model.ids import InstrumentId, VenueName, split_instrument_id
from core.model.market import Timeframe
from core.model.wording import counted

if TYPE_CHECKING:
    from core.model.instruments import Instrument
    from store.transfer.formats import Format
    from store.transfer.lean import Asset

FORMATS = ("csv", "parquet", "freqtrade", "lean", "tardis", "binance")
ASSETS = {"equity": "stock", "crypto": "spot", "cryptofuture": "perpetual"}
"""LEAN's words for kinds of instruments, and ours."""
_STOCKS = {"alpaca", "massive", "twelvedata", "alphavantage"}
SUFFIXES = {".parquet": "parquet", ".feather": "freqtrade", ".csv": "csv"}


@click.command("import")
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.argument("instrument")
@click.option("--as", "kind", type=click.Choice(FORMATS), help="what FILE is, if unsaid")
@click.option("--timeframe", "-t", default="", help="length of the bars")
@click.option("--trades", is_flag=True, help="a CSV or Parquet file holds trades, not bars")
@click.option("--asset", type=click.Choice([*ASSETS]), help="how LEAN wrote it")
@click.option(
    "--steps",
    type=click.Choice(["venue", "file"]),
    default="file",
    show_default=True,
    help="tick and lot as the venue lists them, or as fine as the file needs",
)
@format_option
def load(
    file: Path, instrument: str, kind: str | None, timeframe: str, trades: bool,
    asset: Asset | None, steps: str, style: str,
) -> None:  # fmt: skip
    """Read FILE into the store as bars or trades of INSTRUMENT; every row is checked.

    CSV (ours), Parquet, freqtrade feather and JSON, LEAN zip, Tardis and Binance-vision CSV; also
    .gz and .zst. What is stored already from a better source is kept. In a data folder of LEAN's
    layout a zip's place tells its asset and length.
    """
    from store.transfer.formats import Format, import_file
    from store.transfer.lean import told_by

    name = full_instrument(instrument)
    if "-" not in split_instrument_id(name)[0]:
        raise ConfigError(
            f"an instrument is named BASE-QUOTE.venue, such as BTC-USDT.binance, was {name!r}"
        )
    # In SIM mode its market has to run: each has a store of its own, where other verbs look then.
    here = session(start=True)
    if here.emulator is not None:
        click.echo(
            "mode is sim: this is kept beside the invented prices of the market that runs now, and "
            'gone from view with it; set mode = "paper" to keep it for good',
            err=True,
        )
    target: Instrument | InstrumentId = name
    if steps == "venue":
        target = asyncio.run(_ask(here, name))
    form, length = _format(kind, file), _timeframe(timeframe)
    if form is Format.LEAN:
        told_asset, told_length = told_by(file)
        asset, length = asset or told_asset, length or told_length
    with market_store(here, create=True) as store, bar() as progress:
        report = import_file(
            file,
            form,
            target,
            length,
            store,
            progress,
            trades=trades,
            asset=asset,
        )
    if style == "json":
        print_json(report)
        return
    what = report.timeframe.value if report.timeframe else "trades"
    span = (
        f", {show_time(report.first_ns)} to {show_time(report.last_ns)}"
        if report.first_ns is not None and report.last_ns is not None
        else ""
    )
    click.echo(
        f"{counted(report.rows, 'row')} of {name} {what}{span}: {report.written.new:,} new, "
        f"{report.written.replaced:,} replaced, {report.written.kept:,} kept as they were"
    )
    if report.rounded:
        click.echo(f"{report.rounded:,} figures were binary floats and rounded to 10 decimals")


@click.command("export")
@click.argument("instrument")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--as", "kind", type=click.Choice(FORMATS), help="what to write, if unsaid")
@click.option("--timeframe", "-t", default="", help="length of the bars; without it trades")
@click.option("--since", default="", help="UTC day or time to begin at")
@click.option("--until", default="", help="UTC day or time to end at")
@click.option("--overwrite", is_flag=True, help="replace FILE if it exists")
@click.option("--epoch-ms", is_flag=True, help="CSV: times in milliseconds, not ISO")
@click.option(
    "--asset", type=click.Choice([*ASSETS]), help="what it is, if its name leaves it open"
)
@format_option
def dump(
    instrument: str, file: Path, kind: str | None, timeframe: str, since: str, until: str,
    overwrite: bool, epoch_ms: bool, asset: Asset | None, style: str,
) -> None:  # fmt: skip
    """Write the stored bars or trades of INSTRUMENT to FILE (LEAN: a folder), whole or not."""
    from store.transfer.formats import Format, export_series

    name = full_instrument(instrument)
    here = session()
    form = _format(kind, file)
    target: Instrument | InstrumentId = name
    if form in (Format.LEAN, Format.TARDIS, Format.BINANCE):
        target = _described(here, name, asset)
    with market_store(here) as store, bar() as progress:
        report = export_series(
            store,
            target,
            _timeframe(timeframe),
            file,
            form,
            start_ns=parse_time(since, "--since") if since else 0,
            end_ns=parse_time(until, "--until") if until else (1 << 63) - 1,
            progress=progress,
            overwrite=overwrite,
            epoch_ms=epoch_ms,
        )
    if style == "json":
        print_json(report)
        return
    where = report.paths[0] if len(report.paths) == 1 else f"{len(report.paths)} files below {file}"
    click.echo(f"{counted(report.rows, 'row')} in {where}")


def _described(here: Session, name: InstrumentId, asset: Asset | None) -> Instrument:
    """Return an instrument as far as layouts of files need it; its steps do not count.

    What is kept can be written without asking its venue, which may be gone.

    Raises:
        ConfigError: Nobody said what it is.
    """
    from core.model.instruments import Instrument, InstrumentKind

    symbol, venue = split_instrument_id(name)
    table = here.settings.feeds.get(venue)
    market = VenueName(((table.kind if table else "") or venue).removeprefix(CCXT))
    base, _, rest = symbol.partition("-")
    quote, _, term = rest.partition("-")
    if asset is not None:
        kind = InstrumentKind(ASSETS[asset])
    elif term:
        kind = InstrumentKind.PERPETUAL if term == "PERP" else InstrumentKind.FUTURE
    elif market in _STOCKS:
        raise ConfigError(f"{market} has stocks and crypto: say --asset, which {symbol} is")
    else:
        kind = InstrumentKind.SPOT
    return Instrument(
        id=name, venue=market, venue_symbol=symbol, base=base, quote=quote, kind=kind,
        price_tick=Decimal(1), size_lot=Decimal(1),
    )  # fmt: skip


async def _ask(here: Session, name: InstrumentId) -> Instrument:
    venue = split_instrument_id(name)[1]
    async with open_feed(here, venue) as feed:
        try:
            return await listed(feed, name)
        except TemporaryError as error:
            raise TemporaryError(f"the steps of {name} are its venue's to tell: {error}") from None


def _format(kind: str | None, file: Path) -> Format:
    from store.transfer.formats import Format

    if kind is not None:
        return Format(kind)
    for suffix in reversed(file.suffixes):
        if suffix in SUFFIXES:
            return Format(SUFFIXES[suffix])
    raise ConfigError(
        f"{file.name} does not say what it is: name it with --as ({', '.join(FORMATS)})"
    )


def _timeframe(text: str) -> Timeframe | None:
    return timeframe_of(text) if text else None
