"""The kill switch: a ladder of four steps, each doing what those before it do and more.

::

    pause     entries are refused; what is open stays
    reduce    open entries are cancelled; exits and protective stops stay
    cancel    every open order is cancelled
    flatten   then positions are closed, those held apart each by its own side

Every step closes the gate first. The step that stands is in the journal, so a restart carries on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from decimal import Decimal
from typing import Final, Literal, TypeAlias

from core.model.accounts import RiskState
from core.model.commands import KillReport
from core.model.facts import JournalRecord, RiskStateChanged
from core.model.ids import ClientOrderId, InstrumentId, OriginKind, VenueName
from core.model.market import Side
from core.model.orders import Link, Order, OrderIntent, OrderState, PositionSide, Role
from core.model.ports import Clock
from core.trading.board import Board
from core.trading.books import Books
from core.trading.closing import Closer, Flattener, Part
from core.trading.guard import COVERS, STANDS_IN
from core.trading.tracked import Tracked

KillLevel: TypeAlias = Literal["pause", "reduce", "cancel", "flatten"]
_CARRIED_ON: Final[dict[str, KillLevel]] = {
    "reduce": "reduce",
    "cancel": "cancel",
    "flatten": "flatten",
}
_ZERO: Final = Decimal(0)
_Way: TypeAlias = tuple[InstrumentId, Side, VenueName, PositionSide]
_EXITS: Final = frozenset({Link.OCO, Link.BRACKET, Link.OTO})


class KillSwitch:
    """Changes the risk state, and does what a step of the ladder asks for."""

    def __init__(
        self,
        *,
        books: Books,
        closer: Closer,
        submit: Callable[[OrderIntent], Order],
        cancel: Callable[[Sequence[Tracked], OriginKind], None],
        record: Callable[[JournalRecord], None],
        next_id: Callable[[], ClientOrderId],
        board: Board,
        clock: Clock,
    ) -> None:
        self._books = books
        self._closer = closer
        self._cancel = cancel
        self._record = record
        self._board = board
        self._clock = clock
        self.flattener = Flattener(closer, books.orders, submit, next_id, self._not_flattened)
        self._left: KillLevel | None = None
        """What the kill switch of an earlier session still has to do."""

    def recover(self) -> None:
        """Take up what the journal says stands."""
        self._left = _CARRIED_ON.get(self._books.switches.kill)

    def kill(
        self, level: KillLevel, reason: str, origin: OriginKind, *, dry_run: bool = False
    ) -> KillReport:
        """Close the gate for entries, and do what the step asks for.

        Closing positions goes on in `step` while cancels are under way. With `dry_run` only what
        would be done is counted.
        """
        if dry_run:
            return self._would_do(level)
        words = f"kill ({level}) by {origin}" + (f": {reason}" if reason else "")
        halted = self._books.switches.state is RiskState.HALTED
        self.set_state(RiskState.HALTED if halted else RiskState.REDUCING, words, origin, level)
        self._board.alert("warning", words)
        return self._carry_out(level, words, origin)

    def halt(self, reason: str) -> None:
        """Let nothing but cancels through: something that must hold does not."""
        self.set_state(RiskState.HALTED, reason, "engine")
        self._board.alert("error", f"trading is halted: {reason}")

    def reduce(self, reason: str, level: Literal["warning", "error"] = "warning") -> None:
        """Let only exits through until somebody resumes."""
        if self._books.switches.state is RiskState.ACTIVE:
            self.set_state(RiskState.REDUCING, reason, "engine")
            self._board.alert(level, f"{reason}; only exits go until resumed")

    def resume(self, origin: OriginKind) -> None:
        """Let entries through again; nothing more is closed."""
        self.flattener.stop()
        self._left = None
        self.set_state(RiskState.ACTIVE, "", origin)

    def flatten(
        self, instruments: Collection[InstrumentId], reason: str, only: Collection[Part] = ()
    ) -> None:
        """Close positions step by step; their orders are cancelled first.

        With `only` none but these, of which there may be several in an instrument.
        """
        parts = [
            part
            for part in self._parts()
            if part.instrument_id in instruments and (not only or part in only)
        ]
        mine = [item for item in self._books.orders.open() if _part(item.order) in parts]
        self._cancel(mine, "engine")
        self.flattener.start(parts, reason, self._clock.now_ns())

    def reconciled(self) -> None:
        """Finish what an earlier session's kill began; call it once all venues are compared."""
        level, self._left = self._left, None
        if level is None:
            return
        words = self._books.switches.reason
        if level != "reduce":
            self._board.alert("warning", f"carrying on after the restart: {words}")
        self._carry_out(level, words, self._books.switches.origin)

    def step(self, now_ns: int) -> None:
        """Send what can be closed now."""
        if not self.flattener.active:
            return
        # A stop may have been held anew whose cancel was under way: it would outlive its position.
        again = [item for item in self._books.orders.open() if self._held_again(item.order)]
        if again:
            self._cancel(again, "engine")
        self.flattener.step(now_ns)

    def _held_again(self, order: Order) -> bool:
        if order.state is not OrderState.HELD or not self.flattener.closes(order):
            return False
        return order.intent.reason.startswith((STANDS_IN, COVERS))

    def set_state(self, state: RiskState, reason: str, origin: OriginKind, kill: str = "") -> None:
        """Write down what the gate lets through from now on."""
        now_ns = self._clock.now_ns()
        self._record(
            RiskStateChanged(state=state, reason=reason, origin=origin, ts_ns=now_ns, kill=kill)
        )
        self._board.status_version += 1

    def _carry_out(self, level: KillLevel, words: str, origin: OriginKind) -> KillReport:
        targets, spared = self._targets(level)
        if targets:
            self._cancel(targets, origin)
        parts: list[Part] = []
        closing: tuple[ClientOrderId, ...] = ()
        if level == "flatten":
            parts = self._parts()
            closing = self.flattener.start(parts, words, self._clock.now_ns())
        return KillReport(
            risk_state=self._books.switches.effective()[0],
            cancels=len(targets),
            closing_orders=closing,
            spared=spared,
            positions=sum(not self._closer.is_flat(part) for part in parts),
        )

    def _would_do(self, level: KillLevel) -> KillReport:
        targets, spared = self._targets(level)
        parts = self._parts() if level == "flatten" else []
        return KillReport(
            risk_state=self._books.switches.effective()[0],
            cancels=len(targets),
            spared=spared,
            positions=sum(not self._closer.is_flat(part) for part in parts),
            dry_run=True,
        )

    def _targets(self, level: KillLevel) -> tuple[list[Tracked], int]:
        """Return the orders a step cancels, and how many it leaves alone."""
        every = list(self._books.orders.open())
        if level == "pause":
            return [], len(every)
        if level != "reduce":
            return every, 0
        spared = self._exits(every)
        return [item for item in every if item.order.id not in spared], len(spared)

    def _exits(self, every: Sequence[Tracked]) -> set[ClientOrderId]:
        """Return the orders that protect or close: those that say so, then any that still fit."""
        found = {item.order.id for item in every if _says_exit(item.order.intent)}
        groups: dict[tuple[_Way, str], Decimal] = {}
        for item in every:
            if item.order.id in found:
                # Exits of one group fill for each other, so the largest stands for all.
                intent = item.order.intent
                key = (_way(item.order), intent.group_id or intent.client_order_id)
                groups[key] = max(groups.get(key, _ZERO), item.order.remaining)
        left: dict[_Way, Decimal] = {}
        for item in every:
            way = _way(item.order)
            if item.order.id in found or item.order.intent.role is Role.ENTRY:
                continue
            if way not in left:
                taken = sum((size for (name, _), size in groups.items() if name == way), _ZERO)
                left[way] = self._open(item.order) - taken
            if item.order.remaining <= left[way]:
                left[way] -= item.order.remaining
                found.add(item.order.id)
        return found

    def _open(self, order: Order) -> Decimal:
        """Return how much of a position orders such as this one close."""
        intent = order.intent
        apart = None if intent.position_side is PositionSide.NET else intent.position_side
        size = self._books.account.size(intent.instrument_id, apart, order.venue)
        return size * -intent.side.sign

    def _parts(self) -> list[Part]:
        """Return what may have to be closed: positions, and what orders may open meanwhile."""
        found = {
            Part(name, venue, side) for name, side, venue, _ in self._books.account.open_nets()
        }
        found.update(_part(item.order) for item in self._books.orders.open())
        return sorted(found)

    def _not_flattened(self, part: Part, why: str) -> None:
        size = self._closer.size(part)
        text = f"{part.instrument_id}: {size} is not closed: {why}; close it by hand"
        self._board.alert("error", text)


def _part(order: Order) -> Part:
    """Return the position an order belongs to."""
    return Part(order.intent.instrument_id, order.venue, order.intent.position_side)


def _way(order: Order) -> _Way:
    intent = order.intent
    return intent.instrument_id, intent.side, order.venue, intent.position_side


def _says_exit(intent: OrderIntent) -> bool:
    """Return whether an order can only close, by what it says of itself."""
    exits = intent.link in _EXITS and intent.role in {Role.STOP, Role.TARGET}
    return intent.reduce_only or exits
