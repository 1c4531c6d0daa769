"""Recorded captures, read as the product reads them, a part of them timed."""

from __future__ import annotations

import contextlib
import copy
import gc
import itertools
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import msgspec

from core.backtest.replay import unlisted
from core.engine.market import MarketState
from core.feeds.decoder import FeedDecoder
from core.feeds.registry import make_decoder
from core.model.market import BookDelta, BookSnapshot, MarketEvent
from core.wire.tape_reader import TapeFrame, TapeReader

HEAVY: Final = 60
"""Levels beyond which a message is told by the level."""

UNSUMMED: Final = re.compile(rb'"checksum":-?[1-9][0-9]*')
"""ccxt.pro verifies no checksum of OKX, which since 2026 writes 0: so both get zeros as well."""

BATCH: Final = 128
"""Most messages that are copied and then read at a time, so that all of them stay at hand."""

_NOWHERE: Final = -1
"""A connection that the capture does not know."""

Kind: TypeAlias = tuple[str, ...]

_Item = TypeVar("_Item")


def recorded() -> Path | None:
    """Return the folder of recorded data, None where it is not."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("CLX_RECORDED_DATA", default))
    return folder if folder.is_dir() else None


class Capture:
    """One recording, read and taught beforehand."""

    def __init__(self, kind: str, path: Path) -> None:
        self.kind = kind
        self.frames = list(TapeReader(path).frames())
        self._finer: dict[str, tuple[int, int]] = {}
        self._primer: bytes | None = None
        self._prepare()

    def _prepare(self) -> None:
        for _ in range(3):
            decoder = self._made()
            counts, labels, told, names = [], [], [], []
            for frame in self.frames:
                events = _decoded(decoder, frame)
                counts.append(_levels_of(events))
                told.append(len(events))
                names.append(frozenset(getattr(event, "instrument_id", None) for event in events))
                labels.append(tuple(decoder.label("recv", "", frame.data, events)))
            if not decoder.off_step:
                break
            self._finer |= decoder.off_step
        self._taught = decoder
        books = [frame.data for frame, count in zip(self.frames, counts, strict=True) if count]
        self._primer = min(books, key=len, default=None)
        self._counts = counts
        self.instruments = list(decoder.instruments.values())
        self.market = MarketState([], {})
        """As the last reading left it."""
        received = [at for at, frame in enumerate(self.frames) if frame.kind == "recv"]
        self.kinds: list[Kind] = [labels[at] for at in received]
        named = [names[at] for at in received]
        self.texts = [self.frames[at].data.decode() for at in received]
        self.levels = sum(counts[at] for at in received if counts[at] > HEAVY)
        few = [at for at in received if counts[at] <= HEAVY]
        self._first = _firsts(zip(received, self.kinds, named, strict=True))
        self.later = sum(at not in self._first for at in few)
        self.light = len(few)
        self.light_levels = sum(counts[at] for at in few)
        self.light_told = sum(told[at] for at in few)

    def without_checksums(self) -> Capture:
        """Return the same recording as the venue would send it today, if it has ended them."""
        if not any(UNSUMMED.search(frame.data) for frame in self.frames):
            return self
        other = copy.copy(self)
        other.frames = [
            msgspec.structs.replace(frame, data=UNSUMMED.sub(b'"checksum":0', frame.data))
            for frame in self.frames
        ]
        other._prepare()
        return other

    def decoder(self) -> FeedDecoder:
        """Return a fresh decoder that counts finely enough and remembers texts."""
        made = self._made()
        made.add_instruments(self.instruments)
        if self._primer is not None:
            # What a decoder prepares of a whole listing at its first book is no message's cost.
            made.decode("recv", _NOWHERE, 0, "", self._primer)
        for key in made.instruments:
            mine, known = made.of(key), self._taught.of(key)
            mine.prices.update(known.prices)
            mine.sizes.update(known.sizes)
        return made

    def _made(self) -> FeedDecoder:
        made = make_decoder(self.kind)
        assert isinstance(made, FeedDecoder)
        made.unlisted = lambda symbol: unlisted(symbol, made.venue)
        made.finer = self._finer
        return made

    def ours(self) -> tuple[float, float, float]:
        """Return microseconds a light message, one that is no first, and a level of the rest."""
        counts = self._counts

        def part(at: int) -> int:
            if self.frames[at].kind != "recv":
                return 0
            return 1 if counts[at] > HEAVY else 2 + (at in self._first)

        _, heavy, later, first = self._read(part, 4)
        light = (later + first) / self.light
        return light * 1e6, later / self.later * 1e6, heavy / max(1, self.levels) * 1e6

    def all_of(self, known: set[Kind]) -> float:
        """Return the seconds the messages of some kinds take; the others are read, not timed."""
        counted = iter([kind in known for kind in self.kinds])
        parts = [frame.kind == "recv" and next(counted) for frame in self.frames]
        return self._read(lambda at: int(parts[at]), 2)[1]

    def _read(self, part: Callable[[int], int], parts: int) -> list[float]:
        """Read everything and return the seconds of each part of the frames."""
        decoder = self.decoder()
        self.market = market = MarketState(
            self.instruments, {decoder.venue: decoder.rule}, eager=True, lend=decoder.lend
        )
        decode, apply = decoder.decode, market.apply
        spent = [0.0] * parts
        stretches = [
            (number, [parts_of(self.frames[at]) for at in few])
            for number, stretch in itertools.groupby(range(len(self.frames)), part)
            for few in batches(stretch)
        ]
        with quiet():
            for number, kept in stretches:
                # A receiver makes the time anew for each message: a fresh int, `+ 1 - 1`, where the
                # recording's own would have to come from memory as the bytes would.
                frames = [
                    (kind, conn, ts_ns + 1 - 1, url, bytes(memoryview(data)))
                    for kind, conn, ts_ns, url, data in kept
                ]
                started = time.thread_time()
                for kind, conn, ts_ns, url, data in frames:
                    for event in decode(kind, conn, ts_ns, url, data):
                        apply(event)
                spent[number] += time.thread_time() - started
        return spent


def batches(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    """Return items in their order, `BATCH` or fewer at a time."""
    rest = iter(items)
    return iter(lambda: list(itertools.islice(rest, BATCH)), [])


def parts_of(frame: TapeFrame) -> tuple[Any, int, int, str, bytes]:
    return frame.kind, frame.conn, frame.ts_ns, frame.url, frame.data


def _decoded(decoder: FeedDecoder, frame: TapeFrame) -> Sequence[MarketEvent]:
    return decoder.decode(*parts_of(frame))


def _firsts(told: Iterable[tuple[int, Kind, frozenset[object]]]) -> set[int]:
    """Return which messages are the first of their kind of an instrument, or of the capture."""
    seen: set[object] = set()
    first = set()
    for at, kind, names in told:
        fresh = {(kind, name) for name in names or {None}} - seen
        if fresh:
            first.add(at)
            seen |= fresh
    return first


def _levels_of(events: Sequence[MarketEvent]) -> int:
    return sum(
        len(event.bids) + len(event.asks)
        for event in events
        if isinstance(event, BookDelta | BookSnapshot)
    )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the garbage collector off, with nothing left for it to do."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
