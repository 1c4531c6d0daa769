"""The instruments the engine knows, with their steps."""

from __future__ import annotations

from collections.abc import Iterable

from core.engine.scale import Scale
from core.model.errors import ConfigError, did_you_mean
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument


class Listing:
    """Instruments by id. The mapping is shared with the trading desk and only ever grows."""

    def __init__(self) -> None:
        self.instruments: dict[InstrumentId, Instrument] = {}
        self.venues: set[VenueName] = set()
        """Those that have said what they list."""
        self._scales: dict[InstrumentId, Scale] = {}

    def add(self, instruments: Iterable[Instrument]) -> None:
        """Learn instruments, or their new steps."""
        for instrument in instruments:
            self.instruments[instrument.id] = instrument
            self._scales[instrument.id] = Scale(instrument)
            self.venues.add(instrument.venue)

    def remember(self, instrument: Instrument) -> None:
        """Learn an instrument that its venue has not listed yet."""
        if instrument.id not in self.instruments:
            self.instruments[instrument.id] = instrument
            self._scales[instrument.id] = Scale(instrument)

    def instrument(self, instrument_id: InstrumentId) -> Instrument:
        """Return an instrument.

        Raises:
            ConfigError: It is not known; the nearest known one is named.
        """
        found = self.instruments.get(instrument_id)
        if found is None:
            hint = did_you_mean(instrument_id, self.instruments)
            raise ConfigError(f"unknown instrument {instrument_id!r}{hint}")
        return found

    def scale(self, instrument_id: InstrumentId) -> Scale:
        """Return an instrument's steps.

        Raises:
            ConfigError: It is not known.
        """
        self.instrument(instrument_id)
        return self._scales[instrument_id]

    def by_venue(self, names: Iterable[InstrumentId]) -> dict[VenueName, list[InstrumentId]]:
        """Group known instruments by the venue that lists them, in order."""
        grouped: dict[VenueName, list[InstrumentId]] = {}
        for name in names:
            grouped.setdefault(self.instruments[name].venue, []).append(name)
        return grouped
