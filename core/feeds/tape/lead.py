"""What of a tape a later part of it cannot be read without: the way to each book as it stood.

A book comes as an image and changes. Where images come in the stream they are rare, often one a
connection, so a piece cut out of the middle needs the newest image before it and every change
since. The frames are kept as they were recorded, whole connections of them: their numbers follow
one another.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from core.engine.market import MarketState
from core.model.ids import InstrumentId
from core.model.market import BookDelta, BookSnapshot, CheckedDelta, FeedStatus, MarketEvent
from core.model.ports import FrameKind, TapeDecoder
from core.wire.tape_reader import TapeFrame, TapeReader


class Lead(msgspec.Struct, frozen=True):
    """Which frames before a cut go with it."""

    lines: frozenset[int]
    """Connections, requests, and the newest answer to each question of REST."""
    since: dict[int, int]
    """Of a connection the line from which on all its messages are kept."""
    left_out: tuple[InstrumentId, ...]
    """Books whose newest image is too long ago: they begin with the next one."""


class LeadFinder:
    """Follows the books up to a cut, and notes since when each needs its messages.

    Args:
        decoder: Reads the tape, which it must not have read before.
        most_bytes: How much of messages may lead up to the cut; books with the oldest images are
            left out beyond it.
    """

    def __init__(self, decoder: TapeDecoder, most_bytes: int) -> None:
        self._decoder = decoder
        self._most_bytes = most_bytes
        self._market = MarketState((), {decoder.venue: decoder.rule}, eager=True)
        self._taught = 0
        self._context: dict[tuple[str, int, str], int] = {}
        self._began: dict[InstrumentId, int] = {}
        """Of each book in sequence the line of the first message it hangs on."""
        self._held: dict[InstrumentId, int] = {}
        """Of each book that waits for an image the line of the first change it holds."""
        self._conn: dict[InstrumentId, int] = {}
        self._weights: dict[int, list[tuple[int, int]]] = {}
        """Of each connection its messages: line and bytes."""

    def take(self, frame: TapeFrame) -> None:
        """Take the next frame ahead of the cut."""
        self._remember(frame)
        if frame.kind == "cut":
            return
        kind: FrameKind = frame.kind  # type: ignore[assignment]  # what a recorder added is refused
        events = self._decoder.decode(kind, frame.conn, frame.ts_ns, frame.url, frame.data)
        if len(self._decoder.instruments) != self._taught or kind == "http":
            self._taught = len(self._decoder.instruments)
            self._market.add_instruments(list(self._decoder.instruments.values()))
        if kind == "recv":
            self._weights.setdefault(frame.conn, []).append((frame.line, len(frame.data)))
        for event in events:
            self._follow(event, frame)

    def lead(self) -> Lead:
        """Return what must go with the frames that come now."""
        began = {
            name: line
            for name, line in self._began.items()
            if self._market.status(name) is FeedStatus.LIVE and name in self._conn
        }
        left_out: list[InstrumentId] = []
        while began and self._bytes(began) > self._most_bytes:
            oldest = min(began, key=lambda name: (began[name], name))
            left_out.append(oldest)
            del began[oldest]
        return Lead(
            frozenset(self._context.values()), self._since(began), tuple(sorted(left_out))
        )  # fmt: skip

    def _since(self, began: dict[InstrumentId, int]) -> dict[int, int]:
        since: dict[int, int] = {}
        for name, line in began.items():
            conn = self._conn[name]
            since[conn] = min(line, since.get(conn, line))
        return since

    def _bytes(self, began: dict[InstrumentId, int]) -> int:
        since = self._since(began)
        return sum(
            size
            for conn, first in since.items()
            for line, size in self._weights.get(conn, ())
            if line >= first
        )

    def _follow(self, event: MarketEvent, frame: TapeFrame) -> None:
        market = self._market
        if not isinstance(event, BookSnapshot | BookDelta | CheckedDelta):
            market.apply(event)
            return
        name = event.instrument_id
        if name not in market:
            return
        before = market.status(name)
        market.apply(event)
        if frame.kind == "recv":
            self._conn[name] = frame.conn
        if market.status(name) is not FeedStatus.LIVE:
            self._began.pop(name, None)
            if not isinstance(event, BookSnapshot):
                self._held.setdefault(name, frame.line)
        elif isinstance(event, BookSnapshot) and (before is not FeedStatus.LIVE or event.reset):
            # A fetched image may be older than changes that came before it and were held.
            held = self._held.pop(name, frame.line)
            self._began[name] = frame.line if event.reset else held

    def _remember(self, frame: TapeFrame) -> None:
        context = self._context
        match frame.kind:
            case "connect":
                context[frame.kind, frame.conn, ""] = frame.line
            case "disconnect":
                for key in [key for key in context if key[1] == frame.conn and key[0] != "http"]:
                    del context[key]
                self._weights.pop(frame.conn, None)
            case "send":
                context[frame.kind, frame.conn, str(frame.line)] = frame.line
            case "http":
                context[frame.kind, -1, frame.url or str(frame.line)] = frame.line


def find_lead(path: Path, start_ns: int, decoder: TapeDecoder, most_bytes: int) -> Lead:
    """Read a tape up to a time and return what a cut from there on needs of it.

    Raises:
        StoreError: The file cannot be read.
    """
    finder = LeadFinder(decoder, most_bytes)
    for frame in TapeReader(path).frames(lambda line, error: None):
        if frame.ts_ns >= start_ns and frame.kind != "cut":
            break
        finder.take(frame)
    return finder.lead()


def kept(lead: Lead, frame: TapeFrame) -> bool:
    """Return whether a frame before the cut goes with it."""
    if frame.line in lead.lines:
        return True
    return frame.kind == "recv" and frame.line >= lead.since.get(frame.conn, frame.line + 1)
