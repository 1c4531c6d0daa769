"""The hand on the ladder: its cursor, its preset size, and the rows held still under it."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from core.model.instruments import Instrument
from core.model.orders import Order
from link.replica import Replica
from tui.draw.ladder import LadderView, own_orders, row_prices
from tui.sizing import preset, step

SideName = Literal["buy", "sell"]


class Hand:
    """Where the ladder's cursor stands, for one instrument at a time."""

    def __init__(self) -> None:
        self.instrument: Instrument | None = None
        self.cursor: int | None = None
        self.size: Decimal | None = None
        self._frozen: tuple[int, ...] | None = None

    def follow(self, instrument: Instrument) -> None:
        """Take up an instrument; the cursor of another one is let go."""
        if self.instrument is None or self.instrument.id != instrument.id:
            self.instrument, self.cursor, self._frozen, self.size = instrument, None, None, None

    def view(self, replica: Replica, *, trusted: bool, why: str) -> LadderView | None:
        """Return what the ladder is drawn from, None before an instrument is known."""
        item = self.instrument
        if item is None:
            return None
        book = replica.book if replica.book and replica.book.instrument_id == item.id else None
        line = replica.quotes.get(item.id)
        last = line.last_ticks if line is not None else 0
        own = own_orders(list(replica.orders.values()), item)
        return LadderView(item, book, own, last, self.cursor, self._frozen, trusted, why)

    def move(self, view: LadderView, by: int, height: int) -> None:
        """Move the cursor by rows; the first move takes the best bid, and holds the rows still."""
        held = row_prices(view, height)
        rows = [ticks for ticks in held if ticks > 0]
        if not rows:
            return
        if self.cursor is None or self.cursor not in rows:
            self.cursor = view.book.bids[0][0] if view.book and view.book.bids else rows[-1]
        else:
            at = rows.index(self.cursor) + by
            self.cursor = rows[max(0, min(len(rows) - 1, at))]
        if self._frozen is None:
            self._frozen = held

    def release(self) -> None:
        """Let the ladder follow the market again."""
        self.cursor = self._frozen = None

    def price(self, side: SideName, view: LadderView) -> Decimal | None:
        """Return the price at the cursor, else the best price of that side; captured now."""
        if self.cursor is not None:
            return view.instrument.price(self.cursor)
        return self.best(side, view)

    @staticmethod
    def best(side: SideName, view: LadderView) -> Decimal | None:
        """Return the best bid for a buy, the best ask for a sell; None without a book."""
        if view.book is None:
            return None
        levels = view.book.bids if side == "buy" else view.book.asks
        return view.instrument.price(levels[0][0]) if levels else None

    def side_at_cursor(self, view: LadderView) -> SideName | None:
        """Return what an order at the cursor would be: buy in the bids, sell in the asks."""
        if self.cursor is None or view.book is None or not view.book.asks:
            return None
        return "sell" if self.cursor >= view.book.asks[0][0] else "buy"

    def orders_at_cursor(self, replica: Replica) -> list[Order]:
        """Return the own open orders that act at the cursor's price."""
        item = self.instrument
        if item is None or self.cursor is None:
            return []
        return [
            order
            for order in replica.orders.values()
            if order.intent.instrument_id == item.id
            and (price := order.acts_at) is not None
            and item.nearest_ticks(price) == self.cursor
        ]

    def preset(self, replica: Replica, view: LadderView) -> Decimal:
        """Return the size of the next order: as stepped, else a thousandth of the equity."""
        if self.size is None or not self.size:
            price = view.instrument.price(view.last_ticks)
            self.size = preset(view.instrument, price, replica.equity)
        return self.size

    def resize(self, replica: Replica, view: LadderView, *, larger: bool) -> Decimal:
        """Step the preset size up or down."""
        self.size = step(view.instrument, self.preset(replica, view), larger)
        return self.size
