"""Alpaca's spellings beside ours: an option's name says which it is, taught or not."""

from __future__ import annotations

from core.model.ids import InstrumentId, VenueName, instrument_id
from core.model.occ import read_option
from core.venues.symbols import Symbols


class AlpacaSymbols(Symbols):
    """What the account may hold, by either name."""

    def __init__(self, venue: VenueName, market: VenueName) -> None:
        """`market` is the feed whose instruments it trades."""
        super().__init__(venue, market)
        self._feed = market

    def ours(self, symbol: str) -> InstrumentId:
        """Return our id; an option never taught is called as it will be once it is."""
        option = read_option(symbol)
        return instrument_id(option.symbol, self._feed) if option else super().ours(symbol)
