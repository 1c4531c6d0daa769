"""What venues say of instruments beside their trades: marks, funding, open interest."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, TypeAlias

import msgspec

from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.market import DayTicker, Liquidation, MarkPrice, OpenInterest, OptionGreeks
from core.model.views import ReferenceView

ReferenceEvent: TypeAlias = MarkPrice | OpenInterest | Liquidation | DayTicker | OptionGreeks

REFERENCE_EVENTS: Final = (MarkPrice, OpenInterest, Liquidation, DayTicker, OptionGreeks)


class References:
    """The newest of each kind by instrument; a message that leaves a value out keeps the former."""

    def __init__(self) -> None:
        self._views: dict[InstrumentId, ReferenceView] = {}
        self._tickers: dict[InstrumentId, DayTicker] = {}
        self._greeks: dict[InstrumentId, OptionGreeks] = {}

    def take(self, event: ReferenceEvent, instrument: Instrument) -> None:
        """Keep what an event says."""
        name = instrument.id
        if isinstance(event, DayTicker):
            self._tickers[name] = _joined(self._tickers.get(name), event)
            return
        if isinstance(event, OptionGreeks):
            self._greeks[name] = event
            return
        view = self._views.get(name) or ReferenceView()
        self._views[name] = msgspec.structs.replace(view, **_changes(event, instrument))

    def view(self, instrument_id: InstrumentId) -> ReferenceView | None:
        """Return what is known, None: the venue said nothing of the kind."""
        return self._views.get(instrument_id)

    def ticker(self, instrument_id: InstrumentId) -> DayTicker | None:
        """Return the venue's own statistics of the last day."""
        return self._tickers.get(instrument_id)

    def greeks(self, instrument_id: InstrumentId) -> OptionGreeks | None:
        """Return an option's newest values."""
        return self._greeks.get(instrument_id)


def _changes(
    event: MarkPrice | OpenInterest | Liquidation, instrument: Instrument
) -> dict[str, object]:
    match event:
        case MarkPrice():
            said = {
                "mark": event.mark,
                "index": event.index,
                "funding_rate": event.funding_rate,
                "next_funding_ns": event.next_funding_ns or None,
            }
            return {key: value for key, value in said.items() if value is not None}
        case OpenInterest():
            return {"open_interest": event.size}
        case Liquidation():
            at = datetime.fromtimestamp((event.ts_event_ns or event.ts_recv_ns) // 10**9, UTC)
            size, price = instrument.size(event.size_lots), instrument.price(event.price_ticks)
            return {"last_liquidation": f"{event.side} {size:f} at {price:f} {at:%H:%M:%S}"}


def _joined(known: DayTicker | None, event: DayTicker) -> DayTicker:
    if known is None:
        return event
    said = {
        name: value
        for name in ("last", "open", "high", "low", "volume", "quote_volume")
        if (value := getattr(event, name)) is not None
    }
    return msgspec.structs.replace(
        known, ts_event_ns=event.ts_event_ns, ts_recv_ns=event.ts_recv_ns, **said
    )
