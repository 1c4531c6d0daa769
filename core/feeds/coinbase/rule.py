"""Continuity of Coinbase Advanced Trade books: the connection is numbered, not the book.

https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-overview: the
decoder follows each connection's `sequence_num` and says what a hole concerns (`SequenceBroken`);
changes carry that number, so that those from before an image are known as old.
"""

from __future__ import annotations

from typing import Final

from core.model.instruments import Instrument
from core.model.market import BookDelta
from core.model.ports import BookTraits, Link, Verdict

TRAITS: Final = BookTraits(consecutive_trades=True, link=Link.RISING)

_OLD: Final = Verdict.OLD
_APPLY: Final = Verdict.APPLY


class CoinbaseRule:
    """Changes of one connection are complete until its decoder says otherwise."""

    def splice(self, snapshot_id: int, delta: BookDelta) -> Verdict:
        """Judge the first change after an image."""
        return self.follow(snapshot_id, delta)

    def follow(self, last_id: int, delta: BookDelta) -> Verdict:
        """Judge a change after one that ended with `last_id`; a message may hold several."""
        return _OLD if delta.last_id < last_id else _APPLY

    def traits(self, instrument: Instrument) -> BookTraits:
        """Return what the instrument's data is like: trade ids leave no number out."""
        return TRAITS
