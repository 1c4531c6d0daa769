"""When a simulated account pays funding, and at which rate: as the venue's feed tells.

Where a venue says when the next funding is due, the rate last told before that moment is paid on
what is held then (Binance: payment = worth at the mark * rate; USD-M "Funding Fee", positive: longs
pay). Where it does not, funding runs all the time at a rate for 8 hours (Deribit: size * rate *
part of 8 hours), and is paid at each full hour.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

from core.model.ids import InstrumentId
from core.model.market import MarkPrice

HOUR_NS: Final = 3_600_000_000_000
_EARLY_NS: Final = 60_000_000_000
_EIGHT_HOURS: Final = Decimal(8 * HOUR_NS)
_ZERO: Final = Decimal(0)


class Due(NamedTuple):
    """A payment: longs pay `share` of what they hold, shorts receive it."""

    instrument_id: InstrumentId
    share: Decimal
    """A fraction of the worth at the mark; negative: shorts pay."""
    at_ns: int
    """Names the payment: no two of an instrument are at one time."""


class _Known:
    """What was told last of one instrument."""

    __slots__ = ("due_ns", "paid_ns", "rate", "run", "ts_ns")

    def __init__(self) -> None:
        self.rate: Decimal | None = None
        self.due_ns = 0
        """0: the venue does not say."""
        self.paid_ns = 0
        self.ts_ns = 0
        self.run = _ZERO
        """The share that ran up since the last full hour."""


class FundingClock:
    """Turns what feeds tell into payments that are due."""

    def __init__(self) -> None:
        self._known: dict[InstrumentId, _Known] = {}

    def take(self, event: MarkPrice) -> Due | None:
        """Note an event; return what became due with it."""
        known = self._known.get(event.instrument_id)
        if known is None:
            if event.funding_rate is None and not event.next_funding_ns:
                return None
            known = self._known[event.instrument_id] = _Known()
        ts_ns = event.ts_event_ns or event.ts_recv_ns
        due = self._due(event, known, ts_ns)
        if event.funding_rate is not None:
            known.rate = event.funding_rate
        if event.next_funding_ns > ts_ns:
            known.due_ns = event.next_funding_ns
        known.ts_ns = max(known.ts_ns, ts_ns)
        return due

    def _due(self, event: MarkPrice, known: _Known, ts_ns: int) -> Due | None:
        due_ns = known.due_ns
        if not due_ns and not event.next_funding_ns:
            return self._running(event, known, ts_ns)
        if due_ns <= known.paid_ns or known.rate is None:
            return None
        # Some venues name the next time a moment before the present one is over.
        over = event.next_funding_ns > due_ns and ts_ns > due_ns - _EARLY_NS
        if ts_ns < due_ns and not over:
            return None
        known.paid_ns = due_ns
        return Due(event.instrument_id, known.rate, due_ns)

    @staticmethod
    def _running(event: MarkPrice, known: _Known, ts_ns: int) -> Due | None:
        if not known.ts_ns or known.rate is None or ts_ns <= known.ts_ns:
            return None
        hour_ns = ts_ns - ts_ns % HOUR_NS
        if hour_ns <= known.ts_ns:
            known.run += known.rate * (ts_ns - known.ts_ns) / _EIGHT_HOURS
            return None
        share = known.run + known.rate * (hour_ns - known.ts_ns) / _EIGHT_HOURS
        known.run = known.rate * (ts_ns - hour_ns) / _EIGHT_HOURS
        return Due(event.instrument_id, share, hour_ns) if share else None
