"""``/_ctl``: arm faults, steer crowd and clock, and ask the oracle what really happened.

Every request needs the header ``X-Clx-Control`` with the token of the state file. ``venue`` names
a venue where there are several; empty means every one, or the first for what is of one venue.
"""

from __future__ import annotations

import contextlib
import hmac
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
import orjson
from aiohttp import web

from core.model.market import Side
from emulator.binance.exchange import Binance
from emulator.binance.gate.auth import well_formed
from emulator.binance.private_wire import own_trade, queried
from emulator.binance.wire import Json, amount
from emulator.chaos import Chaos, Dice
from emulator.clock import MS, SECOND, Clock, WallClock
from emulator.faults import COUNTED_FAULTS, INSTANT_FAULTS, Fault, check
from emulator.market.shard import Shard
from emulator.market.world import World
from emulator.strikes import LASTING, OF_INSTRUMENTS, Doors, Striker, listed
from emulator.wire.venue import Venue

HEADER: Final = "X-Clx-Control"


class Control:
    """The endpoints under ``/_ctl``."""

    def __init__(
        self, venues: dict[str, Venue], world: World, clock: Clock, token: str, doors: Doors
    ) -> None:
        self._venues = venues
        self._world = world
        self._clock = clock
        self._token = token
        self._striker = Striker(doors)
        self._dice: dict[str, Dice] = {}
        world.every_second.append(self._roll)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        table: tuple[tuple[str, str, Callable[[web.Request], Awaitable[Any]]], ...] = (
            ("GET", "/_ctl/faults", self._list_faults),
            ("POST", "/_ctl/faults", self._arm),
            ("DELETE", "/_ctl/faults", self._clear),
            ("GET", "/_ctl/venues", self._list_venues),
            ("GET", "/_ctl/oracle", self._oracle),
            ("GET", "/_ctl/book", self._book),
            ("GET", "/_ctl/trades", self._trades),
            ("POST", "/_ctl/trade", self._trade),
            ("POST", "/_ctl/flow", self._flow),
            ("GET", "/_ctl/clock", self._tell_clock),
            ("POST", "/_ctl/clock", self._set_clock),
            ("POST", "/_ctl/chaos", self._set_chaos),
            ("POST", "/_ctl/accounts", self._open_account),
        )
        return [web.route(method, path, self._guard(handler)) for method, path, handler in table]

    async def strike_again(self, venue: Venue, args: Json) -> None:
        """Let a fault happen again that changed the market or its accounts for good."""
        with contextlib.suppress(ValueError):
            await self._striker.strike(venue, msgspec.convert(args, Fault))

    async def stop(self) -> None:
        """End what is under way."""
        await self._striker.stop()

    def _guard(
        self, handler: Callable[[web.Request], Awaitable[Any]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def serve(request: web.Request) -> web.StreamResponse:
            if not hmac.compare_digest(request.headers.get(HEADER, ""), self._token):
                return web.json_response({"error": f"{HEADER} is missing or wrong"}, status=403)
            self._world.follow(self._clock)
            try:
                answer = await handler(request)
            except (msgspec.ValidationError, ValueError) as error:
                return web.json_response({"error": str(error)}, status=400)
            return web.Response(body=orjson.dumps(answer), content_type="application/json")

        return serve

    def _of(self, name: str) -> list[Venue]:
        """Return the venue of a name, all of them for an empty one.

        Raises:
            ValueError: There is none of the name.
        """
        if not name:
            return list(self._venues.values())
        if name not in self._venues:
            raise ValueError(f"venue must be one of {', '.join(self._venues)}, was {name!r}")
        return [self._venues[name]]

    async def _list_venues(self, request: web.Request) -> Json:
        return {
            name: {"urls": venue.urls(request.host), "symbols": list(venue.market.shards)}
            for name, venue in self._venues.items()
        }

    async def _list_faults(self, request: web.Request) -> Json:
        venues = self._of(request.query.get("venue", ""))
        return {
            "known": {**COUNTED_FAULTS, **INSTANT_FAULTS},
            "armed": [msgspec.to_builtins(fault) for each in venues for fault in each.faults.armed],
            "log": [
                {"venue": each.name, **msgspec.to_builtins(struck)}
                for each in venues
                for struck in each.faults.log
            ],
        }

    async def _arm(self, request: web.Request) -> Json:
        """Take ``{"kind": "gap", "count": 1, "venue": "okx", "symbol": "BTC-USDT"}``."""
        fault = msgspec.json.decode(await request.read(), type=Fault)
        check(fault)
        venues = self._of(fault.venue)
        if fault.kind in COUNTED_FAULTS:
            for venue in venues:
                venue.faults.arm(msgspec.structs.replace(fault))
        elif fault.kind in INSTANT_FAULTS:
            if fault.kind in OF_INSTRUMENTS and len(venues) > 1:
                # A symbol alone names the venues that list it.
                there = [each for each in venues if fault.symbol in each.market.shards]
                venues = there or venues[:1]
            for venue in venues:
                if fault.kind in LASTING:
                    venue.note("strike", msgspec.to_builtins(fault))
                await self._striker.strike(venue, fault)
                venue.faults.note(fault.kind, venue.now_ms(), f"value {fault.value:g}")
        else:
            known = ", ".join((*COUNTED_FAULTS, *INSTANT_FAULTS))
            raise ValueError(f"kind must be one of {known}, was {fault.kind!r}")
        return {"armed": sum(len(venue.faults.armed) for venue in venues)}

    async def _clear(self, request: web.Request) -> Json:
        """Disarm what is armed, and undo what faults have done: halts, renames, and so on."""
        for venue in self._of(request.query.get("venue", "")):
            self._striker.mend(venue)
            for fault in self._striker.amends(venue):
                venue.note("strike", msgspec.to_builtins(fault))
                await self._striker.strike(venue, fault)
        return {}

    async def _oracle(self, request: web.Request) -> Json:
        """Tell every order, fill, position and balance, and the best prices: the truth.

        Accounts are those of all the venues asked for, books and trade ids of the first.
        """
        venues = self._of(request.query.get("venue", ""))
        venue = venues[0]
        accounts = [account for each in venues for account in each.truth()]
        told: Json = {
            "ts_ms": venue.now_ms(),
            "accounts": msgspec.to_builtins(accounts),
            "books": {name: _sides(venue, shard, 1) for name, shard in venue.market.shards.items()},
            "trade_ids": {name: shard.trade_id for name, shard in venue.market.shards.items()},
        }
        if isinstance(venue, Binance):
            account = venue.account
            told |= {
                "orders": [
                    queried(order, venue.writers[order.symbol]) for order in account.orders.values()
                ],
                "trades": [own_trade(fill, venue.writers[fill.symbol]) for fill in account.fills],
                "balances": {
                    asset: {"free": amount(free), "locked": amount(locked)}
                    for asset, (free, locked) in account.balances(tuple(account.free)).items()
                },
            }
        return told

    async def _book(self, request: web.Request) -> Json:
        """Give the true book of ``?venue=&symbol=`` at this instant, every level."""
        venue, shard = self._asked(request)
        return venue.oracle(shard, 100_000)

    async def _trades(self, request: web.Request) -> list[Json]:
        """Give the trades of ``?venue=&symbol=&from_id=&limit=`` that the crowd really made."""
        venue, shard = self._asked(request)
        first, limit = _number(request, "from_id", 0), _number(request, "limit", 12_000)
        scale = venue.scales[shard.listing.symbol]
        return [
            {
                "id": row.id,
                "price": scale.short_price(row.price_ticks),
                "size": scale.short_size(row.lots),
                "ts_ms": row.ts_ms,
                "side": "sell" if row.buyer_is_maker else "buy",
            }
            for row in shard.trades_since(first - 1)[:limit]
        ]

    async def _trade(self, request: web.Request) -> Json:
        """Let the crowd take: ``{"symbol", "side": "BUY", "qty": "0.5", "price": optional}``.

        With a price it stops there, so a test can fill its own resting order and no other.
        """
        asked = orjson.loads(await request.read())
        venue = self._of(str(asked.get("venue", "")))[0]
        shard = listed(venue, str(asked.get("symbol", "")))
        listing = shard.listing
        side = Side(str(asked.get("side", "")).lower())
        lots = _steps(str(asked.get("qty", "")), listing.size_decimals) // listing.lot_step
        price = asked.get("price")
        limit = (
            _steps(str(price), listing.price_decimals) // listing.tick_step
            if price is not None
            else None
        )
        got = venue.market.crowd_trade(listing.symbol, side, lots, limit)
        venue.tick()
        return {"executed": venue.size_text(shard, got)}

    async def _flow(self, request: web.Request) -> Json:
        """Let the crowd act or stand still: ``{"on": false, "venue": optional}``."""
        asked = orjson.loads(await request.read())
        if not isinstance(asked.get("on"), bool):
            raise ValueError(f"on must be true or false, was {asked.get('on')!r}")
        for venue in self._of(str(asked.get("venue", ""))):
            venue.note("flow", {"on": asked["on"]})
            venue.market.flow = asked["on"]
        return {"on": asked["on"]}

    async def _tell_clock(self, request: web.Request) -> Json:
        """Tell the market's time and how fast it runs."""
        return {"now_ms": self._world.now_ns // MS, "speed": self._clock.speed}

    async def _set_clock(self, request: web.Request) -> Json:
        """Take ``{"speed": 20}`` and ``{"jump_s": 3600}`` (time passes with nothing happening)."""
        asked = msgspec.json.decode(await request.read(), type=_ClockChange)
        clock = self._clock
        if not isinstance(clock, WallClock):
            raise ValueError("this market's clock moves only when its test says so")
        if not 0.0 < asked.speed <= _FASTEST:
            raise ValueError(f"speed must be above 0 and at most {_FASTEST:g}, was {asked.speed:g}")
        clock.run_at(asked.speed or clock.speed)
        clock.jump(int(asked.jump_s * SECOND))
        return await self._tell_clock(request)

    async def _set_chaos(self, request: web.Request) -> Json:
        """Take ``{"seed": 7, "per_minute": 2, "kinds": [..], "venue": ""}``; 0 ends it."""
        plan = msgspec.json.decode(await request.read(), type=Chaos)
        venues = self._of(plan.venue)
        for venue in venues:
            self._dice.pop(venue.name, None)
            if plan.per_minute:
                self._dice[venue.name] = Dice(plan, venue)
        return {name: dice.armed for name, dice in self._dice.items()}

    async def _open_account(self, request: web.Request) -> Json:
        """Take ``{"venue", "api_key", "secret", "funds": {"USDT": 1000}}``; no funds: the usual."""
        asked = msgspec.json.decode(await request.read(), type=_NewAccount)
        if not well_formed(asked.api_key):
            raise ValueError(f"api_key must be 8-128 of [A-Za-z0-9_-], was {len(asked.api_key)}")
        venue = self._of(asked.venue)[0]
        venue.note("account", msgspec.to_builtins(asked))
        venue.add_account(asked.api_key, asked.secret, asked.funds)
        return {"accounts": len(venue.truth())}

    def _roll(self, now_ns: int) -> None:
        for dice in self._dice.values():
            dice.roll(now_ns)

    def _asked(self, request: web.Request) -> tuple[Venue, Shard]:
        venue = self._of(request.query.get("venue", ""))[0]
        return venue, listed(venue, request.query.get("symbol", ""))


class _NewAccount(msgspec.Struct, forbid_unknown_fields=True):
    api_key: str
    secret: str
    venue: str = ""
    funds: dict[str, int] = {}


class _ClockChange(msgspec.Struct, forbid_unknown_fields=True):
    speed: float = 1.0
    jump_s: float = 0.0


_FASTEST: Final = 1_000.0


def _number(request: web.Request, name: str, usual: int) -> int:
    text = request.query.get(name, str(usual))
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{name} must be a whole number, was {text!r}")
    return int(text)


def _sides(venue: Venue, shard: Shard, levels: int) -> Json:
    told = venue.oracle(shard, levels)
    return {"bids": told["bids"], "asks": told["asks"]}


def _steps(text: str, decimals: int) -> int:
    """Return a decimal as a whole number of steps of ``10**-decimals``."""
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0")
    if not (whole + fraction).isdigit() or len(fraction) > decimals:
        raise ValueError(f"a number with at most {decimals} decimals is needed, was {text!r}")
    return int(whole + fraction.ljust(decimals, "0"))
