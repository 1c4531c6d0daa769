"""Continuity of Kraken v2 books: no numbers, but a checksum with every message."""

from __future__ import annotations

from typing import Final

from core.feeds.kraken.checksum import KrakenChecker
from core.model.instruments import Instrument
from core.model.market import BookDelta
from core.model.ports import BookTraits, Verdict

DEPTHS: Final = (10, 25, 100, 500, 1000)
"""Levels a side a book may be subscribed with."""

_APPLY: Final = Verdict.APPLY


class KrakenRule:
    """Every change counts until the checksum says otherwise.

    The venue sends nothing for a level that falls out of the subscribed depth, so the book must be
    cut to `depth` after each message; the decoder sets it from the subscription.
    """

    def __init__(self) -> None:
        self.depth = DEPTHS[-1]

    def splice(self, snapshot_id: int, delta: BookDelta) -> Verdict:
        """Judge the first change after an image."""
        return _APPLY

    def follow(self, last_id: int, delta: BookDelta) -> Verdict:
        """Judge a change after another."""
        return _APPLY

    def traits(self, instrument: Instrument) -> BookTraits:
        """Return what the instrument's data is like, with a checker of its own."""
        return BookTraits(
            depth=self.depth, checker=KrakenChecker(instrument), consecutive_trades=True
        )
