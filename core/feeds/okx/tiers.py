"""Position tiers of OKX: ``GET /api/v5/public/position-tiers``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from core.feeds.answers import decoded
from core.model.instruments import Instrument, InstrumentKind
from core.model.tiers import MarginTiers, Tier, checked

FAMILIES: Final = 5
"""Most families of one question."""
KINDS: Final = {InstrumentKind.PERPETUAL: "SWAP", InstrumentKind.FUTURE: "FUTURES"}


class _Row(msgspec.Struct):
    instFamily: str
    tier: str
    maxSz: Decimal
    mmr: Decimal
    maxLever: Decimal
    uly: str = ""


class _Page(msgspec.Struct):
    data: list[_Row]


def family(instrument: Instrument) -> str:
    """Return the family whose tiers hold: ``BTC-USDT`` of ``BTC-USDT-SWAP``."""
    return "-".join(instrument.venue_symbol.split("-")[:2])


def questions(
    instruments: Collection[Instrument],
) -> list[tuple[str, Sequence[str], list[Instrument]]]:
    """Return what to ask: the type, at most `FAMILIES` families, and whose tiers those are."""
    out: list[tuple[str, Sequence[str], list[Instrument]]] = []
    for kind, name in KINDS.items():
        mine: dict[str, list[Instrument]] = {}
        for item in instruments:
            if item.kind is kind:
                mine.setdefault(family(item), []).append(item)
        names = list(mine)
        for at in range(0, len(names), FAMILIES):
            some = names[at : at + FAMILIES]
            out.append((name, some, [item for each in some for item in mine[each]]))
    return out


def read_tiers(body: bytes, instruments: Collection[Instrument], what: str) -> list[MarginTiers]:
    """Return the tiers of some instruments out of an answer, in contracts.

    ::

        {"code":"0","msg":"","data":[{"baseMaxLoan":"","imr":"0.008","instFamily":"BTC-USDT",
          "instId":"","maxLever":"125","maxSz":"500","minSz":"0","mmr":"0.004","optMgnFactor":"0",
          "quoteMaxLoan":"","tier":"1","uly":"BTC-USDT"}, ...]}

    Raises:
        DataError: It is not that, or the tiers make no sense.
    """
    rows = decoded(body, _Page, what).data
    out = []
    for item in instruments:
        mine = [row for row in rows if row.instFamily == family(item)]
        if not mine:
            continue
        # A number that is none sorts first and is refused by its size.
        mine.sort(key=lambda row: int(row.tier) if row.tier.isdecimal() else 0)
        table = MarginTiers(
            instrument_id=item.id,
            measure="contracts",
            tiers=tuple(
                Tier(up_to=row.maxSz, rate=row.mmr, max_leverage=row.maxLever) for row in mine
            ),
            said=f"{item.venue}'s tiers",
        )
        out.append(checked(table, f"{what}, {family(item)}"))
    return out
