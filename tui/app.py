"""The terminal app: theme, key map, link; behaviour lives in the screens."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from textual import events
from textual.app import App
from textual.binding import BindingType
from textual.types import CSSPathType

from core.model.errors import ClxError, ConfigError
from tui.begun import begin
from tui.bell import Bell
from tui.desk import Desk
from tui.grammar import BY_ID
from tui.keys import KEYS, Key, bindings, key_map
from tui.palette import ClxCommands
from tui.preferences import Preferences
from tui.screens.live import LiveScreen
from tui.screens.stack import Screens
from tui.screens.trade import TradeScreen
from tui.sent import Thrift
from tui.style import Look, glyphs_wanted, has_few_colours, theme_wanted
from tui.symbols import Symbols
from tui.theme import (
    css_variables,
    load_theme,
    textual_theme,
    theme_names,
    user_theme_folder,
)
from tui.typed import Typed

if TYPE_CHECKING:
    from rich.console import RenderableType
    from textual.screen import Screen

    from core.model.settings import Settings, TuiSettings
    from link.port import EngineLink
    from tui.screens.deeds import Deeds

DEFAULT_VARIABLES: Final = dict.fromkeys(
    ("up", "down", "bid", "ask", "own", "position", "warn", "grid", "axis", "muted"), "#808080"
)
"""Stand-ins until the theme is loaded, a moment later."""


class ClxApp(App[None]):
    """One face of an engine."""

    CSS_PATH: ClassVar[CSSPathType | None] = "clx.tcss"
    COMMANDS: ClassVar[Any] = {ClxCommands}
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(KEYS, None)]
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal")]  # noqa: RUF012  as declared there
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]  # noqa: RUF012  as declared there
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"

    def __init__(
        self,
        link: EngineLink,
        *,
        settings: TuiSettings | None = None,
        theme: str = "clx-dark",
        load_settings: Callable[[], Settings] | None = None,
        why_no_engine: Callable[[], str] = str,
        starting: bool = False,
        exports: Path | None = None,
    ) -> None:
        """Prepare; nothing is connected before the first paint.

        Args:
            link: The doorway to the engine.
            settings: The [tui] table, where it is known already.
            theme: The theme of the first paint, where only that is known.
            load_settings: Reads all settings after the first paint; ConfigError is shown.
            why_no_engine: Why an engine that was started is gone, empty while it lives.
            starting: An engine was started just now.
            exports: The folder that lists are exported to.
        """
        self._no_colour = bool(os.environ.get("NO_COLOR"))
        # The framework's own answer to NO_COLOR is greys; the terminal's colours are none at all.
        super().__init__(ansi_color=True if self._no_colour else None)
        self.link = link
        self.preferences = Preferences.of(settings) if settings else Preferences(theme=theme)
        self.key_table: tuple[Key, ...] = KEYS
        self.why_no_engine = why_no_engine
        self.starting = starting
        self.opened_s = time.monotonic()
        self.exports = exports
        self.desk = Desk(link)
        self.screens = Screens(self)
        self.symbols = Symbols(link, lambda work: self.run_worker(work, exit_on_error=False))
        self._load_settings = load_settings
        self._problem = ""
        self._bell = Bell()
        # Nothing here says anything by them, and every screen would make and style them.
        self._disable_notifications = self._disable_tooltips = True
        self._typed = Typed(self, super().on_event)
        self._thrift = Thrift()
        self.look = self._make_look(self.preferences.theme)
        # In force before the stylesheet is parsed, or it would be parsed twice.
        few = has_few_colours() or self._no_colour
        self.register_theme(textual_theme(self.look.theme, few_colours=few))
        self.theme = self.look.theme.name
        self._css_variables = self.get_css_variables()
        self.stylesheet.set_variables(self._css_variables)
        self.animation_level = "none"
        if settings:
            self._take_keys(settings.keys)

    def refresh_css(self, animate: bool = True) -> None:
        """Style everything anew where a colour is another; the framework asks at its start, too."""
        variables = self.get_css_variables()
        if variables != self._css_variables:
            self._css_variables = variables
            super().refresh_css(animate)

    def get_default_screen(self) -> TradeScreen:
        """Return the main screen; an empty one below it would be painted for nothing."""
        return TradeScreen()

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Give the stylesheet our own colour names before a theme is in force."""
        return css_variables(self.look.theme) if hasattr(self, "look") else DEFAULT_VARIABLES

    async def on_event(self, event: events.Event) -> None:
        """Take what is typed key by key, and everything else at once."""
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            await self._typed.take(event)
        else:
            await super().on_event(event)

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        """Write to the terminal what changed, and no more."""
        super()._display(screen, self._thrift.spare(renderable))

    def on_mount(self) -> None:
        """Start following the engine."""
        begin(self, self.link.run, name="link")
        self.call_after_refresh(self._after_first_paint)
        if self._load_settings is not None:
            self.call_after_refresh(self._read_settings)

    def _after_first_paint(self) -> None:
        if not gc.isenabled():
            # Whoever started us switched collection off: imports make no garbage, only work for it.
            gc.freeze()
            gc.enable()
        self._tell_problem()

    # -- settings ------------------------------------------------------------------------------

    def _read_settings(self) -> None:
        load = self._load_settings
        assert load is not None

        def work() -> None:
            try:
                settings = load()
            except ConfigError as error:
                self.call_from_thread(self.say, f"settings: {error}; the defaults hold", "error")
            else:
                self.call_from_thread(self._take_settings, settings)
            # The first order or question would wait for it, 30 ms or more.
            import core.model.commands  # noqa: F401

        self.run_worker(work, thread=True, exit_on_error=False)

    def _take_settings(self, settings: Settings) -> None:
        before = self.preferences
        self.preferences = Preferences.of(settings.tui)
        self.desk.arm_seconds = settings.trading.arm_seconds
        self._take_keys(settings.tui.keys)
        if self.preferences != before:
            self.look = self._make_look(self.preferences.theme)
            self._use_theme()
            for screen in self.screens.all:
                screen.take_preferences(self.preferences)

    def _take_keys(self, overrides: Mapping[str, str]) -> None:
        try:
            self.key_table = key_map(overrides)
        except ConfigError as error:
            self._problem = str(error)
            self.say(f"{error}; the default keys hold", "error")
            return
        self.set_keymap({key.id: key.keys for key in self.key_table if key.id in overrides})

    # -- themes --------------------------------------------------------------------------------

    def _make_look(self, name: str) -> Look:
        wanted = theme_wanted(name)
        try:
            theme = load_theme(wanted, user_theme_folder())
        except ConfigError as error:
            self._problem = str(error)
            theme = load_theme("clx-dark")
        glyphs = glyphs_wanted(self.preferences.glyphs)
        few = has_few_colours()
        return Look(theme, few_colours=few, glyphs=glyphs, no_colour=self._no_colour)

    def _use_theme(self) -> None:
        few = has_few_colours() or self._no_colour
        self.register_theme(textual_theme(self.look.theme, few_colours=few))
        self.theme = self.look.theme.name
        self._tell_problem()

    def _tell_problem(self) -> None:
        if self._problem:
            self.say(self._problem, "error")
            self._problem = ""

    def next_theme(self) -> None:
        """Take the next theme, until the app ends."""
        names = theme_names(user_theme_folder())
        at = names.index(self.look.theme.name) if self.look.theme.name in names else -1
        self.look = self._make_look(names[(at + 1) % len(names)])
        self._use_theme()
        for screen in self.screens.all:
            screen.repaint()
        self.say(f"theme {self.look.theme.name} (tui.theme keeps one)")

    # -- what palette, command line and keys share ---------------------------------------------

    @property
    def trade_screen(self) -> TradeScreen | None:
        """The main screen, once it is there."""
        return self.screens.trade

    @property
    def live_screen(self) -> LiveScreen | None:
        """The full screen on top; dialogs do not count."""
        return self.screens.top

    @property
    def deeds(self) -> Deeds:
        """What keys and typed lines set in motion."""
        screen = self.trade_screen
        assert screen is not None
        return screen.deeds

    def ring(self, now_s: float) -> None:
        """Ring the terminal's bell if there is something to hear of."""
        if self._bell.due(self.link.replica, self.preferences.bell, now_s):
            self.bell()

    def say(self, text: str, level: str = "info") -> None:
        """Say something where the eye is."""
        screen = self.live_screen
        if screen is not None:
            screen.notice(text, level)

    def run_key_action(self, action: str) -> None:
        """Run a key's action as if the key had been pressed."""
        screen = self.live_screen
        if screen is not None:
            target: Any = self if action.startswith("app.") else screen
            begin(
                self,
                partial(self.run_action, action.removeprefix("app."), target),
                exit_on_error=True,
            )

    def open_command(self, name: str, args: Mapping[str, str] | None = None) -> None:
        """Carry out a command of the table; what is missing is asked for in a form."""
        from core.model.commands import COMMANDS, Command
        from tui.screens.form import CommandForm, fields_of

        if name == "start_executor" and not args:
            self.deeds.plan()
            return
        kind = COMMANDS[name]
        given = self._prefill(name, dict(args or {}))
        if not fields_of(kind) and name not in {"kill", "stop_engine", "resume"}:
            begin(self, partial(self.ask, kind()))
            return

        def done(command: Command | None) -> None:
            if command is not None:
                begin(self, partial(self.ask, command))

        self.push_screen(CommandForm(kind, given), done)

    def _prefill(self, name: str, args: dict[str, str]) -> dict[str, str]:
        from core.model.commands import COMMANDS
        from tui.desk import new_order_id

        screen = self.live_screen
        known = COMMANDS[name].model_fields
        if "client_order_id" in known and name not in BY_ID:
            args.setdefault("client_order_id", new_order_id())
        if name == "start_executor":
            args.setdefault("executor_id", new_order_id())
        focus = screen.target() if screen is not None else None
        if "instrument" in known and focus is not None and known["instrument"].is_required():
            args.setdefault("instrument", focus)
        return args

    async def ask(self, command: Any) -> None:
        """Have a command carried out; a table answers with a page, the rest with a line."""
        from tui.screens.result import ResultScreen

        try:
            reply = await self.desk.ask(command)
        except ClxError as error:
            self.say(str(error), "error")
            return
        if reply.ok and command.tier.value == "read" and reply.result is not None:
            self.push_screen(ResultScreen(command.title, reply.result))
        else:
            self.say(reply.text, reply.level)

    def action_kill_switch(self) -> None:
        """Open the kill switch above whatever is shown."""
        from tui.screens.kill import KillScreen

        if isinstance(self.screen, KillScreen):
            return
        self.push_screen(KillScreen(self.desk), self._killed)

    def _killed(self, reply: Any) -> None:
        if reply is not None:
            self.say(reply.text, reply.level)
