"""What each pane lists, and where its cursor stands."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.orders import Order
from link.replica import Replica, Topic
from tui.arranged import Arranged
from tui.draw import numbers
from tui.draw.chart.build import Happenings
from tui.draw.glyphs import BLOCK
from tui.draw.records import BALANCES, FILLS, LOG, ORDERS, POSITIONS
from tui.draw.sums import RISK
from tui.draw.tables import Table
from tui.draw.watchlist import MODELS, STRATEGIES, WATCHLIST, quoted
from tui.grammar import PaneName

LISTS: Final[dict[PaneName, Table[Any]]] = {
    "watchlist": WATCHLIST,
    "orders": ORDERS,
    "positions": POSITIONS,
    "fills": FILLS,
    "balances": BALANCES,
    "strategies": STRATEGIES,
    "models": MODELS,
    "log": LOG,
    "risk": RISK,
}
ALL: Final[tuple[PaneName, ...]] = ("ladder", "tape", *LISTS)
TOPICS: Final[dict[PaneName, frozenset[Topic]]] = {
    "ladder": frozenset({"book", "orders"}),
    "tape": frozenset({"tape"}),
    "watchlist": frozenset({"quotes", "instruments"}),
    "orders": frozenset({"orders"}),
    "positions": frozenset({"positions"}),
    "fills": frozenset({"fills"}),
    "balances": frozenset({"account"}),
    "strategies": frozenset({"strategies", "signals"}),
    "models": frozenset({"models"}),
    "log": frozenset({"alerts"}),
    "risk": frozenset({"account"}),
}
"""What must have changed for a pane to be drawn anew."""

SPARK: Final = 12
_AS_IT_COMES: Final = Arranged()


def happenings(replica: Replica, item: Instrument) -> Happenings:
    """Return what is drawn on the chart of an instrument beside its bars."""
    return Happenings(
        orders=tuple(
            order
            for order in replica.orders.values()
            if not order.state.terminal and order.intent.instrument_id == item.id
        ),
        fills=tuple(fill for fill in replica.fills if fill.instrument_id == item.id),
        signals=tuple(sign for sign in replica.signals if sign.instrument_id == item.id),
        position=replica.position_in(item.id),
    )


class Lists:
    """The items behind every list pane."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._cursors: dict[PaneName, int] = {}
        self._prices: dict[InstrumentId, deque[float]] = {}
        self._arranged: dict[PaneName, Arranged] = {}

    def arranged(self, pane: PaneName) -> Arranged:
        """Return how a pane is arranged."""
        return self._arranged.get(pane, _AS_IT_COMES)

    def arrange(self, pane: PaneName, arranged: Arranged) -> None:
        """Arrange a pane anew."""
        self._arranged[pane] = arranged

    def items(self, pane: PaneName) -> Sequence[Any]:
        """Return a pane's items as they are arranged."""
        arranged, found = self._arranged.get(pane), self.all_items(pane)
        return arranged.apply(LISTS[pane], found) if arranged is not None else found

    def all_items(self, pane: PaneName) -> Sequence[Any]:
        """Return all of a pane's items as they come: open orders and newest things first."""
        replica = self._replica
        match pane:
            case "watchlist":
                sparks = {name: self._spark(name) for name in replica.watchlist}
                return quoted(replica.watchlist, replica.instruments, replica.quotes, sparks)
            case "orders":
                return self.orders()
            case "positions":
                return [item for item in replica.positions.values() if item.size] or [
                    item for item in replica.positions.values() if item.realised_pnl or item.fees
                ]
            case "fills":
                return list(replica.fills)[::-1]
            case "balances":
                return [item for item in replica.balances if item.total or item.held]
            case "strategies":
                return list(replica.strategies.values())
            case "models":
                return list(replica.models.values())
            case "log":
                return list(replica.alerts)[::-1]
            case "risk":
                return replica.limits
            case _:
                return ()

    def orders(self) -> list[Order]:
        """Return open orders, newest first, then the ended ones."""
        known = list(self._replica.orders.values())[::-1]
        return sorted(known, key=lambda order: order.state.terminal)

    def cursor(self, pane: PaneName) -> int | None:
        """Return the index of the chosen item, None when there is none."""
        count = len(self.items(pane))
        if not count:
            return None
        return min(self._cursors.get(pane, 0), count - 1)

    def move(self, pane: PaneName, by: int) -> None:
        """Move a pane's cursor, stopping at both ends."""
        count = len(self.items(pane))
        if count:
            self._cursors[pane] = max(0, min(count - 1, self._cursors.get(pane, 0) + by))

    def chosen(self, pane: PaneName) -> Any:
        """Return the chosen item, None when there is none."""
        at = self.cursor(pane)
        return None if at is None else self.items(pane)[at]

    def count(self, pane: PaneName) -> int:
        """Return how many items a tab speaks of: open orders, positions held."""
        if pane == "orders":
            return sum(not order.state.terminal for order in self._replica.orders.values())
        if pane == "positions":
            return sum(bool(item.size) for item in self._replica.positions.values())
        return 0

    def sample(self) -> None:
        """Note the present prices for the sparklines; called once a few seconds."""
        for name, line in self._replica.quotes.items():
            if line.last_ticks:
                self._prices.setdefault(name, deque(maxlen=SPARK)).append(float(line.last_ticks))

    def _spark(self, name: InstrumentId) -> str:
        prices = self._prices.get(name)
        return numbers.sparkline(list(prices), SPARK, BLOCK.columns) if prices else " " * SPARK
