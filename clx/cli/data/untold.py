"""Times of which a venue told no trades although its bars there hold volume.

What a venue answers is kept as all the trades of that time. Its history of trades may begin later
than that of its bars, or leave some out, without saying so; kept bars tell the difference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from core.model.ids import InstrumentId
from core.model.market import Timeframe
from core.model.stores import DAY_NS

if TYPE_CHECKING:
    import numpy.typing as npt

    from store.market import MarketStore


class Untold(msgspec.Struct, frozen=True, kw_only=True):
    """Bars with volume in whose time no trade is kept, and the venue said that there was none."""

    instrument_id: InstrumentId
    timeframe: Timeframe
    bars: int
    start_ns: int
    """Opening time of the first one."""
    end_ns: int
    """Closing time of the last one."""


def untold_trades(store: MarketStore, name: InstrumentId, since_ns: int = 0) -> Untold | None:
    """Compare what was asked for of an instrument's trades with its shortest bars of a minute on.

    Raises:
        StoreError: A block is damaged.
    """
    lengths = [
        info
        for info in store.upkeep.series(name)
        if info.timeframe is not None and info.timeframe.ns >= Timeframe.M1.ns
    ]
    if not lengths:
        return None
    info = min(lengths, key=lambda each: each.timeframe.ns if each.timeframe else 0)
    frame = info.timeframe
    assert frame is not None
    start_ns, end_ns = max(info.first_ns, since_ns), info.last_ns + frame.ns
    opens: list[int] = []
    for begin_ns, stop_ns in _asked(store.past.missing(name, start_ns, end_ns), start_ns, end_ns):
        first_ns = -(-begin_ns // frame.ns) * frame.ns
        for at_ns in range(first_ns, stop_ns, DAY_NS):
            until_ns = min(at_ns + DAY_NS, stop_ns - frame.ns + 1)
            if at_ns < until_ns:
                opens += _unmatched(store, name, frame, at_ns, until_ns).tolist()
    if not opens:
        return None
    return Untold(
        instrument_id=name,
        timeframe=frame,
        bars=len(opens),
        start_ns=opens[0],
        end_ns=opens[-1] + frame.ns,
    )


def _asked(missing: list[tuple[int, int]], start_ns: int, end_ns: int) -> list[tuple[int, int]]:
    """Return the spans between those that are missing."""
    edges = [start_ns, *(edge for span in missing for edge in span), end_ns]
    return [pair for pair in zip(edges[::2], edges[1::2], strict=True) if pair[0] < pair[1]]


def _unmatched(
    store: MarketStore, name: InstrumentId, frame: Timeframe, start_ns: int, end_ns: int
) -> npt.NDArray[np.int64]:
    """Return the opening times of bars within a span that hold volume and no kept trade."""
    bars = store.bars.bars(name, frame, start_ns, end_ns)
    opens = bars.ts_open_ns[bars.volume > 0]
    if not len(opens):
        return opens
    trades = np.sort(store.trades.trades(name, start_ns, end_ns + frame.ns).ts_event_ns)
    none = np.searchsorted(trades, opens) == np.searchsorted(trades, opens + frame.ns)
    untold: npt.NDArray[np.int64] = opens[none]
    return untold
