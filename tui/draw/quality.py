"""How good the data is: a row an instrument or a venue, and the chosen one day by day."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from core.model.market import FeedStatus
from core.model.views import QualityView
from tui.draw import numbers
from tui.draw.glyphs import Glyphs
from tui.draw.runs import Grid, Row, clip, plain
from tui.draw.tables import Column, Table, draw_table

_COUNTS: Final = (
    "frames", "trades", "gaps", "resyncs", "crossed", "outages", "rejected", "checksum_ok",
    "checksum_bad", "late_trades", "trade_holes", "duplicates", "off_band",
    "resubscribed",
)  # fmt: skip
_VENUE_WORDS: Final = "enter lists this venue's instruments; each has a record of its days"
_LATE: Final = 1.0
"""Silence as a share of what is borne; above it the age is warned of."""


class QualityRow(Struct, frozen=True):
    """An instrument's day, or all of a venue's together."""

    view: QualityView
    age_ms: float = math.nan
    """Since anything arrived; NaN while that is not known."""
    rate_now: float = math.nan
    """Messages a second between the last two looks; at the first, those of the last half minute."""
    instruments: int = 1
    live: int = 0
    """Of a venue: how many of its instruments are live."""
    link_up: bool = True
    """False: nothing comes from the engine, so what is known is old."""

    @property
    def symbol(self) -> str:
        """The instrument without its venue; of a venue, how many it stands for."""
        if self.is_venue:
            return f"{self.live} of {self.instruments} live"
        return self.view.instrument_id.rpartition(".")[0]

    @property
    def venue(self) -> str:
        """The venue."""
        return self.view.instrument_id.rpartition(".")[2]

    @property
    def is_venue(self) -> bool:
        """Whether this is a venue's row."""
        return self.view.instrument_id.startswith(".")

    @property
    def troubles(self) -> int:
        """How much went wrong, to sort by."""
        view = self.view
        return view.gaps + view.resyncs + view.outages + view.rejected + view.checksum_bad


def by_venue(rows: Sequence[QualityRow]) -> list[QualityRow]:
    """Return one row a venue: counts added up, the worst state, the median clock."""
    out = []
    for venue in sorted({row.venue for row in rows}):
        mine = [row for row in rows if row.venue == venue]
        out.append(_together(venue, mine))
    return out


def _together(venue: str, rows: Sequence[QualityRow]) -> QualityRow:
    views = [row.view for row in rows]
    counts = {name: sum(getattr(view, name) for view in views) for name in _COUNTS}
    ill = [view for view in views if view.status != FeedStatus.LIVE]
    middle = len(views) // 2
    ages = [row.age_ms for row in rows if not math.isnan(row.age_ms)]
    rates = [row.rate_now for row in rows if not math.isnan(row.rate_now)]
    view = QualityView(
        instrument_id=f".{venue}",  # type: ignore[arg-type]  # no instrument: the whole venue
        day=views[0].day,
        status=FeedStatus.LIVE if not ill else ill[0].status,
        reason=f"{ill[0].instrument_id.rpartition('.')[0]}: {ill[0].reason}" if ill else "",
        unchecked=any(view.unchecked for view in views),
        live_s=sum(view.live_s for view in views),
        stale_s=sum(view.stale_s for view in views),
        rate_per_s=sum(view.rate_per_s for view in views),
        clock_offset_ms=sorted(view.clock_offset_ms for view in views)[middle],
        delay_ms=sorted(view.delay_ms for view in views)[middle],
        **counts,
    )
    return QualityRow(
        view=view,
        age_ms=min(ages, default=math.nan),
        rate_now=sum(rates) if rates else math.nan,
        instruments=len(rows),
        live=len(rows) - len(ill),
        link_up=rows[0].link_up,
    )


def _status(row: QualityRow) -> str:
    if not row.link_up:
        return "link down"
    name = FeedStatus(row.view.status).name
    return f"{name} unchecked" if row.view.unchecked else name


def _status_role(row: QualityRow) -> str:
    if row.view.status != FeedStatus.LIVE or not row.link_up:
        return "warn"
    return "text" if row.view.unchecked else "up"


def _age(row: QualityRow) -> str:
    known = row.link_up and not math.isnan(row.age_ms)
    return numbers.age(row.age_ms) if known else numbers.NOTHING


def _age_role(row: QualityRow) -> str:
    limit = row.view.silence_s
    late = limit > 0 and row.age_ms / 1000 > limit * _LATE
    return "warn" if late else "text"


def rate(value: float) -> str:
    """Return messages a second in few characters: ``0.02``, ``4.1``, ``320``."""
    if math.isnan(value):
        return numbers.NOTHING
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def uptime(view: QualityView) -> float | None:
    """Return the share of the day's watched time in which the data was live."""
    watched = view.live_s + view.stale_s
    return view.live_s / watched if watched > 0 else None


def _uptime(view: QualityView) -> str:
    share = uptime(view)
    if share is None:
        return numbers.NOTHING
    # Anything short of all must not be rounded up to all.
    return "100 %" if share >= 1 else f"{math.floor(share * 1e4) / 1e2:.2f} %"


def checks(view: QualityView) -> str:
    """Return the checksums: how many agreed, and how many did not."""
    if not view.checksum_ok and not view.checksum_bad:
        return numbers.NOTHING
    good = numbers.short(view.checksum_ok) if view.checksum_ok >= 100 else str(view.checksum_ok)
    return f"{good} ok" + (f" {view.checksum_bad} BAD" if view.checksum_bad else "")


def count(value: int) -> str:
    """Return a count; none is a dot, so that what happened stands out."""
    return "·" if not value else f"{value:,}" if value < 10_000 else numbers.short(value)


def _count_role(value: int) -> str:
    return "warn" if value else "muted"


def _counted(name: str, field: str, weight: int) -> Column[QualityRow]:
    return Column(
        name,
        lambda row: count(getattr(row.view, field)),
        right=True,
        role=lambda row: _count_role(getattr(row.view, field)),
        weight=weight,
        value=lambda row: getattr(row.view, field),
        field=field,
    )


def signed_ms(value: float) -> str:
    """Return an offset in milliseconds with its sign: ``+12 ms``."""
    return f"{value:+.0f} ms" if abs(value) >= 0.5 else "0 ms"


QUALITY: Final[Table[QualityRow]] = Table(
    (
        Column("instrument", lambda r: r.symbol),
        Column("venue", lambda r: r.venue, role=lambda r: "muted", weight=1),
        Column("status", _status, role=_status_role),
        Column("age", _age, right=True, role=_age_role, value=lambda r: r.age_ms, field="age_ms"),
        Column(
            "stale after",
            lambda r: numbers.age(r.view.silence_s * 1000) if r.view.silence_s else "-",
            right=True,
            role=lambda r: "muted",
            weight=9,
            value=lambda r: r.view.silence_s,
            field="stale_after_s",
        ),
        Column(
            "msg/s",
            lambda r: rate(r.rate_now),
            right=True,
            value=lambda r: r.rate_now,
            field="rate_per_s",
        ),
        Column(
            "usual",
            lambda r: rate(r.view.rate_per_s),
            right=True,
            role=lambda r: "muted",
            weight=3,
            value=lambda r: r.view.rate_per_s,
            field="usual_per_s",
        ),
        Column(
            "live", lambda r: _uptime(r.view), right=True, weight=3, value=lambda r: uptime(r.view)
        ),
        _counted("gaps", "gaps", 0),
        _counted("resyncs", "resyncs", 0),
        _counted("outages", "outages", 2),
        _counted("rejected", "rejected", 5),
        Column(
            "checks",
            lambda r: checks(r.view),
            right=True,
            role=lambda r: "warn" if r.view.checksum_bad else "muted",
            weight=6,
            value=lambda r: r.view.checksum_bad,
            field="checksums_bad",
        ),
        _counted("holes", "trade_holes", 7),
        _counted("doubled", "duplicates", 8),
        _counted("late", "late_trades", 10),
        _counted("crossed", "crossed", 11),
        _counted("off band", "off_band", 12),
        _counted("rejoined", "resubscribed", 13),
        Column(
            "clock",
            lambda r: signed_ms(r.view.clock_offset_ms),
            right=True,
            weight=5,
            value=lambda r: r.view.clock_offset_ms,
            field="clock_offset_ms",
        ),
        Column(
            "delay",
            lambda r: numbers.age(r.view.delay_ms) if r.view.delay_ms > 0 else "-",
            right=True,
            weight=9,
            value=lambda r: r.view.delay_ms,
            field="delay_ms",
        ),
        Column("why", lambda r: plain(r.view.reason), role=lambda r: "muted", wide=True),
    ),
    "no data is followed yet; the watchlist's is, as soon as a venue answers",
)


def _day(name: str, field: str, weight: int = 0) -> Column[QualityView]:
    return Column(
        name,
        lambda view: count(getattr(view, field)),
        right=True,
        role=lambda view: _count_role(getattr(view, field)),
        weight=weight,
    )


DAYS: Final[Table[QualityView]] = Table(
    (
        Column("day", lambda v: v.day),
        Column("live", _uptime, right=True),
        Column("stale", lambda v: numbers.age(v.stale_s * 1000) if v.stale_s else "·", right=True),
        Column("messages", lambda v: numbers.short(v.frames) if v.frames else "·", right=True),
        Column(
            "trades", lambda v: numbers.short(v.trades) if v.trades else "·", right=True, weight=4
        ),
        _day("gaps", "gaps"),
        _day("resyncs", "resyncs"),
        _day("outages", "outages"),
        _day("rejected", "rejected", 2),
        Column("checks", checks, right=True, weight=3),
        _day("holes", "trade_holes", 3),
        _day("doubled", "duplicates", 5),
        _day("late", "late_trades", 6),
        _day("crossed", "crossed", 7),
        _day("off band", "off_band", 8),
        _day("rejoined", "resubscribed", 9),
        Column("clock", lambda v: signed_ms(v.clock_offset_ms), right=True, weight=4),
    ),
    "no record of earlier days yet; one is kept for every instrument and day",
)


def draw_days(
    row: QualityRow | None, views: Sequence[QualityView], width: int, height: int, glyphs: Glyphs
) -> list[Row]:
    """Draw the days of the chosen row below a rule with its name and why it is not live."""
    if height < 2:
        return Grid(width, height).rows()
    rule = Grid(width, 1)
    rule.put(0, 0, glyphs.line * width, "grid")
    empty = ""
    if row is not None:
        x = 2
        name = plain(row.venue if row.is_venue else row.view.instrument_id)
        rule.put(x, 0, clip(f" {name} ", width - 4, glyphs.ellipsis), "title")
        x += len(name) + 2
        if row.view.reason:
            words = f"{FeedStatus(row.view.status).name}: {plain(row.view.reason)} "
            role = "muted" if row.view.status == FeedStatus.LIVE else "warn"
            rule.put(x, 0, clip(words, max(0, width - x - 2), glyphs.ellipsis), role)
        empty = _VENUE_WORDS if row.is_venue else ""
    body = draw_table(DAYS, views[: height - 2], None, width, height - 1, glyphs, empty=empty)
    return [rule.row(0), *body]
