"""How good each instrument's data was, by UTC day: counts of what the gate and the bars found."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from statistics import median
from typing import Final

import msgspec

from core.model.ids import InstrumentId, VenueName
from core.model.market import ClockSample, FeedStatus
from core.model.views import QualityView

DAY_NS: Final = 86_400 * 1_000_000_000
CLOCK_SAMPLES: Final = 5
"""Samples of a venue's clock kept: two bad ones do no harm to their median, and a clock that is
set anew, as after a sleep, is found out by the third."""

COUNTS: Final = (
    "frames", "trades", "gaps", "resyncs", "crossed", "outages", "rejected", "checksum_ok",
    "checksum_bad", "late_trades", "trade_holes", "duplicates", "off_band", "resubscribed",
    "trades_refilled", "live_s", "stale_s",
)  # fmt: skip
"""The fields of a `QualityView` that grow, and start at zero each day."""

OFF_NS: Final = 2_000_000_000
"""A clock off by more than this, or by so much more than last told, is told."""


class Tally:
    """What happened to one instrument since it was first followed; only ever grows."""

    __slots__ = (
        "duplicates",
        "late_trades",
        "live_ns",
        "off_band",
        "outages",
        "refilled",
        "rejected",
        "resubscribed",
        "stale_ns",
        "trade_holes",
        "trades",
    )

    def __init__(self) -> None:
        self.trades = 0
        self.duplicates = 0
        self.late_trades = 0
        self.trade_holes = 0
        self.refilled = 0
        """Trades of holes that came from the venue's history after all."""
        self.off_band = 0
        self.outages = 0
        self.rejected = 0
        self.resubscribed = 0
        self.live_ns = 0
        self.stale_ns = 0


class Clocks:
    """The venues' clocks beside ours."""

    def __init__(self) -> None:
        self._offsets: dict[VenueName, deque[int]] = {}
        self._told: dict[VenueName, int] = {}
        """How far off a venue's clock was when it was last told."""

    def add(self, sample: ClockSample) -> str:
        """Take a sample; return what is new of it in words, as a rule nothing."""
        kept = self._offsets.setdefault(sample.venue, deque(maxlen=CLOCK_SAMPLES))
        if kept and sample.round_trip_ns > OFF_NS:
            return ""  # Half of that is how far off the sample itself may be.
        kept.append(sample.offset_ns)
        offset_ns, told_ns = self.offset_ns(sample.venue), self._told.get(sample.venue, 0)
        if abs(offset_ns) < OFF_NS:
            offset_ns = 0
        if abs(offset_ns - told_ns) < OFF_NS:
            return ""
        self._told[sample.venue] = offset_ns
        if not offset_ns:
            return f"the clocks of {sample.venue} and this machine agree again"
        way = "ahead of" if offset_ns > 0 else "behind"
        return (
            f"the clock of {sample.venue} is {abs(offset_ns) / 1e9:.1f} s {way} this machine's: "
            "signed requests will be refused and bars end late or early; if other venues say the "
            "same, set this machine's clock (NTP)"
        )

    def offset_ns(self, venue: VenueName) -> int:
        """Return the venue's time minus ours, the median of the newest samples, 0 unknown."""
        kept = self._offsets.get(venue)
        return int(median(kept)) if kept else 0


class QualityLog:
    """Cuts growing counts into days."""

    def __init__(self) -> None:
        self._today: dict[InstrumentId, tuple[int, QualityView]] = {}
        """Of each instrument the day and the counts as they were when it began."""
        self._finished: list[QualityView] = []

    def day(self, grown: QualityView, now_ns: int) -> QualityView:
        """Return today's record from counts that only grow.

        When a day has ended since the last call, its record is kept for `take_finished`. What
        happened between that call and midnight counts for the new day: call often.
        """
        day = now_ns // DAY_NS
        began = self._today.get(grown.instrument_id)
        if began is None:
            zero = {name: type(getattr(grown, name))(0) for name in COUNTS}
            began = (day, msgspec.structs.replace(grown, **zero))
            self._today[grown.instrument_id] = began
        elif began[0] != day:
            self._finished.append(_since(grown, began[1], began[0]))
            began = (day, grown)
            self._today[grown.instrument_id] = began
        return _since(grown, began[1], day)

    def take_finished(self) -> list[QualityView]:
        """Return the records of days that ended since the last call."""
        done, self._finished = self._finished, []
        return done


def _since(grown: QualityView, began: QualityView, day: int) -> QualityView:
    counts = {name: getattr(grown, name) - getattr(began, name) for name in COUNTS}
    return msgspec.structs.replace(grown, day=day_text(day), **counts)


def day_text(day: int) -> str:
    """Return a day counted from the epoch as ``2026-11-21``."""
    return datetime.fromtimestamp(day * 86_400, UTC).date().isoformat()


def counts_for(status: FeedStatus) -> str:
    """Return which stretch of time a status belongs to: ``live``, ``stale`` or nothing."""
    if status is FeedStatus.LIVE:
        return "live"
    return "" if status is FeedStatus.UNSUBSCRIBED else "stale"
