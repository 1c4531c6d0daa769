"""What a tape holds, and cutting a piece out of it that can still be replayed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from core.feeds.tape.lead import find_lead, kept
from core.model.errors import ConfigError, StoreError
from core.model.ids import InstrumentId
from core.model.ports import FrameKind, TapeDecoder
from core.wire.tape import encode_line
from core.wire.tape_reader import TapeFrame, TapeReader


class TapeFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Counts and ends of a tape."""

    path: str
    bytes: int
    frames: int
    kinds: dict[str, int]
    connections: int
    hosts: tuple[str, ...]
    first_ns: int
    last_ns: int
    longest_silence_ns: int
    silence_at_line: int
    damaged: tuple[str, ...]
    """Lines that hold no frame, in words."""


def facts_of(path: Path, progress: Callable[[float], None] = lambda fraction: None) -> TapeFacts:
    """Read a whole tape and count.

    Raises:
        StoreError: The file cannot be read at all.
    """
    damaged: list[str] = []
    kinds: Counter[str] = Counter()
    connections: set[int] = set()
    hosts: dict[str, None] = {}
    first = last = silence = at_line = 0
    reader = TapeReader(path)
    for frame in reader.frames(lambda line, error: damaged.append(str(error))):
        if frame.kind == "cut":
            continue
        kinds[frame.kind] += 1
        connections.add(frame.conn)
        if frame.url:
            hosts[urlsplit(frame.url).hostname or frame.url[:40]] = None
        if last and frame.ts_ns - last > silence:
            silence, at_line = frame.ts_ns - last, frame.line
        first = first or frame.ts_ns
        last = frame.ts_ns
        if not frame.line & 0xFFF:
            progress(reader.fraction)
    return TapeFacts(
        path=str(path),
        bytes=path.stat().st_size,
        frames=kinds.total(),
        kinds=dict(kinds.most_common()),
        connections=len(connections),
        hosts=tuple(hosts),
        first_ns=first,
        last_ns=last,
        longest_silence_ns=silence,
        silence_at_line=at_line,
        damaged=tuple(damaged),
    )


LEAD_BYTES: Final = 64 << 20
"""How much of messages may lead up to a cut."""


class Cut(msgspec.Struct, frozen=True):
    """What came of cutting a tape."""

    frames: int
    """Within the two times."""
    lead: int
    """Frames from before that say what those mean, with their own times."""
    left_out: tuple[InstrumentId, ...]
    """Books whose newest image was too long ago, so that they begin with the next one."""


def cut(
    path: Path,
    into: Path,
    start_ns: int,
    end_ns: int,
    decoder: TapeDecoder,
    lead_bytes: int = LEAD_BYTES,
) -> Cut:
    """Write the frames of [start_ns, end_ns) to a new tape.

    What came before and says what the frames mean goes ahead of them as it was recorded:
    connections, requests, the newest REST answer to each question, and of each book the newest
    image and all messages of its connection since. The first line says where the cut begins, and
    who reads it::

        {"t":"cut","ts_ns":...,"conn":0,"msg":{"start_ns":...,"end_ns":...,"venue":"okx"}}

    Raises:
        StoreError: A file cannot be read or written.
        ConfigError: There is nothing between the two times, they are in the wrong order, or the
            new file exists.
    """
    import zstandard

    if start_ns >= end_ns:
        raise ConfigError("a cut must begin before it ends: see --since and --until")
    if into.exists():
        raise ConfigError(f"{into} exists already: name a new file")
    lead = find_lead(path, start_ns, decoder, lead_bytes)
    head = msgspec.json.encode({"start_ns": start_ns, "end_ns": end_ns, "venue": decoder.venue})
    count = before = 0
    try:
        with into.open("xb") as raw, zstandard.ZstdCompressor(level=9).stream_writer(raw) as out:
            out.write(encode_line("cut", 0, start_ns, "", head) + b"\n")
            for frame in TapeReader(path).frames(lambda line, error: None):
                if frame.ts_ns >= end_ns and frame.kind != "cut":
                    break
                # Of a tape that was cut before, what led up to it may lead up to this one.
                led = not count and (frame.ts_ns < start_ns or frame.kind == "cut")
                if frame.kind == "cut" or (led and not kept(lead, frame)):
                    continue
                before += led
                count += not led
                out.write(_line(frame))
    except OSError as error:
        into.unlink(missing_ok=True)
        raise StoreError(f"{into}: {error.strerror or error}") from None
    if not count:
        into.unlink(missing_ok=True)
        raise ConfigError(f"{path} has no frame between the two times")
    return Cut(count, before, lead.left_out)


def _line(frame: TapeFrame) -> bytes:
    kind: FrameKind = frame.kind  # type: ignore[assignment]  # what a recorder added stays as it is
    return encode_line(kind, frame.conn, frame.ts_ns, frame.url, frame.data) + b"\n"
