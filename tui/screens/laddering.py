"""What keys do at the ladder: join and take at once, order, move and cancel at the cursor.

Everything but a cancel wants the instrument armed; the engine would refuse it anyway.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec.structs import replace

from core.model.orders import Order
from tui.desk import Reply, new_order_id, submit
from tui.draw.ladder import row_prices
from tui.hand import SideName
from tui.preview import TicketText, read
from tui.widgets.rows import RowsWidget

if TYPE_CHECKING:
    from core.model.commands import Command
    from tui.screens.deeds import Deeds
    from tui.screens.trade import TradeScreen


class LadderDeeds:
    """Acts for the ladder of the trade screen."""

    def __init__(self, screen: TradeScreen, deeds: Deeds) -> None:
        self._screen = screen
        self._deeds = deeds

    def join(self, side: SideName) -> None:
        """Rest at the best price of a side."""
        view = self._screen.ladder_view()
        price = self._screen.hand.best(side, view) if view is not None else None
        self.send_at(side, price)

    def take(self, side: SideName) -> None:
        """Take what the other side offers at its best price, and nothing worse."""
        view = self._screen.ladder_view()
        other: SideName = "sell" if side == "buy" else "buy"
        price = self._screen.hand.best(other, view) if view is not None else None
        self.send_at(side, price, lives="ioc")

    def at_cursor(self) -> None:
        """Order at the cursor: at once when armed, else by ticket."""
        screen = self._screen
        view = screen.ladder_view()
        way = screen.hand.side_at_cursor(view) if view is not None else None
        if view is None or way is None:
            screen.notice("j and k move the ladder's cursor first")
        elif screen.clx.desk.armed_left_s(screen.focus_id):
            self.send_at(way, screen.hand.price(way, view))
        else:
            self._deeds.ticket(way)

    def send_at(self, side: SideName, price: Decimal | None, lives: str = "gtc") -> None:
        """Send a limit order of the preset size at a price, when armed."""
        screen = self._screen
        item, view = screen.instrument, screen.ladder_view()
        if item is None or view is None or price is None:
            screen.notice("no price to trade at: there is no trusted book", "warning")
            return
        if not self.armed():
            return
        size = screen.hand.preset(screen.replica, view)
        text = TicketText(side=side, size=f"{size:f}", price=f"{price:f}", lives=lives)
        draft = read(text, item)
        if draft.errors:
            screen.notice("; ".join(draft.errors.values()), "error")
            return
        order_id = new_order_id()
        size = draft.line.amount.value
        words = f"{side.upper()} {size:f} {item.symbol} @ {price:,f}"
        self._deeds.do(self._once(order_id, submit(order_id, draft, size), words))

    async def _once(self, order_id: str, command: Command, words: str) -> Reply:
        reply = await self._screen.clx.desk.ask(command)
        if not reply.unknown:
            return reply
        # Pressing again would be another order; only the engine's list can tell what became of it.
        text = f"{words} ({order_id}): {reply.text}; look into orders (4) before another"
        return replace(reply, text=text)

    def armed(self) -> bool:
        """Return whether the instrument is armed; where it is not, say how it gets so."""
        screen, desk = self._screen, self._screen.clx.desk
        item = screen.instrument
        if item is not None and desk.armed_left_s(item.id):
            return True
        symbol = item.symbol if item is not None else "the instrument"
        screen.notice(f"DISARMED: a arms {symbol} for {desk.arm_seconds} s", "warning")
        return False

    def move(self, by: int) -> None:
        """Move the orders at the cursor to the next row of the ladder; the cursor goes along."""
        screen = self._screen
        view, item = screen.ladder_view(), screen.instrument
        orders = screen.hand.orders_at_cursor(screen.replica)
        if view is None or item is None or not orders:
            screen.notice("no order of yours under the ladder's cursor; j and k move it")
            return
        if not self.armed():
            return
        height = screen.query_one("#ladder", RowsWidget).size.height
        rows = [ticks for ticks in row_prices(view, height) if ticks > 0]
        cursor = screen.hand.cursor
        at = rows.index(cursor) + by if cursor in rows else -1
        if not 0 <= at < len(rows):
            screen.notice("that is the end of the ladder; A changes the price to any other")
            return
        price = item.price(rows[at])
        screen.hand.cursor = rows[at]
        screen.draw_ladder_now()
        for order in orders:
            self._deeds.do(self._amend(order, price))

    async def _amend(self, order: Order, price: Decimal) -> Reply:
        desk = self._screen.clx.desk
        waits = order.intent.type.conditional and not order.triggered_ns
        moved = desk.amend(order.id, trigger=price) if waits else desk.amend(order.id, price=price)
        reply = await moved
        if not reply.unknown:
            return reply
        return replace(reply, text=f"move of {order.id}: {reply.text}; look into orders (4)")
