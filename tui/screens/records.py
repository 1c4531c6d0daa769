"""Orders, fills, positions, balances and the ledger, each on a screen of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, Final

from textual.binding import BindingType

from core.model.accounts import Position
from core.model.errors import ClxError
from core.model.executors import ExecutorView
from core.model.orders import Order, OrderFilled
from tui.begun import begin
from tui.draw.executors import EXECUTORS, draw_executor
from tui.draw.records import BALANCES, FILLS, LEDGER, ORDERS, POSITIONS, position_words
from tui.draw.runs import Row
from tui.draw.sums import draw_venues, venue_rows
from tui.keys import KEYS, HintSet, ScreenName, bindings
from tui.screens.paged import Page, PagedScreen
from tui.widgets.rows import RowsWidget

_ASK_S: Final = 3.0
"""Records change in bursts; they are asked for no more often."""
_IDLE_S: Final = 30.0
MOST: Final = 2000
"""Records asked for; the shell lists more."""
_MOST_VENUES: Final = 3


class RecordsScreen(PagedScreen):
    """Everything ordered, filled, held and booked."""

    NAME: ClassVar[ScreenName] = "records"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(KEYS, "records")]
    PAGES: ClassVar[Sequence[Page]] = (
        Page("orders", ORDERS),
        Page("executors", EXECUTORS),
        Page("fills", FILLS),
        Page("positions", POSITIONS),
        Page("balances", BALANCES),
        Page("ledger", LEDGER),
    )

    def __init__(self) -> None:
        super().__init__()
        self._asked: dict[str, Sequence[Any]] = {}
        """What the engine told of a page beyond what the replica holds."""
        self._due: dict[str, float] = {}
        self._seen: dict[str, int] = {}
        self._problem = ""

    def heights(self, width: int, height: int) -> tuple[int, int]:
        """Give the chosen executor two rows above, and every venue what it takes below."""
        venues = list(self.replica.venues.values())
        above = 2 if self.page.name == "executors" else 0
        return above, venue_rows(venues, width, _MOST_VENUES) if height >= 20 else 0

    # -- what is asked for -------------------------------------------------------------------

    def before_draw(self, now: float) -> None:
        """Ask for older orders and fills, and for the ledger, when something may be new."""
        page = self.page.name
        if self.clx.link.state != "up" or page not in ("orders", "fills", "ledger"):
            return
        fills = len(self.replica.fills)
        newest = self.replica.fills[-1].ts_ns if fills else 0
        news = self._seen.get(page) != newest
        if now < self._due.get(page, 0.0) - (0 if not news else _IDLE_S - _ASK_S):
            return
        self._seen[page], self._due[page] = newest, now + _IDLE_S
        begin(self, partial(self._ask, page), group=page, exclusive=True)

    async def _ask(self, page: str) -> None:
        from core.model.commands import Command, GetFills, GetLedger, GetOrders

        wanted: dict[str, Command] = {
            "orders": GetOrders(all=True),
            "fills": GetFills(limit=MOST),
            "ledger": GetLedger(limit=MOST),
        }
        try:
            found = await self.clx.link.request(wanted[page])
        except ClxError as error:
            self._problem = str(error)
            self.draw_all()
            return
        self._problem = ""
        self._asked[page] = found
        self.draw_all()

    def tab_count(self, page: str) -> int:
        """Count what is open: orders, executors, positions."""
        replica = self.replica
        match page:
            case "orders":
                return sum(not order.state.terminal for order in replica.orders.values())
            case "executors":
                return sum(not view.ended for view in replica.executors.values())
            case "positions":
                return sum(bool(position.size) for position in replica.positions.values())
            case _:
                return 0

    def hint_set(self) -> HintSet:
        """Return which keys the last line speaks of."""
        return "executors" if self.page.name == "executors" else self.NAME

    def empty_words(self) -> str:
        """Return what the engine refused, if it did."""
        return self._problem

    # -- the lists ---------------------------------------------------------------------------

    def all_items(self, page: str) -> Sequence[Any]:
        """Return a page's items: open orders and newest things first."""
        replica, asked = self.replica, self._asked.get(page, ())
        match page:
            case "orders":
                # What the replica says is newer than what was asked for.
                known = {order.id: order for order in asked} | dict(replica.orders)
                newest = sorted(known.values(), key=lambda o: o.ts_submitted_ns, reverse=True)
                return sorted(newest, key=lambda order: order.state.terminal)
            case "executors":
                views = list(replica.executors.values())[::-1]
                return sorted(views, key=lambda view: bool(view.ended))
            case "fills":
                fills = {(f.venue, f.execution_id): f for f in (*asked, *replica.fills)}
                return sorted(fills.values(), key=lambda f: f.ts_event_ns or f.ts_ns, reverse=True)
            case "positions":
                return sorted(replica.positions.values(), key=lambda p: (not p.size, p.key[0]))
            case "balances":
                return [item for item in replica.balances if item.total or item.held]
            case _:
                return list(asked)[::-1]

    def draw_above(self, width: int, height: int) -> list[Row]:
        """Say all of the chosen executor."""
        item = self.chosen()
        glyphs = self.query_one("#above", RowsWidget).look.glyphs
        return draw_executor(item if isinstance(item, ExecutorView) else None, width, glyphs)

    def draw_below(self, width: int, height: int) -> list[Row]:
        """Say how each venue's private side stands."""
        glyphs = self.query_one("#below", RowsWidget).look.glyphs
        return draw_venues(list(self.replica.venues.values()), width, height, glyphs)

    # -- keys --------------------------------------------------------------------------------

    def action_open(self) -> None:
        """Tell the life of the chosen order, or of a fill's order; list an executor's orders."""
        item = self.chosen()
        if isinstance(item, ExecutorView):
            self.show_page("orders")
            self.filter_list(f"slice {item.plan.id[-4:]}")
        elif isinstance(item, Order):
            self.clx.deeds.why(item.id)
        elif isinstance(item, OrderFilled):
            self.clx.deeds.why(item.client_order_id)
        else:
            super().action_open()

    def action_cancel(self) -> None:
        """Cancel the chosen order; stop the chosen executor, pressed twice."""
        item = self.chosen()
        if isinstance(item, ExecutorView):
            self._stop(item)
        elif isinstance(item, Order) and not item.state.terminal:
            self.clx.deeds.do(self.clx.desk.cancel(item.id))
        else:
            self.notice("choose an open order; tab turns to the orders")

    def _stop(self, view: ExecutorView) -> None:
        name = f"{view.plan.kind} {view.plan.id[-6:]}"
        if view.ended:
            self.notice(f"{name} has ended already: {view.ended}")
        elif self.twice.press(f"stop {view.plan.id}", time.monotonic()):
            self.clx.deeds.do(self.clx.desk.stop_executor(view.plan.id))
        else:
            rests = f", and cancel the {view.open_size.normalize():f} that rest" * bool(
                view.open_size
            )
            self.notice(f"press again: stop {name}{rests}")

    def action_plan(self) -> None:
        """Open the form of a TWAP or scaled entry."""
        self.clx.deeds.plan(self.target())

    def action_pause(self) -> None:
        """Pause the chosen executor, or let it go on."""
        item = self.chosen()
        if not isinstance(item, ExecutorView):
            self.notice("choose an executor; tab turns to them")
        elif item.paused_ns:
            self.clx.deeds.do(self.clx.desk.resume_executor(item.plan.id))
        else:
            self.clx.deeds.do(self.clx.desk.pause_executor(item.plan.id))

    def action_amend(self) -> None:
        """Change the chosen order."""
        item = self.chosen()
        if isinstance(item, Order) and not item.state.terminal:
            self.clx.deeds.amend(item)
        else:
            self.notice("choose an open order; tab turns to the orders")

    def action_close(self) -> None:
        """Close the chosen position, pressed twice; of two held apart, the chosen one."""
        item = self.chosen()
        if not isinstance(item, Position) or not item.size:
            self.notice("choose an open position; tab turns to the positions")
        elif self.twice.press(f"close {item.key}", time.monotonic()):
            self.clx.deeds.do(self.clx.desk.close(item))
        else:
            self.notice(f"press again: close {position_words(item)} at market")
