"""Funding that came due while nobody ran: what a simulated account owes for the time between.

Its positions were the same all that time, as there was nobody to change them. Each payment has the
name it would have had, so what was booked before is never booked again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Final, Protocol, runtime_checkable

import msgspec

from core.model.errors import ClxError, ConfigError, TemporaryError
from core.model.funding import FundingPaid
from core.model.ids import InstrumentId
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Timeframe
from core.model.ports import Feed, TellsFunding
from core.wire.backoff import Backoff

LONGEST_NS: Final = 30 * 86_400_000_000_000
"""What was due longer ago is left: venues tell about a month in one answer."""
_LOOK_NS: Final = 15 * Timeframe.M1.ns


@runtime_checkable
class Owes(Protocol):
    """A venue whose account lives here, and so pays only what it is told of."""

    def pay_arrears(
        self, instrument_id: InstrumentId, rows: Sequence[FundingPaid], paid: Callable[[str], bool]
    ) -> None:
        """Pay what came due on what is held; `paid` knows flows by name that were booked."""
        ...


async def due_between(
    feed: Feed, instrument: Instrument, start_ns: int, end_ns: int
) -> list[FundingPaid]:
    """Return funding settled within (start, end), each with the price it was worked out by.

    Where the venue does not say, that is the last trade's before it.

    Raises:
        TemporaryError: The venue is away.
        ConfigError: It tells no funding of the past.
        DataError: Its answer is not what it documents.
    """
    if not isinstance(feed, TellsFunding):
        return []
    out: list[FundingPaid] = []
    for paid in await feed.funding(instrument.id, start_ns + 1, end_ns):
        if not start_ns < paid.at_ns < end_ns:
            continue
        price = paid.price
        if price is None:
            bars = await feed.history(
                instrument.id, Timeframe.M1, paid.at_ns - _LOOK_NS, paid.at_ns
            )
            if not bars:
                continue
            price = instrument.price(bars[-1].close_ticks)
        out.append(msgspec.structs.replace(paid, price=price))
    return out


async def settle(
    feed: Feed,
    venue: Owes,
    instruments: Sequence[Instrument],
    span: tuple[int, int],
    paid: Callable[[str], bool],
    *,
    told: Callable[[str], None],
    rng: random.Random,
) -> None:
    """Have a venue pay what came due on some instruments within a span, asking until it is known.

    What cannot be known is told, and left.
    """
    backoff = Backoff(rng, first_s=1.0, max_s=60.0)
    start_ns, end_ns = span
    if start_ns < end_ns - LONGEST_NS:
        start_ns = end_ns - LONGEST_NS
        told("funding of more than 30 days ago is not charged: no engine ran for so long")
    for item in instruments:
        if item.kind is not InstrumentKind.PERPETUAL:
            continue
        while True:
            try:
                rows = await due_between(feed, item, start_ns, end_ns)
            except TemporaryError as error:
                told(f"funding of {item.id} since the last engine: {error}; trying again")
                await asyncio.sleep(backoff.next_s())
                continue
            except ConfigError:
                told(f"{item.venue} tells no funding of the past: {item.id} is charged from now on")
                break
            except ClxError as error:
                told(f"funding of {item.id} since the last engine is not charged: {error}")
                break
            venue.pay_arrears(item.id, rows, paid)
            break
