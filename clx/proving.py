"""Grounds for `clx test-venue`: each kind of venue against the emulator, in this process."""

from __future__ import annotations

import functools
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
from core.model.market import Side
from core.model.ports import Clock, Venue
from core.model.settings import FeedSettings, VenueSettings
from core.venues.conformance.control import Control
from core.venues.conformance.ground import Ground, Subject
from core.venues.conformance.truth import AccountTruth
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
    stirred: bool = False
    """Somebody trades first: the last price is of the past until then, and triggers wait for it."""
    ours: Callable[[AccountTruth, Any], AccountTruth] | None = None
    """Rewrites the oracle's account in the adapter's names; is given the emulator's venue too."""


class _NamedControl(Control):
    """The oracle in an adapter's own names."""

    ours: Callable[[AccountTruth], AccountTruth] | None = None

    async def account(self) -> AccountTruth:
        """Return everything of the account."""
        told = await super().account()
        return told if self.ours is None else self.ours(told)


def _told(
    ours: Callable[[AccountTruth, Any], AccountTruth], venue: Any, told: AccountTruth
) -> AccountTruth:
    return ours(told, venue)


def _okx_names(told: AccountTruth, venue: Any) -> AccountTruth:
    """OKX spells client ids without dashes."""
    from core.venues.okx.names import from_wire

    change = msgspec.structs.replace
    return change(
        told,
        orders=[change(row, client_id=from_wire(row.client_id)) for row in told.orders],
        fills=[change(row, client_id=from_wire(row.client_id)) for row in told.fills],
    )


def _deribit_names(told: AccountTruth, venue: Any) -> AccountTruth:
    """Deribit names trades by more than their number."""
    change = msgspec.structs.replace
    fills = [
        change(row, id=venue.writers[row.symbol].own_trade_id(int(row.id))) for row in told.fills
    ]
    return change(told, fills=fills)


async def _hedge_okx(venue: Venue) -> None:
    from core.venues.okx.venue import OkxVenue

    if isinstance(venue, OkxVenue):
        await venue.set_hedging(True)


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
    "deribit": Emulated(
        venue="deribit",
        symbol="BTC-PERPETUAL",
        size="1000",
        feed={
            "rest_url": "http://HOST/deribit/api/v2",
            "stream_url": "ws://HOST/deribit/ws/api/v2",
        },
        table={
            "rest_url": "http://HOST/deribit/api/v2",
            "ws_api_url": "ws://HOST/deribit/ws/api/v2",
        },
        unfit={"size": Decimal(100_000_000)},
        stirred=True,
        ours=_deribit_names,
    ),
    "okx": Emulated(
        venue="okx",
        symbol="BTC-USDT-SWAP",
        size="4",
        feed={"rest_url": "http://HOST/okx", "stream_url": "ws://HOST/okx"},
        table={
            "rest_url": "http://HOST/okx",
            "ws_api_url": "ws://HOST/okx/ws/v5",
            "passphrase": "words",
            "dead_man_s": "60",
        },
        hedge=_hedge_okx,
        unfit={"size": Decimal(100_000)},
        stirred=True,
        ours=_okx_names,
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
        control = _NamedControl(
            str(state["control_url"]),
            str(state["control_token"]),
            venue=self._found.venue,
            symbol=self._found.symbol,
            clock=SystemClock(),
        )
        venue, ours = emulator.venues[self._found.venue], self._found.ours
        if ours is not None:
            control.ours = functools.partial(_told, ours, venue)
        try:
            await control.arm("weight_limit", value=_UNLIMITED)
            if self._found.stirred:
                await control.trade(Side.BUY, Decimal(self._found.size) / 4)
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
