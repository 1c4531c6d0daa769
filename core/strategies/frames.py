"""The language between the engine and a strategy's process: length-prefixed msgpack.

::

    engine -> host   Start, then inputs
    host -> engine   Ready or Unfit, then for each input one Answer, in order; or Raised

A frame is 4 bytes of length, little-endian, and a msgpack map tagged by ``frame``.
"""

from __future__ import annotations

import struct
from typing import Final, TypeAlias

import msgspec

from core.model.errors import DataError
from core.model.signals import (
    BarInput,
    BookInput,
    FillInput,
    HoldingInput,
    Signal,
    StrategyCancel,
    StrategyInfo,
    StrategyIntent,
    TargetPosition,
)
from core.strategies.stage import Assignment

MAX_FRAME: Final = 1 << 20
"""Bytes of one frame; more is no message of ours."""

_LENGTH: Final = struct.Struct("<I")


class Start(msgspec.Struct, frozen=True, tag_field="frame", tag="start"):
    """What to play."""

    assignment: Assignment


class Tell(msgspec.Struct, frozen=True, tag_field="frame", tag="tell"):
    """One input."""

    message: BarInput | BookInput | FillInput | HoldingInput


class Ready(msgspec.Struct, frozen=True, tag_field="frame", tag="ready"):
    """The strategy is loaded."""

    info: StrategyInfo


class Unfit(msgspec.Struct, frozen=True, tag_field="frame", tag="unfit"):
    """The strategy cannot be loaded, or its settings are wrong."""

    reason: str


class Answer(msgspec.Struct, frozen=True, tag_field="frame", tag="answer"):
    """One input was handled."""

    outputs: list[Signal | TargetPosition | StrategyIntent | StrategyCancel]


class Raised(msgspec.Struct, frozen=True, tag_field="frame", tag="raised"):
    """The strategy raised; its process ends."""

    reason: str


FromHost: TypeAlias = Ready | Unfit | Answer | Raised
ToHost: TypeAlias = Start | Tell


def pack(frame: FromHost | ToHost) -> bytes:
    """Return a frame's bytes."""
    body = msgspec.msgpack.encode(frame)
    return _LENGTH.pack(len(body)) + body


class FrameReader:
    """Cuts a stream of bytes into frame bodies."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take more bytes and return the bodies now complete.

        Raises:
            DataError: A length is impossible: what came is no frame.
        """
        self._buffer += data
        bodies = []
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if not 0 < length <= MAX_FRAME:
                raise DataError(f"frame length must be 1 to {MAX_FRAME}, was {length}")
            if len(self._buffer) < _LENGTH.size + length:
                break
            bodies.append(bytes(self._buffer[_LENGTH.size : _LENGTH.size + length]))
            del self._buffer[: _LENGTH.size + length]
        return bodies
