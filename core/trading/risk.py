"""The risk gate: what every order passes before anything is recorded or sent.

An *exit* brings a position nearer to flat, whatever open orders on its side still fill. Exits are
never held up by limits, stale data, a lost loss budget or a reduced risk state; only what the venue
would refuse anyway, or a halt, stops them. Everything else is an *entry*.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from typing import Final

from core.model.accounts import LimitUse, RiskState
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Side
from core.model.orders import OrderIntent, PositionSide, TimeInForce
from core.model.ports import Marks
from core.model.settings import Settings
from core.model.views import Mode
from core.trading.books import Books
from core.trading.form import Denial, check_form, touched
from core.trading.ledger import EXACT

_SECOND_NS: Final = 1_000_000_000
_HUNDRED: Final = Decimal(100)
_ZERO: Final = Decimal(0)
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
        self._limits = settings.risk
        self._mode = mode
        self._venues = venues
        self._instruments = instruments
        self._marks = marks
        self._orders = books.orders
        self._holds = books.holds
        self._ledger = books.ledger
        self._account = books.account
        self._fee_rate = fee_rate
        self._sent: deque[int] = deque()
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
        expected = self._price(intent, instrument) if intent.price is None else None
        denial = (
            check_form(intent, instrument, expected)
            or self._check_place(intent, instrument)
            or self._check_trigger(intent, instrument, now_ns, waits=held or later)
        )
        if denial is not None or later:
            return denial or (None if held else self._check_armed(intent, now_ns))
        exits = self.is_exit(intent)
        if intent.reduce_only and not exits:
            return self._not_reducing(intent)
        if not exits:
            denial = self._check_entry(intent, instrument, monotonic_ns)
            if denial is not None:
                return denial
        return (
            (None if held and exits else self._check_band(intent, instrument, exits))
            or self._check_balance(intent, instrument)
            or (None if held else self._check_armed(intent, now_ns))
        )

    def count_sent(self, monotonic_ns: int) -> None:
        """Note that an order was let through."""
        self._sent.append(monotonic_ns)

    def is_exit(self, intent: OrderIntent) -> bool:
        """Return whether the order can only bring the position nearer to flat."""
        venue = self.venue_of(intent)
        return intent.size <= self.closable(
            intent.instrument_id, intent.side, venue, intent.position_side
        )

    def closable(
        self,
        instrument_id: InstrumentId,
        side: Side,
        venue: VenueName | None = None,
        position_side: PositionSide = PositionSide.NET,
    ) -> Decimal:
        """Return how much of a position orders of `side` may still close, at one account."""
        apart = None if position_side is PositionSide.NET else position_side
        size = self._account.size(instrument_id, apart, venue) * -side.sign
        return max(size - self._holds.open_size(instrument_id, side, venue, apart), _ZERO)

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
        limits, unit = self._limits, self._account.equity_asset
        largest = max((self._order_notional(item) for item in self._open_intents()), default=_ZERO)
        loss = max(-self._account.day_pnl(), _ZERO)
        return (
            _use("risk.max_order_notional", largest, limits.max_order_notional, unit),
            _use(
                "risk.max_position_notional",
                self._largest_position(),
                limits.max_position_notional,
                unit,
            ),
            _use("risk.max_daily_loss", loss, limits.max_daily_loss, unit),
            _use(
                "risk.max_open_orders",
                Decimal(self._orders.open_count),
                Decimal(limits.max_open_orders),
                "orders",
            ),
            _use(
                "risk.max_orders_per_second",
                Decimal(self._sent_lately(monotonic_ns)),
                Decimal(limits.max_orders_per_second),
                "orders/s",
            ),
        )

    def _check_place(self, intent: OrderIntent, instrument: Instrument) -> Denial | None:
        switches = self.switches
        if not instrument.trading:
            return Denial("instrument.trading", f"{instrument.venue} has halted {instrument.id}")
        if self._mode == "LIVE" and not self._settings.trading.live:
            return Denial("trading.live", "real orders need trading.live = true, it is false")
        if self.route(instrument, intent.account) is None and intent.account is not None:
            return Denial("account", f"no account {intent.account} trades {instrument.id}")
        if self.route(instrument, intent.account) is None:
            return Denial("venue", f"no venue {instrument.venue} is set up for {instrument.id}")
        if switches.state is RiskState.HALTED:
            return Denial("risk.state", f"trading is halted: {switches.reason}")
        return None

    def _check_trigger(
        self, intent: OrderIntent, instrument: Instrument, now_ns: int, *, waits: bool
    ) -> Denial | None:
        """Refuse an end that is past, and a trigger that the market is beyond already."""
        if intent.time_in_force is TimeInForce.GTD and intent.expire_ns <= now_ns:
            return Denial("expire_ns", f"must be after now, {now_ns}, was {intent.expire_ns}")
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

    def _check_entry(
        self, intent: OrderIntent, instrument: Instrument, monotonic_ns: int
    ) -> Denial | None:
        switches, limits = self.switches, self._limits
        if switches.journal_problem:
            return Denial("journal", f"it cannot be written: {switches.journal_problem}")
        loss = -self._account.day_pnl()
        if loss >= limits.max_daily_loss:
            return Denial(
                "risk.max_daily_loss", f"lost {loss:.2f} today, allowed {limits.max_daily_loss}"
            )
        if switches.state is RiskState.REDUCING:
            return Denial("risk.state", f"only exits go: {switches.reason}")
        venue = self.route(instrument, intent.account) or instrument.venue
        waiting = switches.closed_venues.get(venue)
        if waiting is not None:
            return Denial("venue.reconcile", f"{venue} is not reconciled: {waiting}")
        if not self._marks.trusted(instrument.id):
            return Denial("data.stale", f"market data of {instrument.id} is not to be trusted now")
        sent = self._sent_lately(monotonic_ns)
        if sent >= limits.max_orders_per_second:
            return Denial(
                "risk.max_orders_per_second",
                f"{sent} orders in the last second, allowed {limits.max_orders_per_second}",
            )
        count = self._orders.open_count
        if count >= limits.max_open_orders:
            return Denial(
                "risk.max_open_orders", f"{count} orders open, allowed {limits.max_open_orders}"
            )
        return self._check_size(intent, instrument)

    def _check_size(self, intent: OrderIntent, instrument: Instrument) -> Denial | None:
        limits, unit = self._limits, self._account.equity_asset
        price, rate = self._price(intent, instrument), self._account.rate(instrument.quote)
        if price is None or rate is None:
            return Denial(
                "risk.max_order_notional",
                f"{instrument.id} cannot be valued in {unit} without a market price",
            )
        notional = EXACT.multiply(intent.size, price) * rate
        if notional > limits.max_order_notional:
            return Denial(
                "risk.max_order_notional",
                f"order is worth {notional:.2f} {unit}, allowed {limits.max_order_notional}",
            )
        size = self._account.size(intent.instrument_id) * intent.side.sign
        reach = size + self._holds.open_size(intent.instrument_id, intent.side) + intent.size
        mark = max(price, self._account.mid(instrument) or price)
        worth = EXACT.multiply(max(reach, _ZERO), mark) * rate
        if worth > limits.max_position_notional:
            return Denial(
                "risk.max_position_notional",
                f"position could reach {reach * intent.side.sign} {instrument.base} worth "
                f"{worth:.2f} {unit}, allowed {limits.max_position_notional}",
            )
        return None

    def _check_band(
        self, intent: OrderIntent, instrument: Instrument, exits: bool
    ) -> Denial | None:
        """Hold a limit price near the market; an exit is not judged by a stale one."""
        if intent.price is None or (exits and not self._marks.trusted(instrument.id)):
            return None
        mid, what = self._account.mid(instrument), "mid"
        if intent.type.conditional:
            mid, what = intent.trigger_price, "trigger"
        if not mid:
            return None
        away = abs(intent.price - mid) / mid * _HUNDRED
        if away <= self._limits.price_band_pct:
            return None
        return Denial(
            "risk.price_band_pct",
            f"price {intent.price} is {away:.2f} % from the {what} {mid}, "
            f"allowed {self._limits.price_band_pct} %",
        )

    def _check_balance(self, intent: OrderIntent, instrument: Instrument) -> Denial | None:
        if instrument.kind is not InstrumentKind.SPOT:
            return None
        if intent.side is Side.SELL:
            asset, need, fee = instrument.base, intent.size, ""
        else:
            price = self._price(intent, instrument)
            if price is None:
                return None
            asset = instrument.quote
            need = EXACT.multiply(intent.size, price) * (1 + self._fee_rate)
            fee = f" with a fee of up to {(self._fee_rate * _HUNDRED).normalize():f} %"
        free = self.free(instrument, asset, intent.account)
        if need <= free:
            return None
        return Denial(
            "balance", f"{intent.side} needs {need.normalize():f} {asset}{fee}, free is {free:f}"
        )

    def _check_armed(self, intent: OrderIntent, now_ns: int) -> Denial | None:
        if intent.origin != "tui" or self.switches.armed.get(intent.instrument_id, 0) > now_ns:
            return None
        return Denial("disarmed", f"{intent.instrument_id} is not armed for keyboard trading")

    def _not_reducing(self, intent: OrderIntent) -> Denial:
        venue = self.venue_of(intent)
        position = self._account.size(intent.instrument_id, venue=venue)
        pending = self._holds.open_size(intent.instrument_id, intent.side, venue)
        return Denial(
            "reduce_only",
            f"{intent.side} {intent.size} would not only reduce the position of {position} "
            f"({pending} of it in open {intent.side} orders)",
        )

    def _price(self, intent: OrderIntent, instrument: Instrument) -> Decimal | None:
        """Return the dearest price the order may trade at, as far as the book tells."""
        if intent.price is not None and intent.side is Side.BUY:
            return intent.price
        if intent.trigger_price is not None:
            # It trades where the market is by then, which is about there.
            return intent.trigger_price if intent.price is None else intent.price
        top = self._marks.top(instrument.id)
        if top is None:
            return intent.price
        if intent.side is Side.BUY:
            return instrument.price(top[1])
        bid = instrument.price(top[0])
        return bid if intent.price is None else max(intent.price, bid)

    def _open_intents(self) -> Iterator[OrderIntent]:
        return (tracked.order.intent for tracked in self._orders.open())

    def _order_notional(self, intent: OrderIntent) -> Decimal:
        instrument = self._instruments.get(intent.instrument_id)
        if instrument is None:
            return _ZERO
        price, rate = self._price(intent, instrument), self._account.rate(instrument.quote)
        return _ZERO if price is None or rate is None else intent.size * price * rate

    def _largest_position(self) -> Decimal:
        largest = _ZERO
        for instrument_id in {item[0] for item in self._account.nets()} | {
            intent.instrument_id for intent in self._open_intents()
        }:
            instrument = self._instruments.get(instrument_id)
            if instrument is None:
                continue
            mark, rate = self._account.mark(instrument), self._account.rate(instrument.quote)
            size = self._account.size(instrument_id)
            reach = max(
                size + self._holds.open_size(instrument_id, Side.BUY),
                self._holds.open_size(instrument_id, Side.SELL) - size,
            )
            if mark is not None and rate is not None:
                largest = max(largest, reach * mark * rate)
        return largest

    def _sent_lately(self, monotonic_ns: int) -> int:
        while self._sent and self._sent[0] <= monotonic_ns - _SECOND_NS:
            self._sent.popleft()
        return len(self._sent)


def _use(rule: str, used: Decimal, allowed: Decimal, unit: str) -> LimitUse:
    return LimitUse(rule=rule, used=used, allowed=allowed, unit=unit)
