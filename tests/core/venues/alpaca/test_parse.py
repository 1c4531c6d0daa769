"""Orders, groups, names and times in Alpaca's words, and the recorded answers of the venue."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.model.errors import ConfigError, DataError
from core.model.ids import ClientOrderId, InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Side
from core.model.orders import Link, OrderIntent, OrderState, OrderType, Role, TimeInForce
from core.venues.alpaca import messages as m
from core.venues.alpaca.account import cash_of, signed
from core.venues.alpaca.names import Names, group_name, named, replaced_name
from core.venues.alpaca.parse import group_body, nanoseconds, order_body, order_state

DATA = Path(os.environ.get("CLX_RECORDED_DATA", Path(__file__).parents[5] / "shared" / "data"))
SHARE = Instrument(
    id=InstrumentId("AAPL-USD.alpaca"),
    venue=VenueName("alpaca"),
    venue_symbol="AAPL",
    base="AAPL",
    quote="USD",
    kind=InstrumentKind.STOCK,
    price_tick=Decimal("0.01"),
    size_lot=Decimal("0.000001"),
)
OPTION = msgspec.structs.replace(SHARE, kind=InstrumentKind.OPTION, size_lot=Decimal(1))
Make = Callable[..., OrderIntent]


def rows(name: str) -> list[dict[str, Any]]:
    path = DATA / "alpaca" / name
    if not path.exists():
        pytest.skip(f"no recorded data at {path}")
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize(
    ("changes", "tif"),
    [
        ({"time_in_force": TimeInForce.GTC}, "gtc"),
        ({"time_in_force": TimeInForce.DAY, "size": Decimal("0.5")}, "day"),
        ({"type": OrderType.MARKET, "price": None, "size": Decimal("0.5")}, "day"),
        ({"time_in_force": TimeInForce.FOK}, "fok"),
    ],
)
def test_life_of_an_order_is_said_as_it_is(intent: Make, changes: Any, tif: str) -> None:
    body = order_body(intent(**changes), SHARE, "x")
    assert body["time_in_force"] == tif
    assert "extended_hours" not in body


def test_extended_hours_are_asked_for_by_name(intent: Make) -> None:
    body = order_body(intent(extended_hours=True, time_in_force=TimeInForce.DAY), SHARE, "x")
    assert (body["extended_hours"], body["type"], body["time_in_force"]) == (True, "limit", "day")


@pytest.mark.parametrize(
    ("changes", "instrument", "words"),
    [
        ({"size": Decimal("0.5")}, SHARE, "parts of shares are traded for the day only"),
        (
            {"type": OrderType.TRAILING_STOP, "trail": Decimal(1), "size": Decimal("0.5")},
            SHARE,
            "cannot trail",
        ),
        ({"type": OrderType.STOP, "time_in_force": TimeInForce.IOC}, SHARE, "must be day or gtc"),
        ({"size": Decimal("1.5")}, OPTION, "options are traded whole"),
        ({"time_in_force": TimeInForce.IOC}, OPTION, "options are traded for the day"),
        ({"type": OrderType.TAKE_PROFIT}, SHARE, "has no take_profit orders"),
    ],
)
def test_what_the_venue_has_not_is_refused_with_words(
    intent: Make, changes: Any, instrument: Instrument, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        order_body(intent(**changes), instrument, "x")


def group(intent: Make, link: Link, *roles: Role, **changes: Any) -> list[OrderIntent]:
    fields: dict[Role, dict[str, Any]] = {
        Role.ENTRY: {},
        Role.TARGET: {"price": Decimal(120), "side": Side.SELL},
        Role.STOP: {
            "type": OrderType.STOP,
            "price": None,
            "trigger_price": Decimal(90),
            "side": Side.SELL,
        },
    }
    return [
        intent(number, role=role, link=link, group_id="g", **(fields[role] | changes))
        for number, role in enumerate(roles, 1)
    ]


def test_bracket_names_all_its_orders_and_they_are_found_in_it(intent: Make) -> None:
    body = group_body(group(intent, Link.BRACKET, Role.ENTRY, Role.STOP, Role.TARGET), SHARE)
    assert body["order_class"] == "bracket"
    assert (body["take_profit"], body["stop_loss"]) == (
        {"limit_price": "120"},
        {"stop_price": "90"},
    )
    entry, target, stop = named(str(body["client_order_id"]))
    assert [each[-1] for each in (entry, target, stop)] == ["1", "3", "2"]
    assert len(str(body["client_order_id"])) <= 128


def test_oco_is_its_target_and_oto_an_entry_with_one_exit(intent: Make) -> None:
    oco = group_body(group(intent, Link.OCO, Role.STOP, Role.TARGET), SHARE)
    assert (oco["order_class"], oco["type"], oco["side"]) == ("oco", "limit", "sell")
    oto = group_body(group(intent, Link.OTO, Role.ENTRY, Role.STOP), SHARE)
    assert (oto["order_class"], "take_profit" in oto) == ("oto", False)


@pytest.mark.parametrize(
    ("roles", "changes", "words"),
    [
        ((Role.ENTRY, Role.STOP), {"size": Decimal("1.5")}, "whole shares"),
        ((Role.ENTRY, Role.STOP), {"time_in_force": TimeInForce.IOC}, "must be day or gtc"),
        ((Role.STOP, Role.STOP), {}, "an entry, a stop and a target at most"),
        ((Role.STOP, Role.TARGET), {}, "needs a market or limit entry"),
    ],
)
def test_group_the_venue_cannot_hold_is_refused(
    intent: Make, roles: tuple[Role, ...], changes: Any, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        group_body(group(intent, Link.OTO, *roles, **changes), SHARE)


def test_what_stands_in_an_orders_place_is_found_by_its_name() -> None:
    mine, target = ClientOrderId("clxt-01m7yyex31-00000001"), ClientOrderId("clxt-1-t")
    assert named(replaced_name(mine, 1_790_000_000_000)) == (mine,)
    group = replaced_name(group_name([mine, target]), 1_790_000_000_001)
    assert named(group) == (mine, target)
    for theirs in ("their.own~name", "a~b~c~d", "theirs.1", "5f5795c0.stop", "~", ""):
        assert named(theirs) == (theirs,)


def test_so_is_one_whose_id_a_person_gave() -> None:
    ids = [ClientOrderId(name) for name in ("brk4", "brk4-t", "Brk_4-s")]
    assert named(group_name(ids)) == tuple(ids)
    assert named(replaced_name(group_name(ids), 1_790_000_000_000)) == tuple(ids)
    assert named(replaced_name(ids[0], 1_790_000_000_000)) == (ids[0],)


def test_times_keep_their_nanoseconds() -> None:
    assert nanoseconds("2026-09-18T13:24:50.018261663Z") % 1_000_000_000 == 18_261_663
    assert nanoseconds("2021-03-16T14:38:01-04:00") == nanoseconds("2021-03-16T18:38:01Z")
    with pytest.raises(DataError, match="soon"):
        nanoseconds("soon")


def test_recorded_orders_and_updates_are_read() -> None:
    orders = [
        m.ORDER.decode(json.dumps(row["msg"]))
        for row in rows("rest_trading.jsonl")
        if isinstance(row["msg"], dict) and "client_order_id" in row["msg"]
    ]
    assert len(orders) >= 3
    assert all(isinstance(order_state(order), OrderState) for order in orders)
    (update,) = [
        m.UPDATE.decode(json.dumps(row["msg"]["data"]))
        for row in rows("ws_2026_08_ccxt.jsonl")
        if row["msg"].get("stream") == "trade_updates"
    ]
    assert update.event == "pending_new"
    assert Names().of(update.order).startswith("ccxt_")


def test_recorded_account_says_its_money_below_zero() -> None:
    (account, *_) = [
        m.ACCOUNT.decode(json.dumps(row["msg"]))
        for row in rows("rest_trading.jsonl")
        if isinstance(row["msg"], dict) and "buying_power" in row["msg"]
    ]
    assert cash_of(account) == Decimal("-23140.2")


def test_short_position_is_below_zero_however_it_is_written() -> None:
    for qty in ("-5", "5"):
        row = m.PositionRow(symbol="A", asset_class="us_equity", qty=Decimal(qty), side="short")
        assert signed(row) == -5
