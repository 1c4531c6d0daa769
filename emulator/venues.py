"""Which venues there are, and how each is opened on the world they share.

A venue's code is loaded when it is opened: the market of the demo pays for what it shows alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from emulator.clock import Clock
from emulator.market.listings import LISTINGS, Listing
from emulator.market.market import Market
from emulator.market.world import World
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


def _open_binance(market: Market, clock: Clock, seed: int, keys: Keys) -> Venue:
    from emulator.binance.exchange import Binance

    return Binance(market, clock, seed, api_key=keys.api_key, api_secret=keys.api_secret)


def _futures(world: World) -> tuple[Listing, ...]:
    from emulator.binancefut.instruments import LISTINGS as FUTURES

    return FUTURES


def _open_futures(market: Market, clock: Clock, seed: int, keys: Keys) -> Venue:
    from emulator.binancefut.exchange import BinanceFuturesExchange

    return BinanceFuturesExchange(market, clock, seed, keys.api_key, keys.api_secret)


def _okx(world: World) -> tuple[Listing, ...]:
    from emulator.okx.instruments import LISTINGS as OKX

    return OKX


def _open_okx(market: Market, clock: Clock, seed: int, keys: Keys) -> Venue:
    from emulator.okx.exchange import OkxExchange

    return OkxExchange(market, clock, seed, keys.api_key, keys.api_secret)


def _kucoin(world: World) -> tuple[Listing, ...]:
    from emulator.kucoin.instruments import LISTINGS as KUCOIN

    return KUCOIN


def _open_kucoin(market: Market, clock: Clock, seed: int, keys: Keys) -> Venue:
    from emulator.kucoin.exchange import KuCoinExchange

    return KuCoinExchange(market, clock, seed, keys.api_key, keys.api_secret)


def _coinbase(world: World) -> tuple[Listing, ...]:
    from emulator.coinbase.instruments import LISTINGS as COINBASE

    return COINBASE


def _open_coinbase(market: Market, clock: Clock, seed: int, keys: Keys) -> Venue:
    from emulator.coinbase.exchange import CoinbaseExchange

    return CoinbaseExchange(market, clock, seed)


def _alpaca(world: World) -> tuple[Listing, ...]:
    from emulator.alpaca.instruments import LISTINGS as ALPACA

    return ALPACA


def _open_alpaca(market: Market, clock: Clock, seed: int, keys: Keys) -> Venue:
    from emulator.alpaca.exchange import AlpacaExchange

    return AlpacaExchange(market, clock, seed, keys.api_key, keys.api_secret)


def _deribit(world: World) -> tuple[Listing, ...]:
    from emulator.deribit.instruments import listings

    return listings(world)


def _open_deribit(market: Market, clock: Clock, seed: int, keys: Keys) -> Venue:
    from emulator.deribit.exchange import DeribitExchange

    return DeribitExchange(market, clock, seed, keys.api_key, keys.api_secret)


VENUES: Final[dict[str, Kind]] = {
    "binance": Kind(listings=lambda _: LISTINGS, open=_open_binance, pace=1.0),
    "binancefut": Kind(listings=_futures, open=_open_futures, pace=0.5),
    "okx": Kind(listings=_okx, open=_open_okx),
    "kucoin": Kind(listings=_kucoin, open=_open_kucoin),
    "coinbase": Kind(listings=_coinbase, open=_open_coinbase),
    "alpaca": Kind(listings=_alpaca, open=_open_alpaca),
    "deribit": Kind(listings=_deribit, open=_open_deribit),
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
