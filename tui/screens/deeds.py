"""What keys and typed lines set in motion: dialogs, requests, and what is said of their outcome.

Dialogs are imported when they are opened: the first paint waits for none of them.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from msgspec.structs import replace

from core.model.amounts import Unit
from core.model.errors import ConfigError
from core.model.grammar import OrderLine, words_of
from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.orders import Order
from core.model.views import StrategyView
from tui.desk import Reply, new_order_id, order_words, submit_order
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
from tui.preview import TicketText, read

if TYPE_CHECKING:
    from core.model.commands import SubmitOrder
    from tui.screens.trade import TradeScreen


class Deeds:
    """Acts for the trade screen; everything that goes to the engine goes through its desk."""

    def __init__(self, screen: TradeScreen) -> None:
        self._screen = screen

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
            if line.waits or line.bracket or line.amount.unit is not Unit.QUANTITY:
                screen.clx.say(f"write it in the shell: clx order {words_of(line)}", "warning")
                return
            prefill = Prefill(
                side=line.side.value,
                size=line.amount.value,
                price=line.price,
                type="market" if line.market else "limit",
                lives="post" if line.post_only else line.time_in_force.value,
                reduce_only=line.reduce_only,
                focus="send" if line.price is not None or line.market else "size",
            )
        else:
            way = cast("SideName", side)
            view = screen.ladder_view()
            price = screen.hand.price(way, view) if view is not None else None
            size = screen.hand.preset(screen.replica, view) if view is not None else None
            prefill = Prefill(side=way, size=size or None, price=price)
        ticket = TicketScreen(screen.clx.desk, item, prefill)
        screen.app.push_screen(ticket, self.say_reply)

    # -- orders ------------------------------------------------------------------------------

    def quick(self, side: str) -> None:
        """Send a limit order at the best price of its side, only when armed."""
        way = cast("SideName", side)
        view = self._screen.ladder_view()
        price = self._screen.hand.best(way, view) if view is not None else None
        self._send_at(way, price)

    def open(self) -> None:
        """Open what the cursor is on; at an armed ladder, send an order there."""
        from tui.screens.result import ResultScreen

        screen = self._screen
        if screen.pane == "ladder":
            view = screen.ladder_view()
            way = screen.hand.side_at_cursor(view) if view is not None else None
            if view is None or way is None:
                screen.notice("j and k move the ladder's cursor first")
            elif screen.clx.desk.armed_left_s(screen.focus_id):
                self._send_at(way, screen.hand.price(way, view))
            else:
                self.ticket(way)
            return
        item = screen.lists.chosen(screen.pane) if screen.pane != "tape" else None
        if isinstance(item, Quoted):
            screen.look_at(item.instrument.id)
        elif item is not None:
            screen.app.push_screen(ResultScreen(screen.pane, item))

    def _send_at(self, side: SideName, price: Decimal | None) -> None:
        screen, desk = self._screen, self._screen.clx.desk
        item, view = screen.instrument, screen.ladder_view()
        if item is None or view is None or price is None:
            screen.notice("no price to trade at: there is no trusted book", "warning")
            return
        if not desk.armed_left_s(item.id):
            screen.notice(f"DISARMED: a arms {item.symbol} for {desk.arm_seconds} s", "warning")
            return
        size = screen.hand.preset(screen.replica, view)
        text = TicketText(
            side=side, type="limit", size=f"{size:f}", price=f"{price:f}", time_in_force="gtc"
        )
        draft = read(text, item)
        if draft.errors:
            screen.notice("; ".join(draft.errors.values()), "error")
            return
        order_id = new_order_id()
        words = f"{side.upper()} {draft.size:f} {item.symbol} @ {draft.price:,f}"
        self.do(self._quick(order_id, submit_order(order_id, item.id, draft), words))

    async def _quick(self, order_id: str, command: SubmitOrder, words: str) -> Reply:
        reply = await self._screen.clx.desk.ask(command)
        if not reply.unknown:
            return reply
        # Pressing again would be another order; only the engine's list can tell what became of it.
        text = f"{words} ({order_id}): {reply.text}; look into orders (4) before another"
        return replace(reply, text=text)

    def cancel(self) -> None:
        """Cancel the chosen order of the list, or those at the ladder's cursor."""
        screen = self._screen
        if screen.pane == "orders":
            chosen = screen.lists.chosen("orders")
            orders = [chosen] if isinstance(chosen, Order) else []
        else:
            orders = screen.hand.orders_at_cursor(screen.replica)
        live = [order for order in orders if not order.state.terminal]
        if not live:
            screen.notice("no open order under the cursor; 4 lists orders, j and k choose")
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
        if self._twice(f"cancel {name}", f"press again: cancel {count} orders of {name}"):
            self.do(screen.clx.desk.cancel_all(name))

    def close(self) -> None:
        """Close the position in the instrument on screen, pressed twice."""
        screen = self._screen
        name = screen.focus_id
        position = screen.replica.position_in(name) if name else None
        if name is None or position is None or not position.size:
            screen.notice("no position to close here")
            return
        words = f"press again: close {position.size.normalize():f} {name} at market"
        if self._twice(f"close {name}", words):
            self.do(screen.clx.desk.close(name))

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
