"""Continuity of Binance spot book deltas.

https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams, "How to manage a
local order book correctly": of the deltas held, those with ``u <= lastUpdateId`` are old; the first
one left must reach back to the image; after that ``U`` may not leave an id out.
"""

from __future__ import annotations

from typing import Final

from core.model.instruments import Instrument
from core.model.market import BookDelta
from core.model.ports import BookTraits, Link, Verdict

SPOT_TRAITS: Final = BookTraits(consecutive_trades=True, link=Link.NEXT)

# An enum's members are looked up slowly; these are met with every message.
_OLD: Final = Verdict.OLD
_APPLY: Final = Verdict.APPLY
_GAP: Final = Verdict.GAP


class SpotRule:
    """The rule of spot depth streams, which carry no previous id and no checksum."""

    def splice(self, snapshot_id: int, delta: BookDelta) -> Verdict:
        """Judge the first delta after an image."""
        return self.follow(snapshot_id, delta)

    def follow(self, last_id: int, delta: BookDelta) -> Verdict:
        """Judge a delta after one that ended with `last_id`.

        A delta may overlap what is known: sizes are absolute, so applying it again is right.
        """
        if delta.last_id <= last_id:
            return _OLD
        return _GAP if delta.first_id > last_id + 1 else _APPLY

    def traits(self, instrument: Instrument) -> BookTraits:
        """Return what the instrument's data is like: single trade ids are consecutive."""
        return SPOT_TRAITS
