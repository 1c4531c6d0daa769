"""Continuity of Deribit's books.

https://docs.deribit.com/subscriptions/orderbook/bookinstrument_nameinterval: every change names the
id of the one before it. Ids rise over all instruments, so they are never consecutive for one.
"""

from __future__ import annotations

from typing import Final

from core.model.instruments import Instrument, InstrumentKind
from core.model.market import BookDelta
from core.model.ports import BookTraits, Link, Verdict

_TRADED: Final = BookTraits(consecutive_trades=True, link=Link.PREVIOUS)
"""Trade ids are `trade_seq`, which counts one instrument's trades."""

_COMPUTED: Final = BookTraits(has_book=False)

_OLD: Final = Verdict.OLD
_APPLY: Final = Verdict.APPLY
_GAP: Final = Verdict.GAP


class DeribitRule:
    """`prev_change_id` must be the last `change_id`."""

    def splice(self, snapshot_id: int, delta: BookDelta) -> Verdict:
        """Judge the first change after an image."""
        if delta.prev_id == snapshot_id:
            return _APPLY
        return _OLD if delta.last_id <= snapshot_id else _GAP

    def follow(self, last_id: int, delta: BookDelta) -> Verdict:
        """Judge a change after one that ended with `last_id`.

        Only the book's own connection gets here, so a lower id means that numbers began anew.
        """
        if delta.prev_id == last_id:
            return _APPLY
        return _OLD if delta.last_id == last_id else _GAP

    def traits(self, instrument: Instrument) -> BookTraits:
        """Return what the instrument's data is like: an index has a value and nothing else."""
        return _COMPUTED if instrument.kind is InstrumentKind.INDEX else _TRADED
