"""What Alpaca's data of an instrument is worth.

Its messages carry no sequence number at all: what a connection brings is complete and in order
because TCP makes it so, and everything starts anew with the next connection. A crypto book comes
whole with ``"r":true`` and in changes after that; stocks and options have quotes of the best level
only.
"""

from __future__ import annotations

from typing import Final

from core.model.instruments import Instrument, InstrumentKind
from core.model.market import BookDelta
from core.model.ports import BookTraits, Verdict

STOCK_TRAITS: Final = BookTraits(
    has_book=False,
    # Ids are counted by each exchange; between exchanges they say nothing.
    ordered_trades=False,
    unchecked=True,
    stated_takers=False,
)
CRYPTO_TRAITS: Final = BookTraits(ordered_trades=False, unchecked=True)


class AlpacaRule:
    """Every change follows: the decoder lets only those of the connection with the image by."""

    def splice(self, snapshot_id: int, delta: BookDelta) -> Verdict:
        """Judge the first delta after an image."""
        return Verdict.APPLY

    def follow(self, last_id: int, delta: BookDelta) -> Verdict:
        """Judge a later delta."""
        return Verdict.APPLY

    def traits(self, instrument: Instrument) -> BookTraits:
        """Return what the instrument's data is like."""
        booked = instrument.kind is InstrumentKind.SPOT
        return CRYPTO_TRAITS if booked else STOCK_TRAITS
