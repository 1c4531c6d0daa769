"""Builds venue adapters by kind; nothing of a venue is imported before it is asked for."""

from __future__ import annotations

import importlib
import random
from collections.abc import Collection
from typing import Protocol

from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.ports import Clock, Venue
from core.model.settings import VenueSettings
from core.venues.kinds import CCXT, CCXT_PLACE, KINDS, venue_kind
from core.wire.budget import Budgets
from core.wire.witness import Shelf


class LiveVenue(Venue, Protocol):
    """An adapter of a real venue."""

    market: VenueName
    """The feed whose instruments it trades."""

    def share(self, budgets: Budgets) -> None:
        """Keep the request budget together with the feed's and other programs' of this home."""
        ...

    def remember(self, shelf: Shelf) -> None:
        """Keep what goes over the wire for orders beyond the end of the process."""
        ...

    def add_instruments(self, instruments: Collection[Instrument]) -> None:
        """Teach it the venue's symbols and steps; orders for others are refused unsent."""
        ...


def make_venue(
    name: VenueName, table: VenueSettings, *, clock: Clock, rng: random.Random
) -> LiveVenue:
    """Build the adapter of a ``[venues.<name>]`` table whose keys are filled in.

    Raises:
        ConfigError: Its kind is unknown, or the table is wrong for it.
    """
    kind = venue_kind(name, table)
    place = CCXT_PLACE if kind.startswith(CCXT) else KINDS[kind].place
    module, _, found = place.partition(":")
    adapter: LiveVenue = getattr(importlib.import_module(module), found)(
        name, table, clock=clock, rng=rng
    )
    return adapter
