"""What the engine watches for its orders: triggers, parents' fills, groups and ends.

What is to be done follows from how the orders of a group stand, never from what was done before, so
after a restart the same questions lead to the same answers::

    market moves ─► a held trigger is touched ─► release
    a parent fills ─► its children go out, as large as what it filled
    one of a group fills ─► the others shrink by as much, or end

Nothing here is sent or written: `Hands` does that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Final

from core.model.abilities import VenueAbilities
from core.model.ids import ClientOrderId, InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import Side
from core.model.orders import (
    Link,
    Order,
    OrderIntent,
    OrderState,
    OrderType,
    Role,
    TriggerBy,
)
from core.model.ports import Marks
from core.trading.bare import Bare, worth_of
from core.trading.form import check_least, touched
from core.trading.hands import Hands
from core.trading.leftovers import Leftover, Leftovers
from core.trading.listing import listed
from core.trading.lost import ended_by_venue, is_missed, was_lost
from core.trading.orders import OrderCache
from core.trading.routing import ends_here, holds_trigger
from core.trading.tracked import UNASKED, Tracked

STANDS_IN: Final = "held here for"
"""How the reason of a stop begins that the engine holds in place of one the venue refused."""
COVERS: Final = "covers what filled after"
"""How the reason of an exit begins that was made for what an entry filled too late."""
_ZERO: Final = Decimal(0)
_TWO: Final = Decimal(2)
_HUNDRED: Final = Decimal(100)
_TRAIL_NS: Final = 1_000_000_000
"""A trailing trigger is written down at most this often; a restart goes on from there."""
_WORKING: Final = frozenset({OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED})
_REFUSED: Final = frozenset({OrderState.REJECTED, OrderState.DENIED})
_LINKED: Final = frozenset({Link.OCO, Link.BRACKET})
_UNFILLED: Final = "ended unfilled"
"""Why children were dropped; should their entry prove to have filled, they are missed."""


class Guard:
    """Watches open orders that wait, belong together or end at a time."""

    def __init__(
        self,
        orders: OrderCache,
        marks: Marks,
        instruments: Mapping[InstrumentId, Instrument],
        abilities: Callable[[Order], VenueAbilities],
        hands: Hands,
    ) -> None:
        self._orders = orders
        self._marks = marks
        self._instruments = instruments
        self._abilities = abilities
        self._hands = hands
        self.watched: dict[InstrumentId, dict[ClientOrderId, Tracked]] = {}
        """Held triggers by instrument; the market need be told of no others."""
        self._trails: dict[ClientOrderId, tuple[Decimal, int]] = {}
        """Where a trailing trigger is, and when that was last written down."""
        self._groups: dict[str, dict[ClientOrderId, Tracked]] = {}
        self._heirs: dict[ClientOrderId, ClientOrderId] = {}
        """Order about to end to the one that replaces it."""
        self._successors: dict[ClientOrderId, ClientOrderId] = {}
        """Order of a group to the one that replaced it."""
        self._ending: dict[ClientOrderId, Tracked] = {}
        """GTD orders whose end the engine sees to."""
        self._blind: set[InstrumentId] = set()
        self._known: set[VenueName] = set()
        """Venues whose fills up to the start were booked; before that nothing is decided."""
        self._bare = Bare(hands, instruments)
        self._leftovers = Leftovers(orders, instruments, hands)
        self._waiting: dict[ClientOrderId, None] | None = None
        """Orders something happened to while many events are being booked."""

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Decide nothing until all events of a batch are booked: they belong together."""
        if self._waiting is not None:
            yield
            return
        self._waiting = {}
        try:
            yield
        finally:
            happened, self._waiting = self._waiting, None
            for order_id in happened:
                self.on_order(order_id)

    def rearm(self, venue: VenueName) -> None:
        """Take up a venue's open orders anew, and do what should have been done."""
        # Of a venue known already, whatever ended was noted when it did.
        orders = self._orders.open() if venue in self._known else self._orders.all()
        self._known.add(venue)
        for tracked in list(orders):
            if tracked.order.venue != venue:
                continue
            intent = tracked.order.intent
            if intent.group_id and intent.role is not Role.SLICE:
                self._groups.setdefault(intent.group_id, {})[tracked.order.id] = tracked
            self._note(tracked)
        for name in list(self._groups):
            self._settle(name)
        for parent in list(self._heirs):
            self._inherit(parent)

    def on_order(self, order_id: ClientOrderId) -> None:
        """Take it that something happened to an order."""
        tracked = self._orders.get(order_id)
        if tracked is None:
            return
        if self._waiting is not None:
            self._waiting[order_id] = None
            return
        self._note(tracked)
        if tracked.order.venue not in self._known:
            return
        if tracked.order.intent.role is Role.ENTRY and tracked.order.state.terminal:
            self._reopen(tracked.order)
        if tracked.order.intent.group_id:
            self._settle(tracked.order.intent.group_id)
        if order_id in self._heirs:
            self._inherit(order_id)
        for name in self._bare.beside(tracked.order):
            self._settle(name)

    def on_market(self, instrument_id: InstrumentId, now_ns: int) -> None:
        """Take it that a price of a watched instrument may have moved."""
        for tracked in list(self.watched.get(instrument_id, {}).values()):
            self._look(tracked, now_ns)

    def on_timer(self, now_ns: int) -> None:
        """End orders whose time is over, and say where triggers cannot be watched."""
        for tracked in list(self._ending.values()):
            if tracked.order.intent.expire_ns <= now_ns:
                self._ending.pop(tracked.order.id, None)
                self._finish(tracked, "its time is over")
        for instrument_id in list(self.watched):
            blind = not self._marks.trusted(instrument_id)
            if blind and instrument_id not in self._blind:
                count = len(self.watched.get(instrument_id, ()))
                self._hands.alert(
                    f"{instrument_id}: {count} held orders cannot be watched, its data is stale"
                )
            (self._blind.add if blind else self._blind.discard)(instrument_id)
            # A price that moved while nothing was told, such as after a restart.
            self.on_market(instrument_id, now_ns)
        for left in self._leftovers.look(now_ns):
            self._clear(left)

    def _clear(self, left: Leftover) -> None:
        """End an exit that has nothing to close any more, or make it as large as what there is."""
        tracked, intent = left.tracked, left.tracked.order.intent
        if tracked.order.venue not in self._known:
            return
        if intent.parent_id is not None and not self._entered(intent.parent_id)[1]:
            # Its entry may bring more yet, and sizes it then.
            return
        if not left.held:
            self._finish(tracked, "nothing of what it was to close is held any more")
        elif self._groups.get(intent.group_id):
            self._settle(intent.group_id)
        else:
            self._hands.resize(tracked, tracked.order.filled + left.held)

    # -- what waits ------------------------------------------------------------------------

    def _note(self, tracked: Tracked) -> None:
        """File an order under what it waits for."""
        order = tracked.order
        intent, live = order.intent, not order.state.terminal
        waiting = order.state is OrderState.HELD and tracked.waits == "trigger"
        watched = self.watched.setdefault(intent.instrument_id, {})
        if waiting:
            watched[order.id] = tracked
        else:
            watched.pop(order.id, None)
            self._trails.pop(order.id, None)
        if not watched:
            del self.watched[intent.instrument_id]
        if (
            intent.group_id
            and intent.role is not Role.SLICE
            and (live or intent.group_id in self._groups)
        ):
            self._groups.setdefault(intent.group_id, {})[order.id] = tracked
        if intent.replaces is not None:
            if tracked.waits == "replace":
                self._heirs[intent.replaces] = order.id
            if intent.group_id:
                self._successors[intent.replaces] = order.id
        if live and intent.expire_ns and ends_here(intent, self._abilities(order)):
            self._ending[order.id] = tracked
        else:
            self._ending.pop(order.id, None)

    def _look(self, tracked: Tracked, now_ns: int) -> None:
        intent = tracked.order.intent
        known = tracked.order.venue in self._known
        if not known or not self._marks.trusted(intent.instrument_id):
            return
        price = self.price(intent)
        if price is None:
            return
        trigger = intent.trigger_price
        if intent.type is OrderType.TRAILING_STOP:
            trigger = self._trail(tracked, price, now_ns)
        if trigger is None or not touched(intent, price, trigger):
            return
        sign = "<=" if price <= trigger else ">="
        words = f"{intent.trigger_by} price {price:f} {sign} trigger {trigger:f}"
        group = [item for item in self._others(tracked) if not item.order.state.terminal]
        working = [item for item in group if item.order.state is not OrderState.HELD]
        if working and not listed(self._instruments, intent.instrument_id).derivative:
            # What the others lock must come free before this one can be sent.
            self._hands.rehold(tracked, "siblings", intent.size)
            for item in working:
                if not item.order.state.terminal:
                    self._finish(item, "another of its group was touched")
            return
        if intent.parent_id is not None and self._bare.lacks(tracked, intent.size):
            # Its entry may bring more yet; once it has ended, this is told.
            return
        self._hands.release(tracked, words)

    def price(self, intent: OrderIntent) -> Decimal | None:
        """Return the price an order's trigger is held against, None while it is not known."""
        instrument = listed(self._instruments, intent.instrument_id)
        if intent.trigger_by is not TriggerBy.LAST:
            said = self._marks.reference(intent.instrument_id)
            if said is None:
                return None
            return said.mark if intent.trigger_by is TriggerBy.MARK else said.index
        last = self._marks.last(intent.instrument_id)
        if last is not None:
            return instrument.price(last)
        top = self._marks.top(intent.instrument_id)
        return None if top is None else (top[0] + top[1]) * instrument.price_tick / _TWO

    def _trail(self, tracked: Tracked, price: Decimal, now_ns: int) -> Decimal:
        """Move a trailing trigger after the market and return it."""
        intent = tracked.order.intent
        known, told_ns = self._trails.get(intent.client_order_id, (intent.trigger_price, 0))
        distance = intent.trail
        if distance is None:
            distance = price * (intent.trail_pct or _ZERO) / _HUNDRED
        sells = intent.side is Side.SELL
        wanted = price - distance if sells else price + distance
        if known is not None:
            wanted = max(wanted, known) if sells else min(wanted, known)
        if wanted != known:
            first = intent.trigger_price is None
            if first or now_ns - told_ns >= _TRAIL_NS:
                told_ns = now_ns
                self._trails[intent.client_order_id] = (wanted, told_ns)
                self._hands.move_trigger(tracked, wanted)
        self._trails[intent.client_order_id] = (wanted, told_ns)
        return wanted

    # -- groups ----------------------------------------------------------------------------

    def _others(self, tracked: Tracked) -> Iterator[Tracked]:
        """Yield the exits beside an exit, also replaced ones, but not those it replaced itself."""
        intent = tracked.order.intent
        # What covers a rest is as large as all others have left.
        linked = intent.link in _LINKED or intent.reason.startswith(COVERS)
        if not linked or intent.role is Role.ENTRY:
            return
        own = set()
        name = intent.replaces
        while name is not None and name not in own:
            own.add(name)
            before = self._orders.get(name)
            name = before.order.intent.replaces if before is not None else None
        for item in list(self._groups.get(intent.group_id, {}).values()):
            exits = item.order.intent.role is not Role.ENTRY
            if exits and item is not tracked and item.order.id not in own:
                yield item

    def _settle(self, name: str) -> None:
        """Do what follows from how the orders of a group stand now."""
        group = self._groups.get(name, {})
        for tracked in list(group.values()):
            self._protect(tracked)
        self._close_up(group)
        if all(item.over for item in group.values()):
            self._bare.forget(name)
            for order_id in self._groups.pop(name, {}):
                self._successors.pop(order_id, None)
            return
        for tracked in list(group.values()):
            if not tracked.order.state.terminal:
                self._settle_one(tracked)

    def _settle_one(self, tracked: Tracked) -> None:
        order = tracked.order
        intent = order.intent
        covers = intent.reason.startswith(COVERS)
        more = False
        if tracked.waits == "replace" or order.id in self._successors:
            return
        if intent.parent_id is not None:
            filled, over = self._entered(intent.parent_id)
            if not filled:
                if over:
                    self._finish(tracked, f"its entry {intent.parent_id} {_UNFILLED}")
                return
            if self._waits_there(order):
                return
            more = not over
        others = list(self._others(tracked))
        want = self._wanted(tracked, others)
        ended = [
            item
            for item in others
            if item.order.state.terminal and item.order.id not in self._successors
        ]
        # What covers a rest was made because the others had ended, and what was touched goes on.
        stays = covers or tracked.waits == "siblings" or order.triggered_ns
        # One that the venue ended by itself, as a dead-man switch does, takes no other along.
        gone = not stays and any(
            item.order.state not in _REFUSED or item.unwanted
            for item in ended
            if not ended_by_venue(item.order)
        )
        if want <= order.filled or gone:
            self._finish(tracked, "another of its group filled or ended")
            return
        self._fit(tracked, want, others, more=more)

    def _wanted(self, tracked: Tracked, others: list[Tracked]) -> Decimal:
        """Return how large an order is to be: what its entry brought, less what others filled."""
        intent = tracked.order.intent
        want = self._asked(tracked)
        if intent.parent_id is not None:
            filled, _ = self._entered(intent.parent_id)
            want = filled if intent.reason.startswith(COVERS) else min(want, filled)
        want -= sum((item.order.filled for item in others), _ZERO)
        want -= self._orders.filled_before(intent)
        most = self._leftovers.most(tracked)
        return want if most is None else min(want, most)

    def _asked(self, tracked: Tracked) -> Decimal:
        """Return the size an order was asked for; of linked exits, before any was sent anew."""
        intent = tracked.order.intent
        if intent.link not in _LINKED or intent.role is Role.ENTRY:
            return tracked.asked
        seen = {tracked.order.id}
        before = self._before(tracked)
        while before is not None and before.order.id not in seen:
            seen.add(before.order.id)
            tracked, before = before, self._before(before)
        return tracked.asked

    def _before(self, tracked: Tracked) -> Tracked | None:
        """Return the order that another one stands in for, None if it does for none we know."""
        name = tracked.order.intent.replaces
        return self._orders.get(name) if name is not None else None

    def _entered(self, entry_id: ClientOrderId) -> tuple[Decimal, bool]:
        """Return what an entry and its replacements brought, and whether the last has ended."""
        filled, over = _ZERO, False
        name: ClientOrderId | None = entry_id
        while name is not None:
            tracked = self._orders.get(name)
            if tracked is not None:
                filled += self._gained(tracked.order)
                over = tracked.over
            name = self._successors.get(name)
        return filled, over

    def _gained(self, order: Order) -> Decimal:
        """Return what an order filled, less what its fees took of a holding it bought."""
        instrument = listed(self._instruments, order.intent.instrument_id)
        fees = order.fees.get(instrument.base, _ZERO)
        if instrument.derivative or order.intent.side is Side.SELL or not fees:
            return order.filled
        return instrument.size(instrument.floor_lots(order.filled - fees))

    def _fit(self, tracked: Tracked, want: Decimal, others: list[Tracked], *, more: bool) -> None:
        """Let an order go out that waited, or be as large as is wanted.

        `more` says that its entry may bring more: what is too small for the venue waits for that.
        """
        order = tracked.order
        if not order.triggered_ns and any(item.waits == "siblings" for item in others):
            self._finish(tracked, "another of its group was touched")
            return
        if order.intent.parent_id is not None and not more:
            sent = order.state is not OrderState.HELD
            size = self._bare.size(tracked, want)
            if not size and not sent:
                self._bare_or_gone(tracked, want)
                return
            want = size or want
        if order.state is not OrderState.HELD:
            free = order.state in _WORKING and not order.amending and not tracked.ask
            if order.intent.size != want and free:
                self._hands.resize(tracked, want)
            return
        if tracked.waits in {"parent", "more"}:
            instrument = listed(self._instruments, order.intent.instrument_id)
            if holds_trigger(order.intent, instrument, self._abilities(order)):
                self._hands.rehold(tracked, "trigger", want)
            elif not (more and check_least(order.intent, instrument, want, worth_of(order.intent))):
                self._hands.release(tracked, "its entry filled", want)
        elif tracked.waits == "siblings":
            if all(item.order.state.terminal for item in others):
                self._hands.release(tracked, "its trigger was touched", want)
        elif order.intent.size != want:
            self._hands.resize(tracked, want)

    def _bare_or_gone(self, tracked: Tracked, want: Decimal) -> None:
        """Keep an exit that is too small to be sent, as long as there is anything for it."""
        if self._bare.over(tracked):
            self._finish(tracked, "nothing of what it was to close is held any more")
        elif tracked.waits != "more":
            self._hands.rehold(tracked, "more", want)
        self._bare.note(tracked, want)

    def _protect(self, tracked: Tracked) -> None:
        """Keep a position protected whose stop the venue refused, or gave up for its target."""
        order = tracked.order
        stop = order.intent.role is Role.STOP and order.id not in self._successors
        # One that was to be cancelled before it was refused, or proved never to have arrived, is
        # where it was to be.
        refused = order.state is OrderState.REJECTED and not tracked.unwanted
        if stop and (refused or self._given_up(tracked) or self._lost(tracked)):
            self._hands.protect(tracked)

    def _lost(self, tracked: Tracked) -> bool:
        """Return whether the venue ended a stop by itself; linked there, it may end all at once."""
        order = tracked.order
        if not was_lost(order) or order.intent.link in self._abilities(order).links:
            return False
        instrument = listed(self._instruments, order.intent.instrument_id)
        if self._wanted(tracked, list(self._others(tracked))) < instrument.size_lot:
            return False
        return is_missed(tracked, self._hands, instrument)

    def _given_up(self, tracked: Tracked) -> bool:
        """Return whether the venue ended a stop as its target began to fill, of which some is left.

        Venues that link the two themselves do, and would leave the rest without a stop.
        """
        order = tracked.order
        if order.state is not OrderState.EXPIRED or order.filled or order.triggered_ns:
            return False
        live = [item.order for item in self._others(tracked) if not item.order.state.terminal]
        return any(item.filled for item in live)

    def _reopen(self, entry: Order) -> None:
        """Take up a group that was done with, whose entry proves to have filled after all."""
        name = entry.intent.group_id
        if not name or not entry.filled or name in self._groups:
            return
        self._groups[name] = {
            item.order.id: item
            for item in self._orders.all()
            if item.order.intent.group_id == name and item.order.intent.role is not Role.SLICE
        }
        for item in self._groups[name].values():
            if item.order.intent.replaces is not None:
                self._successors[item.order.intent.replaces] = item.order.id

    def _close_up(self, group: Mapping[ClientOrderId, Tracked]) -> None:
        """End an entry whose exits have begun to fill, and cover what it fills after them.

        An entry may fill on while its cancel is under way, or be said to have ended before it is
        said to have filled; what that brings has exits that are gone already, so it gets another
        stop, or target where the group has no stop.
        """
        entries = [item for item in group.values() if item.order.intent.role is Role.ENTRY]
        exits = [item for item in group.values() if item.order.intent.role is not Role.ENTRY]
        gone = sum((item.order.filled for item in exits), _ZERO)
        dropped = [item for item in exits if item.order.note.endswith(_UNFILLED)]
        dropped += self._lapsed(entries, exits)
        if not entries or not (gone or dropped):
            return
        for entry in entries:
            if gone and not entry.order.state.terminal:
                self._finish(entry, "its exits have filled")
        if any(not item.over for item in exits):
            return
        if not dropped and all(item.unwanted or self._stood_in(item.order) for item in exits):
            # Somebody took them back: the guard ends an exit only where another one has filled.
            return
        if any(self._taken_back(item) for item in exits):
            return
        brought, _ = self._entered(entries[0].order.id)
        lot = listed(self._instruments, entries[0].order.intent.instrument_id).size_lot
        if brought - gone >= lot:
            exits = dropped or exits
            stops = [item for item in exits if item.order.intent.role is Role.STOP]
            self._hands.cover((stops or exits)[-1], brought)

    def _waits_there(self, exit_: Order) -> bool:
        """Return whether a venue that links orders holds an exit until the whole entry filled.

        It takes no change of such an exit, and ends it with an entry that ends before.
        """
        intent = exit_.intent
        sent_with_entry = exit_.state is not OrderState.HELD and intent.replaces is None
        if not sent_with_entry or intent.link not in self._abilities(exit_).links:
            return False
        entry = self._orders.get(intent.parent_id) if intent.parent_id is not None else None
        return entry is not None and entry.order.state is not OrderState.FILLED

    def _stood_in(self, exit_: Order) -> bool:
        """Return whether the venue refused an exit, and another one took its place."""
        return exit_.state is OrderState.REJECTED and exit_.id in self._successors

    def _taken_back(self, exit_: Tracked) -> bool:
        """Return whether somebody here cancelled what was to cover a rest."""
        order = exit_.order
        if not exit_.unwanted or order.id in self._successors:
            return False
        covers = order.intent.reason.startswith(COVERS)
        return covers and not order.note.endswith(UNASKED)

    @staticmethod
    def _lapsed(entries: list[Tracked], exits: list[Tracked]) -> list[Tracked]:
        """Return the exits that a venue which links them itself ended with a part-filled entry.

        They waited there for the whole of it, and would leave the part without a stop.
        """
        for entry in entries:
            part = entry.order.filled and entry.order.state is not OrderState.FILLED
            if not (part and entry.over):
                return []
        return [
            item
            for item in exits
            if item.order.note.endswith(UNASKED) or item.order.state is OrderState.EXPIRED
        ]

    def _inherit(self, parent_id: ClientOrderId) -> None:
        """Send what replaces an order that has ended, as large as what it left."""
        parent = self._orders.get(parent_id)
        heir = self._orders.get(self._heirs[parent_id])
        if heir is None or heir.order.state is not OrderState.HELD:
            del self._heirs[parent_id]
            return
        if parent is None or not parent.over:
            if parent is not None and parent.order.state in _WORKING:
                # Its cancel was refused, or never sent as the engine stopped before it.
                self._finish(parent, "another order takes its place")
            return
        del self._heirs[parent_id]
        intent = heir.order.intent
        left = heir.asked - self._orders.filled_before(intent)
        if intent.link in _LINKED and intent.role is not Role.ENTRY:
            # What its siblings filled while it waited is not to be closed again.
            left = min(left, self._wanted(heir, list(self._others(heir))))
        if left > 0 and parent.order.state is not OrderState.FILLED:
            self._hands.release(heir, f"{parent_id} ended", left)
        else:
            self._hands.drop(heir, f"{parent_id} filled before it could be replaced")

    def _finish(self, tracked: Tracked, reason: str) -> None:
        if tracked.order.state is OrderState.HELD:
            self._hands.drop(tracked, reason)
            return
        # Where a cancel was refused, or is wanted already, the venue is asked before the next one.
        asked = tracked.ask and (tracked.order.state in _WORKING or tracked.cancel_wanted)
        if tracked.order.state is not OrderState.PENDING_CANCEL and not asked:
            self._hands.end(tracked)
