"""What the decoders of most venues share: reading by frame kind, refusing, who carries what.

A venue's decoder derives from `FeedDecoder` and reads messages; this class turns what goes wrong
into `FrameRejected` and keeps the book of connections. Its memory comes from frames alone, so a
tape decodes the same way twice.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import msgspec

from core.feeds.named import channel_of, known_in
from core.feeds.notices import read as read_notice
from core.feeds.steps import OffStep, Steps
from core.model.errors import DataError
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import (
    FeedConnected,
    FeedDisconnected,
    FeedStatus,
    FeedStatusChanged,
    FrameRejected,
    MarketEvent,
)
from core.model.ports import FrameKind, SequenceRule

if TYPE_CHECKING:
    from core.engine.steady import Desk

MAX_FRAME_BYTES: Final = 32 << 20
"""Nothing honest is larger; a snapshot of a deep book is about 5 MB."""

_SAMPLE: Final = 120


class Known:
    """What decoding needs of one instrument."""

    __slots__ = ("id", "instrument", "prices", "sizes")

    def __init__(self, instrument: Instrument, key: str = "") -> None:
        """Take the instrument, and its key in `FeedDecoder.instruments` where not its symbol."""
        self.id = instrument.id
        self.instrument = instrument
        self.prices = Steps(instrument.price_tick, "price", key or instrument.venue_symbol)
        """Text to ticks."""
        self.sizes = Steps(instrument.size_lot, "size", key or instrument.venue_symbol)
        """Text to lots."""

    def lend(self, place: int) -> None:
        """Have the kernel take changes of the book to the desk at a place, 0: tell them.

        A venue without such a kernel tells them all the same.
        """


class FeedDecoder(ABC):
    """Base of the decoders; see `core.model.ports.TapeDecoder` for what it promises.

    Args:
        venue: The name events carry.
        rule: The venue's rule for the continuity of its books.
        instruments: Tick and lot sizes; listings on the tape teach more.
    """

    def __init__(
        self, venue: VenueName, rule: SequenceRule, instruments: Collection[Instrument] = ()
    ) -> None:
        self.venue = venue
        self.rule = rule
        self.instruments: dict[str, Instrument] = {}
        """By the venue's symbol."""
        self.off_step: dict[str, tuple[int, int]] = {}
        """See `core.model.ports.TapeDecoder.off_step`."""
        self.unlisted: Callable[[str], Instrument | None] | None = None
        """See `core.model.ports.TapeDecoder.unlisted`."""
        self.exact = True
        """Whether a size finer than its step loses the frame, so that a tape is read again in finer
        steps. Live feeds say no: orders older than a listing's present step rest in many books, and
        become the nearest lot, at least one."""
        self.finer: dict[str, tuple[int, int]] = {}
        """See `core.model.ports.TapeDecoder.finer`."""
        self.changes = 0
        """How often an instrument was learned or learned anew; a listing read again is none."""
        self._known: dict[str, Known] = {}
        self._carried: dict[int, dict[InstrumentId, set[str]]] = {}
        self._lent: dict[InstrumentId, tuple[Instrument, Desk]] = {}
        self.add_instruments(instruments)

    def add_instruments(self, instruments: Collection[Instrument]) -> None:
        """Teach it tick and lot sizes; a symbol it does not know is a `FrameRejected`."""
        for listed in instruments:
            key = self.key_of(listed)
            instrument = refined(listed, self.finer, key)
            known = self._known.get(key)
            if known is not None and known.instrument == instrument:
                continue
            self.changes += 1
            self.instruments[key] = instrument
            fresh = self.make_known(instrument)
            fresh.sizes.rounding = not self.exact
            self._show(fresh)
            for symbol in (*instrument.aliases, key):
                self._known[symbol] = fresh

    def lend(self, instrument: Instrument, desk: Desk) -> None:
        """Take changes of a book that go on as ever to its gate's desk: they are no events then.

        The instrument is what the book is counted in: while its steps are counted otherwise here,
        the desk is left alone.
        """
        self._lent[instrument.id] = instrument, desk
        for known in self._known.values():
            if known.id == instrument.id:
                self._show(known)

    def _show(self, known: Known) -> None:
        """Tell what is known of an instrument whether a desk is lent for its book."""
        lent = self._lent.get(known.id)
        if lent is not None:
            known.lend(lent[1].place if known.instrument.same_steps(lent[0]) else 0)

    @property
    def rounded(self) -> dict[InstrumentId, int]:
        """Sizes finer than a lot that became the nearest, by instrument."""
        known = {item.id: item.sizes.rounded for item in self._known.values()}
        return {name: count for name, count in known.items() if count}

    def decode(
        self, kind: FrameKind, conn: int, ts_recv_ns: int, url: str, data: bytes
    ) -> Sequence[MarketEvent]:
        """Return the frame's events in order; a frame it cannot read gives `FrameRejected`."""
        try:
            if len(data) > MAX_FRAME_BYTES:
                raise DataError(f"frame must be at most {MAX_FRAME_BYTES} bytes, was {len(data)}")
            match kind:
                case "recv":
                    return self.message(conn, ts_recv_ns, data)
                case "http":
                    return self.answer(ts_recv_ns, url, data)
                case "send":
                    return self.sent(conn, ts_recv_ns, data)
                case "connect":
                    return self.connected(conn, ts_recv_ns, url)
                case "disconnect":
                    return self.disconnected(conn, ts_recv_ns, data)
                case "cut":
                    return ()
                case "notice":
                    return read_notice(self.venue, ts_recv_ns, data)
        except OffStep as error:
            error.note(self.off_step)
            return self.reject(ts_recv_ns, str(error), data)
        except (msgspec.DecodeError, DataError, UnicodeDecodeError, RecursionError) as error:
            return self.reject(ts_recv_ns, str(error), data)
        return self.reject(ts_recv_ns, f"unknown frame kind {kind!r}", data)

    # -- what a venue adds -------------------------------------------------------------------

    @abstractmethod
    def message(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Read a message of the stream.

        Raises:
            DataError: It is not what the venue documents.
            msgspec.DecodeError: It is not JSON of the documented shape.
        """

    @abstractmethod
    def answer(self, ts_recv_ns: int, url: str, data: bytes) -> Sequence[MarketEvent]:
        """Read a REST answer by its URL; answers that hold no market events give none."""

    @abstractmethod
    def sent(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Read a request of ours: call `carry` and `release` with what it names."""

    @abstractmethod
    def label(
        self, kind: FrameKind, url: str, data: bytes, events: Sequence[MarketEvent]
    ) -> Sequence[str]:
        """Return the venue's own names of what a frame held, such as ``books:update``."""

    def key_of(self, instrument: Instrument) -> str:
        """Return what `of` finds an instrument by: more than its symbol where symbols repeat."""
        return instrument.venue_symbol

    def make_known(self, instrument: Instrument) -> Known:
        """Return what decoding needs of an instrument; a venue may need more."""
        return Known(instrument)

    # -- for venues to use -------------------------------------------------------------------

    def of(self, symbol: str) -> Known:
        """Return what is known of a venue symbol.

        Raises:
            DataError: Nothing is, and no one can say.
        """
        known = self._known.get(symbol)
        if known is None and self.unlisted is not None:
            made = self.unlisted(symbol)
            if made is not None:
                self.add_instruments([made])
                known = self._known.get(symbol)
        if known is None:
            raise DataError(f"unknown symbol {symbol[:40]!r}")
        return known

    def connected(self, conn: int, ts_recv_ns: int, url: str) -> Sequence[MarketEvent]:
        """Note a connection that carries nothing yet."""
        self._carried[conn] = {}
        opened = FeedConnected(
            venue=self.venue, ts_recv_ns=ts_recv_ns, conn=conn, instrument_ids=()
        )
        return (opened,)

    def disconnected(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Distrust what the connection carried and no other does."""
        gone = self._carried.pop(conn, {})
        return (
            FeedDisconnected(
                venue=self.venue,
                ts_recv_ns=ts_recv_ns,
                conn=conn,
                reason=data[:_SAMPLE].decode(errors="replace"),
                instrument_ids=tuple(name for name in gone if not self._is_carried(name)),
            ),
        )

    def carry(
        self, conn: int, ts_recv_ns: int, wanted: Iterable[tuple[str, str]]
    ) -> list[MarketEvent]:
        """Note (venue symbol, channel) pairs a connection carries from now on.

        An instrument that nothing carried before starts to synchronise; one more channel, or a
        second connection that takes over, changes nothing. Unknown symbols are left out: the venue
        will refuse them itself.
        """
        out: list[MarketEvent] = []
        carried = self._carried.setdefault(conn, {})
        for symbol, channel in wanted:
            try:
                name = self.of(symbol).id
            except DataError:
                continue
            if not self._is_carried(name):
                out.append(_status(name, ts_recv_ns, FeedStatus.SYNCING, "subscribed"))
            carried.setdefault(name, set()).add(channel)
        return out

    def release(
        self, conn: int, ts_recv_ns: int, gone: Iterable[tuple[str, str]]
    ) -> list[MarketEvent]:
        """Note (venue symbol, channel) pairs a connection carries no longer.

        Only an instrument that lost its last channel everywhere counts as unsubscribed: leaving
        and joining one channel, to get a fresh image, is none of that.
        """
        out: list[MarketEvent] = []
        carried = self._carried.get(conn, {})
        for symbol, channel in gone:
            known = self._known.get(symbol)
            if known is None or known.id not in carried:
                continue
            channels = carried[known.id]
            channels.discard(channel)
            if not channels:
                del carried[known.id]
                if not self._is_carried(known.id):
                    out.append(
                        _status(known.id, ts_recv_ns, FeedStatus.UNSUBSCRIBED, "not subscribed")
                    )
        return out

    def carried_by(self, conn: int) -> tuple[InstrumentId, ...]:
        """Return what a connection carries."""
        return tuple(self._carried.get(conn, ()))

    def reject(
        self,
        ts_recv_ns: int,
        reason: str,
        data: bytes,
        *,
        channel: str = "",
        instrument_id: InstrumentId | None = None,
    ) -> Sequence[MarketEvent]:
        """Return the event of a frame that is not what it should be.

        Channel and instrument that are not given are those the frame seems to name.
        """
        if instrument_id is None:
            named = known_in(data, self._known)
            channel = channel or channel_of(data, named[0] if named is not None else "")
            instrument_id = named[1].id if named is not None else None
        sample = data[: 4 * _SAMPLE].decode(errors="replace")[:_SAMPLE]
        return (
            FrameRejected(
                venue=self.venue,
                ts_recv_ns=ts_recv_ns,
                reason=reason,
                sample=sample,
                channel=channel,
                instrument_id=instrument_id,
            ),
        )

    def _is_carried(self, name: InstrumentId) -> bool:
        return any(name in carried for carried in self._carried.values())


def refined(instrument: Instrument, finer: dict[str, tuple[int, int]], key: str = "") -> Instrument:
    """Return an instrument with steps at least as fine as the decimals noted for its symbol.

    They are noted under its `key` where that is another one.
    """
    places = finer.get(key or instrument.venue_symbol)
    if places is None:
        return instrument
    price_tick, size_lot = (Decimal(1).scaleb(-count) for count in places)
    return msgspec.structs.replace(
        instrument,
        price_tick=min(instrument.price_tick, price_tick) if places[0] else instrument.price_tick,
        size_lot=min(instrument.size_lot, size_lot) if places[1] else instrument.size_lot,
    )


def _status(
    name: InstrumentId, ts_recv_ns: int, status: FeedStatus, reason: str
) -> FeedStatusChanged:
    return FeedStatusChanged(
        instrument_id=name, ts_recv_ns=ts_recv_ns, status=status, reason=reason
    )
