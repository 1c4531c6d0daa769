"""Continuity of Coinbase Exchange books: the level2 channels carry no number at all.

https://docs.cdp.coinbase.com/exchange/websocket-feed/channels: delivery of level2 is guaranteed for
as long as the connection holds. Nothing proves it, so books are marked as unchecked. Trade ids are
consecutive, and heartbeats tell the last one.
"""

from __future__ import annotations

from typing import Final

from core.model.instruments import Instrument
from core.model.market import BookDelta
from core.model.ports import BookTraits, Link, Verdict

TRAITS: Final = BookTraits(consecutive_trades=True, unchecked=True, link=Link.RISING)

_APPLY: Final = Verdict.APPLY


class ExchangeRule:
    """Every change counts; the decoder drops those of a connection that is not the book's."""

    def splice(self, snapshot_id: int, delta: BookDelta) -> Verdict:
        """Judge the first change after an image."""
        return _APPLY

    def follow(self, last_id: int, delta: BookDelta) -> Verdict:
        """Judge a change after another."""
        return _APPLY

    def traits(self, instrument: Instrument) -> BookTraits:
        """Return what the instrument's data is like."""
        return TRAITS
