"""What keys and typed lines set in motion: dialogs, requests, and what is said of their outcome.

Dialogs are imported when they are opened: the first paint waits for none of them.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Final, cast

from core.model.accounts import Position
from core.model.errors import ConfigError
from core.model.grammar import OrderLine
from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.orders import Order, OrderFilled
from core.model.views import StrategyView, VenueView
from core.model.wording import counted
from tui.desk import Reply, order_words
from tui.draw.records import position_words
from tui.draw.watchlist import Quoted
from tui.grammar import (
    AppLine,
    ChartLine,
    CommandLine,
    IndicatorLine,
    Known,
    PaneLine,
    ScreenLine,
    parse,
)
from tui.hand import SideName
from tui.preview import TicketText, as_typed
from tui.screens.laddering import LadderDeeds

if TYPE_CHECKING:
    from tui.screens.trade import TradeScreen


_NO_ORDER: Final = "no open order under the cursor; 4 lists orders, j and k choose"


class Deeds:
    """Acts for the trade screen; everything that goes to the engine goes through its desk."""

    def __init__(self, screen: TradeScreen) -> None:
        self._screen = screen
        self.ladder = LadderDeeds(screen, self)
        self._gate_told: set[tuple[str, tuple[str, ...]]] = set()
        """Questions of venues that were put once."""

    # -- dialogs -----------------------------------------------------------------------------

    def find(self) -> None:
        """Find an instrument of any venue and show it."""
        from tui.screens.find import FindScreen

        app = self._screen.clx
        app.symbols.fetch()

        def chosen(name: InstrumentId | None) -> None:
            if name is not None:
                self.show(name)

        app.push_screen(FindScreen(app.symbols, self._screen.replica), chosen)

    def show(self, name: InstrumentId) -> None:
        """Show an instrument on the trade screen, and watch it when it was not watched."""
        screen = self._screen
        screen.clx.screens.show("trade")
        screen.look_at(name)
        grouped = {item for group in screen.replica.groups for item in group.instruments}
        if name not in screen.replica.watchlist and name not in grouped:
            self.do(screen.clx.desk.watch(name))

    def help(self) -> None:
        """Show all keys and commands."""
        from tui.screens.help import HelpScreen

        self._screen.app.push_screen(HelpScreen(self._screen.clx.key_table))

    def ticket(self, side: str, line: OrderLine | None = None) -> None:
        """Open a ticket; its price is that of the cursor now, or the typed one."""
        screen = self._screen
        name = line.instrument if line is not None else screen.focus_id
        item = screen.replica.instruments.get(name) if name else None
        if item is not None:
            self._open_ticket(item, side, line)
        elif name is not None:
            self.do(self._fetch_and_open(name, side, line))
        else:
            screen.clx.say("no instrument yet: wait for the engine, or / finds one", "warning")

    async def _fetch_and_open(
        self, name: InstrumentId, side: str, line: OrderLine | None
    ) -> Reply | None:
        from core.model.commands import GetInstruments

        reply = await self._screen.clx.desk.ask(GetInstruments(names=(name,)))
        if not reply.ok:
            return reply
        found: Any = reply.result
        if not found:
            return Reply(f"no venue lists {name}", "error")
        self._open_ticket(found[0], side, line)
        return None

    def _open_ticket(self, item: Instrument, side: str, line: OrderLine | None) -> None:
        from tui.screens.ticket import Prefill, TicketScreen

        screen = self._screen
        if line is not None:
            said = line.price is not None or line.market or bool(line.waits)
            prefill = Prefill(as_typed(line), focus="send" if said else "size")
        else:
            way = cast("SideName", side)
            view = screen.ladder_view()
            price = screen.hand.price(way, view) if view is not None else None
            size = screen.hand.preset(screen.replica, view) if view is not None else None
            prefill = Prefill(
                TicketText(
                    side=way,
                    size=f"{size:f}" if size else "",
                    price=f"{price:f}" if price is not None else "",
                )
            )
        ticket = TicketScreen(screen.clx.desk, item, prefill)
        screen.app.push_screen(ticket, self.say_reply)

    def plan(self, name: InstrumentId | None = None) -> None:
        """Open the form of a TWAP or scaled entry, of an instrument or of the one shown."""
        from tui.screens.plan import PlanScreen

        screen = self._screen
        item = screen.replica.instruments.get(name or screen.focus_id or InstrumentId(""))
        if item is None:
            screen.clx.say("no instrument yet: / on the trade screen finds one", "warning")
        else:
            screen.app.push_screen(PlanScreen(screen.clx.desk, item), self.say_reply)

    # -- orders ------------------------------------------------------------------------------

    def open(self) -> None:
        """Open what the cursor is on; at an armed ladder, send an order there."""
        from tui.screens.result import ResultScreen

        screen = self._screen
        if screen.pane == "ladder":
            self.ladder.at_cursor()
            return
        item = screen.lists.chosen(screen.pane) if screen.pane != "tape" else None
        if isinstance(item, Quoted):
            screen.look_at(item.instrument.id)
        elif isinstance(item, Order):
            self.why(item.id)
        elif isinstance(item, OrderFilled):
            self.why(item.client_order_id)
        elif item is not None:
            screen.app.push_screen(ResultScreen(screen.pane, item))

    def why(self, order_id: str) -> None:
        """Show the whole life of an order."""
        from tui.screens.why import WhyScreen

        self._screen.app.push_screen(WhyScreen(self._screen.clx.desk, order_id))

    def amend(self, order: Order | None = None) -> None:
        """Change the chosen order of the list, or the one at the ladder's cursor."""
        from tui.screens.amend import AmendScreen

        screen = self._screen
        if order is None:
            found = [item for item in self._chosen_orders() if not item.state.terminal]
            if not found:
                screen.notice(_NO_ORDER)
                return
            order = found[0]
        item = screen.replica.instruments.get(order.intent.instrument_id)
        if item is None:
            screen.notice(f"the steps of {order.intent.instrument_id} are not known yet")
            return
        screen.app.push_screen(AmendScreen(screen.clx.desk, item, order), self.say_reply)

    def gate(self) -> None:
        """Ask what to do with what a venue has and the journal does not."""
        asking = [view for view in self._screen.replica.venues.values() if view.asks]
        if asking:
            self._open_gate(asking[0])
        else:
            self._screen.clx.say("no venue asks for anything")

    def gate_if_asked(self) -> None:
        """Open the gate once for every new question, when no other dialog is open."""
        app = self._screen.clx
        for view in self._screen.replica.venues.values():
            question = (view.venue, view.asks)
            if view.asks and question not in self._gate_told and app.screen is app.live_screen:
                self._gate_told.add(question)
                self._open_gate(view)
                return

    def _open_gate(self, view: VenueView) -> None:
        from tui.screens.gate import GateScreen

        app = self._screen.clx

        def now() -> VenueView | None:
            return self._screen.replica.venues.get(view.venue)

        app.push_screen(GateScreen(app.desk, view, now), self.say_reply)

    def _chosen_orders(self) -> list[Order]:
        screen = self._screen
        if screen.pane == "orders":
            chosen = screen.lists.chosen("orders")
            return [chosen] if isinstance(chosen, Order) else []
        return screen.hand.orders_at_cursor(screen.replica)

    def cancel(self) -> None:
        """Cancel the chosen order of the list, or those at the ladder's cursor."""
        screen = self._screen
        live = [order for order in self._chosen_orders() if not order.state.terminal]
        if not live:
            screen.notice(_NO_ORDER)
        for order in live:
            self.do(screen.clx.desk.cancel(order.id))

    def cancel_all(self) -> None:
        """Cancel all orders of the instrument on screen, pressed twice."""
        screen = self._screen
        name = screen.focus_id
        if name is None:
            return
        count = sum(
            not order.state.terminal and order.intent.instrument_id == name
            for order in screen.replica.orders.values()
        )
        if self._twice(
            f"cancel {name}", f"press again: cancel {counted(count, 'order')} of {name}"
        ):
            self.do(screen.clx.desk.cancel_all(name))

    def close(self) -> None:
        """Close the chosen position of the list, else that in the instrument shown; twice."""
        screen = self._screen
        name = screen.focus_id
        held = [
            item
            for item in screen.replica.positions.values()
            if item.instrument_id == name and item.size
        ]
        if screen.pane == "positions":
            # The cursor says which is meant, whatever is on the chart.
            chosen = screen.lists.chosen("positions")
            held = [chosen] if isinstance(chosen, Position) and chosen.size else []
        if len(held) > 1:
            words = " and ".join(position_words(item) for item in held)
            screen.notice(f"held apart: {words}; F lists positions, and Z there closes one")
        elif not held:
            screen.notice("no position to close here")
        elif self._twice(
            f"close {held[0].key}", f"press again: close {position_words(held[0])} at market"
        ):
            self.do(screen.clx.desk.close(held[0]))

    def arm(self) -> None:
        """Arm the instrument, or disarm it."""
        screen, desk = self._screen, self._screen.clx.desk
        name = screen.focus_id
        if name is None:
            screen.notice("no instrument to arm yet", "warning")
            return
        self.do(desk.disarm(name) if desk.armed_left_s(name) else desk.arm(name))

    def toggle_strategy(self) -> None:
        """Enable or disable the chosen strategy; the only one needs no choosing."""
        screen = self._screen
        views = list(screen.replica.strategies.values())
        chosen = screen.lists.chosen("strategies") if screen.pane == "strategies" else None
        if chosen is None and len(views) == 1:
            chosen = views[0]
        if not isinstance(chosen, StrategyView):
            screen.notice("8 lists strategies; choose one, then e")
            return
        self.do(screen.clx.desk.toggle_strategy(chosen))

    def copy(self) -> None:
        """Copy the chosen row to the terminal's clipboard."""
        from tui.screens.result import tabulate

        item: Any = self._screen.lists.chosen(self._screen.pane)
        if item is not None:
            self._screen.app.copy_to_clipboard("\n".join(tabulate(item)))
            self._screen.notice("copied")

    # -- the command line ----------------------------------------------------------------------

    def line(self, text: str) -> None:
        """Understand a typed line and do what it says; what is not understood stays said."""
        from core.model.commands import COMMANDS

        screen, app = self._screen, self._screen.clx
        top = app.live_screen
        known = Known(
            instruments=tuple(screen.replica.instruments),
            listed=tuple(app.symbols.ids()),
            focus=top.target() if top is not None else None,
            commands={name: tuple(kind.model_fields) for name, kind in COMMANDS.items()},
        )
        try:
            parsed = parse(text, known)
        except ConfigError as error:
            app.say(str(error), "error")
            return
        match parsed:
            case OrderLine():
                self.ticket(parsed.side.value, parsed)
            case ChartLine():
                app.screens.show("trade")
                screen.look_at(parsed.instrument, parsed.timeframe)
            case IndicatorLine():
                app.screens.show("trade")
                self.do(self._indicators(parsed.indicators))
            case ScreenLine():
                app.screens.show(parsed.screen)
            case PaneLine():
                app.screens.show("trade")
                screen.action_pane(parsed.pane)
            case CommandLine(name="get_order_life", args={"client_order_id": order_id}):
                self.why(str(order_id))
            case CommandLine():
                args = {key: str(value) for key, value in parsed.args.items()}
                app.open_command(parsed.name, args)
            case AppLine(what="help"):
                self.help()
            case AppLine():
                screen.action_detach()

    async def _indicators(self, indicators: tuple[str, ...]) -> Reply | None:
        """Give the chosen chart indicators, once the engine has understood them."""
        from core.model.commands import GetChart

        screen = self._screen
        if screen.focus_id is None:
            return Reply("no instrument on screen yet", "warning")
        reply = await screen.clx.desk.ask(
            GetChart(
                instrument=screen.focus_id,
                timeframe=screen.timeframe,
                bars=1,
                indicators=indicators,
            )
        )
        if not reply.ok:
            return reply
        screen.pictures.show_indicators(indicators)
        screen.draw_all()
        return Reply(f"{screen.timeframe.value} chart: {' '.join(indicators) or 'no indicators'}")

    # -- within --------------------------------------------------------------------------------

    def _twice(self, what: str, words: str) -> bool:
        if self._screen.twice.press(what, time.monotonic()):
            return True
        self._screen.notice(words, "info")
        return False

    def do(self, request: Awaitable[Reply | None]) -> None:
        """Wait for a request in the background, and say what became of it."""

        async def work() -> None:
            self.say_reply(await request)

        self._screen.app.run_worker(work(), exit_on_error=False)

    def say_reply(self, reply: Reply | None) -> None:
        """Say what became of a request, if anything is to be said."""
        if reply is None:
            return
        words = reply.text or (order_words(reply.order) if reply.order else "")
        self._screen.clx.say(words, reply.level)
        live = self._screen.clx.live_screen
        if live is not None and reply.order is not None:
            live.follow(reply.order)
