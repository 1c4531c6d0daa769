"""What a decoder with a scanner keeps for it: steps of the instruments, and a place for levels."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from core.engine.compiled import address
from core.feeds.binance.decoder import BinanceStreams
from core.feeds.binance.scan import BLOCK, OUT, desk, layout, room, table
from core.feeds.decoder import Known
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.ports import SequenceRule

if TYPE_CHECKING:
    from core.engine.steady import Desk

_LEVEL_BYTES = 10
"""A level takes more: ``["1","1"],``."""


class Laid(Known):
    """What decoding needs of one instrument, also as the scanner reads it."""

    __slots__ = ("layout", "lent")

    def __init__(self, instrument: Instrument) -> None:
        super().__init__(instrument)
        self.layout = layout(
            instrument.venue_symbol, instrument.price_tick, instrument.size_lot
        )  # fmt: skip
        self.lent = 0
        """Place of the desk lent for the book, 0 if none is."""

    def lend(self, place: int) -> None:
        """Have the kernel take changes of the book to the desk at a place, 0: tell them."""
        self.lent = place


class ScannedStreams(BinanceStreams):
    """A decoder whose hot messages go through a compiled scanner."""

    def __init__(
        self, venue: VenueName, rule: SequenceRule, instruments: Collection[Instrument]
    ) -> None:
        self._room = room()
        self._used = 0
        self._news = False
        self._rows: list[InstrumentId] = []
        self._row_of: dict[InstrumentId, int] = {}
        super().__init__(venue, rule, instruments)

    def add_instruments(self, instruments: Collection[Instrument]) -> None:
        """Teach it tick and lot sizes; a symbol it does not know is a `FrameRejected`."""
        self._news = False
        super().add_instruments(instruments)
        if not self._news and self._rows:
            return
        plans = [
            known
            for known in (self._known[symbol] for symbol in self.instruments)
            if isinstance(known, Laid) and known.layout is not None
        ]
        self._rows = [known.id for known in plans]
        self._row_of = {name: row for row, name in enumerate(self._rows)}
        self._places = np.array([*(known.lent for known in plans), 0], np.int64)
        self._names = np.array([*map(id, self._rows), 0], np.int64)
        self._table: Any = table([known.layout for known in plans if known.layout is not None])
        self._lay_out()

    def lend(self, instrument: Instrument, desk: Desk) -> None:
        """Take changes of a book that go on as ever to its gate's desk: they are no events then."""
        super().lend(instrument, desk)
        known = self._known.get(self.key_of(instrument))
        row = self._row_of.get(instrument.id)
        if row is not None and isinstance(known, Laid):
            self._places[row] = known.lent

    def make_known(self, instrument: Instrument) -> Known:
        """Return what decoding needs of an instrument."""
        self._news = True
        return Laid(instrument)

    def _renewed(self, data: bytes) -> bool:
        """Begin a new array if a frame may have been one the present array had no room for."""
        if not self._used or len(data) <= _LEVEL_BYTES * (BLOCK - self._used):
            return False
        self._room, self._used = room(), 0
        self._lay_out()
        return True

    def _lay_out(self) -> None:
        """Tell the scanner where its arrays lie; they and the desk live as long as we do."""
        self._figures = memoryview(self._room.data).cast("B")
        self._desk = desk(self._table, self._room, self._used, self._names, self._places)
        self._desk_at = address(self._desk)
        self._found = self._desk[0, OUT:].data
