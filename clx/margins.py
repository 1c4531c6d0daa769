"""Has the engine's margin tiers fetched and kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from core.engine.engine import Engine
from core.engine.margins import MarginKeeper
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.ports import Clock, Feed, Venue
from core.model.settings import Settings
from core.model.tiers import MarginTiers, TellsTiers, tiers_of
from core.trading.account import PositionKey
from core.trading.crossed import kept_behind
from core.trading.net import Net
from core.venues.kinds import market_of
from store.tiers import TierStore


class _Closes(TellsTiers, Protocol):
    """An account that holds connections."""

    async def close(self) -> None:
        """Release them."""
        ...


class KeyedTiers:
    """An account that is asked about margin alone; its key is read when that is first wanted."""

    def __init__(self, make: Callable[[], _Closes]) -> None:
        self._make = make
        self._account: _Closes | None = None

    async def tiers(self, instruments: Collection[Instrument]) -> list[MarginTiers]:
        """Fetch the tiers of some contracts.

        Raises:
            TemporaryError: The venue is away.
            DataError: Its answer is not what it documents.
            ConfigError: The key cannot be read.
            StoreError: The store of keys is damaged.
        """
        if self._account is None:
            self._account = await asyncio.to_thread(self._make)
        return await self._account.tiers(instruments)

    async def close(self) -> None:
        """Release its connections."""
        if self._account is not None:
            await self._account.close()


def tellers(
    feeds: Mapping[VenueName, Feed],
    venues: Mapping[VenueName, Venue],
    settings: Settings,
    besides: Mapping[VenueName, Sequence[TellsTiers]],
) -> dict[VenueName, list[TellsTiers]]:
    """Return whom to ask about the instruments of each feed: accounts first, they know their own.

    `besides` are accounts that are asked for nothing else, by the market they trade.
    """
    found: dict[VenueName, list[TellsTiers]] = {}
    for name, venue in venues.items():
        table = settings.venues.get(name)
        if table is not None and isinstance(venue, TellsTiers):
            found.setdefault(market_of(name, table), []).append(venue)
    for market, more in besides.items():
        found.setdefault(market, []).extend(more)
    for name, feed in feeds.items():
        if isinstance(feed, TellsTiers):
            found.setdefault(name, []).append(feed)
    return found


def keep_margins(
    engine: Engine,
    store: TierStore | None,
    asked: Mapping[VenueName, Sequence[TellsTiers]],
    settings: Settings,
    clock: Clock,
) -> None:
    """Begin with what was kept, and have the engine ask for the rest while it runs."""
    kernel = engine.kernel
    account = kernel.desk.books.account
    if store is not None:
        account.tiers.learn(store.read())

    def wanted() -> list[Instrument]:
        names = dict.fromkeys((*kernel.at_stake(), *kernel.followed()))
        known = kernel.listing.instruments
        return [known[name] for name in names if name in known]

    def learned() -> None:
        if store is not None:
            loop = asyncio.get_running_loop()
            loop.run_in_executor(None, store.write, account.tiers.tables())

    keeper = MarginKeeper(
        account.tiers, wanted, asked, clock=clock, told=engine.tell, learned=learned
    )
    engine.background["margin tiers"] = keeper.run
    if settings.mode != "paper":
        # A live venue states prices itself, and may count what is not known here.
        return

    def tiers(item: Instrument) -> MarginTiers | None:
        return tiers_of(item, settings.paper, settings.feeds, account.tiers)

    def estimate(key: PositionKey, net: Net) -> Decimal | None:
        # What the journal tells comes before any venue has listed anything.
        item = kernel.listing.instruments.get(key[0])
        if item is None:
            return None
        found = kept_behind(account, key[2], item, key[1], net, tiers)
        return found.price if found is not None else None

    account.estimate = estimate
