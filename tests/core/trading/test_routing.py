"""What is sent, in which words, and what is refused because the venue has no such thing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from core.model.abilities import VenueAbilities
from core.model.ids import ClientOrderId, InstrumentId
from core.model.market import Side
from core.model.orders import Link, OrderIntent, OrderType, PositionSide, TimeInForce
from core.trading.routing import lacks, wire_form

LIMIT = OrderIntent(
    client_order_id=ClientOrderId("clxc-0000000001-00000001"),
    instrument_id=InstrumentId("AAPL-USD.alpaca"),
    side=Side.BUY,
    type=OrderType.LIMIT,
    size=Decimal("0.5"),
    price=Decimal(180),
    origin="cli",
)


def test_day_order_is_refused_where_the_venue_has_no_days() -> None:
    denial = lacks(msgspec.structs.replace(LIMIT, time_in_force=TimeInForce.DAY), VenueAbilities())
    assert denial is not None
    assert denial == ("time_in_force", "the venue has no day orders, only fok, gtc, ioc")


def test_day_order_goes_out_as_it_is_where_the_venue_has_days() -> None:
    abilities = VenueAbilities(times=frozenset({TimeInForce.DAY}))
    wanted = msgspec.structs.replace(LIMIT, time_in_force=TimeInForce.DAY)
    assert lacks(wanted, abilities) is None
    assert wire_form(wanted, abilities) is wanted


DAYS = VenueAbilities(times=frozenset({TimeInForce.DAY}))


@pytest.mark.parametrize("tif", [TimeInForce.GTC, TimeInForce.IOC, TimeInForce.GTD])
def test_venue_of_days_alone_refuses_others(tif: TimeInForce) -> None:
    denial = lacks(msgspec.structs.replace(LIMIT, time_in_force=tif), DAYS)
    assert denial == ("time_in_force", f"the venue has no {tif} orders, only day")


@pytest.mark.parametrize("tif", [TimeInForce.GTC, TimeInForce.IOC])
def test_order_at_market_goes_for_the_day_where_there_are_days_alone(tif: TimeInForce) -> None:
    market = msgspec.structs.replace(LIMIT, type=OrderType.MARKET, price=None, time_in_force=tif)
    assert lacks(market, DAYS) is None
    assert wire_form(market, DAYS).time_in_force is TimeInForce.DAY


@pytest.mark.parametrize(
    ("hedging", "side", "words"),
    [
        (True, PositionSide.NET, "holds long and short apart: say which, long or short, was net"),
        (False, PositionSide.SHORT, "holds long and short as one: say neither, was short"),
        (True, PositionSide.LONG, None),
        (False, PositionSide.NET, None),
        (None, PositionSide.NET, None),
        (None, PositionSide.LONG, None),
    ],
)
def test_an_order_of_the_wrong_side_for_its_account_is_denied(
    hedging: bool | None, side: PositionSide, words: str | None
) -> None:
    wanted = msgspec.structs.replace(LIMIT, position_side=side)
    denial = lacks(wanted, VenueAbilities(hedging=hedging))
    assert (denial is None) is (words is None)
    if denial is not None and words is not None:
        assert denial.rule == "position_side"
        assert words in denial.reason


EXTENDED = VenueAbilities(extended_hours=True)


def test_extended_hours_are_denied_where_there_are_none() -> None:
    wanted = msgspec.structs.replace(LIMIT, extended_hours=True)
    assert lacks(wanted, EXTENDED) is None
    assert wire_form(wanted, EXTENDED) is wanted
    assert lacks(wanted, VenueAbilities()) == (
        "extended_hours", "the venue has none for this instrument; drop ext",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "was"),
    [
        ({"type": OrderType.MARKET, "price": None}, "was market gtc"),
        ({"time_in_force": TimeInForce.IOC}, "was limit ioc"),
        ({"link": Link.BRACKET}, "group (bracket)"),
    ],
)
def test_extended_hours_are_for_plain_resting_limit_orders(
    changes: dict[str, Any], was: str
) -> None:
    denial = lacks(msgspec.structs.replace(LIMIT, extended_hours=True, **changes), EXTENDED)
    assert denial is not None
    assert was in denial.reason


def test_fill_or_kill_is_never_sent_for_the_day() -> None:
    market = msgspec.structs.replace(
        LIMIT, type=OrderType.MARKET, price=None, time_in_force=TimeInForce.FOK
    )
    assert lacks(market, DAYS) is not None
