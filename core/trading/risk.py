"""The risk gate: what every order passes before anything is recorded or sent.

An *exit* brings a position nearer to flat, whatever open orders on its side still fill. Exits are
never held up by limits, stale data, a lost loss budget or a reduced risk state; only what the venue
would refuse anyway, or a halt, stops them. Everything else is an *entry*.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Final

from core.model.accounts import LimitUse, RiskState
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Side
from core.model.orders import Order, OrderIntent, PositionSide, Role, TimeInForce
from core.model.ports import Marks
from core.model.settings import Settings
from core.model.views import Mode
from core.trading.books import Books
from core.trading.closes import only_closes
from core.trading.form import Denial, check_band, check_form, touched
from core.trading.judging import Judge
from core.trading.limits import Scope
from core.trading.uses import Uses

_HUNDRED: Final = Decimal(100)
_ZERO: Final = Decimal(0)
_BUY: Final = Side.BUY
_SELL: Final = Side.SELL
_SPOT: Final = InstrumentKind.SPOT
_SLICE: Final = Role.SLICE
_HALTED: Final = RiskState.HALTED
_REDUCING: Final = RiskState.REDUCING
_WHICH: Final = {PositionSide.NET: "", PositionSide.LONG: "long ", PositionSide.SHORT: "short "}
PAPER: Final = VenueName("paper")
"""A venue of this name takes the orders of every instrument whose own venue is not set up."""


class RiskGate:
    """Says yes, or which rule says no with which numbers."""

    def __init__(
        self,
        *,
        settings: Settings,
        mode: Mode,
        venues: Collection[VenueName],
        instruments: Mapping[InstrumentId, Instrument],
        marks: Marks,
        books: Books,
        fee_rate: Decimal,
    ) -> None:
        self.switches = books.switches
        self._settings = settings
        self._mode = mode
        self._venues = venues
        self._instruments = instruments
        self._marks = marks
        self._orders = books.orders
        self._holds = books.holds
        self._ledger = books.ledger
        self._account = books.account
        self._fee_rate = fee_rate
        self._with_fee = 1 + fee_rate
        self._scopes = books.scopes
        self._exposure = books.exposure
        self.judge = Judge(settings.risk, books.exposure, books.resting, books.account, marks)
        self._uses = Uses(books, self.judge)
        self._markets = {
            name: VenueName(table.market or table.kind.removeprefix("ccxt:") or name)
            for name, table in settings.venues.items()
        }

    def check(
        self,
        intent: OrderIntent,
        now_ns: int,
        monotonic_ns: int,
        *,
        held: bool = False,
        later: bool = False,
    ) -> Denial | None:
        """Return why `intent` must not be sent now, None when it may.

        A `held` one was let in before and goes out, or changes, now: no arming is asked for. One
        for `later` only waits for another order; what it may do is judged when it goes out.
        """
        instrument = self._instruments.get(intent.instrument_id)
        if instrument is None:
            return Denial("instrument", f"{intent.instrument_id} is not listed")
        expected = self.price(intent, instrument) if intent.price is None else None
        venue = self.route(instrument, intent.account)
        denial = check_form(intent, instrument, expected) or self._check_place(
            intent, instrument, venue
        )
        if denial is None and (intent.trigger_price is not None or intent.expire_ns):
            denial = self._check_trigger(intent, instrument, now_ns, waits=held or later)
        if denial is None and instrument.price_band is not None and not later:
            denial = self._check_band(intent, instrument)
        if denial is not None or later or venue is None:
            return denial or (None if held else self._check_armed(intent, now_ns))
        exits = intent.size <= self._exposure.closable(
            intent.instrument_id,
            intent.side,
            venue,
            intent.position_side,
            beside=only_closes(intent, instrument),
        )
        if intent.reduce_only and not exits:
            return self._not_reducing(intent, instrument, venue)
        if not exits:
            denial = self._check_entry(intent, instrument, venue, now_ns, monotonic_ns)
            if denial is not None:
                return denial
        if instrument.kind is _SPOT:
            denial = self._check_balance(intent, instrument, venue)
        return denial or (None if held else self._check_armed(intent, now_ns))

    @contextmanager
    def trying(self) -> Iterator[None]:
        """Judge in here what is not to be sent: what limits are told by stays as it was."""
        latest = self.judge.latest
        self._exposure.still = True
        try:
            yield
        finally:
            self._exposure.still = False
            self.judge.latest = latest

    def count_sent(self, intent: OrderIntent, monotonic_ns: int) -> None:
        """Note that an order was let through."""
        for scope in self._of(intent):
            scope.orders.add(monotonic_ns)
            scope.messages.add(monotonic_ns)

    def count_message(self, intent: OrderIntent, monotonic_ns: int) -> None:
        """Note that a cancel or an amend of an order was sent."""
        for scope in self._of(intent):
            scope.messages.add(monotonic_ns)

    def _of(self, intent: OrderIntent) -> tuple[Scope, ...]:
        venue = self.venue_of(intent) or VenueName("")
        return self._scopes.of(intent.instrument_id, venue, intent.strategy_id)

    def is_exit(self, intent: OrderIntent) -> bool:
        """Return whether the order can only bring the position nearer to flat."""
        venue = self.venue_of(intent)
        instrument = self._instruments.get(intent.instrument_id)
        beside = instrument is not None and only_closes(intent, instrument)
        return intent.size <= self.closable(
            intent.instrument_id, intent.side, venue, intent.position_side, beside=beside
        )

    def left_to_close(self, intent: OrderIntent, order: Order) -> Decimal:
        """Return how much an order's new form, which can only close, has left to close; else 0."""
        instrument = self._instruments.get(intent.instrument_id)
        if instrument is None or not only_closes(intent, instrument):
            return _ZERO
        with self._holds.without(order):
            return self.closable(
                intent.instrument_id, intent.side, order.venue, intent.position_side, beside=True
            )

    def closable(
        self,
        instrument_id: InstrumentId,
        side: Side,
        venue: VenueName | None = None,
        position_side: PositionSide = PositionSide.NET,
        *,
        beside: bool = False,
    ) -> Decimal:
        """Return how much of a position orders of `side` may still close, at one account.

        `beside` leaves out the open ones that give way to one that can only close.
        """
        if venue is not None:
            return self._exposure.closable(instrument_id, side, venue, position_side, beside=beside)
        size = self._account.size(instrument_id) * -side.sign
        return max(size - self._holds.open_size(instrument_id, side), _ZERO)

    def route(self, instrument: Instrument, account: VenueName | None = None) -> VenueName | None:
        """Return where orders go: the account named, else the instrument's own venue.

        Without one, the first account that trades the instrument's market, else the paper venue.
        """
        if account is not None:
            trades = self._markets.get(account, account) == instrument.venue or account == PAPER
            return account if account in self._venues and trades else None
        if instrument.venue in self._venues:
            return instrument.venue
        for name in self._venues:
            if self._markets.get(name) == instrument.venue:
                return name
        return PAPER if PAPER in self._venues else None

    def venue_of(self, intent: OrderIntent) -> VenueName | None:
        """Return where an order goes, None if nowhere."""
        instrument = self._instruments.get(intent.instrument_id)
        return None if instrument is None else self.route(instrument, intent.account)

    def free(self, instrument: Instrument, asset: str, account: VenueName | None = None) -> Decimal:
        """Return what is left of an asset where the instrument's orders go."""
        venue = self.route(instrument, account) or instrument.venue
        return self._ledger.total(venue, asset) - self._holds.claimed(venue, asset)

    def limits(self, monotonic_ns: int) -> tuple[LimitUse, ...]:
        """Return every limit with how much of it is used."""
        return self._uses.all(monotonic_ns)

    def _check_place(
        self, intent: OrderIntent, instrument: Instrument, venue: VenueName | None
    ) -> Denial | None:
        switches = self.switches
        if not instrument.trading:
            return Denial("instrument.trading", f"{instrument.venue} has halted {instrument.id}")
        if self._mode == "LIVE" and not self._settings.trading.live:
            return Denial("trading.live", "real orders need trading.live = true, it is false")
        if venue is None and intent.account is not None:
            return Denial("account", f"no account {intent.account} trades {instrument.id}")
        if venue is None:
            return Denial("venue", f"no venue {instrument.venue} is set up for {instrument.id}")
        if switches.state is _HALTED:
            return Denial("risk.state", f"trading is halted: {switches.reason}")
        return None

    def _check_trigger(
        self, intent: OrderIntent, instrument: Instrument, now_ns: int, *, waits: bool
    ) -> Denial | None:
        """Refuse an end that is past, and a trigger that the market is beyond already."""
        if intent.time_in_force is TimeInForce.GTD and intent.expire_ns <= now_ns:
            asked, now = (
                dt.datetime.fromtimestamp(ns / 1e9, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")
                for ns in (intent.expire_ns, now_ns)
            )
            return Denial("expire_ns", f"must be after now, {now} UTC, was {asked}")
        trigger = intent.trigger_price
        if waits or trigger is None or not self._marks.trusted(instrument.id):
            return None
        mid = self._account.mid(instrument)
        if mid is None or not touched(intent, mid, trigger):
            return None
        return Denial(
            "trigger_price",
            f"a {intent.side} {intent.type} at {trigger} would fire at once, the market is at "
            f"{mid}; a {'limit' if intent.type.limited else 'market'} order does the same",
        )

    def _check_band(self, intent: OrderIntent, instrument: Instrument) -> Denial | None:
        """Refuse a price the venue would; where the market is not known, that is left to it."""
        if not self._marks.trusted(instrument.id):
            return None
        said = self._marks.reference(instrument.id) if instrument.derivative else None
        mark = None if said is None else said.mark
        return check_band(intent, instrument, mark or self._account.mid(instrument))

    def _check_entry(
        self,
        intent: OrderIntent,
        instrument: Instrument,
        venue: VenueName,
        now_ns: int,
        monotonic_ns: int,
    ) -> Denial | None:
        switches = self.switches
        if switches.journal_problem:
            return Denial("journal", f"it cannot be written: {switches.journal_problem}")
        stack = self._scopes.stack(instrument.id, venue, intent.strategy_id)
        top = self._exposure.revalue(instrument)
        denial = self.judge.losses(stack, now_ns)
        if denial is not None:
            return denial
        if switches.state is _REDUCING:
            return Denial("risk.state", f"only exits go: {switches.reason}")
        waiting = switches.closed_venues.get(venue)
        if waiting is not None:
            return Denial("venue.reconcile", f"{venue} is not reconciled: {waiting}")
        if not self._marks.trusted(instrument.id):
            return Denial("data.stale", f"market data of {instrument.id} is not to be trusted now")
        price = self.price(intent, instrument)
        return (
            self.judge.flow(stack, instrument, monotonic_ns)
            or self.judge.size(stack, intent, instrument, venue, price)
            or self.judge.against_book(stack, intent, instrument, top)
        )

    def _check_balance(
        self, intent: OrderIntent, instrument: Instrument, venue: VenueName
    ) -> Denial | None:
        """Refuse what the balance does not cover; holdings only."""
        if intent.side is _SELL:
            asset, need = instrument.base, intent.size
        else:
            price = self.price(intent, instrument)
            if price is None:
                return None
            asset = instrument.quote
            need = intent.size * price * self._with_fee
        free = self._ledger.total(venue, asset) - self._holds.claimed(venue, asset)
        if need <= free:
            return None
        fee = ""
        if intent.side is not _SELL:
            fee = f" with a fee of up to {(self._fee_rate * _HUNDRED).normalize():f} %"
        return Denial(
            "balance",
            f"{intent.side} needs {need.normalize():f} {asset}{fee}, free is {free.normalize():f}",
        )

    def _check_armed(self, intent: OrderIntent, now_ns: int) -> Denial | None:
        if intent.origin != "tui" or self.switches.armed.get(intent.instrument_id, 0) > now_ns:
            return None
        if intent.role is _SLICE:
            # Its executor was armed when it began; it goes on when nobody is at the keyboard.
            return None
        return Denial("disarmed", f"{intent.instrument_id} is not armed for keyboard trading")

    def _not_reducing(
        self, intent: OrderIntent, instrument: Instrument, venue: VenueName
    ) -> Denial:
        side = intent.position_side
        position = self._account.size(intent.instrument_id, venue=venue)
        pending = self._holds.open_size(intent.instrument_id, intent.side, venue)
        if instrument.derivative:
            line = self._exposure.find(intent.instrument_id, side, venue)
            if side is not PositionSide.NET:
                position, pending = line.size, line.buys if intent.side is _BUY else line.sells
            if only_closes(intent, instrument):
                pending -= line.waiting[intent.side]
        return Denial(
            "reduce_only",
            f"{intent.side} {intent.size} would not only reduce the {_WHICH[side]}position of "
            f"{position.normalize():f} ({pending.normalize():f} of it in open {intent.side} "
            "orders)",
        )

    def price(self, intent: OrderIntent, instrument: Instrument) -> Decimal | None:
        """Return the dearest price the order may trade at, as far as the book tells."""
        if intent.price is not None and intent.side is _BUY:
            return intent.price
        if intent.trigger_price is not None:
            # It trades where the market is by then, which is about there.
            return intent.trigger_price if intent.price is None else intent.price
        top = self._marks.top(instrument.id)
        if top is None:
            return intent.price
        if intent.side is _BUY:
            return instrument.price(top[1])
        bid = instrument.price(top[0])
        return bid if intent.price is None else max(intent.price, bid)
