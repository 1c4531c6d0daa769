"""Conditional orders waiting for their price: pure, for any desk.

A desk keeps one `Triggers` per instrument, arms what it was asked for, tells it every price that
was made, and carries out what fires. Prices are whole numbers of whatever unit the desk keeps,
the same in every call. What fires is disarmed at once, so that an order that fires another by its
own trades never fires twice.

::

    arm ──► waiting ──activation──► active ──price at or beyond──► fired (returned by `move`)
               │                      │
               └────────disarm────────┘
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

_MILLION: Final = 1_000_000


class Watched(StrEnum):
    """Which price a trigger looks at."""

    LAST = "last"
    """The last trade's."""
    MARK = "mark"
    INDEX = "index"


class Trigger(msgspec.Struct, kw_only=True):
    """One armed condition.

    Without a trail it fires at `price` or beyond. With one it follows the best price since it
    became active and fires once the price has come back by the trail.
    """

    id: int
    """The desk's, unique among the armed ones."""
    rises: bool
    """True: fires on the way up (at or above); False: on the way down (at or below)."""
    price: int = 0
    """Where it fires; for a trail, where it would fire now (0: not active yet)."""
    watches: Watched = Watched.LAST
    trail: int = 0
    """How far the price must come back, in the desk's unit; 0 where `trail_ppm` says it."""
    trail_ppm: int = 0
    """The same in millionths of the best price."""
    active_at: int = 0
    """A trail follows from this price on; 0: from the first price it hears of."""
    active_rises: bool = False
    """Whether `active_at` is reached on the way up."""
    best: int = 0
    """The best price seen since it became active; 0: not active."""

    @property
    def trailing(self) -> bool:
        """Whether it follows the price."""
        return bool(self.trail or self.trail_ppm)

    @property
    def active(self) -> bool:
        """False while a trail waits for its activation."""
        return not self.trailing or self.best > 0

    def met(self, price: int) -> bool:
        """Return whether a price fires it as it stands; a trail that is not active never."""
        if self.price <= 0:
            return False
        return price >= self.price if self.rises else price <= self.price

    def follow(self, price: int) -> None:
        """Let a trail become active, and move with the price."""
        if not self.trailing:
            return
        if not self.best:
            reached = price >= self.active_at if self.active_rises else price <= self.active_at
            if self.active_at and not reached:
                return
            self.best = price
        else:
            self.best = min(self.best, price) if self.rises else max(self.best, price)
        back = self.trail or self.best * self.trail_ppm // _MILLION
        self.price = self.best + back if self.rises else self.best - back


class Triggers:
    """The armed conditions of one instrument."""

    def __init__(self) -> None:
        self._armed: dict[int, Trigger] = {}
        self._seen: dict[Watched, int] = {}

    def __len__(self) -> int:
        """Return how many are armed."""
        return len(self._armed)

    def __contains__(self, trigger_id: object) -> bool:
        """Return whether one is armed."""
        return trigger_id in self._armed

    def get(self, trigger_id: int) -> Trigger | None:
        """Return an armed trigger, None when there is none of the id."""
        return self._armed.get(trigger_id)

    def seen(self, watched: Watched) -> int:
        """Return the price told last, 0 before the first."""
        return self._seen.get(watched, 0)

    def arm(self, trigger: Trigger) -> None:
        """Let a condition wait; a trail that may is active from the price told last.

        It never fires here: a condition that is met already fires at the next price. A desk that
        refuses such orders asks `Trigger.met` first.

        Raises:
            ValueError: The id is armed already, or it has neither price nor trail.
        """
        if trigger.id in self._armed:
            raise ValueError(f"id must be unique among armed triggers, was {trigger.id}")
        if not trigger.trailing and trigger.price <= 0:
            raise ValueError(f"price must be > 0 where there is no trail, was {trigger.price}")
        self._armed[trigger.id] = trigger
        last = self.seen(trigger.watches)
        if last:
            trigger.follow(last)

    def disarm(self, trigger_id: int) -> Trigger | None:
        """Take a condition out, None when it is not armed (any more)."""
        return self._armed.pop(trigger_id, None)

    def move(self, watched: Watched, price: int) -> list[Trigger]:
        """Hear a price and return what it fires, disarmed.

        What the price passed first comes first; what waits at one price, in order of arming.
        """
        before = self._seen.get(watched, price)
        self._seen[watched] = price
        if not self._armed:
            return []
        fired: list[Trigger] = []
        for trigger in self._armed.values():
            if trigger.watches is watched:
                trigger.follow(price)
                if trigger.met(price):
                    fired.append(trigger)
        for trigger in fired:
            del self._armed[trigger.id]
        if len(fired) > 1:
            fired.sort(key=lambda trigger: abs(trigger.price - before))
        return fired
