"""An order's whole life, put together from the journal, the wire and what is known of it now."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol, runtime_checkable

from core.engine.kernel import Kernel
from core.engine.naming import find_order
from core.model import commands as c
from core.model.facts import JournalRecord
from core.model.ids import VenueName
from core.model.inspection import LifeStep, OrderLife
from core.model.orders import Order
from core.model.ports import Journal, Venue
from core.trading.life import steps_of

_ROWS: Final = 5000
"""Records looked through before everything else gets its turn."""


class WireSeen(Protocol):
    """One request with its answer, or something the venue said unasked."""

    @property
    def sent_ns(self) -> int:
        """When it went out; of what came unasked, when it came."""
        ...

    @property
    def answered_ns(self) -> int:
        """When the answer came, 0 if none did."""
        ...

    @property
    def sent(self) -> str:
        """Method and URL, redacted; empty for what came unasked."""
        ...

    @property
    def answer(self) -> bytes:
        """What came, as it came."""
        ...

    @property
    def words(self) -> str:
        """Its status, or why there is none."""
        ...


@runtime_checkable
class ShowsTraffic(Protocol):
    """A venue that remembers what went over the wire for it."""

    name: VenueName

    def traffic(self, order: Order) -> Sequence[WireSeen]:
        """Return what went over the wire about an order; may read files, in any thread."""
        ...


async def tell(
    kernel: Kernel, journal: Journal, venues: Iterable[Venue], ask: c.GetOrderLife
) -> OrderLife:
    """Tell an order's life.

    Raises:
        ConfigError: No order has that id, or several end with it.
        StoreError: The journal, or what is kept beside it, cannot be read.
    """
    order = find_order(kernel.desk.orders(include_ended=True), ask.client_order_id)
    records: list[tuple[int, JournalRecord]] = []
    reached = 0
    while True:
        reached, found = journal.find(order.id, reached, _ROWS)
        records += found
        if not reached:
            break
        await asyncio.sleep(0)
    passed = await asyncio.to_thread(kernel.desk.passed.find, order.id)
    steps = list(steps_of(order.id, records, passed))
    venue = next((item for item in venues if item.name == order.venue), None)
    if isinstance(venue, ShowsTraffic):
        steps += _on_the_wire(await asyncio.to_thread(venue.traffic, order))
        wire = "bytes as they went; the oldest give way, keys and signatures are left out"
    else:
        wire = f"{order.venue} keeps no bytes: nothing leaves this machine, or its library sends it"
    steps.sort(key=lambda step: (step.ts_ns, step.seq == 0, step.seq))
    return OrderLife(order=order, group=_group(kernel, order), steps=tuple(steps), wire=wire)


def _group(kernel: Kernel, order: Order) -> tuple[Order, ...]:
    """Return the orders it is linked with, stands for, or was replaced by."""
    intent = order.intent
    return tuple(
        other
        for other in kernel.desk.orders(include_ended=True)
        if other.id != order.id
        and (
            (intent.group_id and other.intent.group_id == intent.group_id)
            or other.intent.replaces == order.id
            or other.id == intent.replaces
        )
    )


def _on_the_wire(seen: Iterable[WireSeen]) -> Iterator[LifeStep]:
    for item in seen:
        answer = item.answer.decode(errors="replace")
        if not item.sent:
            yield LifeStep(ts_ns=item.sent_ns, what="pushed", text=answer)
            continue
        yield LifeStep(ts_ns=item.sent_ns, what="sent", text=item.sent)
        if item.answered_ns:
            took_ms = (item.answered_ns - item.sent_ns) / 1e6
            text = f"{item.words} after {took_ms:.2f} ms: {answer}"
            yield LifeStep(ts_ns=item.answered_ns, what="answer", text=text)
        else:
            yield LifeStep(ts_ns=item.sent_ns, what="no answer", text=item.words)
