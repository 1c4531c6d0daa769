"""The drill behind `clx drill`: every step of the ladder, done to a running engine and timed.

Times are what a person sees: from the command on, until orders, positions or the engine are as the
step wants them, as the engine's own facts say.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from typing import Any, Final, NamedTuple

from clx.spawn import alive, engine_answers, start_engine
from clx.watchdog.state import drill_file
from core.model import commands as c
from core.model.accounts import RiskState
from core.model.errors import ConfigError, LinkError
from core.model.ids import InstrumentId, client_order_id
from core.model.instruments import Instrument
from core.model.market import Side
from core.model.orders import Order, OrderState, OrderType
from link.client import UnixLink
from store.paths import Paths, find_paths

STEPS: Final[dict[str, float]] = {
    "place": 1.0,
    "pause": 0.25,
    "reduce": 1.0,
    "cancel": 1.0,
    "flatten": 2.0,
    "kill": 1.0,
    "restart": 20.0,
    "re-arm": 3.0,
    "clean up": 3.0,
}
"""Target of each step in seconds."""
_POLL_S: Final = 0.005
_WORTH: Final = Decimal(50)
"""What each order is worth, about, in the quote asset; more where the venue wants more."""
_ENDED: Final = frozenset({OrderState.DENIED, OrderState.REJECTED})


class Took(NamedTuple):
    """How long a step took, and what it did."""

    step: str
    took_s: float
    what: str


class Drill:
    """Rehearses on one instrument."""

    def __init__(self, instrument: InstrumentId, timeout_s: float) -> None:
        self._name = instrument
        self._timeout_s = timeout_s
        self._paths = find_paths()
        self._took: list[Took] = []
        self.mode = ""
        """Of the engine, once it was asked."""

    async def check(self) -> None:
        """Refuse where money is real or something is open.

        Raises:
            ConfigError: It is; says what.
            LinkError: No engine runs.
        """
        async with self._attached() as link:
            await self._check(link)

    async def run(self) -> list[Took]:
        """Go through every step; what was opened is closed again even when one fails.

        Raises:
            ConfigError: It may not be done here.
            LinkError: A step did not end in time; names it.
        """
        async with self._attached() as link:
            await self._check(link)
            try:
                await self._ladder(link)
                await self._protected(link)
            except BaseException:
                with contextlib.suppress(Exception):  # the first error is the one to be told
                    await self._clean_up(link)
                raise
            pid = link.replica.status.pid if link.replica.status is not None else 0
        with _in_hand(self._paths):
            await self._timed("kill", lambda: self._kill(pid))
            await self._timed("restart", self._restart)
        async with self._attached() as link:
            await self._timed("re-arm", lambda: self._rearmed(link))
        async with self._attached() as link:
            await self._timed("clean up", lambda: self._clean_up(link))
        return self._took

    # -- steps -----------------------------------------------------------------------------

    async def _ladder(self, link: UnixLink) -> None:
        await self._timed("place", lambda: self._place(link))
        await self._timed("pause", lambda: self._pause(link))
        await self._timed("reduce", lambda: self._reduce(link))
        await self._timed("cancel", lambda: self._cancel(link))
        await self._timed("flatten", lambda: self._flatten(link))

    async def _place(self, link: UnixLink) -> str:
        """Hold a little, protect it, and have an entry rest beside it."""
        size, low, stop = await self._figures(link)
        await self._resume(link)
        await self._submit(link, side=Side.BUY, size=size)
        await self._until(link, lambda: not self._flat(link), "the purchase to fill")
        held = await self._closable(link)
        await self._submit(
            link, side=Side.SELL, size=held, type=OrderType.STOP, trigger_price=stop,
            reduce_only=True,
        )  # fmt: skip
        await self._submit(link, side=Side.BUY, size=size, type=OrderType.LIMIT, price=low)
        await self._until(link, lambda: len(self._open(link)) == 2, "a stop and a bid to stand")
        return f"bought {size}, a stop and a bid stand"

    async def _pause(self, link: UnixLink) -> str:
        await self._ask(link, c.Kill(level="pause", reason="drill"))
        order = await self._entry(link)
        if order.state is not OrderState.DENIED or len(self._open(link)) != 2:
            raise ConfigError(f"drill: an entry was {order.state} while paused: {order.note}")
        return "an entry was refused, both orders stand"

    async def _reduce(self, link: UnixLink) -> str:
        await self._ask(link, c.Kill(level="reduce", reason="drill"))
        await self._until(link, lambda: len(self._open(link)) == 1, "the bid to be cancelled")
        if not self._open(link)[0].intent.reduce_only:
            raise ConfigError("drill: the stop was cancelled and the bid stands")
        return "the bid is cancelled, the stop stands"

    async def _cancel(self, link: UnixLink) -> str:
        await self._ask(link, c.Kill(level="cancel", reason="drill"))
        await self._until(link, lambda: not self._open(link), "the stop to be cancelled")
        return "nothing is open"

    async def _flatten(self, link: UnixLink) -> str:
        await self._ask(link, c.Kill(level="flatten", reason="drill"))
        await self._until(link, lambda: self._flat(link), "the position to be closed")
        return "the position is closed"

    async def _protected(self, link: UnixLink) -> None:
        """Hold something that a stop protects, for the crash to come."""
        size, _, stop = await self._figures(link)
        await self._resume(link)
        await self._submit(link, side=Side.BUY, size=size)
        await self._until(link, lambda: not self._flat(link), "the purchase to fill")
        held = await self._closable(link)
        await self._submit(
            link, side=Side.SELL, size=held, type=OrderType.STOP, trigger_price=stop,
            reduce_only=True,
        )  # fmt: skip
        await self._until(link, lambda: len(self._open(link)) == 1, "the stop to stand")

    async def _kill(self, pid: int) -> str:
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + self._timeout_s
        while alive(pid) or engine_answers(self._paths.socket):
            if time.monotonic() > deadline:
                raise LinkError(f"drill: engine {pid} does not die")
            await asyncio.sleep(_POLL_S)
        return f"engine {pid} was killed (SIGKILL)"

    async def _restart(self) -> str:
        starting = start_engine(self._paths)
        deadline = time.monotonic() + self._timeout_s
        while not engine_answers(self._paths.socket):
            if why := starting.why_not():
                raise LinkError(f"drill: {why}")
            if time.monotonic() > deadline:
                raise LinkError("drill: the engine was started again and does not answer")
            await asyncio.sleep(_POLL_S)
        return "its doorway is open again"

    async def _rearmed(self, link: UnixLink) -> str:
        """Wait until orders and positions are compared, and the stop stands.

        It asks, as a link that came up while the journal was being read was told of nothing in it.
        """
        deadline = time.monotonic() + self._timeout_s
        stop: Order | None = None
        while stop is None:
            if time.monotonic() > deadline:
                raise LinkError(f"drill: waited {self._timeout_s:g} s for the stop to stand")
            await asyncio.sleep(_POLL_S)
            report: c.StatusReport = await self._ask(link, c.GetStatus())
            compared = all(view.reconciled_ns and view.connected for view in report.venues)
            if report.status.phase != "running" or not compared:
                continue
            orders: tuple[Order, ...] = await self._ask(link, c.GetOrders(instrument=self._name))
            stop = next((item for item in orders if item.intent.reduce_only), None)
        if stop.state not in {OrderState.HELD, OrderState.ACCEPTED}:
            raise ConfigError(f"drill: the position is not protected, the stop is {stop.state}")
        return f"the venue is compared, the stop is {stop.state}"

    async def _clean_up(self, link: UnixLink) -> str:
        await self._ask(link, c.Kill(level="flatten", reason="drill: clean up"))
        await self._until(
            link, lambda: self._flat(link) and not self._open(link), "the end of what was opened"
        )
        await self._resume(link)
        return "flat, nothing open, entries go again"

    # -- within ----------------------------------------------------------------------------

    async def _check(self, link: UnixLink) -> None:
        status = link.replica.status
        if status is None or status.mode == "LIVE":
            raise ConfigError(
                "drill: the engine trades real money (LIVE); rehearse with mode = 'sim' or 'paper'"
            )
        self.mode = status.mode
        await self._until(link, lambda: _runs(link), "the engine to run")
        if status.risk_state is not RiskState.ACTIVE:
            raise ConfigError(
                f"drill: risk is {status.risk_state.value} ({status.risk_reason}); `clx resume` "
                "before you rehearse"
            )
        orders = [item.id for item in link.replica.orders.values() if not item.state.terminal]
        found: tuple[Any, ...] = await self._ask(link, c.GetPositions())
        lots = {name: item.size_lot for name, item in link.replica.instruments.items()}
        # What is less than a lot nobody can close: fees leave it.
        positions = [
            item.instrument_id
            for item in found
            if abs(item.size) >= lots.get(item.instrument_id, Decimal(0)) and item.size
        ]
        if orders or positions:
            words = ", ".join([*orders, *positions][:5])
            raise ConfigError(f"drill: it would close what is open: {words}; close that first")

    async def _figures(self, link: UnixLink) -> tuple[Decimal, Decimal, Decimal]:
        """Return a small size, a price to rest at, and a stop's trigger."""
        book = await self._ask(link, c.GetBook(instrument=self._name, depth=1))
        if not book.bids or not book.asks:
            raise ConfigError(f"drill: the book of {self._name} is empty")
        item = await self._instrument(link)
        bid, ask = item.price(book.bids[0][0]), item.price(book.asks[0][0])
        least = max(_WORTH, 3 * item.min_notional) / ask
        size = (least / item.size_lot).to_integral_value(ROUND_UP) * item.size_lot
        low = item.price(item.nearest_ticks(bid * Decimal("0.97")))
        return (
            max(size, 3 * item.min_size),
            low,
            item.price(item.nearest_ticks(bid * Decimal("0.95"))),
        )

    async def _closable(self, link: UnixLink) -> Decimal:
        """Return how much of the position can be sold: a fee may have taken part of a lot."""
        item = await self._instrument(link)
        lots = (self._size(link) / item.size_lot).to_integral_value(ROUND_DOWN)
        return lots * item.size_lot

    async def _instrument(self, link: UnixLink) -> Instrument:
        found: tuple[Instrument, ...] = await self._ask(link, c.GetInstruments(names=(self._name,)))
        return found[0]

    async def _submit(self, link: UnixLink, **fields: Any) -> Order:
        order = await self._send(link, **fields)
        if order.state in _ENDED:
            raise ConfigError(f"drill: order {order.id} was {order.state}: {order.note}")
        return order

    async def _entry(self, link: UnixLink) -> Order:
        size, low, _ = await self._figures(link)
        return await self._send(link, side=Side.BUY, size=size, type=OrderType.LIMIT, price=low)

    async def _send(self, link: UnixLink, **fields: Any) -> Order:
        made = client_order_id("cli", time.time_ns(), secrets.randbits(40))
        ask = c.SubmitOrder.model_validate(
            {
                "client_order_id": made, "instrument": self._name, "type": OrderType.MARKET,
                "reason": "drill", **fields,
            }
        )  # fmt: skip
        report: c.OrderReport = await self._ask(link, ask)
        return report.order

    async def _resume(self, link: UnixLink) -> None:
        status = link.replica.status
        if status is not None and status.risk_state is RiskState.REDUCING:
            await self._ask(link, c.Resume())

    async def _ask(self, link: UnixLink, command: c.Command) -> Any:
        return await link.request(command, self._timeout_s)

    def _open(self, link: UnixLink) -> list[Order]:
        """Return our orders of the instrument that stand."""
        return [
            item
            for item in link.replica.orders.values()
            if item.intent.instrument_id == self._name
            and (item.state is OrderState.HELD or item.state is OrderState.ACCEPTED
                 or item.state is OrderState.PENDING_CANCEL)
        ]  # fmt: skip

    def _size(self, link: UnixLink) -> Decimal:
        found = list(link.replica.positions.values())
        mine = (item.size for item in found if item.instrument_id == self._name)
        return sum(mine, Decimal(0))

    def _flat(self, link: UnixLink) -> bool:
        item = link.replica.instruments.get(self._name)
        lot = item.size_lot if item is not None else Decimal(0)
        return abs(self._size(link)) < lot or not self._size(link)

    async def _timed(self, step: str, work: Callable[[], Awaitable[str]]) -> None:
        began = time.perf_counter()
        what = await work()
        self._took.append(Took(step, time.perf_counter() - began, what))

    async def _until(self, link: UnixLink, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + self._timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise LinkError(f"drill: waited {self._timeout_s:g} s for {what}; {link.state}")
            await asyncio.sleep(_POLL_S)

    @contextlib.asynccontextmanager
    async def _attached(self) -> AsyncIterator[UnixLink]:
        """Open a link and wait until it is up."""
        link = UnixLink(self._paths.socket, origin="cli")
        task = asyncio.create_task(link.run(), name="link")
        try:
            await self._ask(link, c.GetStatus())
            await self._until(link, lambda: link.replica.status is not None, "the engine")
            yield link
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@contextlib.contextmanager
def _in_hand(paths: Paths) -> Iterator[None]:
    """Tell the watchdog that the engine's end is part of a drill, which starts it again."""
    mark = drill_file(paths)
    mark.write_text(str(os.getpid()))
    try:
        yield
    finally:
        mark.unlink(missing_ok=True)


def _runs(link: UnixLink) -> bool:
    """Return whether the engine runs and every venue was compared in this session."""
    status = link.replica.status
    return (
        status is not None
        and status.phase == "running"
        and all(view.reconciled_ns and view.connected for view in link.replica.venues.values())
    )
