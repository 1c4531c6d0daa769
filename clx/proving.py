"""Grounds for `clx test-venue`: each kind of venue against the emulator, in this process."""

from __future__ import annotations

import random
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec
from pydantic import SecretStr

from core.engine.clock import SystemClock
from core.feeds.registry import make_feed
from core.model.errors import ConfigError, did_you_mean
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.ports import Clock, Venue
from core.model.settings import FeedSettings, VenueSettings
from core.venues.conformance.control import Control
from core.venues.conformance.ground import Ground, Subject
from core.venues.registry import LiveVenue, make_venue
from emulator.app import Emulator

_SEED: Final = 7
_HISTORY_DAYS: Final = 2
_TIMEOUT_S: Final = 1.0
_UNLIMITED: Final = 10_000_000


async def _hedge_usdm(venue: Venue) -> None:
    from core.venues.binance_usdm.venue import BinanceUsdmVenue

    if isinstance(venue, BinanceUsdmVenue):
        await venue.set_hedging(True)


class Emulated(msgspec.Struct, frozen=True, kw_only=True):
    """How a kind of venue is found at the emulator."""

    venue: str
    """The emulator's name of it."""
    symbol: str
    """The instrument traded, as the venue spells it."""
    size: str
    feed: Mapping[str, str]
    """Fields of the feed's table; HOST stands for the emulator's address."""
    table: Mapping[str, str]
    """Fields of the venue's table."""
    hedge: Callable[[Venue], Awaitable[None]] | None = None
    """Lets the account hold long and short apart."""
    unfit: Mapping[str, Decimal] = {}
    """See `Ground.unfit`."""
    tells_triggers: bool = True


EMULATED: Final[Mapping[str, Emulated]] = {
    "binance": Emulated(
        venue="binance",
        symbol="BTCUSDT",
        size="0.0200",
        feed={"rest_url": "http://HOST/binance", "stream_url": "ws://HOST/binance"},
        table={
            "rest_url": "http://HOST/binance",
            "ws_api_url": "ws://HOST/binance/ws-api/v3",
        },
    ),
    "binance_usdm": Emulated(
        venue="binancefut",
        symbol="BTCUSDT",
        size="0.020",
        feed={"rest_url": "http://HOST/binancefut", "stream_url": "ws://HOST/binancefut"},
        table={
            "rest_url": "http://HOST/binancefut",
            "ws_api_url": "ws://HOST/binancefut/private",
            "dead_man_s": "60",
        },
        hedge=_hedge_usdm,
        unfit={"size": Decimal(1000)},
    ),
}
"""Kinds that can be proven, which are those the emulator speaks."""


def subject(kind: str) -> Subject:
    """Return how to open a fresh ground for a kind of venue.

    Raises:
        ConfigError: The emulator does not speak it.
    """
    found = EMULATED.get(kind)
    if found is None:
        known = ", ".join(sorted(EMULATED))
        raise ConfigError(
            f"the emulator takes no orders as {kind!r}{did_you_mean(kind, EMULATED)}; it does as "
            f"{known}"
        )
    return _Grounds(kind, found).open


class _Grounds:
    """Fresh emulators of one kind of venue."""

    def __init__(self, kind: str, found: Emulated) -> None:
        self._kind = kind
        self._found = found
        self._instruments: tuple[Instrument, ...] = ()
        self._key, self._secret = secrets.token_hex(32), secrets.token_hex(32)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Ground]:
        """Start a market that stands still; stop it when the ground is left."""
        emulator = Emulator(
            seed=_SEED,
            api_key=self._key,
            api_secret=self._secret,
            control_token=secrets.token_hex(16),
            history_days=_HISTORY_DAYS,
            flow=False,
            venues=(self._found.venue,),
        )
        await emulator.start()
        state = emulator.state(0, "", "")
        control = Control(
            str(state["control_url"]),
            str(state["control_token"]),
            venue=self._found.venue,
            symbol=self._found.symbol,
            clock=SystemClock(),
        )
        try:
            await control.arm("weight_limit", value=_UNLIMITED)
            yield await self._ground(f"127.0.0.1:{emulator.port}", control)
        finally:
            await control.close()
            await emulator.stop()

    async def _ground(self, host: str, control: Control) -> Ground:
        kind, found = self._kind, self._found
        instruments = self._instruments = self._instruments or await _listed(kind, found, host)
        keys: dict[str, Any] = {
            "api_key": SecretStr(self._key),
            "api_secret": SecretStr(self._secret),
            "timeout_s": _TIMEOUT_S,
        }
        table = VenueSettings(kind=kind, **_placed(found.table, host), **keys)

        def make(clock: Clock) -> LiveVenue:
            made = make_venue(VenueName(kind), table, clock=clock, rng=random.Random(_SEED))  # noqa: S311  jitters back-off
            made.add_instruments(instruments)
            return made

        return Ground(
            name=VenueName(kind),
            table=table,
            control=control,
            instrument=next(i for i in instruments if i.venue_symbol == found.symbol),
            instruments=instruments,
            size=Decimal(found.size),
            make=make,
            hedge=found.hedge,
            unfit=found.unfit,
            tells_triggers=found.tells_triggers,
        )


async def _listed(kind: str, found: Emulated, host: str) -> tuple[Instrument, ...]:
    feed = make_feed(
        VenueName(kind),
        FeedSettings(kind=kind, **_placed(found.feed, host)),
        clock=SystemClock(),
        rng=random.Random(_SEED),  # noqa: S311  jitters back-off
        data=Path(),
    )
    try:
        return tuple(await feed.instruments())
    finally:
        await feed.close()


def _placed(fields: Mapping[str, str], host: str) -> dict[str, Any]:
    return {name: text.replace("HOST", host) for name, text in fields.items()}
