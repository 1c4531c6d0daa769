"""Continuity of OKX books: a chain of sequence numbers, and a checksum while the venue sends one.

https://www.okx.com/docs-v5/en/#order-book-trading-market-data-ws-order-book-channel: every update
names the `seqId` before it as `prevSeqId`. An update without changes repeats its own number, about
once a minute. After maintenance a `seqId` may be lower than its `prevSeqId`: the chain holds all
the same, so numbers are compared for equality only.

https://www.okx.com/docs-v5/en/#order-book-trading-market-data-ws-trades-channel: a trade joins the
`count` fills of one taker at one price whose ids end with its `tradeId`. That the next trade's
fills begin with the id after it, the venue does not say; it is so in every recording there is, and
a hole is believed no more once the venue, asked for it, has no such trades.
"""

from __future__ import annotations

from typing import Final

from core.feeds.okx.checksum import OkxChecker
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import BookDelta
from core.model.ports import BookTraits, Link, Verdict

# An enum's members are looked up slowly; these are met with every message.
_OLD: Final = Verdict.OLD
_APPLY: Final = Verdict.APPLY
_GAP: Final = Verdict.GAP


class OkxRule:
    """The rule of every channel with images and updates."""

    def splice(self, snapshot_id: int, delta: BookDelta) -> Verdict:
        """Judge the first update after an image."""
        return self.follow(snapshot_id, delta)

    def follow(self, last_id: int, delta: BookDelta) -> Verdict:
        """Judge an update after a message that was numbered `last_id`."""
        if delta.prev_id == last_id:
            return _APPLY
        if delta.prev_id < 0 and delta.last_id == last_id == 0:
            # Until 2022 there were no numbers; the checksum alone tells.
            return _APPLY
        return _OLD if delta.last_id == last_id and delta.prev_id >= 0 else _GAP

    def traits(self, instrument: Instrument) -> BookTraits:
        """Return what the instrument's data is like; an index has no book."""
        if instrument.kind is InstrumentKind.INDEX:
            return BookTraits(has_book=False)
        return BookTraits(
            checker=OkxChecker(instrument), chained_trades=True, link=Link.PREVIOUS_IF_ANY
        )
