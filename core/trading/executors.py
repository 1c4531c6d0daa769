"""TWAP and scaled entry: many orders for one wish, which go on after a restart.

What is still to be sent follows from the plan, the time and the orders there are, each of which is
named after its plan and number, so none is ever sent twice::

    TWAP    a part is due every (end - start) / (orders - 1); it is what is left / parts left
    scaled  all parts at once, evenly between two prices
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

from core.model.accounts import RiskState
from core.model.errors import ConfigError, did_you_mean
from core.model.executors import (
    ExecutorEnded,
    ExecutorKind,
    ExecutorPaused,
    ExecutorPlan,
    ExecutorStarted,
    ExecutorView,
)
from core.model.ids import ClientOrderId, InstrumentId, OriginKind, check_client_order_id
from core.model.instruments import Instrument
from core.model.orders import Order, OrderIntent, OrderState, OrderType, Role, TimeInForce
from core.trading.board import Board
from core.trading.books import Books
from core.trading.flow import OrderFlow
from core.trading.ledger import EXACT
from core.trading.listing import listed
from core.trading.plans import Run
from core.trading.tracked import Tracked

MAX_ORDERS: Final = 500
_MAX_ID: Final = 28
_ZERO: Final = Decimal(0)
_REFUSED: Final = frozenset({OrderState.DENIED, OrderState.REJECTED})
_SHOW_NS: Final = 1_000_000_000
_NOT_NOW: Final = frozenset({"venue.reconcile", "data.stale", "journal"})
"""Rules that hold for a moment: a part waits for it to pass. So it does for a rate of orders."""
_MAX_REFUSALS: Final = 5
"""Refused parts in a row after which a TWAP gives up."""


class Executors:
    """Runs the plans the journal has."""

    def __init__(
        self,
        books: Books,
        instruments: Mapping[InstrumentId, Instrument],
        *,
        submit: Callable[[OrderIntent], Order],
        flow: OrderFlow,
        board: Board,
    ) -> None:
        self._books = books
        self._instruments = instruments
        self._submit = submit
        self._flow = flow
        self._board = board
        self._waits: dict[str, str] = {}
        """Why the part of a plan that is due does not go yet."""
        self._moving: set[str] = set()
        """Executors that run, or ended in this session with orders that still stand."""
        self._shown_ns = 0

    def start(self, plan: ExecutorPlan, now_ns: int, *, dry_run: bool = False) -> ExecutorView:
        """Take on a plan; the same id never starts twice.

        Raises:
            ConfigError: The plan cannot be carried out as it is.
        """
        if plan.id in self._books.executors:
            return self.view(plan.id, now_ns)
        sizes = self._check(plan)
        if dry_run:
            ended = f"dry run: {plan.orders} orders of {sizes[0]} to {sizes[-1]}"
            return ExecutorView(
                plan=plan, sent=0, filled=_ZERO, average_price=None, open_size=_ZERO,
                next_ns=plan.start_ns, ended=ended,
            )  # fmt: skip
        armed = self._books.switches.armed.get(plan.instrument_id, 0)
        if plan.origin == "tui" and armed <= now_ns:
            raise ConfigError(f"{plan.instrument_id} is not armed for keyboard trading")
        self._flow.record(ExecutorStarted(plan=plan, ts_ns=now_ns))
        self._step(self._find(plan.id), now_ns)
        return self._told(plan.id, now_ns)

    def stop(self, executor_id: str, origin: OriginKind, now_ns: int) -> ExecutorView:
        """Send no more orders, and cancel those that rest.

        Raises:
            ConfigError: There is no such executor.
        """
        run = self._find(executor_id)
        if not run.ended:
            self._end(run.plan, f"stopped by {origin}", now_ns)
        live = [item for item in self._parts(run.plan) if not item.order.state.terminal]
        self._flow.cancel(live, origin)
        return self._told(executor_id, now_ns)

    def pause(self, executor_id: str, now_ns: int, *, dry_run: bool = False) -> ExecutorView:
        """Let a TWAP's time stand still; one that is paused stays so.

        Raises:
            ConfigError: There is no such executor, it has ended, or it has sent everything.
        """
        run = self._running(executor_id)
        if run.plan.kind is ExecutorKind.SCALED:
            raise ConfigError(
                f"scaled {executor_id} has sent all its orders, so nothing of it can be paused; "
                "stopping it cancels those that rest"
            )
        return self._switch(run, now_ns, paused=True, dry_run=dry_run)

    def resume(self, executor_id: str, now_ns: int, *, dry_run: bool = False) -> ExecutorView:
        """Let a paused TWAP go on, its end as much later as it was paused.

        Raises:
            ConfigError: There is no such executor, or it has ended.
        """
        return self._switch(self._running(executor_id), now_ns, paused=False, dry_run=dry_run)

    def on_timer(self, now_ns: int) -> None:
        """Send the parts that are due, end what is done, and show how far each is."""
        due = now_ns - self._shown_ns >= _SHOW_NS or now_ns < self._shown_ns
        if due:
            self._shown_ns = now_ns
        for name, run in list(self._books.executors.items()):
            if not run.ended:
                self._step(run, now_ns)
                self._moving.add(name)
            if due and name in self._moving:
                view = self._told(name, now_ns)
                if view.ended and not view.open_size:
                    self._moving.discard(name)

    def views(self, now_ns: int) -> tuple[ExecutorView, ...]:
        """Return every executor remembered, the oldest first."""
        return tuple(self.view(name, now_ns) for name in self._books.executors)

    def view(self, executor_id: str, now_ns: int) -> ExecutorView:
        """Return how far an executor is.

        Raises:
            ConfigError: There is no such executor.
        """
        run = self._find(executor_id)
        plan, parts = run.plan, self._parts(run.plan)
        filled = sum((item.order.filled for item in parts), _ZERO)
        value = sum((item.value for item in parts), _ZERO)
        resting = (item.order.remaining for item in parts if not item.order.state.terminal)
        refused = [item.order for item in parts if item.order.state in _REFUSED]
        left = len(parts) < plan.orders and not run.ended and not run.paused_ns
        due_ns = _due_ns(run, parts) + now_ns - run.own_ns(now_ns)
        return ExecutorView(
            plan=plan,
            sent=len(parts),
            filled=filled,
            average_price=value / filled if filled else None,
            open_size=sum(resting, _ZERO),
            next_ns=due_ns if left else 0,
            paused_ns=run.paused_ns,
            refused=len(refused),
            note=refused[-1].note if refused else "",
            ended=run.ended,
            waits="" if run.ended else self._waits.get(executor_id, ""),
        )

    # -- within ----------------------------------------------------------------------------

    def _told(self, executor_id: str, now_ns: int) -> ExecutorView:
        view = self.view(executor_id, now_ns)
        self._board.show_executor(view)
        return view

    def _switch(self, run: Run, now_ns: int, *, paused: bool, dry_run: bool) -> ExecutorView:
        if bool(run.paused_ns) is not paused and not dry_run:
            record = ExecutorPaused(executor_id=run.plan.id, paused=paused, ts_ns=now_ns)
            self._flow.record(record)
        return self._told(run.plan.id, now_ns)

    def _step(self, run: Run, now_ns: int) -> None:
        plan, parts = run.plan, self._parts(run.plan)
        if plan.kind is ExecutorKind.SCALED:
            self._scale(plan, parts, now_ns)
            return
        filled = sum((item.order.filled for item in parts), _ZERO)
        if filled >= plan.size:
            self._end(plan, "done", now_ns)
            return
        if any(not item.over for item in parts):
            # A part that has not ended may fill yet: what is left is not known.
            return
        number, own_ns = len(parts), run.own_ns(now_ns)
        if number >= plan.orders or own_ns > plan.end_ns + _pause_ns(plan):
            missed = plan.orders - number
            why = f"{missed} parts were not sent in time" if missed else "the last part has ended"
            self._end(plan, f"{_plain(filled)} of {plan.size} filled: {why}", now_ns)
        elif run.paused_ns:
            return
        elif own_ns >= _due_ns(run, parts) and self._may_go(plan, parts, now_ns):
            self._slice(plan, number, filled, own_ns)

    def _slice(self, plan: ExecutorPlan, number: int, filled: Decimal, now_ns: int) -> None:
        """Send what is left by the parts there is time for; missed ones are made up for."""
        instrument = listed(self._instruments, plan.instrument_id)
        pause_ns = _pause_ns(plan)
        ahead = -(-max(0, plan.end_ns - now_ns) // pause_ns) + 1 if pause_ns else 1
        parts_left = max(1, min(plan.orders - number, ahead))
        lots = instrument.floor_lots(plan.size - filled)
        share = -(-lots // parts_left)
        self._send(plan, number, instrument.size(share), plan.price)

    def _scale(self, plan: ExecutorPlan, parts: list[Tracked], now_ns: int) -> None:
        sizes = self._check(plan)
        prices = _ladder(plan, listed(self._instruments, plan.instrument_id))
        sent = {item.order.id for item in parts}
        for number, (size, price) in enumerate(zip(sizes, prices, strict=True)):
            if _name(plan, number) not in sent and not self._send(plan, number, size, price):
                return
        parts = self._parts(plan)
        if all(item.over for item in parts):
            filled = sum((item.order.filled for item in parts), _ZERO)
            done = filled >= plan.size
            self._end(plan, "done" if done else f"{_plain(filled)} of {plan.size} filled", now_ns)

    def _send(self, plan: ExecutorPlan, number: int, size: Decimal, price: Decimal | None) -> bool:
        """Send a part, or let it wait for what passes by itself; return whether it went."""
        intent = self._part(plan, number, size, price)
        told = self._flow.submit(intent, dry_run=True)
        rule = told.note.partition(":")[0] if told.state in _REFUSED else ""
        if rule in _NOT_NOW or rule.endswith("s_per_second"):
            self._waits[plan.id] = told.note
            return False
        self._waits.pop(plan.id, None)
        self._submit(intent)
        return True

    @staticmethod
    def _part(plan: ExecutorPlan, number: int, size: Decimal, price: Decimal | None) -> OrderIntent:
        twap = plan.kind is ExecutorKind.TWAP
        return OrderIntent(
            client_order_id=_name(plan, number),
            instrument_id=plan.instrument_id,
            side=plan.side,
            type=OrderType.MARKET if price is None else OrderType.LIMIT,
            size=size,
            price=price,
            time_in_force=TimeInForce.IOC if twap else TimeInForce.GTC,
            post_only=plan.post_only,
            reduce_only=plan.reduce_only,
            account=plan.account,
            group_id=plan.id,
            role=Role.SLICE,
            origin=plan.origin,
            strategy_id=plan.strategy_id,
            reason=plan.reason or f"{plan.kind} {plan.id}, part {number + 1} of {plan.orders}",
        )

    def _may_go(self, plan: ExecutorPlan, parts: list[Tracked], now_ns: int) -> bool:
        """Return whether another part may go; end a plan that is refused again and again."""
        switches = self._books.switches
        if switches.state is not RiskState.ACTIVE and not plan.reduce_only:
            self._end(plan, f"trading is {switches.state}: {switches.reason}", now_ns)
            return False
        last = parts[-_MAX_REFUSALS:]
        refused = [item for item in last if item.order.state in _REFUSED]
        if len(refused) < _MAX_REFUSALS:
            return True
        why = f"its last {len(refused)} parts were refused: {refused[-1].order.note}"
        self._end(plan, why, now_ns)
        return False

    def _end(self, plan: ExecutorPlan, reason: str, now_ns: int) -> None:
        self._flow.record(ExecutorEnded(executor_id=plan.id, reason=reason, ts_ns=now_ns))
        if reason != "done":
            self._board.alert("warning", f"{plan.kind} {plan.id}: {reason}")

    def _parts(self, plan: ExecutorPlan) -> list[Tracked]:
        """Return the plan's orders there are, in their order."""
        orders = self._books.orders
        found = (orders.get(_name(plan, number)) for number in range(plan.orders))
        return [item for item in found if item is not None]

    def _running(self, executor_id: str) -> Run:
        run = self._find(executor_id)
        if run.ended:
            raise ConfigError(f"{run.plan.kind} {executor_id} has ended already: {run.ended}")
        return run

    def _find(self, executor_id: str) -> Run:
        known = self._books.executors.get(executor_id)
        if known is None:
            hint = did_you_mean(executor_id, self._books.executors)
            raise ConfigError(f"no executor {executor_id!r} is known{hint}")
        return known

    def _check(self, plan: ExecutorPlan) -> list[Decimal]:
        """Return the size of each part.

        Raises:
            ConfigError: The plan cannot be carried out as it is.
        """
        what = f"{plan.kind} {plan.id}"
        check_client_order_id(plan.id)
        if len(plan.id) > _MAX_ID:
            raise ConfigError(f"{what}: its id must have at most {_MAX_ID} letters")
        if not 2 <= plan.orders <= MAX_ORDERS:
            raise ConfigError(f"{what}: orders must be 2 to {MAX_ORDERS}, was {plan.orders}")
        scaled = plan.kind is ExecutorKind.SCALED
        if scaled and (plan.price is None or plan.last_price is None):
            raise ConfigError(f"{what}: a scaled entry needs a first and a last price")
        if not scaled and plan.end_ns <= plan.start_ns:
            raise ConfigError(f"{what}: its end must be after its start")
        instrument = listed(self._instruments, plan.instrument_id)
        lots = instrument.lots(plan.size)
        each, more = divmod(lots, plan.orders)
        if not each or instrument.size(each) < instrument.min_size:
            least = max(instrument.min_size, instrument.size_lot)
            raise ConfigError(
                f"{what}: {plan.size} in {plan.orders} parts is less than {least} each; "
                "use fewer parts"
            )
        self._check_worth(plan, instrument, instrument.size(each))
        return [instrument.size(each + (number < more)) for number in range(plan.orders)]

    def _check_worth(self, plan: ExecutorPlan, instrument: Instrument, each: Decimal) -> None:
        """Refuse parts that the venue takes for too small, as far as a price is known."""
        prices = [price for price in (plan.price, plan.last_price) if price is not None]
        mark = self._books.account.mark(instrument)
        if not prices and mark is not None:
            prices = [mark]
        if not prices or plan.reduce_only or not instrument.min_notional:
            return
        worth = EXACT.multiply(each, min(prices))
        if worth < instrument.min_notional:
            fits = max(1, int(plan.orders * worth / instrument.min_notional))
            raise ConfigError(
                f"{plan.kind} {plan.id}: {_plain(plan.size)} in {plan.orders} parts makes parts "
                f"worth {worth:.2f} {instrument.quote} each, and {instrument.id} takes none below "
                f"{_plain(instrument.min_notional)}; use {fits} parts or fewer"
            )


def _name(plan: ExecutorPlan, number: int) -> ClientOrderId:
    return ClientOrderId(f"{plan.id}-{number:03d}")


def _pause_ns(plan: ExecutorPlan) -> int:
    return (plan.end_ns - plan.start_ns) // max(1, plan.orders - 1)


def _due_ns(run: Run, parts: Sequence[Tracked]) -> int:
    """Return when the next part is due: at the first of the plan's times after the last part.

    It is a time as the plan counts it, without its pauses.
    """
    plan = run.plan
    if not parts:
        return plan.start_ns
    pause_ns = max(1, _pause_ns(plan))
    passed_ns = max(0, run.own_ns(parts[-1].order.ts_submitted_ns) - plan.start_ns)
    return plan.start_ns + (passed_ns // pause_ns + 1) * pause_ns


def _ladder(plan: ExecutorPlan, instrument: Instrument) -> Iterable[Decimal]:
    """Return evenly spaced prices from the first to the last, each on a tick."""
    assert plan.price is not None  # checked at the start
    assert plan.last_price is not None
    step = (plan.last_price - plan.price) / (plan.orders - 1)
    return [
        instrument.price(instrument.nearest_ticks(EXACT.add(plan.price, step * number)))
        for number in range(plan.orders)
    ]


def _plain(size: Decimal) -> str:
    return f"{size.normalize():f}"
