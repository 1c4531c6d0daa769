"""The integrity gate: an instrument's book is trusted only while every change is accounted for.

::

    UNSUBSCRIBED ────── subscribed ──────────► SYNCING ── image spliced ──► LIVE
                                                  ▲                        │  ▲
                                     subscribed   │        gap · crossed · │  │ image spliced,
                                     anew         │   silence · link lost  ▼  │ or it speaks again
                                                  └────────────────────── STALE

While a book is not in sequence its deltas wait in a bounded buffer for the next image. Everything
is decided from events and timer calls alone, so a replay decides the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, TypeAlias

import msgspec

from core.engine.book import OrderBook
from core.engine.steady import CHECKS, DELTAS, RECV, STEADY, STRAIGHT, Desk, plain
from core.model.ids import InstrumentId
from core.model.market import (
    BookCheck,
    BookDelta,
    BookSnapshot,
    CheckedDelta,
    FeedStatus,
    FeedStatusChanged,
)
from core.model.ports import (
    DEFAULT_TRAITS,
    BookTraits,
    Link,
    QuickChecker,
    ResyncReason,
    SequenceRule,
    Verdict,
)

BUFFER: Final = 4096
"""Deltas kept while an image is awaited; the oldest give way, and the splice will notice."""

GAP: Final = "gap"
CROSSED: Final = "crossed book"
CHECKSUM: Final = "checksum"
"""Reasons of a `FeedStatusChanged` that dropped a book."""

LOST: Final = frozenset({GAP, CROSSED, CHECKSUM})

# An enum's members are looked up slowly; these are met with every message.
_APPLY: Final = Verdict.APPLY
_GAP: Final = Verdict.GAP
_LIVE: Final = FeedStatus.LIVE
_UNSUBSCRIBED: Final = FeedStatus.UNSUBSCRIBED

_OLD_IMAGE: Final = "book image older than the stream"

_ASK_AFTER_NS: Final = 1_000_000_000
"""An image is asked for this long after subscribing even when nothing changes meanwhile."""

_ASK_AGAIN_NS: Final = 10_000_000_000
"""An image that has not come after this long is asked for again."""


class ResyncNeeded(msgspec.Struct, frozen=True):
    """An instrument needs a fresh book image, or does not speak: have its feed see to it."""

    instrument_id: InstrumentId
    reason: ResyncReason = ResyncReason.IMAGE
    heard: int = 0
    """Messages that ever came, where it does not speak."""


GateOutput: TypeAlias = FeedStatusChanged | ResyncNeeded


class Gate:
    """One instrument's book and the trust in it."""

    __slots__ = (
        "_asked_ns",
        "_buffer",
        "_checker",
        "_depth",
        "_eager",
        "_follow",
        "_image_id",
        "_since_ns",
        "_splice",
        "_spliced",
        "_told",
        "book",
        "checked",
        "checks_bad",
        "crossings",
        "desk",
        "figures",
        "gaps",
        "instrument_id",
        "last_top",
        "place",
        "reason",
        "resyncs",
        "status",
        "step",
        "synced",
        "traits",
    )

    def __init__(
        self,
        instrument_id: InstrumentId,
        rule: SequenceRule,
        traits: BookTraits = DEFAULT_TRAITS,
        *,
        eager: bool = False,
    ) -> None:
        """Start unsubscribed; an eager gate takes a delta for a subscription, others ignore it."""
        self._eager = eager
        self.traits = traits
        self._checker = traits.checker
        self._depth = traits.depth
        self.instrument_id = instrument_id
        self._follow = rule.follow
        self._splice = rule.splice
        self.book = OrderBook()
        # Never steady: a book that is cut after every change, or whose rule alone knows the next.
        link = Link.NONE if traits.depth else traits.link
        checker = traits.checker
        quick = checker if isinstance(checker, QuickChecker) else None
        self.desk = Desk(self.book, link, 0 if quick is None else quick.place)
        """What kernels of its venue may be lent, to take changes that go on as ever."""
        self.figures, self.place = self.desk.figures, self.desk.place
        self._told = link is not Link.NONE
        self.step = plain()
        """Takes a delta that goes on as ever, when called with `place`; 0: `on_delta` is to."""
        self.checked = _no_step if quick is None else quick.step()
        """The same for a `CheckedDelta` and `on_checked`."""
        self.status = FeedStatus.UNSUBSCRIBED
        self.reason = "not subscribed"
        self.synced = False
        """Whether the book is in sequence; a silent instrument may be stale and still be synced."""
        self.gaps = 0
        """Breaks in the sequence found."""
        self.resyncs = 0
        """Fresh images asked for because trust was lost."""
        self.crossings = 0
        """Books dropped because bid and ask met."""
        self.checks_bad = 0
        """Checksums of the venue that the book did not meet."""
        self.last_top: tuple[int, int] | None = None
        """Best bid and ask of the book before it was last dropped."""
        self._spliced = False
        self._image_id = 0
        self._buffer: deque[BookDelta] = deque(maxlen=BUFFER)
        self._asked_ns = 0
        self._since_ns = 0

    @property
    def last_recv_ns(self) -> int:
        """When anything last arrived for the instrument, our time."""
        return int(self.figures[RECV])

    @property
    def deltas(self) -> int:
        """Book messages of the stream taken."""
        return int(self.figures[DELTAS])

    @property
    def straight(self) -> int:
        """Those of them that came from the kernel that read them, and were no events."""
        return int(self.figures[STRAIGHT])

    @property
    def checks_ok(self) -> int:
        """Checksums of the venue that the book met."""
        return int(self.figures[CHECKS])

    @property
    def top(self) -> tuple[int, int] | None:
        """Best bid and ask in ticks, the last known ones while the book is dropped."""
        bid, ask = self.book.best_bid, self.book.best_ask
        return (bid, ask) if bid is not None and ask is not None else self.last_top

    def subscribe(self, now_ns: int, reason: str = "subscribed") -> Sequence[GateOutput]:
        """Start anew: forget the book and wait for an image."""
        self._forget()
        self._since_ns = now_ns
        self.figures[RECV] = now_ns
        return self._turn(FeedStatus.SYNCING, now_ns, reason)

    def unsubscribe(self, now_ns: int) -> Sequence[GateOutput]:
        """Forget the book; nothing is expected any more."""
        self._forget()
        return self._turn(FeedStatus.UNSUBSCRIBED, now_ns, "not subscribed")

    def distrust(self, now_ns: int, reason: str) -> Sequence[GateOutput]:
        """Mark stale because the feed says so (link lost); the last book stays readable."""
        if self.status is FeedStatus.UNSUBSCRIBED:
            return ()
        self.synced = False
        self.figures[STEADY] = 0
        self._buffer.clear()
        self._asked_ns = 0
        self._since_ns = now_ns
        return self._turn(FeedStatus.STALE, now_ns, reason)

    def explain(self, now_ns: int, reason: str) -> Sequence[GateOutput]:
        """Say why nothing comes, where nothing does; what speaks is judged by what it says."""
        if self.status is FeedStatus.LIVE or self.status is FeedStatus.UNSUBSCRIBED:
            return ()
        return self._turn(self.status, now_ns, reason)

    def on_delta(self, delta: BookDelta) -> Sequence[GateOutput]:
        """Apply a delta, hold it for a coming image, or find that something is missing."""
        if self.step(self.place, delta):
            # Nearly always: the next one, and nothing else to it.
            return ()
        self.figures[RECV] = delta.ts_recv_ns
        self.figures[DELTAS] += 1
        if not self.synced:
            return self._hold(delta)
        book = self.book
        judge = self._follow if self._spliced else self._splice
        verdict = judge(book.last_id, delta)
        if verdict is _APPLY:
            crossed = book.apply(delta.bids, delta.asks)
            book.last_id = delta.last_id
            self._spliced = True
            if self._depth:
                book.cut(self._depth)
            if crossed:
                return self._lose(delta, CROSSED)
        elif verdict is _GAP or self._went_back(delta):
            return self._lose(delta, GAP)
        out: Sequence[GateOutput] = ()
        if self.status is not _LIVE:
            out = self._turn(FeedStatus.LIVE, delta.ts_recv_ns, "in sequence")
        self.figures[STEADY] = self._told and self._spliced
        return out

    def on_checked(self, delta: CheckedDelta) -> Sequence[GateOutput]:
        """Take a delta as `on_delta` does, then compare the book with the venue's checksum."""
        if self.checked(self.place, delta):
            return ()
        book = self.book
        before = book.last_id if self.synced else None
        out = self.on_delta(delta)
        applied = self.synced and (book.last_id != before or delta.last_id == before == 0)
        if not applied or self._checker is None:
            return out
        self._checker.on_delta(delta)
        if delta.check is None or self._verify(delta.check):
            return out
        return (*out, *self._lose(delta, CHECKSUM))

    def on_snapshot(self, image: BookSnapshot) -> Sequence[GateOutput]:
        """Take an image and splice the held deltas onto it."""
        now_ns = image.ts_recv_ns
        if self.status is _UNSUBSCRIBED and not self._eager:
            return ()
        figures = self.figures
        figures[RECV] = now_ns
        if image.reset:
            # It stands in the stream itself: what came before it is contained or void.
            self._buffer.clear()
            figures[DELTAS] += 1
        elif self.synced and image.last_id < self.book.last_id:
            return ()
        if not self._load(image):
            self.resyncs += 1
            self._forget()
            return self._ask(now_ns, FeedStatus.STALE, CHECKSUM)
        if self._buffer:
            held = tuple(self._buffer)
            self._buffer.clear()
            for index, delta in enumerate(held):
                judge = self._follow if self._spliced else self._splice
                verdict = judge(self.book.last_id, delta)
                if verdict is _GAP:
                    return self._unspliceable(image, held[index:])
                if verdict is _APPLY:
                    self._splice_on(delta)
        if self.book.crossed:
            self.crossings += 1
            self._forget()
            return self._ask(now_ns, FeedStatus.STALE, "crossed book image")
        self._asked_ns = 0
        out = self._turn(_LIVE, now_ns, "in sequence")
        # After an image of the stream nothing but the next delta is awaited.
        figures[STEADY] = self._told and self._spliced
        return out

    def heard(self, ts_recv_ns: int) -> Sequence[GateOutput]:
        """Take a trade or quote as the sign of life it is where there is no book to wait for."""
        self.figures[RECV] = ts_recv_ns
        if self.status is FeedStatus.UNSUBSCRIBED and not self._eager:
            return ()
        if self.status is FeedStatus.LIVE or self.traits.has_book:
            return ()
        self.synced = True
        return self._turn(FeedStatus.LIVE, ts_recv_ns, "speaks")

    def doubt(self, now_ns: int, reason: str) -> Sequence[GateOutput]:
        """Distrust values that are in sequence but cannot be right, and ask for a fresh image."""
        if self.status is not FeedStatus.LIVE:
            return ()
        if not self.traits.has_book:
            return self._turn(FeedStatus.STALE, now_ns, reason)
        self.resyncs += 1
        self._forget()
        return self._ask(now_ns, FeedStatus.STALE, reason)

    def broken(
        self, now_ns: int, reason: str, expected_id: int, received_id: int
    ) -> Sequence[GateOutput]:
        """Drop the book because messages of its connection are missing."""
        if self.status is FeedStatus.UNSUBSCRIBED:
            return ()
        self.gaps += 1
        self.resyncs += 1
        self._forget()
        return self._ask(
            now_ns, FeedStatus.STALE, reason, expected_id=expected_id, received_id=received_id
        )

    def on_timer(self, now_ns: int, silence: str) -> Sequence[GateOutput]:
        """Notice silence, of which `silence` says in words how long it is, and a missing image."""
        status = self.status
        if status is FeedStatus.UNSUBSCRIBED:
            return ()
        if self.synced:
            if silence and status is FeedStatus.LIVE:
                return self._turn(FeedStatus.STALE, now_ns, silence)
            if not silence and status is FeedStatus.STALE:
                return self._turn(FeedStatus.LIVE, now_ns, "speaks again")
            return ()
        if not self.traits.has_book:
            return ()
        if self._asked_ns:
            late = now_ns - self._asked_ns > _ASK_AGAIN_NS
        else:
            late = now_ns - self._since_ns > _ASK_AFTER_NS and status is FeedStatus.SYNCING
        return self._ask(now_ns, status, self.reason) if late else ()

    def plead(self, reason: ResyncReason, heard: int) -> Sequence[GateOutput]:
        """Have the feed see to an instrument that does not speak."""
        if self.status is FeedStatus.LIVE or self.status is FeedStatus.UNSUBSCRIBED:
            return ()
        return (ResyncNeeded(self.instrument_id, reason, heard),)

    def _went_back(self, delta: BookDelta) -> bool:
        """Return whether an old delta shows that the venue numbers anew.

        Once the book follows the stream, nothing older than the image it began with can come any
        more. Were it taken for old, so would be all that follows, and the book would look alive.
        """
        return self._spliced and delta.last_id < self._image_id <= self.book.last_id

    def _load(self, image: BookSnapshot) -> bool:
        """Load an image; False: its checksum is not the book's."""
        self.figures[STEADY] = 0
        self.book.load(image.bids, image.asks)
        if self._depth:
            self.book.cut(self._depth)
        self.book.last_id = image.last_id
        # After an image of the stream, another connection may still tell what came before it.
        self._image_id = 0 if image.reset else image.last_id
        # An image of the stream itself is a message like any other: the next must follow it.
        self._spliced = image.reset
        self.synced = True
        if self._checker is None:
            return True
        self._checker.on_snapshot(image)
        return image.check is None or self._verify(image.check)

    def _splice_on(self, delta: BookDelta) -> None:
        """Apply a delta that was held for the image just loaded."""
        self.book.apply(delta.bids, delta.asks)
        self.book.last_id = delta.last_id
        self._spliced = True
        if self._checker is not None:
            self._checker.on_delta(delta)
        if self._depth:
            self.book.cut(self._depth)

    def _verify(self, check: BookCheck) -> bool:
        """Compare the book with the venue's checksum and count the outcome."""
        assert self._checker is not None
        good = self._checker.verify(self.book, check)
        if good is None:
            return True
        if good:
            self.figures[CHECKS] += 1
        else:
            self.checks_bad += 1
        return good

    def _hold(self, delta: BookDelta) -> Sequence[GateOutput]:
        started: Sequence[GateOutput] = ()
        if self.status is FeedStatus.UNSUBSCRIBED:
            if not self._eager:
                return ()
            started = self.subscribe(delta.ts_recv_ns, "waiting for a book image")
        self._buffer.append(delta)
        if self._asked_ns:
            return started
        return (*started, *self._ask(delta.ts_recv_ns, self.status, self.reason))

    def _lose(self, delta: BookDelta, reason: str) -> Sequence[GateOutput]:
        if reason is CROSSED:
            self.crossings += 1
        if not self._spliced:
            reason = _OLD_IMAGE
        return self._break(delta.ts_recv_ns, FeedStatus.STALE, reason, (delta,))

    def _unspliceable(
        self, image: BookSnapshot, rest: tuple[BookDelta, ...]
    ) -> Sequence[GateOutput]:
        status = FeedStatus.STALE if self._spliced else self.status
        return self._break(
            image.ts_recv_ns, status, GAP if self._spliced else _OLD_IMAGE, rest
        )  # fmt: skip

    def _break(
        self, now_ns: int, status: FeedStatus, reason: str, rest: tuple[BookDelta, ...]
    ) -> Sequence[GateOutput]:
        """Drop the book, keep `rest` for the next image and ask for it."""
        expected = self.book.last_id + 1
        if reason != _OLD_IMAGE:
            self.gaps += 1
        self.resyncs += 1
        self._forget()
        self._buffer.extend(rest)
        return self._ask(
            now_ns, status, reason, expected_id=expected, received_id=rest[0].first_id
        )  # fmt: skip

    def _forget(self) -> None:
        self.last_top = self.top
        self.book.clear()
        self.synced = False
        self.figures[STEADY] = 0
        self._spliced = False
        self._buffer.clear()
        self._asked_ns = 0

    def _ask(
        self,
        now_ns: int,
        status: FeedStatus,
        reason: str,
        *,
        expected_id: int = 0,
        received_id: int = 0,
    ) -> Sequence[GateOutput]:
        self._asked_ns = max(now_ns, 1)
        told = self._turn(status, now_ns, reason, expected_id, received_id)
        return (*told, ResyncNeeded(self.instrument_id))

    def _turn(
        self,
        status: FeedStatus,
        now_ns: int,
        reason: str,
        expected_id: int = 0,
        received_id: int = 0,
    ) -> Sequence[FeedStatusChanged]:
        if status is self.status and reason == self.reason:
            return ()
        self.status = status
        self.reason = reason
        self.figures[STEADY] = 0
        return (
            FeedStatusChanged(
                instrument_id=self.instrument_id,
                ts_recv_ns=now_ns,
                status=status,
                reason=reason,
                expected_id=expected_id,
                received_id=received_id,
            ),
        )


def _no_step(place: int, delta: CheckedDelta) -> int:
    return 0
