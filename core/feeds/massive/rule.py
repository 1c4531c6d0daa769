"""What Massive's data of an instrument is worth.

Stock trades and quotes carry a number that rises but leaves some out, so nothing shows a loss; what
a connection brings is complete and in order because TCP makes it so. Books of crypto pairs are
whole images of one exchange, with no number at all. A client too slow is cut off, not thinned out.
"""

from __future__ import annotations

from core.model.instruments import Instrument, InstrumentKind
from core.model.market import BookDelta
from core.model.ports import BookTraits, Verdict


class MassiveRule:
    """Images replace each other; there are no changes to judge.

    Args:
        books: Whether the plan has books of crypto pairs.
    """

    def __init__(self, *, books: bool) -> None:
        self._stock = BookTraits(
            has_book=False, ordered_trades=False, unchecked=True, stated_takers=False
        )
        self._coin = BookTraits(has_book=books, ordered_trades=False, unchecked=True)

    def splice(self, snapshot_id: int, delta: BookDelta) -> Verdict:
        """Judge the first delta after an image."""
        return Verdict.APPLY

    def follow(self, last_id: int, delta: BookDelta) -> Verdict:
        """Judge a later delta."""
        return Verdict.APPLY

    def traits(self, instrument: Instrument) -> BookTraits:
        """Return what the instrument's data is like."""
        return self._stock if instrument.kind is InstrumentKind.STOCK else self._coin
