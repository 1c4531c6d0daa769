"""What can be traded: shares, coins, and options on shares, with their steps and prices."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Final

import msgspec

from emulator.alpaca.hours import NEW_YORK, session
from emulator.alpaca.instruments import TEST_SYMBOL
from emulator.clock import MS
from emulator.market.history import CARRY_PER_YEAR
from emulator.market.listings import ASSETS
from emulator.market.market import Market
from emulator.market.options import Chain, Greeks, black, smile
from emulator.market.shard import Shard

_YEAR_MS: Final = 365 * 86_400_000
_EXPIRIES: Final = 4
_STRIKES_EACH_WAY: Final = 5
_PENNY: Final = Decimal("0.01")
_NICKEL: Final = Decimal("0.05")
_NICKEL_FROM: Final = 3
_SPREAD: Final = Decimal("0.015")
CONTRACT: Final = 100
"""Shares an option is on."""
QUOTED: Final = Decimal(50)
"""Contracts a market maker buys or sells at a time."""


class Instrument(msgspec.Struct, kw_only=True, eq=False):
    """One asset as orders name it."""

    symbol: str
    kind: str
    """``us_equity``, ``crypto`` or ``us_option``."""
    tick: Decimal
    lot: Decimal
    """The least size its book trades; shares are traded in parts of 1e-9 by the house."""
    shard: Shard | None = None
    """None for an option: its market maker quotes, there is no book."""
    contract: Contract | None = None

    @property
    def id(self) -> str:
        """The venue's id of the asset."""
        return asset_id(self.symbol)

    @property
    def multiplier(self) -> int:
        """Units of the underlying one unit of size is on."""
        return CONTRACT if self.contract else 1

    @property
    def short(self) -> str:
        """How positions call it: coins without the slash."""
        return self.symbol.replace("/", "")

    @property
    def last(self) -> Decimal:
        """The last price."""
        if self.contract is not None:
            bid, ask = self.contract.quote()
            return (bid + ask) / 2
        assert self.shard is not None
        return self.shard.last_ticks * self.tick

    def best(self, *, buys: bool) -> Decimal | None:
        """Return the price a taker gets at once, None where nobody quotes."""
        if self.contract is not None:
            bid, ask = self.contract.quote()
            return ask if buys else bid
        assert self.shard is not None
        engine = self.shard.engine
        ticks = engine.best_ask() if buys else engine.best_bid()
        return None if ticks is None else ticks * self.tick

    def before(self) -> Decimal:
        """Return the close of the day before."""
        if self.shard is None:
            return self.last
        days = "1d" if self.kind == "crypto" else "1d-5"
        now_ms = self.shard.last_ns // MS
        return int(self.shard.candles.latest(days, now_ms, before=1)[4]) * self.tick


class Contract:
    """One option, priced by its underlying's volatility."""

    def __init__(
        self, underlying: Shard, chain: Chain, expiry: dt.date, strike: Decimal, *, call: bool
    ) -> None:
        self.underlying = underlying
        self.expiry = expiry
        self.strike = strike
        self.call = call
        hours = session(expiry)
        close = hours[1] if hours else dt.datetime.combine(expiry, dt.time(16), NEW_YORK)
        self.expiry_ms = int(close.timestamp() * 1_000)
        self._chain = chain

    @property
    def symbol(self) -> str:
        """The OCC's name: ``AAPL261218C00250000``."""
        root = self.underlying.listing.symbol
        kind = "C" if self.call else "P"
        return f"{root}{self.expiry:%y%m%d}{kind}{int(self.strike * 1_000):08d}"

    def greeks(self) -> Greeks:
        """Return what it is worth, in parts of the share's forward, and what that answers to."""
        now_ms = self.underlying.last_ns // MS
        price = self.underlying.last_ticks * self.underlying.listing.tick
        years = max(0.0, self.expiry_ms - now_ms) / _YEAR_MS
        forward = price * 2.718281828459045 ** (CARRY_PER_YEAR * years)
        atm = self._chain.atm or self._chain.atm_at(now_ms)
        iv = smile(atm, forward, float(self.strike), years)
        return black(forward, float(self.strike), years, iv, call=self.call)

    def quote(self) -> tuple[Decimal, Decimal]:
        """Return what its market maker bids and asks for one share's worth."""
        now = self.greeks()
        middle = Decimal(repr(now.price * now.forward))
        step = _NICKEL if middle >= _NICKEL_FROM else _PENNY
        half = max(step, middle * _SPREAD)
        bid = max(Decimal(0), (middle - half) // step * step)
        ask = max(step, -(-(middle + half) // step) * step)
        return bid, ask

    def worth(self) -> Decimal:
        """Return what exercising it now would give for one share."""
        listing = self.underlying.listing
        price = self.underlying.last_ticks * Decimal(1).scaleb(-listing.price_decimals)
        gain = price - self.strike if self.call else self.strike - price
        return max(Decimal(0), gain)


def asset_id(symbol: str) -> str:
    """Return an asset's id, the same in every run."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{symbol}.alpaca.emulated"))


class Assets:
    """All instruments by their names."""

    def __init__(self, market: Market, seed: int) -> None:
        self.all: dict[str, Instrument] = {}
        self.chains: list[Chain] = []
        for shard in market.shards.values():
            self._add_shard(shard)
        for shard in market.shards.values():
            if shard.listing.kind == "stock" and shard.listing.symbol != TEST_SYMBOL:
                self._add_options(market, seed, shard)

    def find(self, name: str) -> Instrument | None:
        """Return an instrument by symbol (with or without the slash) or id."""
        found = self.all.get(name)
        if found is not None:
            return found
        for instrument in self.all.values():
            if name in (instrument.short, instrument.id):
                return instrument
        return None

    def contracts(self) -> list[Instrument]:
        """Return the options."""
        return [each for each in self.all.values() if each.contract is not None]

    def rename(self, old: str, new: str) -> None:
        """Call an instrument by another name from now on."""
        if old in self.all:
            instrument = self.all.pop(old)
            instrument.symbol = new
            self.all[new] = instrument

    def second(self, now_ms: int) -> None:
        """Let volatilities follow what the shares do."""
        for chain in self.chains:
            chain.second(now_ms)

    def _add_shard(self, shard: Shard) -> None:
        listing = shard.listing
        self.all[listing.symbol] = Instrument(
            symbol=listing.symbol,
            kind="us_equity" if listing.kind == "stock" else "crypto",
            tick=Decimal(listing.tick_step).scaleb(-listing.price_decimals),
            lot=Decimal(listing.lot_step).scaleb(-listing.size_decimals),
            shard=shard,
        )

    def _add_options(self, market: Market, seed: int, shard: Shard) -> None:
        listing = shard.listing
        asset = market.world.asset(ASSETS.get(listing.follows, listing))
        chain = Chain(seed, asset.value, asset.path)
        self.chains.append(chain)
        price = shard.last_ticks * listing.tick
        step = _step(price)
        middle = round(price / float(step)) * step
        for expiry in _expiries(market.started_ns // MS):
            for number in range(-_STRIKES_EACH_WAY, _STRIKES_EACH_WAY + 1):
                for call in (True, False):
                    strike = middle + number * step
                    contract = Contract(shard, chain, expiry, strike, call=call)
                    self.all[contract.symbol] = Instrument(
                        symbol=contract.symbol,
                        kind="us_option",
                        tick=_PENNY,
                        lot=Decimal(1),
                        contract=contract,
                    )


def _step(price: float) -> Decimal:
    return Decimal("2.5") if price < 200 else Decimal(5)


def _expiries(now_ms: int) -> list[dt.date]:
    """Return the next Fridays, or the day before one that is a holiday."""
    day = dt.datetime.fromtimestamp(now_ms / 1_000, NEW_YORK).date() + dt.timedelta(days=1)
    found: list[dt.date] = []
    while len(found) < _EXPIRIES:
        if day.weekday() == 4:
            found.append(day if session(day) else day - dt.timedelta(days=1))
        day += dt.timedelta(days=1)
    return found
