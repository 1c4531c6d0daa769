"""What the data verbs share: the store of the present mode, and feeds that ask venues."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import click
import msgspec

from clx.sim import EmulatorAddress, market_file, pointed_at, running_emulator
from core.feeds.kinds import kind_named
from core.model.errors import (
    ClxError,
    ConfigError,
    DataError,
    StoreError,
    TemporaryError,
    VenueError,
    did_you_mean,
)
from core.model.ids import InstrumentId, VenueName, split_instrument_id
from core.model.instruments import Instrument
from core.model.ports import LooksUp
from core.model.settings import FeedSettings, Settings
from store.paths import Paths, find_paths
from store.settings import load_settings

if TYPE_CHECKING:
    from pathlib import Path

    from core.model.ports import Feed
    from store.market import MarketStore

_ATTEMPTS = 4
"""Times a list of instruments is asked for: nothing is lost yet when it does not come."""


class Session(msgspec.Struct, frozen=True):
    """Settings, folders and, in SIM mode, the running emulator."""

    settings: Settings
    paths: Paths
    emulator: EmulatorAddress | None

    @property
    def feeds(self) -> dict[str, FeedSettings]:
        """The feeds of the settings; in SIM mode they are the emulator's."""
        if self.emulator is None:
            return self.settings.feeds
        return pointed_at(self.settings, self.emulator).feeds


def session(*, start: bool = False) -> Session:
    """Read the settings; with `start`, SIM mode's emulator is started when none runs.

    Raises:
        ConfigError: The settings are wrong.
        TemporaryError: The emulator does not start.
    """
    paths = find_paths()
    settings = load_settings(paths.config_file)
    if settings.mode != "sim":
        return Session(settings, paths, None)
    if start:
        from clx.sim import await_emulator, start_emulator

        return Session(
            settings, paths, await_emulator(start_emulator(settings.emulator, paths), paths)
        )
    return Session(settings, paths, running_emulator(paths))


@contextlib.contextmanager
def market_store(here: Session, *, create: bool = False) -> Iterator[MarketStore]:
    """Open the market data of the present mode.

    Raises:
        StoreError: There is none yet, or it cannot be read.
    """
    from store.market import MarketStore

    path = _market_path(here)
    if not path.exists() and not create:
        raise StoreError(
            f"no market data is kept yet in mode {here.settings.mode} ({path}): "
            "`clx data download` or the running engine makes it"
        )
    with MarketStore(path) as store:
        yield store


def _market_path(here: Session) -> Path:
    if here.settings.mode != "sim" or here.emulator is not None:
        return market_file(here.paths, here.emulator)
    # The emulator is gone, its market data is not.
    found = sorted(
        here.paths.data.glob("market-sim-*.sqlite"), key=lambda path: path.stat().st_mtime
    )
    return found[-1] if found else here.paths.data / "market-sim.sqlite"


@contextlib.asynccontextmanager
async def open_feed(here: Session, venue: VenueName) -> AsyncIterator[Feed]:
    """Build the feed that asks a venue; one without a table of settings gets the defaults.

    Raises:
        ConfigError: There is no such venue, or SIM mode does not have it.
    """
    from core.engine.clock import SystemClock
    from core.feeds.registry import make_feed
    from core.wire.budget import Budgets, Role

    table = here.feeds.get(venue)
    if table is None:
        if here.settings.mode == "sim":
            raise ConfigError(
                f"SIM mode has no {venue}{did_you_mean(venue, here.feeds)}: its market is the "
                'emulator\'s; set mode = "paper" in config.toml to ask the real venue'
            )
        kind_named(venue)
        table = FeedSettings()
    rng = random.Random()  # noqa: S311  jitter, no secret
    budgets = Budgets(
        here.paths.runtime / "budgets",
        role=Role.BULK,
        share=here.settings.engine.download_share,
        clock=SystemClock(),
        told=lambda text: click.echo(text, err=True),
    )
    feed = make_feed(
        venue, table, clock=SystemClock(), rng=rng, data=here.paths.data, budgets=budgets
    )
    try:
        yield feed
    finally:
        await feed.close()


class Failures:
    """What venues did not give, told once everything else is there."""

    def __init__(self) -> None:
        self._found: list[tuple[str, ClxError]] = []

    def __bool__(self) -> bool:
        return bool(self._found)

    @contextlib.contextmanager
    def passed_over(self, what: str) -> Iterator[None]:
        """Let work go on after what a venue failed to give; mistakes of ours end it at once."""
        try:
            yield
        except (TemporaryError, VenueError, DataError) as error:
            self._found.append((what, error))

    def tell(self) -> None:
        """Raise what was passed over.

        Raises:
            ClxError: The only one, or TemporaryError with all of them.
        """
        if len(self._found) == 1:
            raise self._found[0][1]
        if self._found:
            words = "\n".join(f"{what}: {error}" for what, error in self._found)
            raise TemporaryError(f"{words}\nthe rest is kept; run it again for these")


async def listed(feed: Feed, name: InstrumentId) -> Instrument:
    """Return an instrument as its venue lists it.

    Raises:
        ConfigError: It does not; the nearest name is given.
        TemporaryError: The venue stayed away.
    """
    from core.history.asking import asked

    found = await asked(
        feed.instruments,
        f"instruments of {feed.venue}",
        rng=random.Random(),  # noqa: S311  jitter, no secret
        waits=lambda why: click.echo(f"clx: waiting for {feed.venue}: {why}", err=True),
        attempts=_ATTEMPTS,
    )
    known = {item.id: item for item in found}
    if name not in known and isinstance(feed, LooksUp):
        known.update({item.id: item for item in await feed.look_up(name)})
    if name not in known:
        renamed = [item.id for item in known.values() if _former(item, name)]
        hint = f"; it is {renamed[0]} now" if renamed else did_you_mean(name, known)
        raise ConfigError(f"{feed.venue} does not list {name}{hint}")
    return known[name]


def _former(item: Instrument, name: InstrumentId) -> bool:
    """Return whether a name is one the instrument had before."""
    symbol, _ = split_instrument_id(name)
    plain = symbol.replace("-", "")
    return any(alias.replace("-", "") == plain for alias in item.aliases)
