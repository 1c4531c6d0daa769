"""Numbers beside the word for what they count."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """Return ``1 order`` or ``2,000 orders``; `many` where it is not `one` with an s."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
