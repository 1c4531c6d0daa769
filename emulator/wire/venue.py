"""What every emulated venue has: a market, a clock, faults, topics, books and a way in."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Final

import msgspec
from aiohttp import web

from core.model.market import Side
from emulator.clock import MS, Clock
from emulator.diary import Command, Diary
from emulator.faults import Faults
from emulator.market.changes import Changes, Image
from emulator.market.market import Market
from emulator.market.shard import Shard
from emulator.market.truth import AccountTruth
from emulator.wire.connection import Connection, Habits
from emulator.wire.numbers import Scale
from emulator.wire.rest import Call, Refusal
from emulator.wire.tape import Beat, Tape
from emulator.wire.topics import Topics

_UNKNOWN: Final = b'{"zKind":"neverHeardOf","data":[1,"2",null]}'
Json = dict[str, Any]


class Venue(ABC):
    """One emulated exchange as the server and its control see it."""

    name: ClassVar[str]
    prefix: ClassVar[str]
    """Where its paths begin."""
    speeds: ClassVar[tuple[int, ...]] = (100,)
    """Milliseconds between its book messages."""
    habits: ClassVar[Habits] = Habits()
    unknown: ClassVar[bytes] = _UNKNOWN
    """A message of a type its clients have never heard of."""

    def __init__(self, market: Market, clock: Clock, seed: int) -> None:
        self.market = market
        self.clock = clock
        self.seed = seed
        self.skew_ms = 0
        """How far the venue's clock is off, by a fault."""
        self.compress = False
        """New connections offer permessage-deflate."""
        self.withdrawing_keys = False
        """Its keys say that they may withdraw, by a fault."""
        self.faults = Faults(seed, self.name)
        self.topics = Topics(self.faults, self.now_ms, self.unknown)
        self.changes = {name: self.changes_of(shard) for name, shard in market.shards.items()}
        self.scales = {name: Scale(shard.listing) for name, shard in market.shards.items()}
        self.tapes = {name: Tape(shard) for name, shard in market.shards.items()}
        self.beat = Beat(market.acted_ns // MS)
        self.diary: Diary | None = None
        market.note = self.note

    @property
    def connections(self) -> set[Connection]:
        """The open stream connections."""
        return self.topics.connections

    def changes_of(self, shard: Shard) -> Changes:
        """Return what follows a book's changes."""
        return Changes(self.seed, shard, self.speeds)

    def now_ms(self) -> int:
        """Return the venue's time as it tells it."""
        return self.clock.now_ns() // MS + self.skew_ms

    def sent_ms(self) -> int:
        """Return the time messages are sent at."""
        return self.market.now_ns // MS + self.skew_ms

    def note(self, what: str, args: Json) -> None:
        """Remember a command that is about to be carried out, where anything is remembered."""
        if self.diary is not None:
            at_ns = self.market.now_ns
            self.diary.write(Command(at=at_ns, venue=self.name, what=what, args=args))

    async def redo(self, command: Command) -> None:
        """Carry out again what was remembered, at its time.

        Raises:
            ValueError: It is nothing the venue knows.
        """
        market, args = self.market, command.args
        match command.what:
            case "trade":
                market.crowd_trade(
                    args["symbol"], Side(args["side"]), args["lots"], args["limit_ticks"]
                )
            case "rest":
                market.crowd_rest(args["symbol"], Side(args["side"]), args["lots"], args["ticks"])
            case "refill":
                market.refill(args["symbol"])
            case "account":
                self.add_account(args["api_key"], args["secret"], args["funds"])
            case "order":
                with contextlib.suppress(Refusal):
                    await self.ask_again(args["call"], args["owner"], args["args"])
            case "expire":
                self.expire_again(args["owner"], args["symbol"], args["id"])
            case _:
                raise ValueError(f"{self.name} cannot do {command.what!r} again")

    async def ask_again(self, call: str, owner: int, args: Any) -> None:
        """Carry out again what an account asked for.

        Raises:
            Refusal: As it was refused.
            ValueError: The venue has no such call, or remembers nothing at all.
        """
        raise ValueError(f"{self.name} remembers no orders")

    def expire_again(self, owner: int, symbol: str, order_id: int) -> None:
        """End an order again as a fault ended it.

        Raises:
            ValueError: The venue remembers nothing at all.
        """
        raise ValueError(f"{self.name} remembers no orders")

    def catch_up(self) -> None:
        """Bring the market up to the clock."""
        self.market.follow(self.clock)

    def tick(self) -> None:
        """Send what is due."""
        self.beat.advance(self.market.acted_ns // MS)
        self.send()

    def shards(self) -> list[Shard]:
        """Return the listed instruments."""
        return [shard for shard in self.market.shards.values() if shard.listed]

    def find(self, symbol: str) -> Shard | None:
        """Return a listed instrument, None when there is none of the name."""
        shard = self.market.shards.get(symbol)
        return shard if shard is not None and shard.listed else None

    def image(self, shard: Shard, levels: int) -> Image:
        """Return a book as a REST client gets it: lagging, or frozen by a fault."""
        symbol = shard.listing.symbol
        frozen = bool(self.faults.armed) and self.faults.take(
            ("frozen_snapshot",), self.now_ms(), symbol=symbol
        )
        return self.changes[symbol].image(self.market.now_ns, levels, frozen=bool(frozen))

    def struck(self, kind: str, symbol: str | None = "") -> bool:
        """Return whether a fault strikes here and now; None: all symbols together."""
        if not self.faults.armed:
            return False
        return self.faults.take((kind,), self.now_ms(), symbol=symbol) is not None

    def rename(self, old: str, new: str) -> None:
        """Call an instrument, and what is traded in it, by another name from now on."""
        shard = self.market.shards[old]
        listing = shard.listing
        base = listing.base
        if old.startswith(base):
            base = new[: len(new) - len(old) + len(base)] or base
        shard.listing = msgspec.structs.replace(listing, symbol=new, base=base)
        tables: tuple[dict[str, Any], ...] = (
            self.market.shards,
            self.market.crowds,
            self.market.views,
            self.changes,
            self.scales,
            self.tapes,
        )
        for table in tables:
            if old in table:
                table[new] = table.pop(old)

    def shut_down(self, connection: Connection, value: float) -> None:
        """Tell a connection of maintenance as the venue does, and close it."""
        connection.finish(1001, b"server shutdown")

    def oracle(self, shard: Shard, levels: int) -> Json:
        """Return the true book as the venue writes numbers, with its newest sequence number."""
        scale = self.scales[shard.listing.symbol]
        return {
            "update_id": self.sequence(shard),
            "bids": scale.short_levels(shard.bids(levels)),
            "asks": scale.short_levels(shard.asks(levels)),
        }

    def sequence(self, shard: Shard) -> int:
        """Return the number the newest book message carries once all changes are sent."""
        return self.changes[shard.listing.symbol].update_id

    def charge(  # noqa: B027  (most have nothing to do)
        self, call: Call, cost: float
    ) -> None:
        """Count a request.

        Raises:
            Refusal: Too many.
        """

    def answer(self, result: Any) -> Any:
        """Put a handler's result into the venue's envelope."""
        return result

    def headers(self, call: Call) -> dict[str, str]:
        """Return what every answer's head says."""
        return {}

    def set_weight_limit(  # noqa: B027  (most have nothing to do)
        self, limit: int
    ) -> None:
        """Allow so much request weight a minute, where the venue counts weight."""

    def switch(self, what: str, *, on: bool) -> None:
        """Turn something on or off, also what only this venue has."""
        if what == "withdrawing_keys":
            self.withdrawing_keys = on

    def status_changed(  # noqa: B027  (most have nothing to do)
        self, shard: Shard
    ) -> None:
        """Tell clients that an instrument was halted, delisted or re-ticked, where it is told."""

    def special(self, kind: str, shard: Shard) -> bool:
        """Do what only this venue can do to an instrument; False when it cannot."""
        return False

    def trading_fault(self, kind: str, shard: Shard | None, value: float) -> bool:
        """Do something to the accounts or to what they hold; False where the venue cannot."""
        return False

    def add_account(self, api_key: str, secret: str, funds: dict[str, int]) -> None:
        """Open another account with a key of its own; no funds are the usual ones.

        Raises:
            ValueError: The venue has the one account alone, or has no such asset.
        """
        raise ValueError(f"{self.name} opens no more accounts")

    def truth(self) -> list[AccountTruth]:
        """Return what the oracle tells of the venue's accounts, none where nobody trades."""
        return []

    def size_text(self, shard: Shard, lots: int) -> str:
        """Write a size."""
        return self.scales[shard.listing.symbol].short_size(lots)

    @abstractmethod
    def send(self) -> None:
        """Send what happened since the last tick, and what is due by the clock."""

    @abstractmethod
    def routes(self) -> list[web.RouteDef]:
        """Return the paths it serves."""

    @abstractmethod
    def urls(self, host: str) -> dict[str, str]:
        """Return base URLs by what they are for; `host` is ``127.0.0.1:port``."""

    @abstractmethod
    def limited(self, status: int) -> Refusal:
        """Return the refusal of an address that asks too often, without Retry-After."""

    @abstractmethod
    def broken(self) -> Any:
        """Return the body of an answer that says 200 and holds an error."""


class Dialogue(ABC):
    """What one connection says and hears; made anew for each."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def opened(  # noqa: B027  (most have nothing to do)
        self,
    ) -> None:
        """Greet, as far as the venue does."""

    @abstractmethod
    def heard(self, text: str) -> None:
        """Carry out a message of the client."""

    def closed(  # noqa: B027  (most have nothing to do)
        self,
    ) -> None:
        """Forget the connection."""


async def converse(
    venue: Venue, request: web.Request, dialogue: type[Dialogue], *more: Any
) -> web.StreamResponse:
    """Serve one WebSocket connection until it ends."""
    if venue.struck("refuse_upgrade"):
        return web.Response(status=503, text="Service Unavailable")
    habits = venue.habits
    if venue.compress:
        habits = msgspec.structs.replace(habits, compress=True)
    connection = Connection(venue.clock, habits)
    ws = await connection.open(request)
    talk = dialogue(connection, *more)
    venue.topics.connections.add(connection)
    try:
        talk.opened()
        while (text := await connection.receive()) is not None:
            venue.catch_up()
            talk.heard(text)
    finally:
        talk.closed()
        venue.topics.leave(connection)
        await connection.shut()
    return ws
