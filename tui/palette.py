"""The palette: every command of the table and every key, found by typing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.markup import escape

from tui.keys import show

if TYPE_CHECKING:
    from tui.app import ClxApp


class ClxCommands(Provider):
    """Offers the command table, then what keys do on the screen below."""

    def entries(self) -> Iterator[tuple[str, str, Callable[[], object]]]:
        """Yield (words, help, what to run)."""
        from core.model.commands import COMMANDS

        app = cast("ClxApp", self.app)
        for name, command in COMMANDS.items():
            words = f"{command.title} ({name})"
            yield words, f"{command.help} ({command.tier.value})", partial(app.open_command, name)
        top = app.live_screen
        for key in app.key_table:
            if top is not None and not key.on(top.NAME):
                continue
            run = partial(app.run_key_action, key.action)
            yield f"{key.title} [{show(key.keys.split(',')[0])}]", f"key {key.id}", run

    async def discover(self) -> Hits:
        """List everything before anything is typed."""
        for words, text, run in self.entries():
            yield DiscoveryHit(Content(words), run, text=words, help=escape(text))

    async def search(self, query: str) -> Hits:
        """List what matches."""
        matcher = self.matcher(query)
        for words, text, run in self.entries():
            score, offsets = matcher.fuzzy_search.match(query, words)
            if score > 0:
                # The matcher's own highlighting reads words as markup, and keys are brackets.
                shown = Content(words)
                for at in offsets:
                    shown = shown.stylize(matcher.match_style, at, at + 1)
                yield Hit(score, shown, run, text=words, help=escape(text))
