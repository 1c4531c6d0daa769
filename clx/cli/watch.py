"""Live market data as lines, for shells and screen readers."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING

import click

from clx.cli.naming import full_instrument
from clx.cli.output import format_option
from core.model.errors import ConfigError, LinkError
from core.model.instruments import Instrument
from core.model.market import FeedStatus
from core.model.views import View
from store.paths import find_paths

if TYPE_CHECKING:
    from link.client import UnixLink


@click.command()
@click.argument("names", nargs=-1)
@click.option("--trades", is_flag=True, help="trades of the first instrument instead of quotes")
@click.option("--fps", default=2.0, show_default=True, type=click.FloatRange(0.2, 30))
@click.option("--count", default=0, help="stop after this many lines (0: until ctrl+c)")
@format_option
def watch(names: tuple[str, ...], trades: bool, fps: float, count: int, style: str) -> None:
    """Print live quotes of NAMES (or the watchlist) as they change."""
    ids = tuple(full_instrument(name) for name in names)
    if trades and not ids:
        raise ConfigError("say which instrument's trades: clx watch BTC-USDT --trades")
    view = View(focus=ids[0], depth=0, bars=1, fps=fps) if trades else View(quotes=ids, fps=fps)
    asyncio.run(_follow(view, fps, count, style))


async def _follow(view: View, fps: float, count: int, style: str) -> None:
    from link.client import UnixLink

    link = UnixLink(find_paths().socket, origin="cli")
    task = asyncio.create_task(link.run(), name="link")
    lines = 0
    up_once = False
    try:
        while True:
            await asyncio.sleep(1 / fps)
            if link.state != "up":
                if not up_once and link.state == "down":
                    raise LinkError(f"{link.reason}; start an engine with `clx daemon start`")
                continue
            if not up_once:
                up_once = True
                if not view.quotes and view.focus is None:
                    view = View(quotes=link.replica.watchlist, fps=fps)
                link.watch(view)
            for line in _news(link, style):
                click.echo(line)
                lines += 1
                if count and lines >= count:
                    return
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _news(link: UnixLink, style: str) -> list[str]:
    import json

    replica = link.replica
    dirty = replica.take_dirty()
    out = []
    if "tape" in dirty and replica.chart is not None:
        item = replica.instruments[replica.chart.instrument_id]
        for row in replica.tape:
            side = "sell" if row.buyer_is_maker else "buy"
            fields = {
                "time": _time(row.ts_event_ns),
                "instrument": item.id,
                "side": side,
                "price": str(item.price(row.price_ticks)),
                "size": str(item.size(row.size_lots)),
            }
            out.append(json.dumps(fields) if style == "json" else "  ".join(fields.values()))
        replica.tape.clear()
    elif "quotes" in dirty:
        for line in replica.quotes.values():
            known = replica.instruments.get(line.instrument_id)
            if known is not None and known.id in replica.watchlist:
                fields = _quote(known, line.bid_ticks, line.ask_ticks, line.last_ticks)
                fields["data"] = FeedStatus(line.status).name.lower()
                fields["age"] = f"{line.age_ms} ms"
                out.append(json.dumps(fields) if style == "json" else "  ".join(fields.values()))
    return out


def _quote(item: Instrument, bid: int, ask: int, last: int) -> dict[str, str]:
    return {
        "instrument": item.id,
        "bid": str(item.price(bid)),
        "ask": str(item.price(ask)),
        "last": str(item.price(last)),
    }


def _time(ts_ns: int) -> str:
    return dt.datetime.fromtimestamp(ts_ns / 1e9, dt.UTC).strftime("%H:%M:%S.%f")[:-3]
