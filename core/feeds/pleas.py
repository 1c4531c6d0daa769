"""How often a venue is bothered again about an instrument that does not speak."""

from __future__ import annotations

from typing import Final

from core.model.ids import InstrumentId

AGAIN_NS: Final = 20_000_000_000
"""After leaving and joining, an instrument is given this long to speak; then twice as long."""

LONGEST_NS: Final = 900_000_000_000

_CALM: Final = 4
"""One that spoke for so many times the pause before it fell silent begins anew."""


class Pleas:
    """Paces what is asked again and again: at first at once, then ever more rarely."""

    def __init__(self) -> None:
        self._made: dict[InstrumentId, tuple[int, int, int]] = {}
        """How many in a row, when the last one was made, and what was heard until then."""

    def due(self, name: InstrumentId, heard: int, now_ns: int) -> int:
        """Return which attempt in a row it is time for, 0 while it is not."""
        tries, made_ns, heard_then = self._made.get(name, (0, 0, 0))
        if not tries:
            return 1
        pause_ns, since_ns = self.pause_ns(tries), now_ns - made_ns
        if heard != heard_then and since_ns > _CALM * pause_ns:
            return 1
        return tries + 1 if since_ns >= pause_ns else 0

    def made(self, name: InstrumentId, tries: int, heard: int, now_ns: int) -> None:
        """Note an attempt."""
        self._made[name] = (tries, now_ns, heard)

    def drop(self, name: InstrumentId) -> None:
        """Forget an instrument nobody wants any more."""
        self._made.pop(name, None)

    def pause_ns(self, tries: int) -> int:
        """Return the pause after so many attempts in a row."""
        return min(AGAIN_NS << min(tries - 1, 10), LONGEST_NS)
