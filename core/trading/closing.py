"""Closing positions: how much may be closed now, and the patient way to flat after a kill."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from core.model.errors import ConfigError
from core.model.ids import ClientOrderId, InstrumentId, OriginKind, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Side
from core.model.orders import (
    Order,
    OrderIntent,
    OrderState,
    OrderType,
    PositionSide,
    TimeInForce,
)
from core.trading.account import Account
from core.trading.listing import listed
from core.trading.orders import OrderCache
from core.trading.risk import RiskGate

MAX_ATTEMPTS: Final = 5
"""Closing orders per instrument before a person has to look."""
_PAUSE_NS: Final = 1_000_000_000


class Part(NamedTuple):
    """One position: an instrument at one account, LONG or SHORT where they are held apart."""

    instrument_id: InstrumentId
    venue: VenueName
    side: PositionSide


class Closer:
    """Makes closing orders, never larger than what is open and not being closed already."""

    def __init__(
        self, instruments: Mapping[InstrumentId, Instrument], account: Account, gate: RiskGate
    ) -> None:
        self._instruments = instruments
        self._account = account
        self._gate = gate

    def one(
        self, instrument_id: InstrumentId, side: PositionSide | None, account: VenueName | None
    ) -> Part:
        """Return the one position that is meant, or where its orders would go if there is none.

        Raises:
            ConfigError: Several may be meant, or no such account trades it; says which.
        """
        instrument = listed(self._instruments, instrument_id)
        if account is not None and self._gate.route(instrument, account) is None:
            raise ConfigError(f"no account {account!r} trades {instrument_id}")
        found = [
            (Part(instrument_id, venue, held), size)
            for _, held, venue, size in self._account.open_nets(instrument_id)
            if account in {None, venue}
            and (side in {None, held} or (held is PositionSide.NET and _way(size) is side))
        ]
        tradable = [part for part, size in found if abs(size) >= instrument.size_lot]
        if len(tradable) > 1:
            words = ", ".join(
                f"{held.side if held.side is not PositionSide.NET else _way(size)} "
                f"{abs(size).normalize():f} at {held.venue}"
                for held, size in found
            )
            raise ConfigError(
                f"{instrument_id} is held apart: {words}; say which by its side (long or short) "
                "or its account"
            )
        if tradable or found:
            return tradable[0] if tradable else found[0][0]
        venue = account or self._gate.route(instrument) or instrument.venue
        return Part(instrument_id, venue, side or PositionSide.NET)

    def size(self, part: Part) -> Decimal:
        """Return the signed size of a position."""
        return self._account.size(part.instrument_id, part.side, part.venue)

    def intent(
        self,
        part: Part,
        order_id: ClientOrderId,
        origin: OriginKind,
        reason: str,
        *,
        beside: bool = False,
    ) -> OrderIntent:
        """Return a reduce-only market order for what can be closed now; its size may be 0.

        On a spot venue it is cut to the base that is really free, as fees may have eaten some.
        With `beside` a position of contracts is closed although stops and targets wait to do so:
        they end with it.
        """
        instrument = listed(self._instruments, part.instrument_id)
        held = self.size(part)
        long = held > 0 or (not held and part.side is PositionSide.LONG)
        side = Side.SELL if long else Side.BUY
        size = self._gate.closable(part.instrument_id, side, part.venue, part.side, beside=beside)
        usual = self._gate.route(instrument) == part.venue
        account = None if usual else part.venue
        if side is Side.SELL and instrument.kind is InstrumentKind.SPOT:
            free = self._gate.free(instrument, instrument.base, account)
            size = min(size, max(free, Decimal(0)))
        most = instrument.max_market_size or instrument.max_size
        if most:
            size = min(size, most)
        return OrderIntent(
            client_order_id=order_id,
            instrument_id=part.instrument_id,
            side=side,
            type=OrderType.MARKET,
            size=instrument.size(instrument.floor_lots(size)),
            time_in_force=TimeInForce.IOC,
            reduce_only=True,
            position_side=part.side,
            account=account,
            origin=origin,
            reason=reason,
        )

    def why_not(self, part: Part, intent: OrderIntent) -> str:
        """Return why a closing order cannot be, empty where it can."""
        size = self.size(part)
        if intent.size and size:
            return ""
        apart = "" if part.side is PositionSide.NET else f"{part.side} "
        left = self._gate.closable(
            part.instrument_id, intent.side, part.venue, part.side, beside=True
        )
        busy = abs(size) - left
        both = f"; cancel those first, `clx flatten {part.instrument_id}` does both"
        return (
            f"nothing to close: the {apart}position is {size.normalize():f}, "
            f"{busy.normalize():f} of it in open {intent.side} orders{both if busy else ''}"
        )

    def stop(
        self, part: Part, order_id: ClientOrderId, away_pct: Decimal, reason: str
    ) -> OrderIntent | None:
        """Return a stop behind what can be closed now, None without a market to set it by."""
        instrument = listed(self._instruments, part.instrument_id)
        mark = self._account.mark(instrument)
        if mark is None:
            return None
        close = self.intent(part, order_id, "engine", reason)
        away = 1 - away_pct / 100 * close.side.opposite.sign
        ticks = instrument.nearest_ticks(mark * away)
        return msgspec.structs.replace(
            close,
            type=OrderType.STOP,
            time_in_force=TimeInForce.GTC,
            trigger_price=instrument.price(ticks),
        )

    def is_flat(self, part: Part) -> bool:
        """Return whether less than one lot is open."""
        lot = listed(self._instruments, part.instrument_id).size_lot
        return abs(self.size(part)) < lot


class _Task:
    __slots__ = ("attempts", "next_ns", "order_id")

    def __init__(self) -> None:
        self.attempts = 0
        self.next_ns = 0
        self.order_id: ClientOrderId | None = None


class Flattener:
    """Closes positions step by step while their other orders are being cancelled.

    A position is closed only as far as no live order on the same side may close it too, so a cancel
    that crosses a fill never turns the position round.
    """

    def __init__(
        self,
        closer: Closer,
        orders: OrderCache,
        submit: Callable[[OrderIntent], Order],
        next_id: Callable[[], ClientOrderId],
        give_up: Callable[[Part, str], None],
    ) -> None:
        self._closer = closer
        self._orders = orders
        self._submit = submit
        self._next_id = next_id
        self._give_up = give_up
        self._tasks: dict[Part, _Task] = {}
        self._reason = ""

    @property
    def active(self) -> bool:
        """Return whether anything is still to be closed."""
        return bool(self._tasks)

    def closes(self, order: Order) -> bool:
        """Return whether the position an order belongs to is being closed."""
        return any(_of(order, part) for part in self._tasks)

    def start(self, parts: Sequence[Part], reason: str, now_ns: int) -> tuple[ClientOrderId, ...]:
        """Begin; return the closing orders that could be sent at once."""
        self._reason = reason
        for part in parts:
            self._tasks.setdefault(part, _Task())
        return self.step(now_ns)

    def stop(self) -> None:
        """Begin no more closing orders."""
        self._tasks.clear()

    def step(self, now_ns: int) -> tuple[ClientOrderId, ...]:
        """Send what can be closed now; return the ids of the orders sent."""
        sent = [
            order.id
            for part, task in list(self._tasks.items())
            if (order := self._step(part, task, now_ns)) is not None
        ]
        return tuple(sent)

    def _step(self, part: Part, task: _Task, now_ns: int) -> Order | None:
        items = (*self._orders.open(), *self._orders.short())
        live = any(_of(item.order, part) for item in items)
        if self._closer.is_flat(part):
            if not live:
                del self._tasks[part]
            return None
        last = self._orders.get(task.order_id) if task.order_id is not None else None
        if now_ns < task.next_ns or (last is not None and not last.over):
            return None
        if task.attempts >= MAX_ATTEMPTS:
            self._stop(part, f"{MAX_ATTEMPTS} closing orders did not do it")
            return None
        order_id = self._next_id()
        intent = self._closer.intent(part, order_id, "engine", self._reason)
        if not intent.size:
            if live:
                return None
            self._stop(part, "what is left is less than can be sold")
            return None
        task.attempts += 1
        task.order_id = order_id
        task.next_ns = now_ns + _PAUSE_NS
        order = self._submit(intent)
        if order.state is OrderState.DENIED:
            self._stop(part, order.note)
            return None
        return order

    def _stop(self, part: Part, why: str) -> None:
        self._tasks.pop(part, None)
        self._give_up(part, why)


def _way(size: Decimal) -> PositionSide:
    return PositionSide.LONG if size > 0 else PositionSide.SHORT


def _of(order: Order, part: Part) -> bool:
    """Return whether an order may still change a position."""
    intent = order.intent
    return (intent.instrument_id, order.venue, intent.position_side) == part
