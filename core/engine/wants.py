"""From what is wanted to what is subscribed and fetched."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Protocol

from core.engine.demand import Demand, Series
from core.engine.listing import Listing
from core.engine.market import MarketOutput, MarketState, ResyncNeeded
from core.model.ids import InstrumentId, VenueName
from core.model.market import FeedStatus, FeedStatusChanged
from core.model.ports import ResyncReason, TellsTrades
from core.model.stores import TradeHole

DAY_BARS = 97
"""Bars of 15 minutes that the 24-hour figures need."""


class FeedControl(Protocol):
    """The part of a feed the kernel steers."""

    def subscribe(self, instrument_ids: Collection[InstrumentId]) -> None:
        """Want these instruments' data."""
        ...

    def unsubscribe(self, instrument_ids: Collection[InstrumentId]) -> None:
        """Want them no longer."""
        ...

    def request_snapshot(self, instrument_id: InstrumentId) -> None:
        """Fetch a fresh book image."""
        ...

    def resubscribe(self, instrument_id: InstrumentId, reason: ResyncReason, heard: int) -> None:
        """Leave and join what does not speak, in its own time."""
        ...


class Wants:
    """Subscribes what somebody wants and asks once for each history of bars wanted.

    Args:
        follow: Takes what the market says to being subscribed.
        load: Starts fetching bars; the answer comes back through `arrived`.
    """

    def __init__(
        self,
        market: MarketState,
        listing: Listing,
        feeds: Mapping[VenueName, FeedControl],
        *,
        history_bars: int,
        follow: Callable[[Iterable[MarketOutput]], None],
        load: Callable[[Series, int, int], None],
    ) -> None:
        self.demand = Demand()
        self._market = market
        self._listing = listing
        self._feeds = feeds
        self._history_bars = max(DAY_BARS, history_bars)
        self._follow = follow
        self._load = load
        self._asked: set[Series] = set()
        self._loaded: set[Series] = set()
        self._owed: dict[Series, tuple[int, int]] = {}
        """Bars that ended while their history was still on its way, and lack in it."""

    def want(
        self, who: str, instruments: Iterable[InstrumentId], series: Iterable[Series] = ()
    ) -> None:
        """Replace what `who` wants; what nobody lists yet is left out. Effective on `settle`."""
        self.demand.want(
            who,
            [name for name in instruments if name in self._market],
            [need for need in series if need[0] in self._market],
        )

    def settle(self, now_ns: int) -> None:
        """Subscribe what is wanted now, unsubscribe what is not, ask for missing histories."""
        changes = self.demand.settle(now_ns)
        if changes.removed:
            self._unsubscribe(changes.removed, now_ns)
        if changes.added:
            self._subscribe(changes.added, now_ns)
        for series in self.demand.series():
            if series not in self._asked:
                self._asked.add(series)
                end_ns = now_ns - now_ns % series[1].ns
                self._load(series, end_ns - self._history_bars * series[1].ns, end_ns)

    def arrived(self, series: Series) -> bool:
        """Note a history's arrival; return whether it is the first of this series."""
        if series not in self._asked or series in self._loaded:
            return False
        self._loaded.add(series)
        owed = self._owed.pop(series, None)
        if owed is not None:
            self._load(series, *owed)
        return True

    def loaded(self, series: Series) -> bool:
        """Return whether a series' history is there."""
        return series in self._loaded

    def loading(self, series: Series) -> bool:
        """Return whether a series' history is still being fetched."""
        return series in self._asked and series not in self._loaded

    def refetch(self, series: Series, start_ns: int, end_ns: int) -> None:
        """Fetch bars that trades did not give, unless nobody needs the series."""
        if series in self._loaded:
            self._load(series, start_ns, end_ns)
        elif series in self._asked:
            start, end = self._owed.get(series, (start_ns, end_ns))
            self._owed[series] = (min(start, start_ns), max(end, end_ns))

    def resync(self, needed: ResyncNeeded) -> None:
        """Have the feed fetch a fresh book image, or see to what does not speak."""
        name = needed.instrument_id
        feed = self._feeds.get(self._listing.instrument(name).venue)
        if feed is None:
            return
        if needed.reason is ResyncReason.IMAGE:
            feed.request_snapshot(name)
        else:
            feed.resubscribe(name, needed.reason, needed.heard)

    def refill(self, instrument_id: InstrumentId, hole: TradeHole) -> None:
        """Have the feed fetch trades that never came, if it can."""
        feed = self._feeds.get(self._listing.instrument(instrument_id).venue)
        if isinstance(feed, TellsTrades):
            feed.request_trades(instrument_id, hole)

    def _subscribe(self, names: Sequence[InstrumentId], now_ns: int) -> None:
        for name in names:
            self._follow(self._market.apply(_said(name, FeedStatus.SYNCING, "subscribed", now_ns)))
        for venue, mine in self._listing.by_venue(names).items():
            if venue in self._feeds:
                self._feeds[venue].subscribe(mine)

    def _unsubscribe(self, names: Sequence[InstrumentId], now_ns: int) -> None:
        for venue, mine in self._listing.by_venue(names).items():
            if venue in self._feeds:
                self._feeds[venue].unsubscribe(mine)
        gone = set(names)
        self._loaded = {series for series in self._loaded if series[0] not in gone}
        self._asked = {series for series in self._asked if series[0] not in gone}
        self._owed = {key: owed for key, owed in self._owed.items() if key[0] not in gone}
        for name in names:
            event = _said(name, FeedStatus.UNSUBSCRIBED, "nobody looks", now_ns)
            self._follow(self._market.apply(event))


def _said(
    instrument_id: InstrumentId, status: FeedStatus, reason: str, now_ns: int
) -> FeedStatusChanged:
    return FeedStatusChanged(
        instrument_id=instrument_id, ts_recv_ns=now_ns, status=status, reason=reason
    )
