"""OKX behind its endpoints: limits, envelopes and what of its channels is of no one instrument."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from emulator.clock import Clock
from emulator.market.market import Market
from emulator.market.perps import futures_of
from emulator.market.shard import Shard
from emulator.okx.wire import Writer
from emulator.wire.connection import Connection, Habits
from emulator.wire.limits import Windows
from emulator.wire.rest import Call, Refusal
from emulator.wire.venue import Json, Venue

_NOTICE_S: Final = 60.0
_WINDOW_MS: Final = 2_000


class Okx(Venue):
    """The venue without its paths."""

    name = "okx"
    prefix = "/okx"
    habits = Habits(unsent_s=30.0, unsent_code=4004, max_incoming=65_536)
    unknown = b'{"arg":{"channel":"never-heard-of","instId":"BTC-USDT"},"data":[{"z":"1"}]}'

    def __init__(self, market: Market, clock: Clock, seed: int) -> None:
        super().__init__(market, clock, seed)
        self.windows = Windows()
        self.legacy_checksum = False
        """Books carry the checksums the venue has given up."""
        self.keep_alive_ms = 60_000
        """How long a book is silent before an empty update says that it still lives."""
        self.futures = futures_of(market)
        self.writers = {
            name: Writer(shard, self.scales[name]) for name, shard in market.shards.items()
        }

    def switch(self, what: str, *, on: bool) -> None:
        """Turn the old checksums on or off."""
        super().switch(what, on=on)
        if what == "legacy_checksum":
            self.legacy_checksum = on

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

    def charge(self, call: Call, cost: float) -> None:
        """Count a request; `cost` is how many the endpoint allows in two seconds.

        Raises:
            Refusal: 50011.
        """
        if not self.windows.count(call.address, call.request.path, int(cost), _WINDOW_MS):
            raise self.limited(429)

    def answer(self, result: Any) -> Any:
        """Put a handler's result into the venue's envelope."""
        return {"code": "0", "msg": "", "data": result}

    def limited(self, status: int) -> Refusal:
        """Return the refusal of an address that asks too often, without Retry-After."""
        return Refusal(status, {"code": "50011", "msg": "Too Many Requests", "data": []})

    def broken(self) -> Json:
        """Return an error as a body."""
        return {"code": "50026", "msg": "System error. Try again later.", "data": []}
