"""Which venues there are, and how each is opened on the world they share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from emulator.alpaca.exchange import AlpacaExchange
from emulator.alpaca.instruments import LISTINGS as ALPACA
from emulator.binance.exchange import Binance
from emulator.binancefut.exchange import BinanceFuturesExchange
from emulator.binancefut.instruments import LISTINGS as FUTURES
from emulator.clock import Clock
from emulator.coinbase.exchange import CoinbaseExchange
from emulator.coinbase.instruments import LISTINGS as COINBASE
from emulator.deribit.exchange import DeribitExchange
from emulator.deribit.instruments import listings as deribit_listings
from emulator.kucoin.exchange import KuCoinExchange
from emulator.kucoin.instruments import LISTINGS as KUCOIN
from emulator.market.listings import LISTINGS, Listing
from emulator.market.market import Market
from emulator.market.world import World
from emulator.okx.exchange import OkxExchange
from emulator.okx.instruments import LISTINGS as OKX
from emulator.wire.venue import Venue


class Keys(msgspec.Struct, frozen=True):
    """The one account's credentials, the same at every venue."""

    api_key: str
    api_secret: str


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """How to open one venue."""

    listings: Callable[[World], tuple[Listing, ...]]
    """What it lists: dated instruments and strikes depend on the world's time and prices."""
    open: Callable[[Market, Clock, int, Keys], Venue]
    pace: float = 0.25
    """Its order flow against the leading venue's."""


def _binance(market: Market, clock: Clock, seed: int, keys: Keys) -> Venue:
    return Binance(market, clock, seed, api_key=keys.api_key, api_secret=keys.api_secret)


VENUES: Final[dict[str, Kind]] = {
    "binance": Kind(listings=lambda _: LISTINGS, open=_binance, pace=1.0),
    "binancefut": Kind(
        listings=lambda _: FUTURES,
        open=lambda market, clock, seed, keys: BinanceFuturesExchange(market, clock, seed),
        pace=0.5,
    ),
    "okx": Kind(
        listings=lambda _: OKX,
        open=lambda market, clock, seed, keys: OkxExchange(
            market, clock, seed, keys.api_key, keys.api_secret
        ),
    ),
    "kucoin": Kind(
        listings=lambda _: KUCOIN,
        open=lambda market, clock, seed, keys: KuCoinExchange(
            market, clock, seed, keys.api_key, keys.api_secret
        ),
    ),
    "coinbase": Kind(
        listings=lambda _: COINBASE,
        open=lambda market, clock, seed, keys: CoinbaseExchange(market, clock, seed),
    ),
    "alpaca": Kind(
        listings=lambda _: ALPACA,
        open=lambda market, clock, seed, keys: AlpacaExchange(
            market, clock, seed, keys.api_key, keys.api_secret
        ),
    ),
    "deribit": Kind(
        listings=deribit_listings,
        open=lambda market, clock, seed, keys: DeribitExchange(
            market, clock, seed, keys.api_key, keys.api_secret
        ),
    ),
}
"""The venues by name, in the order they act in."""


def open_venues(names: tuple[str, ...], world: World, clock: Clock, keys: Keys) -> dict[str, Venue]:
    """Open venues, and give the world its first second.

    Raises:
        ValueError: There is none of a name.
    """
    for name in names:
        if name not in VENUES:
            raise ValueError(f"venue must be one of {', '.join(VENUES)}, was {name!r}")
    markets = {
        name: Market(
            world.seed,
            world.started_ns,
            listings=kind.listings(world),
            world=world,
            pace=kind.pace,
        )
        for name, kind in VENUES.items()
        if name in names
    }
    world.begin()
    for market in markets.values():
        market.populate()
    return {
        name: VENUES[name].open(market, clock, world.seed, keys) for name, market in markets.items()
    }
