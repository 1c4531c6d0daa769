"""OKX behind its endpoints: limits, envelopes and what of its channels is of no one instrument."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from emulator.clock import Clock
from emulator.market.derivatives.house import House
from emulator.market.derivatives.orders import Category, Order, OrderReport, PrivateMessage
from emulator.market.derivatives.product import Bracket, Economy, Product, Terms
from emulator.market.market import Market
from emulator.market.perps import Future, futures_of
from emulator.market.shard import Shard
from emulator.market.truth import AccountTruth
from emulator.okx.wire import Writer
from emulator.wire.connection import Connection, Habits
from emulator.wire.limits import Windows
from emulator.wire.rest import Call, Refusal
from emulator.wire.telling import account_truth
from emulator.wire.venue import Json, Venue

if TYPE_CHECKING:
    from emulator.okx.users import Users

_SPOT: Final = Terms(maker_ppm=800, taker_ppm=1_000)
_TIERS: Final = (
    Bracket(1_000, 4_000, 100),
    Bracket(5_000, 5_000, 75),
    Bracket(20_000, 10_000, 50),
    Bracket(100_000, 20_000, 20),
    Bracket(1_000_000_000, 100_000, 5),
)
SWAP_TERMS: Final = Terms(
    maker_ppm=200,
    taker_ppm=500,
    most_leverage=100,
    usual_leverage=10,
    maintenance_ppm=4_000,
    brackets=_TIERS,
    by_contracts=True,
)
_FUNDS: Final = {"USDT": 100_000, "BTC": 2, "ETH": 20, "SOL": 200}
_UNLIMITED: Final = 1_000_000
"""A weight limit above this lifts the limits of endpoints."""
_NOTICE_S: Final = 60.0
_WINDOW_MS: Final = 2_000


class Okx(Venue):
    """The venue without its paths."""

    name = "okx"
    prefix = "/okx"
    habits = Habits(unsent_s=30.0, unsent_code=4004, max_incoming=65_536)
    unknown = b'{"arg":{"channel":"never-heard-of","instId":"BTC-USDT"},"data":[{"z":"1"}]}'

    users: Users
    """Who listens to the account."""

    def __init__(
        self, market: Market, clock: Clock, seed: int, api_key: str, api_secret: str
    ) -> None:
        super().__init__(market, clock, seed)
        self.keys = {api_key: api_secret}
        self.uid = "44705892343619584"
        self._unlimited = False
        self.windows = Windows()
        self.legacy_checksum = False
        """Books carry the checksums the venue has given up."""
        self.keep_alive_ms = 60_000
        """How long a book is silent before an empty update says that it still lives."""
        self.futures = futures_of(market)
        self.writers = {
            name: Writer(shard, self.scales[name]) for name, shard in market.shards.items()
        }
        products = {
            name: _product(shard, self.futures.get(name)) for name, shard in market.shards.items()
        }
        self.house = House(market, products, self.futures)
        self.house.dead_man_covers = lambda order, scope: (
            scope
            in (
                "",
                order.ticket.words.get("tag", ""),
            )
        )
        self.house.guard.forced_words = _forced_words
        self.account = self.house.desk.open_account(_FUNDS)
        self.filled: list[Order] = []
        """Orders that have ended and may have brought others with them."""
        self.account.sinks.append(self._keep_filled)

    def switch(self, what: str, *, on: bool) -> None:
        """Turn the old checksums on or off."""
        super().switch(what, on=on)
        if what == "legacy_checksum":
            self.legacy_checksum = on

    def _keep_filled(self, message: PrivateMessage) -> None:
        if isinstance(message, OrderReport) and message.order.ticket.words.get("attach"):
            order = message.order
            if order.filled and not order.status.open:
                self.filled.append(order)

    def dollars(self) -> dict[str, float]:
        """Return what currencies are worth in dollars."""
        bases = {shard.listing.base for shard in self.market.shards.values()}
        prices = {base: float(self.index_price(f"{base}-USDT")) for base in bases}
        return {**prices, "USDT": 1.0, "USD": 1.0}

    def trading_fault(self, kind: str, shard: Shard | None, value: float) -> bool:
        """Do something to the account or to what it holds."""
        if kind == "expire_sessions":
            self.users.log_out()
            return True
        return self.house.strike(kind, shard, value)

    def truth(self) -> list[AccountTruth]:
        """Return what the oracle tells of the accounts."""
        return [
            account_truth(self.name, account, self.scales)
            for account in self.house.desk.accounts.values()
        ]

    def indices(self) -> list[str]:
        """Return the names of the index prices."""
        pairs = ((shard.listing.base, shard.listing.quote) for shard in self.shards())
        return list(dict.fromkeys(f"{base}-{quote}" for base, quote in pairs))

    def index_price(self, name: str) -> str:
        """Return an index price."""
        base = name.partition("-")[0]
        view = next(
            self.market.views[shard.listing.symbol]
            for shard in self.market.shards.values()
            if shard.listing.base == base
        )
        return f"{view.index:.2f}"

    def bar_topics(self, symbol: str) -> list[str]:
        """Return an instrument's followed candles."""
        return [name for name in self.topics.starting("candle") if name.partition(":")[2] == symbol]

    def tell(
        self,
        topic: str,
        data: list[Any],
        channel: str,
        symbol: str,
        *,
        action: str = "",
        to: Iterable[Connection] | None = None,
    ) -> None:
        """Send data in the venue's envelope."""
        name, _, of = topic.partition(":")
        kind = "instType" if of in ("SPOT", "SWAP", "ANY") else "instId"
        arg = {"channel": name, kind: of} if of else {"channel": name}
        message: Json = {"arg": arg, "action": action, "data": data}
        if not action:
            del message["action"]
        self.topics.publish(topic, message, channel=channel, symbol=symbol, to=to)

    def rename(self, old: str, new: str) -> None:
        """Call an instrument by another name from now on."""
        super().rename(old, new)
        self.writers[new] = self.writers.pop(old)
        if old in self.futures:
            self.futures[new] = self.futures.pop(old)
        self.house.rename(old, new)

    def special(self, kind: str, shard: Shard) -> bool:
        """Liquidate a long position."""
        future = self.futures.get(shard.listing.symbol)
        if kind != "liquidate" or future is None:
            return False
        future.liquidate_long(self.market.now_ns)
        return True

    def shut_down(self, connection: Connection, value: float) -> None:
        """Give notice of an upgrade, and close after `value` seconds (60)."""
        connection.send(
            b'{"event":"notice","code":"64008","msg":"The connection will soon be closed for a '
            b'service upgrade. Please reconnect.","connId":"%s"}'
            % str(connection.state.get("id", "")).encode()
        )
        connection.finish_in(value or _NOTICE_S, 4001, b"service upgrade")

    def set_weight_limit(self, limit: int) -> None:
        """Lift the limits of endpoints and connects, by a limit above a million."""
        self._unlimited = limit > _UNLIMITED

    def charge(self, call: Call, cost: float) -> None:
        """Count a request; `cost` is how many the endpoint allows in two seconds.

        Raises:
            Refusal: 50011.
        """
        if self._unlimited:
            return
        if not self.windows.count(call.address, call.request.path, int(cost), _WINDOW_MS):
            raise self.limited(429)

    def answer(self, result: Any) -> Any:
        """Put a handler's result into the venue's envelope, unless it is in one already."""
        if isinstance(result, dict) and "code" in result:
            return result
        return {"code": "0", "msg": "", "data": result}

    def limited(self, status: int) -> Refusal:
        """Return the refusal of an address that asks too often, without Retry-After."""
        return Refusal(status, {"code": "50011", "msg": "Too Many Requests", "data": []})

    def broken(self) -> Json:
        """Return an error as a body."""
        return {"code": "50026", "msg": "System error. Try again later.", "data": []}


def _product(shard: Shard, future: Future | None) -> Product:
    listing = shard.listing
    if future is None:
        last = shard.candles

        def spot_mark() -> float:
            return last.last_close * shard.listing.tick

        return Product(shard, Economy.SPOT, listing.quote, _SPOT, spot_mark)
    economy = Economy.INVERSE if listing.inverse else Economy.LINEAR
    settle = listing.base if listing.inverse else listing.quote
    return Product(shard, economy, settle, SWAP_TERMS, _mark(future))


def _mark(future: Future) -> Callable[[], float]:
    return lambda: future.mark


def _forced_words(product: Product, category: Category) -> dict[str, object]:
    return {"ordType": "market", "tdMode": "cross"}
