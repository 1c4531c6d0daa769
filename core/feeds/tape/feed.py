"""A tape played as a feed: the frames of then, at the pace of then, received now."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from pathlib import Path
from typing import cast

from core.model.errors import ConfigError
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import Bar, Timeframe
from core.model.ports import Clock, FrameKind, FrameSink, ResyncReason, TapeDecoder
from core.wire.tape_reader import TapeReader


class TapeFeed:
    """Plays one tape, once, at its own pace or a multiple of it.

    What is subscribed is what the tape holds; nothing can be asked of a tape, so histories are
    empty and a book that lost its sequence waits for the next image on the tape.

    Args:
        path: A tape of ours or a recorded capture.
        decoder: Of the venue that was recorded.
        clock: Paces it and stamps the frames.
        speed: Multiple of the original timing.
    """

    def __init__(
        self, path: Path, decoder: TapeDecoder, *, clock: Clock, speed: float = 1.0
    ) -> None:
        self.decoder: TapeDecoder = decoder
        self._path = path
        self._clock = clock
        self._speed = speed

    @property
    def venue(self) -> VenueName:
        """The venue its events carry."""
        return self.decoder.venue

    async def instruments(self) -> list[Instrument]:
        """Read the tape once to learn what it tells of.

        Raises:
            StoreError: It cannot be read.
            ConfigError: No instrument could be learned from it.
        """
        await asyncio.to_thread(self._learn)
        found = list(self.decoder.instruments.values())
        if not found:
            raise ConfigError(f"{self._path}: no listing and no known symbol on this tape")
        return found

    async def run(self, sink: FrameSink) -> None:
        """Play the tape to its end, then wait until cancelled."""
        started_ns = self._clock.monotonic_ns()
        first_ns = 0
        for frame in TapeReader(self._path).frames(lambda line, error: None):
            first_ns = first_ns or frame.ts_ns
            due_ns = started_ns + int((frame.ts_ns - first_ns) / self._speed)
            ahead_ns = due_ns - self._clock.monotonic_ns()
            # A frame that is due lets the loop go on all the same: a fast tape must not starve it.
            await asyncio.sleep(max(0.0, ahead_ns / 1e9))
            if frame.kind == "cut":
                continue
            kind = cast("FrameKind", frame.kind)
            sink(kind, frame.conn, self._clock.now_ns(), frame.url, frame.data)
        sink("disconnect", 0, self._clock.now_ns(), "", b"the tape ended")
        await asyncio.Event().wait()

    def subscribe(self, instrument_ids: Collection[InstrumentId]) -> None:
        """Change nothing: the tape holds what it holds."""

    def unsubscribe(self, instrument_ids: Collection[InstrumentId]) -> None:
        """Change nothing: the tape holds what it holds."""

    def request_snapshot(self, instrument_id: InstrumentId) -> None:
        """Change nothing: the next image on the tape is the next there is."""

    def resubscribe(self, instrument_id: InstrumentId, reason: ResyncReason, heard: int) -> None:
        """Change nothing: the tape holds what it holds."""

    async def history(
        self, instrument_id: InstrumentId, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> list[Bar]:
        """Return nothing: a tape has no past but its own."""
        return []

    async def close(self) -> None:
        """Release nothing: the file is open while it is read."""

    def _learn(self) -> None:
        # A second decoder's work: the tape's own connections must not be known before it plays.
        for frame in TapeReader(self._path).frames(lambda line, error: None):
            if frame.kind in ("http", "recv"):
                kind = cast("FrameKind", frame.kind)
                self.decoder.decode(kind, frame.conn, frame.ts_ns, frame.url, frame.data)
