"""Agreement with the venue: what it says of orders, fills and balances against what we know.

Runs at start, whenever a venue's stream comes up, every so often, and for every order whose outcome
only the venue can tell. It changes nothing itself: what it learns goes to the desk as venue events.

::

    open orders ─► each of ours: listed? ─yes─► accepted, filled so far
                                  └─no──► ask by client order id ─► state, or twice "no such order"
    fills since the last look ─► those not booked yet
    what the engine holds back ─► armed again
    funding and the like since the last look ─► what is not booked yet
    positions of contracts, twice the same ─► adopt, protect, flatten, or wait for an answer
    balances, twice the same ─► adopt the difference, and say so
    an exit that may have arrived or not ─► entries wait until that is known
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Mapping
from decimal import Decimal
from typing import Final, TypeVar

from core.model.errors import ClxError, ConfigError, TemporaryError, did_you_mean
from core.model.ids import ClientOrderId, VenueName
from core.model.orders import OrderState, Role, VenueOrder
from core.model.ports import Clock, Venue
from core.model.settings import Settings, VenueSettings
from core.trading.closing import Part
from core.trading.desk import TradingDesk
from core.trading.findings import Findings, PositionDifference, PositionKey
from core.trading.links import Answer
from core.trading.tracked import Tracked

_SECOND_NS: Final = 1_000_000_000
_OVERLAP_NS: Final = 60 * _SECOND_NS
"""How far before the last look fills are asked for again; repeats cost nothing."""
_MARGIN_S: Final = 1.0
_ASKS_PER_ROUND: Final = 10
_CANCEL_PATIENCE_S: Final = 3.0
_BACKOFF_S: Final = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
_BALANCE_LOOKS: Final = 4
_EXITS: Final = frozenset({Role.STOP, Role.TARGET})
_UNANSWERED: Final = frozenset({OrderState.SUBMITTED, OrderState.UNKNOWN})
_Answer = TypeVar("_Answer")


class _Unsettled(TemporaryError):
    """Orders or money moved while they were being compared."""

    def __init__(self, text: str, pause_s: float | None = None) -> None:
        """`pause_s` is when to compare again, None for soon."""
        super().__init__(text)
        self.pause_s = pause_s


class Reconciler:
    """Owns the questions to venues."""

    def __init__(
        self,
        desk: TradingDesk,
        venues: Mapping[VenueName, Venue],
        clock: Clock,
        settings: Settings,
        *,
        visibility_s: float | None = None,
    ) -> None:
        """Prepare; `visibility_s` is how long an order may travel before "no such order" counts.

        By default that is the venue's receive window, after which it would refuse the order anyway,
        and a second.
        """
        self._desk = desk
        self._venues = venues
        self._clock = clock
        self._settings = settings
        self._visibility_s = visibility_s
        self._wakes = {name: asyncio.Event() for name in venues}
        self._sought_ns: dict[VenueName, float] = dict.fromkeys(venues, float("-inf"))
        """When fills that ended orders lack were last looked for."""
        self._again: set[VenueName] = set()
        """Venues that are to be compared once more, whatever the comparison under way says."""
        self._locks = {name: asyncio.Lock() for name in venues}
        self._due_ns: dict[VenueName, int] = dict.fromkeys(venues, 0)
        self._failures: dict[VenueName, int] = dict.fromkeys(venues, 0)
        self._looked_ns: dict[VenueName, int] = {}
        self._asked_ns: dict[ClientOrderId, int] = {}
        self._answers: dict[VenueName, tuple[Answer, tuple[str, ...]]] = {}
        """What somebody said, and to which differences; an answer holds for no other ones."""
        self._findings = Findings(desk)
        desk.links.wake = self._on_wake
        desk.links.look = self._on_look
        desk.links.answer = self.answer

    async def run(self) -> None:
        """Compare and ask until cancelled, each venue at its own pace."""
        async with asyncio.TaskGroup() as group:
            for name in self._venues:
                group.create_task(self._follow(name), name=f"reconcile {name}")

    async def reconcile(self, venue: VenueName | None = None) -> tuple[str, ...]:
        """Compare one venue or all now; return what was found and done, in words.

        Raises:
            ConfigError: There is no such venue.
            TemporaryError: A venue did not answer, or orders moved while being compared.
        """
        if venue is not None and venue not in self._venues:
            raise ConfigError(f"no venue {venue!r} is set up{did_you_mean(venue, self._venues)}")
        found: list[str] = []
        open_questions: list[str] = []
        for name in self._venues if venue is None else (venue,):
            try:
                found.extend(await self._compare(name))
            except TemporaryError as error:
                open_questions.append(f"{name}: {error}")
        if open_questions:
            raise TemporaryError("; ".join([*open_questions, *found]))
        return tuple(found)

    def answer(self, venue: VenueName, what: Answer) -> None:
        """Say what is to be done with positions of a venue that are not ours.

        Raises:
            ConfigError: There is no such venue, or nothing is asked of it.
        """
        if venue not in self._venues:
            raise ConfigError(f"no venue {venue!r} is set up{did_you_mean(venue, self._venues)}")
        asks = self._desk.links.view(venue).asks
        if not asks:
            raise ConfigError(f"{venue} asks nothing: its positions are ours")
        self._answers[venue] = (what, asks)
        self._on_wake(venue)

    def _on_wake(self, venue: VenueName) -> None:
        self._due_ns[venue] = 0
        self._failures[venue] = 0
        self._again.add(venue)
        self._wakes[venue].set()

    def _on_look(self, venue: VenueName) -> None:
        """Look for fills at once, unless that was done a moment ago: then with the next poll.

        Answers to cancels may be ahead of the stream by the dozen, and each look costs requests.
        """
        pause_ns = self._settings.trading.unknown_poll_s * _SECOND_NS
        if self._clock.monotonic_ns() >= self._sought_ns[venue] + pause_ns:
            self._wakes[venue].set()

    async def _follow(self, venue: VenueName) -> None:
        wake = self._wakes[venue]
        while True:
            wake.clear()
            self._again.discard(venue)
            await self._round(venue)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.trading.unknown_poll_s):
                    await wake.wait()

    async def _round(self, venue: VenueName) -> None:
        """Do what is due for one venue; a failure waits longer each time."""
        settings, now_ns = self._settings.trading, self._clock.monotonic_ns()
        due = now_ns >= self._due_ns[venue]
        asks = self._to_ask(venue) or self._short(venue)
        if not due and (self._failures[venue] or not asks):
            return
        try:
            if due:
                await self._compare(venue)
                self._wait(venue, settings.reconcile_every_s)
            else:
                await self._ask_all(venue)
        except _Unsettled as error:
            soon_s = settings.unknown_poll_s
            self._wait(venue, soon_s if error.pause_s is None else error.pause_s)
            self._desk.links.failed(venue, str(error))
        except ClxError as error:
            self._failed(venue, error)

    def _wait(self, venue: VenueName, pause_s: float) -> None:
        if venue not in self._again:
            self._due_ns[venue] = self._clock.monotonic_ns() + int(pause_s * _SECOND_NS)

    def _failed(self, venue: VenueName, error: ClxError) -> None:
        count = self._failures[venue]
        if count == 1:
            self._desk.alert("warning", f"{venue} cannot be compared: {error}")
        self._failures[venue] = count + 1
        self._wait(venue, _BACKOFF_S[min(count, len(_BACKOFF_S) - 1)])
        self._desk.links.failed(venue, str(error))

    async def _compare(self, venue: VenueName) -> tuple[str, ...]:
        """Compare everything with one venue, and open it for entries when all is settled."""
        async with self._locks[venue]:
            started_ns = self._clock.now_ns()
            orders = self._desk.books.orders
            notes: list[str] = []
            listed = await self._answer(venue, self._venues[venue].open_orders())
            by_id = {item.client_order_id: item for item in listed}
            notes += self._findings.foreign(listed)
            for order_id, found in by_id.items():
                tracked = orders.get(order_id)
                if tracked is not None and tracked.order.state.terminal:
                    notes += await self._risen(tracked, venue)
                elif tracked is not None:
                    self._align(tracked, found)
            for tracked in self._open_at(venue, started_ns):
                if tracked.order.id not in by_id:
                    await self._ask(tracked)
            notes += await self._catch_up(venue, started_ns)
            # What protects positions goes back first, before anything else is asked.
            self._desk.guard.rearm(venue)
            await self._catch_flows(venue, started_ns)
            notes += await self._compare_positions(venue)
            notes += await self._compare_balances(venue, started_ns)
            self._await_exits(venue, started_ns)
            self._looked_ns[venue] = started_ns
            self._failures[venue] = 0
            self._findings.forget_ended()
            self._asked_ns.clear()
            self._desk.reconciled(venue, tuple(notes))
            return tuple(notes)

    def _await_exits(self, venue: VenueName, before_ns: int) -> None:
        """Keep entries waiting until it is known which exits the venue has.

        What a lost one leaves without protection is covered once that is known, and not before.

        Raises:
            _Unsettled: One may have arrived or not, and entries do not go yet.
        """
        if venue not in self._desk.books.switches.closed_venues:
            return
        for tracked in self._open_at(venue, before_ns):
            order = tracked.order
            if order.intent.role in _EXITS and order.state in _UNANSWERED:
                # It alone is asked about meanwhile: whole comparisons would spend the budget.
                raise _Unsettled(
                    f"it is not known whether exit {order.id} has arrived",
                    self._visibility_ns(venue) / _SECOND_NS,
                )

    def _due_at_once(self, venue: VenueName) -> None:
        """Compare a venue next that waits for answers before entries may go."""
        if venue in self._desk.books.switches.closed_venues:
            self._due_ns[venue] = 0

    async def _ask_all(self, venue: VenueName) -> None:
        """Ask about the orders whose outcome only the venue can tell."""
        async with self._locks[venue]:
            self._sought_ns[venue] = self._clock.monotonic_ns()
            asked = self._to_ask(venue)[:_ASKS_PER_ROUND]
            for tracked in asked:
                await self._ask(tracked)
            if asked and all(item.order.state not in _UNANSWERED for item in asked):
                self._due_at_once(venue)
            await self._catch_up(venue, self._clock.now_ns(), only_short=True)
            for tracked in asked:
                self._desk.guard.on_order(tracked.order.id)

    def _to_ask(self, venue: VenueName) -> list[Tracked]:
        """Return the venue's orders that need asking, the longest unasked first."""
        now_ns = self._clock.now_ns()
        answer_s = self._venue_settings(venue).timeout_s * 2 + _MARGIN_S
        found: list[Tracked] = []
        for tracked in self._desk.books.orders.open():
            order = tracked.order
            age_s = (now_ns - order.ts_updated_ns) / _SECOND_NS
            silent = order.state is OrderState.SUBMITTED and age_s > answer_s
            changing = order.amending or order.state is OrderState.PENDING_CANCEL
            stuck = changing and age_s > _CANCEL_PATIENCE_S
            if order.venue == venue and (tracked.ask or silent or stuck):
                found.append(tracked)
        found.sort(key=lambda item: self._asked_ns.get(item.order.id, 0))
        return found

    def _open_at(self, venue: VenueName, before_ns: int) -> list[Tracked]:
        """Return open orders of ours that were sent before a time."""
        return [
            item
            for item in self._desk.books.orders.open()
            if item.order.venue == venue
            and item.order.ts_submitted_ns < before_ns
            and item.order.state is not OrderState.HELD
        ]

    async def _ask(self, tracked: Tracked) -> None:
        """Ask the venue for one order by its client order id, and believe the answer."""
        order = tracked.order
        self._asked_ns[order.id] = self._clock.now_ns()
        found = await self._answer(order.venue, self._venues[order.venue].find_order(order))
        if tracked.order.state.terminal:
            return
        if found is not None:
            self._align(tracked, found)
        elif self._findings.missing(tracked, self._visibility_ns(order.venue)):
            self._asked_ns.pop(order.id, None)
            # Balances that waited for this order can be compared now.
            self._due_ns[order.venue] = 0
        else:
            tracked.ask = True

    def _align(self, tracked: Tracked, found: VenueOrder) -> None:
        """Take what the venue says of an order that has not ended here."""
        order = tracked.order
        self._findings.align(tracked, found, self._visibility_ns(order.venue))
        waited_ns = self._clock.now_ns() - order.ts_updated_ns
        lost_cancel = (
            tracked.order.state is OrderState.PENDING_CANCEL
            and not found.state.terminal
            and waited_ns > _CANCEL_PATIENCE_S * _SECOND_NS
        )
        if lost_cancel:
            self._desk.cancel(order.id, "engine")

    async def _risen(self, tracked: Tracked, venue: VenueName) -> list[str]:
        """Deal with an order that ended here and is open there: ask again, then cancel it."""
        order = tracked.order
        found = await self._answer(venue, self._venues[venue].find_order(order))
        if found is None or found.state.terminal:
            return []
        if order.state is OrderState.REJECTED:
            self._findings.align(tracked, found, self._visibility_ns(venue))
            return [f"order {order.id} was believed rejected and lives"]
        self._venues[venue].cancel(order)
        note = f"order {order.id} is {order.state} here and open there: cancelling it"
        self._desk.alert("error", note)
        return [note]

    def _short(self, venue: VenueName) -> bool:
        """Return whether fills are missing of orders that have ended."""
        return any(item.order.venue == venue for item in self._desk.books.orders.short())

    async def _catch_up(
        self, venue: VenueName, now_ns: int, *, only_short: bool = False
    ) -> list[str]:
        """Book the fills we were not told of, then end the orders the venue has ended."""
        self._findings.note_short(venue)
        looked_ns = self._looked_ns.get(venue)
        since_ns = (looked_ns or self._desk.recovered_ns or now_ns) - _OVERLAP_NS
        wanted = self._findings.short_since(venue)
        for tracked in () if only_short else self._desk.books.orders.all():
            order = tracked.order
            ended = order.state.terminal
            if order.venue != venue or (ended and order.ts_updated_ns < since_ns):
                continue
            start_ns = since_ns
            if looked_ns is None and not ended:
                start_ns = min(since_ns, order.ts_submitted_ns - _OVERLAP_NS)
            key = order.intent.instrument_id
            wanted[key] = min(wanted.get(key, start_ns), start_ns)
        missed = 0
        for instrument_id, start_ns in sorted(wanted.items()):
            fills = await self._answer(venue, self._venues[venue].fills(instrument_id, start_ns))
            missed += self._findings.book(venue, fills)
        notes = [f"{missed} fills were missed and are booked now"] if missed else []
        return notes + self._findings.settle(venue)

    async def _catch_flows(self, venue: VenueName, started_ns: int) -> None:
        """Book what moved without a fill since the last look; what is told twice is booked once."""
        since_ns = self._looked_ns.get(venue) or self._desk.recovered_ns or started_ns
        flows = await self._answer(venue, self._venues[venue].cash_flows(since_ns - _OVERLAP_NS))
        for flow in flows:
            self._desk.on_venue_event(flow)

    async def _compare_positions(self, venue: VenueName) -> list[str]:
        """Hold our contracts against the venue's, and settle what differs twice the same.

        Raises:
            _Unsettled: Positions kept moving, or somebody must say what is to be done.
        """
        previous: Mapping[PositionKey, tuple[Decimal, Decimal]] | None = None
        for look in range(_BALANCE_LOOKS):
            if look:
                await asyncio.sleep(min(self._settings.trading.unknown_poll_s, 1.0))
                await self._catch_up(venue, self._clock.now_ns())
            version = self._desk.books.ledger.transactions
            stated = await self._answer(venue, self._venues[venue].positions())
            self._desk.books.account.state(stated)
            differences = self._findings.position_differences(venue, stated)
            if not differences:
                self._answers.pop(venue, None)
                self._desk.links.ask(venue, ())
                return []
            moved = version != self._desk.books.ledger.transactions
            settled = not moved and not self._open_question(venue)
            sizes = {key: found.sizes for key, found in differences.items()}
            if settled and sizes == previous:
                return self._settle_positions(venue, differences)
            previous = sizes if settled else None
        if venue in self._looked_ns:
            return []
        raise _Unsettled("positions, or orders that change them, are still being settled")

    def _settle_positions(
        self, venue: VenueName, differences: Mapping[PositionKey, PositionDifference]
    ) -> list[str]:
        """Do with other positions than ours what is set, or what somebody answered."""
        fresh = venue not in self._looked_ns and not self._desk.recovered_ns
        words = tuple(found.words(key) for key, found in differences.items())
        said, about = self._answers.pop(venue, (None, words))
        answer = said if said and about == words else self._settings.trading.on_difference
        if fresh:
            return self._findings.adopt_positions(venue, differences, fresh=True)
        if answer == "ask":
            if about != words:
                self._desk.alert("warning", f"{venue}: not what was answered to any more")
            self._desk.links.ask(venue, words)
            # Somebody must be waited for, and whole comparisons would spend the request budget that
            # carrying the answer out needs; an answer wakes it.
            every_s = self._settings.trading.reconcile_every_s
            raise _Unsettled(f"{'; '.join(words)}: answer adopt, protect or flatten", every_s)
        self._desk.links.ask(venue, ())
        notes = self._findings.adopt_positions(venue, differences, fresh=False)
        # What else there is of an instrument, on the other side or at another account, is ours.
        held = [
            Part(name, venue, side)
            for (name, side), found in differences.items()
            if found.theirs is not None
        ]
        if answer == "protect" and held:
            self._desk.reduce(f"{venue} holds positions that are not ours")
            for part in held:
                self._desk.protect(part, "position found at the venue")
        elif answer == "flatten" and held:
            names = [part.instrument_id for part in held]
            self._desk.flatten(names, "position found at the venue", held)
        return notes

    def _open_question(self, venue: VenueName) -> bool:
        return self._short(venue) or any(
            item.ask or item.order.state in _UNANSWERED
            for item in self._desk.books.orders.open()
            if item.order.venue == venue
        )

    async def _compare_balances(self, venue: VenueName, started_ns: int) -> list[str]:
        """Adopt what the venue holds, once two looks agree and nothing moved between them.

        Raises:
            _Unsettled: Orders or money kept moving and the venue is not open yet.
        """
        first = venue not in self._looked_ns
        previous: dict[str, object] | None = None
        for look in range(_BALANCE_LOOKS):
            if look:
                await asyncio.sleep(min(self._settings.trading.unknown_poll_s, 1.0))
                await self._catch_up(venue, started_ns)
                # What moved since the last look has its own entry: a fee, funding, a transfer.
                await self._catch_flows(venue, started_ns)
            version = self._desk.books.ledger.transactions
            reported = await self._answer(venue, self._venues[venue].balances())
            moved = version != self._desk.books.ledger.transactions
            differences = self._findings.differences(venue, reported)
            if not differences:
                return []
            open_question = self._open_question(venue)
            settled = not moved and not open_question
            opening = not self._desk.books.ledger.knows(venue)
            if settled and (opening or differences == previous):
                fresh = first and not self._desk.recovered_ns
                return self._findings.adopt(venue, differences, fresh=fresh)
            previous = dict(differences) if settled else None
            if open_question:
                break
        if first:
            raise _Unsettled("orders whose outcome is unknown, or fills, are still being settled")
        return []

    def _visibility_ns(self, venue: VenueName) -> int:
        if self._visibility_s is not None:
            return int(self._visibility_s * _SECOND_NS)
        return self._venue_settings(venue).recv_window_ms * 1_000_000 + _SECOND_NS

    def _venue_settings(self, venue: VenueName) -> VenueSettings:
        return self._settings.venues.get(venue) or VenueSettings()

    async def _answer(self, venue: VenueName, question: Awaitable[_Answer]) -> _Answer:
        """Await a venue's answer, but not for ever."""
        limit_s = self._venue_settings(venue).timeout_s * 4
        try:
            async with asyncio.timeout(limit_s):
                return await question
        except TimeoutError as error:
            raise TemporaryError(f"{venue} did not answer within {limit_s:g} s") from error
