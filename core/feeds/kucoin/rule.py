"""Continuity of KuCoin books.

https://www.kucoin.com/docs/websocket/spot-trading/public-channels/level2-market-data: updates are
kept until the image is there; those that end at or before its sequence are old, the first one left
must reach back to it, and after that each starts right behind the one before.
"""

from __future__ import annotations

from typing import Final

from core.model.instruments import Instrument
from core.model.market import BookDelta
from core.model.ports import BookTraits, Link, Verdict

_TRAITS: Final = BookTraits(link=Link.NEXT)

# An enum's members are looked up slowly; these are met with every message.
_OLD: Final = Verdict.OLD
_APPLY: Final = Verdict.APPLY
_GAP: Final = Verdict.GAP


class KucoinRule:
    """The rule of ``/market/level2``."""

    def splice(self, snapshot_id: int, delta: BookDelta) -> Verdict:
        """Judge the first update after an image; an image older than the stream is a gap."""
        if delta.last_id <= snapshot_id:
            return _OLD
        return _APPLY if delta.first_id <= snapshot_id + 1 else _GAP

    def follow(self, last_id: int, delta: BookDelta) -> Verdict:
        """Judge an update after one that ended at `last_id`."""
        if delta.first_id == last_id + 1:
            return _APPLY
        return _OLD if delta.last_id <= last_id else _GAP

    def traits(self, instrument: Instrument) -> BookTraits:
        """Return what the instrument's data is like: trade ids rise, but leave numbers out."""
        return _TRAITS
