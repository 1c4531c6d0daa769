"""How orders and their events flow: journal first, then effect, then the venue or the clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.model.errors import ConfigError, InvariantError
from core.model.facts import JournalRecord
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
    OrderDenied,
    OrderEvent,
    OrderIntent,
    OrderState,
    OrderSubmitted,
    OrderUnknown,
)
from core.model.ports import Clock, Marks, Venue
from core.trading.board import Board
from core.trading.books import Books
from core.trading.orders import Tracked
from core.trading.recorder import Recorder
from core.trading.risk import Denial, RiskGate

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
    ) -> None:
        self._books = books
        self._gate = gate
        self._recorder = recorder
        self._board = board
        self._venues = venues
        self._instruments = instruments
        self._marks = marks
        self._clock = clock

    def submit(self, intent: OrderIntent, dry_run: bool) -> Order:
        """Check, journal and send; see `TradingDesk.submit`."""
        known = self._books.orders.get(intent.client_order_id)
        if known is not None:
            return known.order
        now_ns, monotonic_ns = self._clock.now_ns(), self._clock.monotonic_ns()
        denial = self._check_id(intent) or self._gate.check(intent, now_ns, monotonic_ns)
        if dry_run:
            return self._would_be(intent, denial)
        if denial is not None:
            return self.deny(intent, denial)
        record = OrderSubmitted(intent=intent, venue=self._route(intent), ts_ns=now_ns)
        if not self._recorder.commit((record,)):
            self.journal_failed()
            if not self._gate.is_exit(intent):
                reason = f"it cannot be written: {self._recorder.problem}"
                return self.deny(intent, Denial("journal", reason))
            self._recorder.keep(record)
            text = f"exit {intent.client_order_id} is sent without being journaled"
            self._board.alert("error", text)
        self._gate.count_sent(monotonic_ns)
        self._expect_price(intent)
        self._board.announce(self._books.project(record))
        self._send(record.venue, intent)
        return self._order(intent.client_order_id)

    def deny(self, intent: OrderIntent, denial: Denial) -> Order:
        """Record a refusal and return it as an order."""
        event = OrderDenied(
            intent=intent,
            venue=self._route(intent),
            rule=denial.rule,
            reason=denial.reason,
            ts_ns=self._clock.now_ns(),
        )
        if denial.rule in {"journal", "risk.max_orders_per_second"}:
            self._recorder.defer(event)
        elif not self._recorder.commit((event,)):
            self._recorder.defer(event)
            self.journal_failed()
        applied = self._books.project(event)
        self._board.announce(applied)
        if applied is None or applied.order is None:
            return self._would_be(intent, denial)
        return applied.order

    def cancel(self, wanted: Sequence[Tracked], origin: OriginKind) -> None:
        """Record cancels in one commit, then send those whose order the venue may have."""
        now_ns = self._clock.now_ns()
        records = [
            CancelSubmitted(client_order_id=item.order.id, origin=origin, ts_ns=now_ns)
            for item in wanted
        ]
        news = [record for record in records if self._books.orders.is_news(record)]
        if news and not self._recorder.keep(*news):
            self.journal_failed()
        for record in news:
            self._board.announce(self._books.project(record))
        for item in wanted:
            order = item.order
            if order.state.terminal or order.state is OrderState.SUBMITTED:
                continue
            try:
                self._venues[order.venue].cancel(order)
            except Exception as error:  # an adapter may die without us
                item.ask = True
                self._board.alert("error", f"cancel of {order.id}: the adapter failed: {error!r}")

    def take(self, event: OrderEvent) -> None:
        """Take an order event: repeats are dropped, news is journaled, then it takes effect.

        Raises:
            InvariantError: Booking it would break what must hold.
        """
        if not self._books.orders.is_news(event):
            return
        if not self._recorder.keep(event):
            self.journal_failed()
        self._board.announce(self._books.project(event))
        tracked = self._books.orders.get(event.client_order_id)
        if tracked is None or tracked.cancel_wanted is None:
            return
        if tracked.order.state in _CANCEL_NOW and not isinstance(event, CancelSubmitted):
            self.cancel([tracked], tracked.cancel_wanted)

    def record(self, record: JournalRecord) -> None:
        """Journal and apply a record that is no order event."""
        if not self._recorder.keep(record):
            self.journal_failed()
        self._books.project(record)

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
        return self._gate.route(instrument) or instrument.venue

    def _order(self, order_id: ClientOrderId) -> Order:
        tracked = self._books.orders.get(order_id)
        if tracked is None:
            raise InvariantError(f"order {order_id} vanished while it was being handled")
        return tracked.order

    def _would_be(self, intent: OrderIntent, denial: Denial | None) -> Order:
        """Return what would become of an intent, without recording it."""
        now_ns = self._clock.now_ns()
        return Order(
            intent=intent,
            venue=self._route(intent),
            state=OrderState.SUBMITTED if denial is None else OrderState.DENIED,
            ts_submitted_ns=now_ns,
            ts_updated_ns=now_ns,
            note="dry run: would be sent" if denial is None else f"{denial.rule}: {denial.reason}",
        )

    def _expect_price(self, intent: OrderIntent) -> None:
        top = self._marks.top(intent.instrument_id)
        if intent.price is None and intent.side is Side.BUY and top is not None:
            ask = self._instruments[intent.instrument_id].price(top[1])
            self._books.holds.expect_price(intent.client_order_id, ask)

    def _send(self, venue: VenueName, intent: OrderIntent) -> None:
        """Hand over to the adapter; one that raises may have sent, so the outcome is unknown."""
        try:
            self._venues[venue].submit(intent)
        except Exception as error:  # an adapter may die without us
            reason = f"the {venue} adapter failed while sending: {error!r}"
            self._board.alert("error", f"order {intent.client_order_id}: {reason}")
            now_ns = self._clock.now_ns()
            self.take(
                OrderUnknown(client_order_id=intent.client_order_id, reason=reason, ts_ns=now_ns)
            )
