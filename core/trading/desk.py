"""The trading desk: intents in, journaled orders out; venue events in, money and facts out.

::

    submit ─► gate ─► journal (durable) ─► project ─► venue.submit
    on_venue_event ─────► journal ───────► project ─► facts
    recover ──────────── journal.read ───► project

Everything is synchronous and deterministic: time and ids come in, and nothing is read from outside
but the clock, the marks and the journal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from decimal import Decimal
from itertools import islice
from typing import Final, Literal

from core.model.accounts import Balance, LedgerEntry, LimitUse, Position, RiskState
from core.model.commands import KillReport
from core.model.errors import ConfigError, InvariantError, did_you_mean
from core.model.facts import (
    BalanceSet,
    BalancesReported,
    DayOpened,
    JournalRecord,
    RiskStateChanged,
    SessionStarted,
    StrategyToggled,
    VenueConnected,
    VenueDisconnected,
    VenueEvent,
)
from core.model.ids import (
    ClientOrderId,
    InstrumentId,
    OriginKind,
    StrategyId,
    VenueName,
    check_client_order_id,
    client_order_id,
)
from core.model.instruments import Instrument
from core.model.market import Side
from core.model.orders import (
    CancelSubmitted,
    Order,
    OrderDenied,
    OrderEvent,
    OrderFilled,
    OrderIntent,
    OrderState,
    OrderSubmitted,
    OrderUnknown,
)
from core.model.ports import Clock, Journal, Marks, Venue
from core.model.settings import Settings
from core.model.views import (
    AccountChanged,
    Alert,
    AlertRaised,
    Fact,
    FillAdded,
    Mode,
    OrderChanged,
    PositionChanged,
    VenueView,
)
from core.trading.account import DAY_NS
from core.trading.books import Books
from core.trading.closing import Closer, Flattener
from core.trading.links import VenueLinks
from core.trading.listing import listed
from core.trading.orders import Applied, Tracked
from core.trading.recorder import Recorder
from core.trading.risk import Denial, RiskGate
from core.trading.states import Verdict

KillLevel = Literal["reduce", "cancel", "flatten"]
AlertLevel = Literal["info", "warning", "error"]
_SECOND_NS: Final = 1_000_000_000
_TEN_THOUSAND: Final = Decimal(10_000)
_CANCEL_NOW: Final = frozenset(
    {OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED, OrderState.UNKNOWN}
)
"""States in which a cancel asked for earlier can be sent."""


class TradingDesk:
    """The one door for orders, and the one reader of venue events.

    `status_version` grows whenever something in the engine's one-line status changed: risk state,
    arming, journal health.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        journal: Journal,
        clock: Clock,
        venues: Mapping[VenueName, Venue],
        instruments: Mapping[InstrumentId, Instrument],
        marks: Marks,
        emit: Callable[[Fact], None],
        session: str,
        mode: Mode,
    ) -> None:
        fee_rate = settings.paper.taker_fee_bps / _TEN_THOUSAND
        self.books = Books(instruments, marks, settings.engine.equity_asset, fee_rate)
        self.links = VenueLinks(venues, self.books.switches, emit)
        self.status_version = 0
        self._settings = settings
        self._journal = journal
        self._recorder = Recorder(journal)
        self._clock = clock
        self._venues = venues
        self._instruments = instruments
        self._marks = marks
        self._emit = emit
        self._session = session
        self._mode: Mode = mode
        self._gate = RiskGate(
            settings=settings,
            mode=mode,
            venues=venues.keys(),
            instruments=instruments,
            marks=marks,
            books=self.books,
            fee_rate=fee_rate,
        )
        self._closer = Closer(instruments, self.books.account, self._gate)
        self._flattener = Flattener(
            self._closer, self.books.orders, self.submit, self._next_id, self._not_flattened
        )
        self._ids_made = 0
        self._marked_ns = 0
        self._shown_positions: dict[InstrumentId, Position] = {}
        self._shown_account: AccountChanged | None = None
        self._account_dirty = False

    # -- start -----------------------------------------------------------------------------------

    def recover(self, version: str = "") -> None:
        """Rebuild all state from the journal and open a new session in it.

        Orders that were journaled but have no outcome become UNKNOWN; only the venue can tell.

        Raises:
            StoreError: A record cannot be trusted; names it and says what to do.
            ConfigError: The journal belongs to another mode.
        """
        for _, record in self._journal.read():
            self.books.project(record)
        found = self.books.last_mode
        if found and found != self._mode:
            raise ConfigError(
                f"the journal is one of {found} mode, the engine runs in {self._mode} mode; "
                "each mode keeps its own journal: point clx to another data folder"
            )
        now_ns = self._clock.now_ns()
        masked = self._settings.model_dump_json().encode()
        self._record(
            SessionStarted(
                session=self._session,
                version=version,
                mode=self._mode,
                settings_sha256=hashlib.sha256(masked).hexdigest(),
                ts_ns=now_ns,
            )
        )
        for tracked in list(self.books.orders.open()):
            tracked.ask = True
            if tracked.order.state is OrderState.SUBMITTED:
                reason = "the engine stopped before any answer was recorded"
                self._take(
                    OrderUnknown(client_order_id=tracked.order.id, reason=reason, ts_ns=now_ns)
                )

    # -- orders ----------------------------------------------------------------------------------

    def submit(self, intent: OrderIntent, dry_run: bool = False) -> Order:
        """Check, journal and send an order; the same client order id never sends twice.

        A refused intent comes back as a DENIED order whose note begins with the rule. With
        `dry_run` nothing is recorded or sent, whatever the answer.
        """
        known = self.books.orders.get(intent.client_order_id)
        if known is not None:
            return known.order
        now_ns, monotonic_ns = self._clock.now_ns(), self._clock.monotonic_ns()
        denial = self._check_id(intent) or self._gate.check(intent, now_ns, monotonic_ns)
        venue = self._route(intent.instrument_id)
        submitted = OrderSubmitted(intent=intent, venue=venue, ts_ns=now_ns)
        if denial is not None or dry_run:
            return self._deny(submitted, denial, dry_run)
        if not self._recorder.commit((submitted,)):
            self._journal_failed()
            if not self._gate.is_exit(intent):
                reason = f"it cannot be written: {self._recorder.problem}"
                return self._deny(submitted, Denial("journal", reason), dry_run)
            self._recorder.keep(submitted)
            self._alert("error", f"exit {intent.client_order_id} is sent without being journaled")
        self._gate.count_sent(monotonic_ns)
        top = self._marks.top(intent.instrument_id)
        if intent.price is None and intent.side is Side.BUY and top is not None:
            ask = listed(self._instruments, intent.instrument_id).price(top[1])
            self.books.holds.expect_price(intent.client_order_id, ask)
        self._announce(self.books.project(submitted))
        self._send(venue, intent)
        return self._order(intent.client_order_id)

    def cancel(self, client_order_id: ClientOrderId, origin: OriginKind) -> Order:
        """Ask the venue to cancel; an order still on its way is cancelled once it is there.

        Raises:
            ConfigError: No such order is known.
        """
        tracked = self.books.orders.get(client_order_id)
        if tracked is None:
            ids = [item.order.id for item in self.books.orders.open()]
            raise ConfigError(
                f"no order {client_order_id!r} is known{did_you_mean(client_order_id, ids)}"
            )
        self._cancel([tracked], origin)
        return tracked.order

    def cancel_all(self, origin: OriginKind, instrument: InstrumentId | None = None) -> KillReport:
        """Ask for the cancel of every open order of ours, or of one instrument."""
        wanted = [
            item
            for item in self.books.orders.open()
            if instrument in {None, item.order.intent.instrument_id}
        ]
        self._cancel(wanted, origin)
        return KillReport(risk_state=self.risk_state(), cancels=len(wanted))

    def close_position(
        self,
        client_order_id: ClientOrderId,
        instrument: InstrumentId,
        origin: OriginKind,
        reason: str = "",
    ) -> Order:
        """Close what no open order is closing already, with a reduce-only market order."""
        known = self.books.orders.get(client_order_id)
        if known is not None:
            return known.order
        intent = self._closer.intent(instrument, client_order_id, origin, reason or "close")
        if intent.size:
            return self.submit(intent)
        size = self.books.account.size(instrument)
        pending = self.books.holds.open_size(instrument, intent.side)
        why = f"the position is {size}, {pending} of it in open {intent.side} orders"
        now_ns = self._clock.now_ns()
        venue = self._route(instrument)
        submitted = OrderSubmitted(intent=intent, venue=venue, ts_ns=now_ns)
        return self._deny(submitted, Denial("reduce_only", f"nothing to close: {why}"), False)

    # -- switches --------------------------------------------------------------------------------

    def arm(self, instrument: InstrumentId, seconds: int) -> int:
        """Let keyboard orders through for one instrument; return the UTC ns at which it ends.

        Raises:
            ConfigError: The instrument is not listed.
        """
        if instrument not in self._instruments:
            hint = did_you_mean(instrument, self._instruments)
            raise ConfigError(f"cannot arm {instrument!r}: it is not listed{hint}")
        until_ns = self._clock.now_ns() + seconds * _SECOND_NS
        self.books.switches.armed[instrument] = until_ns
        self.status_version += 1
        return until_ns

    def disarm(self, instrument: InstrumentId | None = None) -> None:
        """Refuse keyboard orders again, for one instrument or all."""
        armed = self.books.switches.armed
        for key in list(armed) if instrument is None else [instrument]:
            armed.pop(key, None)
        self.status_version += 1

    def armed(self) -> dict[InstrumentId, int]:
        """Return each armed instrument and the UTC ns at which its arming ends."""
        return dict(self.books.switches.armed)

    def kill(self, level: KillLevel, reason: str, origin: OriginKind) -> KillReport:
        """Block entries; with "cancel" also cancel all, with "flatten" also close positions.

        Closing goes on in `on_venue_event` and `on_timer` while cancels are under way.
        """
        words = f"kill ({level}) by {origin}" + (f": {reason}" if reason else "")
        if self.books.switches.state is not RiskState.HALTED:
            self._set_state(RiskState.REDUCING, words, origin)
        self._alert("warning", words)
        if level == "reduce":
            return KillReport(risk_state=self.risk_state(), cancels=0)
        cancels = self.cancel_all(origin).cancels
        closing: tuple[ClientOrderId, ...] = ()
        if level == "flatten":
            ids = {item[0] for item in self.books.account.nets()}
            ids |= {item.order.intent.instrument_id for item in self.books.orders.open()}
            closing = self._flattener.start(sorted(ids), words, self._clock.now_ns())
        return KillReport(risk_state=self.risk_state(), cancels=cancels, closing_orders=closing)

    def halt(self, reason: str) -> None:
        """Let nothing but cancels through: something that must hold does not."""
        self._set_state(RiskState.HALTED, reason, "engine")
        self._alert("error", f"trading is halted: {reason}")

    def resume(self, origin: OriginKind) -> None:
        """Let entries through again.

        Raises:
            ConfigError: The day's loss is still beyond its limit.
        """
        loss, allowed = -self.day_pnl(), self._settings.risk.max_daily_loss
        if loss >= allowed:
            raise ConfigError(
                f"cannot resume: lost {loss:.2f} {self._settings.engine.equity_asset} today, "
                f"allowed {allowed} (risk.max_daily_loss); raise it, or wait for 00:00 UTC"
            )
        self._flattener.stop()
        self._set_state(RiskState.ACTIVE, "", origin)

    def toggle_strategy(self, strategy_id: StrategyId, enabled: bool, reason: str = "") -> None:
        """Record that a strategy was enabled, disabled or stopped for cause."""
        now_ns = self._clock.now_ns()
        self._record(
            StrategyToggled(strategy_id=strategy_id, enabled=enabled, reason=reason, ts_ns=now_ns)
        )

    # -- events ----------------------------------------------------------------------------------

    def on_venue_event(self, event: VenueEvent) -> None:
        """Take what a venue says: journal what is news, then let it take effect."""
        match event:
            case VenueConnected():
                self.links.connected(event)
            case VenueDisconnected():
                self.links.disconnected(event)
            case BalancesReported():
                self._adopt_opening(event)
            case _:
                self._take(event)
                if self._flattener.active:
                    self._flattener.step(self._clock.now_ns())

    def set_balance(self, venue: VenueName, asset: str, total: Decimal, reason: str) -> None:
        """Adopt a balance as the venue states it."""
        self._record(
            BalanceSet(
                venue=venue, asset=asset, total=total, reason=reason, ts_ns=self._clock.now_ns()
            )
        )
        self._account_dirty = True

    def reconciled(self, venue: VenueName, differences: tuple[str, ...] = ()) -> None:
        """Open a venue for entries: what we know and what it says are the same."""
        self.links.reconciled(venue, self._clock.now_ns(), differences)
        self._flush_account()

    def on_timer(self, now_ns: int) -> None:
        """Do what is due: a waiting journal, ends of arming, marks and limits once a second."""
        self._flush_journal()
        armed = self.books.switches.armed
        for instrument in [key for key, until_ns in armed.items() if until_ns <= now_ns]:
            self.disarm(instrument)
        if self._flattener.active:
            self._flattener.step(now_ns)
        if now_ns - self._marked_ns >= _SECOND_NS or now_ns < self._marked_ns:
            self._marked_ns = now_ns
            self._roll_day(now_ns)
            self._check_loss()
            self._show_positions()
            self._account_dirty = True
        self._flush_account()

    def alert(self, level: AlertLevel, text: str) -> None:
        """Raise an alert in the trading core's name."""
        self._alert(level, text)

    # -- reading ---------------------------------------------------------------------------------

    def orders(
        self, include_ended: bool = False, instrument: InstrumentId | None = None
    ) -> tuple[Order, ...]:
        """Return open orders, or all in memory, oldest first."""
        found = self.books.orders.all() if include_ended else self.books.orders.open()
        return tuple(
            item.order for item in found if instrument in {None, item.order.intent.instrument_id}
        )

    def fills(self, limit: int = 500) -> tuple[OrderFilled, ...]:
        """Return the newest executions, newest last."""
        fills = self.books.fills
        return tuple(islice(fills, max(0, len(fills) - limit), None))

    def positions(self) -> tuple[Position, ...]:
        """Return every instrument ever traded, by id, marked to the market."""
        return self.books.account.positions()

    def position(self, instrument: InstrumentId) -> Position:
        """Return one position, flat when there never was one."""
        return self.books.account.position(instrument)

    def balances(self) -> tuple[Balance, ...]:
        """Return what the venues hold for us."""
        return self.books.balances()

    def ledger(self, limit: int = 100) -> tuple[LedgerEntry, ...]:
        """Return the newest ledger lines, newest last."""
        return self.books.ledger.entries(limit)

    def equity(self) -> Decimal:
        """Return the account's value in the equity asset."""
        return self.books.account.equity()

    def day_pnl(self) -> Decimal:
        """Return the trading profit since 00:00 UTC in the equity asset."""
        return self.books.account.day_pnl()

    def limits(self) -> tuple[LimitUse, ...]:
        """Return every limit with how much of it is used."""
        return self._gate.limits(self._clock.monotonic_ns())

    def risk_state(self) -> RiskState:
        """Return what the gate lets through now."""
        return self.books.switches.effective()[0]

    def risk_reason(self) -> str:
        """Return why the gate is not open, empty when it is."""
        return self.books.switches.effective()[1]

    def journal_ok(self) -> bool:
        """Return whether the journal takes records."""
        return not self._recorder.problem

    def venues(self) -> tuple[VenueView, ...]:
        """Return each venue's private side."""
        return self.links.views()

    def enabled_strategies(self) -> dict[StrategyId, bool]:
        """Return strategies ever switched, and whether they are on, as the journal says."""
        return dict(self.books.strategies)

    def state_digest(self) -> bytes:
        """Return 32 bytes that are equal for equal states."""
        return self.books.digest()

    # -- within ----------------------------------------------------------------------------------

    def _order(self, order_id: ClientOrderId) -> Order:
        tracked = self.books.orders.get(order_id)
        if tracked is None:
            raise InvariantError(f"order {order_id} vanished while it was being handled")
        return tracked.order

    def _route(self, instrument_id: InstrumentId) -> VenueName:
        instrument = self._instruments.get(instrument_id)
        if instrument is None:
            return VenueName(instrument_id.rpartition(".")[2])
        return self._gate.route(instrument) or instrument.venue

    def _check_id(self, intent: OrderIntent) -> Denial | None:
        try:
            check_client_order_id(intent.client_order_id)
        except ConfigError as error:
            return Denial("client_order_id", str(error))
        if self.books.orders.used(intent.client_order_id):
            return Denial("client_order_id", f"{intent.client_order_id} was used long ago")
        return None

    def _deny(self, wanted: OrderSubmitted, denial: Denial | None, dry_run: bool) -> Order:
        """Record a refusal and return it; a dry run only says what would be."""
        if dry_run:
            return Order(
                intent=wanted.intent,
                venue=wanted.venue,
                state=OrderState.SUBMITTED if denial is None else OrderState.DENIED,
                ts_submitted_ns=wanted.ts_ns,
                ts_updated_ns=wanted.ts_ns,
                note="dry run: would be sent" if denial is None else f"{denial[0]}: {denial[1]}",
            )
        assert denial is not None
        event = OrderDenied(
            intent=wanted.intent,
            venue=wanted.venue,
            rule=denial.rule,
            reason=denial.reason,
            ts_ns=wanted.ts_ns,
        )
        if denial.rule in {"journal", "risk.max_orders_per_second"}:
            self._recorder.defer(event)
        elif not self._recorder.commit((event,)):
            self._recorder.defer(event)
            self._journal_failed()
        self._announce(self.books.project(event))
        tracked = self.books.orders.get(event.client_order_id)
        if tracked is not None:
            return tracked.order
        return self._deny(wanted, denial, dry_run=True)

    def _send(self, venue: VenueName, intent: OrderIntent) -> None:
        """Hand over to the adapter; one that raises may have sent, so the outcome is unknown."""
        try:
            self._venues[venue].submit(intent)
        except Exception as error:  # an adapter may die without us
            reason = f"the {venue} adapter failed while sending: {error!r}"
            self._alert("error", f"order {intent.client_order_id}: {reason}")
            now_ns = self._clock.now_ns()
            self._take(
                OrderUnknown(client_order_id=intent.client_order_id, reason=reason, ts_ns=now_ns)
            )

    def _cancel(self, wanted: list[Tracked], origin: OriginKind) -> None:
        """Record cancels in one commit, then send those whose order the venue may have."""
        now_ns = self._clock.now_ns()
        records = [
            CancelSubmitted(client_order_id=item.order.id, origin=origin, ts_ns=now_ns)
            for item in wanted
        ]
        news = [record for record in records if self.books.orders.is_news(record)]
        if news and not self._recorder.keep(*news):
            self._journal_failed()
        for record in news:
            self._announce(self.books.project(record))
        for item in wanted:
            order = item.order
            if order.state.terminal or order.state is OrderState.SUBMITTED:
                continue
            try:
                self._venues[order.venue].cancel(order)
            except Exception as error:  # an adapter may die without us
                item.ask = True
                self._alert("error", f"cancel of {order.id}: the adapter failed: {error!r}")

    def _take(self, event: OrderEvent) -> None:
        """Take an order event: repeats are dropped, news is journaled, then it takes effect."""
        if not self.books.orders.is_news(event):
            return
        if not self._recorder.keep(event):
            self._journal_failed()
        try:
            applied = self.books.project(event)
        except InvariantError as error:
            self.halt(str(error))
            return
        self._announce(applied)
        tracked = self.books.orders.get(event.client_order_id)
        if tracked is None or tracked.cancel_wanted is None:
            return
        if tracked.order.state in _CANCEL_NOW and not isinstance(event, CancelSubmitted):
            self._cancel([tracked], tracked.cancel_wanted)

    def _record(self, record: JournalRecord) -> None:
        """Journal and apply a record that is no order event."""
        if not self._recorder.keep(record):
            self._journal_failed()
        self.books.project(record)

    def _announce(self, applied: Applied | None) -> None:
        """Tell clients what an event did."""
        if applied is None:
            return
        for fill in applied.fills:
            self._emit(FillAdded(fill=fill))
        if applied.order is not None and applied.order != applied.before:
            self._emit(OrderChanged(order=applied.order))
            self._account_dirty = True
        if applied.problem:
            level: AlertLevel = "info" if applied.verdict is Verdict.LATE else "error"
            self._alert(level, applied.problem)
        if applied.fills:
            self._show_position(applied.fills[0].instrument_id)
            self._account_dirty = True
            self._flush_account()

    def _set_state(self, state: RiskState, reason: str, origin: OriginKind) -> None:
        now_ns = self._clock.now_ns()
        self._record(RiskStateChanged(state=state, reason=reason, origin=origin, ts_ns=now_ns))
        self.status_version += 1

    def _journal_failed(self) -> None:
        """Note that the disk refuses us; say so once."""
        switches = self.books.switches
        if not switches.journal_problem:
            switches.journal_problem = self._recorder.problem
            self.status_version += 1
            self._alert(
                "error", f"only exits and cancels go until it works: {self._recorder.problem}"
            )

    def _flush_journal(self) -> None:
        switches = self.books.switches
        if self._recorder.flush() and switches.journal_problem:
            switches.journal_problem = ""
            self.status_version += 1
            self._alert("info", "the journal can be written again, entries go as before")
        elif self._recorder.problem and not switches.journal_problem:
            self._journal_failed()

    def _adopt_opening(self, event: BalancesReported) -> None:
        """Take a venue's first word on balances; later ones are compared by reconciliation.

        A report and the fills behind it come in no fixed order, so it must not be booked as news.
        """
        if self.books.ledger.knows(event.venue):
            return
        for balance in event.balances:
            self.set_balance(event.venue, balance.asset, balance.total, "opening")
        self._flush_account()

    def _roll_day(self, now_ns: int) -> None:
        account = self.books.account
        if now_ns // DAY_NS * DAY_NS > account.day_start_ns and account.marked():
            self._record(
                DayOpened(
                    total_pnl=account.total_pnl() if account.day_start_ns else Decimal(0),
                    asset=account.equity_asset,
                    ts_ns=now_ns,
                )
            )

    def _check_loss(self) -> None:
        loss, allowed = -self.day_pnl(), self._settings.risk.max_daily_loss
        if loss >= allowed and self.books.switches.state is RiskState.ACTIVE:
            asset = self.books.account.equity_asset
            reason = f"risk.max_daily_loss: lost {loss:.2f} {asset} today, allowed {allowed}"
            self._set_state(RiskState.REDUCING, reason, "engine")
            self._alert("error", f"{reason}; only exits go until resumed")

    def _show_positions(self) -> None:
        for position in self.books.account.positions():
            self._show(position)

    def _show_position(self, instrument_id: InstrumentId) -> None:
        self._show(self.books.account.position(instrument_id))

    def _show(self, position: Position) -> None:
        if self._shown_positions.get(position.instrument_id) != position:
            self._shown_positions[position.instrument_id] = position
            self._emit(PositionChanged(position=position))

    def _flush_account(self) -> None:
        if not self._account_dirty:
            return
        self._account_dirty = False
        account = AccountChanged(
            balances=self.balances(),
            equity=self.equity(),
            day_pnl=self.day_pnl(),
            limits=self.limits(),
        )
        if account != self._shown_account:
            self._shown_account = account
            self._emit(account)

    def _not_flattened(self, instrument_id: InstrumentId, why: str) -> None:
        size = self.books.account.size(instrument_id)
        self._alert("error", f"{instrument_id}: {size} is not closed: {why}; close it by hand")

    def _next_id(self) -> ClientOrderId:
        """Make the id of an order of the engine's own; the session makes it unique."""
        self._ids_made += 1
        seed = int.from_bytes(hashlib.sha256(self._session.encode()).digest()[:3], "big")
        return client_order_id(
            "engine", self._clock.now_ns(), (seed << 16) | (self._ids_made & 0xFFFF)
        )

    def _alert(self, level: AlertLevel, text: str) -> None:
        alert = Alert(ts_ns=self._clock.now_ns(), level=level, source="trading", text=text)
        self._emit(AlertRaised(alert=alert))
