from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import Side
from core.model.orders import Link, Order, OrderState, Role
from core.trading.holds import Holds

BTC = InstrumentId("BTC-USDT.binance")
VENUE = VenueName("binance")
FEE = Decimal("0.001")
actions = st.lists(
    st.tuples(
        st.sampled_from(["buy", "sell", "market", "fill", "cancel", "lose"]),
        st.integers(1, 9),
        st.integers(0, 10**6),
    ),
    max_size=25,
)


@given(moves=actions)
def test_running_sums_equal_what_the_open_orders_add_up_to(
    new_floor: Callable[[], Any], moves: list[tuple[str, int, int]]
) -> None:
    floor = new_floor()
    desk = floor.open()
    for n, (action, size, pick) in enumerate(moves):
        floor.clock.advance(1)
        live = [o for o in floor.venue.orders_by_id.values() if not o.state.terminal]
        if action in {"buy", "sell"}:
            floor.submit(f"o{n}", action, str(size), f"{100 + size % 3}.00")
        elif action == "market":
            floor.submit(f"o{n}", "buy", str(size), None)
        elif action == "lose":
            floor.venue.lose_requests = not floor.venue.lose_requests
        elif live:
            order = live[pick % len(live)]
            if action == "cancel":
                desk.cancel(order.client_order_id, "cli")
            else:
                floor.venue.trade(
                    order.client_order_id, min(Decimal(size), order.size - order.filled)
                )
        if pick % 2:
            floor.venue.deliver(desk)
        holds, orders = desk.books.holds, desk.orders()
        buys = [o for o in orders if o.intent.side is Side.BUY]
        sells = [o for o in orders if o.intent.side is Side.SELL]
        left = sum((o.remaining for o in buys), Decimal(0))
        cost = sum((o.remaining * (o.intent.price or Decimal("100.01")) for o in buys), Decimal(0))
        base = sum((o.remaining for o in sells), Decimal(0))
        assert holds.open_size("BTC-USDT.binance", Side.BUY) == left
        assert holds.open_size("BTC-USDT.binance", Side.SELL) == base
        assert holds.held("binance", "USDT") == cost
        assert holds.claimed("binance", "USDT") == cost * (1 + FEE)
        assert holds.held("binance", "BTC") == holds.claimed("binance", "BTC") == base


def exit_order(floor: Any, name: str, size: str, price: str) -> Order:
    intent = floor.intent(name, "sell", size, price, group_id="g", link=Link.OCO, role=Role(name))
    return Order(
        intent=intent, venue=VENUE, state=OrderState.ACCEPTED, ts_submitted_ns=0, ts_updated_ns=0
    )


def test_exits_of_one_group_count_as_the_largest_of_them(floor: Any, btc: Instrument) -> None:
    holds = Holds({BTC: btc}, Decimal(0))
    orders = [exit_order(floor, "stop", "3", "95"), exit_order(floor, "target", "2", "105")]
    for order in orders:
        holds.update(order)
    assert holds.open_size(BTC, Side.SELL) == 3
    assert holds.held(VENUE, "BTC") == 3
    with holds.without(orders[0]):
        assert holds.open_size(BTC, Side.SELL) == 0, "the other would fill in its place"
    assert holds.open_size(BTC, Side.SELL) == 3
    holds.update(msgspec.structs.replace(orders[0], state=OrderState.CANCELED))
    assert holds.open_size(BTC, Side.SELL) == 2
    holds.update(msgspec.structs.replace(orders[1], state=OrderState.FILLED))
    assert holds.open_size(BTC, Side.SELL) == 0
    assert holds.held(VENUE, "BTC") == 0


def test_what_the_engine_holds_back_locks_nothing(floor: Any, btc: Instrument) -> None:
    holds = Holds({BTC: btc}, Decimal(0))
    order = exit_order(floor, "stop", "3", "95")
    holds.update(msgspec.structs.replace(order, state=OrderState.HELD))
    assert holds.open_size(BTC, Side.SELL) == 0
    holds.update(order)
    assert holds.open_size(BTC, Side.SELL) == 3
