"""All state of the trading core, as one projection of journal records."""

from __future__ import annotations

import gc
import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from itertools import islice
from typing import Final, cast, get_args

import msgspec

from core.model.accounts import Balance, EntryKind
from core.model.executors import ExecutorEnded, ExecutorPaused, ExecutorStarted
from core.model.facts import (
    BalanceSet,
    CashMoved,
    DayOpened,
    EquityMarked,
    InstrumentKept,
    JournalRecord,
    PeakReached,
    PositionSet,
    RiskStateChanged,
    SessionStarted,
    StrategyToggled,
)
from core.model.ids import InstrumentId, StrategyId, VenueName
from core.model.instruments import Instrument
from core.model.orders import OrderEvent, OrderFilled
from core.model.ports import Marks
from core.model.settings import RiskSettings
from core.trading.account import Account
from core.trading.exposure import Exposure
from core.trading.holds import Holds
from core.trading.ledger import Ledger
from core.trading.limits import Scopes
from core.trading.listing import listed
from core.trading.orders import Applied, OrderCache
from core.trading.plans import Run, remember
from core.trading.resting import Resting
from core.trading.switches import Switches

MAX_FILLS: Final = 10_000
"""Fills kept for reading; the journal keeps them all."""
MAX_DAYS: Final = 3660
MAX_MARKS: Final = 35_136
"""A year of quarters of an hour."""
MAX_FLOWS: Final = 100_000
"""Moves of money remembered to recognise repeats; the oldest give way."""
_ORDER_EVENTS: Final = frozenset(get_args(OrderEvent))
_BATCH: Final = 128
"""Records of the past read at a time."""


class Books:
    """Orders, money, positions and switches; `project` is the only way to change what lasts."""

    def __init__(
        self,
        instruments: Mapping[InstrumentId, Instrument],
        marks: Marks,
        equity_asset: str,
        fee_rate: Decimal,
        risk: RiskSettings,
    ) -> None:
        self._instruments = instruments
        self.orders = OrderCache()
        self.holds = Holds(instruments, fee_rate)
        self.ledger = Ledger()
        self.account = Account(self.ledger, instruments, marks, equity_asset)
        self.switches = Switches()
        self.scopes = Scopes(risk)
        self.exposure = Exposure(self.scopes, self.account, instruments, marks)
        self.holds.on_change = self.exposure.on_claim
        self.resting = Resting(self.scopes)
        self.fills: deque[OrderFilled] = deque(maxlen=MAX_FILLS)
        self.executors: dict[str, Run] = {}
        """Plans of executors, and what became of each."""
        self.kept: dict[InstrumentId, Instrument] = {}
        """Contracts the journal holds the terms of."""
        self.on_instrument: Callable[[Instrument], None] | None = None
        """Told of each of them."""
        self._flows: dict[tuple[VenueName, EntryKind, str], None] = {}
        self.strategies: dict[StrategyId, bool] = {}
        """Strategies ever switched, and whether on."""
        self.days: deque[DayOpened] = deque(maxlen=MAX_DAYS)
        """Where each UTC day began, oldest first."""
        self.equity_marks: deque[EquityMarked] = deque(maxlen=MAX_MARKS)
        """What the account was worth now and then, oldest first."""
        self.last_ts_ns = 0
        """Time of the newest record."""
        self.last_mode = ""
        """Mode of the newest session, empty in a new journal."""

    def project(self, record: JournalRecord) -> Applied | None:
        """Take the next record; return what it did to an order, if anything."""
        if record.ts_ns > self.last_ts_ns:
            self.last_ts_ns = record.ts_ns
        if type(record) in _ORDER_EVENTS:  # most are, and asking kind after kind takes its time
            return self._apply(cast("OrderEvent", record))
        match record:
            case SessionStarted():
                self.last_mode = record.mode
            case BalanceSet():
                self.ledger.book_balance(record)
                self.exposure.weigh()
            case CashMoved():
                self._book_cash(record)
            case PositionSet():
                self.account.adopt(record)
                self.exposure.on_position(record.instrument_id, record.side, record.venue)
            case InstrumentKept():
                self._learn(record.instrument)
            case ExecutorStarted() | ExecutorPaused() | ExecutorEnded():
                remember(self.executors, record)
            case RiskStateChanged():
                self.switches.state, self.switches.reason = record.state, record.reason
                self.switches.kill, self.switches.origin = record.kill, record.origin
            case StrategyToggled():
                self.strategies[record.strategy_id] = record.enabled
            case DayOpened() | PeakReached() | EquityMarked():
                self._mark(record)
            case _:
                return self._apply(record)
        return None

    def _mark(self, record: DayOpened | PeakReached | EquityMarked) -> None:
        """Take what profit is counted from, or how the equity stood."""
        match record:
            case DayOpened():
                self.account.open_day(record.ts_ns, record.total_pnl)
                self.scopes.open_day(record)
                self.days.append(record)
            case PeakReached():
                self.scopes.reach(record)
            case EquityMarked():
                self.equity_marks.append(record)

    def _learn(self, instrument: Instrument) -> None:
        self.kept[instrument.id] = instrument
        if self.on_instrument is not None:
            self.on_instrument(instrument)

    def is_news(self, flow: CashMoved) -> bool:
        """Return whether a move of money is not booked yet."""
        return not self.booked(flow.venue, flow.kind, flow.flow_id)

    def booked(self, venue: VenueName, kind: EntryKind, flow_id: str) -> bool:
        """Return whether a move of money of that name is booked."""
        return (venue, kind, flow_id) in self._flows

    def replay(self, records: Iterable[tuple[int, JournalRecord]]) -> None:
        """Take all the past at once; what open orders may still do is worked out at the end alone.

        Meanwhile nothing looks for garbage in circles: there is none, and looking through all that
        a long journal leaves behind, again and again, takes a good part of the time.
        """
        past = self.orders.past(self._book)
        taker, newest_ns = past.takers().get, self.last_ts_ns
        collects = gc.isenabled()
        gc.disable()
        try:
            # What `project` does, without its calls: there are hundreds of thousands of records.
            # Many are read, then many are taken: a processor that does one thing at a time has
            # all of it at hand.
            coming = iter(records)
            while batch := list(islice(coming, _BATCH)):
                for _, record in batch:
                    if record.ts_ns > newest_ns:
                        newest_ns = record.ts_ns
                    take = taker(type(record))
                    if take is None:
                        self.project(record)
                    else:
                        take(record)
        finally:
            self.last_ts_ns = newest_ns
            past.settle()
            if collects:
                gc.enable()
            for tracked in self.orders.open():
                self.holds.update(tracked.order)
                self.resting.on_order(None, tracked.order)
            for tracked in self.orders.short():
                self.holds.update(tracked.may_fill)

    def _book_cash(self, flow: CashMoved) -> None:
        if not self.is_news(flow):
            return
        self._flows[(flow.venue, flow.kind, flow.flow_id)] = None
        if len(self._flows) > MAX_FLOWS:
            del self._flows[next(iter(self._flows))]
        self.ledger.book_cash(flow)
        self.account.book_cash(flow)
        if flow.kind is EntryKind.FEE and flow.instrument_id is not None:
            self.exposure.on_fee(flow.instrument_id, flow.venue)
        self.exposure.weigh()

    def _apply(self, event: OrderEvent) -> Applied | None:
        applied = self.orders.apply(event)
        if applied is None:
            return None
        order = applied.order
        strategy = None if order is None else order.intent.strategy_id
        for fill in applied.fills:
            self._book(fill, strategy)
        if order is not None:
            tracked = self.orders.get(order.id)
            self.holds.update(order if tracked is None else tracked.may_fill)
            self.resting.on_order(applied.before, order)
        return applied

    def _book(self, fill: OrderFilled, strategy: StrategyId | None) -> None:
        """Let money and positions follow an execution."""
        instrument = listed(self._instruments, fill.instrument_id)
        gain = self.account.book_fill(fill, instrument)
        self.ledger.book_fill(fill, instrument, gain)
        self.exposure.on_fill(fill, instrument, strategy)
        self.fills.append(fill)

    def balances(self) -> tuple[Balance, ...]:
        """Return what each venue holds, by venue and asset, without assets never touched."""
        return tuple(
            Balance(venue=venue, asset=asset, total=total, held=self.holds.held(venue, asset))
            for venue, asset, total in self.ledger.totals()
        )

    def digest(self) -> bytes:
        """Return 32 bytes that are equal for equal states, whatever led to them."""
        orders = sorted(
            (
                item.order.id,
                item.order.state.value,
                item.order.venue_order_id,
                _plain(item.order.filled),
                sorted((asset, _plain(fee)) for asset, fee in item.order.fees.items()),
            )
            for item in self.orders.all()
        )
        state = (
            orders,
            [(account, asset, _plain(x)) for account, asset, x in self.ledger.accounts() if x],
            [(name, *map(_plain, figures)) for name, *figures in self.account.nets()],
            sorted(self.strategies.items()),
            self.switches.state.value,
        )
        return hashlib.sha256(msgspec.msgpack.encode(state)).digest()


def _plain(value: Decimal) -> str:
    """Return one spelling per number: 1, 1.0 and 1.00 are the same."""
    return f"{value.normalize():f}" if value else "0"
