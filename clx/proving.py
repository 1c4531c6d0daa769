"""Grounds for `clx test-venue`: each kind of venue against the emulator, in this process."""

from __future__ import annotations

import functools
import random
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec
from pydantic import SecretStr

from clx.emulated import EMULATED, Emulated
from core.engine.clock import SystemClock
from core.feeds.registry import make_feed
from core.model.errors import ConfigError, did_you_mean
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.market import Side
from core.model.ports import Clock
from core.model.settings import FeedSettings, VenueSettings
from core.venues.conformance.control import Control
from core.venues.conformance.ground import Ground, Subject
from core.venues.conformance.truth import AccountTruth
from core.venues.kinds import CCXT
from core.venues.registry import LiveVenue, make_venue
from emulator.app import Emulator

_SEED: Final = 7
_HISTORY_DAYS: Final = 2
_TIMEOUT_S: Final = 1.0
_CCXT_TIMEOUT_S: Final = 2.0
_CCXT_LOOK_S: Final = 0.3
"""How often ccxt's venue asks, and how soon a watch is taken to stand: cases are short."""
_UNLIMITED: Final = 10_000_000


class _NamedControl(Control):
    """The oracle in an adapter's own names; requests stay unlimited, so no case has to wait."""

    ours: Callable[[AccountTruth], AccountTruth] | None = None

    async def mend(self) -> None:
        """Disarm every fault and undo what lasts."""
        await super().mend()
        await self.arm("weight_limit", value=_UNLIMITED)

    async def account(self) -> AccountTruth:
        """Return everything of the account."""
        told = await super().account()
        return told if self.ours is None else self.ours(told)


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
        self._name = VenueName(kind.removeprefix(CCXT))
        self._instruments: tuple[Instrument, ...] = ()
        self._key, self._secret = secrets.token_hex(32), secrets.token_hex(32)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Ground]:
        """Start a market that stands still; stop it when the ground is left."""
        found = self._found
        emulator = Emulator(
            seed=_SEED,
            api_key=self._key,
            api_secret=self._secret,
            control_token=secrets.token_hex(16),
            history_days=_HISTORY_DAYS,
            flow=False,
            venues=(found.venue,),
        )
        await emulator.start()
        state = emulator.state(0, "", "")
        control = _NamedControl(
            str(state["control_url"]),
            str(state["control_token"]),
            venue=found.venue,
            symbol=found.symbol,
            clock=SystemClock(),
            accounts=found.accounts,
        )
        if found.ours is not None:
            venue = emulator.venues[found.venue]
            control.ours = functools.partial(_told, found.ours, venue)
        try:
            await control.mend()
            if found.stirred:
                await control.trade(Side.BUY, Decimal(found.size) / 4)
            yield await self._ground(f"127.0.0.1:{emulator.port}", control)
        finally:
            await control.close()
            await emulator.stop()

    async def _ground(self, host: str, control: Control) -> Ground:
        found = self._found
        instruments = self._instruments = self._instruments or await self._listed(host)
        ccxt = self._kind.startswith(CCXT)
        keys: dict[str, Any] = {
            "api_key": SecretStr(self._key),
            "api_secret": SecretStr(self._secret),
            "timeout_s": _CCXT_TIMEOUT_S if ccxt else _TIMEOUT_S,
            "market": found.market,
        }
        table = VenueSettings(kind=self._kind, **self._placed(found.table, host), **keys)

        def make(clock: Clock) -> LiveVenue:
            rng = random.Random(_SEED)  # noqa: S311  jitters back-off
            made = (
                _through_ccxt(self._name, table, clock, rng)
                if ccxt
                else make_venue(self._name, table, clock=clock, rng=rng)
            )
            made.add_instruments(instruments)
            return made

        return Ground(
            name=self._name,
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

    async def _listed(self, host: str) -> tuple[Instrument, ...]:
        found = self._found
        kind = found.market or self._kind
        feed = make_feed(
            VenueName(kind),
            FeedSettings(kind=kind, **self._placed(found.feed, host)),
            clock=SystemClock(),
            rng=random.Random(_SEED),  # noqa: S311  jitters back-off
            data=Path(),
        )
        try:
            listed = tuple(await feed.instruments())
        finally:
            await feed.close()
        if not found.lot:
            return listed
        lot = Decimal(found.lot)
        return tuple(msgspec.structs.replace(item, size_lot=lot) for item in listed)

    def _placed(self, fields: Mapping[str, str], host: str) -> dict[str, Any]:
        meant = {"KEY": SecretStr(self._key), "SECRET": SecretStr(self._secret)}
        return {name: meant.get(text, text.replace("HOST", host)) for name, text in fields.items()}


def _through_ccxt(
    name: VenueName, table: VenueSettings, clock: Clock, rng: random.Random
) -> LiveVenue:
    from core.venues.ccxt_pro.venue import CcxtVenue

    return CcxtVenue(
        name,
        table,
        clock=clock,
        rng=rng,
        poll_s=_CCXT_LOOK_S,
        grace_s=_CCXT_LOOK_S,
        # The emulator has limits of its own; ccxt's pace would make a minute of each case.
        paced=False,
    )


def _told(
    ours: Callable[[AccountTruth, Any], AccountTruth], venue: Any, told: AccountTruth
) -> AccountTruth:
    return ours(told, venue)
