"""What Alpha Vantage's prices are worth: asked for now and then, with nothing between."""

from __future__ import annotations

from typing import Final

from core.model.instruments import Instrument
from core.model.market import BookDelta
from core.model.ports import BookTraits, Verdict

TRAITS: Final = BookTraits(
    has_book=False, ordered_trades=False, unchecked=True, stated_takers=False
)


class PollRule:
    """There are no deltas; were there one, it would be nothing to follow."""

    def splice(self, snapshot_id: int, delta: BookDelta) -> Verdict:
        """Judge the first delta after an image."""
        return Verdict.OLD

    def follow(self, last_id: int, delta: BookDelta) -> Verdict:
        """Judge a later delta."""
        return Verdict.OLD

    def traits(self, instrument: Instrument) -> BookTraits:
        """Return what the instrument's data is like."""
        return TRAITS
