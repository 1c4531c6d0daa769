"""Alpaca as the server mounts it: data and clock over REST, and one socket a feed."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, Final

import msgspec
import orjson
from aiohttp import web

from emulator.alpaca.option_stream import OPTION, OPTION_FEEDS, OptionPump
from emulator.alpaca.rest import common_table, table
from emulator.alpaca.streams import CRYPTO, FEEDS, STOCK, Pump, shows
from emulator.alpaca.trading.account import FUNDS, Account
from emulator.alpaca.trading.house import House
from emulator.alpaca.trading.rest import REJECT, run_again
from emulator.alpaca.trading.rest import table as trading_table
from emulator.alpaca.trading.stream import UpdatesTalk
from emulator.alpaca.venue import Alpaca
from emulator.clock import Clock
from emulator.market.market import Market
from emulator.market.shard import Shard
from emulator.market.truth import AccountTruth
from emulator.wire.connection import Connection
from emulator.wire.rest import routes
from emulator.wire.venue import Dialogue, Json, converse

_ERRORS: Final[dict[int, str]] = {
    400: "invalid syntax",
    401: "not authenticated",
    402: "auth failed",
    403: "already authenticated",
    404: "auth timeout",
    405: "symbol limit exceeded",
    406: "connection limit exceeded",
    407: "slow client",
    409: "insufficient subscription",
    410: "invalid subscribe action for this feed",
    412: "option messages are only available in MsgPack format",
    413: "star subscription is not allowed for option quotes",
}


class AlpacaExchange(Alpaca):
    """The whole venue."""

    def __init__(
        self, market: Market, clock: Clock, seed: int, api_key: str, api_secret: str
    ) -> None:
        super().__init__(market, clock, seed, api_key, api_secret)
        self._pumps = {name: Pump(self, self.tapes[name]) for name in market.shards}
        self.house = House(self)
        self._options = OptionPump(self, self.house)
        self._talks: set[UpdatesTalk] = set()
        self.house.open(api_key)

    def open_account(self, api_key: str, secret: str, cash: Decimal = FUNDS) -> dict[str, Account]:
        """Open another account at both hosts, with a key of its own."""
        self.keys[api_key] = secret
        return self.house.open(api_key, cash)

    def add_account(self, api_key: str, secret: str, funds: dict[str, int]) -> None:
        """Open another account with a key of its own, at both hosts."""
        if unknown := sorted(set(funds) - {"USD"}):
            raise ValueError(f"funds must be of USD, was {unknown[0]!r}")
        self.open_account(api_key, secret, Decimal(funds["USD"]) if funds else FUNDS)

    async def ask_again(self, call: str, owner: int, args: Any) -> None:
        """Carry out again what an account asked for.

        Raises:
            Refusal: As it was refused.
            ValueError: There is no such request.
        """
        account = self.house.desk.accounts[owner]
        if call == REJECT:
            self.house.desk.reject(account, account.orders[args["id"]])
        else:
            run_again(self.house, account, call, args)

    def truth(self) -> list[AccountTruth]:
        """Return what the oracle tells of the accounts."""
        return self.house.truth()

    def trading_fault(self, kind: str, shard: Shard | None, value: float) -> bool:
        """End every login of trade updates."""
        if kind != "expire_sessions":
            return False
        for talk in tuple(self._talks):
            talk.expire()
        return True

    def routes(self) -> list[web.RouteDef]:
        """Return the paths it serves."""
        feeds = (*FEEDS, *OPTION_FEEDS)
        sockets = [web.get(f"{self.prefix}/{feed}", self._serve) for feed in feeds]
        found = [*routes(self, self.prefix, table(self)), *sockets]
        # Without a host it is the paper account's.
        for host, prefix in (("paper", ""), ("paper", "/paper"), ("live", "/live")):
            base = self.prefix + prefix
            found += routes(self, base, trading_table(self.house, host))
            if prefix:
                found += routes(self, base, common_table(self))
            found.append(web.get(f"{base}/stream", self._updates(host)))
        return found

    def urls(self, host: str) -> dict[str, str]:
        """Return base URLs by what they are for."""
        base = f"{host}{self.prefix}"
        return {
            "rest": f"http://{base}",
            "stock": f"ws://{base}/v2/iex",
            "sip": f"ws://{base}/v2/sip",
            "test": f"ws://{base}/v2/test",
            "crypto": f"ws://{base}/v1beta3/crypto/us",
            "options": f"ws://{base}/v1beta1/indicative",
            "paper": f"http://{base}/paper",
            "paper_stream": f"ws://{base}/paper/stream",
            "live": f"http://{base}/live",
            "live_stream": f"ws://{base}/live/stream",
        }

    def send(self) -> None:
        """Send what happened since the last tick, and what is due by the clock."""
        sent_ms = self.sent_ms()
        for pump in self._pumps.values():
            if pump.tape.shard.listed:
                pump.pump(sent_ms)
        self._options.pump(sent_ms)

    def rename(self, old: str, new: str) -> None:
        """Call an instrument by another name from now on."""
        super().rename(old, new)
        self._pumps[new] = self._pumps.pop(old)
        self.house.rename(old, new)

    def status_changed(self, shard: Shard) -> None:
        """Tell a halt or its end."""
        self._pumps[shard.listing.symbol].status(self.sent_ms())

    def special(self, kind: str, shard: Shard) -> bool:
        """Correct or cancel the last trade of a stock."""
        if kind not in ("correct_trade", "cancel_trade"):
            return False
        return self._pumps[shard.listing.symbol].correct(cancel=kind == "cancel_trade")

    def crowded(self, feed: str) -> bool:
        """Return whether a feed has as many authenticated connections as it allows."""
        there = [each for each in self.connections if each.state.get("feed") == feed]
        return len(there) >= self.most_connections

    def _updates(self, host: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def serve(request: web.Request) -> web.StreamResponse:
            return await converse(self, request, UpdatesTalk, self.house, host, self._talks)

        return serve

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        feed = request.path.removeprefix(f"{self.prefix}/")
        packed = "msgpack" in request.headers.get("Content-Type", "")
        return await converse(self, request, _Talk, self, feed, packed)


class _Talk(Dialogue):
    """One connection: login, and what it follows."""

    def __init__(
        self, connection: Connection, venue: AlpacaExchange, feed: str, packed: bool
    ) -> None:
        super().__init__(connection)
        self._venue = venue
        self._feed = feed
        self._channels = _channels(feed)
        self._asked: dict[str, list[str]] = {name: [] for name in self._channels}
        self._timer: asyncio.TimerHandle | None = None
        if packed:
            connection.binary = True
            connection.unpack = lambda data: orjson.dumps(msgspec.msgpack.decode(data)).decode()
            connection.dress = lambda _, raw: _packed(raw)

    @property
    def _known(self) -> bool:
        return "feed" in self.connection.state

    def opened(self) -> None:
        """Say connected, and wait for a login, but not for long."""
        if not self._venue.struck("no_welcome"):
            self._say([{"T": "success", "msg": "connected"}])
        wait_s = self._venue.authenticate_within_s
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._too_late)

    def closed(self) -> None:
        """Stop waiting."""
        if self._timer is not None:
            self._timer.cancel()

    def heard(self, text: str) -> None:
        """Carry out ``{"action":"subscribe","trades":["AAPL"],"quotes":["*"]}`` and the like."""
        try:
            asked = orjson.loads(text)
        except orjson.JSONDecodeError:
            asked = None
        action = asked.get("action") if isinstance(asked, dict) else None
        if action == "auth":
            self._login(asked)
        elif action not in ("subscribe", "unsubscribe"):
            self._refuse(400)
        elif not self._known:
            self._refuse(401)
        else:
            self._change(asked, adding=action == "subscribe")

    def _login(self, asked: Json) -> None:
        if self._known:
            self._refuse(403)
        elif not self._venue.allows(asked.get("key"), asked.get("secret")):
            self._refuse(402)
        elif self._venue.crowded(self._feed):
            self._refuse(406)
            self.connection.finish(1008, b"connection limit exceeded")
        else:
            self.closed()
            self.connection.state["feed"] = self._feed
            if self._feed in OPTION_FEEDS and not self.connection.binary:
                self._refuse(412)
                self.connection.finish(1008, b"msgpack only")
                return
            self._say([{"T": "success", "msg": "authenticated"}])

    def _too_late(self) -> None:
        self._refuse(404)
        self.connection.finish(1008, b"auth timeout")

    def _change(self, asked: Json, *, adding: bool) -> None:
        venue = self._venue
        wanted = {name: value for name, value in asked.items() if name != "action" and value}
        if unknown := [name for name in wanted if name not in self._channels]:
            self._refuse(410 if unknown[0] in {**STOCK, **CRYPTO} else 400)
            return
        if not all(
            isinstance(names, list) and all(isinstance(name, str) for name in names)
            for names in wanted.values()
        ):
            self._refuse(400)
            return
        if "*" in wanted.get("quotes", ()) and self._feed in OPTION_FEEDS:
            self._refuse(413)
            return
        if adding and venue.struck("no_ack"):
            return
        if adding and venue.struck("partial_ack"):
            wanted = dict(list(wanted.items())[:1])
        for channel, names in wanted.items():
            kept = [name for name in self._asked[channel] if adding or name not in names]
            kept += [name for name in names if adding and name not in kept]
            if len(kept) > venue.most_symbols:
                self._refuse(405)
                return
            self._asked[channel] = kept
        for channel in self._channels:
            self._follow(channel)
        self._say([{"T": "subscription", **self._told()}])

    def _follow(self, channel: str) -> None:
        """Make the topics of a channel those that were asked for; ``*`` is every symbol."""
        venue, asked = self._venue, self._told()[channel]
        for symbol in self._symbols():
            topic = f"{self._feed}|{channel}:{symbol}"
            if symbol in asked or "*" in asked:
                venue.topics.subscribe(self.connection, topic)
            else:
                venue.topics.unsubscribe(self.connection, topic)

    def _symbols(self) -> list[str]:
        """Return what the feed has."""
        venue = self._venue
        if self._feed in OPTION_FEEDS:
            return [each.symbol for each in venue.house.assets.contracts()]
        return [shard.listing.symbol for shard in venue.shards() if shows(self._feed, shard)]

    def _told(self) -> dict[str, list[str]]:
        """Return what is followed; corrections and cancels come with the trades."""
        told = dict(self._asked)
        for channel in ("corrections", "cancelErrors"):
            if channel in told:
                told[channel] = self._asked["trades"]
        return told

    def _refuse(self, code: int) -> None:
        self._say([{"T": "error", "code": code, "msg": _ERRORS[code]}])

    def _say(self, messages: list[Json]) -> None:
        raw = orjson.dumps(messages)
        self.connection.send(_packed(raw) if self.connection.binary else raw)


def _channels(feed: str) -> dict[str, str]:
    if feed in OPTION_FEEDS:
        return OPTION
    return CRYPTO if FEEDS[feed] == "spot" else STOCK


def _packed(raw: bytes) -> bytes:
    """Write messages as msgpack, with their times as its own timestamps."""
    messages: list[Any] = orjson.loads(raw)
    for message in messages:
        if isinstance(message.get("t"), str):
            message["t"] = dt.datetime.fromisoformat(message["t"])
    return msgspec.msgpack.encode(messages)
