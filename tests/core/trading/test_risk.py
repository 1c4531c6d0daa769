import re
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.accounts import RiskState
from core.model.facts import VenueDisconnected
from core.model.instruments import Instrument, InstrumentKind, PriceBand
from core.model.market import Side
from core.model.orders import OrderState, TimeInForce
from core.model.settings import Settings, TradingSettings
from core.model.views import ReferenceView
from core.trading.desk import TradingDesk


def denied(floor: Any, *args: Any, **fields: Any) -> str:
    """Submit, expect a refusal that sent nothing, return its words."""
    before = list(floor.venue.received)
    order = floor.submit(*args, **fields)
    assert order.state is OrderState.DENIED, order
    assert floor.venue.received == before
    return order.note


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"size": "0"}, "size: must be above 0, was 0"),
        ({"size": "NaN"}, "size: must be above 0, was NaN"),
        ({"price": "NaN"}, "price: must be above 0, was NaN"),
        ({"price": "-1"}, "price: must be above 0, was -1"),
        ({"size": "0.0005"}, "instrument.size_lot: .* size lots of 0.001, was 0.0005; nearest is"),
        ({"price": "100.005"}, "instrument.price_tick: .* was 100.005; nearest is 100.00"),
        ({"size": "101", "price": "1"}, "instrument.max_size: must be at most 100, was 101"),
        ({"size": "0.001"}, "instrument.min_notional: must be worth at least 5 USDT, was 0.1"),
        ({"size": "0.001", "price": None}, "instrument.min_notional: .* was 0.1"),
        ({"price": None, "post_only": True}, "post_only: a market order cannot"),
        ({"instrument_id": "XXX-USDT.binance"}, "instrument: XXX-USDT.binance is not listed"),
        ({"order_id": "not valid!"}, "client_order_id: .* was 'not valid!'"),
    ],
)
def test_an_impossible_order_is_denied_with_rule_and_value(
    floor: Any, fields: dict[str, Any], words: str
) -> None:
    floor.open()
    note = denied(floor, **fields)
    assert re.match(words, note), note


def test_a_limit_order_without_price_and_a_market_order_with_one_are_denied(floor: Any) -> None:
    floor.open()
    limit = msgspec.structs.replace(floor.intent("a"), price=None)
    market = msgspec.structs.replace(floor.intent("b", price=None), price=Decimal(100))
    assert floor.desk.submit(limit).note == "price: a limit order needs a price"
    assert floor.desk.submit(market).note == "price: a market order takes no price, was 100"


def test_an_order_beyond_max_notional_is_denied(floor: Any) -> None:
    floor.configure(max_order_notional=Decimal(500))
    floor.open()
    assert floor.submit("a", size="5").state is OrderState.SUBMITTED
    assert denied(floor, "b", size="5.001") == (
        "risk.max_order_notional: order is worth 500.10 USDT, allowed 500"
    )
    assert "worth 500.15" in denied(floor, "c", size="5.001", price=None), "valued at the ask"


def test_open_orders_count_towards_the_position_they_may_build(floor: Any) -> None:
    floor.configure(max_position_notional=Decimal(1000))
    floor.open()
    floor.hold("4")
    assert floor.submit("a", size="5").state is OrderState.SUBMITTED
    assert denied(floor, "b", size="2") == (
        "risk.max_position_notional: position could reach 11 BTC worth 1100.00 USDT, allowed 1000"
    )
    assert "-11 BTC" in denied(floor, "c", "sell", "15"), "selling 15 of 4 may end at -11"


def test_a_price_far_from_the_market_is_denied(floor: Any) -> None:
    floor.open()
    assert denied(floor, price="106.00") == (
        "risk.price_band_pct: price 106.00 is 6.00 % from the mid 100.00, allowed 5 %"
    )
    assert floor.submit("b", price="95.00").state is OrderState.SUBMITTED


def test_the_rate_is_counted_over_a_sliding_second(floor: Any) -> None:
    floor.configure(max_orders_per_second=3)
    floor.open()
    for n in range(3):
        floor.clock.advance(0.1)
        assert floor.submit(f"o{n}").state is OrderState.SUBMITTED
    assert denied(floor, "late") == (
        "risk.max_orders_per_second: 3 orders in the last second, allowed 3"
    )
    floor.clock.advance(0.81)
    assert floor.submit("later").state is OrderState.SUBMITTED


def test_open_orders_are_limited(floor: Any) -> None:
    floor.configure(max_open_orders=2)
    floor.open()
    floor.submit("a")
    floor.submit("b")
    assert denied(floor, "c") == "risk.max_open_orders: 2 orders open, allowed 2"


def test_a_buy_needs_its_cost_and_fee_and_a_sell_its_base(floor: Any) -> None:
    floor.venue.total = {"USDT": Decimal(1000), "BTC": Decimal(2)}
    floor.open()
    assert denied(floor, "a", size="10") == (
        "balance: buy needs 1001 USDT with a fee of up to 0.1 %, free is 1000"
    )
    assert floor.submit("b", size="9").state is OrderState.SUBMITTED
    assert "free is 99.1" in denied(floor, "c", size="1"), "what an open buy may cost is not free"
    assert floor.submit("d", "sell", "1.5", "101.00").state is OrderState.SUBMITTED
    assert denied(floor, "e", "sell", "0.6", "101.00") == "balance: sell needs 0.6 BTC, free is 0.5"


def test_reduce_only_never_opens_or_turns_a_position(floor: Any) -> None:
    floor.open()
    assert denied(floor, "a", "sell", "1", reduce_only=True).startswith("reduce_only: sell 1")
    floor.hold("2")
    assert floor.submit("b", "sell", "1.5", reduce_only=True).state is OrderState.SUBMITTED
    assert denied(floor, "c", "sell", "1", reduce_only=True) == (
        "reduce_only: sell 1 would not only reduce the position of 2 "
        "(1.5 of it in open sell orders)"
    )
    assert denied(floor, "d", "buy", "1", reduce_only=True).startswith("reduce_only: buy 1")


def test_stale_data_blocks_entries_but_never_exits(floor: Any, btc: Instrument) -> None:
    floor.open()
    floor.hold("2")
    floor.marks.stale.add(btc.id)
    assert denied(floor, "a").startswith("data.stale: ")
    assert floor.submit("b", "sell", "1", "60.00").state is OrderState.SUBMITTED, (
        "an exit is not held to a band around a price nobody trusts"
    )
    assert floor.submit("c", "sell", "1", None).state is OrderState.SUBMITTED


def test_no_limit_ever_blocks_an_exit(floor: Any) -> None:
    floor.open()
    floor.hold("10")
    floor.configure(
        max_order_notional=Decimal(1),
        max_position_notional=Decimal(1),
        max_open_orders=1,
        max_orders_per_second=1,
        max_daily_loss=Decimal("0.01"),
    )
    floor.open(ready=False)
    assert floor.desk.day_pnl() < 0
    for n in range(5):
        assert floor.submit(f"x{n}", "sell", "2").state is OrderState.SUBMITTED


def test_entries_wait_for_reconciliation_and_for_the_stream(floor: Any) -> None:
    floor.open(ready=False)
    floor.desk.on_venue_event(floor.venue.report_balances())
    assert denied(floor, "a").startswith("venue.reconcile: binance is not reconciled")
    floor.desk.reconciled("binance")
    assert floor.submit("b").state is OrderState.SUBMITTED
    floor.desk.on_venue_event(VenueDisconnected(venue="binance", reason="reset", ts_ns=1))
    assert "its stream is down: reset" in denied(floor, "c")
    floor.desk.links.failed("binance", "nothing answers")
    assert "its stream is down: reset" in denied(floor, "d"), "why it is down says more"
    assert floor.desk.links.view("binance").reason == "reset"


def test_the_keyboard_trades_only_while_armed(floor: Any, btc: Instrument, eth: Instrument) -> None:
    floor.open()
    assert denied(floor, "a", origin="tui").startswith("disarmed: ")
    floor.desk.arm(btc.id, 60)
    assert floor.submit("b", origin="tui").state is OrderState.SUBMITTED
    assert denied(floor, "c", origin="tui", instrument_id=eth.id, price="10.00").startswith(
        "disarmed"
    )
    floor.clock.advance(60)
    assert denied(floor, "d", origin="tui").startswith("disarmed: ")
    assert floor.submit("e", origin="strat").state is OrderState.SUBMITTED


def test_real_money_needs_the_setting(floor: Any) -> None:
    floor.mode = "LIVE"
    floor.open()
    assert denied(floor, "a") == "trading.live: real orders need trading.live = true, it is false"
    floor.settings = Settings(trading=TradingSettings(live=True))
    floor.open()
    assert floor.submit("b").state is OrderState.SUBMITTED


def test_an_end_that_is_past_is_told_as_a_time(floor: Any) -> None:
    floor.open()
    order = floor.submit("o1", time_in_force=TimeInForce.GTD, expire_ns=10**9)
    assert order.note.startswith("expire_ns: must be after now, ")
    assert order.note.endswith(" UTC, was 1970-01-01 00:00:01")


def test_what_no_market_values_is_refused_with_what_is_missing(floor: Any, btc: Instrument) -> None:
    euros = msgspec.structs.replace(btc, id="BTC-EUR.binance", quote="EUR")
    floor.instruments[euros.id] = euros
    floor.marks.put(euros, "90.00")
    floor.open()
    denied = floor.desk.submit(floor.intent("o1", price="90.00", instrument_id=euros.id))
    assert denied.note.startswith("risk.max_order_notional: EUR cannot be valued in USDT: no mark")


def test_a_halt_stops_even_exits_but_not_cancels(floor: Any) -> None:
    floor.open()
    floor.hold("1")
    floor.submit("resting")
    floor.venue.deliver(floor.desk)
    floor.desk.halt("the ledger does not balance")
    assert denied(floor, "a", "sell", "1").startswith("risk.state: trading is halted")
    assert floor.desk.cancel("resting", "cli").state is OrderState.PENDING_CANCEL


def test_the_daily_loss_closes_the_gate_and_says_so(floor: Any, btc: Instrument) -> None:
    floor.configure(max_daily_loss=Decimal(50))
    desk = floor.open()
    desk.on_timer(floor.clock.ns)
    floor.hold("10")
    floor.marks.put(btc, "94.00")
    assert denied(floor, "a", price="94.00").startswith("risk.max_daily_loss: lost 61.00 today")
    assert desk.risk_state() is RiskState.ACTIVE
    desk.on_timer(floor.clock.ns + 10**9)
    assert desk.risk_state() is RiskState.REDUCING
    assert any("risk.max_daily_loss: lost 61.00 USDT" in text for text in floor.alerts())


def test_limits_show_how_much_is_used(floor: Any) -> None:
    desk = floor.open()
    floor.hold("3")
    floor.submit("a", size="2")
    used = {limit.rule: limit.used for limit in desk.limits()}
    assert used["risk.max_position_notional"] == 500
    assert used["risk.max_order_notional"] == 200
    assert used["risk.max_open_orders"] == 1
    assert used["risk.max_orders_per_second"] == 2
    assert used["risk.max_daily_loss"] == Decimal("0.3")


steps = st.lists(
    st.tuples(
        st.sampled_from(["buy", "sell"]),
        st.decimals("0.1", "9", places=1),
        st.sampled_from(["99.00", "100.00", "101.00", None]),
        st.floats(0, 1),
    ),
    min_size=1,
    max_size=30,
)


@given(moves=steps, dance=st.randoms(use_true_random=False))
def test_no_sequence_of_orders_and_fills_leads_beyond_the_position_limit(
    new_floor: Any, btc: Instrument, moves: list[tuple[str, Decimal, str | None, float]], dance: Any
) -> None:
    floor = new_floor()
    floor.configure(max_position_notional=Decimal(1000), max_orders_per_second=1000)
    desk: TradingDesk = floor.open()
    for n, (side, size, price, part) in enumerate(moves):
        floor.submit(f"o{n}", side, str(size), price)
        resting = [o for o in floor.venue.orders_by_id.values() if not o.state.terminal]
        if resting:
            order = dance.choice(resting)
            lots = btc.floor_lots((order.size - order.filled) * Decimal(str(round(part, 3))))
            if lots:
                floor.venue.trade(order.client_order_id, btc.size(lots))
        if dance.random() < 0.5:
            floor.venue.deliver(desk)
        size_at_venue = sum(
            (fill.size * Side(fill.side).sign for fill in floor.venue.executions), Decimal(0)
        )
        assert abs(size_at_venue) * 100 <= 1000


D = Decimal
BAND = PriceBand(buy_low=D("0.2"), buy_high=D("1.5"), sell_low=D("0.9"), sell_high=D(5))


@pytest.mark.parametrize(
    ("side", "price", "words"),
    [
        ("buy", "19.99", "at least 0.2 times the market's 100"),
        ("buy", "150.01", "at most 1.5 times"),
        ("sell", "89.99", "at least 0.9 times"),
        ("sell", "500.01", "at most 5 times"),
    ],
)
def test_a_price_outside_the_venues_own_band_is_not_sent(
    floor: Any, btc: Instrument, side: str, price: str, words: str
) -> None:
    floor.instruments[btc.id] = msgspec.structs.replace(btc, price_band=BAND)
    floor.configure(price_band_pct=D(1000), max_order_notional=D(1_000_000))
    floor.open()
    assert denied(floor, "a", side, "1", price).startswith("instrument.price_band: binance takes ")
    assert words in floor.order("a").note
    edge = {"19.99": "20", "150.01": "150", "89.99": "90", "500.01": "500"}[price]
    assert floor.submit("b", side, "1", edge).state is OrderState.SUBMITTED


def test_the_venues_band_is_left_to_it_while_data_is_stale(floor: Any, btc: Instrument) -> None:
    floor.instruments[btc.id] = msgspec.structs.replace(btc, price_band=BAND)
    floor.open()
    floor.hold("2")
    floor.marks.stale.add(btc.id)
    assert floor.submit("exit", "sell", "2", "80").state is OrderState.SUBMITTED


def test_the_band_of_a_contract_is_around_its_mark_price(floor: Any, btc: Instrument) -> None:
    perp = msgspec.structs.replace(
        btc, kind=InstrumentKind.PERPETUAL, settle="USDT", price_band=PriceBand(buy_high=D("1.05"))
    )
    floor.instruments[btc.id] = perp
    floor.configure(price_band_pct=D(1000), max_order_notional=D(1_000_000))
    floor.open()
    floor.marks.said[btc.id] = ReferenceView(mark=D(90))
    assert denied(floor, "a", "buy", "1", "94.51").startswith("instrument.price_band")
    assert floor.submit("b", "buy", "1", "94.50").state is OrderState.SUBMITTED


def test_an_order_at_market_has_a_largest_size_of_its_own(floor: Any, btc: Instrument) -> None:
    floor.instruments[btc.id] = msgspec.structs.replace(btc, max_market_size=D(3))
    floor.open()
    assert denied(floor, "a", "buy", "4", None).startswith("instrument.max_market_size: ")
    assert floor.submit("b", "buy", "3", None).state is OrderState.SUBMITTED
    floor.venue.deliver(floor.desk)
    floor.hold("4")
    floor.desk.kill("flatten", "", "tui")
    for _ in range(3):
        floor.venue.deliver(floor.desk)
        floor.clock.advance(2)
        floor.desk.on_timer(floor.clock.ns)
    assert floor.desk.position(btc.id).size == 0, "closed in parts the venue takes"
