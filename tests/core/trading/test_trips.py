from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from core.model.ids import ClientOrderId, ExecutionId, InstrumentId, VenueName, VenueOrderId
from core.model.market import Side
from core.model.orders import (
    AmendSubmitted,
    CancelSubmitted,
    Order,
    OrderAccepted,
    OrderAmended,
    OrderCanceled,
    OrderFilled,
    OrderIntent,
    OrderRejected,
    OrderState,
    OrderSubmitted,
    OrderType,
    OrderUnknown,
)
from core.trading.trips import RoundTrips

X = VenueName("main")
ONE = ClientOrderId("one")
INTENT = OrderIntent(
    client_order_id=ONE, instrument_id=InstrumentId("BTC-USDT.x"), side=Side.BUY,
    type=OrderType.LIMIT, size=Decimal(1), price=Decimal(1), origin="cli",
)  # fmt: skip
SUBMITTED = OrderSubmitted(intent=INTENT, venue=X, ts_ns=100)
CANCEL = CancelSubmitted(client_order_id=ONE, origin="cli", ts_ns=1_000)
CANCELED = OrderCanceled(client_order_id=ONE, ts_event_ns=1, ts_ns=1_250)


def order(state: OrderState = OrderState.SUBMITTED) -> Order:
    return Order(intent=INTENT, venue=X, state=state, ts_submitted_ns=1, ts_updated_ns=1)


def accepted(ts_ns: int) -> OrderAccepted:
    return OrderAccepted(
        client_order_id=ONE, venue_order_id=VenueOrderId("v"), ts_event_ns=1, ts_ns=ts_ns
    )


def filled(ts_ns: int, *, inferred: bool = False) -> OrderFilled:
    return OrderFilled(
        client_order_id=ONE, venue=X, instrument_id=INTENT.instrument_id,
        venue_order_id=VenueOrderId("v"), execution_id=ExecutionId("e"), side=Side.BUY,
        price=Decimal(1), size=Decimal(1), fee=Decimal(0), fee_asset="USDT", maker=False,
        ts_event_ns=1, ts_ns=ts_ns, inferred=inferred,
    )  # fmt: skip


def measured(*records: Any, state: OrderState = OrderState.SUBMITTED) -> list[Any]:
    told: list[Any] = []
    trips = RoundTrips(lambda *trip: told.append(trip))
    for record in records:
        trips.take(record, order(state))
    return told


def test_first_word_after_an_order_ends_its_round_trip() -> None:
    assert measured(SUBMITTED, accepted(350), filled(900)) == [(X, "order", 250)]
    assert measured(SUBMITTED, filled(300), accepted(400)) == [(X, "order", 200)]


def test_amends_and_cancels_are_measured_apart() -> None:
    amend = AmendSubmitted(client_order_id=ONE, origin="cli", ts_ns=500)
    amended = OrderAmended(
        client_order_id=ONE, size=Decimal(1), price=None, ts_event_ns=1, ts_ns=570
    )
    told = measured(amend, amended, CANCEL, CANCELED, state=OrderState.PENDING_CANCEL)
    assert told == [(X, "amend", 70), (X, "cancel", 250)]


@pytest.mark.parametrize(
    "records",
    [
        (OrderUnknown(client_order_id=ONE, reason="no answer", ts_ns=200), accepted(9_000)),
        (OrderRejected(client_order_id=ONE, code="1", reason="no", ts_ns=200),),
        (filled(300, inferred=True),),
        (accepted(31_000_000_000),),
        (accepted(90),),
    ],
    ids=["asked about", "refused", "worked out", "found out", "clock went back"],
)
def test_what_was_not_answered_in_time_is_no_round_trip(records: Any) -> None:
    assert measured(SUBMITTED, *records) == []


def test_cancel_that_had_to_wait_for_its_order_is_not_measured() -> None:
    assert measured(SUBMITTED, CANCEL, CANCELED) == []


def test_record_of_no_order_is_passed_over() -> None:
    trips = RoundTrips(lambda *_: pytest.fail("nothing was answered"))
    trips.take(SUBMITTED, None)
    trips.take(accepted(1), order())
