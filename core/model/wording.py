"""Numbers beside the word for what they count."""

from __future__ import annotations

from decimal import Decimal


def counted(number: int, one: str, many: str = "") -> str:
    """Return ``1 order`` or ``2,000 orders``; `many` where it is not `one` with an s."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def money(value: Decimal, asset: str) -> str:
    """Return an amount with the places its size asks for, and its asset where that is no dollar.

    Hundredths are small change of a dollar and a fortune of a coin: ``12.30``, ``0.00000368 BTC``.
    """
    if not asset or asset.startswith("USD"):
        return f"{value:,.2f}"
    places = 2 if abs(value) >= 100 else 4 if abs(value) >= 1 else 8
    text = f"{value:,.{places}f}"
    whole, _, rest = text.partition(".")
    return f"{whole}.{rest[:2]}{rest[2:].rstrip('0')} {asset}"


def gain(value: Decimal, asset: str) -> str:
    """Return `money` that always carries its sign; what rounds to nothing has none."""
    text = money(value, asset)
    number = text.partition(" ")[0]
    if not number.strip("-0,."):
        return text.removeprefix("-")
    return text if value < 0 else f"+{text}"
