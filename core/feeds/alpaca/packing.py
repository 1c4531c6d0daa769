"""The option stream speaks msgpack alone: its frames as the JSON the other streams speak.

Frames stay packed on the tape. https://docs.alpaca.markets/docs/real-time-option-data
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec.msgpack import Ext

from core.model.errors import DataError

HEADERS: Final = {"Content-Type": "application/msgpack"}
"""What a handshake says so that frames come packed."""

_TIMESTAMP: Final = -1
_NANOS: Final = 1_000_000_000
_VALUE = str | int | float | bool | None | Ext | list[Any]
_READ: Final = msgspec.msgpack.Decoder(list[dict[str, _VALUE]]).decode


def plain(frame: bytes) -> bytes:
    """Return a frame as JSON; one that is JSON already stays as it is.

    Raises:
        DataError: It is neither JSON nor an array of packed messages.
    """
    first = frame[:1]
    # An array of msgpack begins with 0x90 to 0x9f, 0xdc or 0xdd, none of which begins a text.
    if not first or first < b"\x80":
        return frame
    try:
        return msgspec.json.encode(_READ(frame), enc_hook=_moment)
    except (msgspec.DecodeError, RecursionError) as error:
        raise DataError(f"a packed frame must be an array of messages: {error}") from None


def pack(text: str) -> bytes:
    """Return a request of ours packed."""
    return msgspec.msgpack.encode(msgspec.json.decode(text))


def _moment(value: Any) -> str:
    """Write a msgpack timestamp to the nanosecond, which a datetime cannot hold."""
    if not isinstance(value, Ext) or value.code != _TIMESTAMP:
        raise DataError(f"a packed value must be plain or a time, was {value!r}")
    data = bytes(value.data)
    match len(data):
        case 4:
            seconds, nanos = struct.unpack(">I", data)[0], 0
        case 8:
            (both,) = struct.unpack(">Q", data)
            seconds, nanos = both & 0x3_FFFF_FFFF, both >> 34
        case 12:
            nanos, seconds = struct.unpack(">Iq", data)
        case _:
            raise DataError(f"a packed time must have 4, 8 or 12 bytes, was {len(data)}")
    if nanos >= _NANOS:
        raise DataError(f"a packed time must have nanoseconds below a second, was {nanos}")
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanos:09d}Z"
