"""Everything behind the endpoints: market, account, keys, limits, faults, streams and one clock."""

from __future__ import annotations

from typing import Final

from core.model.market import Side
from emulator.binance.gate.auth import Keys
from emulator.binance.gate.errors import ApiError, bad_symbol
from emulator.binance.gate.limits import Limiter
from emulator.binance.oracle import tell_account
from emulator.binance.streams.depth import SPEEDS_MS, DepthFeed
from emulator.binance.streams.hub import Hub
from emulator.binance.wire import Json, Writer
from emulator.clock import MS, Clock
from emulator.market.accounts import Account
from emulator.market.history import LOTS, MINUTE_MS, NOTIONAL
from emulator.market.lists import ListDesk
from emulator.market.market import Market
from emulator.market.shard import Shard
from emulator.market.truth import AccountTruth
from emulator.wire.connection import Connection, Habits
from emulator.wire.venue import Venue as House

_AVERAGE_MINUTES: Final = 5


class Venue(House):
    """The emulated exchange as its endpoints see it."""

    name = "binance"
    prefix = "/binance"
    speeds = SPEEDS_MS
    habits = Habits(messages=5, ping_every_s=20.0, pong_within_s=60.0)
    unknown = b'{"e":"neverHeardOf","E":1,"s":"BTCUSDT","z":[1,"2",null]}'

    def __init__(
        self, market: Market, clock: Clock, seed: int, *, api_key: str, api_secret: str
    ) -> None:
        self.writers = {name: Writer(shard.listing) for name, shard in market.shards.items()}
        super().__init__(market, clock, seed)
        self.limiter = Limiter(self.now_ms)
        self.depths: dict[str, DepthFeed] = self.changes  # type: ignore[assignment]  # made below
        self.hub = Hub(market, self.depths, self.faults, self.topics)
        self.desk = ListDesk(market)
        self.account = self.desk.open_account()
        self.keys: Keys[Account] = Keys()
        self.keys.add(api_key, api_secret, self.account)

    def changes_of(self, shard: Shard) -> DepthFeed:
        """Return what follows a book's changes."""
        return DepthFeed(self.seed, shard, self.writers[shard.listing.symbol])

    def send(self) -> None:
        """Send what happened since the last tick, and what is due by the clock."""
        self.hub.tick(self.skew_ms)

    def rename(self, old: str, new: str) -> None:
        """Call an instrument by another name from now on."""
        base = self.market.shards[old].listing.base
        super().rename(old, new)
        for account in self.desk.accounts.values():
            account.relist(old, new, base, self.market.shards[new].listing.base)
        self.writers[new] = self.writers.pop(old)
        self.writers[new].symbol = new
        self.hub.rename()

    def shut_down(self, connection: Connection, value: float) -> None:
        """Send serverShutdown, then close after `value` seconds."""
        stream = b'{"e":"serverShutdown","E":%d}' % connection.now_ms()
        wrapped = b'{"stream":"!serverShutdown","data":%s}' % stream
        connection.send(wrapped if connection.combined else stream)
        connection.finish_in(value, 1001, b"server shutdown")

    def oracle(self, shard: Shard, levels: int) -> Json:
        """Return the true book as the venue writes numbers."""
        writer = self.writers[shard.listing.symbol]
        return {
            "update_id": self.sequence(shard),
            "bids": writer.levels(shard.bids(levels)),
            "asks": writer.levels(shard.asks(levels)),
        }

    def open_account(
        self, api_key: str, secret: str, funds: dict[str, int] | None = None
    ) -> Account:
        """Open another account with a key of its own; a secret in PEM is an Ed25519 public key."""
        account = self.desk.open_account(funds)
        self.keys.add(api_key, secret, account)
        return account

    def add_account(self, api_key: str, secret: str, funds: dict[str, int]) -> None:
        """Open another account with a key of its own."""
        known = {s.listing.base for s in self.market.shards.values()} | {"USDT"}
        if unknown := sorted(set(funds) - known):
            raise ValueError(f"funds must be of {', '.join(sorted(known))}, was {unknown[0]!r}")
        self.open_account(api_key, secret, {**dict.fromkeys(known, 0), **funds} if funds else None)

    def truth(self) -> list[AccountTruth]:
        """Return what the oracle tells of the accounts."""
        return [tell_account(account, self.writers) for account in self.desk.accounts.values()]

    def set_weight_limit(self, limit: int) -> None:
        """Allow so much request weight a minute."""
        self.limiter.weight_limit = limit

    def size_text(self, shard: Shard, lots: int) -> str:
        """Write a size."""
        return self.writers[shard.listing.symbol].size(lots)

    def limited(self, status: int) -> ApiError:
        """Return the refusal of an address that asks too often, without Retry-After."""
        return ApiError(-1003, "Too many requests queued.", status)

    def broken(self) -> Json:
        """Return an error as a body."""
        return {"code": -1000, "msg": "An unknown error occurred while processing the request."}

    def shard(self, symbol: str) -> Shard:
        """Return a symbol's shard.

        Raises:
            ApiError: -1121.
        """
        shard = self.find(symbol)
        if shard is None:
            raise bad_symbol()
        return shard

    def average_ticks(self, shard: Shard) -> int:
        """Return the average price of the last minutes, weighted by volume."""
        now_ms = self.market.acted_ns // MS
        rows = shard.candles.rows("1m", now_ms - _AVERAGE_MINUTES * MINUTE_MS, now_ms)
        lots = int(rows[:, LOTS].sum())
        return int(rows[:, NOTIONAL].sum()) // lots if lots else shard.candles.last_close

    def top(self, shard: Shard) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return best bid and best ask as (ticks, lots), zeros where nobody quotes."""
        bids = shard.engine.depth(Side.BUY, 1)
        asks = shard.engine.depth(Side.SELL, 1)
        return (bids or [(0, 0)])[0], (asks or [(0, 0)])[0]
