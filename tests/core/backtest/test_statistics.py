import math
from decimal import Decimal

import pytest

from core.backtest.statistics import YEAR_NS, max_drawdown, measure, round_trips, sharpe
from core.model.ids import ClientOrderId, ExecutionId, InstrumentId, VenueName, VenueOrderId
from core.model.market import Side
from core.model.orders import OrderFilled


def fill(side: Side, size: str, price: str, fee: str = "0", asset: str = "USDT") -> OrderFilled:
    return OrderFilled(
        client_order_id=ClientOrderId("a"),
        venue=VenueName("v"),
        instrument_id=InstrumentId("BTC-USDT.v"),
        venue_order_id=VenueOrderId("1"),
        execution_id=ExecutionId("1"),
        side=side,
        price=Decimal(price),
        size=Decimal(size),
        fee=Decimal(fee),
        fee_asset=asset,
        maker=False,
        ts_event_ns=0,
        ts_ns=0,
    )


def test_drawdown_is_the_largest_fall_from_a_peak() -> None:
    assert max_drawdown([100, 120, 90, 110, 130, 100]) == pytest.approx(0.25)


def test_a_rising_curve_has_no_drawdown() -> None:
    assert max_drawdown([1, 2, 3]) == 0


def test_sharpe_of_known_returns() -> None:
    step = YEAR_NS // 4
    returns = [0.02, -0.01, 0.03, 0.0]
    equity = [100.0]
    for value in returns:
        equity.append(equity[-1] * (1 + value))
    mean, deviation = 0.01, math.sqrt(sum((r - 0.01) ** 2 for r in returns) / 3)
    ts_ns = [i * step for i in range(5)]
    assert sharpe(ts_ns, equity) == pytest.approx(mean / deviation * 2)


def test_sharpe_of_a_flat_curve_is_not_a_number() -> None:
    assert math.isnan(sharpe([0, 1, 2], [5, 5, 5]))


def test_a_round_trip_counts_its_fees() -> None:
    trips = round_trips([fill(Side.BUY, "2", "100", "1"), fill(Side.SELL, "2", "110", "1")])
    assert [trip.pnl for trip in trips] == [Decimal(18)]


def test_a_fee_in_the_base_asset_is_valued_at_the_fill() -> None:
    trips = round_trips([fill(Side.BUY, "2", "100", "0.01", "BTC"), fill(Side.SELL, "2", "100")])
    assert trips[0].pnl == Decimal("-1")


def test_a_reversal_closes_one_trip_and_opens_the_next() -> None:
    trips = round_trips(
        [fill(Side.BUY, "1", "100"), fill(Side.SELL, "3", "90"), fill(Side.BUY, "2", "80")]
    )
    assert [(trip.side, trip.pnl) for trip in trips] == [
        (Side.BUY, Decimal(-10)),
        (Side.SELL, Decimal(20)),
    ]


def test_a_run_is_measured_whole() -> None:
    day = 86_400 * 10**9
    fills = [fill(Side.BUY, "1", "100", "1"), fill(Side.SELL, "1", "110", "1")]
    found = measure([0, day, 2 * day], [100, 105, 108], [100, 105, 110], fills, 1, 2.0)
    assert found.total_return == pytest.approx(0.08)
    assert (found.round_trips, found.win_rate) == (1, 1.0)
    assert found.profit_factor == math.inf
    assert found.turnover == pytest.approx(2.1)
    assert found.exposure == pytest.approx(1 / 3)
    assert found.hold_return == pytest.approx(0.1)
