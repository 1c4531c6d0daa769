"""Continuity of OKX books: a chain of sequence numbers, and a checksum while the venue sends one.

https://www.okx.com/docs-v5/en/#order-book-trading-market-data-ws-order-book-channel: every update
names the `seqId` before it as `prevSeqId`. An update without changes repeats its own number, about
once a minute. After maintenance a `seqId` may be lower than its `prevSeqId`: the chain holds all
the same, so numbers are compared for equality only.
"""

from __future__ import annotations

from typing import Final
from zlib import crc32

from core.model.instruments import Instrument, InstrumentKind
from core.model.market import BookCheck, BookDelta, BookSnapshot, CheckedDelta, Levels
from core.model.ports import BookTop, BookTraits, Verdict

CHECKED_LEVELS: Final = 25
"""Levels a side that the checksum covers."""

# An enum's members are looked up slowly; these are met with every message.
_OLD: Final = Verdict.OLD
_APPLY: Final = Verdict.APPLY
_GAP: Final = Verdict.GAP

_ALL: Final = -(1 << 63)


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
        return BookTraits(checker=OkxChecker())


class _Side:
    """The texts of one side's levels, best price lowest by `sign` times its ticks."""

    __slots__ = ("_edge", "_sign", "_texts", "_top")

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._texts: dict[int, str] = {}
        self._top: list[str] | None = None
        self._edge = _ALL

    def load(self, levels: Levels, texts: tuple[tuple[str, str], ...]) -> None:
        self._texts.clear()
        self.change(levels, texts)
        self._top = None

    def change(self, levels: Levels, texts: tuple[tuple[str, str], ...]) -> None:
        known, sign = self._texts, self._sign
        for (ticks, lots), (price, size) in zip(levels.tolist(), texts, strict=True):
            if lots:
                known[ticks] = f"{price}:{size}"
            else:
                known.pop(ticks, None)
            if ticks * sign >= self._edge:
                self._top = None

    def fresh(self) -> list[str] | None:
        """Return the texts of the best levels unless one of them may have changed."""
        return self._top

    def renew(self, levels: Levels) -> list[str] | None:
        """Return the texts of the book's best levels, None if one's text is not known."""
        prices = levels[:, 0].tolist()
        try:
            self._top = [self._texts[price] for price in prices]
        except KeyError:
            return None
        # A worse price than the last of a full top cannot change it.
        self._edge = prices[-1] * self._sign if len(prices) >= CHECKED_LEVELS else _ALL
        return self._top


class OkxChecker:
    """Compares a book with the venue's CRC32 over the text of its best levels.

    ::

        bid1:size1:ask1:size1:bid2:size2:ask2:size2:...        signed 32 bits

    The text is the wire's own; where a side ends the other goes on alone. The venue stopped sending
    checksums in 2026 and writes 0 instead, so 0 says nothing.
    """

    __slots__ = ("_asks", "_bids", "_crc", "_whole")

    def __init__(self) -> None:
        self._bids = _Side(1)
        self._asks = _Side(-1)
        self._whole = False
        self._crc = -1

    def on_snapshot(self, image: BookSnapshot) -> None:
        """Note an image that was loaded."""
        self._whole = image.check is not None
        if image.check is not None:
            self._bids.load(image.bids, image.check.bids)
            self._asks.load(image.asks, image.check.asks)

    def on_delta(self, delta: BookDelta) -> None:
        """Note an update that was applied; one without texts ends the comparing."""
        check = delta.check if isinstance(delta, CheckedDelta) else None
        if check is None:
            self._whole = self._whole and not len(delta.bids) and not len(delta.asks)
            return
        self._bids.change(delta.bids, check.bids)
        self._asks.change(delta.asks, check.asks)

    def verify(self, book: BookTop, check: BookCheck) -> bool | None:
        """Return whether the book is what the venue says; None: it says nothing this time."""
        if not self._whole or not check.checksum:
            return None
        bids, asks = self._bids.fresh(), self._asks.fresh()
        if bids is None or asks is None:
            top = book.top(CHECKED_LEVELS)
            bids = bids if bids is not None else self._bids.renew(top[0])
            asks = asks if asks is not None else self._asks.renew(top[1])
            if bids is None or asks is None:
                return False
            self._crc = crc32(":".join(_interleaved(bids, asks)).encode())
        return self._crc == check.checksum & 0xFFFFFFFF


def _interleaved(bids: list[str], asks: list[str]) -> list[str]:
    both = min(len(bids), len(asks))
    out = [""] * (2 * both)
    out[0::2] = bids[:both]
    out[1::2] = asks[:both]
    return out + bids[both:] + asks[both:]
