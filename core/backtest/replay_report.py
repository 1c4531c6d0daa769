"""What a replay found, as one object."""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias

import msgspec

BarRow: TypeAlias = tuple[int, Decimal, Decimal, Decimal, Decimal, Decimal]
"""Open time in Unix ms, open, high, low, close, volume."""


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """A frame or line that is not what it should be."""

    line: int
    reason: str


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """A break in a book's sequence: the book was dropped at this line."""

    line: int
    reason: str
    """``gap`` or ``crossed book``."""
    expected_id: int
    received_id: int


class Checksums(msgspec.Struct, kw_only=True):
    """Book checksums of the venue compared; a venue without any has 0 of both."""

    ok: int = 0
    bad: int = 0


class InstrumentReport(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument's book at the end, and what befell it."""

    bids: list[tuple[str, str]]
    """The best 5 as (price, size), best first."""
    asks: list[tuple[str, str]]
    n_bids: int
    n_asks: int
    last_id: int
    crossed: bool
    status: str
    reason: str
    """Why it has its status."""
    gaps: list[Gap]
    resyncs: int
    """Fresh images asked for because the book could not be trusted."""


class ReplayReport(msgspec.Struct, frozen=True, kw_only=True):
    """A whole replay.

    `frames` counts the lines that held a frame of any kind. `events` counts decoded frames by the
    venue's own names: ``trade``, ``aggTrade``, ``bookTicker``, ``depthUpdate``, ``kline`` for
    stream messages; ``http depth snapshot`` for book images and ``http:URL`` for other REST
    answers; ``connect`` and ``disconnect``. Rejected frames count in none of them.
    """

    frames: int
    events: dict[str, int]
    checksums: Checksums
    rejected: list[Rejected]
    instruments: dict[str, InstrumentReport]
    """By the venue's symbol; every instrument that was seen."""
    state_hash: str
    """sha256 over all books, ids and bars."""
    bars: dict[str, list[BarRow]] | msgspec.UnsetType = msgspec.UNSET
    """Closed bars by the venue's symbol, when asked for; a bar whose start was not seen is none."""

    def to_json(self) -> bytes:
        """Return the report as one JSON object; bar prices are exact JSON numbers."""
        return msgspec.json.Encoder(decimal_format="number").encode(self)
