from __future__ import annotations

from core.engine.demand import Changes, Demand
from core.model.ids import InstrumentId
from core.model.market import Timeframe

A, B = InstrumentId("A-USDT.x"), InstrumentId("B-USDT.x")
NOTHING = Changes((), ())


def test_wants_of_several_are_subscribed_once() -> None:
    demand = Demand(linger_ns=10)
    demand.want("one", [A])
    demand.want("two", [A, B])
    assert demand.settle(0) == Changes((A, B), ())
    demand.drop("one")
    assert demand.settle(100) == NOTHING, "somebody still wants it"


def test_given_up_lingers_and_can_be_taken_back() -> None:
    demand = Demand(linger_ns=10)
    demand.want("one", [A])
    demand.settle(0)
    demand.drop("one")
    assert demand.settle(5) == NOTHING
    demand.want("one", [A])
    assert demand.settle(20) == NOTHING
    demand.drop("one")
    assert demand.settle(30) == NOTHING
    assert demand.settle(40) == Changes((), (A,))
    assert demand.active == set()


def test_history_wanted_is_an_instrument_wanted() -> None:
    demand = Demand()
    demand.want("one", [], [(B, Timeframe.M1), (A, Timeframe.M5)])
    assert demand.settle(0).added == (A, B)
    assert demand.series() == [(A, Timeframe.M5), (B, Timeframe.M1)]
