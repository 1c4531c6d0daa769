"""Notices an instrument that is connected but no longer speaks, by what it has taught of itself.

Each channel (book, quotes, trades) has its own habit: how long it is silent as a rule, and how long
at most of late. Both are learned from the engine's timer, which looks a few times a second whether
anything came, so messages cost nothing. A channel is silent for too long when it exceeds several
times both; until enough is known, and for channels that never spoke, the fixed limit of the
settings holds for the instrument as a whole.

An instrument that is silent for longer yet, or never spoke since it was subscribed to, is pleaded
for: the venue may not know of the subscription. So is a book that stands still while quotes move,
where nothing but its image came or its habit is not known yet.
"""

from __future__ import annotations

from typing import Final

from core.model.ports import ResyncReason

CHANNELS: Final = ("book", "quotes", "trades")

_ENOUGH: Final = 40
"""Silences met before a habit is trusted."""

_FADE: Final = 1 / 64
"""Weight of a new silence in the mean; the longest fades by as much."""

_TIMES_MEAN: Final = 12.0
_TIMES_LONGEST: Final = 3.0
_LEAST_NS: Final = 3_000_000_000
_MOST_NS: Final = 900_000_000_000


UNHEARD_NS: Final = 8_000_000_000
"""What never spoke this long after it was subscribed to is pleaded for."""

PLEA_NS: Final = 5_000_000_000
"""Time between two pleas; the feed knows when to follow one."""

_SILENT_NS: Final = 15_000_000_000
_TIMES_LIMIT: Final = 3
"""What once spoke is pleaded for after so many times the silence that counts."""

_STILL: Final = 60
_STILL_NS: Final = 20_000_000_000
"""Quotes, and time, in which any book must change."""
_NEVER_NS: Final = 365 * 86_400_000_000_000
"""A limit beyond this says that silence means nothing, as in a backtest, whose book is made up."""


class Habit:
    """How often one channel speaks."""

    __slots__ = ("count", "longest_ns", "mean_ns", "met", "since_ns")

    def __init__(self) -> None:
        self.count = 0
        """Messages seen so far, as last looked."""
        self.met = 0
        self.mean_ns = 0.0
        self.longest_ns = 0.0
        self.since_ns = 0

    def look(self, count: int, now_ns: int) -> None:
        """Learn from whether messages came since the last look."""
        if count == self.count:
            return
        if self.since_ns:
            silent = float(now_ns - self.since_ns)
            weight = max(_FADE, 1 / (self.met + 1))
            self.mean_ns += (silent - self.mean_ns) * weight
            self.longest_ns = max(silent, self.longest_ns * (1 - _FADE))
            self.met += 1
        self.count = count
        self.since_ns = now_ns

    @property
    def limit_ns(self) -> int:
        """Silence beyond which something must be wrong, 0 while too little is known."""
        if self.met < _ENOUGH:
            return 0
        return self.at_least(_LEAST_NS)

    def at_least(self, least_ns: int) -> int:
        """Return the silence that would be too long by what is known, however little that is."""
        limit = max(self.mean_ns * _TIMES_MEAN, self.longest_ns * _TIMES_LONGEST)
        return int(min(_MOST_NS, max(least_ns, limit)))


class Vigil:
    """The habits of one instrument's channels."""

    __slots__ = (
        "_at_ns",
        "_before",
        "_booked",
        "_down",
        "_habits",
        "_joined",
        "_joined_ns",
        "_mute_ns",
        "_never",
        "_plea_ns",
        "_quotes",
        "_still",
        "rate_per_s",
    )

    def __init__(self, *, booked: bool = False) -> None:
        """Know nothing; `booked`: there is a book, which moves whenever quotes do."""
        self._habits = tuple(Habit() for _ in CHANNELS)
        self._booked = booked
        self._before = 0
        self._at_ns = 0
        self._joined = (0, 0, 0)
        """Messages of each channel when it was subscribed to."""
        self._joined_ns = 0
        self._mute_ns = 0
        """Since when nothing came; 0: it was never subscribed to."""
        self._never = True
        self._down = False
        self._plea_ns = 0
        self._quotes = 0
        """Quotes seen when the book last moved."""
        self._still = False
        self.rate_per_s = 0.0
        """Messages a second of late."""

    def look(self, counts: tuple[int, int, int], now_ns: int) -> None:
        """Take the messages of each channel so far."""
        if counts[0] != self._habits[0].count:
            self._quotes = counts[1]
        for habit, count in zip(self._habits, counts, strict=True):
            habit.look(count, now_ns)
        total = sum(counts)
        if total != self._before:
            self._mute_ns = now_ns
            self._never = self._down = False
        self._still = self._booked and self._stands_still(counts, now_ns)
        if self._at_ns and now_ns > self._at_ns:
            passed_s = (now_ns - self._at_ns) / 1e9
            share = min(1.0, passed_s / 30.0)
            self.rate_per_s += ((total - self._before) / passed_s - self.rate_per_s) * share
        self._before, self._at_ns = total, now_ns

    def _stands_still(self, counts: tuple[int, int, int], now_ns: int) -> bool:
        """Whether the book should have moved, by the quotes that came since it did."""
        if counts[1] - max(self._quotes, self._joined[1]) <= _STILL:
            return False
        if counts[0] - self._joined[0] <= 1:
            return now_ns - self._joined_ns > _STILL_NS
        book = self._habits[0]
        return not book.limit_ns and now_ns - book.since_ns > book.at_least(_STILL_NS)

    def restart(self, now_ns: int) -> None:
        """Begin to wait anew: after a pause of ours, silence up to now says nothing."""
        for habit in self._habits:
            if habit.since_ns:
                habit.since_ns = now_ns
        if self._mute_ns:
            self._mute_ns = now_ns

    def joined(self, now_ns: int, counts: tuple[int, int, int]) -> None:
        """Begin to wait anew: it was subscribed to; `counts` are the messages so far."""
        self.restart(now_ns)
        self._joined, self._joined_ns, self._mute_ns = counts, now_ns, now_ns
        self._before = sum(counts)
        self._never = True
        self._down = self._still = False

    def lost(self, now_ns: int) -> None:
        """Wait for nothing: its connection was lost, and whoever opens the next one subscribes."""
        self.restart(now_ns)
        self._down = True
        self._still = False

    def plea(self, now_ns: int, default_ns: int) -> tuple[ResyncReason, int] | None:
        """Return why to plead for an instrument that is not live now, and what was heard so far."""
        if self._down or not self._mute_ns or now_ns - self._plea_ns < PLEA_NS:
            return None
        mute_ns = now_ns - self._mute_ns
        limit_ns = int(self.limit_s(default_ns / 1e9) * 1e9)
        if self._never and mute_ns > UNHEARD_NS:
            reason = ResyncReason.UNHEARD
        elif (self._still and default_ns < _NEVER_NS) or mute_ns > max(
            _SILENT_NS, _TIMES_LIMIT * limit_ns
        ):
            reason = ResyncReason.SILENT
        else:
            return None
        self._plea_ns = now_ns
        return reason, self._before

    def silence(self, now_ns: int, last_recv_ns: int, default_ns: int) -> str:
        """Return which channel is silent for too long, in words, or nothing."""
        if self._still and default_ns < _NEVER_NS:
            return f"book stands still while quotes move, for over {_STILL_NS / 1e9:g} s"
        known = False
        for name, habit in zip(CHANNELS, self._habits, strict=True):
            limit = habit.limit_ns
            if not limit:
                continue
            known = True
            silent = now_ns - habit.since_ns
            if silent > limit:
                return (
                    f"{name} silent for over {limit / 1e9:.3g} s,"
                    f" as a rule {habit.mean_ns / 1e9:.2g} s"
                )
        if not known and now_ns - last_recv_ns > default_ns:
            return f"silent for {default_ns / 1e9:g} s"
        return ""

    def limit_s(self, default_s: float) -> float:
        """Return the shortest silence that counts, in seconds."""
        limits = [habit.limit_ns for habit in self._habits if habit.limit_ns]
        return min(limits) / 1e9 if limits else default_s
