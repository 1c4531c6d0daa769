"""Quote lines: an instrument's market in one row."""

from __future__ import annotations

from core.engine.day import last_ticks, turnover
from core.engine.market import MarketState
from core.model.ids import InstrumentId
from core.model.views import QuoteLine

_FRESH_NS = 20_000_000
"""Clients at different moments of the same frame share a line at most this old."""


class QuoteBoard:
    """Makes quote lines, once for all clients that look at the same time."""

    def __init__(self, market: MarketState) -> None:
        self._market = market
        self._lines: dict[InstrumentId, tuple[int, QuoteLine]] = {}

    def line(self, instrument_id: InstrumentId, now_ns: int) -> QuoteLine:
        """Return an instrument's line as of now; zeros for what is not known yet.

        Raises:
            ConfigError: The instrument is not known.
        """
        kept = self._lines.get(instrument_id)
        if kept is not None and 0 <= now_ns - kept[0] < _FRESH_NS:
            return kept[1]
        line = self._make(instrument_id, now_ns)
        self._lines[instrument_id] = (now_ns, line)
        return line

    def _make(self, instrument_id: InstrumentId, now_ns: int) -> QuoteLine:
        market = self._market
        bid, ask = market.top(instrument_id) or (0, 0)
        trade = market.last_trade(instrument_id)
        quote = market.quote(instrument_id)
        day = market.day_stats(instrument_id)
        item = market.instrument(instrument_id)
        seen_ns = market.feed_view(instrument_id).last_event_ns
        return QuoteLine(
            instrument_id=instrument_id,
            bid_ticks=bid,
            ask_ticks=ask,
            last_ticks=(
                trade.price_ticks
                if trade is not None
                else last_ticks(market.references.ticker(instrument_id), item)
            ),
            open_24h_ticks=day.open_ticks,
            high_24h_ticks=day.high_ticks,
            low_24h_ticks=day.low_ticks,
            volume_24h_lots=day.volume_lots,
            turnover_24h=turnover(day, item),
            status=market.status(instrument_id),
            ts_event_ns=max(
                trade.ts_event_ns if trade is not None else 0,
                quote.ts_event_ns if quote is not None else 0,
            ),
            reference=market.references.view(instrument_id),
            age_ms=max(0, now_ns - seen_ns) // 1_000_000 if seen_ns else 0,
        )
