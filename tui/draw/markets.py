"""The markets as a table: one row an instrument, columns dropped by what matters least.

::

     symbol    venue         last      24 h  course        volume  spread bp  funding    data
     BTC-USDT  binance  64,218.50  ▲ +1.24 %  ▂▃▅▄▆▇█▇  77.3M USDT       0.02  +0.0100 %  38 ms
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from msgspec import Struct

from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.market import FeedStatus
from core.model.views import Alert, FeedView, QualityView, QuoteLine, ReferenceView
from tui.draw import numbers
from tui.draw.glyphs import BLOCK, Glyphs
from tui.draw.runs import Grid, Row, Run, clip, plain
from tui.draw.tables import Column, Table

SPARK: Final = 8
_NOTHING: Final = ReferenceView()
_WIDE: Final = 150
"""From this width on every column has room."""
_MANY_TICKS: Final = 1_000_000
_TIGHT: Final = 10
"""Spreads below this many basis points are shown with two decimals."""


class MarketRow(Struct, frozen=True):
    """One instrument and everything known of its market."""

    id: InstrumentId
    kind: str
    instrument: Instrument | None = None
    """None: only listed; its steps are not known here."""
    line: QuoteLine | None = None
    feed: FeedView | None = None
    quality: QualityView | None = None
    course: Sequence[float] = ()
    """The price of the last 24 hours in a few points."""
    now_ns: int = 0
    member: bool = True
    """In the group shown; else found by search."""
    link_up: bool = True
    """False: nothing comes from the engine, so what is known is old."""

    @property
    def symbol(self) -> str:
        """Our symbol."""
        return self.id.rpartition(".")[0]

    @property
    def venue(self) -> str:
        """Who lists it."""
        return self.id.rpartition(".")[2]

    @property
    def quoted(self) -> tuple[Instrument, QuoteLine] | None:
        """The instrument with its line, None while there is no price."""
        item, line = self.instrument, self.line
        return (item, line) if item is not None and line is not None else None

    @property
    def reference(self) -> ReferenceView:
        """What the venue says beside its trades."""
        return (self.line.reference if self.line is not None else None) or _NOTHING

    @property
    def unchecked(self) -> bool:
        """Whether nothing proves the sequence of its data."""
        return self.quality is not None and self.quality.unchecked


def last(row: MarketRow) -> Decimal | None:
    """Return the last price, else the middle of the touch."""
    known = row.quoted
    if known is None:
        return None
    item, line = known
    if line.last_ticks:
        return item.price(line.last_ticks)
    if line.bid_ticks and line.ask_ticks:
        return item.price(line.bid_ticks + line.ask_ticks) / 2
    return None


def change(row: MarketRow) -> float:
    """Return the change of 24 hours as a fraction, NaN while it is not known."""
    line = row.line
    if line is None:
        return math.nan
    return numbers.change(line.last_ticks, line.open_24h_ticks)


def volume(row: MarketRow) -> float | None:
    """Return the volume of 24 hours in the quote currency."""
    return row.line.turnover_24h if row.quoted is not None and row.line is not None else None


def spread_ticks(row: MarketRow) -> int | None:
    """Return the spread in ticks."""
    line = row.line
    if line is None or not line.bid_ticks or not line.ask_ticks:
        return None
    return line.ask_ticks - line.bid_ticks


def spread_bp(row: MarketRow) -> float | None:
    """Return the spread in basis points of the ask."""
    ticks = spread_ticks(row)
    return None if ticks is None or row.line is None else ticks / row.line.ask_ticks * 1e4


def funding_left_ns(row: MarketRow) -> int | None:
    """Return the time to the next funding."""
    when = row.reference.next_funding_ns
    return when - row.now_ns if when > row.now_ns > 0 else None


def trouble(row: MarketRow) -> int:
    """Return how many gaps and resyncs there were, today where that is known."""
    seen = row.quality or row.feed
    return seen.gaps + seen.resyncs if seen is not None else 0


def _last_text(row: MarketRow) -> str:
    known, price = row.quoted, last(row)
    if known is None or price is None:
        return numbers.NOTHING
    return numbers.glance(known[0], price)


def _change_text(row: MarketRow) -> str:
    value = change(row)
    if math.isnan(value):
        return numbers.NOTHING
    return f"{BLOCK.direction(value)} {numbers.percent(value)}"


def _change_role(row: MarketRow) -> str:
    value = change(row)
    if not row.link_up:
        return "muted"
    return "up" if value > 0 else "down" if value < 0 else "muted"


def _volume_text(row: MarketRow) -> str:
    known = row.quoted
    return numbers.NOTHING if known is None else numbers.turnover(*known)


def _course_text(row: MarketRow) -> str:
    return numbers.sparkline(list(row.course), SPARK, BLOCK.columns) if row.course else ""


def _bp_text(row: MarketRow) -> str:
    value = spread_bp(row)
    if value is None:
        return numbers.NOTHING
    return f"{value:.2f}" if abs(value) < _TIGHT else f"{value:.1f}"


def _ticks_text(row: MarketRow) -> str:
    value = spread_ticks(row)
    if value is None:
        return numbers.NOTHING
    return f"{value:,}" if value < _MANY_TICKS else numbers.short(value)


def _funding_text(row: MarketRow) -> str:
    rate = row.reference.funding_rate
    return numbers.NOTHING if rate is None else numbers.percent(float(rate), 4)


def _next_text(row: MarketRow) -> str:
    left = funding_left_ns(row)
    return numbers.NOTHING if left is None else hours(left)


def hours(ns: int) -> str:
    """Return a span as hours and minutes, ``3:12``, or minutes and seconds below one hour."""
    seconds = max(0, ns // 1_000_000_000)
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60:02d}"
    return f"{seconds // 3600}h{seconds % 3600 // 60:02d}"


def _interest(row: MarketRow) -> float | None:
    value = row.reference.open_interest
    return None if value is None else float(value)


def _interest_text(row: MarketRow) -> str:
    value = _interest(row)
    return numbers.NOTHING if value is None else numbers.short(value)


def data_words(line: QuoteLine | None) -> str:
    """Return how old an instrument's data is, or why there is none."""
    if line is None:
        return "waiting"
    status = FeedStatus(line.status)
    if status is FeedStatus.LIVE:
        return numbers.age(line.age_ms)
    return status.name if status is not FeedStatus.UNSUBSCRIBED else "off"


def _data_text(row: MarketRow) -> str:
    if not row.link_up:
        return "link down"
    return data_words(row.line) if row.member else "listed"


def _data_role(row: MarketRow) -> str:
    line = row.line
    if not row.link_up:
        return "warn"
    calm = not row.member or (line is not None and line.status == FeedStatus.LIVE)
    return "muted" if calm else "warn"


def _quality_text(row: MarketRow) -> str:
    seen = row.quality or row.feed
    if seen is None:
        return ""
    words = []
    if seen.gaps:
        words.append(f"{seen.gaps} gap{'s' if seen.gaps != 1 else ''}")
    if seen.resyncs:
        words.append(f"{seen.resyncs} resync{'s' if seen.resyncs != 1 else ''}")
    if row.unchecked:
        words.insert(0, "unchecked")
    return " ".join(words) or "ok"


def _quality_role(row: MarketRow) -> str:
    return "warn" if trouble(row) or row.unchecked else "muted"


def _symbol_role(row: MarketRow) -> str:
    return "text" if row.member else "muted"


MARKETS: Final[Table[MarketRow]] = Table(
    (
        Column("symbol", lambda r: r.symbol, role=_symbol_role, value=lambda r: r.symbol),
        Column("venue", lambda r: r.venue, role=lambda r: "muted", weight=3),
        Column("kind", lambda r: r.kind, role=lambda r: "muted", weight=12),
        Column("last", _last_text, right=True, role=_change_role, value=last),
        Column(
            "24 h", _change_text, right=True, role=_change_role, value=change, field="change_24h"
        ),
        Column("course", _course_text, role=_change_role, weight=4, value=change, exported=False),
        Column(
            "volume", _volume_text, right=True, value=volume, weight=1, field="volume_24h_quote"
        ),
        Column("spread bp", _bp_text, right=True, value=spread_bp, weight=5, field="spread_bp"),
        Column(
            "ticks", _ticks_text, right=True, value=spread_ticks, weight=10, field="spread_ticks"
        ),
        Column(
            "funding",
            _funding_text,
            right=True,
            value=lambda r: r.reference.funding_rate,
            field="funding_rate",
            weight=7,
        ),
        Column(
            "next",
            _next_text,
            right=True,
            value=funding_left_ns,
            weight=9,
            field="next_funding_in_ns",
        ),
        Column(
            "open int", _interest_text, right=True, value=_interest, weight=8, field="open_interest"
        ),
        Column(
            "data",
            _data_text,
            role=_data_role,
            value=lambda r: r.line.age_ms if r.line is not None else None,
            field="age_ms",
        ),
        Column(
            "quality",
            _quality_text,
            role=_quality_role,
            value=trouble,
            weight=6,
            field="gaps_and_resyncs",
        ),
    ),
    "nothing here yet: / searches every venue, space adds what it finds",
)


def draw_details(
    row: MarketRow | None,
    width: int,
    height: int,
    glyphs: Glyphs,
    alerts: Sequence[Alert] = (),
) -> list[Row]:
    """Draw what is known of the chosen row beyond its columns, over `height` lines.

    Of one that waits the newest of `alerts` about its venue says why.
    """
    grid = Grid(width, height)
    if not height:
        return grid.rows()
    grid.put(0, 0, glyphs.line * width, "grid")
    if row is None:
        return grid.rows()
    groups = _details(row, spare=width < _WIDE)
    if row.member and row.quoted is None and row.feed is None:
        groups.insert(1, [("waiting ", "warn"), (_awaited(row, alerts), "warn")])
    x, y = 1, 1
    for group in groups:
        length = sum(len(text) for text, _ in group)
        if x > 1 and x + length > width - 1:
            x, y = 1, y + 1
        if y >= height:
            break
        for text, role in group:
            grid.put(x, y, clip(text, max(0, width - 1 - x), glyphs.ellipsis), role)
            x += len(text)
        x += 3
    return grid.rows()


def _awaited(row: MarketRow, alerts: Sequence[Alert]) -> str:
    """Return why nothing is known of a row yet."""
    about = {f"listing {row.venue}", f"feed {row.venue}"}
    for alert in reversed(alerts):
        if alert.source in about or (alert.source == "watchlist" and repr(row.venue) in alert.text):
            return plain(alert.text)
    return f"{row.venue} has not listed it yet"


def _details(row: MarketRow, spare: bool) -> list[list[Run]]:
    """Return groups of words; `spare` adds those whose columns a narrow table drops."""
    out: list[list[Run]] = [[(row.id, "title"), (f"  {row.kind}", "muted")]]
    known, said = row.quoted, row.reference
    if known is not None:
        item, line = known
        bid, ask = numbers.price(item, line.bid_ticks), numbers.price(item, line.ask_ticks)
        if line.bid_ticks and line.ask_ticks:
            out.append([("bid ", "muted"), (bid, "bid"), ("  ask ", "muted"), (ask, "ask")])
        if line.high_24h_ticks:
            low, high = line.low_24h_ticks, line.high_24h_ticks
            words = f"{numbers.price(item, low)} - {numbers.price(item, high)}"
            out.append([("24h ", "muted"), (words, "text")])
    for name, value in (("mark", said.mark), ("index", said.index)):
        if value is not None:
            out.append([(f"{name} ", "muted"), (f"{value.normalize():,f}", "text")])
    if spare:
        out += _spared(row)
    if said.last_liquidation:
        out.append([("liquidated ", "muted"), (plain(said.last_liquidation), "warn")])
    if row.feed is not None and row.feed.status != FeedStatus.LIVE:
        status = FeedStatus(row.feed.status).name
        out.append([(f"{status} ", "warn"), (plain(row.feed.reason), "warn")])
    if not row.member:
        out.append([("only listed: enter shows it, space puts it into a group", "muted")])
    return out


def _spared(row: MarketRow) -> list[list[Run]]:
    out: list[list[Run]] = []
    if spread_bp(row) is not None:
        ticks = _ticks_text(row)
        words = f"{_bp_text(row)} bp, {ticks} tick{'' if ticks == '1' else 's'}"
        out.append([("spread ", "muted"), (words, "text")])
    if row.reference.funding_rate is not None:
        left = funding_left_ns(row)
        words = _funding_text(row) + (f" in {hours(left)}" if left is not None else "")
        out.append([("funding ", "muted"), (words, "text")])
    if _interest(row) is not None:
        out.append([("open interest ", "muted"), (_interest_text(row), "text")])
    if row.member:
        out.append([("data ", "muted"), (_quality_text(row) or "no record", _quality_role(row))])
    return out


def draw_groups(
    names: Sequence[tuple[str, int]], active: int, right: str, width: int, glyphs: Glyphs
) -> Row:
    """Draw the groups as tabs with their counts; as many as fit are left around the active one."""
    grid = Grid(width, 1)
    room = width - (len(right) + 2 if right else 0)
    texts = [f" {plain(name)} {count} " for name, count in names]
    first = last_one = active
    while True:
        used = sum(map(len, texts[first : last_one + 1]))
        if last_one + 1 < len(texts) and used + len(texts[last_one + 1]) + 2 <= room:
            last_one += 1
        elif first and used + len(texts[first - 1]) + 2 <= room:
            first -= 1
        else:
            break
    x = 0
    if first:
        grid.put(x, 0, glyphs.ellipsis, "muted")
        x += 1
    for at in range(first, last_one + 1):
        text = clip(texts[at], max(0, room - x), glyphs.ellipsis)
        grid.put(x, 0, text, "selected" if at == active else "muted")
        x += len(text)
    if last_one + 1 < len(texts):
        grid.put(x, 0, glyphs.ellipsis, "muted")
    grid.put_right(width - 1, 0, right, "muted")
    return grid.row(0)
