"""Continuity of Binance USD-M book deltas.

https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams,
"How to manage a local order book correctly": drop what ends before the image; the first delta kept
must reach over it (``U <= lastUpdateId <= u``); then each ``pu`` must be the last ``u``. ``U``
says nothing here: ids are shared by all symbols, so nearly every delta leaves some out.
"""

from __future__ import annotations

from typing import Final

from core.model.instruments import Instrument
from core.model.market import BookDelta
from core.model.ports import BookTraits, Link, Verdict

USDM_TRAITS: Final = BookTraits(consecutive_trades=True, link=Link.PREVIOUS)
"""Ids of aggregate trades, and of single ones, leave no number out."""

# An enum's members are looked up slowly; these are met with every message.
_OLD: Final = Verdict.OLD
_APPLY: Final = Verdict.APPLY
_GAP: Final = Verdict.GAP


class UsdmRule:
    """The rule of USD-M depth streams, which carry no checksum."""

    def splice(self, snapshot_id: int, delta: BookDelta) -> Verdict:
        """Judge the first delta after an image."""
        if delta.last_id < snapshot_id:
            return _OLD
        return _APPLY if delta.first_id <= snapshot_id else _GAP

    def follow(self, last_id: int, delta: BookDelta) -> Verdict:
        """Judge a delta after one that ended with `last_id`.

        One that ends no later is contained: while connections overlap each delta comes twice.
        """
        if delta.prev_id == last_id:
            return _APPLY
        return _OLD if delta.last_id <= last_id else _GAP

    def traits(self, instrument: Instrument) -> BookTraits:
        """Return what the instrument's data is like."""
        return USDM_TRAITS
