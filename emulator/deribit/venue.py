"""Deribit behind its endpoints: credits, errors, tokens and what instruments there are."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from emulator.clock import MS, Clock
from emulator.deribit.instruments import currency, index_name, kind_of
from emulator.deribit.private_wire import order_id
from emulator.deribit.wire import Writer, change_id
from emulator.market.derivatives.house import House
from emulator.market.derivatives.orders import Category
from emulator.market.derivatives.product import Economy, Product, Terms
from emulator.market.market import Market
from emulator.market.perps import futures_of
from emulator.market.shard import Shard
from emulator.market.truth import AccountTruth
from emulator.wire.connection import Connection, Habits
from emulator.wire.limits import Bucket
from emulator.wire.rest import Refusal
from emulator.wire.telling import account_truth
from emulator.wire.venue import Json, Venue

if TYPE_CHECKING:
    from emulator.deribit.users import Users

_FUTURE: Final = Terms(
    maker_ppm=0, taker_ppm=500, most_leverage=50, usual_leverage=50, maintenance_ppm=10_000
)
_OPTION: Final = Terms(maker_ppm=300, taker_ppm=300, most_leverage=1, usual_leverage=1)
_FUNDS: Final = {"BTC": 10, "ETH": 100, "USDC": 100_000}
_UNLIMITED: Final = 1_000_000
"""A weight limit above this lifts the credits."""
RAW_MS: Final = 20
FAST_MS: Final = 100
SLOW_MS: Final = 1_000
INTERVALS: Final[dict[str, int]] = {"raw": RAW_MS, "100ms": FAST_MS, "agg2": SLOW_MS}
_COSTS: Final[dict[str, tuple[str, float]]] = {
    "public/subscribe": ("subscribe", 3_000),
    "public/unsubscribe": ("subscribe", 3_000),
    "private/subscribe": ("subscribe", 3_000),
    "public/get_instruments": ("instruments", 10_000),
    "matching": ("matching", 500),
}
_TOKEN_S: Final = 900


class RpcError(Exception):
    """A refusal: the venue's code, words and data."""

    def __init__(self, code: int, message: str, data: Json | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.data = data

    def body(self) -> Json:
        """Return the ``error`` object."""
        told: Json = {"message": self.message, "code": self.code}
        if self.data is not None:
            told["data"] = self.data
        return told


def invalid(param: str, reason: str) -> RpcError:
    """Return the error of a parameter that is missing or wrong."""
    return RpcError(-32602, "Invalid params", {"reason": reason, "param": param})


class Deribit(Venue):
    """The venue without its paths."""

    name = "deribit"
    prefix = "/deribit"
    speeds = (RAW_MS, FAST_MS, SLOW_MS)
    habits = Habits(max_incoming=32_768)
    unknown = (
        b'{"jsonrpc":"2.0","method":"subscription","params":{"channel":"never.heard.of",'
        b'"data":{"z":[1,"2",null]}}}'
    )

    def __init__(
        self, market: Market, clock: Clock, seed: int, api_key: str, api_secret: str
    ) -> None:
        super().__init__(market, clock, seed)
        self.keys = {api_key: api_secret}
        self.uid = 96_103
        self.tokens: dict[str, str] = {}
        """Access and refresh tokens, by what they are."""
        self._token_ends: dict[str, int] = {}
        self.cancels_on_disconnect = False
        """New sessions cancel their orders when they end."""
        self._credits = {
            "": Bucket(50_000, 10_000),
            "subscribe": Bucket(30_000, 10_000),
            "instruments": Bucket(500_000, 10_000),
            "matching": Bucket(50_000, 15_000),
        }
        self.futures = futures_of(market)
        self.writers = {
            name: Writer(
                shard,
                self.scales[name],
                self.futures.get(name),
                market.chains[shard.listing.follows] if shard.listing.kind == "option" else None,
                number,
            )
            for number, (name, shard) in enumerate(market.shards.items())
        }

        products = {name: self._product(shard) for name, shard in market.shards.items()}
        self.house = House(market, products, self.futures)
        self.house.desk.unique_client_ids = False
        self.house.guard.forced_words = _forced_words
        self.account = self.house.desk.open_account(_FUNDS)
        self._unlimited = False

    users: Users
    """Who listens to the account."""

    def _product(self, shard: Shard) -> Product:
        listing = shard.listing
        if listing.kind == "option":
            return Product(shard, Economy.OPTION, listing.base, _OPTION, self._mark(shard))
        economy = Economy.INVERSE if listing.inverse else Economy.LINEAR
        settle = listing.base if listing.inverse else listing.quote
        return Product(shard, economy, settle, _FUTURE, self._mark(shard))

    def _mark(self, shard: Shard) -> Callable[[], float]:
        future = self.futures.get(shard.listing.symbol)
        if future is not None:
            found = future
            return lambda: found.mark
        return lambda: self.writers[shard.listing.symbol].mark(self.market.now_ns // MS)

    def dollars(self, asset: str) -> float:
        """Return what a currency is worth in dollars."""
        return self.indices().get(f"{asset.lower()}_usd", 1.0)

    def set_weight_limit(self, limit: int) -> None:
        """Lift the credits, by a limit above a million."""
        self._unlimited = limit > _UNLIMITED

    def trading_fault(self, kind: str, shard: Shard | None, value: float) -> bool:
        """Do something to the account or to what it holds."""
        if kind == "expire_sessions":
            self.tokens.clear()
            return True
        if kind == "fire_dead_man":
            # The switch of this venue is the connection itself.
            for connection in tuple(self.connections):
                if connection.state.get("cancels"):
                    connection.abort()
            return True
        return self.house.strike(kind, shard, value)

    def truth(self) -> list[AccountTruth]:
        """Return what the oracle tells of the accounts."""
        return [
            account_truth(self.name, account, self.scales, order_id)
            for account in self.house.desk.accounts.values()
        ]

    def check_token(self, token: str) -> None:
        """Refuse what is no access token, or no longer one.

        Raises:
            RpcError: 13009.
        """
        if self.tokens.get(token) != "access":
            raise RpcError(13009, "unauthorized", {"reason": "invalid_token"})
        if self.now_ms() >= self._token_ends.get(token, 0):
            raise RpcError(13009, "unauthorized", {"reason": "token_expired"})

    def spend(self, key: str, method: str) -> bool:
        """Take a method's credits; False when there are not enough."""
        pool, cost = _COSTS.get(method, ("", 500.0))
        return self._unlimited or self._credits[pool].spend(key, cost)

    def forget(self, key: str) -> None:
        """Forget what a session has spent."""
        for bucket in self._credits.values():
            bucket.forget(key)

    def shard(self, name: object) -> Shard:
        """Return an instrument.

        Raises:
            RpcError: -32602 or 13020.
        """
        if not isinstance(name, str) or not name:
            raise invalid("instrument_name", "must be provided")
        shard = self.find(name)
        if shard is None:
            raise RpcError(13020, "not_found")
        return shard

    def of(self, of_currency: str, kind: str) -> list[Shard]:
        """Return the instruments of a currency (``any``) and kind (``any``)."""
        return [
            shard
            for shard in self.shards()
            if of_currency in ("any", currency(shard.listing))
            and kind in ("any", kind_of(shard.listing))
        ]

    def indices(self) -> dict[str, float]:
        """Return the index prices by name."""
        return {
            index_name(shard.listing): self.writers[shard.listing.symbol].index()
            for shard in self.shards()
        }

    def token(self) -> Json:
        """Make an access and a refresh token."""
        access, refresh = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        self.tokens |= {access: "access", refresh: "refresh"}
        self._token_ends[access] = self.now_ms() + _TOKEN_S * 1_000
        return {
            "access_token": access,
            "expires_in": _TOKEN_S,
            "refresh_token": refresh,
            "scope": "account:read connection mainaccount trade:read_write "
            + ("wallet:read_write" if self.withdrawing_keys else "wallet:read"),
            "token_type": "bearer",
        }

    def tell(
        self,
        channel: str,
        data: Any,
        kind: str,
        symbol: str,
        *,
        to: Iterable[Connection] | None = None,
    ) -> None:
        """Send a notification."""
        message = {
            "jsonrpc": "2.0",
            "method": "subscription",
            "params": {"channel": channel, "data": data},
        }
        self.topics.publish(channel, message, channel=kind, symbol=symbol, to=to)

    def envelope(self, request_id: object, started_us: int, **what: Any) -> Json:
        """Put a result or an error into the venue's envelope."""
        ended_us = max(started_us + 50, self.now_ms() * 1_000)
        told: Json = {"jsonrpc": "2.0"}
        if request_id is not None:
            told["id"] = request_id
        times = {"usIn": started_us, "usOut": ended_us, "usDiff": ended_us - started_us}
        return {**told, **what, **times, "testnet": True}

    def sequence(self, shard: Shard) -> int:
        """Return the ``change_id`` of the newest change."""
        return change_id(super().sequence(shard))

    def rename(self, old: str, new: str) -> None:
        """Call an instrument by another name from now on."""
        super().rename(old, new)
        self.house.rename(old, new)
        self.writers[new] = self.writers.pop(old)
        for table in (self.futures, self.market.options):
            if old in table:
                table[new] = table.pop(old)  # type: ignore[assignment]  # each its own type

    def special(self, kind: str, shard: Shard) -> bool:
        """Liquidate a long position."""
        future = self.futures.get(shard.listing.symbol)
        if kind != "liquidate" or future is None:
            return False
        future.liquidate_long(self.market.now_ns)
        return True

    def status_changed(self, shard: Shard) -> None:
        """Tell the state of an instrument to those who listen."""
        listing = shard.listing
        state = "closed" if shard.halted or not shard.listed else "started"
        data = {
            "timestamp": self.sent_ms(),
            "state": state,
            "instrument_name": listing.symbol,
        }
        for kind in (kind_of(listing), "any"):
            for of in (currency(listing), "any"):
                self.tell(f"instrument.state.{kind}.{of}", data, "instruments", listing.symbol)

    def shut_down(self, connection: Connection, value: float) -> None:
        """Say maintenance to those who listen to the platform's state, then close."""
        if "platform_state" in connection.streams:
            self.tell("platform_state", {"maintenance": True}, "status", "", to=[connection])
        connection.finish(1001, b"maintenance")

    def limited(self, status: int) -> Refusal:
        """Return the refusal of an address that asks too often, without Retry-After."""
        error = RpcError(10028, "too_many_requests")
        return Refusal(status, self.envelope(None, self.now_ms() * 1_000, error=error.body()))

    def broken(self) -> Json:
        """Return an error as a body."""
        error = RpcError(10040, "retry")
        return self.envelope(None, self.now_ms() * 1_000, error=error.body())


def _forced_words(product: Product, category: Category) -> dict[str, object]:
    return {"order_type": "market", "time_in_force": "immediate_or_cancel"}
