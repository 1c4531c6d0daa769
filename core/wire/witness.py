"""What went over the wire for orders, kept so that a person can see the very bytes."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple, Protocol

MAX_SEEN: Final = 4000
"""Exchanges and pushes kept in memory; the oldest give way."""
MAX_BYTES: Final = 4096
"""Bytes kept of each side of one."""
_TELLING: Final = 6
"""A name shorter than this is also a size or a page."""


class Seen(NamedTuple):
    """One request with its answer, or something the venue said unasked."""

    sent_ns: int
    """When it went out; of what came unasked, when it came."""
    answered_ns: int
    """0: nothing came, or it was not asked for."""
    sent: str
    """Method and URL with its parameters, a signature and all headers left out."""
    answer: bytes
    words: str = ""
    """Why there is no answer."""


class Shelf(Protocol):
    """Where it outlives the process."""

    def keep(self, seen: Seen) -> None:
        """Take one; never blocks, never raises."""
        ...

    def find(self, names: Iterable[str]) -> list[Seen]:
        """Return what is about an order of these names, oldest first; reads files."""
        ...


class Witness:
    """Keeps the newest exchanges; signatures and keys never get here."""

    def __init__(self) -> None:
        self._seen: deque[Seen] = deque(maxlen=MAX_SEEN)
        self.shelf: Shelf | None = None
        """Takes everything as well, and is asked in place of the memory."""

    def exchanged(
        self, sent_ns: int, answered_ns: int, sent: str, answer: bytes, words: str = ""
    ) -> None:
        """Note a request and what came of it."""
        self._keep(Seen(sent_ns, answered_ns, sent[:MAX_BYTES], answer[:MAX_BYTES], words))

    def heard(self, ts_ns: int, data: bytes) -> None:
        """Note what the venue said unasked."""
        self._keep(Seen(ts_ns, 0, "", data[:MAX_BYTES]))

    def find(self, names: Iterable[str]) -> list[Seen]:
        """Return what is about an order of these names, oldest first; may read files.

        Any thread may ask.
        """
        if self.shelf is not None:
            return self.shelf.find(names)
        mine = about(names)
        return [item for item in tuple(self._seen) if holds(mine, item)]

    def _keep(self, seen: Seen) -> None:
        self._seen.append(seen)
        if self.shelf is not None:
            self.shelf.keep(seen)


def about(names: Iterable[str]) -> re.Pattern[str]:
    """Return what finds an order's names, and none that only begins or ends with one."""
    told = sorted(re.escape(name) for name in set(names) if len(name) >= _TELLING)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(told) or '(?!)'})(?![\w-])")


def holds(mine: re.Pattern[str], item: Seen) -> bool:
    """Return whether something is about an order.

    Lists of open orders are asked for all the time; they are about no order in particular.
    """
    return bool(mine.search(item.sent or item.answer.decode(errors="replace")))
