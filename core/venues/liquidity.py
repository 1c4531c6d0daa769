"""What a taker can get: the levels shown, less what our own simulated orders took of them.

The real market never sees a simulated order, so it goes on showing what that order has taken.
Until a level changes, what was taken stays taken; otherwise ten small orders would get what one
large order cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Final, TypeAlias

from core.model.ids import InstrumentId
from core.model.market import Quote, Side

Level: TypeAlias = tuple[int, int]
"""(price ticks, size lots)."""

Ladder: TypeAlias = tuple[Sequence[Level], Sequence[Level]]
"""Bids and asks, best first."""

Depth: TypeAlias = Callable[[InstrumentId], Ladder | None]
"""Reads the live book; None while there is none to be trusted."""

ENDLESS: Final = 1 << 62
"""Size of a level made of a last price alone: nothing is known of its size."""

_KEPT: Final = 4096


class Liquidity:
    """The market as simulated orders meet it: a live book, else quotes, else last prices."""

    def __init__(self, depth: Depth | None = None) -> None:
        self._depth = depth
        self._tops: dict[InstrumentId, Ladder] = {}
        self._quoted: set[InstrumentId] = set()
        self._taken: dict[tuple[InstrumentId, Side, int], Level] = {}
        """(instrument, side of the level, ticks) to (lots shown then, lots taken since)."""

    def quote(self, quote: Quote) -> None:
        """Take the best bid and ask."""
        self._quoted.add(quote.instrument_id)
        self._tops[quote.instrument_id] = (
            ((quote.bid_ticks, quote.bid_lots),),
            ((quote.ask_ticks, quote.ask_lots),),
        )

    def last(self, instrument_id: InstrumentId, bid_ticks: int, ask_ticks: int) -> None:
        """Take a last price (or one on either side of it), unless quotes say more."""
        if instrument_id not in self._quoted:
            self._tops[instrument_id] = (((bid_ticks, ENDLESS),), ((ask_ticks, ENDLESS),))

    def ladder(self, instrument_id: InstrumentId) -> Ladder | None:
        """Return what the market shows, None before it has shown anything."""
        if self._depth is not None:
            ladder = self._depth(instrument_id)
            if ladder is not None:
                return ladder
        return self._tops.get(instrument_id)

    def walk(
        self, instrument_id: InstrumentId, side: Side, lots: int, limit_ticks: int | None
    ) -> list[Level] | None:
        """Return the levels a taker would hit, (price, lots) best first; None without a market."""
        ladder = self.ladder(instrument_id)
        if ladder is None:
            return None
        return self.walk_levels(instrument_id, side, ladder[side is Side.BUY], lots, limit_ticks)

    def walk_levels(
        self,
        instrument_id: InstrumentId,
        side: Side,
        levels: Sequence[Level],
        lots: int,
        limit_ticks: int | None,
    ) -> list[Level]:
        """Return what a taker of `side` gets of given levels of the other side."""
        hits: list[Level] = []
        for ticks, shown in levels:
            if limit_ticks is not None and (ticks - limit_ticks) * side.sign > 0:
                break
            there = min(lots, self._left(instrument_id, side.opposite, ticks, shown))
            if there > 0:
                hits.append((ticks, there))
                lots -= there
            if not lots:
                break
        return hits

    def take(self, instrument_id: InstrumentId, side: Side, hits: Sequence[Level]) -> None:
        """Remember what a taker of `side` took, by the sizes shown now."""
        ladder = self.ladder(instrument_id)
        if ladder is None:
            return
        shown = dict(ladder[side is Side.BUY])
        for ticks, lots in hits:
            key = (instrument_id, side.opposite, ticks)
            there = shown.get(ticks, 0)
            if there >= ENDLESS:
                continue
            before = self._taken.get(key, (there, 0))
            self._taken[key] = (there, lots + (before[1] if before[0] == there else 0))
        while len(self._taken) > _KEPT:
            del self._taken[next(iter(self._taken))]

    def ahead(self, instrument_id: InstrumentId, side: Side, ticks: int) -> int:
        """Estimate the lots queued before an order placed now, -1 while there is no market.

        A price the book shows has its size ahead. Where only the best is known, a worse price is
        taken to have as much ahead as the best; an order alone at a new price has nothing.
        """
        ladder = self.ladder(instrument_id)
        if ladder is None:
            return -1
        levels = ladder[side is Side.SELL]
        for price, lots in levels:
            if price == ticks:
                return 0 if lots >= ENDLESS else lots
        if len(levels) == 1 and (levels[0][0] - ticks) * side.sign > 0:
            return 0 if levels[0][1] >= ENDLESS else levels[0][1]
        return 0

    def shown(self, instrument_id: InstrumentId, side: Side, ticks: int) -> int | None:
        """Return what the live book shows at a price, None where it does not reach or is none."""
        ladder = self._depth(instrument_id) if self._depth is not None else None
        levels = ladder[side is Side.SELL] if ladder is not None else ()
        if not levels or (ticks - levels[-1][0]) * side.sign < 0:
            return None
        return next((lots for price, lots in levels if price == ticks), 0)

    def mid(self, instrument_id: InstrumentId) -> Fraction | None:
        """Return the middle of the best prices in ticks, None before there are any."""
        ladder = self.ladder(instrument_id)
        if ladder is None or not ladder[0] or not ladder[1]:
            return None
        return Fraction(ladder[0][0][0] + ladder[1][0][0], 2)

    def _left(self, instrument_id: InstrumentId, side: Side, ticks: int, shown: int) -> int:
        taken = self._taken.get((instrument_id, side, ticks))
        if taken is None:
            return shown
        if taken[0] != shown:
            del self._taken[instrument_id, side, ticks]
            return shown
        return shown - taken[1]
