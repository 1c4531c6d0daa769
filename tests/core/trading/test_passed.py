from collections.abc import Callable
from decimal import Decimal
from typing import Any

from core.model.inspection import ChecksPassed
from core.model.market import Side
from core.model.orders import OrderType


def figures(told: ChecksPassed) -> dict[str, tuple[str, str]]:
    return {use.rule: (f"{use.used.normalize():f}", f"{use.allowed:f}") for use in told.limits}


def opened(new_floor: Callable[[], Any]) -> tuple[Any, Any]:
    floor = new_floor()
    desk = floor.open()
    desk.passed.remember()
    return floor, desk


def test_an_entry_keeps_each_limit_with_the_order_counted_in(
    new_floor: Callable[[], Any],
) -> None:
    floor, desk = opened(new_floor)
    floor.submit("o1", "buy", "2", "99.00")
    floor.submit("o2", "buy", "3", "99.00")
    (told,) = desk.passed.find("o2")
    assert told.ts_ns == desk.orders()[1].ts_submitted_ns
    assert "an entry worth 297.00 USDT" in told.text
    assert "tick 0.01, lot 0.001, worth at least 5 USDT" in told.text
    assert "needs 297.297 USDT, 99,801.802 free" in told.text
    used = figures(told)
    assert used["risk.max_order_notional"] == ("297", "50000")
    assert used["risk.max_open_orders"] == ("2", "200")
    assert used["risk.max_orders_per_second"] == ("2", "20")
    assert used["risk.price_band_pct"] == ("1", "5")
    assert used["risk.max_position_notional"][0] == "500"
    assert "risk.min_liquidation_pct" not in used
    assert "risk.min_confidence" not in used


def test_figures_stay_as_they_were_when_the_order_was_checked(
    new_floor: Callable[[], Any],
) -> None:
    floor, desk = opened(new_floor)
    floor.submit("o1", "buy", "2", "99.00")
    before = figures(desk.passed.find("o1")[0])
    floor.submit("o2", "buy", "9", "99.00")
    desk.cancel("o1", "cli")
    assert figures(desk.passed.find("o1")[0]) == before


def test_an_exit_is_told_as_one_and_has_no_limits(new_floor: Callable[[], Any]) -> None:
    floor, desk = opened(new_floor)
    floor.submit("o1", "buy", "2", None)
    floor.venue.deliver(desk)
    floor.submit("o2", "sell", "1", "110.00")
    (told,) = desk.passed.find("o2")
    assert told.text.startswith("an exit beside a position of 2,")
    assert told.limits == ()


def test_a_held_trigger_counts_itself_though_no_sum_has_it_yet(
    new_floor: Callable[[], Any],
) -> None:
    floor, desk = opened(new_floor)
    floor.submit("o1", "buy", "2", None, type=OrderType.STOP, trigger_price=Decimal("101.00"))
    (told,) = desk.passed.find("o1")
    used = figures(told)
    assert used["risk.max_order_notional"][0] == "202"
    assert used["risk.max_position_notional"][0] == "202"
    assert Decimal(used["risk.max_leverage"][0]) > 0
    assert desk.orders()[0].intent.side is Side.BUY


def test_nothing_is_kept_before_somebody_asks_for_it(new_floor: Callable[[], Any]) -> None:
    floor = new_floor()
    desk = floor.open()
    floor.submit("o1", "buy", "2", "99.00")
    assert desk.passed.find("o1") == []
