"""Live market data as lines, for shells and screen readers."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from typing import TYPE_CHECKING

import click

from clx.cli.naming import full_instrument
from clx.cli.numbers import Number
from clx.cli.output import format_option
from clx.client import ask
from core.model import commands
from core.model.errors import ConfigError, LinkError
from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.market import FeedStatus
from core.model.views import View
from store.paths import find_paths

if TYPE_CHECKING:
    from link.client import UnixLink


@click.command()
@click.argument("names", nargs=-1)
@click.option("--trades", is_flag=True, help="trades of the first instrument instead of quotes")
@click.option("--fps", default=2.0, show_default=True, type=Number(0.2, 30))
@click.option("--count", default=0, help="stop after this many lines (0: until ctrl+c)")
@format_option
def watch(names: tuple[str, ...], trades: bool, fps: float, count: int, style: str) -> None:
    """Print live quotes of NAMES (or the watchlist) as they change."""
    ids = tuple(full_instrument(name) for name in names)
    if trades and not ids:
        raise ConfigError("say which instrument's trades: clx watch BTC-USDT --trades")
    # Says at once which name is unknown, and that no engine runs.
    known = ask(commands.GetQuotes(instruments=ids))
    if not trades:
        ids = ids or tuple(line.instrument_id for line in known)
    view = View(focus=ids[0], depth=0, bars=1, fps=fps) if trades else View(quotes=ids, fps=fps)
    asyncio.run(_follow(view, fps, count, style))


async def _follow(view: View, fps: float, count: int, style: str) -> None:
    from link.client import UnixLink

    link = UnixLink(find_paths().socket, origin="cli")
    task = asyncio.create_task(link.run(), name="link")
    lines = 0
    up_once = False
    told: dict[InstrumentId, tuple[int, ...]] = {}
    try:
        while True:
            await asyncio.sleep(1 / fps)
            if link.state != "up":
                if not up_once and link.state == "down":
                    raise LinkError(link.reason)
                continue
            if not up_once:
                up_once = True
                link.watch(view)
            for line in _news(link, view, told, style):
                click.echo(line)
                lines += 1
                if count and lines >= count:
                    return
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _news(
    link: UnixLink, view: View, told: dict[InstrumentId, tuple[int, ...]], style: str
) -> list[str]:
    """Return a line for each trade, or for each quote that is not as it was `told` before."""
    replica = link.replica
    dirty = replica.take_dirty()
    out: list[dict[str, str]] = []
    if "tape" in dirty and replica.chart is not None:
        item = replica.instruments[replica.chart.instrument_id]
        out += [
            {
                "time": _time(row.ts_event_ns),
                "instrument": item.id,
                "side": "sell" if row.buyer_is_maker else "buy",
                "price": str(item.price(row.price_ticks)),
                "size": str(item.size(row.size_lots)),
            }
            for row in replica.tape
        ]
        replica.tape.clear()
    elif "quotes" in dirty:
        for line in replica.quotes.values():
            known = replica.instruments.get(line.instrument_id)
            now = (line.bid_ticks, line.ask_ticks, line.last_ticks, line.status)
            if known is None or known.id not in view.quotes or told.get(known.id) == now:
                continue
            told[known.id] = now
            fields = _quote(known, line.bid_ticks, line.ask_ticks, line.last_ticks)
            fields["data"] = FeedStatus(line.status).name.lower()
            fields["age"] = f"{line.age_ms} ms"
            out.append(fields)
    return [json.dumps(item) if style == "json" else "  ".join(item.values()) for item in out]


def _quote(item: Instrument, bid: int, offer: int, last: int) -> dict[str, str]:
    prices = {"bid": bid, "ask": offer, "last": last}
    # 0 is none, as beside an empty side of the book.
    shown = {name: str(item.price(ticks)) if ticks else "-" for name, ticks in prices.items()}
    return {"instrument": item.id, **shown}


def _time(ts_ns: int) -> str:
    return dt.datetime.fromtimestamp(ts_ns / 1e9, dt.UTC).strftime("%H:%M:%S.%f")[:-3]
