"""One connection of a line: it logs in, subscribes to what is wanted, and sees that it was taken.

::

    wanted ─► subscribe ─► owed ─► taken                         the venue confirmed it
       ▲                    └► asked again ─► given up ─► notice
       └── renew: leave, join ◄── an instrument that does not speak
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from core.feeds import notices
from core.feeds.acks import ACK_S, ASKED, Ledger
from core.feeds.decoder import MAX_FRAME_BYTES
from core.feeds.dialect import Answer, Dialect
from core.model.errors import ClxError, TemporaryError
from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.ports import Clock, FrameKind, FrameSink
from core.wire.websocket import OVERSIZED, Connection, hold

if TYPE_CHECKING:
    from core.feeds.lines import Line

TAKEOVER_S: Final = 60.0
"""A replacement that does not carry everything within this long is given up."""

_OPENING_S: Final = 15.0
_TOPICS: Final = 50
"""Channels asked for again in one message."""

_STILL_NS: Final = 10_000_000_000
"""A connection of several instruments that brings nothing for so long stands still."""

_NAMED: Final = 5
"""Instruments named in notices at once; of more only their number is told."""


class Session:
    """One connection, from its opening to its end."""

    def __init__(
        self, line: Line, number: int, dialect: Dialect, clock: Clock, sink: FrameSink
    ) -> None:
        self.changed = asyncio.Event()
        self.leaving = asyncio.Event()
        """Set when it is time to open the next connection."""
        self.settled = asyncio.Event()
        """Set while everything wanted was asked for, and the venue, where it answers, took it."""
        self.connection: Connection | None = None
        """While it is open."""
        self.lasted_ns = 0
        self._line = line
        self._number = number
        self._dialect = dialect
        self._clock = clock
        self._sink = sink
        self._carried: dict[InstrumentId, Instrument] = {}
        self._rejoins: dict[InstrumentId, None] = {}
        self._doubted: dict[InstrumentId, None] = {}
        """To be left and joined, when the venue may be bothered with it."""
        self._renewed: dict[InstrumentId, None] = {}
        """To be left and joined now."""
        self._replies: deque[str] = deque(maxlen=16)
        self._open = asyncio.Event()
        self._up = False
        self._recv_ns = 0
        self._sent_ns = 0
        self._sending = asyncio.Lock()
        self._acks = dialect.acks
        self._ledger = Ledger(ACK_S)
        self._owes = asyncio.Event()
        self._renews = asyncio.Event()
        self._audited = True
        self._auditing = False
        kind = type(dialect)
        self._listens = kind.reply is not Dialect.reply
        self._retires = kind.retires is not Dialect.retires

    def rejoin(self, name: InstrumentId) -> None:
        """Leave and join a book's channel soon."""
        self._rejoins[name] = None
        self.changed.set()

    def renew(self, name: InstrumentId) -> bool:
        """Leave and join all channels of an instrument soon; False: that is not for now.

        It is not carried yet, or the connection as a whole stands still: then that must end first.
        """
        if not self._up or name not in self._carried or not self.settled.is_set():
            return False
        if len(self._carried) > 1 and self._clock.now_ns() - self._recv_ns > _STILL_NS:
            return False
        self._doubted[name] = None
        self._renews.set()
        return True

    async def serve(self) -> None:
        """Connect and follow the line's wishes until the connection ends."""
        opened_ns = self._clock.monotonic_ns()
        limits = self._dialect.limits
        try:
            address = await self._dialect.address(self._line.route)
        except ClxError as error:
            self._closed(str(error))
            return
        await hold(
            address,
            number=self._number,
            on_open=self._follow,
            on_message=self._take,
            on_close=self._closed,
            max_frame_bytes=MAX_FRAME_BYTES,
            silence_timeout_s=limits.silence_s,
            max_age_s=limits.max_age_s + TAKEOVER_S,
            headers=self._dialect.headers(self._line.route),
        )
        self.lasted_ns = self._clock.monotonic_ns() - opened_ns

    async def _follow(self, connection: Connection) -> None:
        """Log in, then subscribe to what is wanted and to what changes."""
        self._up = True
        self.connection = connection
        self._line.told = ""
        self._put("connect", connection.url.partition("?")[0], b"")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._age())
            for message in self._dialect.opening(self._line.route):
                await self._send(connection, message)
            if self._dialect.waits_for_opening:
                try:
                    async with asyncio.timeout(_OPENING_S):
                        await self._open.wait()
                except TimeoutError:
                    raise TemporaryError(
                        f"{self._dialect.venue} did not let us in within {_OPENING_S:g} s"
                    ) from None
            if self._dialect.heartbeat is not None:
                tasks.create_task(self._beat(connection))
            if self._acks is not None:
                tasks.create_task(self._insist(connection))
            tasks.create_task(self._renew())
            self.changed.set()
            while True:
                await self.changed.wait()
                self.changed.clear()
                await self._catch_up(connection)
                if self._ledger.waiting:
                    self._owes.set()
                else:
                    self.settled.set()

    async def _catch_up(self, connection: Connection) -> None:
        dialect, route, wanted = self._dialect, self._line.route, self._line.wanted
        batch = dialect.limits.batch
        while True:
            gone = [name for name in self._carried if name not in wanted][:batch]
            again = [name for name in self._renewed if name in self._carried][:batch]
            fresh = [name for name in wanted if name not in self._carried][:batch]
            if self._replies:
                await self._send(connection, self._replies.popleft())
            elif gone or again:
                items = [self._carried.pop(name) for name in gone or again]
                for item in items:
                    self._renewed.pop(item.id, None)
                await self._send_all(connection, dialect.unsubscribe(route, items))
            elif fresh:
                items = [wanted[name] for name in fresh]
                self._carried.update(zip(fresh, items, strict=True))
                listing = dialect.listing_of(items)
                if listing is not None:
                    self._answer(listing)
                await self._send_all(connection, dialect.subscribe(route, items))
            elif self._rejoins:
                name = next(iter(self._rejoins))
                del self._rejoins[name]
                if name in self._carried:
                    await self._send_all(connection, dialect.rejoin(route, self._carried[name]))
            else:
                self._renewed.clear()
                return

    async def _send_all(self, connection: Connection, messages: Collection[str]) -> None:
        for message in messages:
            await self._send(connection, message)

    async def _send(self, connection: Connection, message: str) -> None:
        """Send at the venue's pace."""
        pace_s = self._dialect.limits.pace_s
        async with self._sending:
            since_s = (self._clock.monotonic_ns() - self._sent_ns) / 1e9
            if self._sent_ns and since_s < pace_s:
                await asyncio.sleep(pace_s - since_s)
            # Put first: its channels may speak before the send returns.
            self._put("send", "", self._dialect.redacted(message).encode())
            asked = self._acks.asked(message) if self._acks is not None else None
            if asked is not None:
                self._ledger.sent(asked, self._clock.monotonic_ns())
                self._audited = self._audited and not asked.joins
            await connection.send(self._dialect.packed(self._line.route, message))
            self._sent_ns = self._clock.monotonic_ns()

    async def _beat(self, connection: Connection) -> None:
        heartbeat = self._dialect.heartbeat
        assert heartbeat is not None
        while True:
            await asyncio.sleep(heartbeat.every_s)
            await connection.send(heartbeat.message)

    async def _age(self) -> None:
        await asyncio.sleep(self._dialect.limits.max_age_s)
        self.leaving.set()

    # -- what the venue took -----------------------------------------------------------------

    async def _insist(self, connection: Connection) -> None:
        """Ask again for what the venue has not taken, and say so where it never does."""
        acks, ledger = self._acks, self._ledger
        assert acks is not None
        while True:
            await self._owes.wait()
            wait_s = ledger.wait_s(self._clock.monotonic_ns())
            if wait_s:
                # Answers come meanwhile, and with them shorter waits.
                self._owes.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._owes.wait()
                self._owes.set()
                continue
            late, lost = ledger.overdue(self._clock.monotonic_ns())
            if lost:
                self._give_up(lost)
            for at in range(0, len(late), _TOPICS):
                await self._send_all(connection, acks.again(late[at : at + _TOPICS]))
            if not ledger.waiting:
                self._owes.clear()
                await self._audit(connection)
            # What is asked for again may never come: the connection is no worse than the last.
            self.settled.set()

    async def _audit(self, connection: Connection) -> None:
        """Have the venue list what it carries, once after each change, where that says more."""
        assert self._acks is not None
        if self._audited:
            return
        self._audited = True
        question = self._acks.audit()
        if question:
            self._auditing = True
            await self._send(connection, question)

    def _heard(self, frame: bytes) -> None:
        """Note what the venue says to our requests."""
        assert self._acks is not None
        try:
            ack = self._acks.said(frame)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        if ack is not None:
            self._auditing = self._auditing and not ack.whole
            self._ledger.said(ack, self._clock.monotonic_ns())
            self._owes.set()

    def _give_up(self, topics: Sequence[str]) -> None:
        """Say which channels the venue never took, by instrument."""
        lacking: dict[InstrumentId | None, list[str]] = {}
        for topic in topics:
            lacking.setdefault(self._of(topic), []).append(topic)
        for name, channels in list(lacking.items())[:_NAMED]:
            what = ", ".join(channels[:_NAMED]) + (" and more" if len(channels) > _NAMED else "")
            whose = f" of {name}" if name else ""
            self._tell(
                "subscription",
                f"{self._dialect.venue} never confirmed {what}{whose}, asked {ASKED} times: see "
                "whether it still trades there, and whether the plan and the keys allow it; it is "
                "asked for anew with the next connection",
                name,
            )
        if len(lacking) > _NAMED:
            self._tell(
                "subscription",
                f"{self._dialect.venue} never confirmed channels of {len(lacking)} instruments",
            )

    def _of(self, topic: str) -> InstrumentId | None:
        """Return whose channel a topic is, by the longest symbol it contains."""
        text = topic.lower()
        found = [
            (len(item.venue_symbol), name)
            for name, item in self._carried.items()
            if item.venue_symbol.lower() in text
        ]
        return max(found)[1] if found else None

    async def _renew(self) -> None:
        """Leave and join what does not speak, at the pace the venue may be bothered with it."""
        limits = self._dialect.limits
        while True:
            await self._renews.wait()
            self._renews.clear()
            names = list(self._doubted)[: limits.batch]
            for name in names:
                del self._doubted[name]
                self._renewed[name] = None
            self.changed.set()
            await asyncio.sleep(limits.renew_s)
            if self._doubted:
                self._renews.set()

    # -- frames ------------------------------------------------------------------------------

    def _take(self, data: bytes) -> None:
        now_ns = self._recv_ns = self._clock.now_ns()
        self._sink("recv", self._number, now_ns, "", data)
        if self._acks is not None and (self._ledger.waiting or self._auditing):
            self._heard(data)
        if self._listens:
            reply = self._dialect.reply(data)
            if reply is not None:
                self._replies.append(reply)
                self.changed.set()
        if self._retires and self._dialect.retires(data):
            self.leaving.set()
        if not self._open.is_set() and self._dialect.opened(data):
            self._open.set()

    def _closed(self, reason: str) -> None:
        self.settled.clear()
        self.connection = None
        # Attempts that failed to connect are told once, by the connection that was lost.
        if self._up:
            self._put("disconnect", "", reason.encode())
            if OVERSIZED in reason:
                self._tell_oversized(reason)
        elif not self._line_was_told(reason):
            self._put("disconnect", "", reason.encode())
            self._tell("connection", f"{reason}; it is tried again and again")
        self._up = False

    def _tell_oversized(self, reason: str) -> None:
        """Say whose connection went for a frame that nobody could look into."""
        names = sorted(self._carried)
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        self._tell(
            "connection",
            f"{reason}, which carried {', '.join(names[:_NAMED])}{more}; it is made anew and "
            "their books are fetched; if it comes again, take what was added last off the watchlist"
            " and see what stands between here and the venue (stream_url)",
            names[0] if len(names) == 1 else None,
        )

    def _line_was_told(self, reason: str) -> bool:
        told, self._line.told = self._line.told, reason
        return told == reason

    def _answer(self, answer: Answer) -> None:
        self._put("http", answer.url, answer.body)

    def _tell(self, kind: str, text: str, name: InstrumentId | None = None) -> None:
        self._put("notice", "", notices.written(kind, text, name))

    def _put(self, kind: FrameKind, url: str, data: bytes) -> None:
        self._sink(kind, self._number, self._clock.now_ns(), url, data)
