"""Binance USD-M behind its endpoints: streams, limits and words of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from emulator.binance.gate.auth import Keys
from emulator.binance.gate.errors import ApiError
from emulator.binance.gate.limits import Limiter
from emulator.binancefut.instruments import WEIGHT_PER_MINUTE
from emulator.binancefut.streams import SPEEDS_MS, Pump, Streams
from emulator.binancefut.users import Users
from emulator.binancefut.wire import Writer, update_id
from emulator.clock import Clock
from emulator.market.derivatives.account import MarginAccount
from emulator.market.derivatives.house import House
from emulator.market.derivatives.orders import Category
from emulator.market.derivatives.product import Bracket, Economy, Product, Terms
from emulator.market.market import Market
from emulator.market.perps import Future, futures_of
from emulator.market.shard import Shard
from emulator.market.truth import AccountTruth
from emulator.wire.connection import Connection, Habits
from emulator.wire.limits import Windows
from emulator.wire.rest import Call
from emulator.wire.telling import account_truth
from emulator.wire.venue import Json, Venue

_ARRAYS_MS: Final = 1_000
_BRACKETS: Final = (
    Bracket(300_000, 4_000, 125),
    Bracket(800_000, 5_000, 100),
    Bracket(3_000_000, 6_500, 75),
    Bracket(12_000_000, 10_000, 50),
    Bracket(70_000_000, 20_000, 25),
    Bracket(500_000_000, 50_000, 10),
)
TERMS: Final = Terms(
    maker_ppm=200,
    taker_ppm=500,
    maintenance_ppm=4_000,
    liquidation_ppm=15_000,
    brackets=_BRACKETS,
)
_FUNDS: Final = {"USDT": 100_000}
_ORDER_LIMITS: Final = (("10S", 300, 10_000), ("1M", 1_200, 60_000))
_UNLIMITED: Final = 1_000_000
"""A weight limit above this lifts the limits of orders too."""


class BinanceFutures(Venue):
    """The venue without its paths."""

    name = "binancefut"
    prefix = "/binancefut"
    speeds = SPEEDS_MS
    habits = Habits(messages=10, ping_every_s=180.0, pong_within_s=600.0)
    unknown = b'{"e":"neverHeardOf","E":1,"s":"BTCUSDT","z":[1,"2",null]}'

    def __init__(
        self, market: Market, clock: Clock, seed: int, api_key: str, api_secret: str
    ) -> None:
        super().__init__(market, clock, seed)
        self.limiter = Limiter(self.now_ms)
        self.limiter.weight_limit = WEIGHT_PER_MINUTE
        self.futures = futures_of(market)
        self.writers = {
            name: Writer(shard, self.scales[name]) for name, shard in market.shards.items()
        }
        products = {
            name: Product(shard, Economy.LINEAR, "USDT", TERMS, _mark(self.futures[name]))
            for name, shard in market.shards.items()
        }
        self.house = House(market, products, self.futures)
        self.house.guard.client_id = self._forced_id
        self.house.guard.forced_words = _forced_words
        self.account = self.house.desk.open_account(_FUNDS)
        self.keys: Keys[MarginAccount] = Keys()
        self.keys.add(api_key, api_secret, self.account)
        self.users = Users(self, self.account)
        self._orders = Windows()
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
        self.house.look()
        self.users.expire()
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
        self.house.rename(old, new)
        self.writers[new] = self.writers.pop(old)

    def special(self, kind: str, shard: Shard) -> bool:
        """Liquidate a long position."""
        if kind != "liquidate":
            return False
        self.futures[shard.listing.symbol].liquidate_long(self.market.now_ns)
        return True

    def trading_fault(self, kind: str, shard: Shard | None, value: float) -> bool:
        """Do something to the account or to what it holds."""
        if kind == "expire_sessions":
            self.users.expire(all_of_them=True)
            return True
        return self.house.strike(kind, shard, value)

    def truth(self) -> list[AccountTruth]:
        """Return what the oracle tells of the accounts."""
        return [
            account_truth(self.name, account, self.scales)
            for account in self.house.desk.accounts.values()
        ]

    def _forced_id(self, category: Category) -> str:
        if category is Category.ADL:
            return "adl_autoclose"
        return f"autoclose-{self.house.desk.now_ms}"

    def count_order(self, owner: int) -> None:
        """Count a new order.

        Raises:
            ApiError: -1015.
        """
        if self.limiter.weight_limit > _UNLIMITED:
            return
        for name, limit, per_ms in _ORDER_LIMITS:
            if not self._orders.count(str(owner), name, limit, per_ms):
                raise ApiError(
                    -1015,
                    f"Too many new orders; current limit is {limit} orders per {name}.",
                    429,
                    {"Retry-After": str(per_ms // 1_000)},
                )

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
        """Tell the weight used, and the orders where there were some."""
        told = {"X-MBX-USED-WEIGHT-1M": str(self.limiter.used(call.address))}
        if call.request.method != "GET" and "rder" in call.request.path:
            owner = str(self.account.owner)
            for name, limit, per_ms in _ORDER_LIMITS:
                left, _ = self._orders.left(owner, name, limit, per_ms)
                told[f"X-MBX-ORDER-COUNT-{name}"] = str(limit - left)
        return told

    def limited(self, status: int) -> ApiError:
        """Return the refusal of an address that asks too often, without Retry-After."""
        return ApiError(-1003, "Too many requests queued.", status)

    def broken(self) -> Json:
        """Return an error as a body."""
        return {"code": -1000, "msg": "An unknown error occurred while processing the request."}


def _mark(future: Future) -> Callable[[], float]:
    return lambda: future.mark


def _forced_words(product: Product, category: Category) -> dict[str, object]:
    return {"type": "MARKET", "tif": "IOC"}
