"""The facts of late, encoded once for all clients."""

from __future__ import annotations

from collections import deque
from itertools import islice


class FactRing:
    """Keeps the newest `limit` facts as framed messages; each client only holds its own place.

    A client whose place has left the ring must take a snapshot, so the memory slow clients cost
    does not depend on how many there are or how slow.
    """

    def __init__(self, limit: int, last_seq: int) -> None:
        self._facts: deque[bytes] = deque(maxlen=limit)
        self.last_seq = last_seq

    def append(self, seq: int, message: bytes) -> None:
        """Add a fact; one that does not follow the last ends what led up to it."""
        if seq != self.last_seq + 1:
            self._facts.clear()
        self._facts.append(message)
        self.last_seq = seq

    def covers(self, seq: int) -> bool:
        """Return whether every fact after `seq` is still here."""
        return self.last_seq - len(self._facts) <= seq <= self.last_seq

    def after(self, seq: int, limit: int) -> list[bytes]:
        """Return at most `limit` facts after `seq`, oldest first; `covers` must hold."""
        behind = self.last_seq - seq
        start = len(self._facts) - behind
        return list(islice(self._facts, start, start + min(limit, behind)))
