"""Quotes that nobody awaits, left on an instrument's desk by kernels instead of told.

A quote is looked at by whoever needs a price, and follows from nothing and to nothing: an event of
each would be made only to take the place of the one before. A kernel that was lent a desk puts its
figures there, and the event is made when somebody looks. Where quotes are acted upon as they come,
by paper trading and held triggers, the market says so and they are told, see `MarketState.heed`.
"""

from __future__ import annotations

import numba

from core.engine.compiled import view
from core.engine.opened import whole
from core.engine.steady import BEST, QUOTES, RECV, SPARED, STRAIGHT, WIDTH, Figures
from core.model.ids import InstrumentId
from core.model.market import Quote

_NEW, _TS, _RECV, _BID, _BID_LOTS, _ASK, _ASK_LOTS, _UPDATE = range(BEST, BEST + 8)
"""Whether it was left since somebody looked; and what a `Quote` says."""


@numba.njit(cache=True, forceinline=True)
def left(
    lent: int, ts_ns: int, recv: int, bid: int, bid_lots: int, ask: int, ask_lots: int, update: int
) -> bool:
    """Leave a quote on a desk that was lent, 0 if none; False: it is to be told.

    `recv` is the object that says when it came.
    """
    if not lent:
        return False
    recv_ns, good = whole(recv)
    if not good:
        return False
    done: bool = left_at(lent, ts_ns, recv_ns, bid, bid_lots, ask, ask_lots, update)
    return done


@numba.njit(cache=True, forceinline=True)
def left_at(
    lent: int,
    ts_ns: int,
    recv_ns: int,
    bid: int,
    bid_lots: int,
    ask: int,
    ask_lots: int,
    update: int,
) -> bool:
    """Do the work of `left` on a desk that was lent, of a quote that came at a time."""
    on = view(lent, 1, WIDTH)[0]
    if not on[SPARED]:
        return False
    on[_NEW] = 1
    on[_TS] = ts_ns
    on[_RECV] = on[RECV] = recv_ns
    on[_BID] = bid
    on[_BID_LOTS] = bid_lots
    on[_ASK] = ask
    on[_ASK_LOTS] = ask_lots
    on[_UPDATE] = update
    on[QUOTES] += 1
    on[STRAIGHT] += 1
    return True


def newest(figures: Figures, name: InstrumentId, told: Quote | None) -> Quote | None:
    """Return the quote left since somebody looked, or the one told before if there is none."""
    if not figures[_NEW]:
        return told
    figures[_NEW] = 0
    return Quote(name, *figures[_TS : _UPDATE + 1].tolist())
