"""Past trades of venues that tell the newest few and no more."""

from __future__ import annotations

from collections.abc import Iterable

from core.model.market import Trade
from core.model.stores import PastTrades


def as_far_as(
    trades: Iterable[Trade], start_ns: int, end_ns: int, *, whole: bool = False
) -> PastTrades:
    """Return the trades of an answer within [start_ns, end_ns), and from when on they are all.

    Args:
        trades: Everything the venue told, in any order.
        start_ns: Where the time asked for begins.
        end_ns: Where it ends.
        whole: It would have told more if there were more.
    """
    told = sorted(trades, key=lambda trade: (trade.ts_event_ns, trade.trade_id))
    found = [trade for trade in told if start_ns <= trade.ts_event_ns < end_ns]
    if whole:
        return PastTrades(found, start_ns)
    # Beside the oldest there may have been others of its time.
    since_ns = told[0].ts_event_ns + 1 if told else end_ns
    return PastTrades(found, max(start_ns, since_ns))
