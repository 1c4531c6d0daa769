"""What the portfolio and risk screens list: exposure, profit by name and day, limits as bars."""

from __future__ import annotations

import textwrap
from typing import Final

from core.model.accounts import LimitUse
from core.model.inspection import Exposure, PnlLine
from core.model.views import VenueView
from tui.draw import numbers
from tui.draw.glyphs import BLOCK, Glyphs, spelled
from tui.draw.records import pnl_role
from tui.draw.runs import Row, clip, fitted, plain
from tui.draw.tables import Column, Table

NEARLY: Final = 0.8
"""A limit used this far is warned of."""
_BAR: Final = 24
_LIMIT_BAR: Final = 16

EXPOSURE: Table[Exposure] = Table(
    (
        Column("holds", lambda e: e.name),
        Column("account", lambda e: e.venue, weight=2),
        Column("size", lambda e: numbers.trimmed(e.size), right=True, value=lambda e: e.size),
        Column(
            "value",
            lambda e: numbers.amount(e.value, 2),
            right=True,
            role=lambda e: "down" if e.value is not None and e.value < 0 else "text",
            value=lambda e: e.value,
        ),
        Column(
            "of equity",
            lambda e: "not priced" if e.of_equity_pct is None else f"{e.of_equity_pct:,.2f} %",
            right=True,
            value=lambda e: e.of_equity_pct,
            field="of_equity_pct",
        ),
        Column(
            "",
            lambda e: numbers.bar(abs(float(e.of_equity_pct or 0)) / 100, _BAR, BLOCK.bars),
            role=lambda e: "accent",
            weight=1,
        ),
    ),
    "nothing is held whose price moves the equity",
)


def _pnl_table(name: str, empty: str) -> Table[PnlLine]:
    return Table(
        (
            Column(name, lambda p: p.name),
            Column("fills", lambda p: str(p.fills), right=True, weight=3, value=lambda p: p.fills),
            Column(
                "realised",
                lambda p: numbers.signed(p.realised),
                right=True,
                weight=1,
                role=lambda p: pnl_role(p.realised),
                value=lambda p: p.realised,
            ),
            Column(
                "unrealised",
                lambda p: numbers.signed(p.unrealised),
                right=True,
                weight=2,
                role=lambda p: pnl_role(p.unrealised),
                value=lambda p: p.unrealised,
            ),
            Column(
                "fees", lambda p: f"{p.fees:,.2f}", right=True, weight=1, value=lambda p: p.fees
            ),
            Column(
                "funding",
                lambda p: numbers.signed(p.funding) if p.funding else "",
                right=True,
                weight=4,
                sparse=True,
                value=lambda p: p.funding,
            ),
            Column(
                "total",
                lambda p: numbers.signed(p.total),
                right=True,
                role=lambda p: pnl_role(p.total),
                value=lambda p: p.total,
            ),
        ),
        empty,
    )


INSTRUMENTS: Final = _pnl_table("instrument", "no instrument was traded yet")
PROPOSERS: Final = _pnl_table("proposed by", "nobody has traded yet: no strategy and no person")
DAYS: Table[PnlLine] = Table(
    (
        Column("day (UTC)", lambda p: p.name, field="day"),
        Column(
            "profit",
            lambda p: numbers.signed(p.total),
            right=True,
            role=lambda p: pnl_role(p.total),
            value=lambda p: p.total,
        ),
    ),
    "no day has begun yet; the first fill begins one",
)


def limit_words(limit: LimitUse) -> str:
    """Return what is used of a limit and what is allowed, with the unit."""
    used, allowed = (f"{value:,.2f}".removesuffix(".00") for value in (limit.used, limit.allowed))
    least = "at least " if limit.least else ""
    return f"{used} of {least}{allowed} {limit.unit}".rstrip()


def _nearly(limit: LimitUse) -> bool:
    return limit.share >= NEARLY


RISK: Table[LimitUse] = Table(
    (
        Column(
            "whose", lambda u: u.scope, role=lambda u: "muted", weight=2, sparse=True, field="scope"
        ),
        Column(
            "limit",
            lambda u: u.rule.removeprefix("risk.").removeprefix(f"{u.scope}.").replace("_", " "),
            value=lambda u: u.rule,
        ),
        Column(
            "used",
            lambda u: numbers.bar(u.share, _LIMIT_BAR, BLOCK.bars),
            role=lambda u: "warn" if _nearly(u) else "accent",
            value=lambda u: u.share,
            field="used_fraction",
        ),
        Column(
            "",
            lambda u: f"{u.share:.0%}" + (" !" if _nearly(u) else "  "),
            right=True,
            role=lambda u: "warn" if _nearly(u) else "text",
        ),
        Column(
            "now",
            lambda u: f"{u.used:,.2f}".removesuffix(".00"),
            right=True,
            role=lambda u: "warn" if _nearly(u) else "text",
            value=lambda u: u.used,
        ),
        Column(
            "allowed",
            lambda u: ("at least " if u.least else "") + f"{u.allowed:,.2f}".removesuffix(".00"),
            right=True,
            value=lambda u: u.allowed,
        ),
        Column("unit", lambda u: u.unit, role=lambda u: "muted", weight=3),
    ),
    "no limits known yet; they come with the engine ([risk] in the settings)",
)


def venue_rows(venues: list[VenueView], width: int, most: int) -> int:
    """Return how many rows it takes to say how the venues stand, `most` at most."""
    lines = [_cut(_venue_words(view), width - 2) for view in venues] or [[""]]
    return min(most, sum(len(cut) for cut in lines))


def draw_venues(venues: list[VenueView], width: int, height: int, glyphs: Glyphs) -> list[Row]:
    """Say of each venue how its private side stands, in as many rows as it takes and there are."""
    rows: list[Row] = []
    for at, view in enumerate(venues):
        # What is left after one row for each of the others is this one's.
        room = height - len(rows) - (len(venues) - at - 1)
        if room <= 0:
            break
        lines = _cut(spelled(plain(_venue_words(view)), glyphs), width - 2)
        if len(lines) > room:
            lines = [
                *lines[: room - 1],
                clip(" ".join(lines[room - 1 :]), width - 2, glyphs.ellipsis),
            ]
        role = "warn" if view.asks or not view.connected else "muted"
        rows += [fitted(((f" {line}", role),), width) for line in lines]
    return (rows + [fitted((), width)] * (height - len(rows)))[:height]


def _venue_words(view: VenueView) -> str:
    link = "up" if view.connected else f"DOWN: {view.reason}"
    unarmed = f"dead-man switch {view.switch}" if view.switch else "no dead-man switch"
    dead = view.dead_man or f"{unarmed}: open orders outlive us"
    if view.simulated:
        dead = f"SIMULATED: {view.simulated}"
    asks = f"{len(view.asks)} to answer (D)   " if view.asks else ""
    fills = f"fills by {view.private}   " if view.private else ""
    words = f"{view.venue} {link}   {fills}{asks}{dead}"
    found = "; ".join(view.differences)
    return words + (f"   last compared: {found or 'no differences'}" if view.reconciled_ns else "")


def _cut(words: str, width: int) -> list[str]:
    """Return the words in lines, parted where three blanks part them, else at any blank."""
    lines: list[str] = []
    for part in words.split("   "):
        if lines and len(lines[-1]) + 3 + len(part) <= width:
            lines[-1] += f"   {part}"
        else:
            indent = "  " if lines else ""
            lines += textwrap.wrap(
                part, max(8, width), initial_indent=indent, subsequent_indent="  "
            )
    return lines or [""]
