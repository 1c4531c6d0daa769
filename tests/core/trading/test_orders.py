from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.market import Side
from core.model.orders import (
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderState,
    OrderSubmitted,
    OrderUnknown,
)
from core.trading.orders import OrderCache
from core.trading.states import Verdict


def fill(size: str, price: str = "100", execution: str = "e1", **fields: Any) -> OrderFilled:
    return OrderFilled(
        client_order_id=fields.pop("order", "o1"),
        venue="binance",
        instrument_id="BTC-USDT.binance",
        venue_order_id="77",
        execution_id=execution,
        side=fields.pop("side", Side.BUY),
        price=Decimal(price),
        size=Decimal(size),
        fee=Decimal("0.1"),
        fee_asset="USDT",
        maker=False,
        ts_event_ns=2,
        ts_ns=3,
        **fields,
    )


ACCEPT = OrderAccepted(client_order_id="o1", venue_order_id="77", ts_event_ns=1, ts_ns=1)
CANCEL = OrderCanceled(client_order_id="o1", ts_event_ns=5, ts_ns=5)
EXPIRE = OrderExpired(client_order_id="o1", reason="ioc", ts_event_ns=5, ts_ns=5)
UNKNOWN = OrderUnknown(client_order_id="o1", reason="timeout", ts_ns=4)


def with_order(floor: Any, size: str = "10") -> OrderCache:
    cache = OrderCache()
    cache.apply(OrderSubmitted(intent=floor.intent(size=size), venue="binance", ts_ns=0))
    return cache


def order_of(cache: OrderCache) -> Any:
    tracked = cache.get("o1")
    assert tracked is not None
    return tracked.order


def test_fills_add_up_to_average_price_and_fees(floor: Any) -> None:
    cache = with_order(floor)
    cache.apply(ACCEPT)
    cache.apply(fill("4", "100", "e1"))
    cache.apply(fill("6", "110", "e2"))
    order = order_of(cache)
    assert order.state is OrderState.FILLED
    assert order.average_price == Decimal(106)
    assert order.fees == {"USDT": Decimal("0.2")}
    assert cache.open_count == 0


@pytest.mark.parametrize("end", [CANCEL, EXPIRE])
def test_an_end_names_an_order_whose_acceptance_was_never_told(floor: Any, end: Any) -> None:
    cache = with_order(floor)
    cache.apply(msgspec.structs.replace(end, venue_order_id="77"))
    assert order_of(cache).state.terminal
    assert order_of(cache).venue_order_id == "77"


def test_the_same_execution_counts_once(floor: Any) -> None:
    cache = with_order(floor)
    assert cache.apply(fill("4")) is not None
    assert not cache.is_news(fill("4"))
    assert cache.apply(fill("4")) is None
    assert order_of(cache).filled == 4


def test_an_execution_id_of_another_instrument_is_another_execution(floor: Any) -> None:
    cache = with_order(floor)
    cache.apply(fill("4"))
    other = fill("4", order="o1")
    other = OrderFilled(
        **{f: getattr(other, f) for f in other.__struct_fields__}
        | {"instrument_id": "ETH-USDT.binance"}
    )
    assert cache.is_news(other)


def test_an_overfill_is_booked_and_reported(floor: Any) -> None:
    cache = with_order(floor, "3")
    cache.apply(fill("3", execution="e1"))
    applied = cache.apply(fill("1", execution="e2"))
    assert applied is not None
    assert applied.verdict is Verdict.ODD
    assert "overfilled: 4" in applied.problem
    assert order_of(cache).filled == 4
    assert order_of(cache).state is OrderState.FILLED


def test_an_event_of_an_unknown_order_is_not_ours(floor: Any) -> None:
    cache = OrderCache()
    for event in (ACCEPT, CANCEL, UNKNOWN, fill("1")):
        assert not cache.is_news(event)
        assert cache.apply(event) is None


def test_a_real_fill_takes_back_an_inferred_one(floor: Any) -> None:
    cache = with_order(floor)
    cache.apply(ACCEPT)
    cache.apply(fill("6", "100", "inferred-o1-6", inferred=True))
    applied = cache.apply(fill("4", "99", "e1"))
    assert applied is not None
    reversal, real = applied.fills
    assert (reversal.side, reversal.size, reversal.price) == (Side.SELL, 4, 100)
    assert (real.side, real.size, real.price) == (Side.BUY, 4, 99)
    assert order_of(cache).filled == 6, "4 real and 2 still inferred"
    cache.apply(fill("6", "98", "e2"))
    assert order_of(cache).filled == 10
    assert order_of(cache).state is OrderState.FILLED
    assert order_of(cache).average_price == (4 * Decimal(99) + 6 * Decimal(98)) / 10


def test_ended_orders_give_way_but_their_ids_stay_known(floor: Any) -> None:
    cache = OrderCache(max_ended=2)
    for n in range(4):
        intent = floor.intent(f"o{n}")
        cache.apply(OrderSubmitted(intent=intent, venue="binance", ts_ns=n))
        cache.apply(OrderRejected(client_order_id=f"o{n}", code="1", reason="no", ts_ns=n))
    assert [item.order.id for item in cache.all()] == ["o2", "o3"]
    assert cache.used("o0")
    late = cache.apply(fill("1", order="o0"))
    assert late is not None
    assert late.order is None
    assert late.fills, "its money moved all the same"


REPORTS: dict[str, tuple[list[Any], OrderState, str]] = {
    "filled": (
        [ACCEPT, fill("3", "100", "e1"), fill("7", "101", "e2")],
        OrderState.FILLED,
        "10",
    ),
    "filled, with a late timeout and cancel": (
        [ACCEPT, fill("3", "100", "e1"), fill("7", "101", "e2"), UNKNOWN, CANCEL],
        OrderState.FILLED,
        "10",
    ),
    "partly filled, then cancelled": (
        [ACCEPT, UNKNOWN, fill("3", "100", "e1"), fill("4", "101", "e2"), CANCEL],
        OrderState.CANCELED,
        "7",
    ),
    "partly filled, then expired": (
        [ACCEPT, fill("3", "100", "e1"), EXPIRE],
        OrderState.EXPIRED,
        "3",
    ),
    "still open": ([ACCEPT, UNKNOWN, fill("3", "100", "e1")], OrderState.PARTIALLY_FILLED, "3"),
}


@given(data=st.data(), kind=st.sampled_from(sorted(REPORTS)))
def test_reports_in_any_order_and_number_end_the_same(
    new_floor: Callable[[], Any], data: st.DataObject, kind: str
) -> None:
    reports, state, filled = REPORTS[kind]
    repeats = data.draw(st.lists(st.sampled_from(range(len(reports))), max_size=6))
    shuffled = data.draw(st.permutations([*range(len(reports)), *repeats]))
    cache = with_order(new_floor())
    for index in shuffled:
        cache.apply(reports[index])
    order = order_of(cache)
    assert (order.state, order.filled) == (state, Decimal(filled))
    assert order.venue_order_id == "77"
    assert sum(order.fees.values()) == Decimal("0.1") * sum(
        isinstance(report, OrderFilled) for report in reports
    )
    assert cache.open_count == (0 if state.terminal else 1)
