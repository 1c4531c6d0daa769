"""Binance USD-M behind its endpoints: streams, limits and words of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from emulator.binance.gate.errors import ApiError
from emulator.binance.gate.limits import Limiter
from emulator.binancefut.instruments import WEIGHT_PER_MINUTE
from emulator.binancefut.streams import SPEEDS_MS, Pump, Streams
from emulator.binancefut.wire import Writer, update_id
from emulator.clock import Clock
from emulator.market.market import Market
from emulator.market.perps import futures_of
from emulator.market.shard import Shard
from emulator.wire.connection import Connection, Habits
from emulator.wire.rest import Call
from emulator.wire.venue import Json, Venue

_ARRAYS_MS: Final = 1_000


class BinanceFutures(Venue):
    """The venue without its paths."""

    name = "binancefut"
    prefix = "/binancefut"
    speeds = SPEEDS_MS
    habits = Habits(messages=10, ping_every_s=180.0, pong_within_s=600.0)
    unknown = b'{"e":"neverHeardOf","E":1,"s":"BTCUSDT","z":[1,"2",null]}'

    def __init__(self, market: Market, clock: Clock, seed: int) -> None:
        super().__init__(market, clock, seed)
        self.limiter = Limiter(self.now_ms)
        self.limiter.weight_limit = WEIGHT_PER_MINUTE
        self.futures = futures_of(market)
        self.writers = {
            name: Writer(shard, self.scales[name]) for name, shard in market.shards.items()
        }
        streams = Streams(self.topics, self.faults, self.beat)
        self.pumps = [
            Pump(
                self.tapes[name],
                self.changes[name],
                self.futures[name],
                self.writers[name],
                streams,
            )
            for name in market.shards
        ]

    def send(self) -> None:
        """Send what happened since the last tick, and what is due by the clock."""
        sent_ms, now_ns = self.sent_ms(), self.market.now_ns
        listed = [pump for pump in self.pumps if pump.tape.shard.listed]
        for pump in listed:
            pump.pump(self.beat, now_ns, sent_ms)
        if not self.beat.due(_ARRAYS_MS):
            return
        marks = [pump.writer.mark(pump.future, sent_ms) for pump in listed]
        arrays: list[tuple[str, Callable[[], list[Json]]]] = [
            ("!markPrice@arr@1s", lambda: marks),
            ("!miniTicker@arr", lambda: [p.mini_ticker(self.beat, sent_ms) for p in listed]),
            ("!ticker@arr", lambda: [p.ticker(self.beat, sent_ms) for p in listed]),
        ]
        if self.beat.due(3 * _ARRAYS_MS):
            arrays.append(("!markPrice@arr", lambda: marks))
        for name, made in arrays:
            if self.topics.wanted(name):
                self.topics.publish(name, made(), channel="ticker")

    def sequence(self, shard: Shard) -> int:
        """Return the ``u`` of the newest change."""
        return update_id(super().sequence(shard))

    def rename(self, old: str, new: str) -> None:
        """Call an instrument by another name from now on."""
        super().rename(old, new)
        self.futures[new] = self.futures.pop(old)
        self.writers[new] = self.writers.pop(old)

    def special(self, kind: str, shard: Shard) -> bool:
        """Liquidate a long position."""
        if kind != "liquidate":
            return False
        self.futures[shard.listing.symbol].liquidate_long(self.market.now_ns)
        return True

    def shut_down(self, connection: Connection, value: float) -> None:
        """Send serverShutdown, then close after `value` seconds."""
        stream = b'{"e":"serverShutdown","E":%d}' % connection.now_ms()
        wrapped = b'{"stream":"!serverShutdown","data":%s}' % stream
        connection.send(wrapped if connection.combined else stream)
        connection.finish_in(value, 1001, b"server shutdown")

    def set_weight_limit(self, limit: int) -> None:
        """Allow so much request weight a minute."""
        self.limiter.weight_limit = limit

    def charge(self, call: Call, cost: float) -> None:
        """Count a request's weight.

        Raises:
            ApiError: 429, or 418 for an address that goes on all the same.
        """
        self.limiter.charge(call.address, int(cost))

    def headers(self, call: Call) -> dict[str, str]:
        """Tell the weight used."""
        return {"X-MBX-USED-WEIGHT-1M": str(self.limiter.used(call.address))}

    def limited(self, status: int) -> ApiError:
        """Return the refusal of an address that asks too often, without Retry-After."""
        return ApiError(-1003, "Too many requests queued.", status)

    def broken(self) -> Json:
        """Return an error as a body."""
        return {"code": -1000, "msg": "An unknown error occurred while processing the request."}
