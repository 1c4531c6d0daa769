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
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from itertools import islice
from typing import Final

from core.model.accounts import (
    Balance,
    LedgerEntry,
    LimitUse,
    Position,
    RiskState,
    VenuePosition,
)
from core.model.commands import KillReport
from core.model.errors import ConfigError, InvariantError, did_you_mean
from core.model.facts import (
    BalancesReported,
    CashMoved,
    DeadManSet,
    EquityMarked,
    PositionForced,
    SessionStarted,
    StrategyToggled,
    VenueConnected,
    VenueDisconnected,
    VenueEvent,
    VenueWarned,
)
from core.model.ids import (
    ClientOrderId,
    InstrumentId,
    OriginKind,
    StrategyId,
    VenueName,
    client_order_id,
)
from core.model.instruments import Instrument
from core.model.orders import (
    Order,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderIntent,
    OrderState,
    OrderUnknown,
    PositionSide,
)
from core.model.ports import Clock, Journal, MarketDetail, Marks, Venue
from core.model.settings import Settings
from core.model.views import Fact, Mode, VenueView
from core.trading.board import AlertLevel, Board
from core.trading.books import Books
from core.trading.changing import Changer
from core.trading.closing import Closer, Part
from core.trading.correlation import Correlations
from core.trading.executors import Executors
from core.trading.flow import OrderFlow
from core.trading.form import Denial
from core.trading.killing import KillLevel, KillSwitch
from core.trading.links import VenueLinks
from core.trading.listing import listed
from core.trading.losses import LossWatch
from core.trading.passed import Passed
from core.trading.recorder import Recorder
from core.trading.risk import RiskGate
from core.trading.statements import Statements
from core.trading.tracked import Tracked
from core.trading.trips import Kind, RoundTrips

_SECOND_NS: Final = 1_000_000_000
_TEN_THOUSAND: Final = Decimal(10_000)


class TradingDesk:
    """The one door for orders, and the one reader of venue events."""

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
        self.books = Books(
            instruments, marks, settings.engine.equity_asset, fee_rate, settings.risk
        )
        self.links = VenueLinks(venues, self.books.switches, emit)
        self._settings = settings
        self._journal = journal
        self._recorder = Recorder(journal)
        self._clock = clock
        self._instruments = instruments
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
        self._board = Board(self.books, self.limits, clock, emit)
        self.passed = Passed(self.books, self._gate, instruments, fee_rate)
        self._flow = OrderFlow(
            books=self.books,
            gate=self._gate,
            recorder=self._recorder,
            board=self._board,
            venues=venues,
            instruments=instruments,
            marks=marks,
            clock=clock,
            passed=self.passed,
        )
        self._statements = self._make_statements()
        self._changer = Changer(
            books=self.books,
            flow=self._flow,
            gate=self._gate,
            board=self._board,
            venues=venues,
            clock=clock,
            next_id=self._next_id,
        )
        self.guard = self._changer.make_guard(marks, instruments)
        self.executors = Executors(
            self.books, instruments, submit=self.submit, flow=self._flow, board=self._board
        )
        self._closer = Closer(instruments, self.books.account, self._gate)
        self._switch = KillSwitch(
            books=self.books,
            closer=self._closer,
            submit=self.submit,
            cancel=self._flow.cancel,
            record=self._flow.record,
            next_id=self._next_id,
            board=self._board,
            clock=clock,
        )
        self._losses = LossWatch(self.books, self._flow.record, self._switch, self._board)
        detail = marks if isinstance(marks, MarketDetail) else None
        self.books.exposure.norm = Correlations(detail).norm
        self._id_seed = int.from_bytes(hashlib.sha256(session.encode()).digest()[:3], "big")
        self._ids_made = 0
        self._marked_ns = 0
        self.recovered_ns = 0
        """Time of the newest record of earlier sessions, 0 in a new journal."""

    @property
    def status_version(self) -> int:
        """A number that grows when risk state, arming or journal health changed."""
        return self._board.status_version

    def _make_statements(self) -> Statements:
        return Statements(
            books=self.books,
            flow=self._flow,
            board=self._board,
            links=self.links,
            instruments=self._instruments,
            clock=self._clock,
        )

    # -- start -----------------------------------------------------------------------------------

    def recover(self, version: str = "") -> None:
        """Rebuild all state from the journal and open a new session in it.

        Orders that were journaled but have no outcome become UNKNOWN; only the venue can tell.

        Raises:
            StoreError: A record cannot be trusted; names it and says what to do.
            ConfigError: The journal belongs to another mode.
        """
        self.books.replay(self._journal.read())
        found = self.books.last_mode
        if found and found != self._mode:
            raise ConfigError(
                f"the journal is one of {found} mode, the engine runs in {self._mode} mode; "
                "each mode keeps its own journal: point clx to another data folder"
            )
        self.recovered_ns = self.books.last_ts_ns
        self._switch.recover()
        now_ns = self._clock.now_ns()
        masked = self._settings.model_dump_json().encode()
        self._flow.record(
            SessionStarted(
                session=self._session,
                version=version,
                mode=self._mode,
                settings_sha256=hashlib.sha256(masked).hexdigest(),
                ts_ns=now_ns,
            )
        )
        for tracked in list(self.books.orders.open()):
            tracked.ask = tracked.order.state is not OrderState.HELD
            if tracked.order.state is OrderState.SUBMITTED:
                reason = "the engine stopped before any answer was recorded"
                self._flow.take(
                    OrderUnknown(client_order_id=tracked.order.id, reason=reason, ts_ns=now_ns)
                )
        self._flow.guard = self.guard
        self.books.exposure.refresh()

    def measure(self, told: Callable[[VenueName, Kind, int], None]) -> None:
        """Have the account, kind and nanoseconds of every round trip told from now on."""
        self._flow.trips = RoundTrips(told)

    # -- orders ----------------------------------------------------------------------------------

    def submit(self, intent: OrderIntent, dry_run: bool = False) -> Order:
        """Check, journal and send an order; the same client order id never sends twice.

        A refused intent comes back as a DENIED order whose note begins with the rule. With
        `dry_run` nothing is recorded or sent, whatever the answer.
        """
        return self._flow.submit(intent, dry_run)

    def submit_group(
        self, intents: Sequence[OrderIntent], dry_run: bool = False
    ) -> tuple[Order, ...]:
        """Check and journal a bracket, OCO or OTO whole, then send or hold each of its orders.

        Where one is refused, all are. An entry comes first; its children name it as their parent.
        """
        return tuple(self._flow.submit_group(intents, dry_run))

    def amend(
        self,
        client_order_id: ClientOrderId,
        origin: OriginKind,
        *,
        size: Decimal | None = None,
        price: Decimal | None = None,
        trigger_price: Decimal | None = None,
        dry_run: bool = False,
    ) -> Order:
        """Change an order's whole size, price or trigger; return it, or the one that replaces it.

        Raises:
            ConfigError: No such order is known, it cannot be changed so, or a rule says no.
        """
        return self._changer.amend(
            self._tracked(client_order_id),
            origin,
            size=size,
            price=price,
            trigger_price=trigger_price,
            dry_run=dry_run,
        )

    def cancel(self, client_order_id: ClientOrderId, origin: OriginKind) -> Order:
        """Ask the venue to cancel; an order still on its way is cancelled once it is there.

        Raises:
            ConfigError: No such order is known.
        """
        tracked = self._tracked(client_order_id)
        self._flow.cancel([tracked], origin)
        return tracked.order

    def cancel_all(
        self,
        origin: OriginKind,
        instrument: InstrumentId | None = None,
        strategy: StrategyId | None = None,
        *,
        dry_run: bool = False,
    ) -> KillReport:
        """Ask for the cancel of every open order of ours, or of one instrument or strategy."""
        wanted = [
            item
            for item in self.books.orders.open()
            if instrument in {None, item.order.intent.instrument_id}
            and strategy in {None, item.order.intent.strategy_id}
        ]
        if not dry_run:
            self._flow.cancel(wanted, origin)
        return KillReport(risk_state=self.risk_state(), cancels=len(wanted), dry_run=dry_run)

    def close_position(
        self,
        client_order_id: ClientOrderId,
        instrument: InstrumentId,
        origin: OriginKind,
        reason: str = "",
        *,
        side: PositionSide | None = None,
        account: VenueName | None = None,
        dry_run: bool = False,
    ) -> Order:
        """Close what no open order is closing already; see `Closer.one` for which it may be."""
        known = self.books.orders.get(client_order_id)
        if known is not None:
            return known.order
        part = self._closer.one(instrument, side, account)
        intent = self._closer.intent(part, client_order_id, origin, reason or "close", beside=True)
        why = self._closer.why_not(part, intent)
        if not why:
            return self.submit(intent, dry_run)
        return self._flow.refuse(intent, Denial("reduce_only", why), dry_run)

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
        self._board.status_version += 1
        return until_ns

    def disarm(self, instrument: InstrumentId | None = None) -> None:
        """Refuse keyboard orders again, for one instrument or all."""
        armed = self.books.switches.armed
        for key in list(armed) if instrument is None else [instrument]:
            armed.pop(key, None)
        self._board.status_version += 1

    def armed(self) -> dict[InstrumentId, int]:
        """Return each armed instrument and the UTC ns at which its arming ends."""
        return dict(self.books.switches.armed)

    def kill(
        self, level: KillLevel, reason: str, origin: OriginKind, *, dry_run: bool = False
    ) -> KillReport:
        """Go a step down the kill switch's ladder, see `core.trading.killing`."""
        return self._switch.kill(level, reason, origin, dry_run=dry_run)

    def halt(self, reason: str) -> None:
        """Let nothing but cancels through: something that must hold does not."""
        self._switch.halt(reason)

    def resume(self, origin: OriginKind, *, dry_run: bool = False) -> None:
        """Let entries through again.

        Raises:
            ConfigError: The day's loss is still beyond its limit.
        """
        self._losses.check_resumable()
        if not dry_run:
            self._switch.resume(origin)
            self._losses.resumed(self._clock.now_ns())

    def toggle_strategy(self, strategy_id: StrategyId, enabled: bool, reason: str = "") -> None:
        """Record that a strategy was enabled, disabled or stopped for cause."""
        now_ns = self._clock.now_ns()
        self._flow.record(
            StrategyToggled(strategy_id=strategy_id, enabled=enabled, reason=reason, ts_ns=now_ns)
        )

    # -- events ----------------------------------------------------------------------------------

    def on_venue_event(self, event: VenueEvent) -> None:
        """Take what a venue says: journal what is news, then let it take effect."""
        if self._flow.sending:
            self._flow.early.append(partial(self.on_venue_event, event))
            return
        match event:
            case VenueConnected():
                self.links.connected(event)
            case VenueDisconnected():
                self.links.disconnected(event)
            case DeadManSet():
                self.links.dead_man(event)
            case VenueWarned():
                self._board.alert("error", f"{event.venue}: {event.text}")
            case BalancesReported():
                self._statements.opening(event)
            case PositionForced():
                self._statements.forced(event)
            case CashMoved():
                if self.books.is_news(event):
                    self._flow.record(event)
                    self._board.account_dirty = True
            case _:
                try:
                    self._flow.take(event)
                except InvariantError as error:
                    self.halt(str(error))
                if isinstance(event, OrderCanceled | OrderExpired):
                    self._look_for_fills(event.client_order_id)
                self._switch.step(self._clock.now_ns())

    def set_balance(self, venue: VenueName, asset: str, total: Decimal, reason: str) -> None:
        """Adopt a balance as the venue states it."""
        self._statements.balance(venue, asset, total, reason)

    def set_position(
        self,
        venue: VenueName,
        key: tuple[InstrumentId, PositionSide],
        stated: VenuePosition | None,
        reason: str,
    ) -> None:
        """Adopt a position as the venue states it; None: it has none."""
        self._statements.position(venue, key, stated, reason)

    def protect(self, part: Part, reason: str) -> None:
        """Put a stop of the engine's own behind what no order protects of a position."""
        away_pct = self._settings.trading.protect_pct
        intent = self._closer.stop(part, self._next_id(), away_pct, reason)
        if intent is None:
            why = "no price to set it by"
        elif intent.size and (made := self.submit(intent)).state is OrderState.DENIED:
            why = made.note
        else:
            return
        self.alert("error", f"{part.instrument_id} at {part.venue} has no stop: {why}")

    def reduce(self, reason: str) -> None:
        """Let only exits through until somebody resumes."""
        self._switch.reduce(reason)

    def flatten(self, names: Sequence[InstrumentId], why: str, only: Sequence[Part] = ()) -> None:
        """Close positions step by step, with `only` none but these; their orders go first."""
        self._switch.flatten(names, why, only)

    def reconciled(self, venue: VenueName, differences: tuple[str, ...] = ()) -> None:
        """Open a venue for entries: what we know and what it says are the same."""
        self.links.reconciled(venue, self._clock.now_ns(), differences)
        self.guard.rearm(venue)
        if not self.books.switches.closed_venues:
            self._switch.reconciled()
        self._board.show_account()

    def on_timer(self, now_ns: int) -> None:
        """Do what is due: a waiting journal, ends of arming, marks and limits once a second."""
        self._flow.flush_journal()
        self.guard.on_timer(now_ns)
        self.executors.on_timer(now_ns)
        armed = self.books.switches.armed
        for instrument in [key for key, until_ns in armed.items() if until_ns <= now_ns]:
            self.disarm(instrument)
        self._switch.step(now_ns)
        if now_ns - self._marked_ns >= _SECOND_NS or now_ns < self._marked_ns:
            self._marked_ns = now_ns
            self._look(now_ns)
            self._board.show_positions()
            self._board.account_dirty = True
        self._board.show_account()

    def mark_equity(self) -> None:
        """Note what the account is worth in the journal, once every position has a market."""
        account = self.books.account
        if self._recorder.problem or not account.marked():
            return
        self._flow.record(
            EquityMarked(
                equity=account.equity(),
                total_pnl=account.total_pnl(),
                asset=account.equity_asset,
                ts_ns=self._clock.now_ns(),
            )
        )

    def now_ns(self) -> int:
        """Return the desk's time."""
        return self._clock.now_ns()

    def mark(self, instrument: InstrumentId) -> Decimal | None:
        """Return the price positions of an instrument are valued at, None when none is known."""
        return self.books.account.mark(listed(self._instruments, instrument))

    def alert(self, level: AlertLevel, text: str) -> None:
        """Raise an alert in the trading core's name."""
        self._board.alert(level, text)

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

    def _look_for_fills(self, order_id: ClientOrderId) -> None:
        """Have the venue asked at once for fills that it counts and did not tell."""
        tracked = self.books.orders.get(order_id)
        if tracked is not None and tracked.lacks:
            self.links.look(tracked.order.venue)

    def _look(self, now_ns: int) -> None:
        """Value everything anew, once a second."""
        self._gate.judge.refresh(self._at_stake())
        self._losses.look(now_ns)
        for text in self.books.scopes.unlisted(self._instruments):
            self._board.alert("error", text)

    def _at_stake(self) -> list[Instrument]:
        """Return the instruments that were ever held or ordered."""
        names = {line.key.instrument_id for line in self.books.exposure.lines()}
        return [listed(self._instruments, name) for name in sorted(names)]

    def _tracked(self, client_order_id: ClientOrderId) -> Tracked:
        tracked = self.books.orders.get(client_order_id)
        if tracked is None:
            ids = [item.order.id for item in self.books.orders.open()]
            hint = did_you_mean(client_order_id, ids)
            raise ConfigError(f"no order {client_order_id!r} is known{hint}")
        return tracked

    def _next_id(self) -> ClientOrderId:
        """Make the id of an order of the engine's own; the session makes it unique."""
        self._ids_made += 1
        entropy = (self._id_seed << 16) | (self._ids_made & 0xFFFF)
        return client_order_id("engine", self._clock.now_ns(), entropy)
