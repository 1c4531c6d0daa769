"""What the guard has done, by whoever sends and writes things down."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, Protocol

from core.trading.tracked import Tracked


class Hands(Protocol):
    """What the guard has done."""

    def release(self, tracked: Tracked, reason: str, size: Decimal | None = None) -> None:
        """Check, journal and send a held order."""
        ...

    def rehold(
        self, tracked: Tracked, waits: Literal["trigger", "siblings", "more"], size: Decimal
    ) -> None:
        """Let a held order wait for something else, and be of another size."""
        ...

    def drop(self, tracked: Tracked, reason: str) -> None:
        """End a held order; it was never sent."""
        ...

    def end(self, tracked: Tracked) -> None:
        """Ask for the cancel of an order the venue may have."""
        ...

    def resize(self, tracked: Tracked, size: Decimal) -> None:
        """Change an order's whole size."""
        ...

    def move_trigger(self, tracked: Tracked, price: Decimal) -> None:
        """Write down where a trailing trigger has got to."""
        ...

    def protect(self, tracked: Tracked) -> None:
        """Put a stop of the engine's own in place of one the venue refused."""
        ...

    def cover(self, tracked: Tracked, size: Decimal) -> None:
        """Hold another exit like one that has ended, of the size its group has entered."""
        ...

    def holding(self, tracked: Tracked) -> tuple[Decimal, Decimal]:
        """Return what there is of the position an exit closes, and what of it no other order has.

        What its own group may close is counted as free.
        """
        ...

    def held_since_ns(self, tracked: Tracked) -> int:
        """Return when the position was opened that an exit closes, 0: there never was one."""
        ...

    def closes(self, tracked: Tracked) -> Decimal | None:
        """Return what there is of the position an exit closes, None while that is not sure."""
        ...

    def bare(self, tracked: Tracked, size: Decimal, why: str) -> None:
        """Say that so much has no exits, and why; 0: it has them again."""
        ...

    def alert(self, text: str) -> None:
        """Tell people."""
        ...
