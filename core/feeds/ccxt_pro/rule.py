"""What ccxt.pro's data of an exchange is worth.

Every book is a whole one, so there is nothing to follow. Whether the books before it were in
sequence is ccxt's to notice, and it does for few exchanges: it compares Binance's U, u and pu, and
OKX's prevSeqId, and raises; everywhere else it applies whatever comes.
"""

from __future__ import annotations

from typing import Final

from core.model.instruments import Instrument
from core.model.market import BookDelta
from core.model.ports import BookTraits, Verdict

CHECKED: Final = frozenset(
    {"binance", "binanceus", "binanceusdm", "binancecoinm", "okx", "okxus", "myokx"}
)
"""Exchanges whose sequence ccxt.pro checks."""


class CcxtRule:
    """Images replace each other.

    Args:
        exchange: ccxt's name of the exchange; a listing on a tape may teach another.
    """

    def __init__(self, exchange: str) -> None:
        self.exchange = exchange

    def splice(self, snapshot_id: int, delta: BookDelta) -> Verdict:
        """Judge the first delta after an image."""
        return Verdict.OLD

    def follow(self, last_id: int, delta: BookDelta) -> Verdict:
        """Judge a later delta."""
        return Verdict.OLD

    def traits(self, instrument: Instrument) -> BookTraits:
        """Return what the instrument's data is like."""
        return BookTraits(ordered_trades=False, unchecked=self.exchange not in CHECKED)
