"""The venue's spellings of instruments beside ours."""

from __future__ import annotations

from collections.abc import Collection

from core.model.errors import ConfigError
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument


class Symbols:
    """What a venue lists, by either name."""

    def __init__(self, venue: VenueName, market: str = "") -> None:
        """`market` is the feed whose instruments it trades, the venue's own name unless given."""
        self._venue = venue
        self._market = market or venue
        self._listed: dict[InstrumentId, Instrument] = {}
        self._ours: dict[str, InstrumentId] = {}

    def add(self, instruments: Collection[Instrument]) -> None:
        """Learn instruments; a later one of the same id replaces the earlier."""
        for instrument in instruments:
            self._listed[instrument.id] = instrument
            self._ours[instrument.venue_symbol] = instrument.id
            for alias in instrument.aliases:
                self._ours.setdefault(alias, instrument.id)

    def instrument(self, instrument_id: InstrumentId) -> Instrument:
        """Return an instrument.

        Raises:
            ConfigError: The venue is not known to list it.
        """
        try:
            return self._listed[instrument_id]
        except KeyError:
            raise ConfigError(
                f"{self._venue} is not known to list {instrument_id!r}; "
                "its instruments are fetched when the engine starts"
            ) from None

    def wire(self, instrument_id: InstrumentId) -> str:
        """Return the venue's spelling.

        Raises:
            ConfigError: The venue is not known to list it.
        """
        return self.instrument(instrument_id).venue_symbol

    def ours(self, symbol: str) -> InstrumentId:
        """Return our id; a symbol never taught keeps the venue's spelling."""
        return self._ours.get(symbol) or InstrumentId(f"{symbol}.{self._market}")

    def quote(self, instrument_id: InstrumentId) -> str:
        """Return the quote asset, empty for an instrument never taught."""
        instrument = self._listed.get(instrument_id)
        return instrument.quote if instrument else ""
