"""Continuity of Bybit books.

https://bybit-exchange.github.io/docs/v5/websocket/public/orderbook: an image comes first and
whenever the service starts anew (`u` is 1 then); after it `u` rises by one with every message.
There is no number of the message before, so any other step means that something is missing.
"""

from __future__ import annotations

from typing import Final

from core.model.instruments import Instrument
from core.model.market import BookDelta
from core.model.ports import BookTraits, Link, Verdict

# UUIDs of trades have no order.
_TRAITS: Final = BookTraits(ordered_trades=False, link=Link.STEP)

# An enum's members are looked up slowly; these are met with every message.
_OLD: Final = Verdict.OLD
_APPLY: Final = Verdict.APPLY
_GAP: Final = Verdict.GAP


class BybitRule:
    """The rule of every depth but the first."""

    def splice(self, snapshot_id: int, delta: BookDelta) -> Verdict:
        """Judge the first change after an image; one of REST may be newer than the stream."""
        if delta.last_id == snapshot_id + 1:
            return _APPLY
        return _OLD if delta.last_id <= snapshot_id else _GAP

    def follow(self, last_id: int, delta: BookDelta) -> Verdict:
        """Judge a change after one numbered `last_id`; a lower one means numbers began anew."""
        if delta.last_id == last_id + 1:
            return _APPLY
        return _OLD if delta.last_id == last_id else _GAP

    def traits(self, instrument: Instrument) -> BookTraits:
        """Return what the instrument's data is like."""
        return _TRAITS
