"""Faults that happen at once or from now on: to connections, to instruments, to a venue's ways."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Final

import msgspec

from emulator.clock import MS
from emulator.faults import Fault
from emulator.market.shard import Shard
from emulator.wire.connection import Connection
from emulator.wire.venue import Venue

_OVERSIZED: Final = 8 << 20
_MALFORMED: Final = b'{"e":"depthUpdate","E":17950000,"s":"BTCUSDT","U":1,"u":'
_OF_ACCOUNTS: Final = ("liquidate_accounts", "expire_sessions", "fire_dead_man")
OF_INSTRUMENTS: Final = (
    "halt",
    "tick_size",
    "forget",
    "delist",
    "rename",
    "correct_trade",
    "cancel_trade",
    "liquidate",
    "adl",
    "pin_mark",
    "settle_funding",
)
"""Kinds of faults that need a symbol."""
LASTING: Final = frozenset({*OF_INSTRUMENTS, "liquidate_accounts", "fire_dead_man"}) - {"forget"}
"""Kinds that change the market or its accounts for good, and so are remembered."""


class Doors(msgspec.Struct, frozen=True):
    """What the control needs of the running server."""

    listen: Callable[[], Awaitable[None]]
    refuse: Callable[[], Awaitable[None]]
    user_connections: set[Connection]


def listed(venue: Venue, symbol: str) -> Shard:
    """Return a venue's instrument.

    Raises:
        ValueError: There is none of the name.
    """
    shard = venue.market.shards.get(symbol)
    if shard is None:
        known = ", ".join(venue.market.shards)
        raise ValueError(f"symbol must be one of {known}, was {symbol!r}")
    return shard


class Striker:
    """Lets faults happen."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self._tasks: set[asyncio.Task[None]] = set()
        self._renamed: dict[tuple[str, str], str] = {}
        """(venue, name) to what an instrument was called at first."""

    async def stop(self) -> None:
        """End what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def amends(self, venue: Venue) -> list[Fault]:
        """Return the faults that make a venue's instruments again what they were at first."""
        shards = venue.market.shards.items()
        return [
            *(Fault(kind="halt", symbol=name, value=1) for name, one in shards if one.halted),
            *(Fault(kind="delist", symbol=name, value=1) for name, one in shards if not one.listed),
            *(
                Fault(kind="tick_size", symbol=name, value=1)
                for name, one in shards
                if one.coarse != 1
            ),
            *(
                Fault(kind="rename", symbol=name, text=self._renamed[venue.name, name])
                for name, _ in shards
                if (venue.name, name) in self._renamed
            ),
        ]

    def mend(self, venue: Venue) -> None:
        """Undo what lasts at a venue, but for its instruments: see `amends`."""
        venue.faults.clear()
        venue.skew_ms = 0
        venue.compress = venue.withdrawing_keys = False
        venue.topics.hollow = False
        venue.topics.remember()
        for changes in venue.changes.values():
            changes.extra_lag_ns = 0
        for connection in venue.connections:
            connection.fragment = connection.binary_next = 0
            connection.bytes_per_s = 0.0
            connection.bound(0)
            connection.pongs = True
            connection.stalled.set()
            connection.read_no_more(stop=False)

    async def strike(self, venue: Venue, fault: Fault) -> None:
        """Let a fault happen at a venue.

        Raises:
            ValueError: The venue has no such thing, or no such symbol.
        """
        connections = tuple(venue.connections)
        if fault.kind in _BREAKAGES:
            for connection in connections:
                _BREAKAGES[fault.kind](connection, fault.value)
            return
        if fault.kind in OF_INSTRUMENTS:
            self._change_listing(venue, fault)
            return
        match fault.kind:
            case "deflate":
                venue.compress = fault.value != 0
            case "legacy_checksum" | "stock_hours" | "withdrawing_keys":
                venue.switch(fault.kind, on=fault.value != 0)
            case "clock_skew_ms":
                venue.skew_ms = int(fault.value)
            case "weight_limit":
                venue.set_weight_limit(int(fault.value))
            case kind if kind in _OF_ACCOUNTS:
                if not venue.trading_fault(kind, None, fault.value):
                    raise ValueError(f"{venue.name} has no {kind}")
            case "stale_depth_ms":
                for changes in venue.changes.values():
                    changes.extra_lag_ns = int(fault.value * MS)
            case _:
                await self._disturb(venue, fault, connections)

    async def _disturb(
        self, venue: Venue, fault: Fault, connections: tuple[Connection, ...]
    ) -> None:
        """Break connections off, or keep them from working for a while."""
        match fault.kind:
            case "server_shutdown":
                for connection in connections:
                    venue.shut_down(connection, fault.value)
            case "close_user_streams":
                for connection in tuple(self._doors.user_connections):
                    _close(connection, fault.value)
            case "hollow_acks":
                venue.topics.hollow = fault.value != 0
            case "stall_streams":
                self._later(self._stall(connections, fault.value))
            case "slow_reader" | "no_pong":
                self._later(self._deaf(connections, fault.kind, fault.value))
            case "refuse_connections":
                for connection in (*connections, *self._doors.user_connections):
                    connection.abort()
                await self._doors.refuse()
                self._later(self._reopen(fault.value))

    def _change_listing(self, venue: Venue, fault: Fault) -> None:
        """Halt, delist, rename or re-tick an instrument, or do to it what only its venue can."""
        shard = listed(venue, fault.symbol)
        match fault.kind:
            case "halt":
                shard.halted = not fault.value
                venue.status_changed(shard)
            case "delist":
                shard.listed = bool(fault.value)
                venue.status_changed(shard)
            case "forget":
                venue.topics.forget(shard.listing.symbol)
            case "tick_size":
                shard.coarse = max(1, int(fault.value))
                venue.status_changed(shard)
            case "rename":
                if not fault.text or fault.text in venue.market.shards:
                    raise ValueError(f"text must be a new symbol, was {fault.text!r}")
                venue.rename(fault.symbol, fault.text)
                first = self._renamed.pop((venue.name, fault.symbol), fault.symbol)
                if first != fault.text:
                    self._renamed[venue.name, fault.text] = first
            case kind:
                done = venue.special(kind, shard) or venue.trading_fault(kind, shard, fault.value)
                if not done:
                    raise ValueError(f"{venue.name} has no {fault.kind}")

    async def _deaf(self, connections: tuple[Connection, ...], kind: str, seconds: float) -> None:
        def hear(*, again: bool) -> None:
            for connection in connections:
                if kind == "no_pong":
                    connection.pongs = again
                else:
                    connection.read_no_more(stop=not again)

        hear(again=False)
        try:
            await asyncio.sleep(seconds)
        finally:
            hear(again=True)

    def _later(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _stall(self, connections: tuple[Connection, ...], seconds: float) -> None:
        for connection in connections:
            connection.stalled.clear()
        try:
            await asyncio.sleep(seconds)
        finally:
            for connection in connections:
                connection.stalled.set()

    async def _reopen(self, seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
        finally:
            await self._doors.listen()


def _close(connection: Connection, abruptly: float) -> None:
    if abruptly:
        connection.abort()
    else:
        connection.close(1001, b"going away")


def _oversize(connection: Connection, size: float) -> None:
    connection.send(b'{"e":"oversized","x":"%s"}' % (b"x" * (int(size) or _OVERSIZED)))


def _set_binary(connection: Connection, value: float) -> None:
    connection.binary_next = int(value) or 1


def _set_fragment(connection: Connection, value: float) -> None:
    connection.fragment = int(value)


def _set_bound(connection: Connection, value: float) -> None:
    connection.bound(int(value))


def _set_slow(connection: Connection, value: float) -> None:
    connection.bytes_per_s = value


_BREAKAGES: Final[dict[str, Callable[[Connection, float], None]]] = {
    "malformed_frame": lambda connection, _: connection.send(_MALFORMED),
    "truncated_frame": lambda connection, _: connection.break_frame(),
    "oversized_frame": _oversize,
    "binary_frame": lambda connection, _: connection.send_binary(b'{"e":"trade"}\xff\xfe'),
    "close_streams": _close,
    "binary_next": _set_binary,
    "fragment_frames": _set_fragment,
    "slow_writer": _set_slow,
    "small_buffers": _set_bound,
}
"""Faults of one stream connection: (connection, value)."""
