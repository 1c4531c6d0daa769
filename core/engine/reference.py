"""What venues say of instruments beside their trades: marks, funding, open interest.

Such messages come as often as quotes and are read a few times a second, so each only leaves its
values; what is shown is made of them when somebody looks.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeAlias

from core.engine.slate import Slate
from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.market import DayTicker, Liquidation, MarkPrice, OpenInterest, OptionGreeks
from core.model.views import ReferenceView

Nothing: TypeAlias = tuple[()]
"""What follows from these events, as a handler of market events states it."""


class Known:
    """The newest of each kind of one instrument; what a message leaves out keeps its former value.

    Each ``on_...`` takes an event and states that nothing follows from it.
    """

    __slots__ = (
        "_funding",
        "_greeks",
        "_high",
        "_index",
        "_last",
        "_liquidation",
        "_low",
        "_mark",
        "_next_funding_ns",
        "_open",
        "_open_interest",
        "_quote_volume",
        "_said",
        "_shown",
        "_slate",
        "_ticker",
        "_told",
        "_volume",
    )

    def __init__(self) -> None:
        self._said = False
        self._shown: ReferenceView | None = None
        self._mark: Decimal | None = None
        self._index: Decimal | None = None
        self._funding: Decimal | None = None
        self._next_funding_ns = 0
        self._open_interest: Decimal | None = None
        self._liquidation: tuple[Liquidation, Instrument] | None = None
        self._ticker: DayTicker | None = None
        """The newest; it holds what is known where `_told` is it."""
        self._told: DayTicker | None = None
        self._last: Decimal | None = None
        self._open: Decimal | None = None
        self._high: Decimal | None = None
        self._low: Decimal | None = None
        self._volume: Decimal | None = None
        self._quote_volume: Decimal | None = None
        self._greeks: OptionGreeks | None = None
        self._slate: Slate | None = None
        """Where kernels leave some of it, until somebody looks."""

    def lend(self, instrument_id: InstrumentId) -> Slate:
        """Return a slate where kernels may write down what they need not tell."""
        if self._slate is None:
            self._slate = Slate(instrument_id)
        return self._slate

    def on_mark(self, event: MarkPrice) -> Nothing:
        """Take reference prices."""
        self._look()
        self._mark_by(event)
        return ()

    def _mark_by(self, event: MarkPrice) -> None:
        if event.mark is not None:
            self._mark = event.mark
        if event.index is not None:
            self._index = event.index
        if event.funding_rate is not None:
            self._funding = event.funding_rate
        if event.next_funding_ns:
            self._next_funding_ns = event.next_funding_ns
        self._said, self._shown = True, None

    def on_interest(self, event: OpenInterest) -> Nothing:
        """Take the contracts outstanding."""
        self._look()
        self._open_interest = event.size
        self._said, self._shown = True, None
        return ()

    def on_liquidation(self, event: Liquidation, instrument: Instrument) -> Nothing:
        """Take a forced order, in the steps that the instrument has now."""
        self._liquidation = event, instrument
        self._said, self._shown = True, None
        return ()

    def on_greeks(self, event: OptionGreeks) -> Nothing:
        """Take an option's values."""
        self._look()
        self._greeks = event
        return ()

    def on_ticker(self, event: DayTicker) -> Nothing:
        """Take the venue's own statistics."""
        self._look()
        if event.last is not None:
            self._last = event.last
        if event.open is not None:
            self._open = event.open
        if event.high is not None:
            self._high = event.high
        if event.low is not None:
            self._low = event.low
        if event.volume is not None:
            self._volume = event.volume
        if event.quote_volume is not None:
            self._quote_volume = event.quote_volume
        self._ticker = event
        return ()

    @property
    def view(self) -> ReferenceView | None:
        """What is known beside tickers and greeks, None: the venue said nothing of the kind."""
        self._look()
        if self._shown is None and self._said:
            self._shown = ReferenceView(
                mark=self._mark,
                index=self._index,
                funding_rate=self._funding,
                next_funding_ns=self._next_funding_ns,
                open_interest=self._open_interest,
                last_liquidation=_words(*self._liquidation) if self._liquidation else "",
            )
        return self._shown

    @property
    def ticker(self) -> DayTicker | None:
        """The venue's own statistics of the last day."""
        self._look()
        newest = self._ticker
        if newest is not None and newest is not self._told:
            self._ticker = self._told = DayTicker(
                instrument_id=newest.instrument_id,
                ts_event_ns=newest.ts_event_ns,
                ts_recv_ns=newest.ts_recv_ns,
                last=self._last,
                open=self._open,
                high=self._high,
                low=self._low,
                volume=self._volume,
                quote_volume=self._quote_volume,
            )
        return self._ticker

    @property
    def greeks(self) -> OptionGreeks | None:
        """An option's newest values."""
        self._look()
        return self._greeks

    def _look(self) -> None:
        """Take what kernels wrote down meanwhile."""
        if self._slate is not None and self._slate.figures[0]:
            for event in self._slate.news():
                if type(event) is DayTicker:
                    self.on_ticker(event)
                elif type(event) is OpenInterest:
                    self.on_interest(event)
                elif type(event) is OptionGreeks:
                    self.on_greeks(event)
                elif type(event) is MarkPrice:
                    self._mark_by(event)


class References:
    """What is known of every instrument."""

    def __init__(self) -> None:
        self._known: dict[InstrumentId, Known] = {}

    def of(self, instrument_id: InstrumentId) -> Known:
        """Return what keeps an instrument's values."""
        known = self._known.get(instrument_id)
        if known is None:
            known = self._known[instrument_id] = Known()
        return known

    def view(self, instrument_id: InstrumentId) -> ReferenceView | None:
        """Return what is known, None: the venue said nothing of the kind."""
        known = self._known.get(instrument_id)
        return known.view if known is not None else None

    def ticker(self, instrument_id: InstrumentId) -> DayTicker | None:
        """Return the venue's own statistics of the last day."""
        known = self._known.get(instrument_id)
        return known.ticker if known is not None else None

    def greeks(self, instrument_id: InstrumentId) -> OptionGreeks | None:
        """Return an option's newest values."""
        known = self._known.get(instrument_id)
        return known.greeks if known is not None else None


def _words(event: Liquidation, instrument: Instrument) -> str:
    at = datetime.fromtimestamp((event.ts_event_ns or event.ts_recv_ns) // 10**9, UTC)
    size, price = instrument.size(event.size_lots), instrument.price(event.price_ticks)
    return f"{event.side} {size:f} at {price:f} {at:%H:%M:%S}"
