"""What is typed while a screen opens waits for it: no key reaches the screen that was there before.

The framework hands a key to what has the focus when the key comes, yet what the key before it sets
in motion happens later: that one goes up from the focused widget to the app, and a screen that the
app then pushes has no focus before it is composed. On a slow line, where keys come in bursts, the
first digits of a size would be lost, or taken for keys of the screen below.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from textual.app import App
    from textual.events import Key, Paste
    from textual.message_pump import MessagePump
    from textual.timer import Timer

PATIENCE_S: Final = 2.0
"""What has not come back by then was lost with a widget that is gone."""
MOST: Final = 1_000
"""Keys that may wait; more come only from something that is stuck to a key."""


class Typed:
    """Hands on keys and pastes one by one, each when the one before it has taken effect.

    A mark follows each of them through the same queues: from what has the focus up to the app, once
    more through the app's, where a new focus waits to be set, and then through a screen that has
    been opened meanwhile.
    """

    def __init__(self, app: App[None], hand_on: Callable[[Key | Paste], Awaitable[None]]) -> None:
        self._app = app
        self._hand_on = hand_on
        self._waiting: deque[Key | Paste] = deque(maxlen=MOST)
        self._under_way = 0
        """The number of what has not taken effect yet, 0: there is none."""
        self._count = 0
        self._timer: Timer | None = None

    async def take(self, event: Key | Paste) -> None:
        """Hand on what was typed, now or when its turn comes."""
        if self._under_way:
            self._waiting.append(event)
            if self._timer is None:
                self._watch()
        else:
            await self._let_go(event)

    async def _let_go(self, event: Key | Paste) -> None:
        self._count += 1
        self._under_way = self._count
        screen = self._app.screen
        start = self._app.focused or screen
        await self._hand_on(event)
        await self._climb(self._under_way, screen, start)

    async def _climb(self, number: int, screen: MessagePump, at: MessagePump) -> None:
        """Queue up behind the key at what it may have reached."""
        if at.call_later(self._passed, number, screen, at):
            return
        if at is self._app:
            self._waiting.clear()  # it is closing
        else:
            await self._passed(number, screen, at)

    async def _passed(self, number: int, screen: MessagePump, at: MessagePump) -> None:
        app = self._app
        if at is not app:
            await self._climb(number, screen, at._parent or app)
        elif not app.call_later(self._answered, number, screen):
            self._waiting.clear()  # it is closing

    async def _answered(self, number: int, screen: MessagePump) -> None:
        """Go on once the app has done what the key asked for, and has given away the focus."""
        app = self._app
        if app.screen is not screen:
            # It is composed, and what it gives the focus to has it, before it comes to the mark.
            await self._climb(number, app.screen, app.screen)
        else:
            await self._done(number)

    async def _done(self, number: int) -> None:
        if number != self._under_way:
            return
        self._under_way = 0
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if self._waiting:
            await self._let_go(self._waiting.popleft())
            if self._waiting:
                self._watch()

    def _watch(self) -> None:
        """Wait no longer than that for what may be lost."""
        self._timer = self._app.set_timer(PATIENCE_S, partial(self._done, self._under_way))
