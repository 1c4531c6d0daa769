"""The live feed of Binance spot."""

from __future__ import annotations

import random

from core.feeds.binance import dialect
from core.feeds.binance.parse import BINANCE
from core.feeds.stream import StreamFeed
from core.model.ids import VenueName
from core.model.ports import Clock
from core.model.settings import FeedSettings


class BinanceFeed(StreamFeed):
    """Binance spot market data: trades, best quotes, book and statistics of wanted instruments.

    Args:
        settings: Hosts, depth interval and size of a book image.
        clock: Stamps what is received.
        rng: Jitters the back-off; nothing else is left to chance.
        venue: The name events carry.

    Raises:
        ConfigError: The settings are wrong for this venue.
    """

    def __init__(
        self,
        settings: FeedSettings,
        *,
        clock: Clock,
        rng: random.Random,
        venue: VenueName = BINANCE,
    ) -> None:
        made = dialect.make_dialect(settings, clock=clock, venue=venue)
        super().__init__(made, clock=clock, rng=rng)
