"""What travels between a client and an engine: length-prefixed msgpack messages.

::

    ┌────────────┬──────────────────────┐
    │ length: u4 │ msgpack, `length` B  │   length is big endian and counts the msgpack only
    └────────────┴──────────────────────┘

A client begins with `Hello`; the engine answers `Welcome` (then a snapshot or the facts missed) or
`Refused`. After that calls, facts and market frames interleave freely.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import msgspec

from core.model import errors
from core.model.errors import ClxError, DataError, RateLimited, VenueError
from core.model.ids import OriginKind
from core.model.redaction import Redactor
from core.model.views import EngineSnapshot, Fact, MarketFrame, View

PROTOCOL: Final = 1
"""Raised whenever an old client or engine would misread a message."""
MAX_REQUEST_BYTES: Final = 1 << 20
"""Largest message a client may send."""
MAX_ANSWER_BYTES: Final = 32 << 20
"""Largest message an engine may send."""

_LENGTH: Final = struct.Struct(">I")


class Hello(msgspec.Struct, frozen=True, kw_only=True, tag="hello"):
    """The first message of a client; with a session and seq it asks to resume there."""

    protocol: int
    origin: OriginKind
    session: str = ""
    seq: int = 0


class Call(msgspec.Struct, frozen=True, kw_only=True, tag="call"):
    """A command by name; answered by `Reply` or `Failed` with the same id."""

    id: int
    name: str
    args: dict[str, Any]


class Watch(msgspec.Struct, frozen=True, kw_only=True, tag="watch"):
    """What market data the client looks at from now on."""

    view: View


ClientMessage: TypeAlias = Hello | Call | Watch


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """An error in transit: the name of its class and what builds it again."""

    kind: str
    args: list[str | float]


class Welcome(msgspec.Struct, frozen=True, kw_only=True, tag="welcome"):
    """The engine lets the client in; `resumed` says the facts it missed follow, not a snapshot."""

    protocol: int
    session: str
    version: str
    pid: int
    resumed: bool


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag="refused"):
    """The engine shuts the door; nothing follows."""

    fault: Fault


class SnapshotSent(msgspec.Struct, frozen=True, kw_only=True, tag="snapshot"):
    """Start anew from this."""

    snapshot: EngineSnapshot


class FactSent(msgspec.Struct, frozen=True, kw_only=True, tag="fact"):
    """The next fact."""

    seq: int
    fact: Fact


class FrameSent(msgspec.Struct, frozen=True, kw_only=True, tag="frame"):
    """What changed in the client's view of the market."""

    frame: MarketFrame


class Reply(msgspec.Struct, frozen=True, kw_only=True, tag="reply"):
    """A call's result; its type is the command's."""

    id: int
    result: msgspec.Raw


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag="failed"):
    """A call was refused or failed."""

    id: int
    fault: Fault


class Farewell(msgspec.Struct, frozen=True, kw_only=True, tag="farewell"):
    """The engine hangs up."""

    reason: str


EngineMessage: TypeAlias = (
    Welcome | Refused | SnapshotSent | FactSent | FrameSent | Reply | Failed | Farewell
)


class Codec:
    """Encodes and decodes the messages of one side; holds no state between messages.

    Args:
        redactor: Takes secrets out of what is encoded; an engine's side has one.
    """

    def __init__(self, redactor: Redactor | None = None) -> None:
        self._redactor = redactor or Redactor()
        self._encoder = msgspec.msgpack.Encoder()
        self._from_client: msgspec.msgpack.Decoder[ClientMessage] = msgspec.msgpack.Decoder(
            ClientMessage
        )
        self._from_engine: msgspec.msgpack.Decoder[EngineMessage] = msgspec.msgpack.Decoder(
            EngineMessage
        )

    def pack(self, message: ClientMessage | EngineMessage) -> bytes:
        """Return a message framed for the wire."""
        body = self._redactor.data(self._encoder.encode(message))
        return _LENGTH.pack(len(body)) + body

    def raw(self, value: object) -> msgspec.Raw:
        """Return a value as msgpack to be put inside a message."""
        return msgspec.Raw(self._encoder.encode(value))

    def client_message(self, body: bytes) -> ClientMessage:
        """Decode what a client sent.

        Raises:
            DataError: It is not a message of this protocol.
        """
        try:
            return self._from_client.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise DataError(_malformed("client", body, error)) from error

    def engine_message(self, body: bytes) -> EngineMessage:
        """Decode what an engine sent.

        Raises:
            DataError: It is not a message of this protocol.
        """
        try:
            return self._from_engine.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise DataError(_malformed("engine", body, error)) from error


class Splitter:
    """Cuts a stream of bytes into message bodies; keeps at most one incomplete message."""

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._buffer = bytearray()

    @property
    def pending(self) -> int:
        """Bytes of an incomplete message held back."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the bodies completed by `data`, in order; the caller takes all of them.

        Raises:
            DataError: A length says more than this side accepts; the stream is then unusable.
        """
        buffer = self._buffer
        buffer += data
        start = 0
        while len(buffer) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(buffer, start)
            if length > self._max:
                raise DataError(
                    f"link message must be at most {self._max} bytes, was {length};"
                    " the other side speaks another protocol or is broken"
                )
            end = start + _LENGTH.size + length
            if len(buffer) < end:
                break
            yield bytes(buffer[start + _LENGTH.size : end])
            start = end
        if start:
            del buffer[:start]


def kind_of(error: ClxError) -> str:
    """Return the name of an error's class, or of what it is where the class is its module's own."""
    known = (kind.__name__ for kind in type(error).__mro__)
    return next((name for name in known if hasattr(errors, name)), "ClxError")


def fault_of(error: ClxError) -> Fault:
    """Return an error as it travels."""
    name = kind_of(error)
    if isinstance(error, RateLimited):
        return Fault(kind=name, args=[error.code, error.reason, error.retry_after_s])
    if isinstance(error, VenueError):
        return Fault(kind=name, args=[error.code, error.reason])
    return Fault(kind=name, args=[str(error)])


def error_of(fault: Fault) -> ClxError:
    """Build the error again; a class this side does not know becomes a plain `ClxError`."""
    kind = getattr(errors, fault.kind, None)
    if isinstance(kind, type) and issubclass(kind, ClxError):
        try:
            return kind(*fault.args)
        except TypeError:
            return ClxError(f"{fault.kind}: {fault.args}")
    return ClxError(f"{fault.kind}: {' '.join(str(arg) for arg in fault.args)}")


def _malformed(side: str, body: bytes, error: Exception) -> str:
    return f"malformed {side} message of {len(body)} bytes beginning {body[:24]!r}: {error}"
