from __future__ import annotations

from decimal import Decimal

import pytest

from core.engine.clock import SimClock
from core.model.ids import ClientOrderId, VenueName
from core.venues.teller import Teller

A = ClientOrderId("clxt-0000000001-00000001")


@pytest.fixture
def told():
    return []


@pytest.fixture
def teller(told):
    return Teller(VenueName("binance"), clock=SimClock(9), sink=told.append)


def names(told):
    return [type(event).__name__ for event in told]


def test_whoever_tells_first_is_heard_and_nobody_after(teller, told):
    teller.once.expect(A)
    teller.accepted(A, "7", 1)
    teller.accepted(A, "7", 2)
    teller.refused(A, "-1", "no")
    teller.unknown(A, "late")
    teller.canceled(A, 3)
    teller.expired(A, "late", 4)
    assert names(told) == ["OrderAccepted", "OrderCanceled"]


def test_unknown_is_told_only_while_an_outcome_is_owed(teller, told):
    teller.unknown(A, "nobody asked")
    teller.once.expect(A)
    teller.unknown(A, "no answer")
    teller.unknown(A, "no answer")
    teller.accepted(A, "7", 1)
    assert names(told) == ["OrderUnknown", "OrderAccepted"]


def test_a_change_is_told_once_for_each_time_of_the_venue(teller, told):
    stands = {"size": Decimal(1), "price": Decimal(5)}
    teller.amended(A, **stands, ts_event_ns=1)
    teller.amended(A, **stands, ts_event_ns=1)
    teller.amended(A, **stands, ts_event_ns=2)
    teller.triggered(A, 3, "8")
    teller.triggered(A, 4, "8")
    teller.triggered(A, 5)
    assert names(told) == ["OrderAmended"] * 2 + ["OrderTriggered"] * 2


def test_nothing_changes_of_what_has_ended(teller, told):
    teller.canceled(A, 1)
    teller.amended(A, size=Decimal(1), price=None, ts_event_ns=2)
    teller.triggered(A, 2)
    assert names(told) == ["OrderCanceled"]
