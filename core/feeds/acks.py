"""What was asked of a venue on one connection, and what it said to it.

::

    sent ─► owed ── said: taken ──► held
             ▲ │                     │
             │ └ overdue: asked again, a few times; then given up and told
             └──── a list of the venue lacks it ◄──┘

A topic is what one request may name: a channel of an instrument, in the venue's own words.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Sequence
from typing import Final

import msgspec

ACK_S: Final = 8.0
"""A request unanswered for so long is made again; then after twice as long, and so on."""

ASKED: Final = 3
"""A topic is asked for so often on one connection before it is given up."""


class Asked(msgspec.Struct, frozen=True):
    """What a message of ours joins and leaves."""

    joins: Collection[str] = ()
    leaves: Collection[str] = ()
    key: str = ""
    """What the venue repeats in its answer, empty where that names the topics themselves."""


class Ack(msgspec.Struct, frozen=True):
    """What a venue says of what was asked."""

    taken: Collection[str] | None = None
    """Topics it has taken; None: all of the request."""
    key: str = ""
    whole: bool = False
    """`taken` is all that the connection carries."""


class Acks(ABC):
    """How one venue confirms subscriptions; pure, and asked of each frame only while one is due."""

    @abstractmethod
    def asked(self, message: str) -> Asked | None:
        """Return what a message of ours asks for, None for one that asks for nothing."""

    @abstractmethod
    def said(self, frame: bytes) -> Ack | None:
        """Return what a frame says to it, None for nearly all of them: decide by a few bytes.

        Raises:
            msgspec.DecodeError: It is not what the venue documents; its decoder says so.
        """

    @abstractmethod
    def again(self, topics: Sequence[str]) -> Sequence[str]:
        """Return the messages that join topics once more."""

    def audit(self) -> str:
        """Return what asks the venue for all it carries, where its answers name no topics."""
        return ""


class _Owed:
    __slots__ = ("due_ns", "key", "tries")

    def __init__(self, key: str, due_ns: int, tries: int) -> None:
        self.key = key
        self.due_ns = due_ns
        self.tries = tries


class Ledger:
    """What one connection is owed and what it holds."""

    def __init__(self, patience_s: float = ACK_S) -> None:
        self._patience_ns = int(patience_s * 1e9)
        self._owed: dict[str, _Owed] = {}
        self._held: set[str] = set()
        self._missed: dict[str, int] = {}
        """How often a list of the venue lacked a topic that it had taken."""

    @property
    def waiting(self) -> bool:
        """Whether an answer is due."""
        return bool(self._owed)

    def sent(self, asked: Asked, now_ns: int) -> None:
        """Note a request."""
        for topic in asked.leaves:
            self._owed.pop(topic, None)
            self._held.discard(topic)
            self._missed.pop(topic, None)
        for topic in asked.joins:
            before = self._owed.get(topic)
            tries = before.tries + 1 if before is not None else 1
            due_ns = now_ns + (self._patience_ns << (tries - 1))
            self._owed[topic] = _Owed(asked.key, due_ns, tries)

    def said(self, ack: Ack, now_ns: int) -> None:
        """Note an answer; what it leaves out of a request is due at once."""
        if ack.whole:
            self._list(set(ack.taken or ()), now_ns)
            return
        mine = [topic for topic, owed in self._owed.items() if owed.key == ack.key]
        if ack.taken is None:
            self._take(mine)
            return
        self._take(ack.taken)
        for topic in mine if ack.key else ():
            if topic in self._owed:
                self._hasten(self._owed[topic], now_ns)

    def overdue(self, now_ns: int) -> tuple[list[str], list[str]]:
        """Return what to ask for again, and what was asked for often enough and is given up."""
        late = [topic for topic, owed in self._owed.items() if owed.due_ns <= now_ns]
        lost = [topic for topic in late if self._owed[topic].tries >= ASKED]
        for topic in lost:
            del self._owed[topic]
        return [topic for topic in late if topic in self._owed], lost

    def wait_s(self, now_ns: int) -> float:
        """Return for how long nothing is overdue; 0 where something is, or nothing is owed."""
        if not self._owed:
            return 0.0
        return max(0.0, (min(owed.due_ns for owed in self._owed.values()) - now_ns) / 1e9)

    def _list(self, present: set[str], now_ns: int) -> None:
        """Compare with all that the venue says it carries."""
        self._take([topic for topic in self._owed if topic in present])
        for topic in sorted(self._held - present):
            self._held.discard(topic)
            missed = self._missed.get(topic, 0) + 1
            self._missed[topic] = missed
            # A list that never names what was taken must not be asked for without end.
            wait_ns = self._patience_ns << missed if missed > 1 else 0
            self._owed[topic] = _Owed("", now_ns + wait_ns, missed)

    def _take(self, topics: Iterable[str]) -> None:
        for topic in topics:
            if self._owed.pop(topic, None) is not None:
                self._held.add(topic)

    def _hasten(self, owed: _Owed, now_ns: int) -> None:
        owed.key = ""
        if owed.tries < 2:
            owed.due_ns = now_ns
