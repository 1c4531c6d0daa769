"""The live feed of any venue: lines as its limits ask, images, polls and clock over REST.

::

    subscribe ──► wanted ──► line 0 ── websocket ── frames ──► sink
                        └──► line 1 ...
    request_snapshot ──► queue ──► REST image ── http frame ──► sink
                    └──► rejoin on the line, where images come in the stream
    resubscribe ──► its turn? ──► leave and join on the line, and say so
    polls, server time ──► REST ── http frame ──► sink
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import random
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Final

import msgspec

from core.feeds import notices
from core.feeds.decoder import FeedDecoder
from core.feeds.dialect import Answer, Dialect, Poll
from core.feeds.lines import OVERLAP_S, Line
from core.feeds.pleas import Pleas
from core.feeds.refills import Refills
from core.model.errors import (
    ClxError,
    ConfigError,
    DataError,
    OutcomeUnknown,
    RateLimited,
    TemporaryError,
    VenueError,
    did_you_mean,
)
from core.model.funding import FundingPaid
from core.model.ids import InstrumentId, VenueName, split_instrument_id
from core.model.instruments import Instrument
from core.model.market import Bar, Timeframe
from core.model.ports import Clock, FrameSink, ResyncReason
from core.model.stores import PastTrades, TradeHole
from core.model.tiers import MarginTiers
from core.wire.backoff import Backoff
from core.wire.budget import Budgets
from core.wire.limits import AttemptLimiter

FETCHERS: Final = 2
IMAGE_EVERY_NS: Final = 500_000_000
"""An instrument's image is fetched at most this often, whatever the gate asks."""

CLOCK_EVERY_S: Final = 30.0

LISTED_EVERY_NS: Final = 60_000_000_000
"""Whether what does not speak is still listed is asked at most this often."""


class StreamFeed:
    """A venue's market data: everything its dialect names, of every wanted instrument.

    Args:
        dialect: The venue's addresses, words and limits.
        clock: Stamps what is received.
        rng: Jitters the back-off; nothing else is left to chance.
        overlap_s: Time two connections carry the same during a planned change.
    """

    def __init__(
        self,
        dialect: Dialect,
        *,
        clock: Clock,
        rng: random.Random,
        overlap_s: float = OVERLAP_S,
    ) -> None:
        self._dialect = dialect
        dialect.decoder.exact = False
        self._clock = clock
        self._rng = rng
        self._overlap_s = overlap_s
        self._numbers = itertools.count()
        # Listings are read in threads, and no two of them may read the same one at once.
        self._listing = asyncio.Lock()
        self._listed: dict[InstrumentId, Instrument] = {}
        self._looked_up: dict[InstrumentId, Instrument] = {}
        """What was found by name, and no listing has."""
        self._wanted: dict[InstrumentId, None] = {}
        self._lines: list[Line] = []
        self._changed = asyncio.Event()
        self._joined = asyncio.Event()
        # Each instrument waits at most once, so the listing bounds the queue.
        self._images: asyncio.Queue[InstrumentId] = asyncio.Queue()
        self._queued: set[InstrumentId] = set()
        self._fetched_ns: dict[InstrumentId, int] = {}
        self._refills = Refills(dialect, clock=clock, rng=rng)
        self._pleas = Pleas()
        self._gone: set[InstrumentId] = set()
        """Wanted, and not traded any more, as was told."""
        self._doubts: asyncio.Queue[InstrumentId] = asyncio.Queue()
        self._sink: FrameSink | None = None
        limits = dialect.limits
        self._attempts = AttemptLimiter(
            clock=clock, attempts=limits.attempts, window_s=limits.attempts_window_s
        )
        self._capacity = limits.instruments * limits.connections

    def share(self, budgets: Budgets) -> None:
        """Keep requests and attempts to connect together with other programs of the same home."""
        self._dialect.share(budgets)
        self._attempts.share(budgets, self._dialect.stream_host)

    @property
    def venue(self) -> VenueName:
        """The venue its events carry."""
        return self._dialect.venue

    @property
    def decoder(self) -> FeedDecoder:
        """What reads its frames."""
        return self._dialect.decoder

    async def close(self) -> None:
        """Release the HTTP connections; the feed is of no use afterwards."""
        await self._dialect.close()

    async def instruments(self) -> list[Instrument]:
        """Fetch what the venue lists.

        Raises:
            TemporaryError: The venue is away.
            DataError: Its answer is not what it documents.
        """
        async with self._listing:
            listed = list(await self._dialect.listing())
        now_ns = self._clock.now_ns()
        over = [name for name, item in self._looked_up.items() if 0 < item.expiry_ns <= now_ns]
        for name in over:
            del self._looked_up[name]
        before, self._listed = self._listed, {
            **self._looked_up, **{item.id: item for item in listed}
        }  # fmt: skip
        self.decoder.add_instruments(listed)
        self._compare(before)
        self._changed.set()
        return listed

    async def look_up(self, instrument_id: InstrumentId) -> list[Instrument]:
        """Fetch what the venue lists by that name beside its listing; empty: nothing.

        Raises:
            TemporaryError: The venue is away.
            DataError: Its answer is not what it documents.
        """
        return self._learned(await self._dialect.look_up(split_instrument_id(instrument_id)[0]))

    async def chain(self, underlying: str) -> list[Instrument]:
        """Fetch the options on a share that the listing leaves out; empty: none.

        Raises:
            TemporaryError: The venue is away.
            DataError: Its answer is not what it documents.
        """
        return self._learned(await self._dialect.chain(underlying))

    def _learned(self, found: Sequence[Instrument]) -> list[Instrument]:
        fresh = {item.id: item for item in found}
        self._looked_up.update(fresh)
        if self._listed:
            self._listed.update(fresh)
            self._changed.set()
        return list(found)

    async def history(
        self, instrument_id: InstrumentId, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> list[Bar]:
        """Fetch closed bars with start_ns <= open time < end_ns, oldest first.

        Raises:
            TemporaryError: The venue is away.
            DataError: Its answer is not what it documents.
            ConfigError: The instrument is not listed, or has no bars of this length.
        """
        return await self._dialect.history(self._of(instrument_id), timeframe, start_ns, end_ns)

    async def funding(
        self, instrument_id: InstrumentId, start_ns: int, end_ns: int
    ) -> list[FundingPaid]:
        """Fetch the funding settled with start_ns <= time < end_ns, oldest first.

        Raises:
            TemporaryError: The venue is away.
            DataError: Its answer is not what it documents.
            ConfigError: The instrument is not listed, or the venue tells no funding of the past.
        """
        return list(await self._dialect.funding(self._of(instrument_id), start_ns, end_ns))

    async def tiers(self, instruments: Collection[Instrument]) -> list[MarginTiers]:
        """Fetch the margin tiers of some contracts; what it has none of is left out.

        Raises:
            TemporaryError: The venue is away.
            DataError: Its answer is not what it documents.
            ConfigError: The venue tells none to whoever has no account.
        """
        return list(await self._dialect.tiers(instruments))

    @property
    def joins_trades(self) -> bool:
        """Whether the stream joins trades that `trades` tells one by one."""
        return self._dialect.joins_trades

    async def trades(self, instrument_id: InstrumentId, start_ns: int, end_ns: int) -> PastTrades:
        """Fetch the trades with start_ns <= event time < end_ns, as far as the venue remembers.

        Raises:
            TemporaryError: The venue is away.
            DataError: Its answer is not what it documents.
            ConfigError: The instrument is not listed, or the venue tells no trades of the past.
        """
        return await self._dialect.trades(self._of(instrument_id), start_ns, end_ns)

    def request_trades(self, instrument_id: InstrumentId, hole: TradeHole) -> None:
        """Have trades that never came arrive as the venue's answer, where it can be asked.

        A page at a time; more holes at once than there is room for are left as they are.
        """
        self._refills.request(instrument_id, hole)

    def subscribe(self, instrument_ids: Collection[InstrumentId]) -> None:
        """Want these instruments' channels; effective at once or on connect.

        Raises:
            ConfigError: The venue, whose listing is known, does not list one of them, or its
                connections have no room for so many.
        """
        if self._listed:
            for name in instrument_ids:
                self._of(name)
        count = len({*self._wanted, *instrument_ids})
        if count > self._capacity:
            raise ConfigError(
                f"{self.venue} carries at most {self._capacity} instruments at once, "
                f"asked for {count}: unsubscribe some first"
            )
        self._wanted.update(dict.fromkeys(instrument_ids))
        self._changed.set()
        self._joined.set()

    def unsubscribe(self, instrument_ids: Collection[InstrumentId]) -> None:
        """Want them no longer."""
        for name in instrument_ids:
            self._wanted.pop(name, None)
            self._pleas.drop(name)
            self._gone.discard(name)
        self._changed.set()

    def request_snapshot(self, instrument_id: InstrumentId) -> None:
        """Have a fresh book image come: over REST, or by leaving and joining the channel."""
        if instrument_id not in self._queued:
            self._queued.add(instrument_id)
            self._images.put_nowait(instrument_id)

    def resubscribe(self, instrument_id: InstrumentId, reason: ResyncReason, heard: int) -> None:
        """Leave and join every channel of what does not speak, ever more rarely, and say so.

        The venue may never have heard of the subscription, or have lost it. Nothing happens while
        its connection is not up: that subscribes in any case.
        """
        now_ns = self._clock.monotonic_ns()
        tries = self._pleas.due(instrument_id, heard, now_ns)
        if not tries or instrument_id not in self._wanted:
            return
        if not [line for line in self._lines if line.renew(instrument_id)]:
            return
        self._pleas.made(instrument_id, tries, heard, now_ns)
        since = "was subscribed" if reason is ResyncReason.UNHEARD else "fell silent"
        pause_s = self._pleas.pause_ns(tries) / 1e9
        self._tell(
            "unheard",
            f"nothing came of {instrument_id} since it {since}, though {self.venue} is connected:"
            f" every channel is left and joined again (attempt {tries}; the next in {pause_s:g} s);"
            " if it lasts, see whether it still trades there",
            instrument_id,
        )
        if tries > 1:
            self._doubts.put_nowait(instrument_id)

    async def run(self, sink: FrameSink) -> None:
        """Connect, resubscribe and reconnect with jittered back-off until cancelled."""
        self._lines.clear()
        self._sink = sink
        self._changed.set()
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._learn_listing()
                for _ in range(FETCHERS):
                    tasks.create_task(self._fetch_images(sink))
                for poll in self._dialect.polls:
                    tasks.create_task(self._poll(poll, sink))
                tasks.create_task(self._read_clock(sink))
                tasks.create_task(self._refills.run(self._following, sink))
                tasks.create_task(self._look_for_doubted())
                while True:
                    await self._changed.wait()
                    self._changed.clear()
                    if self._dialect.streams:
                        self._assign(sink, tasks)
                    else:
                        self._pretend(sink)
        finally:
            await self._dialect.close()

    async def _learn_listing(self) -> None:
        backoff = Backoff(self._rng)
        while not self._listed:
            try:
                await self.instruments()
            except ClxError:
                # The caller of `instruments` is told; here it is only waited for.
                await asyncio.sleep(backoff.next_s())

    async def _look_for_doubted(self) -> None:
        """Read the listing anew where instruments do not speak: they may be gone or halted."""
        while True:
            names = {await self._doubts.get()}
            while not self._doubts.empty():
                names.add(self._doubts.get_nowait())
            with contextlib.suppress(ClxError):
                await self.instruments()
                for name in sorted(names):
                    item = self._listed.get(name)
                    if item is not None and not item.trading:
                        self._tell_gone(name, f"{self.venue} says that {name} is not traded now")
            await asyncio.sleep(LISTED_EVERY_NS / 1e9)

    def _compare(self, before: Mapping[InstrumentId, Instrument]) -> None:
        """Say of what is wanted that the venue no longer lists it, or no longer trades it."""
        listed = self._listed
        self._gone -= {name for name in self._gone if name in listed and listed[name].trading}
        for name in self._wanted:
            was, item = before.get(name), listed.get(name)
            if was is None:
                continue
            if item is None:
                fresh = [each.id for each in listed.values() if each.id not in before]
                near = f" (new there: {', '.join(fresh[:3])})" if 0 < len(fresh) <= 3 else ""
                self._tell_gone(name, f"{self.venue} no longer lists {name}{near}")
            elif was.trading and not item.trading:
                self._tell_gone(name, f"{self.venue} says that {name} is not traded any more")

    def _tell_gone(self, name: InstrumentId, what: str) -> None:
        """Say once why an instrument does not speak."""
        if name not in self._gone:
            self._gone.add(name)
            self._tell(
                "listing",
                f"{what}: it was halted, delisted or renamed; nothing comes of it until it is back;"
                " take it off the watchlist, and watch its new name if it has one"
                " (`clx data rename` joins what is kept of both)",
                name,
            )

    def _tell(self, kind: str, text: str, name: InstrumentId | None = None) -> None:
        if self._sink is not None:
            self._sink("notice", 0, self._clock.now_ns(), "", notices.written(kind, text, name))

    def _assign(self, sink: FrameSink, tasks: asyncio.TaskGroup) -> None:
        """Give each wanted instrument a line on each of its routes, opening lines as they fill."""
        for line in self._lines:
            for name in [name for name in line.wanted if name not in self._wanted]:
                line.drop(name)
        for name in self._wanted:
            item = self._listed.get(name)
            if item is None:
                continue
            for route in self._dialect.routes(item):
                mine = [line for line in self._lines if line.route == route]
                carrier = next((line for line in mine if name in line.wanted), None)
                if carrier is not None:
                    before, carrier.wanted[name] = carrier.wanted[name], item
                    if before.venue_symbol != item.venue_symbol:
                        # It goes on under another name of the venue's.
                        carrier.renew(name)
                    continue
                roomy = next((line for line in mine if line.has_room), None)
                (roomy or self._open(route, sink, tasks)).want(item)

    def _open(self, route: str, sink: FrameSink, tasks: asyncio.TaskGroup) -> Line:
        line = Line(
            route,
            self._dialect,
            numbers=lambda: next(self._numbers),
            attempts=self._attempts,
            clock=self._clock,
            backoff=Backoff(self._rng),
            sink=sink,
            overlap_s=self._overlap_s,
        )
        self._lines.append(line)
        tasks.create_task(line.run())
        return line

    def _pretend(self, sink: FrameSink) -> None:
        """Say what is polled as a stream's requests would, so that a tape tells it, too."""
        now_ns = self._clock.now_ns
        if not self._lines:
            line = Line(
                "",
                self._dialect,
                numbers=lambda: 0,
                attempts=self._attempts,
                clock=self._clock,
                backoff=Backoff(self._rng),
                sink=sink,
            )
            self._lines.append(line)
            sink("connect", 0, now_ns(), "", b"")
        line = self._lines[0]
        gone = [item for name, item in line.wanted.items() if name not in self._wanted]
        known = [self._listed[name] for name in self._wanted if name in self._listed]
        fresh = [item for item in known if item.id not in line.wanted]
        line.wanted = {item.id: item for item in known}
        listing = self._dialect.listing_of(fresh) if fresh else None
        if listing is not None:
            sink("http", 0, now_ns(), listing.url, listing.body)
        messages = [*self._dialect.unsubscribe("", gone)] if gone else []
        messages += self._dialect.subscribe("", fresh) if fresh else []
        for message in messages:
            sink("send", 0, now_ns(), "", message.encode())

    async def _fetch_images(self, sink: FrameSink) -> None:
        backoff = Backoff(self._rng)
        while True:
            name = await self._images.get()
            since_ns = self._clock.monotonic_ns() - self._fetched_ns.get(name, -IMAGE_EVERY_NS)
            await asyncio.sleep(max(0.0, (IMAGE_EVERY_NS - since_ns) / 1e9))
            self._queued.discard(name)
            if name not in self._wanted:
                continue
            item = self._listed.get(name)
            if item is None:
                # It speaks again though it had gone: what we know of the listing is too old.
                self._doubts.put_nowait(name)
                continue
            self._fetched_ns[name] = self._clock.monotonic_ns()
            if not self._dialect.images_by_rest:
                for line in self._lines:
                    line.rejoin(name)
                continue
            try:
                answer = await _asked(self._dialect.image(item))
            except (TemporaryError, RateLimited) as error:
                self.request_snapshot(name)
                asked_s = error.retry_after_s if isinstance(error, RateLimited) else 0.0
                await asyncio.sleep(max(asked_s, backoff.next_s()))
                continue
            except (DataError, VenueError) as error:
                # A definite no; the gate asks again in its own time.
                self._tell("image", f"{error}; its book stays stale until there is one", name)
                continue
            backoff.reset()
            self._fetched_ns[name] = self._clock.monotonic_ns()
            if answer is not None:
                sink("http", 0, self._clock.now_ns(), answer.url, answer.body)

    async def _poll(self, poll: Poll, sink: FrameSink) -> None:
        """Ask one question of each wanted instrument in turn, evenly over its interval."""
        backoff = Backoff(self._rng)
        asked: set[InstrumentId] = set()
        while True:
            items = [self._listed[name] for name in self._wanted if name in self._listed]
            asked &= {item.id for item in items}
            fresh = [item for item in items if poll.at_once and item.id not in asked]
            for item in fresh or items:
                ask = functools.partial(self._dialect.poll, poll.name, item)
                await self._ask(ask, sink, backoff)
                asked.add(item.id)
                if not fresh and await self._newly_wanted(poll, poll.every_s / len(items)):
                    break
            if not items:
                await self._newly_wanted(poll, min(poll.every_s, 1.0))

    async def _newly_wanted(self, poll: Poll, pause_s: float) -> bool:
        """Wait until it is time to ask, or, with `at_once`, until something else is wanted."""
        if not poll.at_once:
            await asyncio.sleep(pause_s)
            return False
        self._joined.clear()
        try:
            async with asyncio.timeout(pause_s):
                await self._joined.wait()
        except TimeoutError:
            return False
        return True

    async def _read_clock(self, sink: FrameSink) -> None:
        backoff = Backoff(self._rng)
        while True:
            asked_ns = self._clock.now_ns()

            async def stamped(asked_ns: int = asked_ns) -> Answer | None:
                answer = await self._dialect.server_time()
                if answer is None:
                    return None
                return msgspec.structs.replace(answer, url=f"{answer.url}#asked_ns={asked_ns}")

            if not await self._ask(stamped, sink, backoff):
                return
            await asyncio.sleep(CLOCK_EVERY_S)

    async def _ask(
        self,
        question: Callable[[], Awaitable[Answer | None]],
        sink: FrameSink,
        backoff: Backoff,
    ) -> bool:
        """Put the answer to a question on its way; False: the venue has none."""
        try:
            answer = await _asked(question())
        except RateLimited as error:
            await asyncio.sleep(max(error.retry_after_s, backoff.next_s()))
            return True
        except ClxError:
            # Nothing is lost but this one answer; its absence shows as age.
            await asyncio.sleep(backoff.next_s())
            return True
        backoff.reset()
        if answer is None:
            return False
        sink("http", 0, self._clock.now_ns(), answer.url, answer.body)
        return True

    def _following(self, name: InstrumentId) -> Instrument | None:
        """Return an instrument that is wanted still."""
        return self._listed.get(name) if name in self._wanted else None

    def _of(self, instrument_id: InstrumentId) -> Instrument:
        item = self._listed.get(instrument_id)
        if item is None:
            near = did_you_mean(instrument_id, self._listed)
            raise ConfigError(f"{self.venue} does not list {instrument_id!r}{near}")
        return item


async def _asked(question: Awaitable[Answer | None]) -> Answer | None:
    """Await a question: its outcome can always be asked for again.

    Raises:
        TemporaryError: No answer came.
    """
    try:
        return await question
    except OutcomeUnknown as error:
        raise TemporaryError(str(error)) from None
