from __future__ import annotations

from decimal import Decimal

import pytest

from core.model.errors import InvariantError
from core.model.ids import ClientOrderId, InstrumentId, VenueName
from core.model.market import FormingBar, Side, Timeframe
from core.model.orders import Order, OrderIntent, OrderState, OrderType
from core.model.views import (
    BarColumns,
    BookView,
    Chart,
    ChartTail,
    MarketFrame,
    OrderChanged,
    TapeRow,
)
from link.replica import MAX_ENDED_ORDERS, Replica

BTC = InstrumentId("BTC-USDT.binance")
ETH = InstrumentId("ETH-USDT.binance")


def order(number: int, state: OrderState) -> Order:
    return Order(
        intent=OrderIntent(
            client_order_id=ClientOrderId(f"o{number}"),
            instrument_id=BTC,
            side=Side.BUY,
            type=OrderType.LIMIT,
            size=Decimal(1),
            price=Decimal(2),
            origin="tui",
        ),
        venue=VenueName("paper"),
        state=state,
        ts_submitted_ns=0,
        ts_updated_ns=0,
    )


def columns(*opens: int) -> BarColumns:
    ones = [1] * len(opens)
    return BarColumns(
        ts_open_ns=list(opens), open=ones[:], high=ones[:], low=ones[:], close=ones[:],
        volume=ones[:],
    )  # fmt: skip


def chart(instrument: InstrumentId = BTC) -> Chart:
    return Chart(
        instrument_id=instrument,
        timeframe=Timeframe.M1,
        bars=columns(1, 2),
        indicators={"ema(20)": [0.5, 0.6]},
        predictions=[],
    )


def tail(*opens: int, instrument: InstrumentId = BTC) -> ChartTail:
    return ChartTail(
        instrument_id=instrument,
        timeframe=Timeframe.M1,
        closed=columns(*opens),
        indicators={"ema(20)": [0.7] * len(opens)},
        predictions=[],
        forming=FormingBar(
            instrument_id=instrument, timeframe=Timeframe.M1, ts_open_ns=9, open_ticks=1,
            high_ticks=1, low_ticks=1, close_ticks=1, volume_lots=1, trades=1,
        ),
    )  # fmt: skip


def test_fact_out_of_order_is_refused_and_changes_nothing() -> None:
    replica = Replica()
    replica.apply_fact(1, OrderChanged(order=order(1, OrderState.ACCEPTED)))
    with pytest.raises(InvariantError, match="fact 3 does not follow 1"):
        replica.apply_fact(3, OrderChanged(order=order(2, OrderState.ACCEPTED)))
    assert list(replica.orders) == ["o1"]


def test_ended_orders_are_forgotten_oldest_first_and_open_ones_never() -> None:
    replica = Replica()
    replica.apply_fact(1, OrderChanged(order=order(0, OrderState.ACCEPTED)))
    for number in range(1, MAX_ENDED_ORDERS + 11):
        replica.apply_fact(number + 1, OrderChanged(order=order(number, OrderState.FILLED)))
    assert len(replica.orders) == MAX_ENDED_ORDERS + 1
    assert "o0" in replica.orders
    assert "o10" not in replica.orders
    assert "o11" in replica.orders


def test_tail_extends_its_own_chart_only() -> None:
    replica = Replica()
    replica.apply_frame(MarketFrame(ts_ns=1, chart=chart()))
    replica.apply_frame(MarketFrame(ts_ns=2, tail=tail(3)))
    replica.apply_frame(MarketFrame(ts_ns=3, tail=tail(4, instrument=ETH)))
    assert replica.chart is not None
    assert replica.chart.bars.ts_open_ns == [1, 2, 3]
    assert replica.chart.indicators["ema(20)"] == [0.5, 0.6, 0.7]
    assert replica.forming is not None
    assert replica.forming.instrument_id == BTC


def test_new_focus_drops_the_old_book_and_tape() -> None:
    replica = Replica()
    book = BookView(instrument_id=BTC, bids=[(1, 1)], asks=[(2, 1)], last_id=1)
    replica.apply_frame(
        MarketFrame(ts_ns=1, chart=chart(), book=book, tape=[TapeRow(1, 2, 3, False)])
    )
    assert (replica.book, len(replica.tape)) == (book, 1)
    replica.take_dirty()
    replica.apply_frame(MarketFrame(ts_ns=2, chart=chart(ETH)))
    assert replica.book is None
    assert not replica.tape
    assert replica.take_dirty() >= {"chart", "forming", "book", "tape"}
