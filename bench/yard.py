"""A proving ground: an emulated venue, its accounts, and a crowd that does as it is told.

Everything between it and an engine is real: the adapter, its connections over loopback,
signatures, the emulator's endpoints and its matching. Its market stands still but for the crowd.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Protocol

import msgspec

from bench.lapse import TappedLoop
from clx.proving import EMULATED
from core.feeds.binance_usdm.symbols import parse_exchange_info
from core.feeds.deribit.symbols import parse_instruments
from core.feeds.okx.symbols import parse_listing
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import Side
from core.model.ports import Clock
from core.venues.binance import rest
from core.wire.http import HttpSession
from emulator.app import Emulator
from emulator.binance.gate.limits import Limiter
from emulator.clock import Clock as MarketClock
from emulator.market.derivatives.orders import Ending
from emulator.market.listings import Listing
from emulator.market.truth import AccountTruth

TOKEN = "token"
START_NS = 1_767_225_600 * 10**9
_UNLIMITED = 10**9
_KEY, _SECRET = "k" * 32, "s" * 32


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """What of a kind of venue is traded in."""

    kind: str
    symbol: str
    size: str
    """Of an order; its eighth is a whole number of lots."""
    table: Mapping[str, Any] = {}
    """Fields of the venue's table besides those of `clx test-venue`."""
    hedged: bool = False
    """Long and short are held apart."""


SITES: dict[str, Site] = {
    site.kind + ("-hedged" if site.hedged else ""): site
    for site in (
        Site(kind="binance", symbol="SOLUSDT", size="2"),
        Site(kind="binance_usdm", symbol="SOLUSDT", size="8"),
        Site(kind="binance_usdm", symbol="SOLUSDT", size="8", hedged=True),
        Site(kind="okx", symbol="BTC-USDT-SWAP", size="4"),
        Site(kind="okx", symbol="BTC-USDT-SWAP", size="4", hedged=True),
        Site(kind="deribit", symbol="BTC-PERPETUAL", size="1600"),
    )
}


_LISTINGS: dict[str, tuple[str, Callable[[bytes, VenueName], list[Instrument]]]] = {
    "binance_usdm": ("/binancefut/fapi/v1/exchangeInfo", parse_exchange_info),
    "okx": (
        "/okx/api/v5/public/instruments?instType=SWAP",
        lambda body, name: list(parse_listing(body, name).instruments),
    ),
    "deribit": (
        "/deribit/api/v2/public/get_instruments?currency=BTC&kind=future",
        lambda body, name: list(parse_instruments(body, name).instruments),
    ),
}
"""Where a venue lists what it trades, and how that is read; the whole feed needs compiling."""


class Market(Protocol):
    """What a scenario and an engine see of a yard, in this process or in another one."""

    clock: Clock
    name: VenueName
    site: Site
    instruments: dict[InstrumentId, Instrument]

    @property
    def instrument(self) -> Instrument:
        """What is traded."""
        ...

    def top(self, instrument: Instrument) -> tuple[int, int]:
        """Return best bid and ask in ticks."""
        ...

    def last(self, instrument: Instrument) -> int:
        """Return the ticks of the newest trade."""
        ...

    def make_room(self, instrument: Instrument) -> tuple[int, int]:
        """Let there be free ticks between bid and ask, and return both."""
        ...

    def take(self, instrument: Instrument, side: str, lots: int, limit: int | None = None) -> int:
        """Let the crowd take so many lots, up to a price; return what it got."""
        ...

    def print_at(self, instrument: Instrument, ticks: int) -> None:
        """Let the last trade be at a price between bid and ask."""
        ...

    def end_all(self, owner: int) -> None:
        """Let the venue end all open orders of an account by itself, of contracts."""
        ...

    def truth(self, owner: int) -> AccountTruth:
        """Return what really happened, in the adapter's names."""
        ...


class Yard:
    """The emulator, its accounts and its market; a `Market` in this process."""

    def __init__(self, emulator: Emulator, site: Site, clock: Clock) -> None:
        """Prepare with an emulator that was not started yet."""
        self.emulator = emulator
        self.site = site
        self.clock = clock
        self.name = VenueName(site.kind)
        self.house: Any = emulator.venues[EMULATED[site.kind].venue]
        self.instruments: dict[InstrumentId, Instrument] = {}
        self.accounts = 0
        self._outage: asyncio.Task[None] | None = None
        if site.hedged:
            self.house.account.hedge = True

    async def open(self) -> None:
        """Listen."""
        await self.emulator.start()
        self.forget_limits()
        # In lapsed time a minute's budget would be spent in a moment.
        rest.BinanceRest.__init__.__kwdefaults__["weight_per_minute"] = _UNLIMITED
        found = await self._listed()
        listed = self.house.market.shards
        self.instruments = {item.id: item for item in found if item.venue_symbol in listed}

    async def _listed(self) -> list[Instrument]:
        if self.site.kind == "binance":
            return [_instrument(s.listing, self.name) for s in self.house.market.shards.values()]
        path, parse = _LISTINGS[self.site.kind]
        http = HttpSession(f"http://127.0.0.1:{self.emulator.port}", clock=self.clock, timeout_s=9)
        try:
            return parse((await http.get(path)).body, self.name)
        finally:
            await http.close()

    def _placed(self, fields: Mapping[str, str]) -> dict[str, Any]:
        host = f"127.0.0.1:{self.emulator.port}"
        return {name: text.replace("HOST", host) for name, text in fields.items()}

    async def close(self) -> None:
        """End everything."""
        await self.emulator.stop()

    def forget_limits(self) -> None:
        """Let nobody have asked for anything yet."""
        if self.site.kind == "binance":
            self.house.limiter = Limiter(self.house.now_ms)
        self.house.set_weight_limit(_UNLIMITED)

    @property
    def instrument(self) -> Instrument:
        """What is traded."""
        return next(i for i in self.instruments.values() if i.venue_symbol == self.site.symbol)

    def open_account(self) -> tuple[int, dict[str, Any]]:
        """Return an account's number and the settings of a venue that trades for it.

        Spot opens one after the other, the other venues have the one.
        """
        key = _KEY
        self.accounts += 1
        owner = 1
        if self.site.kind == "binance":
            key = f"account{self.accounts:06d}".ljust(32, "x")
            asked = {"api_key": key, "secret": _SECRET, "funds": {}}
            self.house.note("account", asked)
            owner = self.house.open_account(key, _SECRET).owner
        return owner, {
            "kind": self.site.kind,
            **self._placed(EMULATED[self.site.kind].table),
            "api_key": key,
            "api_secret": _SECRET,
            # How long "no such order" is not believed of an order that may be on its way.
            "recv_window_ms": 500,
            "timeout_s": 2.0,
            **self.site.table,
        }

    def cut(self, seconds: float) -> None:
        """Be gone for a while, as if killed: what is in the kernel's hands is lost both ways."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, TappedLoop)
        for transport in list(loop.served):
            transport.abort()
        self._outage = loop.create_task(self._away(seconds), context=contextvars.Context())

    async def back(self) -> None:
        """Wait until it is there again."""
        if self._outage is not None:
            await self._outage

    async def _away(self, seconds: float) -> None:
        await self.emulator.refuse()
        await asyncio.sleep(seconds)
        await self.emulator.listen()

    def end_all(self, owner: int) -> None:
        """Let the venue end all open orders of an account by itself, of contracts."""
        house = self.house.house
        account = house.desk.accounts[owner]
        for waits in list(account.armed.values()):
            house.waiting.disarm(account, waits, Ending.DEAD_MAN)
        house.desk.cancel_all(account, ending=Ending.DEAD_MAN)
        self.house.tick()

    def truth(self, owner: int) -> AccountTruth:
        """Return what really happened."""
        told = next(each for each in self.house.truth() if each.owner == str(owner))
        ours = EMULATED[self.site.kind].ours
        return told if ours is None else ours(told, self.house)

    def shard(self, instrument: Instrument) -> Any:
        """Return an instrument's floor."""
        return self.house.market.shards[instrument.venue_symbol]

    def top(self, instrument: Instrument) -> tuple[int, int]:
        """Return best bid and ask in ticks."""
        engine = self.shard(instrument).engine
        bid, ask = engine.best_bid(), engine.best_ask()
        if bid is None or ask is None:
            self.house.market.refill(instrument.venue_symbol)
            bid, ask = engine.best_bid(), engine.best_ask()
        return bid, ask

    def last(self, instrument: Instrument) -> int:
        """Return the ticks of the newest trade."""
        return int(self.shard(instrument).last_ticks)

    def make_room(self, instrument: Instrument) -> tuple[int, int]:
        """Let there be free ticks between bid and ask, and return both."""
        bid, ask = self.top(instrument)
        while ask - bid < 8:
            ticks, lots = self.shard(instrument).asks(1)[0]
            self.take(instrument, "buy", lots, ticks)
            bid, ask = self.top(instrument)
        return bid, ask

    def take(self, instrument: Instrument, side: str, lots: int, limit: int | None = None) -> int:
        """Let the crowd take so many lots, up to a price; return what it got."""
        self.house.catch_up()
        market = self.house.market
        got: int = market.crowd_trade(instrument.venue_symbol, Side(side), lots, limit)
        self.house.tick()
        return got

    def print_at(self, instrument: Instrument, ticks: int) -> None:
        """Let the last trade be at a price between bid and ask."""
        self.house.market.crowd_rest(instrument.venue_symbol, Side.SELL, 1, ticks)
        self.take(instrument, "buy", 1, ticks)


def touch(market: Market, instrument: Instrument, side: str) -> None:
    """Let the last trade be at the best price a buyer, or a seller, gets."""
    market.take(instrument, side, 1)


def make_emulator(site: Site, seed: int, clock: MarketClock | None = None) -> Emulator:
    """Return an emulator of a site's venue that stands still and was not started."""
    return Emulator(
        seed=seed,
        api_key=_KEY,
        api_secret=_SECRET,
        control_token=TOKEN,
        history_days=2,
        flow=False,
        clock=clock,
        venues=(EMULATED[site.kind].venue,),
    )


@functools.cache
def _step() -> Decimal:
    return Decimal(10) ** -8


def _instrument(listing: Listing, venue: VenueName) -> Instrument:
    return Instrument(
        id=InstrumentId(f"{listing.base}-{listing.quote}.{venue}"),
        venue=venue,
        venue_symbol=listing.symbol,
        base=listing.base,
        quote=listing.quote,
        price_tick=listing.tick_e8 * _step(),
        size_lot=listing.lot_e8 * _step(),
        min_size=listing.lot_e8 * _step(),
        min_notional=Decimal(listing.min_notional),
    )
