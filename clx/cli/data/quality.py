"""`clx data quality`: how far the data could be trusted, by instrument and UTC day."""

from __future__ import annotations

import click

from clx.cli.naming import full_instrument
from clx.cli.output import format_option, print_folded, print_json
from clx.client import ask
from core.model import commands
from core.model.ids import InstrumentId
from core.model.market import FeedStatus


@click.command()
@click.argument("instruments", nargs=-1)
@click.option("--days", default=1, type=click.IntRange(1, 400), help="days back, today included")
@format_option
def quality(instruments: tuple[str, ...], days: int, style: str) -> None:
    """Show the data quality of INSTRUMENTS, of all followed ones without any."""
    names = tuple(InstrumentId(full_instrument(name)) for name in instruments)
    found = ask(commands.GetQuality(instruments=names, days=days))
    if style == "json":
        print_json(found)
        return
    print_folded(
        (
            "instrument", "day", "status", "live %", "msg/s", "gaps", "resyncs", "holes", "late",
            "checksums", "rejected", "outages", "delay ms", "why",
        ),
        [
            (
                item.instrument_id,
                item.day,
                FeedStatus(item.status).name.lower() + (" unchecked" if item.unchecked else ""),
                f"{100 * item.live_s / (item.live_s + item.stale_s or 1):.2f}",
                f"{item.rate_per_s:.1f}",
                item.gaps,
                item.resyncs,
                f"{item.trade_holes} ({item.trades_refilled} filled)"
                if item.trades_refilled
                else item.trade_holes,
                item.late_trades,
                f"{item.checksum_ok} ok {item.checksum_bad} bad"
                if item.checksum_ok or item.checksum_bad
                else "none",
                item.rejected,
                item.outages,
                f"{item.delay_ms:.1f}",
                item.reason,
            )
            for item in found
        ],
        "no instrument is followed",
    )  # fmt: skip
