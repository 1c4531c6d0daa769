"""Whether the account's events can be trusted, told when it changes."""

from __future__ import annotations

from core.model.facts import VenueConnected, VenueDisconnected
from core.model.ids import VenueName
from core.model.ports import Clock, VenueSink


class Standing:
    """Trusted while the stream is subscribed and the two clocks agree.

    Failed attempts to come back are not told again; a new kind of trouble is.
    """

    def __init__(self, venue: VenueName, *, clock: Clock, sink: VenueSink) -> None:
        self._venue = venue
        self._clock = clock
        self._sink = sink
        self._down = "never connected"
        self._skew = ""
        self._told: str | None = None

    def stream_up(self) -> None:
        """Note that the private stream is subscribed."""
        self._down = ""
        self._tell()

    def stream_down(self, reason: str) -> None:
        """Note that it is lost, or could not be had."""
        self._down = reason
        self._tell()

    def clock_skew(self, offset_ms: int, bound_ms: int) -> None:
        """Judge how far the venue's clock is ahead of ours (negative: behind)."""
        self._skew = ""
        if abs(offset_ms) > bound_ms:
            where = "behind" if offset_ms > 0 else "ahead of"
            self._skew = (
                f"clock skew: this computer is {abs(offset_ms)} ms {where} {self._venue}, allowed "
                f"are {bound_ms} ms (half of venues.{self._venue}.recv_window_ms); "
                "set the computer's clock"
            )
        if self._skew or self._told == "skew":
            self._tell()

    def _tell(self) -> None:
        kind = "skew" if self._skew else "down" if self._down else "up"
        if kind == self._told:
            return
        self._told = kind
        now_ns = self._clock.now_ns()
        self._sink(
            VenueConnected(venue=self._venue, ts_ns=now_ns)
            if kind == "up"
            else VenueDisconnected(venue=self._venue, reason=self._skew or self._down, ts_ns=now_ns)
        )
