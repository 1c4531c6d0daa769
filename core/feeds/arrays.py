"""Reading providers that send arrays of messages of many kinds and symbols in one frame.

All are read in one pass. Where one of them is not what is documented they are read one by one, and
only that one is lost.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from core.feeds.decoder import FeedDecoder, Known
from core.feeds.steps import OffStep
from core.model.errors import DataError
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.market import MarketEvent
from core.model.ports import FrameKind, SequenceRule

Reader: TypeAlias = Callable[[Any, int, int, Any], Sequence[MarketEvent]]
"""A decoder's method for one type of message: connection, time of receipt, message."""

_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_CHANNEL: Final = 20


class ArrayDecoder(FeedDecoder):
    """Base of decoders of ``[{...},{...}]`` frames; a lone object is an array of one.

    Args:
        venue: The name events carry.
        rule: The provider's rule for the continuity of its books.
        instruments: Tick and lot sizes; listings on the tape teach more.
        messages: The union of the tagged types a message may have.
        readers: A method for each of them.
    """

    def __init__(
        self,
        venue: VenueName,
        rule: SequenceRule,
        instruments: Collection[Instrument],
        *,
        messages: Any,
        readers: Mapping[type, Reader],
    ) -> None:
        super().__init__(venue, rule, instruments)
        self._readers = readers
        self._array = msgspec.json.Decoder(list[messages]).decode
        self._one = msgspec.json.Decoder(messages).decode
        self._parts = msgspec.json.Decoder(list[msgspec.Raw]).decode

    def message(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Read an array of messages."""
        try:
            messages = self._array(data)
        except _UNREADABLE:
            return self._singly(conn, ts_recv_ns, data)
        readers = self._readers
        if len(messages) == 1:
            message = messages[0]
            try:
                return readers[type(message)](self, conn, ts_recv_ns, message)
            except (DataError, *_UNREADABLE) as error:
                return self._refuse(conn, ts_recv_ns, error, self._parts(data)[0], data)
        out: list[MarketEvent] = []
        for at, message in enumerate(messages):
            try:
                out.extend(readers[type(message)](self, conn, ts_recv_ns, message))
            except (DataError, *_UNREADABLE) as error:
                out.extend(self._refuse(conn, ts_recv_ns, error, self._parts(data)[at], data))
        return out

    def label(
        self, kind: FrameKind, url: str, data: bytes, events: Sequence[MarketEvent]
    ) -> Sequence[str]:
        """Return each message's kind as the provider names it."""
        if kind != "recv":
            return ()
        try:
            return [self.name_of(part)[0] for part in self._parts(data)]
        except _UNREADABLE:
            return ()

    # -- what a provider adds ----------------------------------------------------------------

    @abstractmethod
    def name_of(self, part: msgspec.Raw) -> tuple[str, str]:
        """Return a message's kind and symbol, empty where it has none; it may be any JSON.

        Raises:
            msgspec.DecodeError: It has neither.
        """

    def lost(
        self, conn: int, ts_recv_ns: int, kind: str, known: Known | None
    ) -> Sequence[MarketEvent]:
        """Return what follows of a message that could not be read.

        `kind` is empty and `known` None where a whole frame could not.
        """
        return ()

    # -- one by one --------------------------------------------------------------------------

    def _singly(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        try:
            parts = [msgspec.Raw(data)] if data.lstrip()[:1] == b"{" else self._parts(data)
        except _UNREADABLE as error:
            refused = self.reject(ts_recv_ns, str(error), data)
            return (*refused, *self.lost(conn, ts_recv_ns, "", None))
        out: list[MarketEvent] = []
        for part in parts:
            try:
                message = self._one(part)
                out.extend(self._readers[type(message)](self, conn, ts_recv_ns, message))
            except (DataError, *_UNREADABLE) as error:
                out.extend(self._refuse(conn, ts_recv_ns, error, part, data))
        return out

    def _refuse(
        self, conn: int, ts_recv_ns: int, error: Exception, part: msgspec.Raw, data: bytes
    ) -> Sequence[MarketEvent]:
        if isinstance(error, OffStep):
            error.note(self.off_step)
        try:
            kind, symbol = self.name_of(part)
        except _UNREADABLE:
            kind, symbol = "", ""
        known = self._known.get(symbol)
        refused = self.reject(
            ts_recv_ns,
            str(error),
            data,
            channel=kind[:_CHANNEL],
            instrument_id=known.id if known is not None else None,
        )
        return (*refused, *self.lost(conn, ts_recv_ns, kind, known))
