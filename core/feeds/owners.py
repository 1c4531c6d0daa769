"""Which connection a book comes from, for venues whose sequence is a connection's or is none.

While one connection takes over from another both send the same book. Changes of the two must never
mix: the connection that sent the newest image owns the book, and changes from others are dropped.
"""

from __future__ import annotations

from core.model.ids import InstrumentId


class BookOwners:
    """Remembers by frames alone, so a tape decodes the same way twice."""

    __slots__ = ("_owner",)

    def __init__(self) -> None:
        self._owner: dict[InstrumentId, int] = {}

    def take(self, name: InstrumentId, conn: int) -> None:
        """Note that a connection sent an image of a book."""
        self._owner[name] = conn

    def owns(self, name: InstrumentId, conn: int) -> bool:
        """Return whether changes of a connection count: it owns the book, or nobody does."""
        return self._owner.get(name, conn) == conn

    def leave(self, name: InstrumentId, conn: int) -> None:
        """Note that a connection left a book's channel."""
        if self._owner.get(name) == conn:
            del self._owner[name]

    def lose(self, conn: int) -> tuple[InstrumentId, ...]:
        """Forget a connection and return the books it owned."""
        gone = tuple(name for name, owner in self._owner.items() if owner == conn)
        for name in gone:
            del self._owner[name]
        return gone
