"""What is checked: a way to make a decoder, and frames it should read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np

from core.engine.market import MarketState
from core.feeds.dialect import Dialect
from core.model.ids import InstrumentId
from core.model.market import BookDelta, BookSnapshot, FeedStatus, FrameRejected, MarketEvent, Trade
from core.model.ports import FrameKind, TapeDecoder
from core.wire.tape_reader import TapeFrame, TapeReader

MAX_FRAMES = 4000
"""Frames of a tape that are used: enough for every kind, few enough to read many times."""

READINGS = 4
"""Times a tape is read to find out how fine its prices and sizes are."""


class Flaw(msgspec.Struct, frozen=True):
    """Something a feed does wrong."""

    check: str
    text: str


class NotTried(Exception):
    """A check found nothing to try itself on, and says why: it neither passed nor failed."""


class Subject:
    """A feed under test.

    Args:
        decoder: Makes a fresh decoder, taught whatever the tape does not teach.
        tape: A tape or capture of the venue.
        dialect: Makes a dialect, for checks of what is sent; None leaves those out.
        allowed: Parts of reasons for which frames of this tape may be rejected.
    """

    def __init__(
        self,
        decoder: Callable[[], TapeDecoder],
        tape: Path,
        dialect: Callable[[], Dialect] | None = None,
        allowed: Sequence[str] = (),
    ) -> None:
        self.decoder = decoder
        self.dialect = dialect
        self.allowed = tuple(allowed)
        frames = []
        for frame in TapeReader(tape).frames():
            frames.append(frame)
            if len(frames) == MAX_FRAMES:
                break
        self.frames: tuple[TapeFrame, ...] = tuple(frames)
        self._finer: dict[str, tuple[int, int]] = {}
        for _ in range(READINGS):
            # Orders older than a listing's present step may rest at finer sizes: count finer.
            try:
                missed = self.run().decoder.off_step
            except Exception:  # code of others: each check tells what is raised, and where
                break
            if not missed:
                break
            self._finer |= missed

    def run(self, frames: Sequence[TapeFrame] | None = None) -> Run:
        """Read frames with a fresh decoder, and apply them as an engine would."""
        decoder = self.decoder()
        decoder.finer = dict(self._finer)
        run = Run(decoder)
        for frame in self.frames if frames is None else frames:
            run.feed(frame)
        return run


class Run:
    """A decoder with a market behind it."""

    def __init__(self, decoder: TapeDecoder) -> None:
        self.decoder = decoder
        self.market = MarketState((), {decoder.venue: decoder.rule}, eager=True)
        self.events: list[tuple[TapeFrame, MarketEvent]] = []
        self.gaps: dict[InstrumentId, int] = {}
        self.lived: set[InstrumentId] = set()
        """What was live for a while."""

    def feed(self, frame: TapeFrame) -> Sequence[MarketEvent]:
        """Take a frame and return its events."""
        kind: FrameKind = frame.kind  # type: ignore[assignment]  # the reader checks nothing
        events = self.decoder.decode(kind, frame.conn, frame.ts_ns, frame.url, frame.data)
        if events is None:
            raise TypeError("decode gave None, not a sequence of events")
        self.market.add_instruments(
            [item for item in self.decoder.instruments.values() if item.id not in self.market]
        )
        for event in events:
            self.events.append((frame, event))
            if not _has_levels(event):
                continue  # No kernel takes it; `sane_numbers` tells.
            for output in self.market.apply(event):
                name = getattr(output, "instrument_id", None)
                status = getattr(output, "status", None)
                if status is FeedStatus.LIVE and name is not None:
                    self.lived.add(name)
                if status is FeedStatus.STALE and name is not None:
                    self.gaps[name] = self.gaps.get(name, 0) + 1
        return events

    def of(self, *kinds: type) -> Iterator[tuple[TapeFrame, MarketEvent]]:
        """Yield the events of some kinds with their frames."""
        return ((frame, event) for frame, event in self.events if isinstance(event, kinds))

    def refused(self) -> list[FrameRejected]:
        """Return the rejections."""
        return [event for _, event in self.events if isinstance(event, FrameRejected)]

    def books(self) -> dict[InstrumentId, bytes]:
        """Return the books there are, as bytes."""
        named = {
            event.instrument_id
            for _, event in self.of(BookDelta, BookSnapshot)
            if isinstance(event, BookDelta | BookSnapshot)
        }
        return {name: self.market.book(name).image() for name in sorted(named)}

    def trades(self) -> dict[InstrumentId, list[int]]:
        """Return the trade ids kept, by instrument."""
        named = {event.instrument_id for _, event in self.of(Trade) if isinstance(event, Trade)}
        return {
            name: [trade.trade_id for trade in self.market.trades(name)] for name in sorted(named)
        }


def _has_levels(event: MarketEvent) -> bool:
    """Return whether a book message's sides are what books take; other events have none."""
    if not isinstance(event, BookDelta | BookSnapshot):
        return True
    return all(
        getattr(side, "dtype", None) == np.int64 and side.ndim == 2 and side.shape[1] == 2
        for side in (event.bids, event.asks)
    )
