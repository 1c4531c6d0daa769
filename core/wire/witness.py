"""What went over the wire for orders, kept for a while so that a person can see the very bytes."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

MAX_SEEN: Final = 4000
"""Exchanges and pushes kept; the oldest give way."""
MAX_BYTES: Final = 4096
"""Bytes kept of each side of one."""


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


class Witness:
    """Keeps the newest exchanges in memory; signatures and keys never get here."""

    def __init__(self) -> None:
        self._seen: deque[Seen] = deque(maxlen=MAX_SEEN)

    def exchanged(
        self, sent_ns: int, answered_ns: int, sent: str, answer: bytes, words: str = ""
    ) -> None:
        """Note a request and what came of it."""
        self._seen.append(Seen(sent_ns, answered_ns, sent[:MAX_BYTES], answer[:MAX_BYTES], words))

    def heard(self, ts_ns: int, data: bytes) -> None:
        """Note what the venue said unasked."""
        self._seen.append(Seen(ts_ns, 0, "", data[:MAX_BYTES]))

    def find(self, words: str) -> list[Seen]:
        """Return what holds these words on either side, oldest first."""
        raw = words.encode()
        return [item for item in self._seen if words in item.sent or raw in item.answer]
