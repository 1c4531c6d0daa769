"""How orders and their events flow: journal first, then effect, then the venue or the clients.

What an event leads to for other orders, such as the children of an entry that filled, the guard
says once the event has taken effect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext

from core.model.abilities import VenueAbilities
from core.model.errors import ConfigError, InvariantError
from core.model.facts import InstrumentKept, JournalRecord
from core.model.ids import (
    ClientOrderId,
    InstrumentId,
    OriginKind,
    VenueName,
    check_client_order_id,
)
from core.model.instruments import Instrument
from core.model.market import Side
from core.model.orders import (
    CancelSubmitted,
    Order,
    OrderCanceled,
    OrderDenied,
    OrderEvent,
    OrderHeld,
    OrderIntent,
    OrderReleased,
    OrderState,
    OrderSubmitted,
    OrderUnknown,
)
from core.model.ports import Clock, Marks, Venue
from core.trading.board import Board
from core.trading.books import Books
from core.trading.form import Denial
from core.trading.guard import Guard
from core.trading.judging import Latest
from core.trading.orders import Applied
from core.trading.passed import Passed
from core.trading.recorder import Recorder
from core.trading.risk import RiskGate
from core.trading.routing import lacks, waits_for, wire_form
from core.trading.tracked import Tracked
from core.trading.trips import RoundTrips

_NOT_THERE = frozenset({OrderState.SUBMITTED, OrderState.HELD})
"""States in which there is nothing at the venue that could be cancelled."""
_CANCEL_NOW = frozenset({OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED, OrderState.UNKNOWN})
"""States in which a cancel asked for earlier can be sent."""


class OrderFlow:
    """Moves orders through gate, journal, books and adapters."""

    def __init__(
        self,
        *,
        books: Books,
        gate: RiskGate,
        recorder: Recorder,
        board: Board,
        venues: Mapping[VenueName, Venue],
        instruments: Mapping[InstrumentId, Instrument],
        marks: Marks,
        clock: Clock,
        passed: Passed,
    ) -> None:
        self.passed = passed
        """Keeps what the gate saw of what it let through."""
        self._books = books
        self._gate = gate
        self._recorder = recorder
        self._board = board
        self._venues = venues
        self._instruments = instruments
        self._marks = marks
        self._clock = clock
        self.sending = False
        """While an adapter is handed an order, which has not taken effect yet."""
        self.early: list[Callable[[], None]] = []
        """What to do once it has."""
        self.trips: RoundTrips | None = None
        """Follows requests until they are answered; None: nobody measures."""
        self.guard: Guard | None = None
        """Told of every order something happened to; None while the past is read back."""

    def submit(self, intent: OrderIntent, dry_run: bool) -> Order:
        """Check, journal and send or hold; see `TradingDesk.submit`."""
        known = self._books.orders.get(intent.client_order_id)
        if known is not None:
            return known.order
        now_ns, monotonic_ns = self._clock.now_ns(), self._clock.monotonic_ns()
        if dry_run:
            with self._gate.trying():
                return self._would_be(intent, self._check(intent, now_ns, monotonic_ns)[0])
        denial, latest = self._check(intent, now_ns, monotonic_ns)
        if denial is not None:
            return self.deny(intent, denial)
        self.introduce(self._instruments[intent.instrument_id])
        record = self._entry(intent, now_ns)
        if not self._written(record):
            reason = f"it cannot be written: {self._recorder.problem}"
            return self.deny(intent, Denial("journal", reason))
        if isinstance(record, OrderHeld):
            self.project(record)
        else:
            self._start(record, monotonic_ns)
        self._note(record, latest, monotonic_ns)
        return self._order(intent.client_order_id)

    def submit_group(self, intents: Sequence[OrderIntent], dry_run: bool) -> list[Order]:
        """Check all and journal all at once, then send or hold each; one refused refuses all."""
        known = [self._books.orders.get(intent.client_order_id) for intent in intents]
        if any(known):
            return [item.order for item in known if item is not None]
        now_ns, monotonic_ns = self._clock.now_ns(), self._clock.monotonic_ns()
        with self._gate.trying() if dry_run else nullcontext():
            checked = [self._check(intent, now_ns, monotonic_ns) for intent in intents]
        denials = [denial for denial, _ in checked]
        first = next((denial for denial in denials if denial is not None), None)
        if first is not None:
            why = Denial("group", f"another order of its group was refused: {first.rule}")
            answer = self._would_be if dry_run else self.deny
            return [
                answer(intent, denial or why)
                for intent, denial in zip(intents, denials, strict=True)
            ]
        whole = intents[0].link in self.abilities_of(intents[0]).links
        if dry_run:
            return [self._would_be(intent, None, whole=whole) for intent in intents]
        for intent in intents:
            self.introduce(self._instruments[intent.instrument_id])
        records = [self._entry(intent, now_ns, whole=whole) for intent in intents]
        if not self._recorder.commit(tuple(records)):
            self.journal_failed()
            reason = f"it cannot be written: {self._recorder.problem}"
            return [self.deny(intent, Denial("journal", reason)) for intent in intents]
        sent = [record for record in records if isinstance(record, OrderSubmitted)]
        if whole:
            failed = self._send_group(sent)
        else:
            failed = [(record, self._send(record.venue, record.intent)) for record in sent]
        for record in records:
            if isinstance(record, OrderSubmitted):
                self._gate.count_sent(record.intent, monotonic_ns)
                self._expect_price(record.intent)
            self.project(record)
        for record, error in failed:
            self._sent(record.venue, record.intent, error)
        for record, (_, latest) in zip(records, checked, strict=True):
            self._note(record, latest, monotonic_ns)
        return [self._order(intent.client_order_id) for intent in intents]

    def release(self, tracked: Tracked, record: OrderReleased, intent: OrderIntent) -> bool:
        """Journal and send a held order in the form given; False: a refusal was recorded."""
        order = tracked.order
        now_ns, monotonic_ns = self._clock.now_ns(), self._clock.monotonic_ns()
        before = self._gate.judge.latest
        with self._books.holds.without(order):
            denial = self._gate.check(intent, now_ns, monotonic_ns, held=True)
            exits = self._gate.is_exit(intent)
        latest = self.judged(before)
        if denial is None and not self._written(record, exits=exits):
            denial = Denial("journal", f"it cannot be written: {self._recorder.problem}")
        if denial is not None:
            self.refuse_held(tracked, denial)
            return False
        error = self._send(order.venue, intent)
        self._gate.count_sent(intent, monotonic_ns)
        self._expect_price(intent)
        self.project(record)
        self._sent(order.venue, intent, error)
        self.passed.note(intent, order.venue, latest, record.ts_ns, monotonic_ns, counted=True)
        return True

    def refuse_held(self, tracked: Tracked, denial: Denial) -> None:
        """Record that a held order may not go out, and tell."""
        order = tracked.order
        event = OrderDenied(
            intent=order.intent,
            venue=order.venue,
            rule=denial.rule,
            reason=denial.reason,
            ts_ns=self._clock.now_ns(),
        )
        if not self._recorder.commit((event,)):
            self._recorder.defer(event)
            self.journal_failed()
        self._board.alert("error", f"held order {order.id}: {denial.rule}: {denial.reason}")
        self.project(event)

    def project(self, record: JournalRecord) -> Applied | None:
        """Let a journaled record take effect, show it, and do what follows from it."""
        applied = self._books.project(record)
        self._board.announce(applied)
        if self.trips is not None and applied is not None:
            self.trips.take(record, applied.order)
        if applied is not None and applied.order is not None and self.guard is not None:
            self.guard.on_order(applied.order.id)
        return applied

    def abilities_of(self, intent: OrderIntent) -> VenueAbilities:
        """Return what the venue an order goes to does itself."""
        venue = self._venues.get(self._route(intent))
        instrument = self._instruments.get(intent.instrument_id)
        if venue is None or instrument is None:
            return VenueAbilities()
        return venue.abilities(instrument)

    def _check(
        self, intent: OrderIntent, now_ns: int, monotonic_ns: int
    ) -> tuple[Denial | None, Latest | None]:
        """Return what forbids an order, and how it stood to the market if limits were asked."""
        denial = self._check_id(intent)
        if denial is not None:
            return denial, None
        before = self._gate.judge.latest
        denial = self._gate.check(intent, now_ns, monotonic_ns, held=False, later=_waits(intent))
        return denial or lacks(intent, self.abilities_of(intent)), self.judged(before)

    def judged(self, before: Latest) -> Latest | None:
        """Return how what was checked since stood to the market, None for an exit."""
        latest = self._gate.judge.latest
        return None if latest is before else latest

    def _note(
        self, record: OrderSubmitted | OrderHeld, latest: Latest | None, monotonic_ns: int
    ) -> None:
        """Keep what the gate saw, now that nothing waits for it any more."""
        self.passed.note(
            record.intent,
            record.venue,
            latest,
            record.ts_ns,
            monotonic_ns,
            counted=isinstance(record, OrderSubmitted),
            later=_waits(record.intent),
        )

    def _entry(
        self, intent: OrderIntent, now_ns: int, *, whole: bool = False
    ) -> OrderSubmitted | OrderHeld:
        """Return the record an order enters by; of a group sent whole nothing is held."""
        venue = self._route(intent)
        instrument = self._instruments[intent.instrument_id]
        waits = "" if whole else waits_for(intent, instrument, self.abilities_of(intent))
        if waits:
            return OrderHeld(intent=intent, venue=venue, waits=waits, ts_ns=now_ns)
        return OrderSubmitted(intent=intent, venue=venue, ts_ns=now_ns)

    def _written(
        self, record: OrderSubmitted | OrderHeld | OrderReleased, *, exits: bool | None = None
    ) -> bool:
        """Commit a record; where the disk refuses, exits go unwritten and nothing else goes."""
        if self._recorder.commit((record,)):
            return True
        self.journal_failed()
        if exits is None:
            exits = isinstance(record, OrderSubmitted) and self._gate.is_exit(record.intent)
        if exits:
            self._recorder.keep(record)
            name = record.client_order_id
            self._board.alert("error", f"exit {name} is sent without being journaled")
        return exits

    def _start(self, record: OrderSubmitted, monotonic_ns: int) -> None:
        """Send what is in the journal; everything of ours that follows from it comes after."""
        intent = record.intent
        error = self._send(record.venue, intent)
        self._gate.count_sent(intent, monotonic_ns)
        self._expect_price(intent)
        self.project(record)
        self._sent(record.venue, intent, error)

    def _send_group(
        self, records: Sequence[OrderSubmitted]
    ) -> list[tuple[OrderSubmitted, Exception | None]]:
        failed: Exception | None = None
        self.sending = True
        try:
            self._venues[records[0].venue].submit_group([record.intent for record in records])
        except Exception as error:  # an adapter may die without us
            failed = error
        finally:
            self.sending = False
        return [(record, failed) for record in records]

    def refuse(self, intent: OrderIntent, denial: Denial, dry_run: bool) -> Order:
        """Refuse an intent; with `dry_run` nothing is recorded."""
        return self._would_be(intent, denial) if dry_run else self.deny(intent, denial)

    def deny(self, intent: OrderIntent, denial: Denial) -> Order:
        """Record a refusal and return it as an order."""
        event = OrderDenied(
            intent=intent,
            venue=self._route(intent),
            rule=denial.rule,
            reason=denial.reason,
            ts_ns=self._clock.now_ns(),
        )
        if denial.rule == "journal" or denial.rule.endswith("s_per_second"):
            self._recorder.defer(event)
        elif not self._recorder.commit((event,)):
            self._recorder.defer(event)
            self.journal_failed()
        applied = self.project(event)
        if applied is None or applied.order is None:
            return self._would_be(intent, denial)
        return applied.order

    def cancel(self, wanted: Sequence[Tracked], origin: OriginKind) -> None:
        """Record cancels in one commit, then send those whose order the venue may have."""
        now_ns = self._clock.now_ns()
        records = [self._cancel_record(item, origin, now_ns) for item in wanted]
        news = [record for record in records if self._books.orders.is_news(record)]
        if news and not self._recorder.keep(*news):
            self.journal_failed()
        for record in news:
            self.project(record)
        for item in wanted:
            order = item.order
            if order.state.terminal or order.state in _NOT_THERE:
                continue
            self._gate.count_message(order.intent, self._clock.monotonic_ns())
            try:
                self._venues[order.venue].cancel(order)
            except Exception as error:  # an adapter may die without us
                item.ask = True
                self._board.alert("error", f"cancel of {order.id}: the adapter failed: {error!r}")

    @staticmethod
    def _cancel_record(
        item: Tracked, origin: OriginKind, now_ns: int
    ) -> CancelSubmitted | OrderCanceled:
        """Return what ends a held order, or asks the venue to end another one."""
        name = item.order.id
        if item.order.state is not OrderState.HELD:
            return CancelSubmitted(client_order_id=name, origin=origin, ts_ns=now_ns)
        reason = f"cancelled by {origin} before it was sent"
        return OrderCanceled(client_order_id=name, ts_event_ns=now_ns, ts_ns=now_ns, reason=reason)

    def take(self, event: OrderEvent) -> None:
        """Take an order event: repeats are dropped, news is journaled, then it takes effect.

        Raises:
            InvariantError: Booking it would break what must hold.
        """
        if not self._books.orders.is_news(event):
            return
        if not self._recorder.keep(event):
            self.journal_failed()
        self.project(event)
        tracked = self._books.orders.get(event.client_order_id)
        if tracked is None or tracked.cancel_wanted is None:
            return
        if tracked.order.state in _CANCEL_NOW and not isinstance(event, CancelSubmitted):
            self.cancel([tracked], tracked.cancel_wanted)

    def record(self, record: JournalRecord) -> None:
        """Journal and apply a record that is no order event."""
        if not self._recorder.keep(record):
            self.journal_failed()
        self.project(record)

    def record_all(self, records: Sequence[JournalRecord]) -> None:
        """Journal records in one commit, then apply them."""
        if not self._recorder.keep(*records):
            self.journal_failed()
        for record in records:
            self.project(record)

    def introduce(self, instrument: Instrument) -> None:
        """Write down what a contract is before anything of it: the past is read without venues."""
        known = self._books.kept.get(instrument.id)
        if instrument.derivative and (known is None or _terms(known) != _terms(instrument)):
            self.record(InstrumentKept(instrument=instrument, ts_ns=self._clock.now_ns()))

    def journal_failed(self) -> None:
        """Note that the disk refuses us; say so once."""
        switches = self._books.switches
        if not switches.journal_problem:
            switches.journal_problem = self._recorder.problem
            self._board.status_version += 1
            text = f"only exits and cancels go until it works: {self._recorder.problem}"
            self._board.alert("error", text)

    def flush_journal(self) -> None:
        """Write what waits; when the disk works again, so does everything else."""
        switches = self._books.switches
        if self._recorder.flush() and switches.journal_problem:
            switches.journal_problem = ""
            self._board.status_version += 1
            text = "the journal can be written again, entries go as before"
            if self._recorder.lost:
                text += f"; {self._recorder.lost} records were lost, reconcile now"
                self._recorder.lost = 0
            self._board.alert("info", text)
        elif self._recorder.problem:
            self.journal_failed()

    def _check_id(self, intent: OrderIntent) -> Denial | None:
        try:
            check_client_order_id(intent.client_order_id)
        except ConfigError as error:
            return Denial("client_order_id", str(error))
        if self._books.orders.used(intent.client_order_id):
            return Denial("client_order_id", f"{intent.client_order_id} was used long ago")
        return None

    def _route(self, intent: OrderIntent) -> VenueName:
        instrument = self._instruments.get(intent.instrument_id)
        if instrument is None:
            return VenueName(intent.instrument_id.rpartition(".")[2])
        return self._gate.route(instrument, intent.account) or intent.account or instrument.venue

    def _order(self, order_id: ClientOrderId) -> Order:
        tracked = self._books.orders.get(order_id)
        if tracked is None:
            raise InvariantError(f"order {order_id} vanished while it was being handled")
        return tracked.order

    def _would_be(
        self, intent: OrderIntent, denial: Denial | None, *, whole: bool = False
    ) -> Order:
        """Return what would become of an intent, without recording it."""
        now_ns = self._clock.now_ns()
        state, note = OrderState.SUBMITTED, "dry run: would be sent"
        if denial is not None:
            state, note = OrderState.DENIED, f"{denial.rule}: {denial.reason}"
        elif isinstance(record := self._entry(intent, now_ns, whole=whole), OrderHeld):
            until = {"parent": " until its entry fills"}.get(record.waits, "")
            state, note = OrderState.HELD, f"dry run: would be held by clx{until}"
        return Order(
            intent=intent,
            venue=self._route(intent),
            state=state,
            ts_submitted_ns=now_ns,
            ts_updated_ns=now_ns,
            note=note,
        )

    def _expect_price(self, intent: OrderIntent) -> None:
        top = self._marks.top(intent.instrument_id)
        if intent.price is None and intent.side is Side.BUY and top is not None:
            ask = self._instruments[intent.instrument_id].price(top[1])
            self._books.holds.expect_price(intent.client_order_id, ask)

    def _send(self, venue: VenueName, intent: OrderIntent) -> Exception | None:
        """Hand over to the adapter in the form it takes; return what it raised."""
        form = wire_form(intent, self.abilities_of(intent))
        self.sending = True
        try:
            self._venues[venue].submit(form)
        except Exception as error:  # an adapter may die without us
            return error
        finally:
            self.sending = False
        return None

    def _sent(self, venue: VenueName, intent: OrderIntent, error: Exception | None) -> None:
        """Take what came of it within the call; of an adapter that raised nobody knows."""
        if error is not None:
            reason = f"the {venue} adapter failed while sending: {error!r}"
            name, now_ns = intent.client_order_id, self._clock.now_ns()
            self._board.alert("error", f"order {name}: {reason}")
            self.take(OrderUnknown(client_order_id=name, reason=reason, ts_ns=now_ns))
        while self.early:
            self.early.pop(0)()


def _waits(intent: OrderIntent) -> bool:
    return intent.parent_id is not None or intent.replaces is not None


def _terms(item: Instrument) -> tuple[object, ...]:
    """Return what money is worked out from."""
    return item.kind, item.base, item.quote, item.settle, item.contract_size, item.inverse
