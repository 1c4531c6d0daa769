"""Brackets under random fills, prices, lost messages and restarts: never oversold, never naked."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from core.model.abilities import VenueAbilities
from core.model.errors import ClxError
from core.model.orders import Link, OrderState, OrderType, Role
from core.model.settings import TradingSettings

D = Decimal
BTC = "BTC-USDT.binance"
ABLE = [VenueAbilities(), VenueAbilities(amend="smaller"), VenueAbilities(amend="any")]
MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("fill"), st.sampled_from(["entry", "target"]), st.integers(1, 4)),
        st.tuples(st.just("price"), st.integers(93, 106), st.just(0)),
        st.tuples(st.just("deliver"), st.integers(0, 3), st.just(0)),
        st.tuples(st.just("lose"), st.booleans(), st.just(0)),
        st.tuples(st.just("restart"), st.just(0), st.just(0)),
        st.tuples(st.just("cancel"), st.sampled_from(["entry", "target"]), st.just(0)),
    ),
    max_size=20,
)


class Storm:
    """A floor with a bracket on it, and what may happen to it."""

    def __init__(self, floor: Any, able: VenueAbilities) -> None:
        self.floor = floor
        quick = TradingSettings.model_validate({"unknown_poll_s": 0.001})
        floor.settings = floor.settings.model_copy(update={"trading": quick})
        floor.venue.able = able
        floor.open()
        shared = {"group_id": "g", "link": Link.BRACKET}
        floor.desk.submit_group(
            [
                floor.intent("entry", "buy", "4", "100", role=Role.ENTRY, **shared),
                floor.intent(
                    "stop", "sell", "4", None, type=OrderType.STOP, trigger_price=D(95),
                    role=Role.STOP, parent_id="entry", **shared,
                ),
                floor.intent(
                    "target", "sell", "4", "104", role=Role.TARGET, parent_id="entry", **shared
                ),
            ]
        )  # fmt: skip

    def live(self, role: Role) -> list[Any]:
        """What rests at the venue for one role of the group."""
        named = {
            item.order.id
            for item in self.floor.desk.books.orders.all()
            if item.order.intent.role is role
        }
        return [
            order
            for order in self.floor.venue.orders_by_id.values()
            if order.client_order_id in named and not order.state.terminal
        ]

    async def do(self, what: str, how: Any, size: int) -> None:
        floor = self.floor
        floor.clock.advance(1)
        if what == "fill":
            for order in self.live(Role(how))[:1]:
                floor.venue.trade(order.client_order_id, min(D(size), order.size - order.filled))
        elif what == "price":
            floor.marks.put_trade(str(how))
            floor.desk.guard.on_market(BTC, floor.clock.now_ns())
        elif what == "deliver":
            for _ in range(min(how, len(floor.venue.outbox))):
                floor.desk.on_venue_event(floor.venue.outbox.pop(0))
        elif what == "lose":
            floor.venue.lose_answers = how
        elif what == "restart":
            floor.venue.outbox.clear()
            floor.open(ready=False)
            await self.compare()
        else:
            for order in self.live(Role(how))[:1]:
                floor.desk.cancel(order.client_order_id, "tui")

    async def compare(self) -> None:
        """Let all be settled, as often as it takes."""
        reconciler = self.floor.reconciler(visibility_s=0.0)
        for _ in range(12):
            self.floor.clock.advance(5)
            self.floor.venue.deliver(self.floor.desk)
            try:
                await reconciler.reconcile()
            except ClxError:
                continue
            self.floor.desk.on_timer(self.floor.clock.now_ns())


@given(able=st.sampled_from(ABLE), moves=MOVES)
async def test_no_storm_oversells_a_bracket_or_leaves_it_naked(
    new_floor: Callable[[], Any], able: VenueAbilities, moves: list[tuple[str, Any, int]]
) -> None:
    storm = Storm(new_floor(), able)
    floor = storm.floor
    for what, how, size in moves:
        await storm.do(what, how, size)
        sold = sum(fill.size for fill in floor.venue.executions if fill.side == "sell")
        bought = sum(fill.size for fill in floor.venue.executions if fill.side == "buy")
        assert sold <= bought, "more was sold than the entry bought"
    floor.venue.lose_answers = False
    floor.marks.put_trade("100")
    await storm.compare()
    assert len(floor.venue.received) == len(set(floor.venue.received)), "an order was sent twice"
    held = floor.desk.position(BTC).size
    bought = sum(fill.size * fill.side.sign for fill in floor.venue.executions)
    assert held == bought, "what is booked is what happened"
    waiting = [
        item.order for item in floor.desk.books.orders.open()
        if item.order.intent.role in {Role.STOP, Role.TARGET}
    ]  # fmt: skip
    stops = [order for order in waiting if order.intent.role is Role.STOP]
    ended = {item.order.state for item in floor.desk.books.orders.all()} & {OrderState.DENIED}
    assert not ended
    if not held and not storm.live(Role.ENTRY):
        assert not waiting, "exits outlived their position"
    by_hand = any(what == "cancel" and how == "target" for what, how, _ in moves)
    if held and not by_hand:
        assert sum(order.intent.size - order.filled for order in stops) == held, "not protected"
