from __future__ import annotations

import errno
import hashlib
import io
import random
import threading
from pathlib import Path
from typing import Any

import pytest
import zstandard

from core.model.errors import StoreError
from core.model.ids import VenueName
from core.model.ports import FrameKind
from core.model.redaction import Redactor
from core.wire import tape as tape_module
from core.wire.tape import TapeWriter, encode_line
from core.wire.tape_reader import TapeFrame, TapeReader

VENUE = VenueName("binance")
NOW = 1_723_161_253_937_085_768
FRAMES: list[tuple[FrameKind, int, int, str, bytes]] = [
    ("connect", 0, NOW, "wss://x/stream?streams=a@b/c@d", b""),
    ("send", 0, NOW + 1, "", b'{"method":"SUBSCRIBE","params":["a@b"],"id":1}'),
    ("recv", 0, NOW + 2, "", b'{"p":"0.00000000","q":1.0, "n":6000.0}'),
    ("recv", 0, NOW + 3, "", '{"name":"\u20bf \\"msg\\": "}'.encode()),
    ("recv", 0, NOW + 4, "", b"pong"),
    ("recv", 0, NOW + 5, "", b'{"truncated":'),
    ("recv", 0, NOW + 6, "", b"\xff\x00\xfe"),
    ("http", 3, NOW + 7, 'https://x/depth?symbol="A"', b'{\n "pretty": 1\n}'),
    ("recv", 0, NOW + 8, "", b"[" * 2000 + b"]" * 2000),
    ("disconnect", 0, NOW + 9, "", b"closed with code 1006"),
]


def read(path: Path) -> list[TapeFrame]:
    return list(TapeReader(path).frames())


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*.jsonl.zst"))


def compress(path: Path, data: bytes) -> Path:
    path.write_bytes(zstandard.ZstdCompressor().compress(data))
    return path


def test_every_kind_of_frame_comes_back_byte_for_byte(tmp_path: Path) -> None:
    writer = TapeWriter(tmp_path)
    for kind, conn, ts, url, data in FRAMES:
        writer.write(VENUE, kind, conn, ts, url, data)
    writer.close()
    (path,) = files(tmp_path)
    assert path.parent.name == "binance"
    assert path.name == "20240808T235413Z-00001.jsonl.zst"
    assert [(f.kind, f.conn, f.ts_ns, f.url, f.data) for f in read(path)] == FRAMES
    assert [frame.line for frame in read(path)] == list(range(1, len(FRAMES) + 1))
    assert writer.dropped == 0


def test_json_is_spliced_in_as_captures_have_it() -> None:
    raw = b'{"q":"0.00000000","n":1.0}'
    line = encode_line("recv", 2, NOW, "", raw)
    assert line == b'{"t":"recv","ts_ns":%d,"conn":2,"msg":%s}' % (NOW, raw)
    assert line[line.index(b'"msg":') + 6 : -1] == raw


def test_what_was_written_is_readable_while_the_tape_goes_on(tmp_path: Path) -> None:
    writer = TapeWriter(tmp_path)
    writer.write(VENUE, "recv", 0, NOW, "", b"{}")
    writer.flush()
    found = list(TapeReader(files(tmp_path)[0]).frames(lambda line, error: None))
    assert [frame.data for frame in found] == [b"{}"]
    writer.close()


def test_full_buffer_drops_with_a_count_and_never_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = threading.Event()
    stored = TapeWriter._store

    def slow(self: TapeWriter, frame: tape_module._Frame) -> None:
        disk.wait(30)
        stored(self, frame)

    monkeypatch.setattr(TapeWriter, "_store", slow)
    writer = TapeWriter(tmp_path, buffer_bytes=10_000)
    for _ in range(200):
        writer.write(VENUE, "recv", 0, NOW, "", b"{}" + b" " * 98)
    assert writer.dropped >= 200 - 10_000 // 164 - 2
    kept = 200 - writer.dropped
    disk.set()
    writer.close()
    assert len(read(files(tmp_path)[0])) == kept


def test_files_are_rotated_and_the_oldest_removed_beyond_the_bound(tmp_path: Path) -> None:
    writer = TapeWriter(tmp_path, max_bytes=60_000, file_bytes=10_000)
    for number in range(4000):
        text = f'{{"n":{number},"x":"{hashlib.sha256(b"%d" % number).hexdigest()}"}}'
        writer.write(VENUE, "recv", 0, NOW + number, "", text.encode())
        if number % 200 == 0:
            writer.flush()
    writer.close()
    paths = files(tmp_path)
    assert len(paths) > 2
    assert sum(path.stat().st_size for path in paths) <= 60_000 + 20_000
    assert read(paths[-1])[-1].data.startswith(b'{"n":3999,')
    assert not read(paths[0])[0].data.startswith(b'{"n":0,')


class Disk:
    """Stands between the tape and its files, and is full when told so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        opened, disk = Path.open, self

        class Raw(io.FileIO):
            def write(self, data: Any, /) -> int:
                if disk.full:
                    raise OSError(errno.ENOSPC, "No space left on device")
                return super().write(data)

        def bounded(path: Path, mode: str = "r", *rest: Any, **named: Any) -> Any:
            if mode != "xb":
                return opened(path, mode, *rest, **named)
            return io.BufferedWriter(Raw(path, "x"))

        monkeypatch.setattr(Path, "open", bounded)


@pytest.mark.parametrize("size", [2, 400_000], ids=["in a flush", "in a write"])
def test_full_disk_is_told_counted_and_outlived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    told: list[str] = []
    disk, second = Disk(monkeypatch), 1_000_000_000
    writer = TapeWriter(tmp_path, told=told.append)
    # Noise, as what can be compressed would wait in the compressor until the flush.
    frame = random.Random(1).randbytes(size)

    def record(at_s: int) -> None:
        writer.write(VENUE, "recv", 0, NOW + at_s * second, "", frame)
        writer.flush()

    record(0)
    disk.full = True
    for at_s in (1, 2, 3):  # The first breaks the file, the others wait for the next try.
        record(at_s)
    assert writer.error == "tape of binance: No space left on device"
    assert writer.dropped == 3
    record(7)
    assert len(files(tmp_path)) == 1, "a file that holds nothing is left behind"
    (text,) = told
    assert text.startswith(f"frames of binance cannot be written to {tmp_path}: No space left")
    assert "Free disk space" in text
    disk.full = False
    record(13)
    assert writer.error == ""
    assert len(told) == 2
    assert told[1] == "frames are recorded again; 4 were lost"
    record(14)
    writer.close()
    kept = [frame.ts_ns for frame in read(files(tmp_path)[-1])]
    assert kept == [NOW + 13 * second, NOW + 14 * second]


def test_directory_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="tape directory"):
        TapeWriter(tmp_path / "file" / "tape")


def test_old_captures_with_float_seconds_and_missing_fields_are_read(tmp_path: Path) -> None:
    path = tmp_path / "old.jsonl"
    path.write_bytes(
        b'{"t":"recv","ts":1617647603.4249449,"conn":3,"msg":{"a":1}}\n'
        b"\n"
        b'{"t":"derived_start_book","ts":1617647604,"msg":{"b":2}}\r\n'
        b'{"kind":"truncated","text":"{\\"a"}'
    )
    assert read(path) == [
        TapeFrame(1, "recv", 3, 1617647603_424944900, "", b'{"a":1}'),
        TapeFrame(3, "derived_start_book", 0, 1617647604_000000000, "", b'{"b":2}'),
        TapeFrame(4, "recv", 0, 1617647604_000000000, "", b'{"a'),
    ]


def test_damaged_line_raises_after_everything_before_it(tmp_path: Path) -> None:
    path = compress(tmp_path / "x.jsonl.zst", b'{"t":"recv","msg":{}}\nrubbish\n{"t":"recv"}\n')
    frames = TapeReader(path).frames()
    assert next(frames).line == 1
    with pytest.raises(StoreError, match=r"x\.jsonl\.zst: line 2 is no frame: JSON is malformed"):
        next(frames)


@pytest.mark.parametrize(
    "line", [b"[1]", b'{"t":5}', b'{"ts_ns":"a"}', b'{"b64":"?"}',
             b"\xff", b'{"ts":1e999999999999}'],
)  # fmt: skip
def test_damaged_line_is_told_and_passed_over_when_asked(tmp_path: Path, line: bytes) -> None:
    path = compress(tmp_path / "x.jsonl.zst", b'{"msg":1}\n' + line + b'\n{"t":"recv"}\n')
    told: list[int] = []
    frames = TapeReader(path).frames(lambda number, error: told.append(number))
    assert [frame.line for frame in frames] == [1, 3]
    assert told == [2]


def test_truncated_file_yields_what_is_whole_and_names_the_line(tmp_path: Path) -> None:
    writer = TapeWriter(tmp_path)
    for number in range(300):
        writer.write(VENUE, "recv", 0, NOW, "", b'{"n":%d,"x":"%x"}' % (number, number**31))
        if number % 50 == 0:
            writer.flush()
    writer.close()
    (path,) = files(tmp_path)
    path.write_bytes(path.read_bytes()[:-600])
    told: list[str] = []
    found = list(TapeReader(path).frames(lambda number, error: told.append(str(error))))
    assert 50 <= len(found) < 300
    assert [frame.line for frame in found] == list(range(1, len(found) + 1))
    assert len(told) == 1
    assert f"line {len(found) + 1} cannot be read" in told[0]


def test_corrupt_block_yields_what_came_before(tmp_path: Path) -> None:
    good = zstandard.ZstdCompressor().compress(b'{"t":"recv"}\n' * 3)
    path = tmp_path / "x.jsonl.zst"
    path.write_bytes(good + b"garbage that is no zstd frame")
    frames = TapeReader(path).frames()
    assert [next(frames).line for _ in range(3)] == [1, 2, 3]
    with pytest.raises(StoreError, match="line 4 cannot be read"):
        next(frames)


def test_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file"):
        read(tmp_path / "none")


def test_known_secrets_are_not_taped_in_any_frame(tmp_path: Path) -> None:
    redactor = Redactor()
    writer = TapeWriter(tmp_path, redactor=redactor)
    redactor.learn("planted-secret-0001")
    url = "https://venue/x?apiKey=planted-secret-0001"
    writer.write(VENUE, "http", 0, NOW, url, b'{"echo":"planted-secret-0001"}')
    writer.write(VENUE, "recv", 0, NOW, "", b"\xff\xfe planted-secret-0001")
    writer.close()
    first, second = TapeReader(files(tmp_path)[0]).frames()
    assert first.url == "https://venue/x?apiKey=***"
    assert first.data == b'{"echo":"%s"}' % (b"*" * 19)
    assert second.data == b"\xff\xfe " + b"*" * 19
