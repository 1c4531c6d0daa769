"""The full screens: the trade screen below, at most one other above it; dialogs come and go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import App

from tui.keys import ScreenName
from tui.screens.live import LiveScreen
from tui.screens.trade import TradeScreen

if TYPE_CHECKING:
    from collections.abc import Sequence


class Screens:
    """Finds the full screens of an app, and turns from one to another."""

    def __init__(self, app: App[None]) -> None:
        self._app = app

    @property
    def all(self) -> Sequence[LiveScreen]:
        """Those that are open, the uppermost last."""
        return [screen for screen in self._app.screen_stack if isinstance(screen, LiveScreen)]

    @property
    def top(self) -> LiveScreen | None:
        """The uppermost one; dialogs do not count."""
        return next(iter(self.all[::-1]), None)

    @property
    def trade(self) -> TradeScreen | None:
        """The main screen, once it is there."""
        return next((s for s in self._app.screen_stack if isinstance(s, TradeScreen)), None)

    def show(self, name: ScreenName) -> None:
        """Turn to a screen; while a dialog is open, nothing happens."""
        top = self.top
        if top is None or name == top.NAME or self._app.screen is not top:
            return
        if top.NAME != "trade":
            self._app.pop_screen()
        if name != "trade":
            self._install(name)
            self._app.push_screen(name)

    def _install(self, name: ScreenName) -> None:
        """Make a screen when it is first turned to; the first paint waits for none of them."""
        if self._app.is_screen_installed(name):
            return
        if name == "markets":
            from tui.screens.markets import MarketsScreen

            self._app.install_screen(MarketsScreen(), name)
        elif name == "quality":
            from tui.screens.quality import QualityScreen

            self._app.install_screen(QualityScreen(), name)
        elif name == "records":
            from tui.screens.records import RecordsScreen

            self._app.install_screen(RecordsScreen(), name)
        elif name == "portfolio":
            from tui.screens.portfolio import PortfolioScreen

            self._app.install_screen(PortfolioScreen(), name)
        else:
            from tui.screens.risk import RiskScreen

            self._app.install_screen(RiskScreen(), name)
