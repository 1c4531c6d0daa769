"""What a tape holds, and cutting a piece out of it that can still be replayed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from core.model.errors import ConfigError, StoreError
from core.model.ports import FrameKind
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


def cut(path: Path, into: Path, start_ns: int, end_ns: int) -> int:
    """Write the frames of [start_ns, end_ns) to a new tape and return how many there are.

    What came before and says what the frames mean goes with them: connections, requests and REST
    answers, the newest of each question. So a book starts from its last image and the changes
    since, if that image is not older than the cut needs; a replay says so when it is.

    Raises:
        StoreError: A file cannot be read or written.
        ConfigError: There is nothing between the two times, or the new file exists.
    """
    import zstandard

    if into.exists():
        raise ConfigError(f"{into} exists already: name a new file")
    context: dict[tuple[str, int, str], TapeFrame] = {}
    count = 0
    try:
        with into.open("xb") as raw, zstandard.ZstdCompressor(level=9).stream_writer(raw) as out:
            for frame in TapeReader(path).frames(lambda line, error: None):
                if frame.ts_ns >= end_ns:
                    break
                if frame.ts_ns < start_ns:
                    _remember(context, frame)
                    continue
                if not count:
                    for before in sorted(context.values(), key=lambda item: item.line):
                        out.write(_line(before))
                count += 1
                out.write(_line(frame))
    except OSError as error:
        into.unlink(missing_ok=True)
        raise StoreError(f"{into}: {error.strerror or error}") from None
    if not count:
        into.unlink(missing_ok=True)
        raise ConfigError(f"{path} has no frame between the two times")
    return count


def _remember(context: dict[tuple[str, int, str], TapeFrame], frame: TapeFrame) -> None:
    match frame.kind:
        case "connect":
            context[frame.kind, frame.conn, ""] = frame
        case "disconnect":
            for key in [key for key in context if key[1] == frame.conn and key[0] != "http"]:
                del context[key]
        case "send":
            context[frame.kind, frame.conn, str(frame.line)] = frame
        case "http":
            context[frame.kind, 0, frame.url or str(frame.line)] = frame


def _line(frame: TapeFrame) -> bytes:
    kind: FrameKind = frame.kind  # type: ignore[assignment]  # what a recorder added stays as it is
    return encode_line(kind, frame.conn, frame.ts_ns, frame.url, frame.data) + b"\n"
